// What lies in parts that are filled up, and who must not see it.
//
// Of 5 elements 2 ranks have 3 each, and the last one is filling. An operator computes something of it that nobody reads, so it may hold anything, NaN among them; but
//
//   sum of k        matmul a[m, k] b[k, n]    the filling would be added: 0 must be there, in both operands, since 0 * NaN is NaN
//   maximum of d    reduce max x[d]           -inf
//   indices         gather x[v] indices[i]    what lies there is read as a place: 0 is one
//   divisors        div a[d] b[d], integers   1
//   neighbours      resize x[d]               0: they may count with weight 0, and 0 * NaN is NaN
//
// What a slice was filled up with by ourselves is 0, and stays 0 through what makes 0 of 0 (neg, transpose, a + b of two such): there a sum needs no mask.
#pragma once

#include "ir/Dist/FactorAxes.h"
#include "passes/Dist/OwnValues.h"

namespace jinx::passes {

class Filling {
 public:
  /// Dimension `dim` of a rank's own value is filled up with zeros.
  void setZero(mlir::Value own, int64_t dim) { zeros_.insert({own, dim}); }
  /// With anything.
  void setAny(mlir::Value own, int64_t dim) { zeros_.erase({own, dim}); }
  bool isZero(mlir::Value own, int64_t dim) const { return zeros_.contains({own, dim}); }
  /// `to` has the elements of `from`, dimension by dimension.
  void keep(mlir::Value from, mlir::Value to);
  /// What an operator makes of its operands' zeros.
  void keepThrough(mlir::Operation *op, const graph::FactorRule &rule, mlir::ValueRange operands, mlir::ValueRange results);

 private:
  llvm::DenseSet<std::pair<mlir::Value, int64_t>> zeros_;
};

/// What must stand where dimension `dim` of an operand is filled up; null where anything may, or where it is not filled up.
/// \param axes  that walk the operator's factors
mlir::TypedAttr neededFilling(mlir::Operation *op, const graph::FactorRule &rule, const dist::FactorAxes &axes, dist::MeshOp mesh, size_t operand, size_t dim);
/// Whether anything must.
bool needsFilling(mlir::Operation *op, const graph::FactorRule &rule, const dist::FactorAxes &axes, dist::MeshOp mesh, size_t operand);

}  // namespace jinx::passes
