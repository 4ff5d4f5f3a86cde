#include "runtime/serve/TokenApi.h"

#include <bit>
#include <cstring>

#include "runtime/serve/CompletionApi.h"

namespace jinx::serve {
namespace {

/// RFC 4648, of the floats' bytes, lowest first.
std::string base64(std::span<const float> values) {
  static_assert(std::endian::native == std::endian::little);
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto bytes = std::as_bytes(values);
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? std::to_integer<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      text += i + k > bytes.size() ? '=' : kLetters[group >> (18 - 6 * k) & 63];
  }
  return text;
}

} // namespace

ReplyOrError tokenize(const Json& json, const ServedModel& model) {
  Fields fields(json);
  if (auto error = checkModel(fields, model.name)) return *error;
  const Json* prompt = fields.find("prompt");
  const bool addsSpecial = fields.boolean("add_special_tokens", true);
  fields.refuseOthers({});
  if (!prompt || !prompt->is_string()) fields.fail("prompt", std::string("prompt is ") + (prompt ? shown(*prompt) : "missing") + ", expected text");
  if (fields.error()) return *fields.error();
  auto tokens = model.tokenizer.encode(prompt->get_ref<const std::string&>(), {.addSpecial = addsSpecial});
  if (!tokens) return errorOf(tokens.status(), "prompt");
  return replyOf(Json{{"count", tokens->size()}, {"max_model_len", model.contextLength}, {"tokens", *tokens}});
}

ReplyOrError detokenize(const Json& json, const ServedModel& model) {
  Fields fields(json);
  if (auto error = checkModel(fields, model.name)) return *error;
  const Json* given = fields.find("tokens");
  fields.refuseOthers({});
  if (!given || !given->is_array()) fields.fail("tokens", std::string("tokens is ") + (given ? shown(*given) : "missing") + ", expected an array");
  if (fields.error()) return *fields.error();
  std::vector<text::TokenId> tokens;
  for (const Json& token : *given) {
    const bool isToken = token.is_number_unsigned() && token.get<uint64_t>() < model.tokenizer.vocabularySize();
    if (!isToken) return badField("tokens", "tokens has " + shown(token) + ", expected tokens below " + std::to_string(model.tokenizer.vocabularySize()));
    tokens.push_back(token.get<text::TokenId>());
  }
  auto text = model.tokenizer.decode(tokens, {.skipSpecial = false});
  if (!text) return errorOf(text.status(), "tokens");
  return replyOf(Json{{"prompt", *text}});
}

ReplyOrError embed(const Json& json, const ServedModel& model, const Limits& limits) {
  if (!model.embed) return ApiError{.status = 404, .message = "no model for embeddings is served here", .code = "model_not_found"};
  Fields fields(json);
  if (auto error = checkModel(fields, model.embeddingName)) return *error;
  const std::string encoding = fields.text("encoding_format", "float");
  const auto inputs = readPrompts(fields, "input", model, limits);
  fields.refuseOthers(kHarmlessFields);
  if (encoding != "float" && encoding != "base64") fields.fail("encoding_format", "encoding_format is \"" + encoding.substr(0, 40) + "\", expected float or base64");
  if (fields.error()) return *fields.error();
  Json data = Json::array();
  size_t tokens = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto vector = model.embed(inputs[i]);
    if (!vector) return errorOf(vector.status(), "input");
    tokens += inputs[i].size();
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", encoding == "base64" ? Json(base64(*vector)) : Json(*vector)}});
  }
  return replyOf(Json{{"object", "list"}, {"data", std::move(data)}, {"model", model.embeddingName}, {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
}

} // namespace jinx::serve
