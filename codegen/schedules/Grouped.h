// The grouped schedule: a grouped product on the CPU.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups that hold one jinx.packed_grouped_matmul, in panels, and what is elementwise behind it.
mlir::FailureOr<Scheduled> scheduleGrouped(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
