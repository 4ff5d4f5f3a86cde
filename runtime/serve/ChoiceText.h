// From tokens of one choice to what its reader gets: text up to a stop string, with logprobs, and why it ended.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "runtime/serve/EventQueue.h"
#include "runtime/serve/StopText.h"
#include "runtime/text/Tokenizer.h"

namespace jinx::serve {

struct TokenLogprobs {
  std::string bytes; ///< of the token; they need not be UTF-8
  float logprob = 0;
  std::vector<std::pair<std::string, float>> top; ///< the most probable tokens
  size_t offset = 0; ///< bytes of text in front of it
};

/// What is new.
struct Delta {
  std::string text;
  std::vector<TokenLogprobs> logprobs; ///< of tokens whose text is out
  std::string finish; ///< "stop", "length", "cancelled" or "error"; empty: it goes on
  std::string error;  ///< where it is "error"

  void append(Delta more);
  bool isEmpty() const { return text.empty() && logprobs.empty() && finish.empty(); }
};

class ChoiceText {
 public:
  ChoiceText(const text::Tokenizer& tokenizer, text::DecodeOptions options, std::vector<std::string> stops)
      : tokenizer_(tokenizer), detokenizer_(tokenizer, options), stops_(std::move(stops)) {}

  /// Does nothing once it has finished.
  Delta push(const Event& event);
  bool isFinished() const { return isFinished_; }
  /// It ended by a stop string: what the engine still makes of it is not wanted.
  bool isStopped() const { return stops_.isStopped(); }
  int32_t tokens() const { return tokens_; }
  int32_t cached() const { return cached_; }

 private:
  void add(std::string text, Delta& delta);
  void releaseLogprobs(bool all, Delta& delta);
  TokenLogprobs describe(const std::vector<engine::TokenLogprob>& logprobs) const;

  text::Tokenizer tokenizer_;
  text::Detokenizer detokenizer_;
  StopText stops_;
  std::deque<TokenLogprobs> held_; ///< of tokens whose text may be part of a stop string
  size_t pushed_ = 0, out_ = 0;    ///< bytes of text
  int32_t tokens_ = 0, cached_ = 0;
  bool isFinished_ = false;
};

} // namespace jinx::serve
