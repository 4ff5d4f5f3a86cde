// The state of a `for`: what comes next, and what `loop` says about it.
//
// Elements are taken and asked for the loop's condition one at a time, as the body asks for them: the condition may depend on what the body did before.
#pragma once

#include <functional>
#include <optional>

#include "runtime/chat/Value.h"

namespace jinx::chat {

struct LoopState : Object {
  std::vector<Value> items;                     ///< of the sequence
  size_t taken = 0;                             ///< of these
  std::function<bool(const Value&)> condition;  ///< empty: all pass
  std::optional<Value> ahead;                   ///< that was taken to see whether there is one
  std::optional<Value> previous, current;
  int64_t index = 0;                            ///< from 1; 0 before the first round
  std::optional<int64_t> length;
  int64_t depth = 1;                            ///< of loops in loops
  std::optional<Value> changed;                 ///< what loop.changed saw last

  /// The next element that passes; nothing at the end.
  std::optional<Value> next() {
    if (ahead) return std::exchange(ahead, std::nullopt);
    while (taken < items.size()) {
      const Value& item = items[taken++];
      if (!condition || condition(item)) return item;
    }
    return std::nullopt;
  }
  /// The same, without taking it.
  const std::optional<Value>& peek() {
    if (!ahead) ahead = next();
    return ahead;
  }
  /// All that pass, which takes them all.
  int64_t count();
};

} // namespace jinx::chat
