// What verifiers share. Each says what was got against what was expected, and rejects only what is surely wrong: two formulas may be
// equal in ways that the normal form does not see.
#pragma once

#include "ir/Graph/Graph.h"

namespace jinx::graph {

/// Every text is a formula.
mlir::LogicalResult verifyFormulas(mlir::Operation *op, llvm::ArrayRef<mlir::Attribute> formulas);
/// One operand or result against the shape that it must have.
mlir::LogicalResult verifyShape(mlir::Operation *op, llvm::StringRef name, mlir::Value value, llvm::ArrayRef<SizeExpr> expected);
/// Strides, dilations and pads of a window over `spatial` dimensions.
mlir::LogicalResult verifyWindow(mlir::Operation *op, size_t spatial, llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> dilations,
                                 llvm::ArrayRef<int64_t> pads);

} // namespace jinx::graph
