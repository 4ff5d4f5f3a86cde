// If, Loop, Scan and SequenceMap: runs bodies and moves values in and out of them, as ONNX says.
//
//   If           results of the chosen block become the step's outputs
//   Loop         body(iteration, condition, carried…) -> (condition, carried…, scanned…)
//                scanned results are stacked on a new leading axis
//   Scan         body(states…, slices…) -> (states…, slices…)
//                axes and directions as the attributes say; Scan 8 runs once per batch element, on all but the leading
//                axis, with lengths of their own
//   SequenceMap  body(item, …) -> (item, …) for each item of the first sequence
#pragma once

#include <vector>

#include "runtime/executor/Interpreter.h"

namespace jinx {

/// One execution of a control step.
class ControlFlow {
 public:
  ControlFlow(Interpreter& interpreter, const StepInfo& step)
      : in_(interpreter), step_(step), control_(step.source->control()) {}
  Status run();

 private:
  Status runIf();
  Status runLoop();
  Status runScan();
  Status runBatchedScan();
  Status runSequenceMap();

  /// Runs the body once: sets its parameters, returns its results, all owning their bytes.
  Expected<std::vector<Value>> runBody(std::vector<Value> arguments, int64_t iteration);
  Expected<Value> input(size_t k);
  Expected<Tensor> inputTensor(size_t k);
  Status setOutput(size_t k, Value content);
  /// The stack of no slices: extent 0 on `axis`, the other extents as far as the plan knows them.
  Tensor emptyStack(size_t output, size_t bodyResult, int64_t axis) const;

  /// What a scan makes of one set of states and scanned tensors: final states, then stacked outputs.
  struct ScanAxes {
    std::vector<int64_t> inputAxes, inputReversed, outputAxes, outputReversed;
  };
  Expected<std::vector<Value>> scan(std::vector<Value> states, const std::vector<Tensor>& scanned, int64_t length,
                                    const ScanAxes& axes);

  uint32_t body() const { return control_.blocks(0); }
  const BlockInfo& bodyInfo() const { return in_.program_.blocks[body()]; }

  Interpreter& in_;
  const StepInfo& step_;
  const plan::Control& control_;
};

} // namespace jinx
