// How do steps get to the model before the tokens of the step before are known?
//
// A stream runs copies and steps in the order in which they were given. A token of a step may be a placeholder: -1 - k stands for what is sampled from
// the k-th wanted row of the step launched before it. So step N + 1 can be planned and launched while step N still runs:
//
//   launch(N + 1 with placeholders) | settle() gives the logits of N | the caller samples | resolve(tokens) fills the placeholders of N + 1
//
// A stream may fill a placeholder before that, with the token that the model picked. Where the model could not (kUndecided) any token stands in step N + 1: the caller
// draws from logitsOf that row, and drops what N + 1 gives for the sequence.
#pragma once

#include <vector>

#include "runtime/engine/Model.h"
#include "runtime/engine/OwnedStep.h"

namespace jinx::engine {

class StepStream {
 public:
  virtual ~StepStream() = default;
  virtual int32_t vocabulary() const = 0;
  virtual int32_t pages() const = 0;
  virtual bool picksTokens() const = 0; ///< as of StepModel

  /// Enqueues a copy of a page.
  virtual Status copyPage(int32_t from, int32_t to) = 0;
  /// Enqueues a step; copies the input. On a failure nothing was enqueued.
  virtual Status launch(const StepInput& input) = 0;
  /// Waits for the oldest step that has not settled. kInternal when there is none.
  /// \returns what it gives, until the next call of settle; a failure if it did not run: it has settled all the same
  virtual Expected<StepRows> settle() = 0;
  /// Logits of a wanted row of the step that settled last, whether asked for or not, if one of its draws has a temperature. kInternal for a row that is not there.
  /// \returns [vocabulary], until the next call of this or of settle
  virtual Expected<std::span<const float>> logitsOf(size_t wanted) = 0;
  /// What the placeholders of the next step stand for, one token for each wanted row of the step that settled last; called after every settle.
  virtual Status resolve(std::span<const int32_t> tokens) = 0;
};

/// A stream over a model that runs at once: what is enqueued runs when its step is to settle. Has no threads.
class QueuedSteps final : public StepStream {
 public:
  /// \param model  must outlive the stream
  explicit QueuedSteps(StepModel& model) : model_(model) {}

  int32_t vocabulary() const override { return model_.vocabulary(); }
  int32_t pages() const override { return model_.pages(); }
  bool picksTokens() const override { return model_.picksTokens(); }
  Expected<std::span<const float>> logitsOf(size_t wanted) override;
  Status copyPage(int32_t from, int32_t to) override;
  Status launch(const StepInput& input) override;
  Expected<StepRows> settle() override;
  Status resolve(std::span<const int32_t> tokens) override;

 private:
  Expected<StepRows> runStep(OwnedStep& step);

  StepModel& model_;
  std::vector<PageCopy> copies_; ///< before the next step
  std::vector<OwnedStep> queue_; ///< oldest first, few
  std::vector<OwnedStep> spare_;
  std::vector<int32_t> resolved_;
  std::vector<float> logits_; ///< of the step that settled last, also those that logitsOf alone may ask for
  std::vector<int32_t> tokens_;
};

} // namespace jinx::engine
