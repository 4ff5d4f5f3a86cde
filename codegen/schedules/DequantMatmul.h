// Products with weights that stay codes. See DequantMatmul.cpp.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// The kernel of a group around a jinx.dequant_matmul.
mlir::FailureOr<Scheduled> scheduleDequantMatmul(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
