// MLIR's parsers end the process on some bytes that no program has written: a file is tried in a child process first.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "runtime/base/Status.h"

namespace jinx::frontends {

/// Runs `trial`, which reads `bytes` of input, in a child process without output and with limited time and memory.
/// \returns ok when the child ends by itself; kInvalidArgument, `name` is damaged, when it dies
Status surviveTrial(const std::string &name, size_t bytes, const std::function<void()> &trial);

} // namespace jinx::frontends
