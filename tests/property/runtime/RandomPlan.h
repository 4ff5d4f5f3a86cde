// Random plans over rows of numbers, with what they compute known from how they were drawn.
//
// Every value is [n, columns] of small integers in f32, exact whatever the order. Steps: kernels (handed to the device as functions of
// this program, so that sanitizers see into them), host operators, copies; values in the arena, in outputs, on the host; aliases that
// flatten a value, and pairs of aliases that fill the halves of a larger one, as a concat does.
#pragma once

#include <map>
#include <vector>

#include "runtime/executor/KernelAbi.h"
#include "tests/property/Property.h"
#include "tests/unit/runtime/TestSession.h"

namespace jinx::test {

/// How a value comes about: scale * a + b; `b` < 0: scale * a.
struct Origin {
  int a = -1, b = -1; ///< positions in RandomPlan::origins; a < 0: an input
  int scale = 1;
};

struct RandomPlan {
  TestPlan plan;
  int64_t columns = 0;
  int inputs = 0;
  std::vector<Origin> origins; ///< inputs first
  std::vector<int> outputs;    ///< positions in origins, in the plan's order

  /// Element by element, from how the plan was drawn.
  std::vector<Tensor> expected(const std::vector<Tensor>& given) const;
};

/// Draws a plan of at most `maxSteps` steps; to be called in a property.
RandomPlan drawPlan(int maxSteps);

/// The functions that the kernels of such plans are.
const std::map<std::string, CpuKernelFn>& randomPlanKernels();

} // namespace jinx::test
