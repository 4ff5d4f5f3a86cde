// mbarriers: a phase completes when its arrivals and its announced bytes have all come.
//
// `pending` counts down from `count`; `bytes` goes up when bytes are announced (expect) and down when they land, and may go below
// zero in between. A phase completes when both are zero; then the parity flips and `pending` starts anew. Waiting for parity p waits
// until the phase of parity p has completed, which is the case when the phase in progress has the other parity.
#include <algorithm>
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
  barrier.actor = newActor("the mbarrier at shared+" + std::to_string(bar - cta.sharedBegin));
  barrier.initWhen = self().knows.now;
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
  std::ostringstream out;
  if (it != cta.mbarriers.end()) {
    MBarrier &barrier = it->second;
    const Knowledge &knows = self().knows;
    if (barrier.isPublished || knows.seenOf(cta.threads[barrier.initBy].knows.self) >= barrier.initWhen) return barrier;
    out << "a race: " << what << " uses the mbarrier at shared+" << bar - cta.sharedBegin << ", and no barrier stands after thread " << barrier.initBy
        << " made it" << (barrier.fenced ? "" : ", which was not fenced (mbar_init_fence) for others") << at(barrier.initLine) << "; found";
    fail(out.str(), line);
  }
  out << what << " uses an mbarrier at shared+" << static_cast<int64_t>(bar) - cta.sharedBegin << " that was never made";
  fail(out.str(), line);
}

bool Machine::hasExited(const Cta &cta) {
  return !cta.threads.empty() && std::all_of(cta.threads.begin(), cta.threads.end(), [](const Thread &t) { return t.state == Thread::kDone; });
}

void Machine::mbarArrive(unsigned bar, unsigned rank, unsigned expectedBytes, int line) {
  Thread &t = self();
  if (rank >= ctas_.size()) fail("an arrival at block " + std::to_string(rank) + " of a cluster of " + std::to_string(ctas_.size()), line);
  Cta &cta = ctas_[rank];
  if (&cta != t.cta && hasExited(cta)) fail("an arrival at the mbarrier of a block that has exited", line);
  MBarrier &barrier = barrierAt(cta, bar, "an arrival", line);
  if (&cta != t.cta && !barrier.fenced) fail("another block arrives at an mbarrier whose making was not fenced (mbar_init_fence)", line);
  if (barrier.pending == 0) fail("more arrivals at an mbarrier than its count in one phase", line);
  count(line);
  if (&cta != t.cta) barrier.remote[t.knows.self] = {eventOfSelf(line), clusterGeneration_};
  barrier.gathered.add(t.knows);
  ++t.knows.now;
  arriveOn(cta, bar, barrier, 1, expectedBytes);
}

void Machine::arriveOn(Cta &cta, unsigned, MBarrier &barrier, unsigned arrivals, int64_t bytes) {
  barrier.bytes += bytes;
  barrier.pending -= arrivals;
  if (barrier.pending != 0 || barrier.bytes != 0) return;
  barrier.pending = barrier.count;
  barrier.phase ^= 1;
  ++barrier.completed;
  barrier.gathered.set(barrier.actor, static_cast<Clock>(barrier.completed));
  barrier.seen = std::make_shared<Clocks>(barrier.gathered.seen);
  barrier.fencedSeen = std::make_shared<Clocks>(barrier.gathered.fenced);
  for (const MBarrier::Guard &guard : barrier.guards) {
    poison(cta, guard.address, guard.bytes);
    cta.shadow.release(guard.address, guard.bytes, barrier.initLine);
  }
  wakeAll(barrier.waiting);
}

void Machine::mbarWait(unsigned bar, unsigned parity, int line) {
  Cta &cta = *self().cta;
  count(line);
  MBarrier &barrier = barrierAt(cta, bar, "a wait", line);
  while (barrier.phase == (parity & 1)) {
    barrier.waiting.push_back(&self());
    block("mbarrier", bar, parity & 1, line);
  }
  Knowledge &knows = self().knows;
  knows.seen = joins_.join(knows.seen, barrier.seen);
  knows.fenced = joins_.join(knows.fenced, barrier.fencedSeen);
}

}  // namespace jinx::emulated
