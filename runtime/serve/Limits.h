// How much may one client ask for, and how long may it take?
#pragma once

#include <cstddef>
#include <cstdint>

namespace jinx::serve {

struct Limits {
  size_t headerBytes = 16 << 10;
  size_t bodyBytes = 4 << 20;
  size_t connections = 1024;      ///< open ones; more are closed at once
  size_t aheadBytes = 16 << 10;   ///< that a client may send while it waits for an answer
  size_t pendingEvents = 2048;    ///< of an answer that its reader has not taken; one more ends the request
  int socketBytes = 64 << 10;     ///< that the system keeps of an answer for a reader; more wait as events
  int32_t choices = 64;           ///< answers of one request: prompts times n
  int32_t embeddingTexts = 2048;  ///< of one request for vectors, as OpenAI has it
  int64_t embeddingTokens = 300000; ///< of all its texts, as OpenAI has it
  int32_t logprobs = 20;          ///< of the most probable tokens
  int32_t stopStrings = 16;
  size_t stopBytes = 1024;        ///< of one of them
  int32_t biases = 1024;          ///< tokens of logit_bias
  double headerSeconds = 20;      ///< to send a request's header
  double bodySeconds = 60;        ///< to send its body
  double idleSeconds = 120;       ///< between two requests
  double writeSeconds = 30;       ///< without any byte taken
};

} // namespace jinx::serve
