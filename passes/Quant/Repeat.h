// Values that repeat another's slices, as scales of blocks do where they meet single elements:
//
//   %a = reshape %s : [2, 3] -> [2, 1, 3]      %b = broadcast %a -> [2, 128, 3]      %c = reshape %b -> [256, 3]      %r = slice %c -> [200, 3]
//
// repeats each row of %s 128 times, and is cut to 200. A scale for each 128 x 128 of a matrix is one of blocks along one dimension that is repeated
// along the other.
#pragma once

#include <optional>

#include "ir/Graph/Graph.h"

namespace jinx::passes {

/// Each slice of `v` along `axis` `times` times, cut to `extent`.
mlir::Value repeated(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v, int64_t axis, int64_t times, const SizeExpr &extent);

struct Repetition {
  mlir::Value of;
  int64_t times;
};
/// The same backwards; nullopt for a value that was made in another way.
std::optional<Repetition> repetitionOf(mlir::Value v, int64_t axis);

}  // namespace jinx::passes
