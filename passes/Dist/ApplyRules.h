// Wishes by names: which axes of a mesh split which dimension of the values that a pattern fits.
//
//   mesh dp = 2, tp = 4
//   "blk.*.ffn_up.weight"  ["tp", ""]     rows are split by tp, columns are whole
//   "input_ids"            ["dp ?", ""]   by dp, and propagation may add axes
//
// becomes, of a module, a dist.mesh, a function that is `dist.annotated`, `dist.sharding` on its inputs and outputs, and `dist.constrain` behind the other values. Passes that follow
// spread the wishes (passes/Dist/Propagation.h).
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/Status.h"

namespace jinx::passes {

/// Of one dimension: "dp tp ?" has two axes, the major one first, and is open to more. "" is whole and closed.
struct DimRule {
  std::vector<std::string> axes;
  bool isOpen = false;
};

struct ShardRule {
  std::string values;         ///< a pattern over names (ValueNames.h)
  std::vector<DimRule> dims;  ///< one for each dimension
  int64_t priority = 0;       ///< those of 0 spread through the whole function first
};

struct MeshAxis {
  std::string name;
  int64_t ranks = 1;
};

struct ShardRules {
  std::vector<MeshAxis> mesh;
  std::vector<ShardRule> rules;  ///< of two that fit a value, the later one counts

  int64_t ranks() const;
};

/// \returns kInvalidArgument where '?' is not the last word
Expected<DimRule> parseDimRule(std::string_view text);
std::string describe(const DimRule &dim);
/// "dp=2,tp=4".
std::string describe(const std::vector<MeshAxis> &mesh);
/// "dp=2,tp=4" as a mesh. \returns kInvalidArgument, naming the part, for a number that is none
Expected<std::vector<MeshAxis>> parseMesh(std::string_view text);

/// Names that can be symbols, each once, 1 to 2^24 ranks.
Status checkMesh(const std::vector<MeshAxis> &mesh);

/// Writes the rules into the module; @main becomes `dist.annotated`. Returns how many values have a wish.
/// \returns kInvalidArgument, naming rule and value, for a rule that fits no value, that has another number of dimensions than a value that it fits, that names an axis which the mesh has
///          not or one twice, or splits a dimension into more parts than it has elements
Expected<int64_t> applyRules(mlir::ModuleOp module, const ShardRules &rules);

}  // namespace jinx::passes
