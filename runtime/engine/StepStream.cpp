#include "runtime/engine/StepStream.h"

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

Expected<StepRows> QueuedSteps::runStep(OwnedStep& step) {
  for (const PageCopy& copy : step.copies)
    JINX_TRY(model_.copyPage(copy.from, copy.to), "copying a page");
  JINX_TRY(step.resolve(resolved_));
  logits_.resize(step.wantsBest ? 0 : step.wanted.size() * static_cast<size_t>(model_.vocabulary()));
  best_.resize(step.wantsBest ? step.wanted.size() : 0);
  const StepRows rows{logits_, best_};
  JINX_TRY(model_.run(step.input(), rows));
  return rows;
}

Expected<StepRows> QueuedSteps::settle() {
  if (queue_.empty()) return internalError("no step was launched that could settle");
  OwnedStep step = std::move(queue_.front());
  queue_.erase(queue_.begin());
  Expected<StepRows> rows = runStep(step);
  spare_.push_back(std::move(step));
  return rows;
}

Status QueuedSteps::resolve(std::span<const int32_t> tokens) {
  resolved_.assign(tokens.begin(), tokens.end());
  return Status::ok();
}

} // namespace jinx::engine
