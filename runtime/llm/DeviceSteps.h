// How does a device compute a step while the host plans the next one?
//
// A step is enqueued when it is launched: one copy of its inputs, the launches of the plan, one copy of what it gives. The host waits for it when it is to settle. A
// placeholder for a token that the step in front picks is filled on the device, so the next step is enqueued before that one has run:
//
//   host      launch N   plan N + 1, launch      settle N   sample, plan N + 2, launch      settle N + 1 …
//   device    [ step N                        ][ step N + 1                              ][ step N + 2 …
//
// Where the step in front gives logits, the host draws a token: a step with placeholders waits for `resolve` then. Where it has failed, their requests end with it: they
// stand for token 0, of which nobody reads what comes.
#pragma once

#include <memory>
#include <vector>

#include "runtime/engine/StepStream.h"
#include "runtime/llm/EnqueuedModel.h"

namespace jinx::llm {

class DeviceSteps final : public engine::StepStream {
 public:
  /// \param model  whose steps can be enqueued (`isEnqueued`); must outlive the stream
  explicit DeviceSteps(EnqueuedModel& model) : model_(model) {}
  /// Waits for what is on its way.
  ~DeviceSteps() override;

  int32_t vocabulary() const override { return model_.vocabulary(); }
  int32_t pages() const override { return model_.pages(); }
  bool picksTokens() const override { return model_.picksTokens(); }
  Status copyPage(int32_t from, int32_t to) override;
  Status launch(const engine::StepInput& input) override;
  Expected<engine::StepRows> settle() override;
  Expected<std::span<const float>> logitsOf(size_t wanted) override;
  Status resolve(std::span<const int32_t> tokens) override;

 private:
  /// A step that was launched, in its place: on its way, waiting for tokens that the host draws, or failed since.
  struct Place {
    std::unique_ptr<StepFlight> flight; ///< null where it is not on its way
    engine::OwnedStep waiting;          ///< where it waits
    Status failure;
    bool waits() const { return !flight && failure.isOk(); }
  };
  bool isReady(const engine::StepInput& input) const;
  Status start(Place& place, std::span<const engine::PageCopy> copies, const engine::StepInput& input);

  EnqueuedModel& model_;
  std::vector<engine::PageCopy> copies_; ///< before the next step
  std::vector<Place> places_;            ///< oldest first, at most a few
  bool isCut_ = false;                   ///< the step before the next one has failed: placeholders stand for nothing
  std::vector<std::unique_ptr<StepFlight>> spare_;
  std::unique_ptr<StepFlight> settled_; ///< whose rows the caller reads
};

/// The stream for a model: of enqueued steps where its device has memory of its own.
std::unique_ptr<engine::StepStream> makeSteps(EnqueuedModel& model);

} // namespace jinx::llm
