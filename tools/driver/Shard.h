// A model split over ranks: from a model and rules to a folder with a plan for each rank.
//
//   model -> weights as codes -> wishes -> placed -> own -> rings -> collectives combined and overlapped -> rank 0, 1, …, each compiled as any model is
//
// The axis "micro" is no axis of ranks: it is unrolled in the own program (passes/Dist/UnrollMicrobatches.cpp), and gone from the mesh from then on.
//
// Up to `own` there is one program for all ranks, in which coordinates are symbols. Ranks whose coordinates agree on the axes that it reads have equal
// programs, and one plan: where only tp splits weights, the two ranks of dp have it in common. Stages of a pipeline have an own program each, and so an order of collectives each.
#pragma once

#include <functional>
#include <map>

#include "tools/driver/Compiler.h"
#include "tools/driver/ShardFile.h"

namespace jinx::driver {

struct PartitionOptions {
  bool remarks = false;
  std::string network = "h100-8"; ///< by whose costs paths between states are compared, and collectives combined and started (passes/Dist/MeshCosts.h)
  bool overlaps = true;           ///< collectives are combined, and started before what does not need them
};

/// A model whose @main is a rank's own program.
struct ShardedModel {
  std::shared_ptr<ModelModule> model;
  passes::ShardRules rules;            ///< those that were built in, too; the mesh is that of ranks
  int64_t microbatches = 1;
  std::vector<passes::RuleNote> notes; ///< of built-in rules
  std::vector<std::string> readAxes;   ///< axes on whose coordinates the program depends
  std::vector<Remark> remarks;
  StageTimes times;
  PartitionOptions options;

  /// The ranks' programs: the first rank that has each, and by rank which it is.
  std::vector<int64_t> firstRanks;
  std::vector<size_t> programOf;
};

/// The module is used up.
/// \returns kInvalidArgument where the rules do not fit the model
Expected<ShardedModel> shardModel(std::shared_ptr<ModelModule> model, const ShardRequest& request, const PartitionOptions& options);

/// The own program as text.
std::string printOwn(ShardedModel& sharded);

/// The own program of one stage of a mesh with stages, with nothing overlapped.
Expected<std::shared_ptr<ModelModule>> stageProgram(ShardedModel& sharded, int64_t stage);

/// The plan of one program.
Expected<Compiled> compileRank(ShardedModel& sharded, size_t program, const CompileOptions& options);

/// Compiles every program and writes `folder`, which appears whole or not at all: rank-0000.jxp, …, ranks.json. A folder of ranks that is there already is
/// replaced.
/// \param done  called for each program, with what it was compiled to
/// \returns kInvalidArgument for a folder that is there and is none of ranks
Status writeRanks(ShardedModel& sharded, const std::string& folder, const CompileOptions& options,
                  const std::function<void(size_t program, const Compiled& compiled)>& done);

} // namespace jinx::driver
