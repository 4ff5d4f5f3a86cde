// A language model of a few lines whose answers depend on every key that a token sees, as it is read back from the pages through the table.
//
// A key holds its token, its position and a value, which is a hash of all keys before it. The logits of a token are a hash of all keys up to its own. So a
// wrong page, a stale page, a write to a page of somebody else, or a write that is missing changes the answer.
#pragma once

#include <algorithm>
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

  bool findsBest() const override { return findsBest_; }
  void findBest(bool finds) { findsBest_ = finds; }

  Status run(const StepInput& input, StepRows rows) override {
    for (size_t i = 0; i < input.tokens.size(); ++i) {
      JINX_TRY_ASSIGN(const ToySight before, look(input, i, input.position[i]));
      if (input.slots[i] >= 0) write(input.slots[i], toyKey(before, input.tokens[i], input.position[i], vocabulary_));
    }
    own_.resize(static_cast<size_t>(vocabulary_));
    for (size_t w = 0; w < input.wanted.size(); ++w) {
      const size_t i = static_cast<size_t>(input.wanted[w]);
      JINX_TRY_ASSIGN(const ToySight sight, look(input, i, input.position[i] + 1));
      giveLogits(sight, own_);
      const bool isFinite = std::ranges::none_of(own_, [](float logit) { return logit != logit; });
      if (input.wantsBest) rows.best[w] = isFinite ? static_cast<int32_t>(std::ranges::max_element(own_) - own_.begin()) : vocabulary_;
      else std::ranges::copy(own_, rows.logits.begin() + static_cast<ptrdiff_t>(w) * vocabulary_);
    }
    return Status::ok();
  }

 protected:
  virtual void write(int32_t slot, ToyKey key) { keys_[slot] = key; }
  virtual void giveLogits(const ToySight& sight, std::span<float> logits) const { toyLogits(sight, logits); }

 private:
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
  bool findsBest_ = false;
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
