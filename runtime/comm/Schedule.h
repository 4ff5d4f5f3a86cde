// Do ranks mean to make the same calls? Each rank's schedule is the list of calls that it will make; ranks compare them before the first
// one, so that a rank with another plan is an error with a name instead of a wait that never ends.
//
//   Schedule schedule{.rank = 4};
//   schedule.calls.push_back({.op = Op::kAllReduce, .dtype = DType::kF32, .count = 4096, .ranks = {4, 5, 6, 7}, .name = "/layer.3/down"});
//   JINX_TRY(agree(comm, schedule), "before step 0");
//
// What must be equal is one *order* at a time: the collectives of a group, or the sends from one rank of a group to another, beside the
// receives there. Each order has a hash (XXH3-64 of its calls' texts: operation, reduction, type, count, root, sources, whether a
// kernel of the plan carries it out, and the name of a collective; the names of a send and of its receive may differ, since they are in different programs). Sizes of all_to_all_v are of the data and
// compared when it is called; its count here is a row's.
//
// Equal lists can still stop, when ranks wait for each other across groups:
//
//   rank 0: #0 on ranks 0, 1, then #1 on ranks 0, 2         checkProgress: rank 0 waits in #0 for rank 1, rank 1 waits in #0 for rank 2,
//   rank 1: #0 on ranks 1, 2, then #1 on ranks 0, 1                        rank 2 waits in #0 for rank 0
//   rank 2: #0 on ranks 0, 2, then #1 on ranks 1, 2
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/comm/Communicator.h"

namespace jinx::comm {

/// A call as a schedule has it: its sequence is its place in the list.
struct ScheduledCall {
  Op op = Op::kAllReduce;
  Reduction reduction = Reduction::kSum;
  DType dtype = DType::kF32;
  int64_t count = 0;        ///< all_to_all_v: of a row
  std::vector<int> ranks;   ///< of the group, in order
  int root = 0;             ///< a place in `ranks`
  std::vector<int> sources; ///< permute
  std::string name;
  bool isFused = false; ///< a kernel of the plan carries it out
  int overlap = 0; ///< so many of the calls behind it start before it is waited for
};

struct Schedule {
  int rank = 0;
  std::vector<ScheduledCall> calls;
};

/// kInvalidArgument for a call whose group is none of a world of `size`, does not have the rank, or has no place `root`.
Status checkSchedule(const Schedule& schedule, int size);

/// The calls of one order, as ranks compare them.
struct Order {
  std::string key;                ///< "ranks 4, 5, 6, 7", "from place 0 to place 1 of ranks 4, 5, 6, 7"
  int numRanks = 0;               ///< that have it
  std::vector<std::string> texts; ///< of its calls
  std::vector<int64_t> sequences;
  uint64_t hash = 0; ///< of the texts
};
/// In the order of their first calls.
/// \pre `checkSchedule`
std::vector<Order> ordersOf(const Schedule& schedule);

/// All ranks of the world call this, and get the same answer. kInvalidArgument names the order, the first call in which two ranks differ,
/// or the rank that has one more. A rank whose own schedule is no schedule ends the world.
Status agree(Communicator& comm, const Schedule& schedule);

/// Whether these schedules, one for each rank of the world in order, run to their ends together. kInvalidArgument names the cycle of ranks
/// that wait for each other, or the rank that waits for one that has ended.
Status checkProgress(std::span<const Schedule> schedules);

} // namespace jinx::comm
