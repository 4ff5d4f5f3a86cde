// What a plan says of other ranks, one thing at a time; PlanCheck.h walks the plan. Formulas are its business: it has their symbols.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/plan/plan.pb.h"

namespace jinx {

inline constexpr int64_t kMaxRanks = 1 << 24;

/// Axes have names and ranks, coordinates are of axes.
Status checkMesh(const plan::Mesh& mesh);

/// A whole has the value's rank, and axes of the mesh, each once. A value that is there for its size alone is an input [n, 0].
Status checkPart(const plan::Mesh& mesh, const plan::Value& value);

/// Axes, root and sources are of the group; there are as many operands as the operation has.
Status checkCollectiveFields(const plan::Mesh& mesh, const plan::Step& step);

} // namespace jinx
