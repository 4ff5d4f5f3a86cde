#include "runtime/chat/Lexer.h"

#include <algorithm>
#include <array>

#include "runtime/chat/PythonText.h"
#include "runtime/text/Utf8.h"

namespace jinx::chat {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<uint8_t>(c) >= 0x80; }
bool isNamePart(char c) { return isNameStart(c) || isDigit(c); }

/// Line ends become "\n", and the last one goes.
std::string withPlainNewlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(withPlainNewlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size())
      lexText();
    add(Token::Kind::kEnd, "", source_.size());
    return std::move(tokens_);
  }

 private:
  bool startsWith(std::string_view what, size_t at) const { return std::string_view(source_).substr(std::min(at, source_.size())).starts_with(what); }
  char charAt(size_t at) const { return at < source_.size() ? source_[at] : '\0'; }

  /// Of an offset not before the one asked for last.
  Position positionOf(size_t at) {
    for (; counted_ < at; ++counted_)
      if (source_[counted_] == '\n') ++line_, lineBegin_ = counted_ + 1;
    return {line_, static_cast<int32_t>(at - lineBegin_) + 1};
  }

  void add(Token::Kind kind, std::string text, size_t at) { tokens_.push_back({kind, std::move(text), positionOf(at)}); }

  size_t skipSpace(size_t at) const {
    while (at < source_.size()) {
      const text::Utf8Sequence s = text::utf8At(source_, at);
      if (!isSpace(s.code)) break;
      at += s.size;
    }
    return at;
  }

  /// Text up to a tag, without the white space that the tag takes.
  /// \param sign  behind the tag's first two characters: '-', '+', or another one
  void addText(size_t begin, size_t end, char sign, bool isPrint) {
    std::string_view text = std::string_view(source_).substr(begin, end - begin);
    if (sign == '-') text = text.substr(0, endWithoutSpace(text));
    else if (sign != '+' && !isPrint) {
      const size_t line = text.rfind('\n') + 1; // 0 without one
      if ((line > 0 || lineStarts_) && line < text.size() && endWithoutSpace(text.substr(line)) == 0) text = text.substr(0, line);
    }
    if (!text.empty()) add(Token::Kind::kText, std::string(text), begin);
  }

  /// The place of the next "{{", "{%" or "{#".
  size_t findTag(size_t from) const {
    for (size_t at = source_.find('{', from); at != std::string::npos; at = source_.find('{', at + 1))
      if (const char next = charAt(at + 1); next == '{' || next == '%' || next == '#') return at;
    return source_.size();
  }

  void lexText() {
    const size_t tag = findTag(at_);
    if (tag == source_.size()) {
      add(Token::Kind::kText, source_.substr(at_), at_);
      at_ = tag;
      return;
    }
    const char kind = source_[tag + 1], sign = charAt(tag + 2);
    addText(at_, tag, sign, kind == '{');
    at_ = tag + 2 + (sign == '-' || sign == '+');
    if (kind == '#') skipComment(tag);
    else if (kind == '{') lexTag(tag, Token::Kind::kPrintBegin, Token::Kind::kPrintEnd, "}}");
    else if (!lexRaw(tag)) lexTag(tag, Token::Kind::kBlockBegin, Token::Kind::kBlockEnd, "%}");
  }

  /// Where the tag's end begins at `at` (perhaps with a sign in front): what comes behind it, white space removed; 0 where it does not.
  size_t endOfTag(size_t at, std::string_view end, bool isPrint) {
    const char sign = charAt(at);
    if (startsWith(end, at)) {
      at += end.size();
      const bool trims = !isPrint && charAt(at) == '\n';
      lineStarts_ = trims;
      return at + trims;
    }
    if ((sign != '-' && (sign != '+' || isPrint)) || !startsWith(end, at + 1)) return 0;
    const size_t behind = at + 1 + end.size(), next = sign == '-' ? skipSpace(behind) : behind;
    lineStarts_ = next > behind && source_[next - 1] == '\n';
    return next;
  }

  void skipComment(size_t tag) {
    for (size_t at = at_; at < source_.size(); ++at)
      if (const size_t next = endOfTag(at, "#}", false)) {
        at_ = next;
        return;
      }
    fail("a comment has no end, expected #}", positionOf(tag));
  }

  /// A block {% name %} at the tag's inside: where it ends; 0 for another one.
  size_t endOfBlock(size_t inside, std::string_view name, bool trims) {
    const size_t begin = skipSpace(inside);
    if (!startsWith(name, begin)) return 0;
    const size_t at = skipSpace(begin + name.size());
    if (trims) return endOfTag(at, "%}", false);
    if (startsWith("%}", at)) return at + 2;
    return startsWith("-%}", at) ? skipSpace(at + 3) : 0;
  }

  bool lexRaw(size_t tag) {
    const size_t begin = endOfBlock(at_, "raw", false);
    if (begin == 0) return false;
    lineStarts_ = source_[begin - 1] == '\n';
    for (size_t at = source_.find("{%", begin); at != std::string::npos; at = source_.find("{%", at + 1)) {
      const char sign = charAt(at + 2);
      const bool lineStarts = lineStarts_;
      const size_t end = endOfBlock(at + 2 + (sign == '-' || sign == '+'), "endraw", true);
      if (end == 0) continue;
      const bool after = lineStarts_;
      lineStarts_ = lineStarts;
      addText(begin, at, sign, false);
      lineStarts_ = after;
      at_ = end;
      return true;
    }
    fail("a raw block has no end, expected {% endraw %}", positionOf(tag));
  }

  void lexTag(size_t tag, Token::Kind begin, Token::Kind end, std::string_view closing) {
    add(begin, std::string(source_, tag, 2), tag);
    std::string open; // brackets inside
    for (at_ = skipSpace(at_); at_ < source_.size(); at_ = skipSpace(at_)) {
      if (open.empty())
        if (const size_t next = endOfTag(at_, closing, closing == "}}")) {
          add(end, std::string(closing), at_);
          at_ = next;
          return;
        }
      lexToken(open);
    }
    fail("a tag has no end, expected " + std::string(closing), positionOf(tag));
  }

  void lexToken(std::string& open) {
    const char c = source_[at_];
    if (c == '\'' || c == '"') lexString(c);
    else if (isDigit(c)) lexNumber();
    else if (isNameStart(c)) lexName();
    else lexOperator(open);
  }

  void lexName() {
    const size_t begin = at_;
    while (isNamePart(charAt(at_)))
      ++at_;
    add(Token::Kind::kName, source_.substr(begin, at_ - begin), begin);
  }

  /// Digits with single underscores between them; none: `at` itself.
  template <typename IsDigit> size_t endOfDigits(size_t at, IsDigit is) const {
    while (is(charAt(at)) || (charAt(at) == '_' && is(charAt(at + 1))))
      ++at;
    return at;
  }

  void lexNumber() {
    const size_t begin = at_;
    const char base = static_cast<char>(charAt(at_ + 1) | 0x20);
    const bool isOther = source_[at_] == '0' && (base == 'x' || base == 'o' || base == 'b');
    bool isFloat = false;
    if (isOther) {
      const auto isBaseDigit = [&](char c) { return base == 'b' ? c == '0' || c == '1' : base == 'o' ? c >= '0' && c <= '7' : isDigit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); };
      at_ = endOfDigits(at_ + 2, isBaseDigit);
    } else {
      at_ = endOfDigits(at_, isDigit);
      if (charAt(at_) == '.' && isDigit(charAt(at_ + 1))) isFloat = true, at_ = endOfDigits(at_ + 1, isDigit);
      size_t exponent = at_ + 1;
      if (charAt(exponent) == '+' || charAt(exponent) == '-') ++exponent;
      if ((charAt(at_) | 0x20) == 'e' && isDigit(charAt(exponent))) isFloat = true, at_ = endOfDigits(exponent, isDigit);
    }
    std::string text = source_.substr(begin, at_ - begin);
    std::erase(text, '_');
    if (!isFloat && !isOther && text.size() > 1 && text[0] == '0' && text.find_first_not_of('0') != std::string::npos)
      fail("a number begins with 0: " + text, positionOf(begin));
    add(isFloat ? Token::Kind::kFloat : Token::Kind::kInteger, std::move(text), begin);
  }

  void lexString(char quote) {
    const size_t begin = at_++;
    std::string value;
    while (charAt(at_) != quote || at_ >= source_.size()) {
      if (at_ >= source_.size()) fail("a string has no end", positionOf(begin));
      if (source_[at_] != '\\') value += source_[at_++];
      else lexEscape(value);
    }
    ++at_;
    add(Token::Kind::kString, std::move(value), begin);
  }

  void lexEscape(std::string& value) {
    static constexpr std::string_view kFrom = "\\'\"abfnrtv", kTo = "\\'\"\a\b\f\n\r\t\v";
    const size_t begin = at_;
    const char c = charAt(begin + 1);
    at_ += 2;
    if (c == '\n') return;
    if (const size_t found = kFrom.find(c); c != '\0' && found != std::string_view::npos) value += kTo[found];
    else if (c == 'x') appendCode(value, 2, 16, begin);
    else if (c == 'u') appendCode(value, 4, 16, begin);
    else if (c == 'U') appendCode(value, 8, 16, begin);
    else if (c >= '0' && c <= '7') {
      --at_;
      size_t digits = 1;
      while (digits < 3 && charAt(at_ + digits) >= '0' && charAt(at_ + digits) <= '7')
        ++digits;
      appendCode(value, digits, 8, begin);
    } else if (c == 'N') {
      fail("an escape \\N is not known here, expected \\u and four digits", positionOf(begin));
    } else {
      value += '\\', value += c;
    }
  }

  void appendCode(std::string& value, size_t digits, uint32_t base, size_t begin) {
    uint32_t code = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const char c = charAt(at_), lower = static_cast<char>(c | 0x20);
      const int digit = isDigit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
      if (digit >= static_cast<int>(base) || code > 0x1FFFFF) fail("an escape has too few digits, or is no character", positionOf(begin));
      code = code * base + static_cast<uint32_t>(digit);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) fail("an escape is no character", positionOf(begin));
    text::appendUtf8(value, code);
  }

  void lexOperator(std::string& open) {
    static constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
    const size_t begin = at_;
    std::string_view found;
    for (std::string_view two : kTwo)
      if (startsWith(two, at_)) found = two;
    if (found.empty() && kOne.find(source_[at_]) != std::string_view::npos) found = std::string_view(source_).substr(at_, 1);
    if (found.empty()) fail("unexpected character '" + source_.substr(at_, text::utf8At(source_, at_).size) + "'", positionOf(begin));
    const char c = found[0];
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c == ')' || c == ']' || c == '}') {
      const char opening = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (open.empty() || open.back() != opening) fail("unexpected '" + std::string(found) + "'", positionOf(begin));
      open.pop_back();
    }
    at_ += found.size();
    add(Token::Kind::kOperator, std::string(found), begin);
  }

  const std::string source_;
  size_t at_ = 0;
  bool lineStarts_ = true; ///< what was read last ends with a newline
  size_t counted_ = 0, lineBegin_ = 0;
  int32_t line_ = 1;
  std::vector<Token> tokens_;
};

} // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

std::string describe(const Token& token) {
  switch (token.kind) {
  case Token::Kind::kText: return "text";
  case Token::Kind::kBlockBegin: return "{%";
  case Token::Kind::kBlockEnd: return "%}";
  case Token::Kind::kPrintBegin: return "{{";
  case Token::Kind::kPrintEnd: return "}}";
  case Token::Kind::kString: return "a string";
  case Token::Kind::kEnd: return "the template's end";
  default: return "'" + token.text + "'";
  }
}

} // namespace jinx::chat
