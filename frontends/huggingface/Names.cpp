#include "frontends/huggingface/Names.h"

#include <span>
#include <utility>

namespace jinx::frontends::huggingface {
namespace {

/// A part of a role, and of a tensor's name.
using Pair = std::pair<std::string_view, std::string_view>;

constexpr Pair kLlamaWhole[] = {{"token_embd", "embed_tokens"}, {"output_norm", "norm"}};
constexpr Pair kLlamaLayer[] = {{"attn_norm", "input_layernorm"},       {"attn_q", "self_attn.q_proj"},         {"attn_k", "self_attn.k_proj"},        {"attn_v", "self_attn.v_proj"},
                                {"attn_output", "self_attn.o_proj"},    {"attn_q_norm", "self_attn.q_norm"},    {"attn_k_norm", "self_attn.k_norm"},   {"ffn_norm", "post_attention_layernorm"},
                                {"ffn_gate", "mlp.gate_proj"},          {"ffn_up", "mlp.up_proj"},              {"ffn_down", "mlp.down_proj"},         {"ffn_gate_inp", "mlp.gate"},
                                {"ffn_gate_shexp", "mlp.shared_expert.gate_proj"}, {"ffn_up_shexp", "mlp.shared_expert.up_proj"},
                                {"ffn_down_shexp", "mlp.shared_expert.down_proj"}, {"ffn_gate_inp_shexp", "mlp.shared_expert_gate"}};
constexpr Pair kGemmaLayer[] = {{"post_attention_norm", "post_attention_layernorm"}, {"ffn_norm", "pre_feedforward_layernorm"}, {"post_ffw_norm", "post_feedforward_layernorm"}};
constexpr Pair kMixtralLayer[] = {{"ffn_gate_inp", "block_sparse_moe.gate"}};
constexpr Pair kGptWhole[] = {{"token_embd", "wte"}, {"position_embd", "wpe"}, {"output_norm", "ln_f"}};
constexpr Pair kGptLayer[] = {{"attn_norm", "ln_1"}, {"attn_output", "attn.c_proj"}, {"ffn_norm", "ln_2"}, {"ffn_up", "mlp.c_fc"}, {"ffn_down", "mlp.c_proj"}};
constexpr Pair kBertWhole[] = {{"token_embd", "embeddings.word_embeddings"},
                               {"position_embd", "embeddings.position_embeddings"},
                               {"token_types", "embeddings.token_type_embeddings"},
                               {"token_embd_norm", "embeddings.LayerNorm"}};
constexpr Pair kBertLayer[] = {{"attn_q", "attention.self.query"},          {"attn_k", "attention.self.key"},        {"attn_v", "attention.self.value"},
                               {"attn_output", "attention.output.dense"},   {"ffn_up", "intermediate.dense"},        {"ffn_down", "output.dense"},
                               {"attn_output_norm", "attention.output.LayerNorm"}, {"layer_output_norm", "output.LayerNorm"}};
constexpr Pair kQwenExperts[] = {{"ffn_gate_exps", "gate_proj"}, {"ffn_up_exps", "up_proj"}, {"ffn_down_exps", "down_proj"}};
constexpr Pair kMixtralExperts[] = {{"ffn_gate_exps", "w1"}, {"ffn_up_exps", "w3"}, {"ffn_down_exps", "w2"}};

/// Empty where the table has no such part.
std::string_view find(std::span<const Pair> table, std::string_view part) {
  for (const auto& [role, name] : table)
    if (role == part) return name;
  return {};
}

std::string joined(std::string_view a, std::string_view b, std::string_view c) { return std::string(a) + std::string(b) + std::string(c); }

} // namespace

Names::Names(const Architecture& architecture, int64_t queries, int64_t keys, int64_t experts, const llm::FileTensors& tensors)
    : naming_(architecture.naming), queries_(queries), keys_(keys), experts_(experts) {
  prefix_ = naming_ == Naming::kGpt ? "transformer." : naming_ == Naming::kBert ? "bert." : "model.";
  const std::string embedding = placeOf("token_embd.weight").tensors[0];
  if (!tensors.count(embedding) && tensors.count(embedding.substr(prefix_.size()))) prefix_.clear();
}

llm::Place Names::placeOf(const std::string& role) const {
  if (role == "output.weight") return {.tensors = {"lm_head.weight"}};
  const size_t dot = role.rfind('.');
  const std::string_view name = std::string_view(role).substr(0, dot), end = std::string_view(role).substr(dot);
  if (!name.starts_with("blk.")) {
    const auto table = naming_ == Naming::kGpt ? std::span<const Pair>(kGptWhole) : naming_ == Naming::kBert ? std::span<const Pair>(kBertWhole) : std::span<const Pair>(kLlamaWhole);
    llm::Place place{.tensors = {joined(prefix_, find(table, name), end)}};
    if (naming_ == Naming::kGemma && name == "output_norm") place.offset = 1;
    return place;
  }
  const size_t second = name.find('.', 4);
  const std::string_view blocks = naming_ == Naming::kGpt ? "h." : naming_ == Naming::kBert ? "encoder.layer." : "layers.";
  return placeInLayer(prefix_ + joined(blocks, name.substr(4, second - 4), "."), name.substr(second + 1), end);
}

llm::Place Names::placeInLayer(const std::string& layer, std::string_view part, std::string_view end) const {
  if (part.ends_with("_exps")) return placeOfExperts(layer, part);
  if (naming_ == Naming::kBert) return {.tensors = {joined(layer, find(kBertLayer, part), end)}};
  if (naming_ == Naming::kGpt) {
    if (part == "attn_q" || part == "attn_k" || part == "attn_v") return placeOfGptAttention(layer, part, end);
    // Its linear layers have [in, out] (Conv1D).
    return {.tensors = {joined(layer, find(kGptLayer, part), end)}, .isTransposed = end == ".weight" && !part.ends_with("norm")};
  }
  std::string_view name;
  if (naming_ == Naming::kGemma) name = find(kGemmaLayer, part);
  if (naming_ == Naming::kMixtral) name = find(kMixtralLayer, part);
  llm::Place place{.tensors = {joined(layer, name.empty() ? find(kLlamaLayer, part) : name, end)}};
  // Norms of gemma3 multiply by 1 + weight.
  if (naming_ == Naming::kGemma && part.ends_with("norm")) place.offset = 1;
  return place;
}

llm::Place Names::placeOfGptAttention(const std::string& layer, std::string_view part, std::string_view end) const {
  return {.tensors = {joined(layer, "attn.c_attn", end)},
          .isTransposed = end == ".weight",
          .firstRow = part == "attn_q" ? 0 : part == "attn_k" ? queries_ : queries_ + keys_,
          .rows = queries_ + 2 * keys_};
}

llm::Place Names::placeOfExperts(const std::string& layer, std::string_view part) const {
  llm::Place place{.isStacked = true};
  const bool isMixtral = naming_ == Naming::kMixtral;
  const std::string_view folder = isMixtral ? "block_sparse_moe.experts." : "mlp.experts.";
  const std::string_view name = find(isMixtral ? std::span<const Pair>(kMixtralExperts) : std::span<const Pair>(kQwenExperts), part);
  for (int64_t expert = 0; expert < experts_; ++expert) place.tensors.push_back(layer + joined(folder, std::to_string(expert), ".") + joined(name, ".weight", ""));
  return place;
}

bool Names::isIgnored(std::string_view tensor) const {
  if (tensor.ends_with(".rotary_emb.inv_freq") || tensor == "lm_head.weight") return true;
  if (naming_ == Naming::kGpt) return tensor.ends_with(".attn.bias") || tensor.ends_with(".attn.masked_bias");
  if (naming_ != Naming::kBert) return false;
  return tensor.ends_with("embeddings.position_ids") || tensor.starts_with(prefix_ + "pooler.") || tensor.starts_with("cls.");
}

} // namespace jinx::frontends::huggingface
