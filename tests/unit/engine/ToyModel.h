// A language model of a few lines whose answers depend on every key that a token sees, as it is read back from the pages through the table.
//
// A key holds its token, its position and a value, which is a hash of all keys before it. The logits of a token are a hash of all keys up to its own. So a
// wrong page, a stale page, a write to a page of somebody else, or a write that is missing changes the answer.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "runtime/engine/Model.h"

namespace jinx::engine {

struct ToyKey {
  uint64_t value = 0;
  int32_t token = -1, position = -1;
  bool isPoisoned = false; ///< whoever sees it has NaN logits
  bool operator==(const ToyKey&) const = default;
};

inline uint64_t toyMix(uint64_t x) { // splitmix64
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// The hash of the keys that are seen, taken in one after the other.
struct ToySight {
  uint64_t hash = 1;
  bool isPoisoned = false;
  int32_t lastToken = 0;

  void see(const ToyKey& key) {
    hash = toyMix(hash ^ toyMix(key.value + static_cast<uint64_t>(static_cast<uint32_t>(key.token)) * 0x10001 +
                                (static_cast<uint64_t>(static_cast<uint32_t>(key.position)) << 32)));
    isPoisoned |= key.isPoisoned;
    lastToken = key.token;
  }
};

/// The id that poisons its key; its own logit is -infinity, so that only prompts have it.
inline int32_t toyPoison(int32_t vocabulary) { return vocabulary - 1; }

inline ToyKey toyKey(const ToySight& before, int32_t token, int32_t position, int32_t vocabulary) {
  return {toyMix(before.hash + static_cast<uint64_t>(token)), token, position, token == toyPoison(vocabulary)};
}

/// Three times of four the last token has a favorite successor, so that texts repeat and drafts are accepted.
inline void toyLogits(const ToySight& sight, std::span<float> logits) {
  const uint64_t vocabulary = logits.size();
  for (uint64_t token = 0; token < vocabulary; ++token)
    logits[token] = static_cast<float>(toyMix(sight.hash + token) >> 40) * 0x1p-22f - 2;
  if (sight.hash % 4 != 0) logits[toyMix(static_cast<uint64_t>(sight.lastToken)) % (vocabulary - 1)] += 4;
  logits[vocabulary - 1] = -std::numeric_limits<float>::infinity();
  if (sight.isPoisoned)
    for (uint64_t token = 0; token < vocabulary; token += 2)
      logits[token] = std::numeric_limits<float>::quiet_NaN();
}

/// Whether the draft model says nothing (NaN) to whoever sees this.
inline bool toyDraftIsSilent(const ToySight& sight) { return sight.isPoisoned || sight.hash % 211 == 5; }

/// What a draft model says: often the same, sometimes something else, and seldom nothing (NaN), by what it sees.
inline void toyDraftLogits(const ToySight& sight, std::span<float> logits) {
  ToySight other = sight;
  if (sight.hash % 3 == 0) other.hash = toyMix(sight.hash);
  toyLogits(other, logits);
  if (toyDraftIsSilent(sight)) logits[0] = std::numeric_limits<float>::quiet_NaN();
}

/// Which tokens the toy model picks by itself.
struct ToyPicking {
  bool picks = false;
  int32_t undecidedOneIn = 0;           ///< of so many at a temperature it cannot, by what is seen; 0: it always can
  std::vector<int32_t> undecidedAt = {}; ///< nor those at these positions
};

/// Whether the toy model cannot pick a token at a temperature. \param sight  of all tokens before its position
inline bool toyIsUndecided(const ToySight& sight, int32_t position, const ToyPicking& picking) {
  if (std::ranges::find(picking.undecidedAt, position) != picking.undecidedAt.end()) return true;
  return picking.undecidedOneIn > 0 && toyMix(sight.hash + 77) % static_cast<uint64_t>(picking.undecidedOneIn) == 0;
}

/// How the toy model picks a token at a temperature, so that it is seen who did: of the weights of all tokens, from the last id down, at a number that each filter moves.
inline int32_t toyPick(std::span<const float> logits, const RowDraw& draw) {
  uint64_t filters = static_cast<uint64_t>(draw.topK);
  for (const float filter : {draw.topP, draw.minP})
    filters = toyMix(filters + std::bit_cast<uint32_t>(filter));
  const double moved = static_cast<double>(draw.u) + static_cast<double>(filters >> 11) * 0x1p-53, u = moved - std::floor(moved);
  const float largest = *std::ranges::max_element(logits);
  std::vector<double> weights;
  double total = 0;
  for (const float logit : logits)
    total += weights.emplace_back(std::exp(static_cast<double>(draw.inverseTemperature) * (logit - largest)));
  size_t token = logits.size();
  for (double sum = 0; token > 0 && sum <= u * total;)
    sum += weights[--token];
  return static_cast<int32_t>(token);
}

class ToyModel : public StepModel {
 public:
  ToyModel(int32_t vocabulary, int32_t pages) : vocabulary_(vocabulary), keys_(static_cast<size_t>(pages) * kPageTokens) {
    for (size_t slot = 0; slot < keys_.size(); ++slot) // what was in memory before
      keys_[slot] = {toyMix(slot), static_cast<int32_t>(slot % vocabulary), static_cast<int32_t>(slot % kPageTokens)};
  }

  int32_t vocabulary() const override { return vocabulary_; }
  int32_t pages() const override { return static_cast<int32_t>(keys_.size()) / kPageTokens; }
  std::span<const ToyKey> page(int32_t page) const { return std::span(keys_).subspan(static_cast<size_t>(page) * kPageTokens, kPageTokens); }

  Status copyPage(int32_t from, int32_t to) override {
    for (int32_t row = 0; row < kPageTokens; ++row)
      write(to * kPageTokens + row, keys_[from * kPageTokens + row]);
    return Status::ok();
  }

  bool picksTokens() const override { return picking_.picks; }
  void pickTokens(ToyPicking picking) { picking_ = std::move(picking); }

  Status run(const StepInput& input, StepRows rows) override {
    for (size_t i = 0; i < input.tokens.size(); ++i) {
      JINX_TRY_ASSIGN(const ToySight before, look(input, i, input.position[i]));
      if (input.slots[i] >= 0) write(input.slots[i], toyKey(before, input.tokens[i], input.position[i], vocabulary_));
    }
    const size_t logits = input.wantsLogits ? input.wanted.size() * static_cast<size_t>(vocabulary_) : 0, draws = input.draws.empty() ? 0 : input.wanted.size();
    if (rows.logits.size() != logits || rows.tokens.size() != draws || input.draws.size() != draws || (draws > 0 && !picking_.picks))
      return internalError("rows have room for " + std::to_string(rows.logits.size()) + " logits and " + std::to_string(rows.tokens.size()) + " tokens, expected " +
                           std::to_string(logits) + " and " + std::to_string(draws));
    own_.resize(static_cast<size_t>(vocabulary_));
    for (size_t w = 0; w < input.wanted.size(); ++w) {
      const size_t i = static_cast<size_t>(input.wanted[w]);
      JINX_TRY_ASSIGN(const ToySight sight, look(input, i, input.position[i] + 1));
      giveLogits(sight, own_);
      if (draws > 0) rows.tokens[w] = pick(sight, own_, input.position[i] + 1, input.draws[w]);
      if (logits > 0) std::ranges::copy(own_, rows.logits.begin() + static_cast<ptrdiff_t>(w) * vocabulary_);
    }
    return Status::ok();
  }

 protected:
  virtual void write(int32_t slot, ToyKey key) { keys_[slot] = key; }
  virtual void giveLogits(const ToySight& sight, std::span<float> logits) const { toyLogits(sight, logits); }

 private:
  int32_t pick(const ToySight& sight, std::span<const float> logits, int32_t position, const RowDraw& draw) const {
    if (std::ranges::any_of(logits, [](float logit) { return logit != logit; })) return vocabulary_;
    if (draw.isGreedy()) return static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());
    return toyIsUndecided(sight, position, picking_) ? kUndecided : toyPick(logits, draw);
  }
  /// Keys [0, end) of the sequence of token i.
  Expected<ToySight> look(const StepInput& input, size_t i, int32_t end) const {
    ToySight sight;
    for (int32_t j = 0; j < end; ++j) {
      const int32_t entry = j / kPageTokens, page = entry < input.entries ? input.table[input.sequence[i] * input.entries + entry] : kNoPage;
      if (page < 0 || page >= pages()) return internalError("a token sees key " + std::to_string(j) + ", of which the table says nothing");
      sight.see(keys_[page * kPageTokens + j % kPageTokens]);
    }
    return sight;
  }

  int32_t vocabulary_;
  ToyPicking picking_;
  std::vector<ToyKey> keys_;
  std::vector<float> own_; ///< logits of a row
};

class ToyDraftModel : public ToyModel {
 public:
  using ToyModel::ToyModel;

 protected:
  void giveLogits(const ToySight& sight, std::span<float> logits) const override { toyDraftLogits(sight, logits); }
};

} // namespace jinx::engine
