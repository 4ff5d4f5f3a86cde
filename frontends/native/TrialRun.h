// MLIR's parsers end or corrupt the process on some bytes that no program has written: a file is read in a child process, and only
// what the child has made of it comes back.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "llvm/Support/MemoryBuffer.h"
#include "runtime/base/Status.h"

namespace jinx::frontends {

struct Trial {
  bool passed = false;                        ///< what `work` has returned
  std::unique_ptr<llvm::MemoryBuffer> output; ///< what `work` has written
};

/// Runs `work`, which reads `bytes` of input and writes to the file descriptor that it is given, in a child process with limited time
/// and memory.
/// \returns kInvalidArgument, `name` is damaged, when the child dies
Expected<Trial> tryInChild(const std::string &name, size_t bytes, const std::function<bool(int fd)> &work);

} // namespace jinx::frontends
