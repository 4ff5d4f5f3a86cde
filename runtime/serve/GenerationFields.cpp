#include "runtime/serve/GenerationFields.h"

#include <charconv>
#include <random>

namespace jinx::serve {

const std::vector<std::string_view> kHarmlessFields = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"};

namespace {

/// Token ids as names, as JSON wants it: {"1234": -100}
std::vector<std::pair<int32_t, float>> readBiases(Fields& fields, int32_t vocabulary, size_t most) {
  std::vector<std::pair<int32_t, float>> biases;
  const Json* given = fields.find("logit_bias");
  if (!given) return biases;
  if (!given->is_object() || given->size() > most) {
    fields.fail("logit_bias", "logit_bias is " + shown(*given) + ", expected an object of at most " + std::to_string(most) + " tokens");
    return biases;
  }
  for (const auto& [name, value] : given->items()) {
    int32_t token = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), token);
    const bool isToken = error == std::errc() && end == name.data() + name.size() && token >= 0 && token < vocabulary;
    const double bias = value.is_number() ? value.get<double>() : 1000;
    if (!isToken) fields.fail("logit_bias", "logit_bias has \"" + name.substr(0, 40) + "\", expected a token below " + std::to_string(vocabulary));
    else if (bias < -100 || bias > 100) fields.fail("logit_bias", "logit_bias has " + shown(value) + ", expected a number from -100 to 100");
    else biases.emplace_back(token, static_cast<float>(bias));
  }
  return biases;
}

std::vector<int32_t> readTokens(Fields& fields, const char* name, int32_t vocabulary, size_t most) {
  std::vector<int32_t> tokens;
  const Json* given = fields.find(name);
  if (!given) return tokens;
  if (!given->is_array() || given->size() > most) {
    fields.fail(name, std::string(name) + " is " + shown(*given) + ", expected an array of at most " + std::to_string(most) + " tokens");
    return tokens;
  }
  for (const Json& token : *given) {
    if (token.is_number_unsigned() && token.get<uint64_t>() < static_cast<uint64_t>(vocabulary)) tokens.push_back(token.get<int32_t>());
    else fields.fail(name, std::string(name) + " has " + shown(token) + ", expected a token below " + std::to_string(vocabulary));
  }
  return tokens;
}

engine::SamplingOptions readSampling(Fields& fields, const ServedModel& model, const Limits& limits) {
  engine::SamplingOptions sampling;
  sampling.temperature = static_cast<float>(fields.number("temperature", 1, {0, 2}));
  sampling.topP = static_cast<float>(fields.number("top_p", 1, {0, 1}));
  // Zero asks for the most probable token, which is what the smallest nucleus holds.
  if (sampling.topP == 0) sampling.topP = 1e-9f;
  sampling.topK = static_cast<int32_t>(fields.integer("top_k", 0, {-1, model.vocabulary}));
  if (sampling.topK < 0) sampling.topK = 0;
  sampling.minP = static_cast<float>(fields.number("min_p", 0, {0, 1}));
  sampling.repetitionPenalty = static_cast<float>(fields.number("repetition_penalty", 1, {0.01, 100}));
  sampling.presencePenalty = static_cast<float>(fields.number("presence_penalty", 0, {-2, 2}));
  sampling.frequencyPenalty = static_cast<float>(fields.number("frequency_penalty", 0, {-2, 2}));
  sampling.logitBias = readBiases(fields, model.vocabulary, static_cast<size_t>(limits.biases));
  std::random_device random;
  const auto unpredicted = static_cast<int64_t>(uint64_t{random()} << 31 | random());
  sampling.seed = static_cast<uint64_t>(fields.integer("seed", unpredicted, {INT64_MIN, INT64_MAX}));
  return sampling;
}

void readStreamOptions(Fields& fields, GenerationFields& read) {
  read.isStream = fields.boolean("stream", false);
  const Json* given = fields.find("stream_options");
  if (!given) return;
  Fields options(*given);
  read.includesUsage = options.boolean("include_usage", false);
  options.refuseOthers(std::vector<std::string_view>{"include_obfuscation"});
  if (options.error()) fields.fail("stream_options", "stream_options: " + options.error()->message);
  if (!read.isStream) fields.fail("stream_options", "stream_options is given, and stream is not true");
}

} // namespace

GenerationFields readGenerationFields(Fields& fields, const ServedModel& model, const Limits& limits) {
  GenerationFields read;
  read.n = static_cast<int32_t>(fields.integer("n", 1, {1, limits.choices}));
  read.stops = fields.texts("stop", static_cast<size_t>(limits.stopStrings), limits.stopBytes);
  read.request.sampling = readSampling(fields, model, limits);
  read.request.stopTokens = readTokens(fields, "stop_token_ids", model.vocabulary, 64);
  if (!fields.boolean("ignore_eos", false)) read.request.stopTokens.insert(read.request.stopTokens.end(), model.endTokens.begin(), model.endTokens.end());
  read.decode.skipSpecial = fields.boolean("skip_special_tokens", true);
  read.request.maxDrafts = model.maxDrafts;
  read.request.retention = static_cast<int32_t>(fields.integer("retention_priority", read.request.retention, {0, engine::BlockPool::kPriorities - 1}));
  read.request.retentionSeconds = fields.number("retention_seconds", engine::Retention::kForever, {0, 1e9});
  readStreamOptions(fields, read);
  if (const Json* format = fields.find("response_format")) read.format = *format;
  return read;
}

void compileFormat(Fields& fields, const ServedModel& model, GenerationFields& read) {
  const Json& format = read.format;
  if (format.is_null() || fields.error()) return;
  const std::string type = format.is_object() && format.contains("type") && format["type"].is_string() ? format["type"].get<std::string>() : "";
  if (type == "text") return;
  if (type.empty()) return fields.fail("response_format", "response_format is " + shown(format) + ", expected an object with \"type\"");
  if (!model.makeMask) return fields.fail("response_format", "response_format of type \"" + type.substr(0, 40) + "\" is not supported here");
  auto mask = model.makeMask(format);
  if (mask) read.request.mask = std::move(*mask);
  else fields.fail("response_format", "response_format: " + mask.status().message());
}

std::optional<ApiError> checkModel(Fields& fields, const std::string& name) {
  const std::string asked = fields.text("model", name);
  if (fields.error() || asked == name) return std::nullopt;
  return ApiError{.status = 404, .message = "there is no model \"" + asked.substr(0, 100) + "\" here; there is \"" + name + "\"", .param = "model", .code = "model_not_found"};
}

} // namespace jinx::serve
