#include "runtime/grammar/Nfa.h"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

namespace jinx::grammar {
namespace {

using States = std::vector<int32_t>;

struct HashStates {
  size_t operator()(const States& states) const {
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (int32_t state : states)
      hash = (hash ^ static_cast<uint32_t>(state)) * 0xFF51AFD7ED558CCDu, hash ^= hash >> 32;
    return hash;
  }
};

/// States that are reached by empty edges; those without anything else are left out.
class Closure {
 public:
  explicit Closure(const Nfa& nfa) : nfa_(nfa), seen_(static_cast<size_t>(nfa.size()), 0) {}
  /// Replaces `states`; sorted.
  void close(States& states) {
    ++round_;
    stack_.clear();
    for (int32_t state : states)
      push(state);
    states.clear();
    while (!stack_.empty()) {
      const int32_t state = stack_.back();
      stack_.pop_back();
      const Nfa::State& here = nfa_[state];
      if (here.isFinal || !here.edges.empty() || !here.calls.empty()) states.push_back(state);
      for (int32_t next : here.empty)
        push(next);
      work_ += 1 + static_cast<int64_t>(here.empty.size());
    }
    std::ranges::sort(states);
  }
  int64_t work() const { return work_; }

 private:
  void push(int32_t state) {
    if (seen_[static_cast<size_t>(state)] == round_) return;
    seen_[static_cast<size_t>(state)] = round_;
    stack_.push_back(state);
  }
  const Nfa& nfa_;
  std::vector<int32_t> seen_;
  States stack_;
  int32_t round_ = 0;
  int64_t work_ = 0;
};

/// Calls body(low, high, targets) for each maximal range of bytes that leads to the same states.
template <typename Body>
Status forRanges(std::span<const Nfa::Edge> edges, Body body) {
  std::array<bool, 257> cut{};
  for (const Nfa::Edge& edge : edges)
    cut[edge.low] = cut[edge.high + 1u] = true;
  States targets;
  for (int low = 0; low < 256;) {
    int high = low + 1;
    while (high < 256 && !cut[static_cast<size_t>(high)])
      ++high;
    targets.clear();
    for (const Nfa::Edge& edge : edges)
      if (edge.low <= low && low <= edge.high) targets.push_back(edge.to);
    if (!targets.empty()) JINX_TRY(body(static_cast<uint8_t>(low), static_cast<uint8_t>(high - 1), targets));
    low = high;
  }
  return Status::ok();
}

/// Numbers sets of states as they are met.
class Subsets {
 public:
  explicit Subsets(const Nfa& nfa) : closure_(nfa) {}
  int32_t number(States states, Nfa& to) {
    closure_.close(states);
    const auto [at, isNew] = numbers_.try_emplace(std::move(states), static_cast<int32_t>(order_.size()));
    if (isNew) order_.push_back(&at->first);
    while (to.size() < static_cast<int32_t>(order_.size()))
      to.addState();
    return at->second;
  }
  const States& operator[](int32_t number) const { return *order_[static_cast<size_t>(number)]; }
  int32_t size() const { return static_cast<int32_t>(order_.size()); }
  int64_t work() const { return closure_.work(); }

 private:
  Closure closure_;
  std::unordered_map<States, int32_t, HashStates> numbers_;
  std::vector<const States*> order_;
};

void addMerged(Nfa& nfa, int32_t from, uint8_t low, uint8_t high, int32_t to) {
  auto& edges = nfa[from].edges;
  if (!edges.empty() && edges.back().to == to && edges.back().high + 1 == low) edges.back().high = high;
  else nfa.addEdge(from, low, high, to);
}

} // namespace

int32_t Nfa::addBytes(int32_t from, std::string_view bytes) {
  for (char byte : bytes)
    from = addByte(from, static_cast<uint8_t>(byte), static_cast<uint8_t>(byte));
  return from;
}

int32_t Nfa::addByte(int32_t from, uint8_t low, uint8_t high) {
  const int32_t to = addState();
  addEdge(from, low, high, to);
  return to;
}

int32_t Nfa::addCall(int32_t from, int32_t rule) {
  const int32_t to = addState();
  (*this)[from].calls.push_back({rule, to});
  return to;
}

int32_t Nfa::addSet(int32_t from, const CharSet& set) {
  const int32_t to = addState();
  for (const ByteRanges& ranges : utf8Ranges(set)) {
    int32_t at = from;
    for (uint32_t i = 0; i + 1 < ranges.size; ++i)
      at = addByte(at, ranges.bytes[i].first, ranges.bytes[i].second);
    addEdge(at, ranges.bytes[ranges.size - 1].first, ranges.bytes[ranges.size - 1].second, to);
  }
  return to;
}

int32_t Nfa::addNfa(int32_t from, const Nfa& other) {
  const int32_t base = size();
  for (int32_t i = 0; i < other.size(); ++i) {
    State copy = other[i];
    for (Edge& edge : copy.edges)
      edge.to += base;
    for (Call& call : copy.calls)
      call.to += base;
    for (int32_t& to : copy.empty)
      to += base;
    copy.isFinal = false;
    states_.push_back(std::move(copy));
  }
  const int32_t to = addState();
  addEmpty(from, base);
  for (int32_t i = 0; i < other.size(); ++i)
    if (other[i].isFinal) addEmpty(base + i, to);
  return to;
}

Expected<std::optional<Nfa>> determinize(const Nfa& nfa, Budget& budget, int64_t most) {
  constexpr int64_t kWork = 1 << 21, kWorkOfState = 256;
  const int64_t mostWork = kWork + kWorkOfState * nfa.size();
  Nfa dfa;
  Subsets subsets(nfa);
  int64_t work = 0;
  subsets.number({nfa.start()}, dfa);
  std::vector<Nfa::Edge> edges;
  for (int32_t at = 0; at < subsets.size(); ++at) {
    if (subsets.size() > most || work + subsets.work() > mostWork) return std::optional<Nfa>();
    edges.clear();
    std::map<int32_t, States> calls;
    for (int32_t state : subsets[at]) {
      edges.insert(edges.end(), nfa[state].edges.begin(), nfa[state].edges.end());
      for (const Nfa::Call& call : nfa[state].calls)
        calls[call.rule].push_back(call.to);
      if (nfa[state].isFinal) dfa.setFinal(at);
    }
    JINX_TRY(forRanges(edges, [&](uint8_t low, uint8_t high, const States& targets) {
      work += static_cast<int64_t>(targets.size()) + static_cast<int64_t>(edges.size()) / 8;
      addMerged(dfa, at, low, high, subsets.number(targets, dfa));
      return budget.work(static_cast<int64_t>(targets.size() + edges.size() / 8 + 8));
    }));
    for (auto& [rule, targets] : calls) {
      const int32_t to = subsets.number(std::move(targets), dfa);
      dfa[at].calls.push_back({rule, to});
    }
    JINX_TRY(budget.work(static_cast<int64_t>(subsets[at].size()) + 8));
    work += static_cast<int64_t>(subsets[at].size());
  }
  JINX_TRY(budget.states(dfa.size()));
  return std::optional<Nfa>(std::move(dfa));
}

Expected<Nfa> withoutEmpty(const Nfa& nfa, Budget& budget) {
  JINX_TRY(budget.states(nfa.size()));
  Closure closure(nfa);
  Nfa result;
  while (result.size() < nfa.size())
    result.addState();
  for (int32_t at = 0; at < nfa.size(); ++at) {
    States states = {at};
    const int64_t before = closure.work();
    closure.close(states);
    JINX_TRY(budget.work(closure.work() - before));
    for (int32_t state : states) {
      result[at].edges.insert(result[at].edges.end(), nfa[state].edges.begin(), nfa[state].edges.end());
      result[at].calls.insert(result[at].calls.end(), nfa[state].calls.begin(), nfa[state].calls.end());
      result[at].isFinal |= nfa[state].isFinal;
    }
    constexpr int64_t kEdgesOfState = 8; // more of them count as states
    JINX_TRY(budget.states(static_cast<int64_t>(result[at].edges.size() + result[at].calls.size()) / kEdgesOfState));
  }
  return result;
}

namespace {

/// Pairs of states of two automata, the second of which may have died (-1).
template <typename IsFinal>
Expected<Nfa> product(const Nfa& a, const Nfa& b, bool keepsDead, Budget& budget, IsFinal isFinal) {
  Nfa result;
  std::map<std::pair<int32_t, int32_t>, int32_t> numbers = {{{0, 0}, 0}};
  std::vector<std::pair<int32_t, int32_t>> order = {{0, 0}};
  for (size_t at = 0; at < order.size(); ++at) {
    const auto [x, y] = order[at];
    result[static_cast<int32_t>(at)].isFinal = isFinal(a[x].isFinal, y >= 0 && b[y].isFinal);
    // Edges of a lead to 0, of b to 1: where both lie, both are told.
    std::vector<Nfa::Edge> edges;
    std::array<int32_t, 256> toA, toB;
    toA.fill(-1), toB.fill(-1);
    for (const Nfa::Edge& edge : a[x].edges)
      for (int byte = edge.low; byte <= edge.high; ++byte)
        toA[static_cast<size_t>(byte)] = edge.to;
    if (y >= 0)
      for (const Nfa::Edge& edge : b[y].edges)
        for (int byte = edge.low; byte <= edge.high; ++byte)
          toB[static_cast<size_t>(byte)] = edge.to;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (toA[byte] < 0 || (toB[byte] < 0 && !keepsDead)) continue;
      const auto [found, isNew] = numbers.try_emplace({toA[byte], toB[byte]}, static_cast<int32_t>(order.size()));
      if (isNew) order.push_back(found->first), result.addState();
      addMerged(result, static_cast<int32_t>(at), static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), found->second);
    }
    JINX_TRY(budget.states(1));
    JINX_TRY(budget.work(256));
  }
  budget.giveBack(result.size());
  Nfa smaller = trimmed(result);
  JINX_TRY(budget.states(smaller.size()));
  return smaller;
}

} // namespace

Expected<Nfa> intersect(const Nfa& a, const Nfa& b, Budget& budget) {
  return product(a, b, false, budget, [](bool x, bool y) { return x && y; });
}
Expected<Nfa> subtract(const Nfa& a, const Nfa& b, Budget& budget) {
  return product(a, b, true, budget, [](bool x, bool y) { return x && !y; });
}

Nfa trimmed(const Nfa& nfa) {
  std::vector<States> before(static_cast<size_t>(nfa.size()));
  std::vector<bool> isLive(static_cast<size_t>(nfa.size()), false);
  States stack;
  for (int32_t at = 0; at < nfa.size(); ++at) {
    for (const Nfa::Edge& edge : nfa[at].edges)
      before[static_cast<size_t>(edge.to)].push_back(at);
    if (nfa[at].isFinal) stack.push_back(at), isLive[static_cast<size_t>(at)] = true;
  }
  while (!stack.empty()) {
    const int32_t at = stack.back();
    stack.pop_back();
    for (int32_t from : before[static_cast<size_t>(at)])
      if (!isLive[static_cast<size_t>(from)]) stack.push_back(from), isLive[static_cast<size_t>(from)] = true;
  }
  Nfa result;
  States number(static_cast<size_t>(nfa.size()), -1);
  number[0] = 0;
  for (int32_t at = 1; at < nfa.size(); ++at)
    if (isLive[static_cast<size_t>(at)]) number[static_cast<size_t>(at)] = result.addState();
  for (int32_t at = 0; at < nfa.size(); ++at) {
    const int32_t to = number[static_cast<size_t>(at)];
    if (to < 0) continue;
    result[to].isFinal = nfa[at].isFinal;
    for (const Nfa::Edge& edge : nfa[at].edges)
      if (isLive[static_cast<size_t>(edge.to)]) result.addEdge(to, edge.low, edge.high, number[static_cast<size_t>(edge.to)]);
  }
  return result;
}

Nfa mergedEnds(const Nfa& dfa) {
  Nfa result;
  using Key = std::pair<bool, std::vector<std::array<int32_t, 3>>>;
  std::map<Key, int32_t> numbers;
  const auto visit = [&](const auto& self, int32_t at) -> int32_t {
    Key key{dfa[at].isFinal, {}};
    for (const Nfa::Edge& edge : dfa[at].edges)
      key.second.push_back({edge.low, edge.high, self(self, edge.to)});
    const auto [found, isNew] = numbers.try_emplace(key, 0);
    if (!isNew && at != dfa.start()) return found->second;
    const int32_t number = at == dfa.start() ? result.start() : result.addState();
    found->second = number;
    result[number].isFinal = key.first;
    for (const auto& [low, high, to] : key.second)
      addMerged(result, number, static_cast<uint8_t>(low), static_cast<uint8_t>(high), to);
    return number;
  };
  visit(visit, dfa.start());
  return result;
}

bool accepts(const Nfa& dfa, std::string_view bytes) {
  int32_t at = dfa.start();
  for (char byte : bytes) {
    const auto& edges = dfa[at].edges;
    const auto edge = std::ranges::find_if(edges, [&](const Nfa::Edge& e) { return e.low <= static_cast<uint8_t>(byte) && static_cast<uint8_t>(byte) <= e.high; });
    if (edge == edges.end()) return false;
    at = edge->to;
  }
  return dfa[at].isFinal;
}

bool acceptsNothing(const Nfa& dfa) {
  const Nfa small = trimmed(dfa);
  return small.size() == 1 && !small[0].isFinal;
}

} // namespace jinx::grammar
