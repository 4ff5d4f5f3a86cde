// Pages of keys and values (jinx.write_pages, jinx.paged_attention): extents, how elements lie in a page, and which results of a group are memory of operands.
#pragma once

#include <optional>

#include "ir/Graph/Graph.h"

namespace jinx::graph {

inline constexpr int64_t kPageRows = 16;     ///< tokens of a page
inline constexpr int64_t kPageColumns = 16;  ///< that the depth is a multiple of

/// A pool of 8 bits, which has scales beside it.
inline bool areCodes(mlir::Value pool) {
  mlir::Type element = mlir::cast<mlir::RankedTensorType>(pool.getType()).getElementType();
  return element.isInteger(8) || mlir::isa<mlir::Float8E4M3FNType>(element);
}
/// The largest number of a pool of 8 bits: a row's largest magnitude becomes it.
inline double largestCode(mlir::Value pool) { return mlir::cast<mlir::RankedTensorType>(pool.getType()).getElementType().isInteger(8) ? 127 : 448; }
inline constexpr float kLeastMagnitude = 0x1p-100f;  ///< of a row that has codes: below it the scale is 0

/// For each result of a group the input whose memory it is, -1 for none; nothing when all are -1.
std::optional<llvm::SmallVector<int64_t>> inPlaceOf(GroupOp group);

}  // namespace jinx::graph
