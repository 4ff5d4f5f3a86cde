#include "runtime/llm/DeviceSteps.h"

#include <algorithm>
#include <utility>

namespace jinx::llm {

DeviceSteps::~DeviceSteps() {
  for (const Place& place : places_)
    if (place.flight) (void)model_.wait(*place.flight);
}

Status DeviceSteps::copyPage(int32_t from, int32_t to) {
  copies_.push_back({from, to});
  return Status::ok();
}

static bool hasPlaceholders(const engine::StepInput& input) {
  return std::ranges::any_of(input.tokens, [](int32_t token) { return token < 0; });
}

/// Whether all tokens are known, or will be where the device needs them.
bool DeviceSteps::isReady(const engine::StepInput& input) const {
  if (!places_.empty() && places_.back().waits()) return false;
  return !hasPlaceholders(input) || (!places_.empty() && places_.back().flight && places_.back().flight->logits == 0);
}

Status DeviceSteps::launch(const engine::StepInput& input) {
  Place place;
  if (isCut_) {
    place.waiting.assign(input, copies_);
    for (int32_t& token : place.waiting.tokens)
      token = std::max(token, 0);
    JINX_TRY(start(place, place.waiting.copies, place.waiting.input()));
  } else if (isReady(input)) {
    const std::vector<engine::PageCopy> copies = std::exchange(copies_, {});
    JINX_TRY(start(place, copies, input));
  } else {
    place.waiting.assign(input, copies_);
  }
  places_.push_back(std::move(place));
  return Status::ok();
}

/// Enqueues the step of a place. On a failure the next one has nothing to go on from.
Status DeviceSteps::start(Place& place, std::span<const engine::PageCopy> copies, const engine::StepInput& input) {
  isCut_ = true;
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
  isCut_ = !status.isOk();
  if (isCut_) spare_.push_back(std::move(flight)); // a copy of its inputs may be on its way
  else place.flight = std::move(flight);
  return status;
}

Expected<engine::StepRows> DeviceSteps::settle() {
  if (places_.empty()) return internalError("no step was launched that could settle");
  Place place = std::move(places_.front());
  places_.erase(places_.begin());
  if (settled_) spare_.push_back(std::move(settled_));
  settled_ = std::move(place.flight);
  if (settled_) return model_.wait(*settled_);
  return place.failure.isOk() ? internalError("the step waits for tokens that nobody has given") : place.failure;
}

Expected<std::span<const float>> DeviceSteps::logitsOf(size_t wanted) {
  if (!settled_) return internalError("no step has settled whose logits could be looked at");
  return model_.logitsOf(*settled_, wanted);
}

Status DeviceSteps::resolve(std::span<const int32_t> tokens) {
  const auto next = std::ranges::find_if(places_, &Place::waits);
  if (next == places_.end()) return Status::ok();
  next->failure = next->waiting.resolve(tokens);
  isCut_ = !next->failure.isOk();
  if (!isCut_) next->failure = start(*next, next->waiting.copies, next->waiting.input());
  return next->failure;
}

std::unique_ptr<engine::StepStream> makeSteps(EnqueuedModel& model) {
  if (model.isEnqueued()) return std::make_unique<DeviceSteps>(model);
  return std::make_unique<engine::QueuedSteps>(model);
}

} // namespace jinx::llm
