// What is attention, as frontends write it, before anything is packed or fused? softmax(logits)·V, where the logits are elementwise in one product:
//
//   s = matmul(q, k)                          scores: [batch…, queries, keys]
//   x = elementwise in s, and in anything     scale, bias, mask, softcap
//   m = reduce max(x)    e = exp(x - m)    l = reduce sum(e)    p = e / l        over the keys
//   y = matmul(p, v)                          context
//
// Weights may be cast, and the batch reshaped, in front of either end; a select may set the weights of whole rows to 0, as ONNX's Attention does. Nobody else reads what lies between.
// codegen/schedules/AttentionForm.h asks the same of packed products, which are what kernels have.
#pragma once

#include <string>

#include "ir/Graph/Graph.h"

namespace jinx::passes {

struct SoftmaxAttention {
  graph::MatmulOp scores, context;
  mlir::Value logits;                             ///< what the softmax is of
  llvm::SmallVector<mlir::Operation *> ofScores;  ///< between scores and logits, in program order
  graph::ReduceOp max, sum;
  mlir::Operation *shifted = nullptr, *exps = nullptr, *weights = nullptr;  ///< x - m, e, p
  llvm::SmallVector<mlir::Operation *> views;     ///< of weights, up to the context: casts and reshapes of the batch, in program order
  graph::SelectOp rowSelect;                      ///< among views: rows whose weights are 0; null where there is none

  /// All of them, in program order.
  llvm::SmallVector<mlir::Operation *> operators() const;
};

/// The attention that ends with `context`, if it is one. `why` gets the reason when it is not: "" when there is no softmax at all.
/// \param mayBeScores  which product is taken: of gathered keys, for a ring
std::optional<SoftmaxAttention> softmaxAttention(graph::MatmulOp context, llvm::function_ref<bool(graph::MatmulOp)> mayBeScores, std::string &why);

}  // namespace jinx::passes
