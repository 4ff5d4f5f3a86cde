// In which order does one rank begin its kernels and collectives, so that they hide each other?
//
// A device has two hands: it computes on one stream and communicates on another. Given a rank's items in an order in which they could be done
// one after the other, this makes a better one, by walking through time: whenever a hand is free, it takes an item whose inputs are there, the
// one with the longest way to the end behind it first. So a collective begins as soon as its inputs are there, and whoever needs its result
// comes after whatever does not: the wait is late.
//
//   items   gather w1 (2 ms), use w1 (3 ms), gather w2 (2 ms), use w2 (3 ms)       one after the other 10 ms
//   order   gather w1; gather w2 beside use w1; use w2                             8 ms
//
// *Memory.* An item's result lies in memory from its begin until the last item that reads it has ended (a result that nobody reads stays). An
// item may be begun out of turn only if all the rest could then still be done one after the other, in the given order, within the limit: the
// rule of a banker who lends only what cannot strand him. So if the given order keeps the limit, the made one does, whatever the durations.
//
// *Never slower than one after the other.* While anything is left, one of the hands is busy: where nothing runs, the first item that is left has its
// inputs, and its turn always fits. So the two hands together take at most the sum of all.
//
// The result are tasks for the simulator, equal in time to the walk: an item also comes `after` the one whose end let it begin.
#pragma once

#include <string>
#include <vector>

#include "runtime/comm/model/Simulator.h"

namespace jinx::comm::model {

struct OverlapItem {
  std::string name;
  std::optional<Op> use;   ///< a collective; none: a kernel
  int slot = -1;           ///< of the collective's group
  double seconds = 0;
  std::vector<int> after;  ///< items whose results it reads; all before it
  int64_t bytes = 0;       ///< of its result
};

struct Overlapped {
  std::vector<int> order;        ///< items, as they begin
  std::vector<int> waitsBefore;  ///< by item: the item before which a collective is waited for, the first that reads it; -1: the end. -1 for kernels
  Program program;               ///< tasks in that order; kernels on stream 0, collectives on stream 1
  double seconds = 0;
  int64_t peakBytes = 0;
};

/// kInvalidArgument where an item reads one that is not before it, or takes less than nothing.
Status checkItems(const std::vector<OverlapItem>& items);

/// The items one after the other on one stream.
Program serialProgram(const std::vector<OverlapItem>& items);

/// \param limit  bytes that may be alive at once; 0: no limit
/// kInvalidArgument where an item reads one that is not before it; kResource where even one after the other they need more than the limit.
Expected<Overlapped> overlap(const std::vector<OverlapItem>& items, int64_t limit = 0);

} // namespace jinx::comm::model
