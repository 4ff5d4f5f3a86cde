// The sort schedule for CUDA: top_k, and with as many elements as there are, a sort.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups that hold one jinx.top_k.
mlir::FailureOr<Scheduled> scheduleCudaSort(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
