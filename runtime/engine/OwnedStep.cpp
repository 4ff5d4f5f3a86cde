#include "runtime/engine/OwnedStep.h"

namespace jinx::engine {

void OwnedStep::assign(const StepInput& input, std::vector<PageCopy>& before) {
  copies.assign(before.begin(), before.end());
  before.clear();
  tokens.assign(input.tokens.begin(), input.tokens.end());
  sequence.assign(input.sequence.begin(), input.sequence.end());
  position.assign(input.position.begin(), input.position.end());
  slots.assign(input.slots.begin(), input.slots.end());
  table.assign(input.table.begin(), input.table.end());
  wanted.assign(input.wanted.begin(), input.wanted.end());
  sequences = input.sequences;
  entries = input.entries;
  wantsLogits = input.wantsLogits;
  draws.assign(input.draws.begin(), input.draws.end());
}

Status OwnedStep::resolve(std::span<const int32_t> sampled) {
  for (int32_t& token : tokens) {
    if (token >= 0) continue;
    const size_t row = rowOfPlaceholder(token);
    if (row >= sampled.size()) return internalError("a placeholder names row " + std::to_string(row) + " of " + std::to_string(sampled.size()));
    token = sampled[row];
  }
  return Status::ok();
}

} // namespace jinx::engine
