// A language model that is split over ranks, as one model: one rank leads, the others follow.
//
// Each rank has a plan of its own, with its part of the weights and of the pools: heads of keys and values, or layers. The engine runs on the first rank only; what it asks of its model goes to
// all others before it is done here, so that all do the same steps on the same pages: one scheduler, the same block tables everywhere.
//
//   rank 0:   LeadModel lead(*own, world);   engine steps lead as any other model
//   others:   JINX_TRY(follow(*own, *world));          returns when the leader is destroyed, or the world has failed
//
// A step is two broadcasts of the world in front of the plan's own collectives: eight numbers that say how much comes, and the step. Followers wait for the first without a timeout: nobody may ask
// anything for a long time.
#pragma once

#include <memory>
#include <vector>

#include "runtime/comm/Communicator.h"
#include "runtime/engine/Model.h"

namespace jinx::llm {

class LeadModel final : public engine::StepModel {
 public:
  /// \param own    this rank's part, made with the same communicator; outlives this
  /// \param world  of which this is rank 0
  LeadModel(StepModel& own, std::shared_ptr<comm::Communicator> world) : own_(own), world_(std::move(world)) {}
  /// Tells the others that it was the last step.
  ~LeadModel() override;

  int32_t vocabulary() const override { return own_.vocabulary(); }
  int32_t pages() const override { return own_.pages(); }
  Status run(const engine::StepInput& input, engine::StepRows rows) override;
  Status copyPage(int32_t from, int32_t to) override;

 private:
  StepModel& own_;
  std::shared_ptr<comm::Communicator> world_;
  std::vector<int32_t> values_;
};

/// Does what the leader does, until it ends. \returns the world's first error, or this rank's own, which ends the others, too
Status follow(engine::StepModel& model, comm::Communicator& world);

} // namespace jinx::llm
