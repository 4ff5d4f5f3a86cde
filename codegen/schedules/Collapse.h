// Merging adjacent dimensions that every value of a group walks together.
#pragma once

#include "ir/Graph/Graph.h"

namespace jinx::schedules {

/// A copy of `group` whose values have fewer dimensions, or `group` itself when nothing merges. [n, h, w, c] + [c] becomes
/// [n*h*w, c] + [c]; a chain on one shape becomes one-dimensional. The copy stands before `group`, with reshapes of its inputs; the
/// caller erases it with eraseCollapsed when the kernel is written. Only groups of elementwise operators and reductions change.
graph::GroupOp collapseDimensions(graph::GroupOp group);
/// The same for a group with one transpose too, where dimensions that stay neighbours merge: [n, c, h, w] to [n, h, w, c] becomes
/// [n, c, h*w] to [n, h*w, c].
graph::GroupOp collapseTransposed(graph::GroupOp group);
void eraseCollapsed(graph::GroupOp collapsed, graph::GroupOp original);

}  // namespace jinx::schedules
