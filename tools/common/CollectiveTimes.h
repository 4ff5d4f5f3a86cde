// How long do collectives take? All ranks of a world call `measureCollectives` with the same options; each gets the
// same times.
//
//   JINX_TRY_ASSIGN(auto place, placeOf(comm, nullptr));                 // buffers of the host
//   const CollectiveBenchOptions options{.ops = {Op::kAllReduce}, .bytes = {1024, 1 << 20}};
//   JINX_TRY_ASSIGN(auto times, measureCollectives(comm, *place, options, nullptr));
//   times[1].median()                                                    // seconds of an all_reduce of 1 MiB
//
// Of each collective and size first one call is checked, every element on every rank (CollectiveValues.h); a wrong
// number ends the world. Then it is timed in rounds. A round is a barrier, and then calls one behind the other, as many
// as are 64 KiB together, at most 16: what a clock and a barrier do to a call of microseconds is shared by them. A
// round's time is that of its slowest rank, for one call.
//
// Sizes and bandwidths are those of nccl-tests. `bytes` is the whole S: of all_gather what a rank has afterwards, of
// reduce_scatter what it has before, of all_to_all either. The algorithm's bandwidth is S over the time; the bus's is
// that times what a link has to carry of S at least, so that it can be held against what the link can do:
//
//   all_reduce 2(n-1)/n;  all_gather, reduce_scatter, all_to_all (n-1)/n;  broadcast, permute 1
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/comm/Communicator.h"
#include "tools/common/CollectivePlace.h"

namespace jinx::tools {

struct CollectiveBenchOptions {
  std::vector<comm::Op> ops;
  DType dtype = DType::kF32;
  std::vector<int64_t> bytes; ///< of the whole; rounded down to whole elements for each rank, at least one
  int warmUp = 3;             ///< rounds before those that count
  int rounds = 20;
};

struct CollectiveTime {
  comm::Op op = comm::Op::kAllReduce;
  int64_t count = 0;           ///< of the call
  int64_t bytes = 0;           ///< of the whole that was moved
  int calls = 1;               ///< of a round
  std::vector<double> seconds; ///< of a call, by round

  double median() const;
  double least() const;
  double most() const;
  double algorithmBandwidth() const { return static_cast<double>(bytes) / median(); } ///< bytes a second
  double busBandwidth(int ranks) const;
};

/// In the order of ops, then of bytes. An error of one rank is all ranks' error.
///
/// \param progress  is told which part of all has been done; may be empty
Expected<std::vector<CollectiveTime>> measureCollectives(comm::Communicator& comm, CollectivePlace& place,
                                                         const CollectiveBenchOptions& options,
                                                         const std::function<void(double)>& progress = {});

} // namespace jinx::tools
