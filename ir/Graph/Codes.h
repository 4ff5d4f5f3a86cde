// How do codes of weights lie? Their type says so: elements, and the last extent.
//
//   ui32 [ceil(n/16), k/8, 16]            words of eight 4-bit codes, in panels; i8 [ceil(n/16), k, 16]: 8-bit codes in panels (CPU)
//   ui32 [ceil(n/64), ceil(k/64), 512]    in the order of fragments (ir/Tile/TileCodeOps.td, CUDA): words of 4-bit codes that are numbers,
//   ui8  [ceil(n/64), ceil(k/64), 2048]   bytes of two 4-bit codes with levels,
//   i8   [ceil(n/64), ceil(k/64), 4096]   and 8-bit codes
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "ir/Graph/Graph.h"

namespace jinx::graph {

inline constexpr int64_t kCodePanel = 16;                      ///< columns of a panel
inline constexpr int64_t kCodeColumns = 64, kCodeChunk = 64;  ///< columns and k of a run of fragments
inline constexpr int64_t kGroupOfFragments = 32;            ///< k of one scale is a multiple of this, or all of k

/// In the order of fragments.
inline bool areFragments(mlir::Type codes) {
  auto last = sizesOf(codes).empty() ? std::nullopt : sizesOf(codes).back().constant();
  return last && *last != kCodePanel;
}
/// The shape of codes of so many bits in that order, as elements of `element`.
inline Sizes fragmentSizes(const SizeExpr &n, const SizeExpr &k, int64_t bits, mlir::Type element) {
  return {ceilDiv(n, kCodeColumns), ceilDiv(k, kCodeChunk), SizeExpr(kCodeColumns * kCodeChunk * bits / int64_t(element.getIntOrFloatBitWidth()))};
}
/// Levels that are code - zero, with zero one of the codes: that one. Arithmetic decodes them; others want a table.
inline std::optional<int64_t> zeroOfLevels(llvm::ArrayRef<float> levels) {
  const float zero = -levels[0];
  if (zero != std::floor(zero) || zero < 0 || zero > 15) return std::nullopt;
  for (size_t code = 0; code < levels.size(); ++code)
    if (levels[code] != float(code) - zero) return std::nullopt;
  return int64_t(zero);
}

}  // namespace jinx::graph
