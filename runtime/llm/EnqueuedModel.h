// A language model whose steps a device may compute one behind the other while the host goes on. `DeviceSteps.h` asks
// it for them; `PlanModel.h` is one on one device, `LeadModel.h` one over ranks.
#pragma once

#include "runtime/engine/Model.h"
#include "runtime/llm/StepFlight.h"

namespace jinx::llm {

class EnqueuedModel : public engine::StepModel {
 public:
  /// Whether steps can be enqueued: the device has memory of its own. Else they run at once, and only `run` is called.
  virtual bool isEnqueued() const = 0;
  /// Enqueues a step behind those before it. A token -1 - k stands for what the step enqueued last picks behind its
  /// k-th wanted one, which it must have been asked for.
  ///
  /// \param flight  holds the step's memory of the host until `wait`
  virtual Status enqueue(const engine::StepInput& input, StepFlight& flight) = 0;
  /// What the step gives, when it has run; it stays until the flight's next step.
  virtual Expected<engine::StepRows> wait(StepFlight& flight) = 0;
  /// Logits of a wanted row of a step that has run, whether asked for or not. \pre at most one step was enqueued behind
  /// it. \returns [vocabulary], until the flight's next call of this
  virtual Expected<std::span<const float>> logitsOf(StepFlight& flight, size_t wanted) = 0;
};

} // namespace jinx::llm
