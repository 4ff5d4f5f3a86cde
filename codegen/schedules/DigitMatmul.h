// Products of digits with weights that stay codes. See DigitMatmul.cpp.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// The kernel of a group around a jinx.dequant_matmul of digits.
mlir::FailureOr<Scheduled> scheduleDigitMatmul(graph::GroupOp group, graph::DequantMatmulOp product, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
