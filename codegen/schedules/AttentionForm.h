// What is attention? softmax(logits)·V, where the logits are elementwise in one product:
//
//   s = packed_matmul(q, k)                   scores: [batch…, queries, keys]
//   x = elementwise in s, and in anything     logits: scale, bias, mask, softcap; a hole of the schedule
//   m = reduce max(x)    e = exp(x - m)    l = reduce sum(e)    p = e / l        over the keys
//   y = packed_matmul(p, v)                   context: [batch…, queries, columns]
//
// By rows (16-bit floats, for tensor cores) the softmax may be of halves or of f32 between casts, and p may be filled up along the keys.
// Between them the batch may be reshaped ([b*h, …] to [b, h, …]). Nobody else reads what lies between the products: there is no place
// where it would be whole. But m and l may be read (not by rows): rows are done with their numbers at hand, which become results beside
// the context. A step of a ring is such an attention (passes/Dist/RingSteps.h). The pass that finds attention, fusion's legality and the
// schedule all ask here.
#pragma once

#include <string>

#include "ir/Graph/Graph.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace jinx::schedules {

struct AttentionForm {
  graph::PackedMatmulOp scores, context;
  mlir::Value logits;                              ///< what the softmax is of
  graph::ReduceOp max, sum;
  bool isMaxRead = false, isSumRead = false;       ///< by others: behind the context
  llvm::SmallVector<mlir::Operation *> operators;  ///< from scores to context, in program order
};

/// Zeros behind the last dimension, as jinx-pack fills up products by rows.
bool isFill(mlir::Operation *op);

/// The attention that ends with `context`, if it is one. `why` gets the reason when it is not: "" when there is no softmax at all.
std::optional<AttentionForm> matchAttention(graph::PackedMatmulOp context, std::string *why = nullptr);

}  // namespace jinx::schedules
