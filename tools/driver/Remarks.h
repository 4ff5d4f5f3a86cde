// Why was this done, and that not? MLIR's remarks, warnings of the frontends, and nodes that stay on the host, as one
// list.
#pragma once

#include <string>
#include <vector>

#include "mlir/IR/BuiltinOps.h"
#include "tools/driver/Compiler.h"

namespace jinx::driver {

/// Every remark that a pass emits from now on is appended to `remarks`, which outlives the context. Thread-safe.
void collectRemarks(mlir::MLIRContext& context, std::vector<Remark>& remarks);

/// "conv1" of a location: the innermost name, else file:line:column.
std::string locationName(mlir::Location location);

/// Host calls that stand for nodes which kernels could have computed, with the frontend's reasons.
void addHostRemarks(mlir::ModuleOp module, std::vector<Remark>& remarks);

} // namespace jinx::driver
