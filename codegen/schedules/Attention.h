// The attention schedule on the CPU: softmax(logits)·V, keys in blocks, the scores never whole in memory.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups with one attention (AttentionForm.h). What makes the queries, and operands of the logits, may be anything that
/// ExpressionEmitter evaluates; what follows the context is elementwise on its shape or a transpose that leaves its columns innermost.
mlir::FailureOr<Scheduled> scheduleAttention(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
