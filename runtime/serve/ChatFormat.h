// What answers of POST /v1/chat/completions look like, whole and in pieces.
#pragma once

#include <set>

#include "runtime/serve/Generation.h"
#include "runtime/serve/ToolCalls.h"

namespace jinx::serve {

class ChatFormat final : public AnswerFormat {
 public:
  /// \param tools  names of those that an answer may call
  ChatFormat(std::string id, const std::string& model, bool hasLogprobs, const std::set<std::string>& tools, size_t choices);

  std::vector<Json> opening(uint32_t choice) override;
  std::vector<Json> chunks(uint32_t choice, Delta delta) override;
  Json whole(std::vector<Delta> choices) override;
  Json head() const override { return head("chat.completion.chunk"); }

 private:
  struct Choice {
    ToolCallReader reader;
    size_t calls = 0; ///< so far
  };
  Json head(const char* object) const;
  Json chunk(uint32_t choice, Json delta, Json logprobs, Json finish) const;
  ToolCallReader::Found read(uint32_t choice, const Delta& delta);
  std::string finishOf(uint32_t choice, const Delta& delta) const;

  const std::string id_, model_;
  const int64_t created_;
  const bool hasLogprobs_;
  std::vector<Choice> choices_;
};

} // namespace jinx::serve
