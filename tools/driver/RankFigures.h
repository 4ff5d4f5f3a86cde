// What does one rank have, compute and send? Counted over its own program (`dist.own`), which nobody has compiled.
//
//   weights      constants as the rank keeps them: a constant of which it takes a slice counts as the slice
//   activations  the most that is alive at one time: a value lives from its operator to its last reader. An upper bound, since fusion keeps values out of memory
//   wire         what a rank sends in a collective, by ring: 2(n-1)/n of the bytes for an all_reduce, (n-1)/n for the others
//
// Symbols of sizes have the values that the caller gives them, 1 where he gives none; coordinates are those of rank 0.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/comm/Communicator.h"

namespace jinx::driver {

struct ShardedModel;

struct CollectiveFigure {
  comm::Op op = comm::Op::kAllReduce;
  std::string node, axes; ///< "dp, tp"
  int64_t ranks = 1;      ///< of the group
  int64_t stride = 1;     ///< between neighbours of the group
  double bytes = 0;       ///< the whole, as runtime/comm/model/CollectiveCost.h counts it
  double wireBytes = 0;
};

/// One operator, in program order.
struct OperatorFigure {
  double flops = 0, bytes = 0; ///< bytes: of weights that it reads and of what it writes, and what a product reads
  bool isHalf = false;         ///< a product of 16-bit floats
  int collective = -1;         ///< in RankFigures::collectives
  std::vector<int> after;      ///< operators whose results it reads
};

struct RankFigures {
  double weightBytes = 0, inputBytes = 0, outputBytes = 0, activationBytes = 0, flops = 0, wireBytes = 0;
  std::vector<CollectiveFigure> collectives;
  std::vector<OperatorFigure> operators;
  std::set<std::string> assumed; ///< symbols that were taken to be 1

  double memoryBytes() const { return weightBytes + inputBytes + outputBytes + activationBytes; }
};

RankFigures rankFigures(ShardedModel& sharded, const std::map<std::string, int64_t>& sizes);
/// Of each stage of a pipeline; without one, those of all ranks, once.
Expected<std::vector<RankFigures>> stageFigures(ShardedModel& sharded, const std::map<std::string, int64_t>& sizes);

} // namespace jinx::driver
