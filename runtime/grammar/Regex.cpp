#include "runtime/grammar/Regex.h"

#include <limits>

#include "runtime/grammar/SourceReader.h"

namespace jinx::grammar {
namespace {

const CharSet& digits() {
  static const CharSet set({{'0', '9'}});
  return set;
}
const CharSet& wordCharacters() {
  static const CharSet set({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
  return set;
}
const CharSet& spaces() {
  static const CharSet set({{'\t', '\r'}, {' ', ' '}});
  return set;
}

class Parser {
 public:
  Parser(std::string_view pattern, Budget& budget) : reader_(pattern), budget_(budget) {}

  Expected<Expression> parse() {
    JINX_TRY_ASSIGN(Expression expression, choice(0));
    if (!reader_.atEnd()) return wrong("a ) without its (");
    return expression;
  }

 private:
  Status wrong(const std::string& what) const { return invalidArgument("offset " + std::to_string(reader_.offset()) + ": " + what); }
  Status unknown(const std::string& what) const {
    return unimplemented("offset " + std::to_string(reader_.offset()) + ": " + what + " is not supported");
  }

  Expected<Expression> choice(int32_t depth) {
    if (depth > budget_.limits().nesting) return resourceError("groups are nested more than " + std::to_string(budget_.limits().nesting) + " deep (nesting)");
    std::vector<Expression> alternatives;
    do {
      std::vector<Expression> parts;
      while (!reader_.atEnd() && reader_.peek() != '|' && reader_.peek() != ')') {
        JINX_TRY(budget_.work());
        JINX_TRY_ASSIGN(Expression part, atom(depth));
        JINX_TRY_ASSIGN(part, repeated(std::move(part)));
        parts.push_back(std::move(part));
      }
      alternatives.push_back(Expression::sequence(std::move(parts)));
    } while (reader_.take('|'));
    return Expression::choice(std::move(alternatives));
  }

  Expected<Expression> atom(int32_t depth) {
    if (reader_.take('^')) return Expression::ofKind(Expression::Kind::kStart);
    if (reader_.take('$')) return Expression::ofKind(Expression::Kind::kEnd);
    if (reader_.take('(')) return group(depth);
    if (reader_.take('[')) return set();
    if (reader_.take('.')) return Expression::ofSet(CharSet::of('\n').complement());
    if (reader_.take('\\')) return escaped();
    const char32_t next = reader_.peek();
    if (next == '*' || next == '+' || next == '?') return wrong("nothing to repeat");
    reader_.skip();
    return Expression::ofSet(CharSet::of(next));
  }

  Expected<Expression> group(int32_t depth) {
    if (reader_.take('?')) {
      if (reader_.takeText("<=") || reader_.takeText("<!") || reader_.take('=') || reader_.take('!')) return unknown("lookaround");
      if (reader_.takeText("P=")) return unknown("a backreference");
      if (reader_.take('>')) return unknown("an atomic group");
      if (reader_.take('#')) return unknown("a comment");
      if (reader_.takeText("P<") || reader_.take('<')) {
        while (!reader_.atEnd() && reader_.peek() != '>')
          reader_.skip();
        if (!reader_.take('>')) return wrong("the name of a group does not end, expected >");
      } else if (!reader_.take(':')) {
        return unknown("a flag, or a group of this kind,");
      }
    }
    JINX_TRY_ASSIGN(Expression inner, choice(depth + 1));
    if (!reader_.take(')')) return wrong("a group does not end, expected )");
    // Not flattened into what is around it: an anchor in it is told apart from one beside it.
    return inner;
  }

  Expected<Expression> repeated(Expression part) {
    for (bool isRepeated = false;; isRepeated = true) {
      int32_t least = 0, most = -1;
      if (reader_.take('*')) least = 0;
      else if (reader_.take('+')) least = 1;
      else if (reader_.take('?')) most = 1;
      else {
        JINX_TRY_ASSIGN(const bool isCount, count(least, most));
        if (!isCount) return part;
      }
      if (isRepeated) return wrong("a repetition is repeated, expected a group around it");
      if (part.kind == Expression::Kind::kStart || part.kind == Expression::Kind::kEnd) return unknown("a repeated anchor");
      reader_.take('?'); // lazy: the same texts
      if (!reader_.atEnd() && reader_.peek() == '+') return unknown("possessive repetition");
      part = Expression::repeat(std::move(part), least, most);
    }
  }

  /// {n}, {n,}, {n,m}, {,m}; anything else in braces is text.
  Expected<bool> count(int32_t& least, int32_t& most) {
    const size_t begin = reader_.offset();
    if (!reader_.take('{')) return false;
    int64_t low = -1, high = -1;
    reader_.takeNumber(low);
    const bool hasComma = reader_.take(',');
    if (hasComma) reader_.takeNumber(high);
    if ((low < 0 && high < 0) || !reader_.take('}')) {
      reader_.goTo(begin);
      return false;
    }
    if (!hasComma) high = low;
    low = std::max<int64_t>(low, 0);
    if (high >= 0 && high < low) return wrong("{" + std::to_string(low) + "," + std::to_string(high) + "} repeats from more to less");
    if (std::max(low, high) > budget_.limits().repetitions)
      return resourceError("{" + std::to_string(std::max(low, high)) + "} repeats more than " + std::to_string(budget_.limits().repetitions) + " times (repetitions)");
    least = static_cast<int32_t>(low), most = static_cast<int32_t>(high);
    return true;
  }

  Expected<Expression> escaped() {
    if (reader_.atEnd()) return wrong("the pattern ends behind a \\");
    const char32_t next = reader_.peek();
    if (next == 'A' || next == 'Z' || next == 'z') {
      reader_.skip();
      return Expression::ofKind(next == 'A' ? Expression::Kind::kStart : Expression::Kind::kEnd);
    }
    if (next == 'b' || next == 'B') return unknown("a word boundary");
    if ((next >= '1' && next <= '9') || next == 'k') return unknown("a backreference");
    CharSet set;
    JINX_TRY(escape(set, false));
    return Expression::ofSet(std::move(set));
  }

  /// What stands behind a backslash, in a set or outside.
  Status escape(CharSet& set, bool isInSet) {
    const char32_t next = reader_.peek();
    reader_.skip();
    switch (next) {
    case 'd': set = digits(); return Status::ok();
    case 'D': set = digits().complement(); return Status::ok();
    case 'w': set = wordCharacters(); return Status::ok();
    case 'W': set = wordCharacters().complement(); return Status::ok();
    case 's': set = spaces(); return Status::ok();
    case 'S': set = spaces().complement(); return Status::ok();
    case 'p':
    case 'P': return category(set, next == 'P');
    case 'n': set = CharSet::of('\n'); return Status::ok();
    case 't': set = CharSet::of('\t'); return Status::ok();
    case 'r': set = CharSet::of('\r'); return Status::ok();
    case 'f': set = CharSet::of('\f'); return Status::ok();
    case 'v': set = CharSet::of('\v'); return Status::ok();
    case 'a': set = CharSet::of('\a'); return Status::ok();
    case '0': set = CharSet::of(0); return Status::ok();
    case 'x':
    case 'u': return hexadecimal(set, next == 'x' ? 2 : 4);
    default: break;
    }
    if (next == 'b' && isInSet) {
      set = CharSet::of('\b');
      return Status::ok();
    }
    if (next < 0x80 && wordCharacters().contains(next) && next != '_') return unknown(std::string("\\") + static_cast<char>(next));
    set = CharSet::of(next);
    return Status::ok();
  }

  Status hexadecimal(CharSet& set, int32_t digitsWanted) {
    char32_t code = 0;
    if (reader_.take('{')) {
      if (!reader_.takeHexadecimal(1, 6, code) || !reader_.take('}')) return wrong("expected hexadecimal digits and a }");
    } else if (!reader_.takeHexadecimal(digitsWanted, digitsWanted, code)) {
      return wrong("expected " + std::to_string(digitsWanted) + " hexadecimal digits");
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return wrong("is no character");
    set = CharSet::of(code);
    return Status::ok();
  }

  Status category(CharSet& set, bool isComplement) {
    std::string name;
    if (!reader_.take('{')) return wrong("expected a category as \\p{L}");
    while (!reader_.atEnd() && reader_.peek() != '}' && name.size() < 64) {
      name += reader_.peek() < 0x80 ? static_cast<char>(reader_.peek()) : '?';
      reader_.skip();
    }
    if (!reader_.take('}')) return wrong("a category does not end, expected }");
    if (!CharSet::ofCategory(name, set)) return unknown("the property " + name);
    if (isComplement) set = set.complement();
    return budget_.work(1 << 12);
  }

  Expected<Expression> set() {
    const bool isComplement = reader_.take('^');
    CharSet all;
    for (bool isFirst = true;; isFirst = false) {
      if (reader_.atEnd()) return wrong("a set does not end, expected ]");
      if (!isFirst && reader_.take(']')) break;
      if (reader_.startsWith("[:")) return unknown("a class as [:alpha:]");
      JINX_TRY(budget_.work(1 + static_cast<int64_t>(all.ranges().size())));
      CharSet low, high;
      JINX_TRY(member(low));
      const bool isOne = low.ranges().size() == 1 && low.ranges()[0].first == low.ranges()[0].second;
      if (!reader_.startsWith("-") || reader_.startsWith("-]")) {
        all.add(low);
        continue;
      }
      if (!isOne) {
        all.add(low);
        continue; // the - is a character
      }
      reader_.skip();
      JINX_TRY(member(high));
      if (high.ranges().size() != 1 || high.ranges()[0].first != high.ranges()[0].second) return wrong("a range ends with a set of characters");
      if (high.ranges()[0].first < low.ranges()[0].first) return wrong("a range of characters goes from more to less");
      all.add({low.ranges()[0].first, high.ranges()[0].first});
    }
    return Expression::ofSet(isComplement ? all.complement() : all);
  }

  Status member(CharSet& set) {
    if (reader_.atEnd()) return wrong("a set does not end, expected ]");
    if (reader_.take('\\')) {
      if (reader_.atEnd()) return wrong("the pattern ends behind a \\");
      return escape(set, true);
    }
    set = CharSet::of(reader_.peek());
    reader_.skip();
    return Status::ok();
  }

  SourceReader reader_;
  Budget& budget_;
};

} // namespace

Expected<Expression> parseRegex(std::string_view pattern, Budget& budget) {
  JINX_TRY(checkSource(pattern, "the pattern", budget));
  return Parser(pattern, budget).parse();
}

} // namespace jinx::grammar
