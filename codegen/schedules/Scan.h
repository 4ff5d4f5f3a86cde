// The scan schedule: running sums along one axis, with what surrounds them.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups that hold one jinx.cumsum, and operators of its shape before and after it.
mlir::FailureOr<Scheduled> scheduleScan(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
