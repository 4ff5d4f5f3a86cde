// Which split of a model over N ranks fits the memory and is the fastest?
//
// Candidates are products N = dp * pp * ep * cp * tp:
//
//   dp   replicas with requests of their own: each has 1/dp of the batch
//   tp   products by columns and rows (passes/Dist/BuiltInRules.h); and the same with rows between blocks split by tp, "sp"
//   ep   experts of mixtures, one from another: each rank has 1/ep of them
//   cp   tokens of models that compute attention over all of their keys; keys pass round a ring, and the same with keys gathered, "gather"
//   pp   layers in stages, where the model is a chain of them: each rank has 1/pp of the weights and of the pools, and the batch goes through in parts
//
// Of other models than language models, a mesh with stages (pp, and micro for microbatches) is looked at where it is asked for: each stage's own program is counted, and the stages are simulated as a pipeline
// of what their microbatches take (runtime/comm/model/PipelineSchedules.h).
//
// For each ep and tp the model is partitioned up to a rank's own program, which is counted (RankFigures.h) and timed: an operator takes as long as its
// arithmetic or its bytes, whichever is longer, at the device's peaks; a collective what the cost model says (runtime/comm/model); who waits for whom is
// simulated. Nothing is compiled. Predictions order candidates; they are no measurements: no kernel reaches a peak, and a step of a few tokens is bound by
// launches.
#pragma once

#include "runtime/comm/model/Network.h"
#include "runtime/comm/model/Peaks.h"
#include "tools/driver/RankFigures.h"
#include "tools/driver/Shard.h"

namespace jinx::driver {

struct PlanShardsOptions {
  int64_t ranks = 8;
  comm::model::Network network;
  comm::model::Peaks device;
  std::vector<passes::MeshAxis> mesh;   ///< only this one; empty: all
  int64_t batch = 8;                    ///< sequences, or the first size of the first input, over all replicas
  int64_t tokens = 1;                   ///< language models: that each sequence computes in a call
  int64_t context = 4096;               ///< and that it has behind it
  std::map<std::string, int64_t> sizes; ///< of symbols, for one replica; stronger than the above
  std::function<void(const std::string& stage, double fraction)> progress;
};

/// What a rank of one stage has, and how long it takes for one microbatch.
struct StageFigure {
  double weightBytes = 0, inputBytes = 0, activationBytes = 0, outputBytes = 0, flops = 0, wireBytes = 0; ///< of a call
  double seconds = 0, computeSeconds = 0, waitSeconds = 0;                                                ///< of a microbatch

  double memoryBytes() const { return weightBytes + inputBytes + activationBytes + outputBytes; }
};

/// One way to split.
struct ShardCandidate {
  std::vector<passes::MeshAxis> mesh; ///< dp, pp, ep, cp, tp
  bool isSequenceParallel = false;
  bool gathersKeys = false; ///< where cp splits tokens
  std::string problem;                                                          ///< why it was not looked at; empty where it was
  double weightBytes = 0, inputBytes = 0, activationBytes = 0, outputBytes = 0; ///< of a rank
  double flops = 0, wireBytes = 0;                                              ///< of a rank and a call
  double seconds = 0, computeSeconds = 0, waitSeconds = 0;                      ///< of a call: all of it, computing, in collectives with nothing to compute
  double bubbleSeconds = 0;                                                     ///< waiting for other stages
  bool fits = false;
  std::vector<StageFigure> stages; ///< of a pipeline whose stages were counted one by one; the figures above are of the largest, or the slowest
  int64_t microbatches = 1;
  std::string notes;        ///< what stays whole
  passes::ShardRules rules; ///< empty with several stages: those have no file

  double memoryBytes() const { return weightBytes + inputBytes + activationBytes + outputBytes; }
  std::string name() const; ///< "dp=2,tp=4,sp"
};

struct ShardPlans {
  std::vector<ShardCandidate> candidates; ///< best first; those that do not fit, and those with a problem, last
  StageTimes times;
  std::set<std::string> assumed;
};

Expected<ShardPlans> planShards(std::shared_ptr<ModelModule> model, const PlanShardsOptions& options);

} // namespace jinx::driver
