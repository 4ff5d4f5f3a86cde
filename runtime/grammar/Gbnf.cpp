#include "runtime/grammar/Gbnf.h"

#include <algorithm>
#include <map>

#include "runtime/grammar/Expression.h"
#include "runtime/grammar/SourceReader.h"

namespace jinx::grammar {
namespace {

bool isNameCharacter(char32_t c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_'; }

class Parser {
 public:
  Parser(std::string_view text, Rules& rules, Budget& budget) : text_(text), reader_(text), rules_(rules), budget_(budget) {}

  Expected<int32_t> parse() {
    skipSpace(true);
    while (!reader_.atEnd()) {
      JINX_TRY(rule());
      skipSpace(true);
    }
    for (const auto& [name, rule] : numbers_)
      if (!definitions_.contains(rule)) return invalidArgument("the rule " + name + " is used, and not defined");
    if (!numbers_.contains("root")) return invalidArgument("has no rule named root");
    Lowering lowering(Encoding::kUtf8, &rules_, budget_);
    for (const auto& [rule, expression] : definitions_) {
      JINX_TRY_ASSIGN(const int32_t end, lowering.append(rules_[rule], rules_[rule].start(), expression), "rule " + rules_.name(rule));
      rules_[rule].setFinal(end);
    }
    return numbers_["root"];
  }

 private:
  Status wrong(const std::string& what) const {
    const auto line = 1 + std::ranges::count(text_.substr(0, reader_.offset()), '\n');
    return invalidArgument("line " + std::to_string(line) + ": " + what);
  }

  void skipSpace(bool alsoLines) {
    for (;;) {
      const char32_t next = reader_.peek();
      if (next == '#')
        while (!reader_.atEnd() && reader_.peek() != '\n')
          reader_.skip();
      else if (!reader_.atEnd() && (next == ' ' || next == '\t' || (alsoLines && (next == '\n' || next == '\r')))) reader_.skip();
      else return;
    }
  }

  Expected<std::string> name() {
    std::string name;
    for (; !reader_.atEnd() && isNameCharacter(reader_.peek()); reader_.skip())
      name += static_cast<char>(reader_.peek());
    if (name.empty()) return wrong("expected a name");
    return name;
  }

  int32_t numberOf(const std::string& name) {
    const auto [found, isNew] = numbers_.try_emplace(name, 0);
    if (isNew) found->second = rules_.add(name);
    return found->second;
  }

  Status rule() {
    JINX_TRY_ASSIGN(const std::string name, this->name());
    skipSpace(false);
    if (!reader_.takeText("::=")) return wrong("expected ::= behind " + name);
    const int32_t number = numberOf(name);
    if (definitions_.contains(number)) return wrong("the rule " + name + " is defined a second time");
    skipSpace(true);
    std::vector<Expression> alternatives;
    JINX_TRY(choice(alternatives, 0));
    definitions_.emplace(number, withoutLeftRecursion(std::move(alternatives), number));
    skipSpace(false);
    if (!reader_.atEnd() && reader_.peek() != '\n' && reader_.peek() != '\r') return wrong("expected the end of the line");
    return Status::ok();
  }

  /// a ::= a x | b is b x*.
  static Expression withoutLeftRecursion(std::vector<Expression> alternatives, int32_t rule) {
    std::vector<Expression> first, then;
    const auto isSelf = [&](const Expression& e) { return e.kind == Expression::Kind::kRule && e.rule == rule; };
    for (Expression& alternative : alternatives) {
      if (isSelf(alternative)) continue;
      if (alternative.kind == Expression::Kind::kSequence && !alternative.parts.empty() && isSelf(alternative.parts[0])) {
        alternative.parts.erase(alternative.parts.begin());
        then.push_back(Expression::sequence(std::move(alternative.parts)));
      } else {
        first.push_back(std::move(alternative));
      }
    }
    Expression start = first.empty() ? Expression::ofSet(CharSet()) : Expression::choice(std::move(first));
    if (then.empty()) return start;
    std::vector<Expression> parts;
    parts.push_back(std::move(start));
    parts.push_back(Expression::repeat(Expression::choice(std::move(then)), 0, -1));
    return Expression::sequence(std::move(parts));
  }

  Status choice(std::vector<Expression>& alternatives, int32_t depth) {
    if (depth > budget_.limits().nesting) return resourceError("groups are nested more than " + std::to_string(budget_.limits().nesting) + " deep (nesting)");
    for (;;) {
      JINX_TRY_ASSIGN(Expression one, sequence(depth));
      alternatives.push_back(std::move(one));
      const size_t here = reader_.offset();
      skipSpace(true);
      if (!reader_.take('|')) {
        if (depth == 0) reader_.goTo(here);
        return Status::ok();
      }
      skipSpace(true);
    }
  }

  Expected<Expression> sequence(int32_t depth) {
    std::vector<Expression> parts;
    for (;;) {
      skipSpace(depth > 0);
      const char32_t next = reader_.peek();
      if (reader_.atEnd() || next == '|' || next == ')' || next == '\n' || next == '\r') return Expression::sequence(std::move(parts));
      JINX_TRY(budget_.work());
      JINX_TRY_ASSIGN(Expression part, atom(depth));
      JINX_TRY_ASSIGN(part, repeated(std::move(part), depth));
      parts.push_back(std::move(part));
    }
  }

  Expected<Expression> atom(int32_t depth) {
    if (reader_.take('"')) return literal();
    if (reader_.take('[')) return set();
    if (reader_.take('.')) return Expression::ofSet(CharSet::all());
    if (reader_.take('(')) {
      std::vector<Expression> alternatives;
      JINX_TRY(choice(alternatives, depth + 1));
      skipSpace(true);
      if (!reader_.take(')')) return wrong("a group does not end, expected )");
      return Expression::choice(std::move(alternatives));
    }
    if (isNameCharacter(reader_.peek())) {
      JINX_TRY_ASSIGN(const std::string name, this->name());
      return Expression::ofRule(numberOf(name));
    }
    return wrong("expected a literal, a set, a group or a name");
  }

  Expected<Expression> repeated(Expression part, int32_t depth) {
    for (int32_t count = 0;; ++count) {
      int64_t low = 0, high = -1;
      skipSpace(depth > 0);
      if (reader_.take('*')) low = 0;
      else if (reader_.take('+')) low = 1;
      else if (reader_.take('?')) high = 1;
      else if (reader_.take('{')) {
        if (!reader_.takeNumber(low)) return wrong("expected a number behind {");
        high = low;
        if (reader_.take(',') && !reader_.takeNumber(high)) high = -1;
        if (!reader_.take('}')) return wrong("expected }");
      } else {
        return part;
      }
      if (high >= 0 && high < low) return wrong("repeats from more to less");
      if (std::max(low, high) > budget_.limits().repetitions)
        return resourceError("{" + std::to_string(std::max(low, high)) + "} repeats more than " + std::to_string(budget_.limits().repetitions) + " times (repetitions)");
      if (count == kMostInARow) return wrong("too many repetitions of repetitions");
      part = Expression::repeat(std::move(part), static_cast<int32_t>(low), static_cast<int32_t>(high));
    }
  }

  Expected<char32_t> character() {
    if (!reader_.take('\\')) {
      const char32_t code = reader_.peek();
      reader_.skip();
      return code;
    }
    if (reader_.atEnd()) return wrong("ends behind a \\");
    const char32_t next = reader_.peek();
    reader_.skip();
    char32_t code = 0;
    switch (next) {
    case 'n': return U'\n';
    case 'r': return U'\r';
    case 't': return U'\t';
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
    case '^': return next;
    case 'x':
    case 'u':
    case 'U': {
      const int32_t digits = next == 'x' ? 2 : next == 'u' ? 4 : 8;
      if (!reader_.takeHexadecimal(digits, digits, code)) return wrong("expected " + std::to_string(digits) + " hexadecimal digits");
      if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return wrong("is no character");
      return code;
    }
    default: return wrong("an unknown escape");
    }
  }

  Expected<Expression> literal() {
    std::u32string text;
    while (!reader_.take('"')) {
      if (reader_.atEnd() || reader_.peek() == '\n') return wrong("a literal does not end, expected \"");
      JINX_TRY_ASSIGN(const char32_t code, character());
      text += code;
    }
    JINX_TRY(budget_.work(static_cast<int64_t>(text.size())));
    return Expression::ofText(text);
  }

  Expected<Expression> set() {
    const bool isComplement = reader_.take('^');
    CharSet all;
    while (!reader_.take(']')) {
      if (reader_.atEnd()) return wrong("a set does not end, expected ]");
      JINX_TRY(budget_.work(1 + static_cast<int64_t>(all.ranges().size())));
      JINX_TRY_ASSIGN(const char32_t low, character());
      char32_t high = low;
      if (reader_.startsWith("-") && !reader_.startsWith("-]")) {
        reader_.skip();
        if (reader_.atEnd()) return wrong("a set does not end, expected ]");
        JINX_TRY_ASSIGN(high, character());
      }
      if (high < low) return wrong("a range of characters goes from more to less");
      all.add({low, high});
    }
    return Expression::ofSet(isComplement ? all.complement() : all);
  }

  static constexpr int32_t kMostInARow = 8;
  std::string_view text_;
  SourceReader reader_;
  Rules& rules_;
  Budget& budget_;
  std::map<std::string, int32_t> numbers_;
  std::map<int32_t, Expression> definitions_;
};

} // namespace

Expected<int32_t> parseGbnf(std::string_view grammar, Rules& rules, Budget& budget) {
  JINX_TRY(checkSource(grammar, "the grammar", budget));
  return Parser(grammar, rules, budget).parse();
}

} // namespace jinx::grammar
