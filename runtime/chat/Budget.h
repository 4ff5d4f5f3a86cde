// What rendering may still cost.
#pragma once

#include "runtime/chat/ChatTemplate.h"
#include "runtime/chat/Fault.h"

namespace jinx::chat {

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits), steps_(limits.steps) {}

  void charge(size_t steps = 1) {
    steps_ -= static_cast<int64_t>(steps);
    if (steps_ < 0) failLimit("takes more than " + std::to_string(limits_.steps) + " steps");
  }
  /// For a string that is about to be made.
  void chargeBytes(size_t bytes) {
    limitBytes(bytes);
    charge(1 + bytes / 64);
  }
  /// For a text that is growing.
  void limitBytes(size_t bytes) const {
    if (bytes > limits_.outputBytes) failLimit("a text has more than " + std::to_string(limits_.outputBytes) + " bytes");
  }
  int32_t nesting() const { return limits_.nesting; }

  /// One more level, for as long as it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      if (++budget_.depth_ > budget_.limits_.nesting) {
        --budget_.depth_;
        failLimit("nests deeper than " + std::to_string(budget_.limits_.nesting));
      }
    }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  Limits limits_;
  int64_t steps_;
  int32_t depth_ = 0;
};

} // namespace jinx::chat
