// The CUDA schedule of groups around a product with weights that are codes (jinx.dequant_matmul, in the order of fragments).
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

mlir::FailureOr<Scheduled> scheduleCudaCodes(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
