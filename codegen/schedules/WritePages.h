// Rows of keys and values into their pages. See WritePages.cpp.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// The kernel of a group that is a jinx.write_pages.
mlir::FailureOr<Scheduled> scheduleWritePages(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
