// The sizes of a tensor type as expressions, and tensor types made from expressions.
//
// A type with a dynamic dimension carries one formula per dimension in its encoding:
//   tensor<?x64xf32, #jinx.dims<"batch*seq", "64">>
// A static type carries none, so that equal types compare equal. A dynamic dimension without a formula is an error.
#pragma once

#include <optional>

#include "llvm/ADT/SmallVector.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeRange.h"
#include "runtime/base/SizeExpr.h"

namespace jinx::graph {

using Sizes = llvm::SmallVector<SizeExpr, 4>;

/// The formula that `text` is; the invalid one (`1 floordiv 0`) when it is none.
SizeExpr parseSize(llvm::StringRef text);
/// One expression per dimension of a ranked tensor type; the invalid one for a dynamic dimension without a formula.
Sizes sizesOf(mlir::Type type);
/// The tensor type with these extents; static when all are constants.
mlir::RankedTensorType tensorOf(llvm::ArrayRef<SizeExpr> sizes, mlir::Type elementType);
/// `type` with another element type.
mlir::RankedTensorType withElementType(mlir::RankedTensorType type, mlir::Type elementType);
/// Number of elements.
SizeExpr volume(llvm::ArrayRef<SizeExpr> sizes);

/// numpy broadcasting of two shapes. A symbolic size meets an equal one or 1; two different sizes that may both be the
/// larger one are not provably compatible: nullopt.
std::optional<Sizes> broadcastSizes(llvm::ArrayRef<SizeExpr> a, llvm::ArrayRef<SizeExpr> b);

/// True when no values of the symbols make the two equal: 3 and 4, n and n + 1, n and 2*n + 1. Two formulas may be equal in ways that
/// the normal form does not see, so this is what verification refuses, and no more.
bool surelyDifferent(const SizeExpr &a, const SizeExpr &b);

/// Equal element types and ranks, and no extent that is provably different.
bool areCompatible(mlir::TypeRange a, mlir::TypeRange b);

/// "2x?x3" with formulas in place of question marks: for messages.
std::string describe(llvm::ArrayRef<SizeExpr> sizes);

}  // namespace jinx::graph
