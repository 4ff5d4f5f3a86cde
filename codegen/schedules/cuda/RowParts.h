// Reductions over many rows, in two kernels: results of parts of the rows, and results of those.
//
//   y[1, c] = f(sum over r of g(x[r, c]))      p[i, c] = sum over the i-th `each` rows of g(x[r, c]),   y[1, c] = f(sum over i of p[i, c])
//
// As one kernel its blocks are strips of columns (ColumnStrips.h): 4,096 columns of bf16 are 64, of the 528 that a GPU holds. In parts every
// multiprocessor has rows to read. The second kernel's rows are the parts.
//
// Parts have a fixed number of rows, chosen from the columns (and from the rows where the model fixes them): which rows are added to which
// does not depend on what else is in the batch. The error shrinks: the longest chain of additions is a team's rows, the teams, and the same
// of the parts, instead of all rows. Partial results of 16-bit floats are f32.
#pragma once

#include <optional>

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

struct RowParts {
  SizeExpr rows;                              ///< that are reduced
  int64_t each = 0;                           ///< rows of a part; 0: all, by one kernel (scheduleAllRows)
  llvm::SmallVector<unsigned> inputs;         ///< of the group, that the first kernel reads
  llvm::SmallVector<mlir::Type> partials;     ///< its results, one a reduction, as the group's dimensions have them
  SizeExpr count() const { return ceilDiv(rows, each); }
};

/// The operators of a group's body that `roots` are made of, in order, up to and without reductions.
llvm::SmallVector<mlir::Operation *> operatorsBefore(mlir::Block &body, llvm::ArrayRef<mlir::Value> roots, bool &meetsReduction);

/// How to cut `group`; nothing for a group that is no reduction over outer dimensions alone, and for one that would not gain.
std::optional<RowParts> rowPartsOf(graph::GroupOp group);

/// The first kernel.
mlir::FailureOr<Scheduled> scheduleRowParts(graph::GroupOp group, const RowParts &parts, llvm::StringRef name, mlir::OpBuilder &builder);

/// What is left to do, as a group that reads `partials`; it stands before `group` and has the same results.
graph::GroupOp restOfRowParts(graph::GroupOp group, mlir::ValueRange partials);

/// The kernel of such a rest, and of a group whose columns are so many that their strips keep a GPU busy.
mlir::FailureOr<Scheduled> scheduleAllRows(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
