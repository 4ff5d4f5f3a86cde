// The graph dialect's C++ face: operators, types, and the sizes of tensor types.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ir/Graph/Sizes.h"

namespace jinx::graph {
/// See Graph_Elementwise in GraphElementwiseOps.td.
template <typename ConcreteType>
class Elementwise : public mlir::OpTrait::TraitBase<ConcreteType, Elementwise> {};

/// A float of 8 bits, of any format: sums of their products are f32.
inline bool isByteFloat(mlir::Type element) { return mlir::isa<mlir::FloatType>(element) && element.getIntOrFloatBitWidth() == 8; }
}  // namespace jinx::graph

#include "ir/Graph/GraphDialect.h.inc"
#include "ir/Graph/GraphEnums.h.inc"
#include "ir/Graph/GraphInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "ir/Graph/GraphAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "ir/Graph/GraphTypes.h.inc"
#define GET_OP_CLASSES
#include "ir/Graph/GraphOps.h.inc"
