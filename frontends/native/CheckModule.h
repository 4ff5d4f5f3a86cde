// What a module must keep beyond its operators' verifiers to be a model: it came from a file, and nothing is taken on trust.
#pragma once

#include <string>
#include <vector>

#include "mlir/IR/BuiltinOps.h"

namespace jinx::frontends {

/// A rank's program is a model, too: a function that is dist.ranked, with collectives among its operators.
///
/// Every reason why a verified module is no model, a line each: `@main` is missing or has no body; an operator is not of the graph
/// dialect, or is one that only passes make; a value is of a type that Jinx does not know, or has a dynamic dimension without formula.
std::vector<std::string> findModuleProblems(mlir::ModuleOp module);

} // namespace jinx::frontends
