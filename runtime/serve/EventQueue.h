// What has happened to a request that its reader has not seen: written by the engine's thread, read by the one of its connection.
//
// The queue is bounded. The engine never waits for a reader: where the queue is full the event is refused, and the engine cancels the request.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engine/Engine.h"

namespace jinx::serve {

/// One event of one choice of a request: a token, the end, or both.
struct Event {
  uint32_t choice = 0;
  int32_t token = -1;                          ///< -1: no token
  std::vector<engine::TokenLogprob> logprobs;  ///< of the token, then of the most probable ones
  engine::FinishReason finish = engine::FinishReason::kNone;
  std::string error;                           ///< where finish is kError
  int32_t cached = 0;                          ///< tokens of the prompt that were found
  std::optional<engine::Refusal> refusal = {}; ///< the request was not taken: its only event
};

class EventQueue {
 public:
  /// \param capacity  events, at least 1
  /// \param notify    called by the writer when the queue stops being empty; must not block
  EventQueue(size_t capacity, std::function<void()> notify) : capacity_(capacity), notify_(std::move(notify)) {}

  /// The writer's. False when the queue is full: the event is lost. A last event is always taken.
  bool push(Event event);
  /// The reader's: all that is there, in order.
  std::vector<Event> take();
  /// Whether an event was lost.
  bool hasOverflowed() const;

 private:
  const size_t capacity_;
  const std::function<void()> notify_;
  mutable std::mutex mutex_;
  std::vector<Event> events_;
  bool hasOverflowed_ = false;
};

} // namespace jinx::serve
