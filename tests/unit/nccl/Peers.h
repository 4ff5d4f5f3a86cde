// Can kernels be emulated here?
#pragma once

#include "runtime/comm/nccl/NcclCommunicator.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define JINX_TEST_HAS_NO_FIBRES 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define JINX_TEST_HAS_NO_FIBRES 1
#endif

namespace jinx::comm::test {

/// ThreadSanitizer crashes on the stacks of the emulator's fibres.
#ifdef JINX_TEST_HAS_NO_FIBRES
inline constexpr bool kRunsKernels = false;
#else
inline constexpr bool kRunsKernels = true;
#endif

/// What may go over peers' memory in tests.
inline constexpr int64_t kPeerBytes = kRunsKernels ? NcclOptions::kUsualPeerBytes : 0;

} // namespace jinx::comm::test
