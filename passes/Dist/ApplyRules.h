// Rules (ShardRules.h) into a module: a mesh, a function that is annotated, wishes at its inputs and outputs and behind other values.
//
//   mesh tp = 4, "up.weight" ["", "tp"], "x" ["?", ""]
//
//   dist.mesh @mesh <"tp" = 4>
//   func.func @main(%x: tensor<8x16xf32> {jinx.name = "x", dist.sharding = #dist.sharding<[[?], []]>}) … attributes {dist.annotated = @mesh} {
//     %w = jinx.constant … loc("up.weight")
//     %w0 = dist.constrain %w <[[], ["tp"]]>
//
// Passes that follow spread the wishes (passes/Dist/Propagation.h).
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "passes/Dist/ShardRules.h"
#include "passes/Dist/ValueNames.h"

namespace jinx::passes {

/// A rule for this value alone: others may have its name, or one that its name fits as a pattern.
ShardRule ruleFor(const NamedValue &value, std::vector<DimRule> dims);
bool fits(const ShardRule &rule, const NamedValue &value);

/// Writes the rules into the module; @main becomes `dist.annotated`. Returns how many values have a wish.
/// \returns kInvalidArgument, naming rule and value, for a rule that fits no value, that has another number of dimensions than a value that it fits, that names
/// an axis which the mesh has
///          not or one twice, or splits a dimension into more parts than it has elements
Expected<int64_t> applyRules(mlir::ModuleOp module, const ShardRules &rules);

}  // namespace jinx::passes
