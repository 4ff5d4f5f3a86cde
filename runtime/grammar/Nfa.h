// Finite automata over bytes whose edges may also call a rule: what a rule is made of.
//
// A rule is written down as a path that splits and joins: functions take the state where something begins and give the state where it ends.
//
//   int at = nfa.addBytes(nfa.start(), "\"id\":");
//   at = nfa.addCall(at, integer);
//   nfa.setFinal(at);
//
// Then `determinize` makes of it an automaton with at most one edge for each byte and each rule, or, where that would be too large, `withoutEmpty` one
// without empty edges.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/grammar/Budget.h"
#include "runtime/grammar/CharSet.h"

namespace jinx::grammar {

class Nfa {
 public:
  struct Edge {
    uint8_t low, high;
    int32_t to;
    bool operator==(const Edge&) const = default;
  };
  struct Call {
    int32_t rule, to;
    bool operator==(const Call&) const = default;
  };
  struct State {
    std::vector<Edge> edges;
    std::vector<Call> calls;
    std::vector<int32_t> empty;
    bool isFinal = false;
  };

  Nfa() : states_(1) {}
  int32_t start() const { return 0; }
  int32_t size() const { return static_cast<int32_t>(states_.size()); }
  const State& operator[](int32_t state) const { return states_[static_cast<size_t>(state)]; }
  State& operator[](int32_t state) { return states_[static_cast<size_t>(state)]; }

  int32_t addState() {
    states_.emplace_back();
    return size() - 1;
  }
  void setFinal(int32_t state) { (*this)[state].isFinal = true; }
  void addEmpty(int32_t from, int32_t to) {
    if (from != to) (*this)[from].empty.push_back(to);
  }
  void addEdge(int32_t from, uint8_t low, uint8_t high, int32_t to) { (*this)[from].edges.push_back({low, high, to}); }
  int32_t addBytes(int32_t from, std::string_view bytes);
  int32_t addByte(int32_t from, uint8_t low, uint8_t high);
  int32_t addCall(int32_t from, int32_t rule);
  /// One of the characters, in UTF-8.
  int32_t addSet(int32_t from, const CharSet& set);
  /// Whatever another automaton accepts.
  int32_t addNfa(int32_t from, const Nfa& other);

 private:
  std::vector<State> states_;
};

/// At most one edge for each byte and rule, no empty ones, edges by byte; start is state 0. Nothing when it would have more than `most` states, or take too long.
Expected<std::optional<Nfa>> determinize(const Nfa& nfa, Budget& budget, int64_t most);
/// The same language without empty edges.
Expected<Nfa> withoutEmpty(const Nfa& nfa, Budget& budget);

/// What both accept, or the first and not the second. \pre deterministic, without calls
Expected<Nfa> intersect(const Nfa& a, const Nfa& b, Budget& budget);
Expected<Nfa> subtract(const Nfa& a, const Nfa& b, Budget& budget);
/// Without states from which no final one is reached. \returns an automaton that accepts nothing as one state that is not final. \pre without calls, without empty edges
Nfa trimmed(const Nfa& nfa);
/// An acyclic deterministic automaton with equal states merged.
Nfa mergedEnds(const Nfa& dfa);
/// Whether a deterministic automaton without calls accepts the bytes.
bool accepts(const Nfa& dfa, std::string_view bytes);
bool acceptsNothing(const Nfa& dfa);

} // namespace jinx::grammar
