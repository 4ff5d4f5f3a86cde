// Attention to keys and values in pages, on the CPU. See PagedAttention.cpp.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// The kernel of a group that is a jinx.paged_attention.
mlir::FailureOr<Scheduled> schedulePagedAttention(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
