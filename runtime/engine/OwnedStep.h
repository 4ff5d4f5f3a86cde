// A step with its own copy of its input, and the copies of pages in front of it, for streams that run it later. The vectors are reused.
#pragma once

#include <vector>

#include "runtime/engine/Model.h"

namespace jinx::engine {

struct OwnedStep {
  std::vector<PageCopy> copies;
  std::vector<int32_t> tokens, sequence, position, slots, table, wanted;
  int32_t sequences = 0, entries = 0;
  bool wantsLogits = true;
  std::vector<RowDraw> draws;

  /// Takes the copies: `before` is empty then.
  void assign(const StepInput& input, std::vector<PageCopy>& before);
  StepInput input() const { return {tokens, sequence, position, slots, table, sequences, entries, wanted, wantsLogits, draws}; }
  /// Placeholders become what they stand for (StepStream.h). kInternal where one names a row that is not there.
  Status resolve(std::span<const int32_t> sampled);
};

/// The wanted row that a placeholder stands for, of the step before.
constexpr size_t rowOfPlaceholder(int32_t token) { return static_cast<size_t>(-1 - static_cast<int64_t>(token)); }

} // namespace jinx::engine
