// A language model whose folder has a plan for each rank: who leads, and who follows (runtime/llm/LeadModel.h).
//
// With --ranks N the others are threads of this process; with --communicator mpi (or nccl, and no --ranks) they are the
// other processes of mpirun or srun, which call `followRank` instead of making an engine.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "runtime/comm/Communicator.h"
#include "runtime/engine/StepStream.h"
#include "runtime/llm/LeadModel.h"
#include "runtime/llm/PlanModel.h"
#include "tools/common/Ranks.h"

namespace jinx::tools {

/// The ranks behind a leading one. Destroyed, the leader says that it was the last step, and threads end.
class LanguageModelRanks {
 public:
  LanguageModelRanks() = default;
  LanguageModelRanks(LanguageModelRanks&&) = default;
  LanguageModelRanks& operator=(LanguageModelRanks&&) = default;
  ~LanguageModelRanks();

  /// Opens the first rank's part, and as many threads with the others' as the options say.
  ///
  /// \param world  of this process, whose first rank it is; null: ranks are threads
  /// \param how    of each part; its communicator is set here
  /// \param model  gets the first rank's part, to be kept as long as this
  static Expected<LanguageModelRanks> open(const std::string& folder, const RankOptions& options, World world,
                                           DeviceChoice device, llm::PlanModelOptions how,
                                           std::unique_ptr<llm::PlanModel>& model);

  /// What the engine steps; null where there are no ranks.
  llm::LeadModel* lead() const { return lead_.get(); }

 private:
  std::vector<std::thread> followers_;
  std::unique_ptr<llm::LeadModel> lead_;
};

/// What the processes behind the first do: returns when the first one has ended. How many pages there are they hear
/// from it.
Status followRank(const std::string& folder, const RankOptions& options, World world, const DeviceChoice& device,
                  llm::PlanModelOptions how);

/// A language model that an engine can step: a plan on a device, or the first of the ranks of a folder. Parts point to
/// each other.
struct SteppedModel {
  LoadedPlan plan;                       ///< where there are no ranks
  std::unique_ptr<llm::PlanModel> model; ///< of a model that is split over ranks, this one's part
  LanguageModelRanks ranks;
  std::unique_ptr<engine::StepStream> steps;

  /// OK, or why no step will run any more: what ranks have failed in. From any thread.
  Status status() const { return ranks.lead() ? ranks.lead()->status() : Status::ok(); }
};

/// \param world  as of LanguageModelRanks
/// \param how    its communicator is set here
Expected<SteppedModel> openSteppedModel(const PlanSource& source, const PlanRequest& request, const RankOptions& ranks,
                                        World world, const llm::PlanModelOptions& how);

} // namespace jinx::tools
