// The scatter schedule for CUDA: who owns an element of y adds up what meets it, in the order of the updates.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups that hold one jinx.scatter_elements or jinx.scatter_nd.
mlir::FailureOr<Scheduled> scheduleCudaScatter(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
