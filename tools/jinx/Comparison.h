// A model twice, fused and unfused, on the same inputs: the values that both compute, and the time each kernel takes.
//
// Both compilations number the operators of the graph before fusion alike (driver::GraphView). A value is compared when
// a step of the fused plan writes it and the unfused plan writes it too; an operator's time in the unfused plan counts
// for the fused step that computes it.
#pragma once

#include "tools/common/CompareValues.h"
#include "tools/common/PlanSource.h"
#include "tools/common/StepTable.h"
#include "tools/driver/Compiler.h"

namespace jinx::tools {

/// One of the two.
struct Side {
  LoadedSession loaded;
  std::vector<driver::Remark> remarks;
  driver::GraphView view;
  std::vector<Value> inputs, outputs;
  std::vector<TraceStep> steps;
  StepTimes stepMs;
  std::vector<StepReport> figures; ///< of each step, for the inputs at hand
  std::vector<double> runMs;

  Status runOnce(Trace* trace, const StepObserver& observer = {});
  /// What the graph calls each step; null for steps that fusion does not know.
  std::vector<const driver::GraphView::Step*> graphSteps() const;
};

/// A value that both sides have: an output of the model, or what a step of the fused plan writes.
struct TensorRow {
  std::string name, what;
  int step = -1;       ///< of the fused plan; -1 for an output
  std::string problem; ///< empty when the values are the same within the tolerance
  Difference difference;
};

struct KernelRow {
  uint32_t step = 0;
  double fusedMs = 0, unfusedMs = 0;
  int unfusedSteps = 0;
  std::optional<int64_t> unfusedBytes = 0; ///< of those steps together
  const TensorRow* worst = nullptr; ///< of its results; null when none was compared
};

struct Comparison {
  std::vector<TensorRow> outputs, tensors; ///< tensors in the order in which the fused plan writes them
  int alone = 0;                           ///< values of fused steps that the unfused plan has not
};

/// \param given  a relative tolerance of the user's; without one 16-bit types get a larger one
Expected<Comparison> compareValuesOf(Side& fused, Side& unfused, const Tolerance& tolerance, bool given);

/// Steps of the fused plan, slowest first.
std::vector<KernelRow> compareKernels(const Side& fused, const Side& unfused, const Comparison& comparison);

} // namespace jinx::tools
