#include "runtime/engine/StepStream.h"

namespace jinx::engine {

Status QueuedSteps::copyPage(int32_t from, int32_t to) {
  copies_.push_back({from, to});
  return Status::ok();
}

Status QueuedSteps::launch(const StepInput& input) {
  Entry entry;
  if (!spare_.empty()) {
    entry = std::move(spare_.back());
    spare_.pop_back();
  }
  entry.copies.assign(copies_.begin(), copies_.end());
  copies_.clear();
  entry.tokens.assign(input.tokens.begin(), input.tokens.end());
  entry.sequence.assign(input.sequence.begin(), input.sequence.end());
  entry.position.assign(input.position.begin(), input.position.end());
  entry.slots.assign(input.slots.begin(), input.slots.end());
  entry.table.assign(input.table.begin(), input.table.end());
  entry.wanted.assign(input.wanted.begin(), input.wanted.end());
  entry.sequences = input.sequences;
  entry.entries = input.entries;
  entry.wantsBest = input.wantsBest;
  queue_.push_back(std::move(entry));
  return Status::ok();
}

Expected<StepRows> QueuedSteps::runEntry(Entry& entry) {
  for (const Copy& copy : entry.copies)
    JINX_TRY(model_.copyPage(copy.from, copy.to), "copying a page");
  for (int32_t& token : entry.tokens) {
    if (token >= 0) continue;
    const size_t row = static_cast<size_t>(-1 - static_cast<int64_t>(token));
    if (row >= resolved_.size()) return internalError("a placeholder names row " + std::to_string(row) + " of " + std::to_string(resolved_.size()));
    token = resolved_[row];
  }
  StepInput input{entry.tokens, entry.sequence, entry.position, entry.slots, entry.table, entry.sequences, entry.entries, entry.wanted, entry.wantsBest};
  logits_.resize(entry.wantsBest ? 0 : entry.wanted.size() * static_cast<size_t>(model_.vocabulary()));
  best_.resize(entry.wantsBest ? entry.wanted.size() : 0);
  const StepRows rows{logits_, best_};
  JINX_TRY(model_.run(input, rows));
  return rows;
}

Expected<StepRows> QueuedSteps::settle() {
  if (queue_.empty()) return internalError("no step was launched that could settle");
  Entry entry = std::move(queue_.front());
  queue_.erase(queue_.begin());
  Expected<StepRows> rows = runEntry(entry);
  spare_.push_back(std::move(entry));
  return rows;
}

Status QueuedSteps::resolve(std::span<const int32_t> tokens) {
  resolved_.assign(tokens.begin(), tokens.end());
  return Status::ok();
}

} // namespace jinx::engine
