// Attributes that repeat a size: an operator on a part has those of the part.
//
//   conv x[n, g*c, x0] w[g*o, c, w0], group 4      g by 2 ranks: group 2 on each
#pragma once

#include "ir/Dist/FactorAxes.h"

namespace jinx::passes {

/// Sets them on `op`, an operator of one rank whose factors are split like this.
void adaptAttributes(mlir::Operation *op, const graph::FactorRule &rule, const dist::FactorAxes &axes, dist::MeshOp mesh);

}  // namespace jinx::passes
