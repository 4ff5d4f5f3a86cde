// Where is a loop over lanes cut, so that no tile straddles the parts of a concatenation or the edge of a pad?
//
// Lanes that lie in one operand of a `concat` are a run of that operand; lanes that lie in two must be gathered from both. So a loop
// over the lane dimension is cut at the places where a concatenation or a pad, seen through slices and elementwise operators, goes from
// one part to the next:
//
//   y = relu(concat(a : [n, 24], b : [n, 40]))             lanes [0, 24) read a, [24, 64) read b
//   y = slice(pad(x, low 2, high 2), start 1) of 8 lanes   lane l is x's l - 1: lane 0 is fill, [1, 8) are x
//
// Inside of a part each tile's coordinate carries the part's bounds (Coordinate::range in Expression.h), by which the emitter sees that
// one operand has them all.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Cuts of dimension `dim` of the roots' shape, ascending, without 0 and the extent; none when there are more than a kernel should
/// hold, or when their order is not known.
llvm::SmallVector<SizeExpr> laneBreaks(mlir::ValueRange roots, int64_t dim);

}  // namespace jinx::schedules
