#include "runtime/text/Unicode.h"

#include <algorithm>
#include <vector>

#include <utf8proc.h>

#include "runtime/text/Utf8.h"

namespace jinx::text {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }
bool between(char32_t c, utf8proc_category_t first, utf8proc_category_t last) {
  const auto found = category(c);
  return found >= first && found <= last;
}
int combiningClass(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

/// Marks between two starters in the order of their classes, those of one class as they stood. utf8proc's own way takes the square of their number.
void orderMarks(std::vector<utf8proc_int32_t>& codes) {
  constexpr int kClassShift = 56, kPlaceShift = 21; // of a code point with its class and place
  const auto isStarter = [](utf8proc_int32_t c) { return combiningClass(c) == 0; };
  std::vector<uint64_t> marks;
  for (auto at = codes.begin(); at != codes.end();) {
    at = std::find_if_not(at, codes.end(), isStarter);
    const auto end = std::find_if(at, codes.end(), isStarter);
    marks.clear();
    for (auto mark = at; mark != end; ++mark)
      marks.push_back(static_cast<uint64_t>(combiningClass(*mark)) << kClassShift | static_cast<uint64_t>(mark - at) << kPlaceShift |
                      static_cast<uint64_t>(*mark));
    std::ranges::sort(marks);
    for (uint64_t mark : marks)
      *at++ = static_cast<utf8proc_int32_t>(mark & ((1 << kPlaceShift) - 1));
  }
}

} // namespace

bool isWhiteSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}
bool isNumeric(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : between(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO); }
bool isPunctuation(char32_t c) { return between(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO); }
bool isSign(char32_t c) {
  if (c < 0x80) return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  return isPunctuation(c);
}
bool isMark(char32_t c) { return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN; }
bool isAnyMark(char32_t c) { return c >= 0x300 && between(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME); }
bool isControl(char32_t c) {
  if (c < 0x80) return c < 0x20 || c == 0x7F;
  return between(c, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}
bool isWord(char32_t c) {
  const auto found = category(c);
  return (found >= UTF8PROC_CATEGORY_LU && found <= UTF8PROC_CATEGORY_ND) || found == UTF8PROC_CATEGORY_NL || found == UTF8PROC_CATEGORY_PC;
}
char32_t lowerCase(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

std::string normalForm(std::string_view text, NormalForm form) {
  if (isAscii(text)) return std::string(text);
  const bool composed = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const auto decompose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  std::vector<utf8proc_int32_t> codes;
  codes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Sequence s = utf8At(text, at);
    utf8proc_int32_t parts[32]; // the longest decomposition has 18
    int boundary = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(s.code), parts, std::size(parts), decompose, &boundary);
    if (count > 0 && count <= static_cast<utf8proc_ssize_t>(std::size(parts))) codes.insert(codes.end(), parts, parts + count);
    at += s.size;
  }
  orderMarks(codes);
  auto length = static_cast<utf8proc_ssize_t>(codes.size());
  if (composed)
    length = utf8proc_normalize_utf32(codes.data(), length, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::string result;
  result.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < length; ++i)
    appendUtf8(result, static_cast<char32_t>(codes[static_cast<size_t>(i)]));
  return result;
}

bool isGraphemeBreak(char32_t before, char32_t after, int32_t& state) {
  return utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before), static_cast<utf8proc_int32_t>(after), &state);
}

} // namespace jinx::text
