// The state of one emulated cluster, and the scheduler that runs its threads. Internal to runtime/device/emulated.
//
// Control flow: `Machine::run` resumes one ready thread after another. A wrapper of the running thread calls into the API
// (MachineApi.cpp), which ends in a method of this class; a method that has to wait calls `block`, which suspends the thread's fibre
// until somebody calls `wake`. A method that finds a broken rule calls `fail`, which suspends for good: the launch is over.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <random>

#include "runtime/device/emulated/EmulatedAbi.h"
#include "runtime/device/emulated/Emulator.h"
#include "runtime/device/emulated/Fibre.h"
#include "runtime/device/emulated/HostModule.h"
#include "runtime/device/emulated/GlobalShadow.h"
#include "runtime/device/emulated/Knowledge.h"
#include "runtime/device/emulated/SharedShadow.h"

namespace jinx::emulated {

inline constexpr unsigned kLanes = 32;
inline constexpr unsigned kWarpgroup = 128;

struct Cta;
struct Thread;

/// Several threads meet; the last one to come does the work for all and wakes the others.
struct Rendezvous {
  unsigned arrived = 0;
  uint64_t generation = 0;
  const char *what = nullptr;  ///< the operation of this meeting: everyone must come for the same
  std::vector<Thread *> waiting;
};

/// A product of a warp as one lane issues it.
struct MmaProduct {
  JinxEmuElement a = JINX_EMU_BF16, b = JINX_EMU_BF16;
  void *d = nullptr;
  const unsigned *wordsA = nullptr, *wordsB = nullptr;
};

struct Warp {
  Rendezvous meeting;
  unsigned lanes = 0;
  unsigned leader = 0;  ///< the lane that elect_one picks
  std::array<uint64_t, kLanes> sent{}, received{};
  std::array<unsigned, kLanes> address{};
  std::array<std::array<unsigned, 4>, kLanes> registers{};
  std::array<MmaProduct, kLanes> products{};
};

/// What a wgmma multiplies. A lies in shared memory, or in the threads' registers: then B of halves is stored [16, n] instead of [n, 16].
struct WgmmaProduct {
  int n = 0;
  JinxEmuElement a = JINX_EMU_BF16, b = JINX_EMU_BF16;
  bool accumulate = true;
  uint64_t descA = 0, descB = 0;
  const unsigned *registersA = nullptr;

  bool sameForAll(const WgmmaProduct &o) const {
    return n == o.n && a == o.a && b == o.b && accumulate == o.accumulate && descA == o.descA && descB == o.descB && !registersA == !o.registersA;
  }
};
/// One wgmma as a warpgroup's threads issue it, each for its own fragment.
struct WgmmaOp {
  using Registers = std::array<unsigned, 4>;
  WgmmaProduct product;
  int line = 0;
  bool done = false;
  unsigned issued = 0;
  std::array<void *, kWarpgroup> d{};
  std::array<const unsigned *, kWarpgroup> a{};  ///< where a thread's part of A lies, and what it was at issue
  std::array<Registers, kWarpgroup> issuedA{};
};
struct WarpgroupUnit {
  std::deque<WgmmaOp> ops;  ///< issued and not yet waited for, oldest first
  uint64_t firstOp = 0;     ///< number of ops[0]
  std::vector<uint64_t> groupEnds;  ///< op number at which each committed group ends, from the first group on
  Rendezvous meeting;
  uint32_t actor = 0;
  ClocksRef retired;  ///< its products that have been waited for, as knowledge
};
/// The true value of a thread's accumulator, floats or i32, while it is in flight (the program's own copy holds NaN, or its bits).
struct Accumulator {
  std::vector<uint32_t> values;
  unsigned users = 0;  ///< operations that have not been waited for
};

/// Groups of asynchronous copies of one thread, in commit order.
struct CopyGroups {
  std::vector<unsigned> unfinished = {0};  ///< pieces in flight per committed group; the last entry is the open group
  uint64_t first = 0;                      ///< number of unfinished[0]
  uint64_t open() const { return first + unfinished.size() - 1; }
  int line = 0;  ///< of the latest copy
  bool isOpenUsed = false;
};

/// An asynchronous copy that its thread has not waited for.
struct UnsettledCopy {
  uint64_t group;
  unsigned address, bytes;
  int line;
};

struct Thread {
  JinxEmuSelf self{};
  Cta *cta = nullptr;
  unsigned index = 0;  ///< in the block
  std::unique_ptr<Fibre> fibre;
  enum State : uint8_t { kNotStarted, kReady, kBlocked, kDone } state = kNotStarted;
  // Why it waits, for the report.
  const char *waitsFor = "";
  unsigned waitAddress = 0, waitParity = 0;
  int waitLine = 0;
  Knowledge knows;
  std::deque<UnsettledCopy> copies;
  uint32_t storeActor = 0;  ///< of its bulk stores; 0: it has none
  uint64_t wgmmaIssued = 0, wgmmaCommitted = 0;
  bool wgmmaFenced = false;
  std::map<void *, Accumulator> wgmmaInFlight;
  CopyGroups asyncGroups, storeReads, storeWrites;
  bool clusterArrived = false;

  unsigned lane() const { return index % kLanes; }
};

struct MBarrier {
  unsigned count = 0, pending = 0;
  int64_t bytes = 0;
  unsigned phase = 0;  ///< parity of the phase in progress
  uint64_t completed = 0;
  bool fenced = false;
  unsigned initBy = 0;
  int initLine = 0;
  std::vector<Thread *> waiting;
  uint32_t actor = 0;         ///< of its bulk loads: event n ends phase n
  Clock initWhen = 0;
  bool isPublished = false;   ///< every thread of the cluster knows of it
  Gathered gathered;          ///< of the arrivals so far
  ClocksRef seen, fencedSeen; ///< of the phases that have completed
  struct Guard {
    unsigned address, bytes;
  };
  struct Arrival {
    Event event;
    uint64_t clusterGeneration = 0;
  };
  std::map<uint32_t, Arrival> remote;  ///< the last arrival of each thread of another block
  std::vector<Guard> guards;  ///< memory that is dead once a phase completes
};

struct NamedBarrier {
  Rendezvous meeting;
  unsigned expected = 0;
};

struct Cta {
  unsigned rank = 0, block = 0;
  std::vector<unsigned char> memory;
  unsigned char *window = nullptr;  ///< address 0 of shared memory
  unsigned sharedBegin = 0, sharedEnd = 0;
  SharedShadow shadow;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<WarpgroupUnit> warpgroups;
  std::array<NamedBarrier, 16> barriers;
  std::map<unsigned, MBarrier> mbarriers;
};

class Machine {
 public:
  Machine(const LaunchShape &shape, const LaunchOptions &options, const HostModule &module, void (*kernel)(void **), void **params);
  /// Runs the whole grid.
  Expected<LaunchReport> run();

  /// The machine whose thread is running, for the API functions.
  static Machine *current();

  // ---- operations of the running thread, by file ----
  // Rendezvous.cpp
  void blockSync(int barrier, int threads, int line);
  void warpSync(int line);
  uint64_t warpExchange(uint64_t bits, int mode, int operand, int line);
  bool electOne(int line);
  void stmatrix(unsigned address, std::array<unsigned, 4> registers, int line);
  void clusterArrive(int line);
  void clusterWait(int line);
  // Mma.cpp
  void ldmatrix(unsigned *to, const void *row, int line);
  void mma(const MmaProduct &product, int line);
  void gridWait();
  // MBarriers.cpp
  void mbarInit(unsigned bar, unsigned arrivals, int line);
  void mbarInitFence(int line);
  void mbarGuard(unsigned bar, unsigned address, unsigned bytes, int line);
  void mbarArrive(unsigned bar, unsigned rank, unsigned expectedBytes, int line);
  void mbarWait(unsigned bar, unsigned parity, int line);
  // Copies.cpp
  void copyAsync(void *dst, const void *src, unsigned dstBytes, unsigned srcBytes, int line);
  void copyAsyncCommit();
  void copyAsyncWait(int pending, int line);
  void tmaLoad(unsigned dst, const EmulatedTensorMap &map, unsigned bar, const int *coordinates, const int *tap, unsigned rankMask, int line, JinxEmuAccess access = JINX_EMU_READ);
  void tmaStore(const EmulatedTensorMap &map, unsigned src, const int *coordinates, int line);
  void tmaStoreCommit();
  void tmaStoreWait(int pending, bool onlyRead, int line);
  // Wgmma.cpp
  void wgmmaFence(int line);
  void wgmma(void *d, const WgmmaProduct &product, int line);
  void wgmmaCommit(int line);
  void wgmmaWait(int pending, int line);
  void wgmmaPin(const void *d, int line);
  // Machine.cpp
  void sharedAccess(const void *p, unsigned bytes, bool isWrite, int line);
  static bool hasExited(const Cta &cta);
  void clusterLoad(void *to, unsigned address, unsigned rank, unsigned bytes, int line);
  void globalAccess(const void *p, unsigned bytes, JinxEmuAccess access, int line);
  void fenceProxyAsync() { running_->knows.fence(); }
  void peerAccess(const void *p, unsigned bytes, int line);
  void yield(int line);

 private:
  // ---- scheduling (Machine.cpp) ----
  void startCluster(unsigned firstBlock);
  Status runCluster();
  void resumeThread(Thread *thread);
  static void threadMain(void *thread);
  void finishThread();
  void checkRemoteArrivals();
  void block(const char *what, unsigned address, unsigned parity, int line);
  void wake(Thread *thread);
  void wakeAll(std::vector<Thread *> &waiting);
  [[noreturn]] void fail(std::string message, int line);
  void failOutside(std::string message, int line);  ///< from work that no thread runs (a landing copy)
  std::string deadlockReport() const;
  std::string where(int line) const;
  std::string at(int line) const;  ///< " at line 12: `text`"; empty for 0
  Thread &self() { return *running_; }

  /// Comes to a meeting of `expected` threads. True for the last one, who must call `release` after its work.
  bool meet(Rendezvous &meeting, unsigned expected, const char *what, int line);
  enum class Orders { kMemory, kNothing };
  void release(Rendezvous &meeting, Orders orders);

  // ---- asynchronous work ----
  void later(std::function<void()> apply) { pending_.push_back(std::move(apply)); }
  bool progress();  ///< does one pending piece; false when there is none
  unsigned random(unsigned bound) { return bound < 2 ? 0 : static_cast<unsigned>(rng_() % bound); }
  void poison(Cta &cta, unsigned address, unsigned bytes);
  uint32_t newActor(std::string name);
  std::string actorName(uint32_t actor) const;
  Event eventOfSelf(int line) { return {self().knows.self, self().knows.now, line}; }
  /// Fails where there is a hazard. `what`: "a store", "wgmma".
  void demandNone(const std::optional<Hazard> &hazard, const Cta &cta, const char *what, bool isWrite, int line);
  /// Fails where the launch before may still run, as far as this thread knows.
  void demandGridWait(const char *what, int line);
  void touchGlobal(const void *p, unsigned bytes, JinxEmuAccess access, int line);
  /// Which of options_.ranges all of the access lies in; fails where none is.
  size_t rangeOf(const void *p, unsigned bytes, bool isWrite, int line);
  void orderGlobal(size_t range, size_t offset, unsigned bytes, bool isWrite, int line);
  /// Every so often; fails when the launch does not come to an end.
  void count(int line) {
    if (options_.maxOperations && ++operations_ > options_.maxOperations) failEndless(line);
  }
  [[noreturn]] void failEndless(int line);
  void checkSharedRange(Cta &cta, unsigned address, uint64_t bytes, const char *what, int line);
  MBarrier &barrierAt(Cta &cta, unsigned bar, const char *what, int line);
  void arriveOn(Cta &cta, unsigned bar, MBarrier &barrier, unsigned arrivals, int64_t bytes);
  void landPiece(Cta &cta, unsigned bar, Clock phase, unsigned address, const std::vector<unsigned char> &bytes, unsigned swizzle, int line);
  static void commitGroup(CopyGroups &groups) {
    groups.unfinished.push_back(0);
    groups.isOpenUsed = false;
  }
  void waitGroups(CopyGroups &groups, int pending, const char *what, int line);
  void finishPiece(Thread *thread, CopyGroups Thread::*groups, uint64_t group);
  void runWgmma(Cta &cta, WarpgroupUnit &unit, WgmmaOp &op);
  void checkOperands(Thread &t, WarpgroupUnit &unit, const WgmmaOp &op, Clock number);

  LaunchShape shape_;
  LaunchOptions options_;
  const HostModule &module_;
  JinxEmuSelf **selfSlot_;
  void (*kernel_)(void **);
  void **params_;
  std::mt19937_64 rng_;
  unsigned eagerness_ = 0;  ///< of 64: chance that a pending piece happens at a scheduling step; 0: only when nothing else can
  std::vector<Cta> ctas_;
  std::vector<Thread *> ready_;
  std::vector<std::function<void()>> pending_;
  std::vector<std::unique_ptr<Fibre>> idleFibres_;
  Thread *running_ = nullptr;
  unsigned live_ = 0, clusterArrived_ = 0;
  uint64_t clusterGeneration_ = 0;
  std::vector<Thread *> clusterWaiting_;
  std::string failure_;
  Joins joins_;
  GlobalShadow global_;
  uint64_t operations_ = 0, yields_ = 0;
  std::vector<std::string> engines_;  ///< names of the actors after threads and warpgroups
  uint32_t firstEngine_ = 0;
  uint32_t gridActor_ = 0;    ///< the launch before; its one event is that it has ended
  ClocksRef gridEnded_;       ///< that, as knowledge
  LaunchReport report_;
};

}  // namespace jinx::emulated
