// Attention to keys and values in pages, on CUDA. See GroupPagedAttention.cpp.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// The two kernels of a group that is a jinx.paged_attention: of parts of the keys, and of their merge.
mlir::FailureOr<Scheduled> scheduleCudaPagedAttention(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
