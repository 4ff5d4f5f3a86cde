#include "runtime/llm/LeadModel.h"

#include <algorithm>
#include <array>
#include <vector>

namespace jinx::llm {

// ---- the leader ----

LeadModel::~LeadModel() {
  message_.setEnd();
  (void)message_.send(*world_); // where the world has failed, they know
}

/// What this rank has failed in ends the world: all later steps fail, too.
Status LeadModel::endsWorld(Status status) {
  if (!status.isOk()) world_->abort(status);
  return status;
}

Status LeadModel::sendStep(const engine::StepInput& input) {
  message_.setStep(input);
  return message_.send(*world_);
}

Status LeadModel::run(const engine::StepInput& input, engine::StepRows rows) {
  JINX_TRY(sendStep(input));
  return endsWorld(own_.run(input, rows));
}

Status LeadModel::enqueue(const engine::StepInput& input, StepFlight& flight) {
  JINX_TRY(sendStep(input));
  return endsWorld(own_.enqueue(input, flight));
}

Expected<engine::StepRows> LeadModel::wait(StepFlight& flight) {
  Expected<engine::StepRows> rows = own_.wait(flight);
  if (!rows) return endsWorld(rows.status());
  return rows;
}

Status LeadModel::copyPage(int32_t from, int32_t to) {
  message_.setCopy({from, to});
  JINX_TRY(message_.send(*world_));
  return endsWorld(own_.copyPage(from, to));
}

// ---- the others ----

namespace {

/// What a follower does, one message after the other.
class Follower {
 public:
  explicit Follower(EnqueuedModel& model) : model_(model) {}
  /// Waits for what is on its way.
  ~Follower() { (void)settle(); }

  Status run(const engine::StepInput& input) { return model_.isEnqueued() ? enqueue(input) : runAtOnce(input); }
  Status copyPage(engine::PageCopy copy) { return model_.copyPage(copy.from, copy.to); }
  /// Until all steps have run.
  Status settle() {
    Status first;
    for (size_t i = std::min(count_, flights_.size()); i > 0; --i)
      if (auto rows = model_.wait(flights_[(count_ - i) % flights_.size()]); !rows && first.isOk())
        first = rows.status();
    count_ = 0;
    return first;
  }

 private:
  /// Nobody reads logits here: they stay on the device.
  Status enqueue(engine::StepInput input) {
    StepFlight& flight = flights_[count_ % flights_.size()];
    if (count_ >= flights_.size()) {
      JINX_TRY_ASSIGN(const engine::StepRows rows, model_.wait(flight));
      (void)rows;
    }
    input.leavesLogits = true;
    JINX_TRY(model_.enqueue(input, flight));
    ++count_;
    return Status::ok();
  }

  Status runAtOnce(const engine::StepInput& input) {
    if (!input.draws.empty() || std::ranges::any_of(input.tokens, [](int32_t token) { return token < 0; }))
      return invalidArgument(
          "the leader's device picks tokens of a step, and this rank's does not: expected devices of "
          "one kind on all ranks");
    logits_.resize(input.wantsLogits ? input.wanted.size() * static_cast<size_t>(model_.vocabulary()) : 0);
    return model_.run(input, {.logits = logits_});
  }

  EnqueuedModel& model_;
  std::array<StepFlight, 2> flights_; ///< by turns: the leader has not more on their way
  size_t count_ = 0;                  ///< steps since all had run
  std::vector<float> logits_;
};

} // namespace

Status follow(EnqueuedModel& model, comm::Communicator& world) {
  StepMessage message;
  Follower follower(model);
  while (true) {
    JINX_TRY(message.receive(world));
    const bool ends = message.kind() == StepMessage::Kind::kEnd;
    Status done = ends                                             ? follower.settle()
                  : message.kind() == StepMessage::Kind::kCopyPage ? follower.copyPage(message.copy())
                                                                   : follower.run(message.step());
    if (!done.isOk()) world.abort(done);
    if (!done.isOk() || ends) return done;
  }
}

} // namespace jinx::llm
