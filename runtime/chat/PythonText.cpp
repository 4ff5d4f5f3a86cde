#include "runtime/chat/PythonText.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <utf8proc.h>

#include "runtime/text/Utf8.h"

namespace jinx::chat {
namespace {

utf8proc_category_t categoryOf(char32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

size_t beginOfLast(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80)
    --at;
  return at;
}

void appendUpper(std::string& text, char32_t code) {
  if (code == 0xDF) text += "SS";
  else text::appendUtf8(text, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code))));
}
void appendTitle(std::string& text, char32_t code) {
  if (code == 0xDF) text += "Ss";
  else text::appendUtf8(text, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code))));
}
void appendLower(std::string& text, char32_t code) {
  if (code == 0x130) text += "i\u0307";
  else text::appendUtf8(text, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))));
}

/// Each code point through `change(std::string& changed, char32_t code)`, with its mark.
template <typename Change> MarkedText mapCodes(const MarkedText& text, Change change) {
  MarkedText changed;
  std::string one;
  for (size_t at = 0; at < text.size();) {
    const text::Utf8Sequence s = text::utf8At(text.bytes(), at);
    one.clear();
    change(one, s.code);
    changed.append(one, text.isTemplateAt(at));
    at += s.size;
  }
  return changed;
}

} // namespace

bool isSpace(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13) || (code >= 0x1C && code <= 0x1F);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

size_t endWithoutSpace(std::string_view text) {
  while (!text.empty()) {
    const size_t at = beginOfLast(text);
    if (!isSpace(text::utf8At(text, at).code)) break;
    text = text.substr(0, at);
  }
  return text.size();
}

size_t beginWithoutSpace(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const text::Utf8Sequence s = text::utf8At(text, at);
    if (!isSpace(s.code)) break;
    at += s.size;
  }
  return at;
}

size_t countCodes(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

size_t byteOfCode(std::string_view text, size_t code) {
  size_t at = 0;
  for (; code > 0 && at < text.size(); --code)
    at += text::utf8At(text, at).size;
  return at;
}

std::vector<size_t> codeBegins(std::string_view text) {
  std::vector<size_t> begins;
  for (size_t at = 0; at < text.size(); at += text::utf8At(text, at).size)
    begins.push_back(at);
  begins.push_back(text.size());
  return begins;
}

// ---- case --------------------------------------------------------------------------------------------------------------------------

bool isUpper(char32_t code) { return categoryOf(code) == UTF8PROC_CATEGORY_LU; }
bool isLower(char32_t code) { return categoryOf(code) == UTF8PROC_CATEGORY_LL; }
bool isAlpha(char32_t code) {
  const utf8proc_category_t category = categoryOf(code);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool isDigit(char32_t code) { return categoryOf(code) == UTF8PROC_CATEGORY_ND || code == 0xB2 || code == 0xB3 || code == 0xB9; }
bool isAlphaOrDigit(char32_t code) { return isAlpha(code) || isDigit(code) || categoryOf(code) == UTF8PROC_CATEGORY_NO; }

bool all(std::string_view text, bool (*is)(char32_t)) {
  for (size_t at = 0; at < text.size();) {
    const text::Utf8Sequence s = text::utf8At(text, at);
    if (!is(s.code)) return false;
    at += s.size;
  }
  return !text.empty();
}

MarkedText toUpper(const MarkedText& text) { return mapCodes(text, appendUpper); }
MarkedText toLower(const MarkedText& text) { return mapCodes(text, appendLower); }

MarkedText toCapitalized(const MarkedText& text) {
  bool first = true;
  return mapCodes(text, [&](std::string& changed, char32_t code) { std::exchange(first, false) ? appendTitle(changed, code) : appendLower(changed, code); });
}

MarkedText toTitle(const MarkedText& text) {
  bool inWord = false;
  return mapCodes(text, [&](std::string& changed, char32_t code) {
    inWord ? appendLower(changed, code) : appendTitle(changed, code);
    inWord = isUpper(code) || isLower(code) || categoryOf(code) == UTF8PROC_CATEGORY_LT;
  });
}

MarkedText toTitleOfFilter(const MarkedText& text) {
  bool begins = true;
  return mapCodes(text, [&](std::string& changed, char32_t code) {
    const bool separates = isSpace(code) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<';
    begins ? appendUpper(changed, code) : appendLower(changed, code);
    begins = separates;
  });
}

MarkedText toSwappedCase(const MarkedText& text) {
  return mapCodes(text, [](std::string& changed, char32_t code) { isUpper(code) ? appendLower(changed, code) : appendUpper(changed, code); });
}

// ---- parts -------------------------------------------------------------------------------------------------------------------------

namespace {

bool isIn(std::string_view characters, char32_t code) {
  std::string one;
  text::appendUtf8(one, code);
  return characters.find(one) != std::string_view::npos;
}

std::vector<MarkedText> splitSpace(const MarkedText& text, int64_t most) {
  std::vector<MarkedText> parts;
  const std::string_view all = text.bytes();
  size_t at = beginWithoutSpace(all);
  while (at < all.size()) {
    size_t end = at;
    if (most >= 0 && static_cast<int64_t>(parts.size()) >= most) end = all.size(); // white space behind the last part stays
    while (end < all.size() && !isSpace(text::utf8At(all, end).code))
      end += text::utf8At(all, end).size;
    parts.push_back(text.slice(at, end));
    at = end + beginWithoutSpace(all.substr(end));
  }
  return parts;
}

std::vector<MarkedText> splitSpaceFromRight(const MarkedText& text, int64_t most) {
  std::vector<MarkedText> parts;
  const std::string_view all = text.bytes();
  size_t end = endWithoutSpace(all);
  while (end > 0) {
    size_t begin = end;
    if (most >= 0 && static_cast<int64_t>(parts.size()) >= most) begin = 0;
    while (begin > 0) {
      const size_t last = beginOfLast(all.substr(0, begin));
      if (isSpace(text::utf8At(all, last).code)) break;
      begin = last;
    }
    parts.push_back(text.slice(begin, end));
    end = endWithoutSpace(all.substr(0, begin));
  }
  std::ranges::reverse(parts);
  return parts;
}

} // namespace

MarkedText strip(const MarkedText& text, std::optional<std::string_view> characters, Side side) {
  const std::string_view all = text.bytes();
  size_t begin = 0, end = all.size();
  const auto goes = [&](size_t at) {
    const char32_t code = text::utf8At(all, at).code;
    return characters ? isIn(*characters, code) : isSpace(code);
  };
  while (side != Side::kLeft && end > 0 && goes(beginOfLast(all.substr(0, end))))
    end = beginOfLast(all.substr(0, end));
  while (side != Side::kRight && begin < end && goes(begin))
    begin += text::utf8At(all, begin).size;
  return text.slice(begin, end);
}

std::vector<MarkedText> split(const MarkedText& text, std::optional<std::string_view> separator, int64_t most, bool fromRight) {
  if (!separator) return fromRight ? splitSpaceFromRight(text, most) : splitSpace(text, most);
  const std::string_view all = text.bytes();
  std::vector<MarkedText> parts;
  if (!fromRight) {
    size_t begin = 0;
    for (size_t found = all.find(*separator); found != std::string_view::npos && (most < 0 || static_cast<int64_t>(parts.size()) < most); found = all.find(*separator, begin)) {
      parts.push_back(text.slice(begin, found));
      begin = found + separator->size();
    }
    parts.push_back(text.slice(begin, all.size()));
    return parts;
  }
  size_t end = all.size();
  while (end >= separator->size() && (most < 0 || static_cast<int64_t>(parts.size()) < most)) {
    const size_t found = all.substr(0, end).rfind(*separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.slice(found + separator->size(), end));
    end = found;
  }
  parts.push_back(text.slice(0, end));
  std::ranges::reverse(parts);
  return parts;
}

std::vector<MarkedText> splitLines(const MarkedText& text, bool keepsEnds) {
  static constexpr char32_t kEnds[] = {'\n', '\r', '\v', '\f', 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029};
  const std::string_view all = text.bytes();
  std::vector<MarkedText> lines;
  size_t begin = 0;
  for (size_t at = 0; at < all.size();) {
    const text::Utf8Sequence s = text::utf8At(all, at);
    size_t next = at + s.size;
    if (std::ranges::find(kEnds, s.code) != std::end(kEnds)) {
      if (s.code == '\r' && next < all.size() && all[next] == '\n') ++next;
      lines.push_back(text.slice(begin, keepsEnds ? next : at));
      begin = next;
    }
    at = next;
  }
  if (begin < all.size()) lines.push_back(text.slice(begin, all.size()));
  return lines;
}

MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t most) {
  const std::string_view all = text.bytes();
  MarkedText changed;
  size_t at = 0;
  for (; most != 0; --most) {
    const size_t found = all.find(from, at);
    if (found == std::string_view::npos) break;
    if (!from.empty()) {
      changed.append(text, at, found);
      changed.append(to);
      at = found + from.size();
      continue;
    }
    // Nothing is found in front of each code point, and at the end.
    changed.append(to);
    if (at >= all.size()) return changed;
    const size_t next = at + text::utf8At(all, at).size;
    changed.append(text, at, next);
    at = next;
  }
  changed.append(text, at, all.size());
  return changed;
}

MarkedText escapeHtml(const MarkedText& text) {
  return mapCodes(text, [](std::string& changed, char32_t code) {
    switch (code) {
    case '&': changed += "&amp;"; break;
    case '<': changed += "&lt;"; break;
    case '>': changed += "&gt;"; break;
    case '"': changed += "&#34;"; break;
    case '\'': changed += "&#39;"; break;
    default: text::appendUtf8(changed, code);
    }
  });
}

MarkedText quoted(const MarkedText& text) {
  const bool isDouble = text.bytes().find('\'') != std::string::npos && text.bytes().find('"') == std::string::npos;
  const char quote = isDouble ? '"' : '\'';
  const bool isTemplate = text.isWhollyTemplate();
  MarkedText made(std::string(1, quote), isTemplate);
  made.append(mapCodes(text, [&](std::string& changed, char32_t code) {
    char escape[16];
    const utf8proc_category_t category = categoryOf(code);
    const bool prints = code == ' ' || (category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS);
    if (code == static_cast<char32_t>(quote) || code == '\\') changed += '\\', changed += static_cast<char>(code);
    else if (code == '\n') changed += "\\n";
    else if (code == '\r') changed += "\\r";
    else if (code == '\t') changed += "\\t";
    else if (prints) text::appendUtf8(changed, code);
    else {
      std::snprintf(escape, sizeof escape, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", static_cast<unsigned>(code));
      changed += escape;
    }
  }));
  made.append(std::string_view(&quote, 1), isTemplate);
  return made;
}

} // namespace jinx::chat
