// Times the steps of a session, run after run on the same inputs.
//
// On a GPU inputs and outputs lie in its memory, and some runs follow one another without the host: a kernel meets the clocks and the caches of work,
// not of waiting for copies. A plan that cannot be enqueued (a step on the host) and every other device run as they always do.
#pragma once

#include <functional>
#include <memory>

#include "runtime/executor/Executor.h"

namespace jinx::tools {

class StepTimer {
 public:
  /// One run, as the caller makes it.
  using Once = std::function<Status(Trace*)>;
  /// \param outputs  of a run before, which say how large they are
  static Expected<std::unique_ptr<StepTimer>> make(Session& session, std::span<const Value> inputs, std::span<const Value> outputs, int threads,
                                                   Once once);
  /// Some runs, recorded anew.
  Status run();
  /// What each step took in the last `run`: sums over `runs()` of them.
  std::vector<StepTiming> timings() const { return trace_.timings(); }
  int runs() const { return isEnqueued_ ? kRuns : 1; }

 private:
  static constexpr int kRuns = 5;

  StepTimer(Session& session, int threads, Once once);
  Expected<Value> onDevice(const Value& value, bool isInput);
  Status tryToEnqueue(std::span<const Value> inputs, std::span<const Value> outputs);

  Session& session_;
  Once once_;
  Trace trace_;
  bool isEnqueued_ = false;
  std::unique_ptr<Stream> stream_;
  std::vector<Value> inputs_, outputs_;
};

} // namespace jinx::tools
