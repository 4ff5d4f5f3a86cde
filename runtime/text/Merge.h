// Byte pair encoding's loop: of all neighbors that may become one token, those of the lowest rank do, the leftmost first, until none is left.
//
//   ranks  er 0, lo 1, low 2, lower 3
//   l o w e r  ->  l o w er  ->  lo w er  ->  low er  ->  lower
//
// Few symbols are scanned again for each merge; for many, candidates wait in a heap and symbols are a linked list: O(n log n).
#pragma once

#include <algorithm>
#include <cstdint>
#include <queue>
#include <vector>

#include "runtime/text/Model.h"

namespace jinx::text {

struct MergeRule {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t rank = kNone;
  TokenId id = kNoToken;
};

/// For few symbols: one scan a merge. ruleOf(left, right) is asked once for each pair of neighbors.
template <typename RuleOf>
void mergeFewSymbols(std::vector<Symbol>& symbols, RuleOf ruleOf) {
  const auto ask = [&](size_t i) {
    const MergeRule rule = i + 1 < symbols.size() ? ruleOf(symbols[i], symbols[i + 1]) : MergeRule();
    symbols[i].rank = rule.rank, symbols[i].merged = rule.id;
  };
  for (size_t i = 0; i < symbols.size(); ++i)
    ask(i);
  while (symbols.size() > 1) {
    size_t best = 0;
    for (size_t i = 1; i < symbols.size(); ++i)
      if (symbols[i].rank < symbols[best].rank) best = i;
    if (symbols[best].rank == MergeRule::kNone) return;
    symbols[best].id = symbols[best].merged;
    symbols[best].size += symbols[best + 1].size;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    ask(best);
    if (best > 0) ask(best - 1);
  }
}

/// For many.
template <typename RuleOf>
void mergeManySymbols(std::vector<Symbol>& symbols, RuleOf ruleOf) {
  struct Candidate {
    uint32_t rank, left;
    uint32_t size; ///< of both when it was made: it is stale when one of them has grown or gone since
    TokenId id;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };
  const auto count = static_cast<uint32_t>(symbols.size());
  std::vector<uint32_t> before(count), after(count);
  std::vector<Candidate> storage;
  storage.reserve(count);
  std::priority_queue<Candidate> candidates(std::less<Candidate>(), std::move(storage));
  const auto consider = [&](uint32_t left, uint32_t right) {
    const MergeRule rule = ruleOf(symbols[left], symbols[right]);
    if (rule.rank != MergeRule::kNone) candidates.push({rule.rank, left, symbols[left].size + symbols[right].size, rule.id});
  };
  for (uint32_t i = 0; i < count; ++i)
    before[i] = i - 1, after[i] = i + 1; // `count` and -1: none
  for (uint32_t i = 0; i + 1 < count; ++i)
    consider(i, i + 1);
  while (!candidates.empty()) {
    const Candidate top = candidates.top();
    candidates.pop();
    Symbol& left = symbols[top.left];
    const uint32_t right = after[top.left];
    if (left.size == 0 || right == count || left.size + symbols[right].size != top.size) continue;
    left.size = top.size;
    left.id = top.id;
    symbols[right].size = 0;
    after[top.left] = after[right];
    if (after[right] != count) before[after[right]] = top.left, consider(top.left, after[top.left]);
    if (before[top.left] != UINT32_MAX) consider(before[top.left], top.left);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.size == 0; });
}

/// \param symbols  in order, none of them empty, at most 2^31 bytes in all
/// \param ruleOf   (left, right) -> MergeRule; of neighbors, never of others
template <typename RuleOf>
void mergeSymbols(std::vector<Symbol>& symbols, RuleOf ruleOf) {
  constexpr size_t kFew = 100;
  if (symbols.size() <= kFew) mergeFewSymbols(symbols, ruleOf);
  else mergeManySymbols(symbols, ruleOf);
}

} // namespace jinx::text
