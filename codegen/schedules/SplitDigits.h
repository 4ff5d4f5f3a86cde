// Floats as digits of 8 bits. See SplitDigits.cpp.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// The kernel of a group that is a jinx.split_digits.
mlir::FailureOr<Scheduled> scheduleSplitDigits(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
