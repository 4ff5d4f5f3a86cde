// What the programs say when something fails, and the exit code that goes with it.
#pragma once

#include <functional>

#include "runtime/base/Status.h"

namespace jinx::tools {

/// Relied on from outside.
enum ExitCode : int {
  kExitSuccess = 0,
  kExitInput = 1, ///< the input's fault: model, plan, tensor, a file that is not there, a difference found
  kExitUsage = 2, ///< the command line
  kExitOurs = 3,  ///< ours
};

ExitCode exitCodeOf(const Status& status);

/// Prints "error: …" on standard error, nothing for a success.
/// \returns the exit code that goes with it
ExitCode report(const Status& status);

/// Runs a program's body; an exception that reaches here is reported as our fault.
int guarded(const std::function<int()>& body);

} // namespace jinx::tools
