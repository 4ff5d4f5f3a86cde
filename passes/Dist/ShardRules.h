// Rules about values by their names: which axes of a mesh split which dimension. No MLIR here: programs read them from files (tools/driver/ShardFile.h).
//
//   mesh dp = 2, tp = 4
//   "blk.*.ffn_up.weight"  ["tp", ""]     rows are split by tp, columns are whole
//   "input_ids"            ["dp ?", ""]   by dp, and propagation may add axes
//   output "y"             ["dp", ""]     the output of this name, whatever a node is called
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::passes {

/// Of one dimension: "dp tp ?" has two axes, the major one first, and is open to more. "" is whole and closed.
struct DimRule {
  std::vector<std::string> axes;
  bool isOpen = false;
};

/// What has a rule: all that a pattern fits, or the one that is called so.
enum class RuleFor { kPattern, kInput, kOutput, kNode };  ///< a node, or a constant

struct ShardRule {
  std::string values;         ///< a pattern over names (ValueNames.h), or a name
  std::vector<DimRule> dims;  ///< one for each dimension
  int64_t priority = 0;       ///< those of 0 spread through the whole function first
  RuleFor of = RuleFor::kPattern;
};

struct MeshAxis {
  std::string name;
  int64_t ranks = 1;
};

struct ShardRules {
  std::vector<MeshAxis> mesh;
  std::vector<ShardRule> rules;  ///< of two that fit a value, the later one counts
  std::string experts;        ///< how tokens that are split come to them: "gather", "exchange", "auto"; "": auto (ExchangeExperts.h)
  std::vector<std::vector<std::string>> stages;  ///< patterns over the names of each stage's nodes; empty: by layers
  bool gathersKeys = false;      ///< of attention whose tokens are split; else they pass round a ring (FormRings.cpp)

  int64_t ranks() const;
};

/// \returns kInvalidArgument where '?' is not the last word
Expected<DimRule> parseDimRule(std::string_view text);
std::string describe(const DimRule &dim);
/// "dp=2,tp=4".
std::string describe(const std::vector<MeshAxis> &mesh);
/// 1 where the mesh has no axis of the name.
int64_t ranksAlong(const std::vector<MeshAxis> &mesh, std::string_view name);
/// "dp=2,tp=4" as a mesh. \returns kInvalidArgument, naming the part, for a number that is none
Expected<std::vector<MeshAxis>> parseMesh(std::string_view text);

/// Names that can be symbols, each once, 1 to 2^24 ranks.
Status checkMesh(const std::vector<MeshAxis> &mesh);

constexpr std::string_view kStageAxis = "pp";            ///< counts the stages of a pipeline
constexpr std::string_view kMicrobatchAxis = "micro";    ///< counts microbatches: an axis in time (UnrollMicrobatches.cpp)

/// What was not split, and why; or how it was.
struct RuleNote {
  std::string node;
  std::string text;
  bool isSplit = false;
};

}  // namespace jinx::passes
