// Runs CUDA text on the host, thread by thread, with every asynchronous thing made as unhelpful as the rules allow.
//
// Generated kernels contain no assembly: each PTX operation is a small wrapper with a device body and a host body
// (codegen/cuda/device). Here the same text is compiled by the host compiler against the host bodies (HostModule.h) and run:
//
//   * One fibre a thread. The blocks of a cluster live at the same time; clusters run one after another. Which thread runs next is
//     drawn from a seed whenever one has to wait.
//   * Warp operations are a rendezvous of 32 threads, named barriers and mbarriers are objects with a count, bytes and a phase.
//     When nothing can run, that is a deadlock, and the report says who waits for what, at which line, and how every barrier stands.
//   * Copies (TMA, cp.async) land piece by piece at random moments between their issue and the wait that promises them; until then
//     their destination holds NaN. wgmma reads shared memory either when issued or at its wait, and its accumulators hold NaN until
//     then. Shared memory starts as NaN; a pipeline stage becomes NaN again when its "empty" barrier completes.
//   * A launch that may begin early must not touch global memory before it knows that the one before it has ended.
//   * Launches of several devices, each on a thread of the host, run at once. What their kernels tell each other by memory of each other
//     (peer_access) is seen as the host's threads see it; a thread that waits for it yields, also between the halves of what it stores.
//   * A shadow of shared memory knows who wrote and read each word and what barriers order (Knowledge.h). An access that nothing orders
//     after an earlier one is an error on hardware now and then, and here always; so is a read of what nothing has written, or of a
//     stage that was given back, and an asynchronous reader of ordinary stores that no proxy fence has followed. Stores to global
//     memory are watched likewise. It also counts bank conflicts.
//
// So a program that passes for a number of seeds has its barriers, fences and waits right, not just its arithmetic. Every report names
// the kernel, the lines of the text, the thread, and the memory or barrier.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::emulated {

/// Shared memory a block may have on sm_90.
inline constexpr uint32_t kMaxSharedBytes = 232448;

struct LaunchShape {
  uint32_t grid = 1;     ///< blocks
  uint32_t threads = 1;  ///< a block
  uint32_t cluster = 1;  ///< blocks that share barriers; divides `grid`
  uint32_t sharedBytes = 0;
};

/// Global memory that the kernel may touch. With at least one range, every access through a wrapper is checked.
struct MemoryRange {
  const void *begin = nullptr;
  size_t bytes = 0;
  bool writable = true;
  std::string name;  ///< for messages
  bool isConstant = false;  ///< a launch has read it as such: none may write it
};

struct LaunchOptions {
  uint64_t seed = 0;
  bool countBankConflicts = false;
  /// Counts them, and fails a launch in which a line of the text needs more than this many times the wavefronts it would need without;
  /// 0: none is too many.
  double maxBankConflict = 0;
  /// The launch before may still run when this one begins: what touches global memory must be ordered after a grid_wait_previous.
  bool startsEarly = false;
  uint64_t maxOperations = 0;  ///< accesses and waits after which a launch counts as endless; 0: never
  std::vector<MemoryRange> ranges;
};

/// Extra shared-memory cycles of the accesses at one line of the text.
struct BankConflicts {
  uint64_t accesses = 0;  ///< warp-wide accesses
  uint64_t wavefronts = 0;
  uint64_t ideal = 0;     ///< wavefronts without conflicts
};

/// How far into a range of global memory a launch read and wrote.
struct TouchedRange {
  const void *begin = nullptr;
  size_t read = 0, written = 0;  ///< bytes, from `begin` to the end of the furthest access
  bool isConstant = false;       ///< read before the launch before has ended, perhaps
};

struct LaunchReport {
  uint64_t switches = 0;  ///< how often a thread was resumed
  uint64_t copies = 0;    ///< pieces of asynchronous copies
  uint64_t wgmmas = 0;    ///< by warpgroups
  std::map<int, BankConflicts> bankConflicts;  ///< by line of the text
  std::vector<TouchedRange> touched;           ///< of each of LaunchOptions::ranges, by address
};

/// A CUtensorMap as the emulator has it; fits the 128 opaque bytes. Made by `encodeTensorMap`.
struct EmulatedTensorMap {
  static constexpr uint64_t kMagic = 0x4a696e784d617032;
  uint64_t magic = kMagic;
  unsigned char *base = nullptr;
  uint16_t rank = 0, elementBytes = 0;
  uint64_t dims[5] = {};     ///< innermost first, in elements
  uint64_t strides[4] = {};  ///< of dims 1…, in bytes
  uint16_t box[5] = {};      ///< of a run of pixels: channels, pixels
  uint16_t swizzleBytes = 0;
  int16_t window[6] = {};    ///< of a run of pixels (tile.tensor_map): first w, first h, last w, last h, step w, step h

  bool isRun() const { return window[4] != 0; }
};

/// As a kernel's parameter: opaque, aligned as CUtensorMap is.
struct alignas(64) EncodedTensorMap {
  unsigned char bytes[128];
};
static_assert(sizeof(EmulatedTensorMap) <= sizeof(EncodedTensorMap));

/// Checks what cuTensorMapEncodeTiled and …Im2col check: 16-byte alignment of base and strides, box at most 256 (1024 pixels) and within
/// the swizzle span.
Status encodeTensorMap(EmulatedTensorMap map, EncodedTensorMap &out);

class HostModule;

/// Runs `kernel` to its end. `params` points to each parameter's value, as for cuLaunchKernel. A broken rule (a deadlock, a missing
/// fence, an access out of bounds) is kInternal with a report; output buffers are then in any state.
/// Each call runs its launch on the calling thread; launches of several threads run at once, as those of several devices do.
Expected<LaunchReport> launch(HostModule &module, const std::string &kernel, const LaunchShape &shape, void **params,
                              const LaunchOptions &options);

}  // namespace jinx::emulated
