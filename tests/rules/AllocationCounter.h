// Who asks for memory, and when? Linked into a program, this takes the place of malloc and its family and of mmap, for all its threads and
// all its libraries, and writes down each request while `startCounting` is in force. operator new ends in malloc, so it is counted there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace jinx::rules {

struct Allocation {
  int64_t timeNs = 0; ///< of the monotonic clock, as in a Trace
  size_t sizeBytes = 0;
  const char* function = ""; ///< "malloc", "mmap", …
  void* frames[16] = {};     ///< who asked
  int numFrames = 0;
};

void startCounting();
/// The number of requests since `startCounting`, all threads; as many of them as there is room for are in `counted`.
int64_t stopCounting();
std::span<const Allocation> counted();

} // namespace jinx::rules
