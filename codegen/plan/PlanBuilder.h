// From a scheduled module to a plan: the last thing the compiler does.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "runtime/plan/PlanFile.h"

namespace jinx {

/// Fills `writer` from `module`: functions of launches, host calls, control flow, reshapes and constants. Code objects are added by
/// the caller; kernels are numbered in the module's order. Constants' bytes stay in the MLIR context, which must outlive
/// `writer`.
Status buildPlan(mlir::ModuleOp module, PlanWriter &writer);

}  // namespace jinx
