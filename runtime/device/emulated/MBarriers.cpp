// mbarriers: a phase completes when its arrivals and its announced bytes have all come.
//
// `pending` counts down from `count`; `bytes` goes up when bytes are announced (expect) and down when they land, and may go below
// zero in between. A phase completes when both are zero; then the parity flips and `pending` starts anew. Waiting for parity p waits
// until the phase of parity p has completed, which is the case when the phase in progress has the other parity.
#include <sstream>

#include "runtime/device/emulated/Machine.h"

namespace jinx::emulated {

void Machine::mbarInit(unsigned bar, unsigned arrivals, int line) {
  Cta &cta = *self().cta;
  if (bar % 8) fail("an mbarrier must be 8-byte aligned", line);
  checkSharedRange(cta, bar, 8, "an mbarrier", line);
  if (arrivals == 0) fail("an mbarrier needs at least one arrival a phase", line);
  MBarrier &barrier = cta.mbarriers[bar];
  if (!barrier.waiting.empty()) fail("an mbarrier is made anew while threads wait for it", line);
  barrier = {};
  barrier.count = barrier.pending = arrivals;
  barrier.initBy = self().index;
  barrier.initLine = line;
}

void Machine::mbarInitFence(int) {
  Thread &t = self();
  for (auto &[address, barrier] : t.cta->mbarriers)
    if (barrier.initBy == t.index) barrier.fenced = true;
}

void Machine::mbarGuard(unsigned bar, unsigned address, unsigned bytes, int line) {
  Cta &cta = *self().cta;
  checkSharedRange(cta, address, bytes, "a guarded stage", line);
  barrierAt(cta, bar, "a guard", line).guards.push_back({address, bytes});
}

MBarrier &Machine::barrierAt(Cta &cta, unsigned bar, const char *what, int line) {
  auto it = cta.mbarriers.find(bar);
  if (it != cta.mbarriers.end()) return it->second;
  std::ostringstream out;
  out << what << " uses an mbarrier at shared+" << static_cast<int64_t>(bar) - cta.sharedBegin << " that was never made";
  fail(out.str(), line);
}

void Machine::mbarArrive(unsigned bar, unsigned rank, unsigned expectedBytes, int line) {
  Thread &t = self();
  if (rank >= ctas_.size()) fail("an arrival at block " + std::to_string(rank) + " of a cluster of " + std::to_string(ctas_.size()), line);
  Cta &cta = ctas_[rank];
  if (&cta != t.cta && !cta.threads.empty()) {
    bool gone = true;
    for (Thread &other : cta.threads) gone = gone && other.state == Thread::kDone;
    if (gone) fail("an arrival at the mbarrier of a block that has exited", line);
  }
  MBarrier &barrier = barrierAt(cta, bar, "an arrival", line);
  if (&cta != t.cta && !barrier.fenced) fail("another block arrives at an mbarrier whose making was not fenced (mbar_init_fence)", line);
  if (barrier.pending == 0) fail("more arrivals at an mbarrier than its count in one phase", line);
  arriveOn(cta, bar, barrier, 1, expectedBytes);
}

void Machine::arriveOn(Cta &cta, unsigned, MBarrier &barrier, unsigned arrivals, int64_t bytes) {
  barrier.bytes += bytes;
  barrier.pending -= arrivals;
  if (barrier.pending != 0 || barrier.bytes != 0) return;
  barrier.pending = barrier.count;
  barrier.phase ^= 1;
  ++barrier.completed;
  for (const MBarrier::Guard &guard : barrier.guards) poison(cta, guard.address, guard.bytes);
  wakeAll(barrier.waiting);
}

void Machine::mbarWait(unsigned bar, unsigned parity, int line) {
  Cta &cta = *self().cta;
  MBarrier &barrier = barrierAt(cta, bar, "a wait", line);
  while (barrier.phase == (parity & 1)) {
    barrier.waiting.push_back(&self());
    block("mbarrier", bar, parity & 1, line);
  }
}

}  // namespace jinx::emulated
