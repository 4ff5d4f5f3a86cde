// What patterns and the right sides of rules are parsed to, and how it becomes an automaton.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/grammar/Automaton.h"
#include "runtime/grammar/CharSet.h"

namespace jinx::grammar {

struct Expression {
  enum class Kind : uint8_t {
    kSequence, ///< of its parts; of none: the empty text
    kChoice,   ///< of its parts
    kRepeat,   ///< of its one part
    kSet,      ///< one character
    kRule,     ///< what a rule derives
    kStart,    ///< ^: the text begins here
    kEnd,      ///< $
  };
  Kind kind = Kind::kSequence;
  std::vector<Expression> parts;
  CharSet set;
  int32_t least = 0, most = -1; ///< of a repetition; -1: any number
  int32_t rule = -1;
  int64_t size = 1; ///< states that it needs, about; calls of rules make it less

  static Expression empty() { return {}; }
  static Expression ofSet(CharSet set);
  static Expression ofText(std::u32string_view text);
  static Expression ofRule(int32_t rule);
  static Expression ofKind(Kind kind);
  static Expression sequence(std::vector<Expression> parts);
  static Expression choice(std::vector<Expression> parts);
  static Expression repeat(Expression part, int32_t least, int32_t most);
  static Expression anyText(); ///< of any characters
};

/// How a character is written.
enum class Encoding : uint8_t {
  kUtf8,
  kJsonString, ///< inside a JSON string, in one way only: \" \\ \b \f \n \r \t, \u00xx with small letters below U+0020, else itself
};

/// Appends the expression to automata. Sets that are met again are built once.
class Lowering {
 public:
  /// \param rules  where parts that are repeated often become rules of their own; null: no calls
  Lowering(Encoding encoding, Rules* rules, Budget& budget) : encoding_(encoding), rules_(rules), budget_(budget) {}
  /// \returns the state behind it
  Expected<int32_t> append(Nfa& nfa, int32_t from, const Expression& expression);

 private:
  Expected<int32_t> appendRepeat(Nfa& nfa, int32_t from, const Expression& expression);
  Expected<int32_t> appendSet(Nfa& nfa, int32_t from, const CharSet& set);
  Expected<const Nfa*> largeSet(const CharSet& set);

  const Encoding encoding_;
  Rules* const rules_;
  Budget& budget_;
  std::vector<std::pair<CharSet, Nfa>> sets_;
};

/// What may be beside a part of a pattern.
enum class Side : uint8_t {
  kEdge, ///< the text ends there: an anchor says nothing new
  kOpen, ///< any text may come, unless there is an anchor
  kInner, ///< other parts come: an anchor there is not supported
};
/// The expression without anchors. kUnimplemented for one that is not at an end of the pattern.
Expected<Expression> withoutAnchors(Expression expression, Side left, Side right);

/// An automaton for the text of the pattern alone, deterministic, without calls; kResource when it would be too large.
Expected<Nfa> lowerAlone(const Expression& expression, Encoding encoding, Budget& budget);

} // namespace jinx::grammar
