// Which attention of a graph is the CUDA schedule's (CudaAttention.h), and its kernel.
//
// The graph has products by rows (jinx-pack, tensor-cores): packed_matmul q, k, and packed_matmul p, vT where vT is a transpose of v, and p
// and vT may be filled up along the keys. The kernel reads v as it is stored, so what lies between a tensor in memory and an operand
// is looked through: transposes, reshapes, broadcasts and such padding are a matter of strides. So is what takes the result apart:
//
//   x [b, s, h*d] -reshape-> [b, s, h, d] -transpose-> [b, h, s, d]            strides s*h*d, d, h*d, 1
//   k [b, g, n, d] -reshape, broadcast, reshape-> [b, g*r, n, d]               r heads of q share one of k
#pragma once

#include "codegen/schedules/AttentionForm.h"
#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Where a matrix of each head lies in a tensor that is in memory.
struct StridedHeads {
  mlir::Value data;
  SizeExpr batchStride, headStride, rowStride;
};
/// An attention as the kernel sees it.
struct CudaAttentionForm {
  AttentionForm form;
  StridedHeads q, k, v, o;  ///< `o.data`: the result of the group
  SizeExpr batch, heads, queries, keys;
  int64_t headDim = 0, group = 1;
  bool causal = false;
  double scale = 1;
  bool hasHole = false;
  mlir::Value hole;         ///< what the hole gives: the logits, or what a causal selection is of
  llvm::SmallVector<mlir::Operation *> operators;  ///< the form's, and all that is looked through, in program order
};

/// `why` gets the reason when the schedule does not take it.
std::optional<CudaAttentionForm> matchCudaAttention(const AttentionForm &form, std::string *why);

/// `compare` of a row's and a column's number, as j <= i + offset, or the opposite.
struct DiagonalCompare {
  int64_t offset = 0;
  bool isOpposite = false;
};
std::optional<DiagonalCompare> matchDiagonal(mlir::Value condition);

mlir::FailureOr<Scheduled> scheduleCudaAttention(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
