// How do codes of weights lie? Their type says so: elements, and the last extent.
//
//   ui32 [ceil(n/16), k/8, 16]            words of eight 4-bit codes, in panels; i8 [ceil(n/16), k, 16]: 8-bit codes in panels (CPU)
//   ui32 [ceil(n/64), ceil(k/64), 512]    in the order of fragments (ir/Tile/TileCodeOps.td, CUDA): words of 4-bit codes that are numbers,
//   ui8  [ceil(n/64), ceil(k/64), 2048]   bytes of two 4-bit codes with levels,
//   i8   [ceil(n/64), ceil(k/64), 4096]   and 8-bit codes
//
// And how do digits of activations lie beside them (jinx.split_digits)? A word of eight 4-bit codes has those of even k in the low halves of its bytes,
// those of odd k in the high ones: two masks make the left operands of two products of four bytes. The digits of four even and of four odd k
// are the words of their right operands:
//
//   sum over 8 k of code[k] * digit[k]  =  dp4a(words & 0x0f0f0f0f, even)  +  dp4a(words >> 4 & 0x0f0f0f0f, odd)
//
// What a code stands for is code - zero: minus zero times the sum of the digits is where a group's sum begins. 8-bit codes are bytes of four k for each
// column (ui8 [ceil(n/16), k/4, 64]), with k in the order of the digits: 0 2 4 6, 1 3 5 7.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "ir/Graph/Graph.h"

namespace jinx::graph {

inline constexpr int64_t kCodePanel = 16, kCodesOfWord = 8;    ///< columns of a panel; k of a word of 4-bit codes
inline constexpr int64_t kCodeColumns = 64, kCodeChunk = 64;  ///< columns and k of a run of fragments
inline constexpr int64_t kGroupOfFragments = 32;            ///< k of one scale is a multiple of this, or all of k

/// In the order of fragments.
inline bool areFragments(mlir::Type codes) {
  auto last = sizesOf(codes).empty() ? std::nullopt : sizesOf(codes).back().constant();
  return last && *last > 4 * kCodePanel;  // a panel's row is 16 columns, or 16 of four bytes
}
/// The shape of codes of so many bits in that order, as elements of `element`.
inline Sizes fragmentSizes(const SizeExpr &n, const SizeExpr &k, int64_t bits, mlir::Type element) {
  return {ceilDiv(n, kCodeColumns), ceilDiv(k, kCodeChunk), SizeExpr(kCodeColumns * kCodeChunk * bits / int64_t(element.getIntOrFloatBitWidth()))};
}
/// How floats become digits (jinx.split_digits).
inline constexpr int64_t kMostDigits = 3, kZeroOfBytes = 128, kLimitOfLevels = 32639;
inline int64_t limitOfDigits(int64_t digits) { return digits == 1 ? 127 : digits == 2 ? 32639 : 8355709; }
/// Words of a group: its digits, and a sum for each.
inline int64_t wordsOfDigits(int64_t group, int64_t digits) { return digits * (group / 4 + 1); }

/// The digits that so many words of a group are of; 0 where they are of no whole number.
inline int64_t digitsOfWords(int64_t group, int64_t words) { return words % wordsOfDigits(group, 1) == 0 ? words / wordsOfDigits(group, 1) : 0; }

/// Levels that are code - zero, with zero one of the codes: that one. Arithmetic decodes them; others want a table.
inline std::optional<int64_t> zeroOfLevels(llvm::ArrayRef<float> levels) {
  const float zero = -levels[0];
  if (zero != std::floor(zero) || zero < 0 || zero > 15) return std::nullopt;
  for (size_t code = 0; code < levels.size(); ++code)
    if (levels[code] != float(code) - zero) return std::nullopt;
  return int64_t(zero);
}

}  // namespace jinx::graph
