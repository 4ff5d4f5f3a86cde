// The largest of long rows, in two kernels: strips of a row, and what the strips have.
//
//   m = max x [r, n]   id = min(x == m and m < inf ? i : n)
//
//   strips   m[r, s] = max of the s-th kStrip elements of row r      id[r, s] = the first of them that is m[r, s]
//   join     m[r] = max m[r, s]                                      id[r] = min(m[r, s] == m[r] and m[r] < inf ? id[r, s] : n)
//
// As one kernel a row is a block's, which reads it once for m and once more for id: 33 us on an H200 for one row of
// 128,256 f32, where memory wants a fraction of one. A strip is a warp's, so that one row is on every fourth
// multiprocessor and hundreds of rows are many short blocks; it lies in registers, and is read once. How a row is cut
// follows from its length alone. A largest element does not depend on the order; the first place of all strips whose
// largest is the row's is the row's first place. NaN is the largest of its strip and of its row, and equal to nothing.
#pragma once

#include <optional>

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// What a group finds in each row, and how its rows are cut.
struct RowStrips {
  struct Place {
    graph::ReduceOp reduce; ///< finds it
    size_t extreme;         ///< of which one it is the place
    mlir::Value numbers;    ///< 0, 1, …, n - 1: what stands for a place
  };
  llvm::SmallVector<graph::ReduceOp> extremes; ///< by max or min, of the row itself or of what is made of it
  llvm::SmallVector<Place> places;
  size_t lane = 0;                        ///< the dimension that is reduced
  SizeExpr length;                        ///< of it, a number
  int64_t count = 0;                      ///< strips of a row
  llvm::SmallVector<unsigned> inputs;     ///< of the group, that the first kernel reads
  llvm::SmallVector<mlir::Type> partials; ///< its results: each strip's extremes, then their places
};

/// How to cut `group`; nothing unless it reduces rows longer than a block holds, of a length that the model knows, by
/// max or min, and in a second phase at most finds the first place of what was found: min(x == m ? i : other) over the
/// same row, i being constants 0, 1, …, n - 1 and `other` at least the last of them.
std::optional<RowStrips> rowStripsOf(graph::GroupOp group);

/// The first kernel.
mlir::FailureOr<Scheduled> scheduleRowStrips(graph::GroupOp group, const RowStrips& strips, llvm::StringRef name,
                                             mlir::OpBuilder& builder);

/// What is left to do, as a group that reads `partials`: the same operators, on as many elements as a row has strips.
/// It stands before `group` and has the same results.
graph::GroupOp restOfRowStrips(graph::GroupOp group, const RowStrips& strips, mlir::ValueRange partials);

} // namespace jinx::schedules
