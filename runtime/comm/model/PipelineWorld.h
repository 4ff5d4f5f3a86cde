// A pipeline as a world that can be simulated: ranks of stages, with replicas of each.
//
// A mesh of p stages, `data` replicas and `tensor` parts has rank ((stage * data) + d) * tensor + t. A rank sends what it has to the rank of
// the next stage with the same d and t. After each pass the ranks of a stage with the same d reduce over their parts, if that takes time; at
// the end those with the same t reduce their gradients.
//
// Streams: 0 computes, 1 and 2 send and receive activations, 3 and 4 gradients, 5 reduces over parts, 6 over replicas. Receives are posted at once, in
// the order of the sends, so that a rank waits for nothing but data.
#pragma once

#include "runtime/comm/model/PipelineSchedules.h"
#include "runtime/comm/model/Simulator.h"

namespace jinx::comm::model {

/// Seconds and bytes of one microbatch in a stage with all of its chunks; a chunk has an equal part.
struct PipelineCosts {
  double forward = 1;
  std::vector<double> forwards;    ///< by stage, where they are not equal; empty: `forward` each
  double inputGradient = 1;
  double weightGradient = 1;       ///< a backward pass that is not split takes both
  double transfer = 0;             ///< of activations or gradients to the next stage, whole for each chunk
  double tensorReduce = 0;         ///< after each pass, over `tensor`
  double gradientReduce = 0;       ///< once, over `data`
  int64_t activationBytes = 0;     ///< held from the forward pass to the last backward one
};

struct PipelineMesh {
  int tensor = 1;
  int data = 1;
};

/// kInvalidArgument as `checkSchedule` has it.
Expected<World> worldOf(const Schedule& schedule, const PipelineCosts& costs, const PipelineMesh& mesh = {});

} // namespace jinx::comm::model
