#include "runtime/serve/EmbeddingApi.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "runtime/serve/CompletionApi.h"

namespace jinx::serve {
namespace {

/// RFC 4648, of the floats' bytes, lowest first.
void appendBase64(std::string& text, std::span<const float> values) {
  static_assert(std::endian::native == std::endian::little);
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto bytes = std::as_bytes(values);
  text += '"';
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? std::to_integer<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      text += i + k > bytes.size() ? '=' : kLetters[group >> (18 - 6 * k) & 63];
  }
  text += '"';
}

/// Each in the fewest digits that give the same float.
void appendNumbers(std::string& text, std::span<const float> values) {
  char digits[32];
  text += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ',';
    text.append(digits, std::to_chars(digits, digits + sizeof digits, values[i]).ptr);
  }
  text += ']';
}

void cut(std::vector<float>& vector, size_t size) {
  if (size >= vector.size()) return;
  vector.resize(size);
  double sum = 0;
  for (const float value : vector)
    sum += static_cast<double>(value) * static_cast<double>(value);
  const double scale = sum > 0 ? 1 / std::sqrt(sum) : 0;
  for (float& value : vector)
    value = static_cast<float>(static_cast<double>(value) * scale);
}

/// Texts without any letter have tokens of the frame, but say nothing: OpenAI's interface refuses them.
void refuseEmpty(Fields& fields, const Json* input) {
  const auto isEmpty = [](const Json& text) { return text.is_string() && text.get_ref<const std::string&>().empty(); };
  if (input && (isEmpty(*input) || (input->is_array() && std::ranges::any_of(*input, isEmpty)))) fields.fail("input", "input has an empty text, expected at least one character");
}

std::optional<ApiError> checkLengths(const EmbeddingRequest& request, const ServedEncoder& encoder, const Limits& limits) {
  const auto fault = [](std::string message) { return ApiError{.message = std::move(message), .param = "input", .code = "context_length_exceeded"}; };
  for (size_t i = 0; i < request.texts.size(); ++i)
    if (request.texts[i].size() > static_cast<size_t>(encoder.contextLength))
      return fault("text " + std::to_string(i) + " of input has " + std::to_string(request.texts[i].size()) + " tokens, and the model takes at most " + std::to_string(encoder.contextLength));
  if (request.tokens > limits.embeddingTokens)
    return fault("input has " + std::to_string(request.tokens) + " tokens in all, expected at most " + std::to_string(limits.embeddingTokens));
  return std::nullopt;
}

} // namespace

EmbeddingRequestOrError readEmbeddings(const Json& json, const ServedEncoder& encoder, const Limits& limits) {
  Fields fields(json);
  if (auto error = checkModel(fields, encoder.name)) return *error;
  EmbeddingRequest request;
  const std::string encoding = fields.text("encoding_format", "float");
  request.isBase64 = encoding == "base64";
  request.dimensions = static_cast<int32_t>(fields.integer("dimensions", encoder.width, {1, encoder.width}));
  refuseEmpty(fields, fields.find("input"));
  fields.refuseOthers(kHarmlessFields);
  if (encoding != "float" && encoding != "base64") fields.fail("encoding_format", "encoding_format is \"" + encoding.substr(0, 40) + "\", expected float or base64");
  if (fields.error()) return *fields.error();
  request.texts = readPrompts(fields, "input", encoder, static_cast<size_t>(limits.embeddingTexts));
  if (fields.error()) return *fields.error();
  for (const auto& text : request.texts)
    request.tokens += static_cast<int64_t>(text.size());
  if (auto error = checkLengths(request, encoder, limits)) return *error;
  return request;
}

Expected<std::string> embeddingAnswer(const EmbeddingRequest& request, const std::string& model, std::span<std::vector<float>> vectors) {
  std::string body = "{\"object\":\"list\",\"data\":[";
  for (size_t i = 0; i < vectors.size(); ++i) {
    cut(vectors[i], static_cast<size_t>(request.dimensions));
    if (!std::ranges::all_of(vectors[i], [](float value) { return std::isfinite(value); })) return internalError("the vector of text " + std::to_string(i) + " has a number that is not finite");
    body += (i > 0 ? ",{" : "{") + ("\"object\":\"embedding\",\"index\":" + std::to_string(i)) + ",\"embedding\":";
    if (request.isBase64) appendBase64(body, vectors[i]);
    else appendNumbers(body, vectors[i]);
    body += '}';
  }
  const std::string tokens = std::to_string(request.tokens);
  return body + "],\"model\":" + dump(Json(model)) + ",\"usage\":{\"prompt_tokens\":" + tokens + ",\"total_tokens\":" + tokens + "}}";
}

} // namespace jinx::serve
