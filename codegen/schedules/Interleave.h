// The interleave schedule: a transpose that brings a few channels last, as [n, 3, h, w] -> [n, h, w, 3] of an image.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// True for a group of one such transpose of an input.
bool isInterleaveGroup(graph::GroupOp group);
mlir::FailureOr<Scheduled> scheduleInterleave(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
