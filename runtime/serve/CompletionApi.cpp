#include "runtime/serve/CompletionApi.h"

#include <ctime>

#include "runtime/text/Utf8.h"

namespace jinx::serve {

std::string tokenName(const std::string& bytes) {
  if (text::isUtf8(bytes)) return bytes;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string name = "bytes:";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    name += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
  }
  return name;
}

std::optional<ApiError> checkLength(size_t promptTokens, const ServedModel& model) {
  if (promptTokens < static_cast<size_t>(model.contextLength)) return std::nullopt;
  return ApiError{.message = "the prompt has " + std::to_string(promptTokens) + " tokens, and the model has room for " + std::to_string(model.contextLength) + " of prompt and answer",
                  .code = "context_length_exceeded"};
}

namespace {

class CompletionFormat final : public AnswerFormat {
 public:
  CompletionFormat(std::string id, std::string model, bool hasLogprobs, std::vector<std::string> echoes)
      : head_({{"id", std::move(id)}, {"object", "text_completion"}, {"created", std::time(nullptr)}, {"model", std::move(model)}, {"choices", Json::array()}}),
        hasLogprobs_(hasLogprobs), echoes_(std::move(echoes)) {}

  Json head() const override { return head_; }

  std::vector<Json> opening(uint32_t choice) override {
    if (echoes_.empty()) return {};
    return chunks(choice, Delta{.text = echoes_[choice]});
  }
  std::vector<Json> chunks(uint32_t choice, Delta delta) override {
    Json json = head_;
    json["choices"].push_back(toJson(choice, delta));
    return {std::move(json)};
  }
  Json whole(std::vector<Delta> choices) override {
    Json json = head_;
    for (uint32_t choice = 0; choice < choices.size(); ++choice) {
      if (!echoes_.empty()) choices[choice].text.insert(0, echoes_[choice]);
      json["choices"].push_back(toJson(choice, choices[choice]));
    }
    return json;
  }

 private:
  Json toJson(uint32_t choice, const Delta& delta) const {
    return {{"index", choice},
            {"text", delta.text},
            {"logprobs", hasLogprobs_ ? logprobsOf(delta.logprobs) : Json()},
            {"finish_reason", delta.finish.empty() ? Json() : Json(delta.finish)}};
  }
  static Json logprobsOf(const std::vector<TokenLogprobs>& logprobs) {
    Json json = {{"tokens", Json::array()}, {"token_logprobs", Json::array()}, {"top_logprobs", Json::array()}, {"text_offset", Json::array()}};
    for (const TokenLogprobs& token : logprobs) {
      Json top = {{tokenName(token.bytes), token.logprob}};
      for (const auto& [bytes, logprob] : token.top)
        top[tokenName(bytes)] = logprob;
      json["tokens"].push_back(tokenName(token.bytes));
      json["token_logprobs"].push_back(token.logprob);
      json["top_logprobs"].push_back(std::move(top));
      json["text_offset"].push_back(token.offset);
    }
    return json;
  }

  const Json head_;
  const bool hasLogprobs_;
  const std::vector<std::string> echoes_; ///< by choice; empty: none
};

std::vector<text::TokenId> promptOf(Fields& fields, const char* name, const Json& prompt, const TextModel& model) {
  if (prompt.is_string()) {
    auto tokens = model.tokenizer.encode(prompt.get_ref<const std::string&>(), {});
    if (tokens) return std::move(*tokens);
    fields.fail(name, tokens.status().message());
    return {};
  }
  std::vector<text::TokenId> tokens;
  for (const Json& token : prompt) {
    const bool isToken = token.is_number_unsigned() && token.get<uint64_t>() < static_cast<uint64_t>(model.vocabulary);
    if (isToken) tokens.push_back(token.get<text::TokenId>());
    else fields.fail(name, std::string(name) + " has " + shown(token) + ", expected a token below " + std::to_string(model.vocabulary));
    if (!isToken) break;
  }
  return tokens;
}

std::vector<std::string> echoesOf(const Json& prompts, const std::vector<std::vector<text::TokenId>>& tokens, const GenerationFields& read, const ServedModel& model) {
  std::vector<std::string> echoes;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Json& given = prompts.is_array() && prompts.size() == tokens.size() ? prompts[i] : prompts;
    Expected<std::string> decoded = given.is_string() ? Expected<std::string>(given.get<std::string>()) : model.tokenizer.decode(tokens[i], {});
    echoes.insert(echoes.end(), static_cast<size_t>(read.n), decoded ? *decoded : std::string());
  }
  return echoes;
}

} // namespace

std::vector<std::vector<text::TokenId>> readPrompts(Fields& fields, const char* name, const TextModel& model, size_t most) {
  const Json* given = fields.find(name);
  const bool isArray = given && given->is_array() && !given->empty();
  if (!given || !(given->is_string() || isArray)) {
    fields.fail(name, std::string(name) + " is " + (given ? shown(*given) : "missing") + ", expected text, tokens, or an array of these");
    return {};
  }
  const bool isMany = isArray && ((*given)[0].is_string() || (*given)[0].is_array());
  if (isMany && given->size() > most) {
    fields.fail(name, std::string(name) + " has " + std::to_string(given->size()) + " texts, expected at most " + std::to_string(most));
    return {};
  }
  std::vector<std::vector<text::TokenId>> prompts;
  for (const Json& prompt : isMany ? *given : Json::array({*given})) {
    if (!prompt.is_string() && !prompt.is_array()) fields.fail(name, std::string(name) + " has " + shown(prompt) + ", expected text or tokens");
    if (fields.error()) return {};
    prompts.push_back(promptOf(fields, name, prompt, model));
    if (prompts.back().empty()) fields.fail(name, std::string(name) + " has no tokens, expected at least one");
  }
  return prompts;
}

GenerationOrError readCompletion(const Json& json, const ServedModel& model, const Limits& limits) {
  Fields fields(json);
  if (auto error = checkModel(fields, model.name)) return *error;
  const int32_t logprobs = static_cast<int32_t>(fields.integer("logprobs", -1, {0, limits.logprobs}));
  const int64_t maxTokens = fields.integer("max_tokens", 16, {1, INT32_MAX});
  const bool echo = fields.boolean("echo", false);
  const int64_t bestOf = fields.integer("best_of", 0, {1, limits.choices});
  fields.find("prompt");
  if (echo && logprobs >= 0) fields.fail("echo", "echo together with logprobs is not supported: there are no logprobs of prompts");
  GenerationFields read = readGenerationFields(fields, model, limits);
  fields.refuseOthers(kHarmlessFields);
  if (bestOf != 0 && bestOf != read.n) fields.fail("best_of", "best_of is " + std::to_string(bestOf) + ", expected n, " + std::to_string(read.n));
  if (fields.error()) return *fields.error();
  auto prompts = readPrompts(fields, "prompt", model, static_cast<size_t>(limits.choices));
  if (prompts.size() * static_cast<size_t>(read.n) > static_cast<size_t>(limits.choices))
    fields.fail("n", "prompts times n is " + std::to_string(prompts.size() * static_cast<size_t>(read.n)) + ", expected at most " + std::to_string(limits.choices));
  if (fields.error()) return *fields.error();
  for (const auto& prompt : prompts)
    if (auto error = checkLength(prompt.size(), model)) return *error;
  compileFormat(fields, model, read);
  if (fields.error()) return *fields.error();
  read.request.maxTokens = static_cast<int32_t>(maxTokens);
  read.request.sampling.logprobs = logprobs;
  const std::string id = randomId("cmpl-");
  std::vector<std::string> echoes;
  if (echo) echoes = echoesOf(json["prompt"], prompts, read, model);
  auto format = std::make_unique<CompletionFormat>(id, model.name, logprobs >= 0, std::move(echoes));
  return std::make_unique<Generation>(id, model, std::move(read), std::move(prompts), std::move(format));
}

} // namespace jinx::serve
