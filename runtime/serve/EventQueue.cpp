#include "runtime/serve/EventQueue.h"

#include <utility>

namespace jinx::serve {

bool EventQueue::push(Event event) {
  bool wasEmpty = false;
  {
    std::lock_guard lock(mutex_);
    if (events_.size() >= capacity_ && event.finish == engine::FinishReason::kNone) {
      hasOverflowed_ = true;
      return false;
    }
    wasEmpty = events_.empty();
    events_.push_back(std::move(event));
  }
  if (wasEmpty && notify_) notify_();
  return true;
}

std::vector<Event> EventQueue::take() {
  std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

bool EventQueue::hasOverflowed() const {
  std::lock_guard lock(mutex_);
  return hasOverflowed_;
}

} // namespace jinx::serve
