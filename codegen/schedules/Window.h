// The window schedule: one depthwise convolution or maximum pool, channels last, with an elementwise epilogue.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// True for a rows group that this schedule holds: its only window reads an input of the group, the rest is elementwise on its shape.
bool isWindowGroup(graph::GroupOp group);
mlir::FailureOr<Scheduled> scheduleWindow(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
