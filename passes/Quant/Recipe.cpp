#include "passes/Quant/Recipe.h"

#include "runtime/base/CodeLevels.h"

namespace jinx::passes {
namespace {

constexpr int64_t kGroupOfFourBits = 32, kBlockOfFp8 = 128;

constexpr std::pair<Scheme, const char *> kSchemes[] = {{Scheme::kInt8, "int8"},        {Scheme::kInt8Dynamic, "int8-dynamic"},
                                                        {Scheme::kInt4, "int4"},        {Scheme::kInt8Weights, "int8-weights"},
                                                        {Scheme::kNf4, "nf4"},          {Scheme::kFp8, "fp8"},
                                                        {Scheme::kFp8Block, "fp8-block"}};

}  // namespace

const char *nameOf(Scheme scheme) {
  for (const auto &[known, name] : kSchemes)
    if (known == scheme) return name;
  return "";
}

std::optional<Scheme> schemeNamed(const std::string &name) {
  for (const auto &[scheme, known] : kSchemes)
    if (name == known) return scheme;
  return std::nullopt;
}

std::string schemeNames() {
  std::string names;
  for (const auto &[scheme, name] : kSchemes) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

bool quantizesActivations(Scheme scheme) { return scheme == Scheme::kInt8 || scheme == Scheme::kInt8Dynamic || scheme == Scheme::kFp8 || scheme == Scheme::kFp8Block; }
bool needsRanges(Scheme scheme) { return scheme == Scheme::kInt8 || scheme == Scheme::kFp8; }

bool hasFourBits(Scheme scheme) { return scheme == Scheme::kInt4 || scheme == Scheme::kNf4; }

WeightFormat Recipe::formatOf(const LayerRecipe &entry) const {
  if (!entry.wide.empty()) return {DType::kI8, 0, {}, false, DType::kF32};
  switch (scheme) {
    case Scheme::kInt4: return {isAsymmetric ? DType::kU4 : DType::kI4, group > 0 ? group : kGroupOfFourBits, {}, isAsymmetric, DType::kF16, 1, hasDoubleScales};
    case Scheme::kNf4: return {DType::kU4, group > 0 ? group : kGroupOfFourBits, kNf4Levels, false, DType::kF16, 1, hasDoubleScales};
    case Scheme::kInt8Weights: return {DType::kI8, group, {}, false, DType::kF32};
    case Scheme::kFp8: return {DType::kF8E4M3FN, 0, {}, false, DType::kF32};
    case Scheme::kFp8Block: return {DType::kF8E4M3FN, kBlockOfFp8, {}, false, DType::kF32, kBlockOfFp8};
    case Scheme::kInt8:
    case Scheme::kInt8Dynamic: return {DType::kI8, 0, {}, false, DType::kF32};
  }
  return {};
}

}  // namespace jinx::passes
