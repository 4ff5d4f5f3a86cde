// Jobs in child processes: a crash or an endless loop in one is its own failure and nobody else's.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace jinx::tools {

struct ForkOptions {
  int parallel = 1;
  double timeoutSeconds = 60;
};

/// How a job ended. `text` is what it has to say: a result, or why it failed.
struct Outcome {
  bool passed = false;
  std::string text;
};

/// Runs jobs 0 … count-1, each in a forked child. Call it before the process has any thread.
///
/// \param job   runs in the child
/// \param done  runs here, in the order of the jobs. A child that a signal killed has failed, with the signal's name and
///              the last line it wrote to standard error for a reason; one that took too long is killed
void runForked(size_t count, const ForkOptions& options, const std::function<Outcome(size_t)>& job,
               const std::function<void(size_t, const Outcome&)>& done);

} // namespace jinx::tools
