// Operators that have a kernel on one target, or for some element types: what they are where they have none.
#pragma once

#include "ir/Graph/Graph.h"

namespace jinx::passes {

/// Gathers, scatters, running sums and top_k: replaces `op` by a call of the ONNX operator that it came from, and returns true. What
/// ONNX takes as an operand and the operator has in its type or attributes is made in front of it: a constant, or a group that is to be
/// scheduled, which is appended to `groups`. Leaves any other operator alone.
bool replaceByHostCall(mlir::Operation *op, llvm::SmallVectorImpl<graph::GroupOp> &groups);

}  // namespace jinx::passes
