#include "runtime/grammar/Automaton.h"

#include <algorithm>
#include <set>

namespace jinx::grammar {
namespace {

size_t at(int32_t i) { return static_cast<size_t>(i); }

/// All states of all rules under one numbering, before what is useless is taken out.
struct Draft {
  std::vector<Nfa::State> states;
  std::vector<int32_t> ruleOf;                               ///< by state
  std::vector<int32_t> starts;                               ///< by rule
  std::vector<std::vector<std::pair<int32_t, int32_t>>> callers; ///< by rule: (from, to) of each call
};

void index(Draft& draft) {
  draft.callers.assign(draft.starts.size(), {});
  for (size_t from = 0; from < draft.states.size(); ++from)
    for (const Nfa::Call& call : draft.states[from].calls)
      draft.callers[at(call.rule)].push_back({static_cast<int32_t>(from), call.to});
}

/// States from which the end of their rule can be reached.
std::vector<bool> productive(const Draft& draft) {
  std::vector<std::vector<int32_t>> before(draft.states.size());
  std::vector<std::vector<std::pair<int32_t, int32_t>>> callsTo(draft.states.size()); // (from, rule)
  std::vector<bool> found(draft.states.size(), false);
  std::vector<int32_t> stack;
  const auto mark = [&](int32_t state) {
    if (!found[at(state)]) found[at(state)] = true, stack.push_back(state);
  };
  for (size_t from = 0; from < draft.states.size(); ++from) {
    for (const Nfa::Edge& edge : draft.states[from].edges)
      before[at(edge.to)].push_back(static_cast<int32_t>(from));
    for (const Nfa::Call& call : draft.states[from].calls)
      callsTo[at(call.to)].push_back({static_cast<int32_t>(from), call.rule});
    if (draft.states[from].isFinal) mark(static_cast<int32_t>(from));
  }
  while (!stack.empty()) {
    const int32_t state = stack.back();
    stack.pop_back();
    for (int32_t from : before[at(state)])
      mark(from);
    for (const auto& [from, rule] : callsTo[at(state)])
      if (found[at(draft.starts[at(rule)])]) mark(from);
    const int32_t rule = draft.ruleOf[at(state)];
    if (draft.starts[at(rule)] != state) continue;
    for (const auto& [from, to] : draft.callers[at(rule)])
      if (found[at(to)]) mark(from);
  }
  return found;
}

/// Takes out states that are not `kept`, and edges to them. Starts of rules stay.
void keep(Draft& draft, std::vector<bool> kept) {
  const std::vector<bool> isProductive = kept;
  for (int32_t start : draft.starts)
    kept[at(start)] = true;
  std::vector<int32_t> number(draft.states.size(), -1), ruleOf;
  std::vector<Nfa::State> states;
  for (size_t i = 0; i < draft.states.size(); ++i)
    if (kept[i]) {
      number[i] = static_cast<int32_t>(states.size());
      states.push_back(std::move(draft.states[i]));
      ruleOf.push_back(draft.ruleOf[i]);
    }
  for (Nfa::State& state : states) {
    std::erase_if(state.edges, [&](const Nfa::Edge& edge) { return !isProductive[at(edge.to)]; });
    std::erase_if(state.calls, [&](const Nfa::Call& call) { return !isProductive[at(call.to)] || !isProductive[at(draft.starts[at(call.rule)])]; });
    for (Nfa::Edge& edge : state.edges)
      edge.to = number[at(edge.to)];
    for (Nfa::Call& call : state.calls)
      call.to = number[at(call.to)];
  }
  for (int32_t& start : draft.starts)
    start = number[at(start)];
  draft.states = std::move(states);
  draft.ruleOf = std::move(ruleOf);
  index(draft);
}

/// States of a rule that are reached before a byte is read; says which rules can be empty.
std::vector<bool> reachedEmpty(const Draft& draft, std::vector<bool>& canBeEmpty) {
  std::vector<bool> reached(draft.states.size(), false);
  canBeEmpty.assign(draft.starts.size(), false);
  std::vector<int32_t> stack;
  const auto reach = [&](int32_t state) {
    if (!reached[at(state)]) reached[at(state)] = true, stack.push_back(state);
  };
  for (int32_t start : draft.starts)
    reach(start);
  while (!stack.empty()) {
    const int32_t state = stack.back(), rule = draft.ruleOf[at(state)];
    stack.pop_back();
    for (const Nfa::Call& call : draft.states[at(state)].calls)
      if (canBeEmpty[at(call.rule)]) reach(call.to);
    if (!draft.states[at(state)].isFinal || canBeEmpty[at(rule)]) continue;
    canBeEmpty[at(rule)] = true;
    for (const auto& [from, to] : draft.callers[at(rule)])
      if (reached[at(from)]) reach(to);
  }
  return reached;
}

/// Rules in an order in which who calls another before a byte is read comes first. Nothing, and a rule of a cycle, where there is none.
std::vector<int32_t> callOrder(const Draft& draft, const std::vector<bool>& reached, int32_t& cyclic) {
  const size_t count = draft.starts.size();
  std::vector<std::set<int32_t>> next(count);
  for (size_t state = 0; state < draft.states.size(); ++state)
    if (reached[state])
      for (const Nfa::Call& call : draft.states[state].calls)
        next[at(draft.ruleOf[state])].insert(call.rule);
  std::vector<int32_t> inDegree(count, 0), order;
  for (const auto& rules : next)
    for (int32_t rule : rules)
      ++inDegree[at(rule)];
  for (size_t rule = 0; rule < count; ++rule)
    if (inDegree[rule] == 0) order.push_back(static_cast<int32_t>(rule));
  for (size_t i = 0; i < order.size(); ++i)
    for (int32_t rule : next[at(order[i])])
      if (--inDegree[at(rule)] == 0) order.push_back(rule);
  if (order.size() == count) return order;
  // Among those that are left, going on from caller to callee ends in a cycle.
  std::vector<bool> isLeft(count, true), seen(count, false);
  for (int32_t rule : order)
    isLeft[at(rule)] = false;
  // Backwards: each rule that is left has a caller that is left.
  std::vector<int32_t> caller(count, -1);
  for (size_t rule = 0; rule < count; ++rule)
    if (isLeft[rule])
      for (int32_t to : next[rule])
        caller[at(to)] = static_cast<int32_t>(rule);
  cyclic = static_cast<int32_t>(std::ranges::find(isLeft, true) - isLeft.begin());
  while (!seen[at(cyclic)]) {
    seen[at(cyclic)] = true;
    cyclic = caller[at(cyclic)];
  }
  return {};
}

void classifyBytes(Automaton& automaton) {
  std::array<bool, 257> cut{};
  for (const Nfa::Edge& edge : automaton.edges)
    cut[edge.low] = cut[edge.high + 1u] = true;
  cut[0] = true;
  for (size_t byte = 0; byte < 256; ++byte) {
    if (cut[byte]) automaton.classBytes.push_back(static_cast<uint8_t>(byte));
    automaton.classOf[byte] = static_cast<uint8_t>(automaton.classBytes.size() - 1);
  }
}

std::shared_ptr<Automaton> flatten(const Draft& draft, int32_t root, const std::vector<bool>& canBeEmpty, const std::vector<int32_t>& order) {
  auto automaton = std::make_shared<Automaton>();
  for (const Nfa::State& state : draft.states) {
    const bool isReturn = state.isFinal && state.edges.empty() && state.calls.empty();
    automaton->states.push_back({static_cast<uint32_t>(automaton->edges.size()), static_cast<uint32_t>(automaton->calls.size()), state.isFinal, isReturn});
    automaton->edges.insert(automaton->edges.end(), state.edges.begin(), state.edges.end());
    automaton->calls.insert(automaton->calls.end(), state.calls.begin(), state.calls.end());
  }
  automaton->states.push_back({static_cast<uint32_t>(automaton->edges.size()), static_cast<uint32_t>(automaton->calls.size())});
  automaton->rules.resize(draft.starts.size());
  for (size_t i = 0; i < order.size(); ++i)
    automaton->rules[at(order[i])] = {draft.starts[at(order[i])], static_cast<int32_t>(i), canBeEmpty[at(order[i])]};
  automaton->root = root;
  classifyBytes(*automaton);
  return automaton;
}

Expected<Nfa> simplify(const Nfa& nfa, Budget& budget) {
  constexpr int64_t kMore = 1024;
  JINX_TRY_ASSIGN(std::optional<Nfa> dfa, determinize(nfa, budget, 2 * int64_t(nfa.size()) + kMore));
  if (dfa) return std::move(*dfa);
  return withoutEmpty(nfa, budget);
}

} // namespace

Expected<std::shared_ptr<const Automaton>> Rules::finish(int32_t root, Budget& budget) {
  Draft draft;
  std::vector<int32_t> number(rules_.size(), -1), order = {root};
  number[at(root)] = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    JINX_TRY_ASSIGN(Nfa nfa, simplify(rules_[at(order[i])], budget));
    const int32_t base = static_cast<int32_t>(draft.states.size());
    draft.starts.push_back(base + nfa.start());
    for (int32_t state = 0; state < nfa.size(); ++state) {
      Nfa::State here = std::move(nfa[state]);
      for (Nfa::Edge& edge : here.edges)
        edge.to += base;
      for (Nfa::Call& call : here.calls) {
        if (number[at(call.rule)] < 0) number[at(call.rule)] = static_cast<int32_t>(order.size()), order.push_back(call.rule);
        call = {number[at(call.rule)], call.to + base};
      }
      draft.states.push_back(std::move(here));
      draft.ruleOf.push_back(static_cast<int32_t>(i));
    }
  }
  index(draft);
  std::vector<bool> isProductive = productive(draft);
  if (!isProductive[at(draft.starts[0])]) return invalidArgument("no text fulfills it");
  keep(draft, std::move(isProductive));

  std::vector<bool> canBeEmpty;
  const std::vector<bool> reached = reachedEmpty(draft, canBeEmpty);
  int32_t cyclic = 0;
  const std::vector<int32_t> ranks = callOrder(draft, reached, cyclic);
  if (ranks.empty()) {
    const std::string& name = names_[at(order[at(cyclic)])];
    return unimplemented("the rule" + (name.empty() ? "" : " " + name) + " begins with itself, expected each rule to read something before it comes back to itself");
  }
  std::shared_ptr<Automaton> automaton = flatten(draft, 0, canBeEmpty, ranks);
  automaton->limits = budget.limits();
  return std::shared_ptr<const Automaton>(std::move(automaton));
}

} // namespace jinx::grammar
