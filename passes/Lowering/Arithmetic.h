// What a group computes and moves at least, as formulas: figures for reports, not a cost model (Fusion/CostModel.h).
#pragma once

#include "ir/Graph/Graph.h"

namespace jinx::passes {

/// Arithmetic of all its operators, each element computed once: a multiplication and an addition are two, any other elementwise
/// operator is one, moving data is none. Of a recurrence its product with the state alone.
SizeExpr flopsOf(graph::GroupOp group);

/// Inputs read once and results written once. Of an input that is only gathered or sliced, what is taken from it.
SizeExpr bytesOf(graph::GroupOp group);

}  // namespace jinx::passes
