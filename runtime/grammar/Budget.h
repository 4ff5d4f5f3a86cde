// What a compilation may still take.
#pragma once

#include <chrono>
#include <string>

#include "runtime/grammar/Grammar.h"

namespace jinx::grammar {

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits), end_(Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits.compileSeconds))) {}

  const Limits& limits() const { return limits_; }

  /// Some elementary operations; kResource when the time is over.
  Status work(int64_t operations = 1) {
    work_ += operations;
    if (work_ < nextLook_) return Status::ok();
    nextLook_ = work_ + kBetweenLooks;
    if (Clock::now() < end_) return Status::ok();
    return resourceError("compiling takes more than " + std::to_string(limits_.compileSeconds) + " s (compileSeconds)");
  }
  /// So many states more, of any automaton on the way.
  Status states(int64_t count) {
    states_ += count;
    if (states_ > limits_.states) return resourceError("the automaton needs more than " + std::to_string(limits_.states) + " states (states)");
    return work(count);
  }
  /// Of automata that are thrown away.
  void giveBack(int64_t count) { states_ -= count; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int64_t kBetweenLooks = 4096;

  const Limits limits_;
  const Clock::time_point end_;
  int64_t work_ = 0, nextLook_ = kBetweenLooks, states_ = 0;
};

} // namespace jinx::grammar
