// What each elementwise graph operator computes on tiles, in `arith` and `math`.
#pragma once

#include "ir/Graph/Graph.h"

namespace jinx::schedules {

/// Type of an element in a tile: signless integers, i1 for bool, floats as they are, but those of 8 bits as bytes.
mlir::Type registerType(mlir::Type element);
/// Type of an element in memory: as in a tile, but a bool takes a byte.
mlir::Type memoryType(mlir::Type element);
/// The value of a splat constant, as an attribute of its register type.
mlir::Attribute splatAttribute(mlir::DenseElementsAttr constant, mlir::Type registerType);

/// True when `buildElementwise` covers the operator for its element types.
bool isElementwiseSupported(mlir::Operation *op);
/// Result tile of `op` for operand tiles of equal length. `op` gives element types and attributes, never values.
mlir::Value buildElementwise(mlir::OpBuilder &b, mlir::Location loc, mlir::Operation *op, mlir::ValueRange operands);
/// Elements of one type as another, as jinx.cast has it: floats round ties to even, and 8-bit ones saturate.
mlir::Value buildCast(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Type from, mlir::Type to);
/// a∘b for a reduction; `isUnsigned` for unsigned integers.
mlir::Value buildCombine(mlir::OpBuilder &b, mlir::Location loc, graph::ReduceKind kind, mlir::Value a, mlir::Value b2, bool isUnsigned);
/// Neutral element of a reduction, of scalar `type`.
mlir::TypedAttr neutralElement(mlir::OpBuilder &b, graph::ReduceKind kind, mlir::Type type, bool isUnsigned);

}  // namespace jinx::schedules
