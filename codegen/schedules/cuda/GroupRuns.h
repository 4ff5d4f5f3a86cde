// The schedule of maps whose innermost dimension is short and stays innermost, on CUDA.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// True for a map of elementwise operators, broadcasts and transposes that keep a short innermost dimension in its place.
bool isRunsGroup(graph::GroupOp group);

mlir::FailureOr<Scheduled> scheduleCudaRuns(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
