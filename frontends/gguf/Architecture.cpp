#include "frontends/gguf/Architecture.h"

#include <algorithm>
#include <cmath>

namespace jinx::frontends {
namespace {

constexpr Architecture kArchitectures[] = {
    {.name = "llama", .rotatesNeighbors = true},
    {.name = "qwen2", .rotatesNeighbors = false, .hasBiases = true},
    {.name = "qwen3", .rotatesNeighbors = false, .normsHeads = true},
    {.name = "gemma3", .rotatesNeighbors = false, .normsHeads = true, .normsResults = true, .scalesEmbedding = true, .gatesByGelu = true, .hasWindows = true},
};
constexpr int64_t kMost = int64_t(1) << 24; ///< of any number: products of two are no problem
constexpr int64_t kColumns = 16;            ///< that depths are multiples of (ir/Graph/Pages.h)
constexpr int64_t kDeepest = 1024;          ///< of heads: tables of rope have a column for two elements

Expected<Architecture> findArchitecture(std::string_view name) {
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) return architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return unimplemented("architecture is \"" + std::string(name) + "\", expected one of " + known);
}

/// Entries of one model, "llama.block_count" for `block_count`.
class Entries {
public:
  Entries(const GgufFile& file, std::string_view architecture) : file_(file), prefix_(std::string(architecture) + ".") {}

  std::string nameOf(std::string_view key) const { return prefix_ + std::string(key); }
  bool has(std::string_view key) const { return file_.findEntry(nameOf(key)) != nullptr; }
  Expected<int64_t> count(std::string_view key) const {
    JINX_TRY_ASSIGN(int64_t value, file_.integer(nameOf(key)));
    if (value >= 1 && value <= kMost) return value;
    return invalidArgument("entry " + nameOf(key) + " is " + std::to_string(value) + ", expected 1 to " + std::to_string(kMost));
  }
  Expected<int64_t> count(std::string_view key, int64_t otherwise) const { return has(key) ? count(key) : Expected<int64_t>(otherwise); }
  Expected<double> positive(std::string_view key) const {
    JINX_TRY_ASSIGN(double value, file_.number(nameOf(key)));
    if (value > 0 && std::isfinite(value)) return value;
    return invalidArgument("entry " + nameOf(key) + " is " + std::to_string(value) + ", expected a positive number");
  }
  Expected<double> positive(std::string_view key, double otherwise) const { return has(key) ? positive(key) : Expected<double>(otherwise); }

private:
  const GgufFile& file_;
  std::string prefix_;
};

Status checkHeads(const Entries& entries, const ModelShape& shape) {
  if (shape.heads % shape.keyHeads)
    return invalidArgument("entry " + entries.nameOf("attention.head_count") + " is " + std::to_string(shape.heads) + ", expected a multiple of the " +
                           std::to_string(shape.keyHeads) + " heads of keys");
  if (shape.depth % kColumns || shape.depth > kDeepest)
    return unimplemented("heads have " + std::to_string(shape.depth) + " elements, expected a multiple of " + std::to_string(kColumns) + ", at most " + std::to_string(kDeepest));
  JINX_TRY_ASSIGN(int64_t values, entries.count("attention.value_length", shape.depth));
  if (values != shape.depth) return unimplemented("heads of values have " + std::to_string(values) + " elements, expected " + std::to_string(shape.depth) + " as keys");
  JINX_TRY_ASSIGN(int64_t rotated, entries.count("rope.dimension_count", shape.depth));
  if (rotated != shape.depth) return unimplemented("rope rotates " + std::to_string(rotated) + " elements of a head, expected all " + std::to_string(shape.depth));
  return Status::ok();
}

/// What scores are multiplied by. Of gemma3 the largest model, known by its layers, divides the width by its heads instead.
double scoreScaleOf(const ModelShape& shape) {
  constexpr int64_t kLayersOfLargest = 62;
  if (shape.architecture.hasWindows && shape.layers == kLayersOfLargest) return 1 / std::sqrt(double(shape.width) / double(shape.heads));
  return 1 / std::sqrt(double(shape.depth));
}

/// Entries of what we do not compute: they are refused rather than left out.
Status checkUnsupported(const Entries& entries) {
  for (const char* key : {"expert_count", "attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window_pattern", "attention.max_alibi_bias", "attention.clamp_kqv", "residual_scale",
                          "embedding_scale", "logit_scale"})
    if (entries.has(key)) return unimplemented("the model has an entry " + entries.nameOf(key) + ", which is not supported");
  return Status::ok();
}

Status readRope(const GgufFile& file, const Entries& entries, ModelShape& shape) {
  JINX_TRY_ASSIGN(shape.ropeBase, entries.positive("rope.freq_base", 10000));
  JINX_TRY_ASSIGN(shape.windowRopeBase, entries.positive("rope.freq_base_swa", 10000));
  JINX_TRY_ASSIGN(shape.ropeScale, entries.positive("rope.scaling.factor", 1));
  if (!entries.has("rope.scaling.type")) return Status::ok();
  JINX_TRY_ASSIGN(std::string_view kind, file.text(entries.nameOf("rope.scaling.type")));
  if (kind == "none") shape.ropeScale = 1;
  if (kind == "none" || kind == "linear") return Status::ok();
  return unimplemented("rope is scaled by \"" + std::string(kind) + "\", expected none or linear");
}

} // namespace

Expected<ModelShape> readModelShape(const GgufFile& file) {
  JINX_TRY_ASSIGN(std::string_view name, file.text("general.architecture"));
  ModelShape shape;
  JINX_TRY_ASSIGN(shape.architecture, findArchitecture(name));
  Entries entries(file, name);
  JINX_TRY(checkUnsupported(entries));
  JINX_TRY_ASSIGN(shape.layers, entries.count("block_count"));
  JINX_TRY_ASSIGN(shape.context, entries.count("context_length"));
  JINX_TRY_ASSIGN(shape.width, entries.count("embedding_length"));
  JINX_TRY_ASSIGN(shape.hidden, entries.count("feed_forward_length"));
  JINX_TRY_ASSIGN(shape.heads, entries.count("attention.head_count"));
  JINX_TRY_ASSIGN(shape.keyHeads, entries.count("attention.head_count_kv", shape.heads));
  JINX_TRY_ASSIGN(shape.depth, entries.count("attention.key_length", std::max<int64_t>(1, shape.width / shape.heads)));
  JINX_TRY_ASSIGN(shape.epsilon, entries.positive("attention.layer_norm_rms_epsilon"));
  JINX_TRY_ASSIGN(shape.window, shape.architecture.hasWindows ? entries.count("attention.sliding_window") : Expected<int64_t>(0));
  JINX_TRY(checkHeads(entries, shape));
  shape.scoreScale = scoreScaleOf(shape);
  JINX_TRY(readRope(file, entries, shape));
  const GgufTensor* embedding = file.findTensor("token_embd.weight");
  if (!embedding) return invalidArgument("tensor token_embd.weight is missing, expected one row of " + std::to_string(shape.width) + " for each token");
  shape.vocabulary = embedding->shape.empty() ? 0 : embedding->shape[0];
  if (shape.vocabulary < 1 || shape.vocabulary > kMost)
    return invalidArgument("tensor token_embd.weight is [" + toString(embedding->shape) + "], expected 1 to " + std::to_string(kMost) + " rows");
  return shape;
}

} // namespace jinx::frontends
