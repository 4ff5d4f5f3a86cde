// Building blocks of a rank's own program: values that depend on its coordinates, parts of values, and what fills parts up.
//
// A dimension of s elements that n ranks split has ceildiv(s, n) of them on each, c; where n does not divide s, the last parts are filled up. What is in the filling is nobody's business
// until a sum sees it (Filling.h): `mask` puts something else there, by comparing i with s - c * coordinate, which is a formula and folds as soon as the rank is known.
#pragma once

#include <map>

#include "mlir/IR/Builders.h"
#include "passes/Dist/ReshardPath.h"

namespace jinx::passes {

class OwnBuilder {
 public:
  OwnBuilder(mlir::OpBuilder &builder, dist::MeshOp mesh) : builder_(builder), mesh_(mesh) {}

  /// A rank's place among the ranks along `axes`, in row-major order: "2*rank.dp + rank.tp".
  SizeExpr place(llvm::ArrayRef<mlir::StringAttr> axes) const;
  /// The type of what one rank has: its sizes; shards vary.
  mlir::RankedTensorType ownType(mlir::RankedTensorType placed) const;
  /// `type`, which varies on these axes too.
  mlir::RankedTensorType varyingOn(mlir::RankedTensorType type, llvm::ArrayRef<mlir::StringAttr> axes) const;

  /// Extends dimension `dim` to `size` with zeros; x itself where it is as long.
  mlir::Value padTo(mlir::Location loc, mlir::Value x, int64_t dim, const SizeExpr &size);
  /// `size` elements of dimension `dim` from `start`, a formula; varies on `axes`, whose coordinates are in it.
  mlir::Value slice(mlir::Location loc, mlir::Value x, int64_t dim, const SizeExpr &start, const SizeExpr &size, llvm::ArrayRef<mlir::StringAttr> axes);
  /// x, and `filling` where dimension `dim` is filled up, of a value that has `whole` elements there.
  mlir::Value mask(mlir::Location loc, mlir::Value x, int64_t dim, const SizeExpr &whole, llvm::ArrayRef<mlir::StringAttr> axes, mlir::TypedAttr filling);
  /// x, and `filling` from `end` on, a formula.
  mlir::Value maskFrom(mlir::Location loc, mlir::Value x, int64_t dim, const SizeExpr &end, mlir::TypedAttr filling);
  /// A formula as an i64 tensor of one element and `rank` dimensions; varies on the axes whose coordinates are in it.
  mlir::Value number(mlir::Location loc, const SizeExpr &formula, int64_t rank);
  /// A constant of one element of this type.
  mlir::Value scalar(mlir::Location loc, mlir::Attribute value, mlir::Type element);

  mlir::OpBuilder &builder() { return builder_; }

 private:
  mlir::OpBuilder &builder_;
  mutable dist::MeshOp mesh_;  ///< a handle: asking it changes nothing
};

/// What coordinates are, by their symbols: "rank.tp".
using Coordinates = std::map<std::string, int64_t>;
/// Makes numbers of them in the operator's formulas, which are in the attributes of some; types have none with coordinates in them. False where there was none.
bool writeCoordinates(mlir::Operation *op, const Coordinates &coordinates);

/// `type` with another extent of one dimension; states stay.
mlir::RankedTensorType resized(mlir::RankedTensorType type, int64_t dim, const SizeExpr &size);
/// The element that changes nothing: 0, 1, the least or the greatest.
mlir::TypedAttr neutralOf(graph::ReduceKind reduction, mlir::Type element);

}  // namespace jinx::passes
