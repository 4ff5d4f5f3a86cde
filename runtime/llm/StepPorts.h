// Which inputs of a plan are those of a step, and where do they lie? One behind the other, each from a multiple of 256 bytes on, so that they go to a device
// in one copy:
//
//   tokens [n] · sequence [n] · position [n] · slots [n] · table [s, e] · rows [r] · shown.rows [h] · draw.rows [d] · … · listed.draw [l] · … · draw.choice [q]
//
// Those of draws are inputs of a plan that draws tokens (frontends/llm/Draw.h). Only rows that are not greedy are drawn from, and only those with top-k or top-p are listed:
// where a step has none of them, d, l and q are 0 and `best` has its tokens, else q is r and `picked` has them. Logits are given of all rows (h is r) where the step wants them or has draws,
// else of none.
#pragma once

#include <span>
#include <vector>

#include "runtime/base/Tensor.h"
#include "runtime/engine/Model.h"
#include "runtime/executor/Executor.h"

namespace jinx::llm {

class StepPorts {
 public:
  /// \returns kInvalidArgument, naming it, for an input that is missing or of another form
  Status find(std::span<const Port> inputs);
  bool contains(size_t input) const; ///< of the plan
  bool haveDraws() const { return ports_.size() == kPorts; }

  /// Gives each input its sizes and place. \returns the number of values of 4 bytes in all
  size_t place(const engine::StepInput& input);
  /// Writes the step that was placed last; placeholders are token 0, pages behind the last of a sequence page 0.
  void fill(const engine::StepInput& input, std::span<int32_t> values) const;
  /// Makes the plan's inputs views of these values.
  void view(int32_t* values, std::span<Value> inputs) const;

  size_t tokensAt() const { return ports_[kTokens].begin; }
  int64_t rows() const { return ports_[kRows].shape[0]; }
  int64_t shown() const { return haveDraws() ? ports_[kShown].shape[0] : rows(); } ///< rows of `logits`
  int64_t picked() const { return haveDraws() ? ports_[kChoice].shape[0] : 0; } ///< rows whose tokens are in `picked`: all, or none

 private:
  enum Which {
    kTokens, kSequence, kPosition, kSlots, kTable, kRows, kStepPorts,
    kShown = kStepPorts, // [h]
    kDrawRows, kInverseTemperature, kMinP, kU, // [d]
    kListed, kListedRows, kListedInverseTemperature, kTopK, kTopP, kListedMinP, kListedU, // [l]
    kChoice, kPorts
  };
  struct StepPort {
    size_t input; ///< of the plan
    DType dtype;
    Shape shape;
    size_t begin; ///< of its values among those of all ports
  };
  void fillDraws(std::span<const engine::RowDraw> draws, std::span<int32_t> values) const;

  std::vector<StepPort> ports_; ///< by Which
};

} // namespace jinx::llm
