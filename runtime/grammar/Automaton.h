// The pushdown automaton that every grammar becomes.
//
// A rule is a finite automaton whose edges read a byte or call a rule. A call goes to the start of the rule and remembers where to go on when the rule is at
// one of its final states. No rule calls itself without reading a byte first (such grammars are refused), so that what is possible before the next byte
// is found in one pass over the rules, callers first.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/grammar/Nfa.h"

namespace jinx::grammar {

/// Immutable. States of all rules have one numbering; each can reach the end of its rule.
struct Automaton {
  struct State {
    uint32_t firstEdge = 0, firstCall = 0; ///< they end where those of the next state begin
    bool isFinal = false;
    bool isReturn = false; ///< final, and there is nothing else to do
  };
  struct Rule {
    int32_t start = 0;
    int32_t rank = 0; ///< of a rule that is called before a byte is read it is higher than of the caller
    bool canBeEmpty = false;
  };
  std::vector<State> states; ///< and one more
  std::vector<Nfa::Edge> edges;
  std::vector<Nfa::Call> calls;
  std::vector<Rule> rules;
  int32_t root = 0; ///< a rule
  std::array<uint8_t, 256> classOf{};    ///< bytes that no edge tells apart are a class
  std::vector<uint8_t> classBytes;       ///< a byte of each
  Limits limits;

  int32_t size() const { return static_cast<int32_t>(states.size()) - 1; }
  std::span<const Nfa::Edge> edgesOf(int32_t state) const {
    return std::span(edges).subspan(states[static_cast<size_t>(state)].firstEdge, states[static_cast<size_t>(state) + 1].firstEdge - states[static_cast<size_t>(state)].firstEdge);
  }
  std::span<const Nfa::Call> callsOf(int32_t state) const {
    return std::span(calls).subspan(states[static_cast<size_t>(state)].firstCall, states[static_cast<size_t>(state) + 1].firstCall - states[static_cast<size_t>(state)].firstCall);
  }
};

/// Rules as they are written.
class Rules {
 public:
  /// \param name  for messages; empty: it has none
  int32_t add(std::string name = {}) {
    names_.push_back(std::move(name));
    rules_.emplace_back();
    return static_cast<int32_t>(rules_.size()) - 1;
  }
  /// Stays where it is when others are added.
  Nfa& operator[](int32_t rule) { return rules_[static_cast<size_t>(rule)]; }
  int32_t size() const { return static_cast<int32_t>(rules_.size()); }
  const std::string& name(int32_t rule) const { return names_[static_cast<size_t>(rule)]; }

  /// Rules that the root does not reach are left out. kInvalidArgument when it derives no text, kUnimplemented for left recursion.
  Expected<std::shared_ptr<const Automaton>> finish(int32_t root, Budget& budget);

 private:
  std::deque<Nfa> rules_;
  std::vector<std::string> names_;
};

} // namespace jinx::grammar
