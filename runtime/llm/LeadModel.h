// A language model that is split over ranks, as one model: one rank leads, the others follow.
//
// Each rank has a plan of its own, with its part of the weights and of the pools: heads of keys and values, or layers.
// The engine runs on the first rank only; what it asks of its model goes to all others before it is done here, so that
// all do the same steps on the same pages: one scheduler, the same block tables everywhere.
//
//   rank 0:   LeadModel lead(*own, world);   engine steps makeSteps(lead) as that of any other model
//   others:   JINX_TRY(follow(*own, *world));     returns when the leader is destroyed, or the world has failed
//
// A step is a broadcast of the world in front of the plan's own collectives (StepMessage.h). Where steps are enqueued,
// followers enqueue the same ones, placeholders and all: a plan has its logits whole on every rank, and draws of equal
// logits with equal numbers are equal tokens, so each rank fills placeholders with what it has picked itself. Nothing
// of a step comes back, and a follower waits for its device only to use the memory of the last step but one again:
//
//   rank 0   launch N  tell, enqueue   plan   launch N + 1  tell, enqueue   settle N   sample, plan …
//   rank 1             hear, enqueue                        hear, enqueue              hear …
//
// The first failure of a rank ends the world: pages of ranks would no longer be those of the same steps.
#pragma once

#include <memory>

#include "runtime/comm/Communicator.h"
#include "runtime/llm/EnqueuedModel.h"
#include "runtime/llm/StepMessage.h"

namespace jinx::llm {

class LeadModel final : public EnqueuedModel {
 public:
  /// \param own    this rank's part, made with the same communicator; outlives this
  /// \param world  of which this is rank 0
  LeadModel(EnqueuedModel& own, std::shared_ptr<comm::Communicator> world) : own_(own), world_(std::move(world)) {}
  /// Tells the others that it was the last step.
  ~LeadModel() override;

  int32_t vocabulary() const override { return own_.vocabulary(); }
  int32_t pages() const override { return own_.pages(); }
  bool picksTokens() const override { return own_.picksTokens(); }
  Status run(const engine::StepInput& input, engine::StepRows rows) override;
  Status copyPage(int32_t from, int32_t to) override;

  bool isEnqueued() const override { return own_.isEnqueued(); }
  Status enqueue(const engine::StepInput& input, StepFlight& flight) override;
  Expected<engine::StepRows> wait(StepFlight& flight) override;
  Expected<std::span<const float>> logitsOf(StepFlight& flight, size_t wanted) override {
    return own_.logitsOf(flight, wanted);
  }

  /// OK, or why no step will run any more: the first failure of any rank that this one has heard of. From any thread.
  Status status() const { return world_->status(); }

 private:
  Status sendStep(const engine::StepInput& input);
  Status endsWorld(Status status);

  EnqueuedModel& own_;
  std::shared_ptr<comm::Communicator> world_;
  StepMessage message_;
};

/// Does what the leader does, until it ends. \returns the world's first error, or this rank's own, which ends the
/// others, too
Status follow(EnqueuedModel& model, comm::Communicator& world);

} // namespace jinx::llm
