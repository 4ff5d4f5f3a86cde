// What the targets for models share: a context, and the passes that an accepted model goes through.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

namespace jinx::fuzz {

/// A context with the compiler's dialects: a fresh one now and then, because what is uniqued in it stays.
mlir::MLIRContext& context();

/// Runs the pipeline down to tile kernels, for the baseline. A module that was accepted must get through: aborts where a pass
/// fails, with its message.
void optimize(mlir::ModuleOp module);

} // namespace jinx::fuzz
