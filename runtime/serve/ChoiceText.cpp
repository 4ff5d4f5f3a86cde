#include "runtime/serve/ChoiceText.h"

#include <iterator>

namespace jinx::serve {

using engine::FinishReason;

namespace {

const char* nameOf(FinishReason reason) {
  switch (reason) {
  case FinishReason::kStop: return "stop";
  case FinishReason::kLength: return "length";
  case FinishReason::kCancelled: return "cancelled";
  case FinishReason::kError: return "error";
  case FinishReason::kNone: break;
  }
  return "";
}

} // namespace

void Delta::append(Delta more) {
  text += more.text;
  logprobs.insert(logprobs.end(), std::make_move_iterator(more.logprobs.begin()), std::make_move_iterator(more.logprobs.end()));
  if (!more.finish.empty()) finish = std::move(more.finish);
  if (!more.error.empty()) error = std::move(more.error);
}

Delta ChoiceText::push(const Event& event) {
  Delta delta;
  if (isFinished_) return delta;
  cached_ = event.cached;
  const bool isEndToken = event.finish == FinishReason::kStop;
  if (event.token >= 0) {
    ++tokens_;
    if (!isEndToken) {
      if (!event.logprobs.empty()) held_.push_back(describe(event.logprobs));
      Expected<std::string> text = detokenizer_.push(event.token);
      // An id that the model has and the tokenizer has not: no text.
      if (text) add(std::move(*text), delta);
    }
  }
  if (event.finish != FinishReason::kNone && !isStopped()) {
    add(detokenizer_.finish(), delta);
    if (!isStopped()) {
      std::string rest = stops_.finish();
      out_ += rest.size();
      delta.text += rest;
      releaseLogprobs(true, delta);
    }
    delta.finish = nameOf(event.finish);
    delta.error = event.error;
  }
  if (isStopped()) delta.finish = "stop", delta.error.clear();
  isFinished_ = !delta.finish.empty();
  return delta;
}

void ChoiceText::add(std::string text, Delta& delta) {
  pushed_ += text.size();
  std::string sure = stops_.push(text);
  out_ += sure.size();
  delta.text += sure;
  releaseLogprobs(false, delta);
}

void ChoiceText::releaseLogprobs(bool all, Delta& delta) {
  while (!held_.empty() && (all || held_.front().offset < out_)) {
    delta.logprobs.push_back(std::move(held_.front()));
    held_.pop_front();
  }
}

TokenLogprobs ChoiceText::describe(const std::vector<engine::TokenLogprob>& logprobs) const {
  const auto bytesOf = [&](int32_t token) {
    Expected<std::string> bytes = tokenizer_.tokenBytes(token);
    return bytes ? std::move(*bytes) : std::string();
  };
  TokenLogprobs described{bytesOf(logprobs[0].token), logprobs[0].logprob, {}, pushed_};
  for (size_t i = 1; i < logprobs.size(); ++i)
    described.top.emplace_back(bytesOf(logprobs[i].token), logprobs[i].logprob);
  return described;
}

} // namespace jinx::serve
