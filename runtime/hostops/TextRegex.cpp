#include "runtime/hostops/TextRegex.h"

#include <algorithm>
#include <memory>

#include "runtime/hostops/TextUtf8.h"

namespace jinx {
namespace {

using Range = Regex::Range;
using Kind = Regex::Kind;
using Assertion = Regex::Assertion;

constexpr char32_t kMaxCodePoint = 0x10FFFF;
constexpr int kMaxRepeat = 1000;       // as in RE2
constexpr size_t kMaxProgram = 100000; // instructions
constexpr int kMaxDepth = 200;         // of nested groups

struct Node {
  enum class Type { kEmpty, kChars, kAssert, kConcat, kAlternate, kRepeat } type = Type::kEmpty;
  std::vector<Range> ranges;
  Assertion assertion = Assertion::kTextStart;
  int least = 0, most = -1; // kRepeat; most = -1: no limit
  std::vector<std::unique_ptr<Node>> children;
};
using NodePtr = std::unique_ptr<Node>;

NodePtr makeNode(Node::Type type) {
  auto node = std::make_unique<Node>();
  node->type = type;
  return node;
}

std::vector<Range> complement(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
  std::vector<Range> out;
  char32_t from = 0;
  for (const Range& r : ranges) {
    if (r.low > from) out.push_back({from, r.low - 1});
    from = std::max<char32_t>(from, r.high + 1);
  }
  if (from <= kMaxCodePoint) out.push_back({from, kMaxCodePoint});
  return out;
}

/// \d, \w, \s and the POSIX classes; all are ASCII.
bool namedClass(std::string_view name, std::vector<Range>* ranges) {
  static const std::pair<std::string_view, std::vector<Range>> kClasses[] = {
      {"d", {{'0', '9'}}},
      {"w", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
      {"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}},
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"ascii", {{0, 127}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0, 31}, {127, 127}}},
      {"digit", {{'0', '9'}}},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
  };
  for (const auto& [known, value] : kClasses)
    if (name == known) {
      *ranges = value;
      return true;
    }
  return false;
}

bool isWord(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

struct Flags {
  bool ignoreCase = false, multiLine = false, dotAll = false;
};

class Parser {
 public:
  explicit Parser(std::string_view pattern) : text_(pattern) {}

  Expected<NodePtr> parse() {
    JINX_TRY_ASSIGN(NodePtr node, alternation(0));
    if (at_ < text_.size()) return fail("has a ')' without '('");
    return node;
  }

 private:
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }
  bool accept(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  Status fail(std::string_view what) const {
    return invalidArgument("pattern '" + std::string(text_) + "' " + std::string(what) + " at position " +
                           std::to_string(at_));
  }

  Expected<NodePtr> alternation(int depth) {
    if (depth > kMaxDepth) return fail("nests too deeply");
    NodePtr node = makeNode(Node::Type::kAlternate);
    do {
      JINX_TRY_ASSIGN(NodePtr branch, concatenation(depth));
      node->children.push_back(std::move(branch));
    } while (accept("|"));
    return node;
  }

  Expected<NodePtr> concatenation(int depth) {
    NodePtr node = makeNode(Node::Type::kConcat);
    while (!done() && peek() != '|' && peek() != ')') {
      if (accept("\\Q")) {
        while (!done() && !accept("\\E"))
          node->children.push_back(literal(utf8::next(text_, &at_)));
        continue;
      }
      JINX_TRY_ASSIGN(NodePtr item, atom(depth));
      JINX_TRY_ASSIGN(NodePtr repeated, quantified(std::move(item)));
      node->children.push_back(std::move(repeated));
    }
    return node;
  }

  Expected<NodePtr> quantified(NodePtr item) {
    int least, most;
    if (!quantifier(&least, &most)) return item;
    if (least > kMaxRepeat || most > kMaxRepeat || (most >= 0 && least > most))
      return fail("has a bad repetition count");
    accept("?"); // lazy: a full match is the same
    NodePtr repeat = makeNode(Node::Type::kRepeat);
    repeat->least = least;
    repeat->most = most;
    repeat->children.push_back(std::move(item));
    if (int unused; quantifier(&unused, &unused)) return fail("repeats a repetition");
    return repeat;
  }

  bool quantifier(int* least, int* most) {
    if (done()) return false;
    *least = peek() == '+' ? 1 : 0;
    *most = peek() == '?' ? 1 : -1;
    if (accept("*") || accept("+") || accept("?")) return true;
    return peek() == '{' && counts(least, most); // a '{' that counts nothing is a literal
  }

  /// Reads {n}, {n,} or {n,m}; false, with nothing consumed, when it is none of these.
  bool counts(int* least, int* most) {
    const size_t start = at_++;
    const auto number = [&](int* value) {
      const size_t from = at_;
      *value = 0;
      while (!done() && peek() >= '0' && peek() <= '9')
        *value = std::min(*value * 10 + (text_[at_++] - '0'), kMaxRepeat + 1);
      return at_ > from;
    };
    bool ok = number(least);
    *most = *least;
    if (ok && accept(",") && !number(most)) *most = -1;
    ok = ok && accept("}");
    if (!ok) at_ = start;
    return ok;
  }

  Expected<NodePtr> atom(int depth) {
    const char c = peek();
    if (c == '(') return group(depth);
    if (c == '[') return bracket();
    if (c == '*' || c == '+' || c == '?') return fail("repeats nothing");
    if (accept(".")) return chars(flags_.dotAll ? complement({}) : complement({{'\n', '\n'}}));
    if (accept("^")) return assertion(flags_.multiLine ? Assertion::kLineStart : Assertion::kTextStart);
    if (accept("$")) return assertion(flags_.multiLine ? Assertion::kLineEnd : Assertion::kTextEnd);
    if (accept("\\A")) return assertion(Assertion::kTextStart);
    if (accept("\\z")) return assertion(Assertion::kTextEnd);
    if (accept("\\b")) return assertion(Assertion::kWordBoundary);
    if (accept("\\B")) return assertion(Assertion::kNotWordBoundary);
    if (c == '\\') {
      std::vector<Range> ranges;
      JINX_TRY_ASSIGN(bool isClass, escape(&ranges));
      return isClass ? chars(std::move(ranges)) : literal(ranges[0].low);
    }
    return literal(utf8::next(text_, &at_));
  }

  Expected<NodePtr> group(int depth) {
    const Flags outer = flags_;
    ++at_; // (
    if (accept("?P<") || accept("?<")) {
      while (!done() && isWord(static_cast<unsigned char>(peek())))
        ++at_;
      if (!accept(">")) return fail("has a bad group name");
    } else if (accept("?")) {
      JINX_TRY_ASSIGN(bool wholeRest, readFlags());
      if (wholeRest) return makeNode(Node::Type::kEmpty); // (?i): from here to the end of the enclosing group
    }
    JINX_TRY_ASSIGN(NodePtr node, alternation(depth + 1));
    if (!accept(")")) return fail("misses a ')'");
    flags_ = outer;
    return node;
  }

  /// Reads "i)" (true) or "i:" (false).
  Expected<bool> readFlags() {
    bool on = true;
    while (!done()) {
      const char c = text_[at_++];
      switch (c) {
      case 'i':
        flags_.ignoreCase = on;
        break;
      case 'm':
        flags_.multiLine = on;
        break;
      case 's':
        flags_.dotAll = on;
        break;
      case 'U':
        break; // greediness does not change a full match
      case '-':
        on = false;
        break;
      case ')':
        return true;
      case ':':
        return false;
      default:
        return fail("has a bad group flag");
      }
    }
    return fail("misses a ')'");
  }

  /// Reads an escape into `ranges`: a class (true) or one code point (false).
  Expected<bool> escape(std::vector<Range>* ranges) {
    ++at_; // backslash
    if (done()) return fail("ends in a backslash");
    const char32_t c = utf8::next(text_, &at_);
    const auto point = [&](char32_t value) {
      *ranges = {{value, value}};
      return false;
    };
    switch (c) {
    case 'd':
    case 'w':
    case 's': {
      const char lower = static_cast<char>(c);
      namedClass({&lower, 1}, ranges);
      return true;
    }
    case 'D':
    case 'W':
    case 'S': {
      const char lower = static_cast<char>(c + 32);
      namedClass({&lower, 1}, ranges);
      *ranges = complement(*ranges);
      return true;
    }
    case 'n':
      return point('\n');
    case 't':
      return point('\t');
    case 'r':
      return point('\r');
    case 'f':
      return point('\f');
    case 'v':
      return point('\v');
    case 'a':
      return point('\a');
    case 'x': {
      JINX_TRY_ASSIGN(char32_t value, hexadecimal());
      return point(value);
    }
    case 'p':
    case 'P':
    case 'C':
      return unimplemented("pattern '" + std::string(text_) + "' uses \\" + std::string(1, static_cast<char>(c)) +
                           ", which is not supported; list the characters instead");
    default:
      break;
    }
    if (c >= '0' && c <= '7') { // \0 to \777; a lone 1…9 would be a back reference
      char32_t value = c - '0';
      int digits = 1;
      while (digits < 3 && !done() && peek() >= '0' && peek() <= '7')
        value = value * 8 + static_cast<char32_t>(text_[at_++] - '0'), ++digits;
      if (c != '0' && digits == 1) return fail("has a back reference, which RE2 has not");
      return point(value);
    }
    if (c < 0x80 && isWord(c) && c != '_') return fail("has an unknown escape");
    return point(c);
  }

  Expected<char32_t> hexadecimal() {
    const bool braced = accept("{");
    char32_t value = 0;
    int digits = 0;
    while (!done() && (braced || digits < 2)) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) break;
      value = std::min<char32_t>(value * 16 + static_cast<char32_t>(digit), kMaxCodePoint + 1);
      ++digits;
      ++at_;
    }
    if (digits == 0 || (braced && !accept("}")) || (!braced && digits != 2) || value > kMaxCodePoint)
      return fail("has a bad \\x escape");
    return value;
  }

  Expected<NodePtr> bracket() {
    ++at_; // [
    const bool negated = accept("^");
    std::vector<Range> ranges;
    for (bool first = true; first || !accept("]"); first = false) {
      if (done()) return fail("misses a ']'");
      std::vector<Range> item;
      bool isClass = false;
      if (accept("[:")) {
        const bool opposite = accept("^");
        const size_t end = text_.find(":]", at_);
        if (end == std::string_view::npos || !namedClass(text_.substr(at_, end - at_), &item))
          return fail("has a bad [: :] class");
        at_ = end + 2;
        if (opposite) item = complement(item);
        isClass = true;
      } else {
        JINX_TRY_ASSIGN(isClass, bracketPoint(&item));
      }
      if (!isClass && text_.substr(at_, 1) == "-" && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        std::vector<Range> high;
        JINX_TRY_ASSIGN(bool highIsClass, bracketPoint(&high));
        if (highIsClass || high[0].low < item[0].low) return fail("has a bad range");
        item[0].high = high[0].low;
      }
      ranges.insert(ranges.end(), item.begin(), item.end());
    }
    if (flags_.ignoreCase) ranges = folded(ranges);
    NodePtr node = makeNode(Node::Type::kChars);
    node->ranges = negated ? complement(ranges) : ranges;
    return node;
  }

  Expected<bool> bracketPoint(std::vector<Range>* item) {
    if (done()) return fail("misses a ']'");
    if (peek() == '\\') return escape(item);
    const char32_t c = utf8::next(text_, &at_);
    *item = {{c, c}};
    return false;
  }

  /// Adds the other case of every code point. Long ranges beyond Latin, Greek and Cyrillic are left alone.
  std::vector<Range> folded(std::vector<Range> ranges) const {
    constexpr char32_t kLastCased = 0x2FFF;
    const size_t own = ranges.size();
    for (size_t i = 0; i < own; ++i)
      for (char32_t c = ranges[i].low; c <= std::min(ranges[i].high, kLastCased); ++c)
        for (char32_t other : {case_.lower(c), case_.upper(c)})
          if (other != c) ranges.push_back({other, other});
    return ranges;
  }

  NodePtr chars(std::vector<Range> ranges) {
    NodePtr node = makeNode(Node::Type::kChars);
    node->ranges = std::move(ranges);
    return node;
  }
  NodePtr literal(char32_t c) { return chars(flags_.ignoreCase ? folded({{c, c}}) : std::vector<Range>{{c, c}}); }
  NodePtr assertion(Assertion kind) {
    NodePtr node = makeNode(Node::Type::kAssert);
    node->assertion = kind;
    return node;
  }

  std::string_view text_;
  size_t at_ = 0;
  Flags flags_;
  utf8::CaseMap case_;
};

/// Appends code that runs `node` and then goes to the instruction behind it; false when the program would get too long.
bool emit(const Node& node, std::vector<Regex::Instruction>* program) {
  if (program->size() > kMaxProgram) return false;
  const auto add = [&](Kind kind) {
    program->push_back({.kind = kind, .next = static_cast<int>(program->size()) + 1, .ranges = {}});
    return program->size() - 1;
  };
  const auto here = [&] { return static_cast<int>(program->size()); };
  switch (node.type) {
  case Node::Type::kEmpty:
    return true;
  case Node::Type::kChars:
    (*program)[add(Kind::kChar)].ranges = node.ranges;
    return true;
  case Node::Type::kAssert:
    (*program)[add(Kind::kAssert)].assertion = node.assertion;
    return true;
  case Node::Type::kConcat:
    for (const NodePtr& child : node.children)
      if (!emit(*child, program)) return false;
    return true;
  case Node::Type::kAlternate: {
    std::vector<size_t> jumps;
    for (size_t i = 0; i < node.children.size(); ++i) {
      const bool last = i + 1 == node.children.size();
      const size_t split = last ? 0 : add(Kind::kSplit);
      if (!emit(*node.children[i], program)) return false;
      if (last) break;
      jumps.push_back(add(Kind::kJump));
      (*program)[split].other = here();
    }
    for (size_t jump : jumps)
      (*program)[jump].next = here();
    return true;
  }
  case Node::Type::kRepeat: {
    for (int i = 0; i < node.least; ++i) {
      const int start = here();
      if (!emit(*node.children[0], program)) return false;
      if (here() == start) return true; // repeating nothing is nothing
    }
    if (node.most < 0) {
      const size_t split = add(Kind::kSplit);
      if (!emit(*node.children[0], program)) return false;
      (*program)[add(Kind::kJump)].next = static_cast<int>(split);
      (*program)[split].other = here();
    } else {
      std::vector<size_t> splits;
      for (int i = node.least; i < node.most; ++i) {
        splits.push_back(add(Kind::kSplit));
        if (!emit(*node.children[0], program)) return false;
      }
      for (size_t split : splits)
        (*program)[split].other = here();
    }
    return true;
  }
  }
  return true;
}

} // namespace

Expected<Regex> Regex::compile(std::string_view pattern) {
  JINX_TRY_ASSIGN(NodePtr tree, Parser(pattern).parse());
  Regex regex;
  if (!emit(*tree, &regex.program_))
    return invalidArgument("pattern '" + std::string(pattern) + "' compiles to more than " +
                           std::to_string(kMaxProgram) + " steps, expected a shorter pattern");
  regex.program_.push_back({.kind = Kind::kMatch, .ranges = {}});
  return regex;
}

bool Regex::fullMatch(std::string_view text) const {
  // The threads alive before each code point, each instruction at most once; `mark` tells which step saw it last.
  std::vector<int> current, following, stack;
  std::vector<size_t> mark(program_.size(), 0);
  size_t step = 0;
  bool matched = false;
  constexpr char32_t kNone = 0xFFFFFFFF;
  char32_t before = kNone, c = kNone;

  const auto holds = [&](Assertion assertion, char32_t left, char32_t right) {
    const bool boundary = (left != kNone && isWord(left)) != (right != kNone && isWord(right));
    switch (assertion) {
    case Assertion::kTextStart:
      return left == kNone;
    case Assertion::kTextEnd:
      return right == kNone;
    case Assertion::kLineStart:
      return left == kNone || left == '\n';
    case Assertion::kLineEnd:
      return right == kNone || right == '\n';
    case Assertion::kWordBoundary:
      return boundary;
    case Assertion::kNotWordBoundary:
      return !boundary;
    }
    return false;
  };
  // Follows everything that consumes no text from instruction `start`, between `left` and `right`.
  const auto follow = [&](int start, char32_t left, char32_t right, std::vector<int>* threads) {
    stack.assign(1, start);
    while (!stack.empty()) {
      const int pc = stack.back();
      stack.pop_back();
      if (mark[static_cast<size_t>(pc)] == step) continue;
      mark[static_cast<size_t>(pc)] = step;
      const Instruction& i = program_[static_cast<size_t>(pc)];
      if (i.kind == Kind::kSplit) stack.push_back(i.other);
      if (i.kind == Kind::kSplit || i.kind == Kind::kJump ||
          (i.kind == Kind::kAssert && holds(i.assertion, left, right)))
        stack.push_back(i.next);
      if (i.kind == Kind::kChar) threads->push_back(pc);
      if (i.kind == Kind::kMatch && right == kNone) matched = true;
    }
  };

  size_t at = 0;
  c = at < text.size() ? utf8::next(text, &at) : kNone;
  ++step;
  follow(0, kNone, c, &current);
  while (c != kNone && !current.empty()) {
    before = c;
    c = at < text.size() ? utf8::next(text, &at) : kNone;
    ++step;
    following.clear();
    for (int pc : current) {
      const Instruction& i = program_[static_cast<size_t>(pc)];
      if (std::any_of(i.ranges.begin(), i.ranges.end(),
                      [&](const Range& r) { return before >= r.low && before <= r.high; }))
        follow(i.next, before, c, &following);
    }
    current.swap(following);
  }
  return matched && c == kNone;
}

} // namespace jinx
