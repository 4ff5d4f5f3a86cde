// Constants of the graph dialect as host tensors, and back.
#pragma once

#include "ir/Graph/Graph.h"
#include "runtime/base/Tensor.h"

namespace jinx::graph {

/// The runtime's name for an MLIR element type; kInvalid for one that no tensor can have.
DType dtypeOf(mlir::Type elementType);
/// The MLIR element type of a dtype; kString is !jinx.string.
mlir::Type elementTypeOf(DType dtype, mlir::MLIRContext *context);

/// The elements of a constant. Splats are expanded; the tensor shares the attribute's memory where the layouts agree.
Expected<Tensor> tensorOf(mlir::ElementsAttr elements);
/// An attribute that holds the tensor's elements: inline when small, as a resource (never printed in full, never hashed) when large.
mlir::ElementsAttr elementsOf(const Tensor &tensor, mlir::MLIRContext *context);

}  // namespace jinx::graph
