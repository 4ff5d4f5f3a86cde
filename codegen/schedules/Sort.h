// The sort schedule: the first elements of each row in order, and where they were.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups of one jinx.top_k over elements of at most 32 bits.
mlir::FailureOr<Scheduled> scheduleSort(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
