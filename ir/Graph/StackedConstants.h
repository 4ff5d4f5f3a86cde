// Constants of a plan, whole or in pieces.
#pragma once

#include "ir/Graph/Graph.h"

namespace jinx::graph {

/// Constants behind each other: `jinx.concat` of nothing but constants along the first dimension, of elements that are whole bytes. As a plan has it, it is one constant in pieces, and its elements
/// stay where they are. Such a concat is made by jinx-merge-products; others fold.
bool isStackedConstant(mlir::Operation *op);
/// A constant, whole or in pieces: the plan's, there before the first launch.
bool isConstant(mlir::Value v);

}  // namespace jinx::graph
