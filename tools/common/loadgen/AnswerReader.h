// What does a streamed answer of OpenAI's interface say, and when? Bytes and times in, a record out; knows no network.
#pragma once

#include <string_view>

#include "tools/common/loadgen/Record.h"
#include "tools/common/loadgen/SseReader.h"

namespace jinx::loadgen {

/// Reads events of completions and of chats. Text is "text", or "content", "reasoning_content", "reasoning" or "tool_calls" of a "delta".
class AnswerReader {
 public:
  /// \param record  gets times, tokens and failures; it outlives this
  explicit AnswerReader(Record& record) : record_(record) {}

  /// \param now_s  when these bytes came, since the request was sent
  void push(std::string_view bytes, double now_s);
  /// There is no more. The answer ended at its end mark; without it, now. An answer without its end mark, "[DONE]", is broken; one whose only sign of tokens is its end has its first token there.
  void finish(double now_s);
  bool isDone() const { return isDone_; }

 private:
  void read(std::string_view event, double now_s);
  void addText(double now_s);

  Record& record_;
  SseReader events_;
  double last_s_ = 0, done_s_ = 0;
  int64_t textEvents_ = 0;
  bool isDone_ = false;
};

} // namespace jinx::loadgen
