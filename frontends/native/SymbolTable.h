// `jinx.symbols` of a module: which named sizes there are, and their ranges.
#pragma once

#include <string>
#include <vector>

#include "frontends/ImportOptions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace jinx::frontends {

/// What is wrong with the module's `jinx.symbols`, a line each.
std::vector<std::string> findSymbolProblems(mlir::ModuleOp module);

/// Gives named sizes the ranges that the user wants them to have; one that a plan is to be called with has a range of one number.
/// \returns kInvalidArgument for a name or position that the module does not have
Status overrideSizes(mlir::ModuleOp module, mlir::func::FuncOp main, const std::vector<DimOverride> &dims);

} // namespace jinx::frontends
