// Hostile bodies of requests: a letter for the route (c completions, m chats, e embeddings, t and d tokens of texts and back), then the body.
//
// Each is refused with a message that names a fault of the client, or accepted: then what the engine would get is within the limits that requests have, and an answer made of
// tokens that such a request may get is JSON. The tokenizer is one of bytes; the chat template and the grammars are real.
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include "runtime/serve/ChatApi.h"
#include "runtime/serve/CompletionApi.h"
#include "runtime/serve/EmbeddingApi.h"
#include "runtime/serve/Formats.h"
#include "runtime/serve/TokenApi.h"
#include "runtime/text/OpenTokenizer.h"
#include "tests/fuzz/FuzzTarget.h"
#include "tests/fuzz/JsonMutator.h"

namespace jinx::fuzz {
namespace {

using namespace jinx::serve;

constexpr int32_t kVocabulary = 256, kContext = 512, kWidth = 64;

constexpr const char* kTemplate = R"({% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}
{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %})";

void require(bool holds) {
  if (!holds) std::abort();
}

/// A token for each byte, as tiktoken's files have it: base64 of the byte, and its number.
text::Tokenizer byteTokenizer() {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string file;
  for (int byte = 0; byte < kVocabulary; ++byte)
    file += std::string() + kLetters[byte >> 2] + kLetters[(byte & 3) << 4] + "== " + std::to_string(byte) + "\n";
  auto tokenizer = text::parseTokenizer(std::as_bytes(std::span(file)));
  require(tokenizer.isOk());
  return *tokenizer;
}

struct Models {
  ServedModel language{{"toy", 0, byteTokenizer(), kVocabulary, kContext}, {0}, 0, {}, nullptr};
  ServedEncoder encoder{{"toy", 0, language.tokenizer, kVocabulary, kContext}, kWidth, {}};
  Models() {
    auto chatTemplate = chat::ChatTemplate::parse(kTemplate);
    auto table = grammar::TokenTable::make(language.tokenizer, language.endTokens, kVocabulary);
    require(chatTemplate.isOk() && table.isOk());
    language.chatTemplate = std::make_shared<const chat::ChatTemplate>(std::move(*chatTemplate));
    language.makeMask = maskMakerOf(std::move(*table), {.compileSeconds = 0.5});
  }
};

const Models& models() {
  static const Models made;
  return made;
}

/// What a client is told; it is to blame.
void checkError(const ApiError& error) {
  require(error.status >= 400 && error.status < 500 && !error.message.empty() && !error.type.empty());
  require(parseJson(dump(toJson(error))).isOk());
}

void checkRequest(const engine::RequestOptions& request) {
  require(!request.prompt.empty() && request.prompt.size() < kContext && request.maxTokens >= 1);
  for (const int32_t token : request.prompt)
    require(token >= 0 && token < kVocabulary);
  for (const int32_t token : request.stopTokens)
    require(token >= 0 && token < kVocabulary);
  const engine::SamplingOptions& sampling = request.sampling;
  require(sampling.temperature >= 0 && sampling.temperature <= 2 && sampling.topP > 0 && sampling.topP <= 1 && sampling.minP >= 0 && sampling.minP <= 1 && sampling.topK >= 0);
  require(sampling.repetitionPenalty > 0 && std::isfinite(sampling.presencePenalty) && std::isfinite(sampling.frequencyPenalty));
  for (const auto& [token, bias] : sampling.logitBias)
    require(token >= 0 && token < kVocabulary && std::abs(bias) <= 100);
}

/// Tokens for each choice, with logprobs; parts of characters and of calls of tools among them.
void answer(Generation& generation, size_t choices, bool hasLogprobs, size_t seed) {
  constexpr std::string_view kSaid = "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call> \xe2\x82\xac\xff stop END";
  std::string streamed;
  std::vector<Event> events;
  for (uint32_t choice = 0; choice < choices; ++choice)
    for (size_t i = 0; i < kSaid.size(); ++i) {
      Event event{.choice = choice, .token = static_cast<unsigned char>(kSaid[(i + seed) % kSaid.size()]), .logprobs = {}};
      if (hasLogprobs) event.logprobs = {{event.token, -1.5f}, {7, -2.0f}};
      if (i + 1 == kSaid.size()) event.finish = seed % 5 == 0 ? engine::FinishReason::kCancelled : engine::FinishReason::kLength;
      events.push_back(std::move(event));
    }
  for (size_t i = 0; i < events.size(); i += 7)
    streamed += generation.take(std::span(events).subspan(i, std::min<size_t>(7, events.size() - i)));
  require(generation.isDone() && !generation.error());
  if (!generation.isStream()) return require(parseJson(generation.whole()).isOk());
  for (size_t begin = 0; begin < streamed.size();) {
    const size_t end = streamed.find("\n\n", begin);
    require(end != std::string::npos && streamed.compare(begin, 6, "data: ") == 0);
    const std::string event = streamed.substr(begin + 6, end - begin - 6);
    require(event == "[DONE]" || parseJson(event).isOk());
    begin = end + 2;
  }
}

void generate(GenerationOrError read, size_t seed) {
  if (const auto* error = std::get_if<ApiError>(&read)) return checkError(*error);
  Generation& generation = *std::get<std::unique_ptr<Generation>>(read);
  countAccepted();
  const std::vector<engine::RequestOptions> requests = generation.takeRequests(0);
  require(!requests.empty() && requests.size() <= static_cast<size_t>(Limits().choices));
  for (const engine::RequestOptions& request : requests)
    checkRequest(request);
  answer(generation, requests.size(), requests[0].sampling.logprobs >= 0, seed);
}

void embed(EmbeddingRequestOrError read) {
  if (const auto* error = std::get_if<ApiError>(&read)) return checkError(*error);
  const auto& request = std::get<EmbeddingRequest>(read);
  countAccepted();
  int64_t tokens = 0;
  for (const auto& text : request.texts) {
    tokens += static_cast<int64_t>(text.size());
    require(!text.empty() && text.size() <= kContext);
    for (const text::TokenId token : text)
      require(token >= 0 && token < kVocabulary);
  }
  require(!request.texts.empty() && request.texts.size() <= 2048 && tokens == request.tokens && request.dimensions >= 1 && request.dimensions <= kWidth);
  std::vector<float> vector(kWidth, -1e-30f);
  vector[0] = 0.5f, vector[2] = 0, vector[63] = 3;
  std::vector<std::vector<float>> vectors(request.texts.size(), vector);
  const auto body = embeddingAnswer(request, "toy", vectors);
  require(body.isOk());
  const auto json = parseJson(*body);
  require(json.isOk() && (*json)["data"].size() == request.texts.size());
}

void reply(ReplyOrError read) {
  if (const auto* error = std::get_if<ApiError>(&read)) return checkError(*error);
  countAccepted();
  require(parseJson(std::get<HttpReply>(read).body).isOk());
}

// What stands for a text or a number of a body: fields and values that some part knows, and ends of every range.
constexpr std::string_view kTexts[] = {"prompt", "messages", "input", "model", "toy", "n", "stop", "stream", "stream_options", "include_usage", "max_tokens", "max_completion_tokens", "temperature", "top_p",
                                       "top_k", "min_p", "seed", "logprobs", "top_logprobs", "logit_bias", "echo", "best_of", "response_format", "type", "text", "json_object", "json_schema", "schema", "regex",
                                       "grammar", "[ab]{2,3}", "((", "root ::= \\\"a\\\"", "role", "user", "system", "assistant", "tool", "developer", "content", "tools", "function", "name", "parameters", "arguments",
                                       "tool_calls", "tool_call_id", "tool_choice", "auto", "none", "required", "f", "id", "object", "string", "integer", "properties", "chat_template_kwargs", "add_generation_prompt",
                                       "encoding_format", "float", "base64", "dimensions", "tokens", "add_special_tokens", "skip_special_tokens", "ignore_eos", "stop_token_ids", "user", "", "5", "-1", "255", "256",
                                       "END", "\\u20ac", "\\u0000", "\\ud83d\\ude00", "<|x|>", "{\\\"a\\\": 1}", "bos_token", "repetition_penalty", "presence_penalty", "frequency_penalty", "metadata"};
constexpr std::string_view kNumbers[] = {"0", "1", "2", "-1", "64", "65", "255", "256", "0.5", "-2", "100", "-100.5", "1e308", "1e999", "-0.0", "2147483647", "2147483648", "9223372036854775808", "18446744073709551615",
                                         "-9223372036854775808", "true", "false", "null", "[]", "{}", "[[]]", "[5]", "[\"a\"]", "\"x\"", "[[1],[2,3]]", "{\"type\":\"text\"}", "{\"5\":1}"};

} // namespace
} // namespace jinx::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 rng(seed);
  if (size < 2 || rng() % 16 == 0) return LLVMFuzzerMutate(data, size, maxSize);
  return 1 + jinx::fuzz::changeJson(data + 1, size - 1, maxSize - 1, rng, jinx::fuzz::kTexts, jinx::fuzz::kNumbers);
}

extern "C" int LLVMFuzzerInitialize(int*, char***) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  if (size == 0) return 0;
  const auto json = serve::parseJson(std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  if (!json) {
    fuzz::checkError(serve::errorOf(json.status()));
    return 0;
  }
  const serve::Limits limits;
  const fuzz::Models& models = fuzz::models();
  const serve::ServedModel& language = models.language;
  switch (data[0]) {
  case 'c': fuzz::generate(serve::readCompletion(*json, language, limits), size); break;
  case 'm': fuzz::generate(serve::readChat(*json, language, limits), size); break;
  case 'e': fuzz::embed(serve::readEmbeddings(*json, models.encoder, limits)); break;
  case 't': fuzz::reply(serve::tokenize(*json, language)); break;
  case 'd': fuzz::reply(serve::detokenize(*json, language)); break;
  default: break;
  }
  return 0;
}
