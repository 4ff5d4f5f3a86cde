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

/// Runs jobs 0 … count-1, each in a forked child. Call it before the process has any thread.
///
/// \param job   runs in the child; returns why it failed, nothing for success
/// \param done  runs here, in the order of the jobs, with the job's reason; a child that a signal killed has the
/// signal's name and
///              the last line it wrote to standard error for a reason, one that took too long is killed
void runForked(size_t count, const ForkOptions& options, const std::function<std::string(size_t)>& job,
               const std::function<void(size_t, const std::string&)>& done);

} // namespace jinx::tools
