// The rows schedule: elementwise chains, data movement, windows and reductions, as passes over rows.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers every group whose operators ExpressionEmitter can evaluate and whose reductions are over one set of dimensions.
mlir::FailureOr<Scheduled> scheduleRows(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
