// What ran when: a recording of one or several runs, for people (Perfetto) and for tables of time per step.
//
// Recording is switched on per run by passing a Trace. Its memory is taken beforehand; an event is two clock reads and
// one store. When the memory is full, later events are counted as dropped.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx {

/// One thread's part of one step.
struct TraceEvent {
  uint32_t step = 0;
  int32_t thread = 0;
  uint32_t execution = 0; ///< events of one execution of a step share it (`nextExecution`)
  int64_t startNs = 0;
  int64_t endNs = 0;
};

/// What the events of a step mean; a Session gives the table (`Session::steps`).
struct TraceStep {
  std::string name;
  std::string kind;               ///< "launch", "host", "control", "copy", "collective", "wait"
  std::string kernel;             ///< kernel symbol or host operator
  std::vector<std::string> nodes; ///< source nodes
};

/// Time of one step over all its recorded executions; an execution lasts from its first thread's start to its last
/// one's end.
struct StepTiming {
  uint32_t step = 0;
  int64_t count = 0;
  double totalMs = 0, minMs = 0, maxMs = 0;
};

class Trace {
 public:
  explicit Trace(size_t maxEvents = size_t{1} << 16) : events_(maxEvents) {}

  /// Nanoseconds of the monotonic clock.
  static int64_t now();
  /// A number that no other execution of a step has.
  uint32_t nextExecution() { return executions_.fetch_add(1, std::memory_order_relaxed); }
  /// Thread-safe, does not allocate.
  void record(uint32_t step, int thread, uint32_t execution, int64_t startNs, int64_t endNs) {
    size_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i < events_.size()) events_[i] = {step, thread, execution, startNs, endNs};
  }
  void clear() { next_.store(0, std::memory_order_relaxed); }

  /// The events recorded so far; not while a run is recording.
  std::vector<TraceEvent> events() const;
  int64_t dropped() const;

  /// Chrome trace-event JSON, as Perfetto and chrome://tracing read it.
  std::string toJson(const std::vector<TraceStep>& steps) const;
  Status writeJson(const std::string& path, const std::vector<TraceStep>& steps) const;
  /// Per step that was recorded, in order of the step's index.
  std::vector<StepTiming> timings() const;

 private:
  std::vector<TraceEvent> events_;
  std::atomic<size_t> next_{0};
  std::atomic<uint32_t> executions_{0};
};

} // namespace jinx
