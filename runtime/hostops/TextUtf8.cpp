#include "runtime/hostops/TextUtf8.h"

#include <locale.h>
#include <wctype.h>

namespace jinx::utf8 {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

bool isContinuation(std::string_view text, size_t i) {
  return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
}

} // namespace

char32_t next(std::string_view text, size_t* at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t i = (*at)++;
  const unsigned char lead = byte(i);
  if (lead < 0x80) return lead;
  const size_t length = lead >= 0xF0 && lead < 0xF8   ? 4
                        : lead >= 0xE0 && lead < 0xF0 ? 3
                        : lead >= 0xC2 && lead < 0xE0 ? 2
                                                      : 0;
  if (length == 0) return kReplacement;
  char32_t c = lead & (0xFFu >> (length + 1));
  for (size_t k = 1; k < length; ++k) {
    if (!isContinuation(text, i + k)) return kReplacement;
    c = (c << 6) | (byte(i + k) & 0x3F);
  }
  static constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000}; // shorter forms exist below these
  if (c < kLeast[length] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return kReplacement;
  *at = i + length;
  return c;
}

void append(std::string* text, char32_t c) {
  const auto put = [&](char32_t byte) { text->push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

bool isSpace(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

CaseMap::CaseMap(const std::string& locale) : locale_(nullptr) {
  if (!locale.empty()) {
    const std::string withEncoding = locale.find('.') == std::string::npos ? locale + ".UTF-8" : locale;
    locale_ = newlocale(LC_CTYPE_MASK, withEncoding.c_str(), nullptr);
  }
  if (!locale_) locale_ = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
}

CaseMap::~CaseMap() {
  if (locale_) freelocale(static_cast<locale_t>(locale_));
}

char32_t CaseMap::lower(char32_t c) const {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return locale_ ? static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), static_cast<locale_t>(locale_))) : c;
}

char32_t CaseMap::upper(char32_t c) const {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  return locale_ ? static_cast<char32_t>(towupper_l(static_cast<wint_t>(c), static_cast<locale_t>(locale_))) : c;
}

std::string CaseMap::lower(std::string_view text) const {
  std::string out;
  for (size_t i = 0; i < text.size();)
    append(&out, lower(next(text, &i)));
  return out;
}

std::string CaseMap::upper(std::string_view text) const {
  std::string out;
  for (size_t i = 0; i < text.size();)
    append(&out, upper(next(text, &i)));
  return out;
}

} // namespace jinx::utf8
