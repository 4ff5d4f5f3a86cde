// The scatter schedule: a copy of x into which updates are written, in the order of their indices.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups of one jinx.scatter_elements or jinx.scatter_nd.
mlir::FailureOr<Scheduled> scheduleScatter(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
