// Reads the text of a size formula. The grammar, loosest first; operators of one level associate to the left:
//
//   sum     = ['-'] product (('+' | '-') product)*
//   product = factor (('*' | 'floordiv' | 'ceildiv' | 'mod') factor)*
//   factor  = integer | '-' factor | '(' sum ')' | ('max' | 'min') '(' sum ',' sum ')' | identifier
#include "runtime/base/SizeExprImpl.h"

namespace jinx {
namespace {

constexpr int kMaxNesting = 256;
constexpr uint64_t kMinMagnitude = uint64_t{1} << 63; ///< of INT64_MIN, which has no positive twin

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Expected<SizeExpr> parse() {
    JINX_TRY_ASSIGN(SizeExpr e, sum());
    skipSpace();
    if (pos_ != text_.size()) return error("unexpected text");
    return e;
  }

 private:
  Status error(const std::string& what) const {
    return invalidArgument("size formula \"" + std::string(text_.substr(0, 200)) + "\": " + what + " at column " +
                           std::to_string(pos_ + 1));
  }

  static bool isSpace(char c) { return c == ' ' || c == '\t'; }
  static bool isDigit(char c) { return c >= '0' && c <= '9'; }

  void skipSpace() {
    while (pos_ < text_.size() && isSpace(text_[pos_]))
      ++pos_;
  }
  bool accept(char c) {
    skipSpace();
    if (pos_ == text_.size() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }
  std::string_view peekWord() {
    skipSpace();
    size_t end = pos_;
    while (end < text_.size() && SizeExpr::isSymbolName(text_.substr(pos_, end + 1 - pos_)))
      ++end;
    return text_.substr(pos_, end - pos_);
  }
  bool acceptWord(std::string_view word) {
    if (peekWord() != word) return false;
    pos_ += word.size();
    return true;
  }

  Expected<SizeExpr> sum() {
    SizeExpr total;
    bool negative = accept('-');
    while (true) {
      JINX_TRY_ASSIGN(SizeExpr term, product(negative));
      total = total + term;
      if (accept('+')) {
        negative = false;
      } else if (accept('-')) {
        negative = true;
      } else {
        return total;
      }
    }
  }

  /// `negative` is the sign before the product; it binds looser than the product's operators (-7 floordiv n is -(7
  /// floordiv n)).
  Expected<SizeExpr> product(bool negative) {
    if (negative && acceptMinLiteral()) { // its factors may follow; under a division it stands in parentheses
      SizeExpr value(INT64_MIN);
      while (accept('*')) {
        JINX_TRY_ASSIGN(SizeExpr rhs, factor());
        value = value * rhs;
      }
      return value;
    }
    JINX_TRY_ASSIGN(SizeExpr value, factor());
    while (true) {
      if (accept('*')) {
        JINX_TRY_ASSIGN(SizeExpr rhs, factor());
        value = value * rhs;
      } else if (acceptWord("floordiv")) {
        JINX_TRY_ASSIGN(SizeExpr rhs, factor());
        value = floorDiv(value, rhs);
      } else if (acceptWord("ceildiv")) {
        JINX_TRY_ASSIGN(SizeExpr rhs, factor());
        value = ceilDiv(value, rhs);
      } else if (acceptWord("mod")) {
        JINX_TRY_ASSIGN(SizeExpr rhs, factor());
        value = mod(value, rhs);
      } else {
        return negative ? -1 * value : value;
      }
    }
  }

  bool acceptMinLiteral() {
    skipSpace();
    constexpr std::string_view literal = "9223372036854775808";
    if (text_.substr(pos_, literal.size()) != literal) return false;
    size_t end = pos_ + literal.size();
    if (end < text_.size() && isDigit(text_[end])) return false;
    pos_ = end;
    return true;
  }

  Expected<SizeExpr> integer() {
    uint64_t value = 0;
    for (; pos_ < text_.size() && isDigit(text_[pos_]); ++pos_) {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, static_cast<uint64_t>(text_[pos_] - '0'), &value) || value >= kMinMagnitude)
        return error("integer beyond 64 bits");
    }
    return SizeExpr(static_cast<int64_t>(value));
  }

  Expected<SizeExpr> factor() {
    if (++nesting_ > kMaxNesting) return error("nested too deeply");
    Expected<SizeExpr> value = factorInner();
    --nesting_;
    return value;
  }

  Expected<SizeExpr> factorInner() {
    skipSpace();
    if (pos_ == text_.size()) return error("a number, a name or '(' expected");
    if (isDigit(text_[pos_])) return integer();
    if (accept('-')) {
      if (acceptMinLiteral()) return SizeExpr(INT64_MIN);
      JINX_TRY_ASSIGN(SizeExpr value, factor());
      return -1 * value;
    }
    if (accept('(')) {
      JINX_TRY_ASSIGN(SizeExpr value, sum());
      if (!accept(')')) return error("')' expected");
      return value;
    }
    std::string_view word = peekWord();
    if (word.empty()) return error("a number, a name or '(' expected");
    pos_ += word.size();
    if ((word == "max" || word == "min") && accept('(')) {
      JINX_TRY_ASSIGN(SizeExpr a, sum());
      if (!accept(',')) return error("',' expected");
      JINX_TRY_ASSIGN(SizeExpr b, sum());
      if (!accept(')')) return error("')' expected");
      return word == "max" ? max(a, b) : min(a, b);
    }
    return SizeExpr::symbol(word);
  }

  std::string_view text_;
  size_t pos_ = 0;
  int nesting_ = 0;
};

} // namespace

Expected<SizeExpr> SizeExpr::parse(std::string_view text) {
  if (text.size() > 4 * SizeExprBuilder::kMaxText)
    return invalidArgument("size formula of " + std::to_string(text.size()) + " bytes is too long");
  return Parser(text).parse();
}

} // namespace jinx
