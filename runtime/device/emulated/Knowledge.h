// Who knows what to have happened: the order that barriers make between the events of a cluster.
//
// Every thread, and every engine that works beside the threads (a warpgroup's products, an mbarrier's bulk loads, a thread's bulk
// stores), is an actor that numbers its events. A thread knows, of each actor, the last event that is ordered before what it does
// now. A barrier hands that knowledge on; nothing else does, however the emulator happened to schedule. So an access is a race when
// it meets an earlier one that its thread does not know of, also where the earlier one had long happened.
//
//   thread 3: writes (event 3:7), block_sync ──> thread 5: knows 3:7, reads: fine
//   thread 3: writes (event 3:8)                 thread 5: knows 3:7, reads: a race
//
// `fenced` is the same for ordinary accesses that a proxy fence has followed: only those are ordered before what the asynchronous
// proxy does.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace jinx::emulated {

using Clock = uint32_t;
using Clocks = std::vector<Clock>;  ///< by actor; 0 beyond the end
using ClocksRef = std::shared_ptr<const Clocks>;

inline Clock clockOf(const ClocksRef &clocks, uint32_t actor) { return clocks && actor < clocks->size() ? (*clocks)[actor] : 0; }
/// The later of both, actor by actor. Remembers its last few answers: threads that meet mostly know the same.
class Joins {
 public:
  ClocksRef join(const ClocksRef &a, const ClocksRef &b);

 private:
  struct Answer {
    ClocksRef a, b, result;
  };
  Answer last_[8];
  unsigned next_ = 0;
};

struct Knowledge {
  uint32_t self = 0;
  Clock now = 1, fencedNow = 0;  ///< its own events: the next one, the last one before a proxy fence
  ClocksRef seen, fenced;

  Clock seenOf(uint32_t actor) const { return actor == self ? now : clockOf(seen, actor); }
  Clock fencedOf(uint32_t actor) const { return actor == self ? fencedNow : clockOf(fenced, actor); }
  void fence() {
    fencedNow = now++;
    fenced = seen;
  }
};

/// What gathers at a barrier.
struct Gathered {
  Clocks seen, fenced;
  void add(const Knowledge &from);
  void set(uint32_t actor, Clock when);
};

/// All of them know what any of them knew.
void meetAll(const std::vector<Knowledge *> &all);

}  // namespace jinx::emulated
