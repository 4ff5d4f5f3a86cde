// The matmul schedule on the CPU: products and convolutions with a register-resident accumulator and an epilogue hole.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups with one jinx.packed_matmul or jinx.packed_conv whose other operators are elementwise on its result's shape.
mlir::FailureOr<Scheduled> scheduleMatmul(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
