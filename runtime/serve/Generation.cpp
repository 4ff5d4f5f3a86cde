#include "runtime/serve/Generation.h"

#include <random>

namespace jinx::serve {

std::string randomId(std::string_view prefix) {
  constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuv"; // 32
  std::random_device random; // the system's, not a generator that can be guessed from its values
  std::string id(prefix);
  for (int i = 0; i < 4; ++i)
    for (uint32_t bits = random(), k = 0; k < 6; ++k, bits >>= 5)
      id += kLetters[bits & 31];
  return id;
}

std::string sseEvent(const Json& json) { return "data: " + dump(json) + "\n\n"; }

Json toJson(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt},
          {"completion_tokens", usage.output},
          {"total_tokens", usage.prompt + usage.output},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached}}}};
}

Generation::Generation(std::string id, const ServedModel& model, GenerationFields fields, std::vector<std::vector<text::TokenId>> prompts,
                       std::unique_ptr<AnswerFormat> format)
    : id_(std::move(id)), model_(model.name), fields_(std::move(fields)), prompts_(std::move(prompts)), format_(std::move(format)) {
  open_ = prompts_.size() * static_cast<size_t>(fields_.n);
  for (size_t i = 0; i < open_; ++i)
    texts_.emplace_back(model.tokenizer, fields_.decode, fields_.stops);
  deltas_.resize(open_);
  finishes_.resize(open_);
  isOpened_.resize(open_);
  for (const auto& prompt : prompts_)
    promptTokens_ += static_cast<int64_t>(prompt.size());
}

std::vector<engine::RequestOptions> Generation::takeRequests(uint64_t tenant) {
  std::vector<engine::RequestOptions> requests;
  for (const auto& prompt : prompts_)
    for (int32_t k = 0; k < fields_.n; ++k) {
      requests.push_back(fields_.request);
      requests.back().prompt = prompt;
      requests.back().sampling.seed += static_cast<uint64_t>(k);
      requests.back().tenant = tenant;
    }
  prompts_.clear();
  return requests;
}

std::string Generation::take(std::span<const Event> events) {
  for (const Event& event : events) {
    if (event.refusal) {
      error_ = errorOf(*event.refusal);
      open_ = 0;
      return "";
    }
    takeDelta(event.choice, texts_[event.choice].push(event));
  }
  if (!isStream()) return "";
  std::string out;
  for (uint32_t choice = 0; choice < deltas_.size(); ++choice)
    if (!deltas_[choice].isEmpty()) out += chunksOf(choice, std::exchange(deltas_[choice], {}));
  if (!isDone()) return out;
  if (fields_.includesUsage) {
    Json last = format_->head();
    last["usage"] = toJson(usage());
    out += sseEvent(last);
  }
  return out + "data: [DONE]\n\n";
}

void Generation::takeDelta(uint32_t choice, Delta delta) {
  if (!delta.finish.empty()) {
    --open_;
    finishes_[choice] = delta.finish;
    if (texts_[choice].isStopped()) stopped_.push_back(choice);
    if (delta.finish == "error" && !isStream()) error_ = ApiError{.status = 500, .type = "server_error", .message = delta.error};
  }
  deltas_[choice].append(std::move(delta));
}

std::string Generation::chunksOf(uint32_t choice, Delta delta) {
  std::string out;
  if (!isOpened_[choice])
    for (const Json& chunk : format_->opening(choice))
      out += sseEvent(chunk);
  isOpened_[choice] = true;
  // The status is out already: an error is an event.
  if (delta.finish == "error") return out + sseEvent(toJson(ApiError{.type = "server_error", .message = delta.error}));
  for (const Json& chunk : format_->chunks(choice, std::move(delta)))
    out += sseEvent(chunk);
  return out;
}

std::string Generation::whole() {
  Json json = format_->whole(std::move(deltas_));
  json["usage"] = toJson(usage());
  return dump(json);
}

/// A prompt counts once, however many choices it has.
Usage Generation::usage() const {
  Usage usage{promptTokens_, 0, 0};
  for (size_t i = 0; i < texts_.size(); ++i) {
    usage.output += texts_[i].tokens();
    if (i % static_cast<size_t>(fields_.n) == 0) usage.cached += texts_[i].cached();
  }
  return usage;
}

} // namespace jinx::serve
