// What a small tensor holds, as formulas: how shape arithmetic inside a model becomes shapes of types.
//
// Models compute shapes with tensors: Shape → Gather → Mul → Concat → Reshape. Each element of such a tensor is a formula over the
// dynamic sizes, so `reshape`'s result type can be known although the value is not:
//
//   %0 = jinx.sizes ["n", "s", "384"] : tensor<3xi64>      n, s, 384
//   %1 = jinx.gather %0, <0, 1> …                          n, s
//   %2 = jinx.concat %1, <12, -1> …                        n, s, 12, -1
//
// Floats take part as exact multiples of 1/2^k: Resize models compute sizes as cast(floor(cast(h) * 0.5)).
#pragma once

#include <optional>

#include "ir/Graph/Graph.h"

namespace jinx::graph {

/// The largest tensor that is looked into.
inline constexpr int64_t kMaxInferredElements = 64;

/// The elements of an integer or bool (0 or 1) tensor of static shape, row-major; nullopt when one of them is no formula over sizes.
///
/// Signs and comparisons are decided as if every symbol were at least 1: an empty dimension can make a model's own shape
/// arithmetic go wrong, and is caught when the sizes are evaluated.
std::optional<llvm::SmallVector<SizeExpr>> inferIntegerValues(mlir::Value value);
/// The same, when all elements are plain numbers.
std::optional<llvm::SmallVector<int64_t>> inferConstantIntegers(mlir::Value value);

/// The elements of a constant's attribute, dense or a resource, up to `limit` of them. Bools are 0 and 1.
std::optional<llvm::SmallVector<int64_t>> readIntegers(mlir::Attribute elements, int64_t limit = kMaxInferredElements);
/// The same for float and for integer elements.
std::optional<llvm::SmallVector<double>> readNumbers(mlir::Attribute elements, int64_t limit = kMaxInferredElements);
/// The value of a one-element constant tensor.
std::optional<double> constantScalar(mlir::Value value);

/// True or false when `a < b` (`a == b`) is sure under the rule above.
std::optional<bool> surelyLess(const SizeExpr &a, const SizeExpr &b);
std::optional<bool> surelyEqual(const SizeExpr &a, const SizeExpr &b);

}  // namespace jinx::graph
