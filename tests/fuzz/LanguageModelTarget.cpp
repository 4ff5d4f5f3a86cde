// Hostile descriptions of language models: the entries of a GGUF file, or a config.json. What the frontends accept becomes a module that is valid.
//
// Of a config.json all tensors that it asks for are there, of zeros, as long as they are few and small: so numbers that do not fit each other meet in
// the graph, if no check is before it.
#include <optional>
#include <random>

#include "frontends/gguf/Architecture.h"
#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/Names.h"
#include "frontends/llm/ModelModule.h"
#include "runtime/formats/Gguf.h"
#include "tests/fuzz/FuzzTarget.h"
#include "tests/fuzz/JsonMutator.h"

namespace jinx::fuzz {
namespace {

using namespace jinx::frontends;

constexpr int64_t kMostElements = 1 << 18, kMostContext = 1 << 14;
constexpr size_t kMostTensors = 400;

constexpr std::string_view kTexts[] = {"llama", "mistral", "qwen2", "qwen3", "gemma3_text", "gpt2", "mixtral", "qwen2_moe", "qwen3_moe", "bert", "model_type", "silu", "gelu", "gelu_new", "relu", "hidden_size",
                                       "head_dim", "intermediate_size", "num_attention_heads", "num_key_value_heads", "num_local_experts", "num_experts", "num_experts_per_tok", "moe_intermediate_size",
                                       "shared_expert_intermediate_size", "decoder_sparse_step", "mlp_only_layers", "layer_types", "full_attention", "sliding_attention", "sliding_window", "max_window_layers",
                                       "rope_scaling", "rope_parameters", "rope_type", "yarn", "llama3", "linear", "default", "factor", "attention_factor", "beta_fast", "truncate", "attention_bias", "mlp_bias",
                                       "tie_word_embeddings", "num_hidden_layers", "query_pre_attn_scalar", "n_embd", "n_head", "n_inner", "eos_token_id"};
constexpr std::string_view kNumbers[] = {"0", "1", "2", "3", "4", "16", "32", "48", "-1", "1e308", "1e-308", "1e999", "0.5", "16777216", "16777217", "2147483648", "9223372036854775807", "18446744073709551616",
                                         "true", "false", "null", "[]", "{}", "[0, 1]", "\"x\""};

/// All that are wanted, of zeros; nothing when they are many or large.
std::optional<llm::FileTensors> tensorsFor(const llm::WantedTensors& wanted, const std::function<llm::Place(const std::string&)>& placeOf) {
  static const std::vector<std::byte> zeros(size_t(kMostElements) * sizeof(float));
  llm::FileTensors tensors;
  for (const auto& [role, what] : wanted) {
    int64_t elements = 1;
    for (int64_t extent : what.shape)
      if (__builtin_mul_overflow(elements, extent, &elements) || elements > kMostElements / 4) return std::nullopt;
    const llm::Place place = placeOf(role);
    const Shape shape = llm::shapeInFile(what.shape, place);
    if (numElements(shape) > kMostElements || tensors.size() + place.tensors.size() > kMostTensors) return std::nullopt;
    for (const std::string& name : place.tensors)
      tensors[name] = {shape, "F32", DType::kF32, nullptr, std::span(zeros).first(size_t(numElements(shape)) * sizeof(float))};
  }
  return tensors;
}

/// The numbers of a model that is small enough to be made.
bool isSmall(int64_t layers, int64_t experts, int64_t context) { return layers <= 8 && experts <= 16 && context <= kMostContext; }

template <typename Make>
void makeModel(const huggingface::Architecture& architecture, const llm::WantedTensors& wanted, int64_t queries, int64_t keys, int64_t experts, Make make) {
  const huggingface::Names names(architecture, queries, keys, experts, {});
  auto placeOf = [&](const std::string& role) { return names.placeOf(role); };
  auto tensors = tensorsFor(wanted, placeOf);
  if (!tensors) return;
  llm::Tensors weights(*tensors, nullptr, wanted, placeOf);
  if (Status status = weights.check("fuzzed", [](std::string_view) { return false; }); !status.isOk()) __builtin_trap();
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto module = make(context, weights);
  if (!module) __builtin_trap();
  countAccepted();
}

void runConfig(std::string_view text) {
  auto json = jinx::text::parseJson(text);
  if (!json || !json->is_object()) return;
  const huggingface::Fields config(*json);
  (void)config.integers("eos_token_id");
  auto architecture = huggingface::readArchitecture(config);
  if (!architecture) return;
  if (architecture->naming == huggingface::Naming::kBert) {
    auto shape = huggingface::readEncoderShape(config, *json);
    if (!shape || !isSmall(shape->layers, 0, shape->context)) return;
    makeModel(*architecture, llm::wantedTensors(*shape), 0, 0, 0, [&](auto& context, auto& weights) { return llm::makeEncoderModule(context, "fuzzed", "bert", *shape, weights, {}); });
    return;
  }
  auto shape = huggingface::readModelShape(config, *architecture);
  if (!shape || !isSmall(shape->layers, shape->experts.count, shape->context)) return;
  makeModel(*architecture, llm::wantedTensors(*shape), shape->queries(), shape->keys(), shape->experts.count,
            [&](auto& context, auto& weights) { return llm::makeStepModule(context, "fuzzed", *shape, weights, {}, {}); });
}

void runGguf(std::span<const std::byte> bytes) {
  auto parsed = GgufFile::parse(bytes);
  if (!parsed) return;
  auto architecture = gguf::readArchitecture(*parsed);
  if (!architecture) return;
  auto shape = gguf::readModelShape(*parsed, *architecture);
  if (!shape) return;
  llm::FileTensors tensors;
  for (const GgufTensor& t : parsed->tensors())
    tensors[std::string(t.name)] = {t.shape, std::string(t.type.name), t.type.dtype, t.type.blocks, t.bytes};
  llm::Tensors weights(std::move(tensors), nullptr, llm::wantedTensors(*shape), [&](const std::string& role) { return gguf::placeOf(*architecture, *shape, role); });
  if (!weights.check(shape->architecture, [](std::string_view) { return false; }).isOk()) return;
  if (!gguf::readRope(*parsed, *architecture, *shape).isOk() || !isSmall(shape->layers, shape->experts.count, shape->context)) return;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  if (!llm::makeStepModule(context, "fuzzed", *shape, weights, {}, {})) __builtin_trap();
  countAccepted();
}

} // namespace
} // namespace jinx::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 rng(seed);
  const bool plain = size == 0 || data[0] != '{' || rng() % 16 == 0;
  return plain ? LLVMFuzzerMutate(data, size, maxSize) : jinx::fuzz::changeJson(data, size, maxSize, rng, jinx::fuzz::kTexts, jinx::fuzz::kNumbers);
}

extern "C" int LLVMFuzzerInitialize(int*, char***) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("GGUF")) jinx::fuzz::runGguf(std::as_bytes(std::span(data, size)));
  else jinx::fuzz::runConfig(text);
  return 0;
}
