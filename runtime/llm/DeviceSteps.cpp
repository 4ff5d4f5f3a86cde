#include "runtime/llm/DeviceSteps.h"

#include <algorithm>
#include <utility>

namespace jinx::llm {

DeviceSteps::~DeviceSteps() {
  for (const std::unique_ptr<StepFlight>& flight : flights_)
    (void)model_.wait(*flight);
}

Status DeviceSteps::copyPage(int32_t from, int32_t to) {
  copies_.push_back({from, to});
  return Status::ok();
}

/// Whether all tokens are known, or will be where the device needs them.
bool DeviceSteps::isReady(const engine::StepInput& input) const {
  const bool hasPlaceholders = std::ranges::any_of(input.tokens, [](int32_t token) { return token < 0; });
  return waiting_.empty() && (!hasPlaceholders || (!flights_.empty() && flights_.back()->logits == 0));
}

Status DeviceSteps::launch(const engine::StepInput& input) {
  if (!isReady(input)) {
    waiting_.emplace_back().assign(input, copies_);
    return Status::ok();
  }
  const std::vector<engine::PageCopy> copies = std::exchange(copies_, {});
  return enqueue(copies, input);
}

Status DeviceSteps::enqueue(std::span<const engine::PageCopy> copies, const engine::StepInput& input) {
  for (const engine::PageCopy& copy : copies)
    JINX_TRY(model_.copyPage(copy.from, copy.to), "copying a page");
  std::unique_ptr<StepFlight> flight;
  if (spare_.empty()) {
    flight = std::make_unique<StepFlight>();
  } else {
    flight = std::move(spare_.back());
    spare_.pop_back();
  }
  Status status = model_.enqueue(input, *flight);
  (status.isOk() ? flights_ : spare_).push_back(std::move(flight)); // a copy of its inputs may be on its way
  return status;
}

Expected<engine::StepRows> DeviceSteps::settle() {
  if (flights_.empty()) return internalError("no step was launched that could settle");
  if (settled_) spare_.push_back(std::move(settled_));
  settled_ = std::move(flights_.front());
  flights_.erase(flights_.begin());
  return model_.wait(*settled_);
}

Expected<std::span<const float>> DeviceSteps::logitsOf(size_t wanted) {
  if (!settled_) return internalError("no step has settled whose logits could be looked at");
  return model_.logitsOf(*settled_, wanted);
}

Status DeviceSteps::resolve(std::span<const int32_t> tokens) {
  if (waiting_.empty()) return Status::ok();
  engine::OwnedStep next = std::move(waiting_.front());
  waiting_.erase(waiting_.begin());
  JINX_TRY(next.resolve(tokens));
  return enqueue(next.copies, next.input());
}

std::unique_ptr<engine::StepStream> makeSteps(PlanModel& model) {
  if (model.isEnqueued()) return std::make_unique<DeviceSteps>(model);
  return std::make_unique<engine::QueuedSteps>(model);
}

} // namespace jinx::llm
