// In which order does one rank issue its kernels, starts and waits?
//
// `Overlap.h` says when things would best begin. A program is a list: a kernel, a collective that is waited for at
// once, the start of one, the wait for one. It is walked from top to bottom; kernels and waits take the walker's time,
// starts take none, and collectives run one behind the other in the order of their starts:
//
//   gather w1 (2 ms), use w1 (3 ms), gather w2 (2 ms), use w2 (3 ms)            10 ms
//   gather w1; start gather w2; use w1; wait for w2; use w2                      8 ms: the second gather is hidden
//
// Starts stand as early as what they read allows, waits as late as their first reader does. A collective that hides
// next to nothing is waited for at once, and an order that wins nothing is the given one. Of the list scheduler's order
// and the given one, the faster is taken.
//
// *Never slower than one after the other.* Where the walker stands still, in a wait, a collective runs; so the time is
// at most the sum of all.
//
// *Memory.* A collective's result lies there from its start on, and what it reads until its wait. An order that needs
// more than the limit is none.
//
// All ranks of a group come to their collectives in one order if they are given the same items: nothing here depends on
// a rank.
#pragma once

#include "runtime/comm/model/Overlap.h"

namespace jinx::comm::model {

struct Issue {
  enum class Kind : uint8_t { kRun, kStart, kWait };
  Kind kind = Kind::kRun; ///< of a collective: it is waited for at once
  int item = 0;
  bool operator==(const Issue&) const = default;
};

/// How a list runs.
struct IssueTimes {
  double seconds = 0;
  std::vector<double> waits; ///< by item: how long the walker stands still for a collective
  int64_t peakBytes = 0;
};
/// \pre each item is in `steps` once, behind what it reads
IssueTimes timesOf(const std::vector<OverlapItem>& items, const std::vector<Issue>& steps);

struct IssueOptions {
  int64_t limitBytes = 0; ///< that may be alive at once; 0: no limit
  double leastSeconds =
      1e-6; ///< a start that hides less than this, and an order that wins less, are not worth a step more
};

struct IssueOrder {
  std::vector<Issue> steps;
  IssueTimes times;
  double serialSeconds = 0; ///< one after the other, as given
  int64_t serialPeakBytes = 0;
};

/// kInvalidArgument where an item reads one that is not before it.
Expected<IssueOrder> issueOrder(const std::vector<OverlapItem>& items, const IssueOptions& options);

} // namespace jinx::comm::model
