// The schedule of maps whose innermost dimension is short, on CUDA.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// True for a map over an innermost dimension of a few elements that only moves data and computes element by element.
bool isFlatGroup(graph::GroupOp group);

mlir::FailureOr<Scheduled> scheduleCudaFlat(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
