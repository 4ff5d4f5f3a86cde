// Parts of a dimension, one behind the other in memory: what goes to one rank, or comes from one, lies together.
//
//   apart    [s0, n * p, s2] -> [n, s0, p, s2]        joined    [n, s0, p, s2] -> [s0, n * p, s2]
//
// Where only ones stand in front of the dimension, the parts are neighbours already, and there is no transpose. States stay what they are.
#pragma once

#include "ir/Dist/Dist.h"
#include "mlir/IR/Builders.h"

namespace jinx::passes {

class Rearranger {
 public:
  Rearranger(mlir::OpBuilder &builder, mlir::Location loc, int64_t ranks) : builder_(builder), loc_(loc), ranks_(ranks) {}

  mlir::Value apart(mlir::Value x, int64_t dim) const;
  mlir::Value joined(mlir::Value x, int64_t dim) const;
  /// Of another shape; x itself where it has it already.
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<SizeExpr> sizes) const;

  /// The part of so many.
  SizeExpr partOf(const SizeExpr &size) const;

 private:
  mlir::OpBuilder &builder_;
  mlir::Location loc_;
  int64_t ranks_;
};

}  // namespace jinx::passes
