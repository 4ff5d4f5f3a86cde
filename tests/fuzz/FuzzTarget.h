// What fuzzers and the short deterministic run share: the entry points that libFuzzer defines.
//
// A target is one .cpp with `LLVMFuzzerTestOneInput`: it takes any bytes and must return. A crash, an abort or a hang is a fault
// of Jinx; an error is not. A target may define `LLVMFuzzerCustomMutator` too, when plain changes of bytes would not get past
// the first check. With JINX_FUZZ libFuzzer drives the targets; mutate_and_run.cpp does in the ordinary tests.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

extern "C" {
/// Before the first input.
int LLVMFuzzerInitialize(int* argc, char*** argv);
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
/// Changes `data` in place, within `maxSize` bytes. \returns the new size
size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed);
/// Given by the driver: plain changes of bytes.
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t maxSize);
}

namespace jinx::fuzz {

/// Where the driver counts inputs that were no error: a run in which every input is refused early tests little.
inline std::atomic<long>* accepted = nullptr;
inline void countAccepted() {
  if (accepted) ++*accepted;
}

} // namespace jinx::fuzz
