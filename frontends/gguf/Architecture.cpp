#include "frontends/gguf/Architecture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "frontends/llm/Rope.h"

namespace jinx::frontends::gguf {
namespace {

constexpr Architecture kArchitectures[] = {
    {.name = "llama", .rotatesNeighbors = true, .mayHaveExperts = true, .normsExperts = true},
    {.name = "qwen2", .hasBiases = true},
    {.name = "qwen3", .normsHeads = true},
    {.name = "gemma3", .normsHeads = true, .isGemma = true},
    {.name = "gpt2", .hasBiases = true, .isGpt = true},
    {.name = "qwen2moe", .hasBiases = true, .mayHaveExperts = true, .hasExperts = true, .sharesExpert = true},
    {.name = "qwen3moe", .normsHeads = true, .mayHaveExperts = true, .hasExperts = true, .normsExperts = true},
};

/// Entries of one model, "llama.block_count" for `block_count`.
class Entries {
public:
  Entries(const GgufFile& file, std::string_view architecture) : file_(file), prefix_(std::string(architecture) + ".") {}

  std::string nameOf(std::string_view key) const { return prefix_ + std::string(key); }
  bool has(std::string_view key) const { return file_.findEntry(nameOf(key)) != nullptr; }
  Expected<int64_t> count(std::string_view key) const {
    JINX_TRY_ASSIGN(int64_t value, file_.integer(nameOf(key)));
    if (value >= 1 && value <= llm::kMostOfAnything) return value;
    return invalidArgument("entry " + nameOf(key) + " is " + std::to_string(value) + ", expected 1 to " + std::to_string(llm::kMostOfAnything));
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

Status checkHeads(const Entries& entries, const llm::ModelShape& shape) {
  if (shape.heads % shape.keyHeads)
    return invalidArgument("entry " + entries.nameOf("attention.head_count") + " is " + std::to_string(shape.heads) + ", expected a multiple of the " +
                           std::to_string(shape.keyHeads) + " heads of keys");
  JINX_TRY(llm::checkDepth(shape.depth));
  JINX_TRY_ASSIGN(int64_t values, entries.count("attention.value_length", shape.depth));
  if (values != shape.depth) return unimplemented("heads of values have " + std::to_string(values) + " elements, expected " + std::to_string(shape.depth) + " as keys");
  JINX_TRY_ASSIGN(int64_t rotated, entries.count("rope.dimension_count", shape.depth));
  if (rotated != shape.depth) return unimplemented("rope rotates " + std::to_string(rotated) + " elements of a head, expected all " + std::to_string(shape.depth));
  return Status::ok();
}

/// What scores are multiplied by. Of gemma3 the largest model, known by its layers, divides the width by its heads instead.
double scoreScaleOf(const Architecture& architecture, const llm::ModelShape& shape) {
  constexpr int64_t kLayersOfLargest = 62;
  if (architecture.isGemma && shape.layers == kLayersOfLargest) return 1 / std::sqrt(double(shape.width) / double(shape.heads));
  return 1 / std::sqrt(double(shape.depth));
}

/// Entries of what we do not compute: they are refused rather than left out.
Status checkUnsupported(const Entries& entries, const Architecture& architecture) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window_pattern", "attention.max_alibi_bias", "attention.clamp_kqv", "residual_scale",
                          "embedding_scale", "logit_scale", "expert_weights_scale", "expert_group_count", "leading_dense_block_count", "interleave_moe_layer_step"})
    if (entries.has(key)) return unimplemented("the model has an entry " + entries.nameOf(key) + ", which is not supported");
  if (entries.has("expert_count") && !architecture.mayHaveExperts)
    return unimplemented("the model has an entry " + entries.nameOf("expert_count") + ", which is not supported");
  return Status::ok();
}

/// Of an architecture whose layers all have experts.
Status readExperts(const GgufFile& file, const Entries& entries, const Architecture& architecture, llm::ModelShape& shape) {
  constexpr int64_t kSoftmax = 1;
  if (!architecture.mayHaveExperts) return Status::ok();
  if (!architecture.hasExperts) {
    if (!entries.has("expert_count")) return Status::ok();
    JINX_TRY_ASSIGN(int64_t count, file.integer(entries.nameOf("expert_count")));
    if (count == 0) return Status::ok();
  }
  llm::ExpertShape& experts = shape.experts;
  JINX_TRY_ASSIGN(experts.count, entries.count("expert_count"));
  JINX_TRY_ASSIGN(experts.used, entries.count("expert_used_count"));
  if (experts.used > experts.count)
    return invalidArgument("entry " + entries.nameOf("expert_used_count") + " is " + std::to_string(experts.used) + ", expected at most the " + std::to_string(experts.count) + " experts");
  JINX_TRY_ASSIGN(int64_t gating, entries.count("expert_gating_func", kSoftmax));
  if (gating != kSoftmax) return unimplemented("entry " + entries.nameOf("expert_gating_func") + " is " + std::to_string(gating) + ", expected 1, a softmax");
  JINX_TRY_ASSIGN(experts.hidden, entries.count("expert_feed_forward_length", architecture.hasExperts ? std::max<int64_t>(1, shape.hidden / experts.used) : shape.hidden));
  JINX_TRY_ASSIGN(experts.sharedHidden, architecture.sharesExpert ? entries.count("expert_shared_feed_forward_length", shape.hidden) : Expected<int64_t>(0));
  experts.normsWeights = architecture.normsExperts;
  return Status::ok();
}

/// What all models of an architecture have in common.
void applyArchitecture(const Architecture& architecture, llm::ModelShape& shape) {
  shape.architecture = architecture.name;
  shape.hasBiases = architecture.hasBiases;
  shape.normsHeads = architecture.normsHeads;
  shape.normsResults = architecture.isGemma;
  if (architecture.isGemma || architecture.isGpt) shape.activation = llm::Activation::kGeluTanh;
  if (architecture.isGemma) shape.embeddingScale = std::sqrt(double(shape.width));
  shape.learnsPositions = shape.normsByMean = shape.hasOutputBias = shape.hasFeedForwardBiases = architecture.isGpt;
  shape.isGated = !architecture.isGpt;
}

/// A window of keys where the layer has one.
Status readWindows(const Entries& entries, const Architecture& architecture, llm::ModelShape& shape) {
  constexpr int64_t kPattern = 6;
  shape.windows.assign(size_t(shape.layers), 0);
  if (!architecture.isGemma) return Status::ok();
  JINX_TRY_ASSIGN(int64_t window, entries.count("attention.sliding_window"));
  for (int64_t layer = 0; layer < shape.layers; ++layer)
    if (layer % kPattern != kPattern - 1) shape.windows[size_t(layer)] = window;
  return Status::ok();
}

/// What divides rope's frequencies; empty where the file has nothing.
Expected<std::vector<float>> ropeFactors(const GgufFile& file) {
  const GgufTensor* tensor = file.findTensor("rope_freqs.weight");
  if (!tensor) return std::vector<float>();
  if (tensor->type.dtype != DType::kF32) return unimplemented("tensor rope_freqs.weight is of " + std::string(tensor->type.name) + ", expected F32");
  std::vector<float> factors(size_t(numElements(tensor->shape)));
  std::memcpy(factors.data(), tensor->bytes.data(), factors.size() * sizeof(float));
  for (float factor : factors)
    if (!(factor > 0)) return invalidArgument("tensor rope_freqs.weight has " + std::to_string(factor) + ", expected positive numbers");
  return factors;
}

} // namespace

Expected<Architecture> readArchitecture(const GgufFile& file) {
  JINX_TRY_ASSIGN(std::string_view name, file.text("general.architecture"));
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) return architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return unimplemented("architecture is \"" + std::string(name) + "\", expected one of " + known);
}

Expected<llm::ModelShape> readModelShape(const GgufFile& file, const Architecture& architecture) {
  llm::ModelShape shape;
  Entries entries(file, architecture.name);
  JINX_TRY(checkUnsupported(entries, architecture));
  JINX_TRY_ASSIGN(shape.layers, entries.count("block_count"));
  if (uint64_t(shape.layers) > file.tensors().size())
    return invalidArgument("the file has " + std::to_string(file.tensors().size()) + " tensors, expected several for each of " + std::to_string(shape.layers) + " layers");
  JINX_TRY_ASSIGN(shape.context, entries.count("context_length"));
  JINX_TRY_ASSIGN(shape.width, entries.count("embedding_length"));
  JINX_TRY_ASSIGN(shape.hidden, entries.count("feed_forward_length"));
  JINX_TRY_ASSIGN(shape.heads, entries.count("attention.head_count"));
  JINX_TRY_ASSIGN(shape.keyHeads, entries.count("attention.head_count_kv", shape.heads));
  JINX_TRY_ASSIGN(shape.depth, entries.count("attention.key_length", std::max<int64_t>(1, shape.width / shape.heads)));
  JINX_TRY_ASSIGN(shape.epsilon, entries.positive(architecture.isGpt ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"));
  JINX_TRY(readWindows(entries, architecture, shape));
  JINX_TRY(checkHeads(entries, shape));
  JINX_TRY(readExperts(file, entries, architecture, shape));
  shape.experts.layers.assign(size_t(shape.layers), shape.experts.count > 0);
  applyArchitecture(architecture, shape);
  shape.scoreScale = scoreScaleOf(architecture, shape);
  const GgufTensor* embedding = file.findTensor("token_embd.weight");
  if (!embedding) return invalidArgument("tensor token_embd.weight is missing, expected one row of " + std::to_string(shape.width) + " for each token");
  shape.vocabulary = embedding->shape.empty() ? 0 : embedding->shape[0];
  if (shape.vocabulary < 1 || shape.vocabulary > llm::kMostOfAnything)
    return invalidArgument("tensor token_embd.weight is [" + toString(embedding->shape) + "], expected 1 to " + std::to_string(llm::kMostOfAnything) + " rows");
  return shape;
}

Status readRope(const GgufFile& file, const Architecture& architecture, llm::ModelShape& shape) {
  if (architecture.isGpt) return Status::ok();
  Entries entries(file, architecture.name);
  JINX_TRY_ASSIGN(double base, entries.positive("rope.freq_base", 10000));
  JINX_TRY_ASSIGN(double windowBase, entries.positive("rope.freq_base_swa", 10000));
  JINX_TRY_ASSIGN(double scale, entries.positive("rope.scaling.factor", 1));
  if (entries.has("rope.scaling.type")) {
    JINX_TRY_ASSIGN(std::string_view kind, file.text(entries.nameOf("rope.scaling.type")));
    if (kind == "none") scale = 1;
    else if (kind != "linear") return unimplemented("rope is scaled by \"" + std::string(kind) + "\", expected none or linear");
  }
  JINX_TRY_ASSIGN(std::vector<float> factors, ropeFactors(file));
  shape.rope.frequencies = llm::ropeFrequencies(shape.depth, base, scale, factors);
  if (architecture.isGemma) shape.windowRope.frequencies = llm::ropeFrequencies(shape.depth, windowBase, 1, {});
  return Status::ok();
}

namespace {

bool endsWith(std::string_view text, std::string_view end) { return text.size() >= end.size() && text.substr(text.size() - end.size()) == end; }

/// "attn_q.weight" of "blk.3.attn_q.weight".
std::string_view partOf(std::string_view role) {
  const size_t first = role.find('.');
  return first == std::string_view::npos || !role.starts_with("blk.") ? role : role.substr(role.find('.', first + 1) + 1);
}

} // namespace

llm::Place placeOf(const Architecture& architecture, const llm::ModelShape& shape, const std::string& role) {
  llm::Place place{.tensors = {role}};
  const std::string_view part = partOf(role);
  const bool isQuery = part == "attn_q.weight" || part == "attn_q.bias", isKey = part == "attn_k.weight" || part == "attn_k.bias";
  const bool isValue = part == "attn_v.weight" || part == "attn_v.bias";
  if (architecture.rotatesNeighbors && (isQuery || isKey)) place.neighborsOfHead = shape.depth;
  if (architecture.isGpt && (isQuery || isKey || isValue)) {
    place.tensors = {role.substr(0, role.size() - part.size()) + (endsWith(part, ".bias") ? "attn_qkv.bias" : "attn_qkv.weight")};
    place.firstRow = isQuery ? 0 : isKey ? shape.queries() : shape.queries() + shape.keys();
    place.rows = shape.queries() + 2 * shape.keys();
  }
  if (part == "ffn_gate_inp_shexp.weight") place.shape = {shape.width};
  return place;
}

} // namespace jinx::frontends::gguf
