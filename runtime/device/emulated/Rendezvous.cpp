// Meetings of threads: warp operations, block barriers, the cluster barrier.
#include <cstring>

#include "runtime/device/emulated/Machine.h"

namespace jinx::emulated {

bool Machine::meet(Rendezvous &meeting, unsigned expected, const char *what, int line) {
  if (meeting.arrived == 0) {
    meeting.what = what;
  } else if (std::strcmp(meeting.what, what) != 0) {
    fail(std::string("threads that must act together meet at different operations: ") + meeting.what + " and " + what, line);
  }
  if (++meeting.arrived == expected) return true;
  uint64_t generation = meeting.generation;
  meeting.waiting.push_back(&self());
  while (meeting.generation == generation) block(what, 0, 0, line);
  return false;
}

void Machine::release(Rendezvous &meeting, Orders orders) {
  if (orders == Orders::kMemory) {
    std::vector<Knowledge *> all = {&self().knows};
    for (Thread *thread : meeting.waiting) all.push_back(&thread->knows);
    meetAll(all);
  }
  meeting.arrived = 0;
  ++meeting.generation;
  wakeAll(meeting.waiting);
}

void Machine::blockSync(int barrier, int threads, int line) {
  Cta &cta = *self().cta;
  if (barrier < 0 || barrier > 15) fail("there are 16 block barriers, 0 to 15", line);
  NamedBarrier &named = cta.barriers[barrier];
  unsigned expected = threads ? static_cast<unsigned>(threads) : shape_.threads;
  if (expected % kLanes && expected != shape_.threads) fail("a block barrier counts whole warps", line);
  if (named.meeting.arrived && named.expected != expected) fail("threads disagree on how many come to a block barrier", line);
  named.expected = expected;
  if (meet(named.meeting, expected, "the block barrier", line)) release(named.meeting, Orders::kMemory);
}

void Machine::warpSync(int line) {
  Warp &warp = self().cta->warps[self().index / kLanes];
  if (meet(warp.meeting, warp.lanes, "the other lanes at a warp barrier", line)) release(warp.meeting, Orders::kMemory);
}

uint64_t Machine::warpExchange(uint64_t bits, int mode, int operand, int line) {
  Warp &warp = self().cta->warps[self().index / kLanes];
  unsigned lane = self().lane();
  warp.sent[lane] = bits;
  warp.address[lane] = mode == JINX_EMU_XOR ? lane ^ static_cast<unsigned>(operand) : static_cast<unsigned>(operand) % kLanes;
  if (meet(warp.meeting, warp.lanes, mode == JINX_EMU_XOR ? "the other lanes at a shuffle" : "the other lanes at a broadcast", line)) {
    for (unsigned i = 0; i < warp.lanes; ++i) {
      if (warp.address[i] >= warp.lanes) fail("a shuffle reads a lane that does not exist", line);
      warp.received[i] = warp.sent[warp.address[i]];
    }
    release(warp.meeting, Orders::kNothing);
  }
  return warp.received[lane];
}

bool Machine::electOne(int line) {
  Warp &warp = self().cta->warps[self().index / kLanes];
  if (meet(warp.meeting, warp.lanes, "the other lanes at elect_one", line)) release(warp.meeting, Orders::kNothing);
  return self().lane() == warp.leader;
}

// Matrix i is 8x8 of 16 bits: its row r goes to the address that lane 8*i + r gave, and lane l holds its elements (l/4, 2*(l%4)) and
// the next, in register i.
void Machine::stmatrix(unsigned address, std::array<unsigned, 4> registers, int line) {
  Cta &cta = *self().cta;
  Warp &warp = cta.warps[self().index / kLanes];
  unsigned lane = self().lane();
  if (address % 16) fail("stmatrix needs 16-byte aligned rows", line);
  checkSharedRange(cta, address, 16, "stmatrix", line);
  warp.address[lane] = address;
  warp.registers[lane] = registers;
  cta.shadow.access(self().index, address, 16, line);
  if (!meet(warp.meeting, warp.lanes, "the other lanes at stmatrix", line)) return;
  unsigned firstThread = self().index / kLanes * kLanes;
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned row = 0; row < 8; ++row) {
      unsigned to = warp.address[8 * i + row];
      for (unsigned q = 0; q < 4; ++q) std::memcpy(cta.window + to + 4 * q, &warp.registers[4 * row + q][i], 4);
      const Knowledge &owner = cta.threads[firstThread + 8 * i + row].knows;
      demandNone(cta.shadow.write({to, 16, {owner.self, owner.now, line}}, owner), cta, "stmatrix", true, line);
    }
  release(warp.meeting, Orders::kNothing);
}

/// The launch before has ended; whoever learns from this thread knows it too.
void Machine::gridWait() { self().knows.seen = joins_.join(self().knows.seen, gridEnded_); }

void Machine::clusterArrive(int line) {
  Thread &t = self();
  if (t.clusterArrived) fail("a thread arrives twice at the cluster barrier without waiting", line);
  t.clusterArrived = true;
  if (++clusterArrived_ < shape_.threads * shape_.cluster) return;
  clusterArrived_ = 0;
  ++clusterGeneration_;
  // Relaxed: it orders no memory, only barriers whose making was fenced.
  for (Cta &cta : ctas_) {
    for (Thread &thread : cta.threads) thread.clusterArrived = false;
    for (auto &[address, barrier] : cta.mbarriers) barrier.isPublished = barrier.isPublished || barrier.fenced;
  }
  wakeAll(clusterWaiting_);
}

void Machine::clusterWait(int line) {
  // Whoever arrived in the phase in progress waits for its end; if that phase is over already, the flag is down.
  while (self().clusterArrived) {
    clusterWaiting_.push_back(&self());
    block("the cluster barrier", 0, 0, line);
  }
}

}  // namespace jinx::emulated
