// Can one kernel compute these operators? Answered from what the schedules hold (codegen/schedules), never from what would be fast:
// that is CostModel.h's question.
//
// A group is a set of operators of one block. The schedules hold these kinds of it:
//
//   matmul     one packed product or convolution, and elementwise operators on its result's shape, reading its other values there
//   rows       without reductions: elementwise operators and data movement; all results have one shape, and every other value is
//              evaluated where a result needs it
//              with reductions over one operand shape and one set of axes: elementwise operators of the full or the reduced shape,
//              and data movement that reads from outside of the group and gives the full shape
//   attention  two products with a softmax between (codegen/schedules/AttentionForm.h); before them elementwise operators and data
//              movement that make the queries or operands of the logits; after them elementwise operators and transposes of rows.
//              On CUDA such groups are final before this is asked (codegen/schedules/cuda/GroupAttention.h)
//   scan       one running sum, elementwise operators of its shape before and after it, and data movement that reads from outside
//   recurrent  one LSTM or GRU
//   scatter    one scatter
//   sort       one top_k
//
// Example: {exp, transpose} is a rows group when only the transpose's result is read outside; when exp's is too, the group would have
// results of two shapes, and the answer is "results of shapes 4x8 and 8x4".
#pragma once

#include <string>

#include "passes/Fusion/Shapes.h"

namespace jinx::passes {

/// Costs nothing where it is read (a constant with one value): cloned into every group that reads it, member of none.
bool isFree(mlir::Operation *op);
/// Has a kernel at all: alone in a group it is always legal.
bool isFusible(mlir::Operation *op);
/// A packed product or convolution, or the products of groups.
bool isProduct(mlir::Operation *op);
bool isRecurrent(mlir::Operation *op);
/// Shares its kernel with nothing (schedules::ownSchedule).
bool isAlone(mlir::Operation *op);
/// Combines or orders elements: nothing to compute twice, or to count among what is computed in place.
bool isCombining(mlir::Operation *op);
/// Its schedule walks the operands in memory, so each is an input of the group, constants too.
bool readsBuffers(mlir::Operation *op);
/// Reads its operand at other coordinates than it is evaluated at.
bool isMovement(mlir::Operation *op);
/// A view that a group may look through: the innermost extent stays, so that neighbouring elements stay neighbours.
bool isTransparent(mlir::Operation *op);

struct Verdict {
  llvm::StringRef schedule;  ///< when legal
  std::string why;           ///< when not
  explicit operator bool() const { return !schedule.empty(); }
};

/// \param members  operators of one block, in program order
/// \param results  values of members that are read outside
/// \param explain  say why not; costs more than the answer
Verdict canShareKernel(Shapes &shapes, llvm::ArrayRef<mlir::Operation *> members, llvm::ArrayRef<mlir::Value> results, bool explain = false);

}  // namespace jinx::passes
