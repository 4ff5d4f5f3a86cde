#include "runtime/engine/StepStream.h"

#include <algorithm>

namespace jinx::engine {

Status QueuedSteps::copyPage(int32_t from, int32_t to) {
  copies_.push_back({from, to});
  return Status::ok();
}

Status QueuedSteps::launch(const StepInput& input) {
  OwnedStep step;
  if (!spare_.empty()) {
    step = std::move(spare_.back());
    spare_.pop_back();
  }
  step.assign(input, copies_);
  queue_.push_back(std::move(step));
  return Status::ok();
}

/// Runs a step. A row that is drawn at a temperature may be undecided: its logits are asked for while they can be had.
Expected<StepRows> QueuedSteps::runStep(OwnedStep& step) {
  for (const PageCopy& copy : step.copies)
    JINX_TRY(model_.copyPage(copy.from, copy.to), "copying a page");
  JINX_TRY(step.resolve(resolved_));
  StepInput input = step.input();
  input.wantsLogits |= std::ranges::any_of(step.draws, [](const RowDraw& draw) { return !draw.isGreedy(); });
  logits_.resize(input.wantsLogits ? step.wanted.size() * static_cast<size_t>(model_.vocabulary()) : 0);
  tokens_.resize(step.draws.size());
  JINX_TRY(model_.run(input, {logits_, tokens_}));
  return StepRows{step.wantsLogits ? std::span(logits_) : std::span<float>(), tokens_};
}

Expected<StepRows> QueuedSteps::settle() {
  if (queue_.empty()) return internalError("no step was launched that could settle");
  OwnedStep step = std::move(queue_.front());
  queue_.erase(queue_.begin());
  Expected<StepRows> rows = runStep(step);
  if (!rows) logits_.clear();
  spare_.push_back(std::move(step));
  return rows;
}

Expected<std::span<const float>> QueuedSteps::logitsOf(size_t wanted) {
  const auto vocabulary = static_cast<size_t>(model_.vocabulary());
  const size_t rows = logits_.size() / vocabulary;
  if (wanted >= rows) return internalError("logits of row " + std::to_string(wanted) + " are asked for, and there are those of " + std::to_string(rows) + " rows");
  return std::span<const float>(logits_).subspan(wanted * vocabulary, vocabulary);
}

Status QueuedSteps::resolve(std::span<const int32_t> tokens) {
  resolved_.assign(tokens.begin(), tokens.end());
  return Status::ok();
}

} // namespace jinx::engine
