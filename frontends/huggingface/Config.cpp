#include "frontends/huggingface/Config.h"

#include <algorithm>
#include <cmath>

#include "frontends/huggingface/RopeScaling.h"

namespace jinx::frontends::huggingface {
namespace {

constexpr Architecture kArchitectures[] = {
    {.name = "llama", .task = "ForCausalLM"},
    {.name = "mistral", .task = "ForCausalLM"},
    {.name = "qwen2", .task = "ForCausalLM", .hasBiases = true},
    {.name = "qwen3", .task = "ForCausalLM", .normsHeads = true, .namesDepth = true},
    {.name = "gemma3_text", .task = "ForCausalLM", .naming = Naming::kGemma, .normsHeads = true, .namesDepth = true, .tiesByDefault = true},
    {.name = "gpt2", .task = "LMHeadModel", .naming = Naming::kGpt, .hasBiases = true, .tiesByDefault = true},
    {.name = "mixtral", .task = "ForCausalLM", .naming = Naming::kMixtral, .hasExperts = true, .alwaysNormsExperts = true},
    {.name = "qwen2_moe", .task = "ForCausalLM", .hasBiases = true, .hasExperts = true, .sharesExpert = true},
    {.name = "qwen3_moe", .task = "ForCausalLM", .normsHeads = true, .hasExperts = true},
    {.name = "bert", .task = "", .naming = Naming::kBert},
};

/// Fields of what we do not compute, unless they are as they are without.
Status checkUnsupported(const Fields& config) {
  for (const char* name : {"attn_logit_softcapping", "final_logit_softcapping", "clip_qkv", "residual_multiplier", "embedding_multiplier", "logits_scaling"})
    if (config.has(name)) return unimplemented("the model has a field \"" + std::string(name) + "\", which is not supported");
  for (const char* name : {"use_bidirectional_attention", "scale_attn_by_inverse_layer_idx", "add_cross_attention", "is_decoder"}) {
    JINX_TRY_ASSIGN(bool isSet, config.flag(name, false));
    if (isSet) return unimplemented("field \"" + std::string(name) + "\" is true, which is not supported");
  }
  JINX_TRY_ASSIGN(bool isScaled, config.flag("scale_attn_weights", true));
  if (!isScaled) return unimplemented("field \"scale_attn_weights\" is false, which is not supported");
  JINX_TRY_ASSIGN(double rotated, config.positive("partial_rotary_factor", 1));
  if (rotated != 1) return unimplemented("field \"partial_rotary_factor\" is " + std::to_string(rotated) + ", expected 1");
  return Status::ok();
}

Expected<llm::Activation> readActivation(const Fields& config, const char* field, const char* otherwise) {
  JINX_TRY_ASSIGN(std::string name, config.text(field, otherwise));
  if (name == "silu" || name == "swish") return llm::Activation::kSilu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new") return llm::Activation::kGeluTanh;
  if (name == "gelu") return llm::Activation::kGelu;
  return unimplemented("field \"" + std::string(field) + "\" is \"" + name + "\", expected silu, gelu, gelu_new or gelu_pytorch_tanh");
}

/// What GPT-2 calls otherwise.
struct FieldNames {
  const char *layers, *context, *width, *heads, *hidden, *epsilon, *activation;
};
constexpr FieldNames kUsual = {"num_hidden_layers", "max_position_embeddings", "hidden_size", "num_attention_heads", "intermediate_size", "rms_norm_eps", "hidden_act"};
constexpr FieldNames kGpt = {"n_layer", "n_positions", "n_embd", "n_head", "n_inner", "layer_norm_epsilon", "activation_function"};

Status readNumbers(const Fields& config, const Architecture& architecture, llm::ModelShape& shape) {
  const bool isGpt = architecture.naming == Naming::kGpt;
  const FieldNames& names = isGpt ? kGpt : kUsual;
  JINX_TRY_ASSIGN(shape.layers, config.count(names.layers));
  JINX_TRY_ASSIGN(shape.context, config.count(names.context));
  JINX_TRY_ASSIGN(shape.vocabulary, config.count("vocab_size"));
  JINX_TRY_ASSIGN(shape.width, config.count(names.width));
  JINX_TRY_ASSIGN(shape.hidden, isGpt ? config.count(names.hidden, 4 * shape.width) : config.count(names.hidden));
  JINX_TRY_ASSIGN(shape.heads, config.count(names.heads));
  JINX_TRY_ASSIGN(shape.keyHeads, isGpt ? Expected<int64_t>(shape.heads) : config.count("num_key_value_heads", shape.heads));
  JINX_TRY_ASSIGN(shape.depth, architecture.namesDepth ? config.count("head_dim") : config.count("head_dim", std::max<int64_t>(1, shape.width / shape.heads)));
  JINX_TRY_ASSIGN(shape.epsilon, config.positive(names.epsilon, isGpt ? 1e-5 : 1e-6));
  const bool isGemma = architecture.naming == Naming::kGemma;
  JINX_TRY_ASSIGN(shape.activation, isGemma ? readActivation(config, "hidden_activation", "gelu_pytorch_tanh") : readActivation(config, names.activation, isGpt ? "gelu_new" : "silu"));
  if (shape.heads % shape.keyHeads)
    return invalidArgument("field \"num_attention_heads\" is " + std::to_string(shape.heads) + ", expected a multiple of the " + std::to_string(shape.keyHeads) + " heads of keys");
  JINX_TRY(llm::checkDepth(shape.depth));
  constexpr double kOfGemma = 256; // where the field is missing
  JINX_TRY_ASSIGN(double scaled, config.positive("query_pre_attn_scalar", kOfGemma));
  shape.scoreScale = 1 / std::sqrt(isGemma ? scaled : double(shape.depth));
  return Status::ok();
}

Status readParts(const Fields& config, const Architecture& architecture, llm::ModelShape& shape) {
  const bool isGpt = architecture.naming == Naming::kGpt;
  JINX_TRY_ASSIGN(bool attentionBias, config.flag("attention_bias", false));
  JINX_TRY_ASSIGN(bool feedForwardBias, config.flag("mlp_bias", false));
  JINX_TRY_ASSIGN(bool queryBias, config.flag("qkv_bias", true));
  shape.hasBiases = (architecture.hasBiases && queryBias) || attentionBias;
  shape.hasOutputBias = isGpt || attentionBias;
  shape.hasFeedForwardBiases = isGpt || feedForwardBias;
  shape.normsHeads = architecture.normsHeads;
  shape.normsResults = architecture.naming == Naming::kGemma;
  if (shape.normsResults) shape.embeddingScale = std::sqrt(double(shape.width));
  shape.learnsPositions = shape.normsByMean = isGpt;
  shape.isGated = !isGpt;
  JINX_TRY_ASSIGN(bool isTied, config.flag("tie_word_embeddings", architecture.tiesByDefault));
  shape.ownOutput = isTied ? llm::Presence::kNo : llm::Presence::kRequired;
  return Status::ok();
}

// ---- layers with a window of keys -----------------------------------------------------------------------------------------------------

Status readLayerTypes(const text::Json& types, int64_t window, llm::ModelShape& shape) {
  if (int64_t(types.size()) != shape.layers) return invalidArgument("field \"layer_types\" has " + std::to_string(types.size()) + " entries, expected " + std::to_string(shape.layers));
  for (size_t layer = 0; layer < types.size(); ++layer) {
    const text::Json& type = types[layer];
    if (type != "full_attention" && type != "sliding_attention") return text::isOther(type, "full_attention or sliding_attention").withContext("field \"layer_types\"");
    if (type == "sliding_attention" && !window) return invalidArgument("field \"layer_types\" has sliding_attention, but there is no \"sliding_window\"");
    if (type == "sliding_attention") shape.windows[layer] = window;
  }
  return Status::ok();
}

/// The window of layers that have one; 0: no layer has.
Expected<int64_t> readWindow(const Fields& config, const Architecture& architecture) {
  constexpr int64_t kOfMistral = 4096; // where the field is missing, which is not null
  if (architecture.name.starts_with("qwen")) {
    JINX_TRY_ASSIGN(bool isUsed, config.flag("use_sliding_window", false));
    if (!isUsed) return int64_t(0);
  }
  if (architecture.name == "mistral" && !config.object().contains("sliding_window")) return kOfMistral;
  if (architecture.name == "llama") return int64_t(0);
  return config.count("sliding_window", 0);
}

Status readWindows(const Fields& config, const Architecture& architecture, llm::ModelShape& shape) {
  shape.windows.assign(size_t(shape.layers), 0);
  if (architecture.naming == Naming::kGpt) return Status::ok();
  JINX_TRY_ASSIGN(int64_t window, readWindow(config, architecture));
  const bool isGemma = architecture.naming == Naming::kGemma;
  if (isGemma && !window) return invalidArgument("field \"sliding_window\" is missing");
  if (config.has("layer_types") && (isGemma || architecture.name.starts_with("qwen"))) {
    JINX_TRY_ASSIGN(const text::Json* types, text::arrayField(config.object(), "layer_types"));
    return readLayerTypes(*types, window, shape);
  }
  // Of gemma3 each sixth layer sees all keys; qwen models have windows from some layer on.
  JINX_TRY_ASSIGN(int64_t pattern, config.count("sliding_window_pattern", 6));
  JINX_TRY_ASSIGN(int64_t first, text::integerField(config.object(), "max_window_layers", 28));
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    const bool hasWindow = isGemma ? (layer + 1) % pattern != 0 : !architecture.name.starts_with("qwen") || layer >= first;
    if (hasWindow) shape.windows[size_t(layer)] = window;
  }
  return Status::ok();
}

// ---- experts ----------------------------------------------------------------------------------------------------------------------------

/// Layers with experts: each `step`-th, but those that are named.
Status readExpertLayers(const Fields& config, llm::ModelShape& shape) {
  JINX_TRY_ASSIGN(int64_t step, config.count("decoder_sparse_step", 1));
  JINX_TRY_ASSIGN(std::vector<int64_t> dense, config.integers("mlp_only_layers"));
  for (int64_t layer = 0; layer < shape.layers; ++layer) shape.experts.layers.push_back((layer + 1) % step == 0 && std::find(dense.begin(), dense.end(), layer) == dense.end());
  return Status::ok();
}

Status readExperts(const Fields& config, const Architecture& architecture, llm::ModelShape& shape) {
  llm::ExpertShape& experts = shape.experts;
  if (!architecture.hasExperts) return Status::ok();
  const bool isMixtral = architecture.naming == Naming::kMixtral;
  const char* countName = isMixtral ? "num_local_experts" : "num_experts";
  JINX_TRY_ASSIGN(experts.count, config.count(countName));
  JINX_TRY_ASSIGN(experts.used, config.count("num_experts_per_tok"));
  if (experts.used > experts.count)
    return invalidArgument("field \"num_experts_per_tok\" is " + std::to_string(experts.used) + ", expected at most the " + std::to_string(experts.count) + " experts");
  JINX_TRY_ASSIGN(experts.hidden, isMixtral ? Expected<int64_t>(shape.hidden) : config.count("moe_intermediate_size"));
  JINX_TRY_ASSIGN(experts.sharedHidden, architecture.sharesExpert ? config.count("shared_expert_intermediate_size") : Expected<int64_t>(0));
  JINX_TRY_ASSIGN(bool norms, config.flag("norm_topk_prob", false));
  experts.normsWeights = norms || architecture.alwaysNormsExperts;
  return readExpertLayers(config, shape);
}

} // namespace

Expected<Architecture> readArchitecture(const Fields& config) {
  JINX_TRY_ASSIGN(std::string type, config.text("model_type", ""));
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
    if (architecture.name != type) continue;
    if (config.has("quantization_config")) return unimplemented("the model is quantized (field \"quantization_config\"), expected F32, F16 or BF16 weights");
    const text::Json* list = text::findField(config.object(), "architectures");
    const bool isNamed = list && list->is_array() && !list->empty() && (*list)[0].is_string();
    const std::string task = isNamed ? (*list)[0].get<std::string>() : std::string();
    // What a model ends in is told by its class: one that classifies has other tensors. A model without logits (LlamaModel) is none, too.
    if (isNamed && !architecture.task.empty() && !task.ends_with(architecture.task))
      return unimplemented("field \"architectures\" has " + task.substr(0, 80) + ", expected one that ends in " + std::string(architecture.task));
    return architecture;
  }
  return unimplemented("field \"model_type\" is \"" + type.substr(0, 80) + "\", expected one of " + known);
}

Expected<llm::ModelShape> readModelShape(const Fields& config, const Architecture& architecture) {
  llm::ModelShape shape;
  shape.architecture = architecture.name;
  JINX_TRY(checkUnsupported(config));
  JINX_TRY(readNumbers(config, architecture, shape));
  JINX_TRY(readParts(config, architecture, shape));
  JINX_TRY(readWindows(config, architecture, shape));
  JINX_TRY(readExperts(config, architecture, shape));
  if (architecture.naming != Naming::kGpt) JINX_TRY(readRope(config, architecture.naming == Naming::kGemma, shape));
  return shape;
}

Expected<llm::EncoderShape> readEncoderShape(const Fields& config, const text::Json& pooling) {
  llm::EncoderShape shape;
  JINX_TRY(checkUnsupported(config));
  JINX_TRY_ASSIGN(std::string positions, config.text("position_embedding_type", "absolute"));
  if (positions != "absolute") return unimplemented("field \"position_embedding_type\" is \"" + positions + "\", expected absolute");
  JINX_TRY_ASSIGN(shape.layers, config.count("num_hidden_layers"));
  JINX_TRY_ASSIGN(shape.context, config.count("max_position_embeddings"));
  JINX_TRY_ASSIGN(shape.vocabulary, config.count("vocab_size"));
  JINX_TRY_ASSIGN(shape.types, config.count("type_vocab_size", 2));
  JINX_TRY_ASSIGN(shape.width, config.count("hidden_size"));
  JINX_TRY_ASSIGN(shape.hidden, config.count("intermediate_size"));
  JINX_TRY_ASSIGN(shape.heads, config.count("num_attention_heads"));
  JINX_TRY_ASSIGN(shape.epsilon, config.positive("layer_norm_eps", 1e-12));
  JINX_TRY_ASSIGN(shape.activation, readActivation(config, "hidden_act", "gelu"));
  if (shape.width % shape.heads) return invalidArgument("field \"hidden_size\" is " + std::to_string(shape.width) + ", expected a multiple of the " + std::to_string(shape.heads) + " heads");
  if (!pooling.is_object()) return shape;
  for (const auto& [name, value] : pooling.items()) {
    if (!name.starts_with("pooling_mode_") || value != true || name == "pooling_mode_mean_tokens") continue;
    if (name != "pooling_mode_cls_token") return unimplemented("1_Pooling/config.json: field \"" + name.substr(0, 80) + "\" is true, expected pooling_mode_mean_tokens or pooling_mode_cls_token");
    shape.takesFirst = true;
  }
  return shape;
}

} // namespace jinx::frontends::huggingface
