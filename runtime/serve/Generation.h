// One request for text on its way: from the events of its choices to the bytes of its answer.
//
// What the bytes look like is the format's: CompletionApi, ChatApi.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/serve/ChoiceText.h"
#include "runtime/serve/GenerationFields.h"

namespace jinx::serve {

struct Usage {
  int64_t prompt = 0, cached = 0, output = 0; ///< tokens; cached ones are of the prompt
};
Json toJson(const Usage& usage);

class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  /// The objects of a streamed answer that come before its text.
  virtual std::vector<Json> opening(uint32_t /*choice*/) { return {}; }
  /// Those that tell what is new of a choice.
  virtual std::vector<Json> chunks(uint32_t choice, Delta delta) = 0;
  /// The object of an answer that is not streamed. \param choices  all of each
  virtual Json whole(std::vector<Delta> choices) = 0;
  /// An object with nothing but its head and no choices.
  virtual Json head() const = 0;
};

class Generation {
 public:
  /// \param prompts  tokens; each has `fields.n` choices
  Generation(std::string id, const ServedModel& model, GenerationFields fields, std::vector<std::vector<text::TokenId>> prompts, std::unique_ptr<AnswerFormat> format);

  const std::string& id() const { return id_; }
  const std::string& model() const { return model_; } ///< its name
  const GenerationFields& fields() const { return fields_; }
  bool isStream() const { return fields_.isStream; }
  /// What the engine is asked for; once.
  std::vector<engine::RequestOptions> takeRequests(uint64_t tenant);

  /// Takes in events. \returns the server-sent events that follow from them, empty where the answer is not streamed
  std::string take(std::span<const Event> events);
  /// Choices that ended by a stop string since the last call: the engine should end them too.
  std::vector<uint32_t> takeStopped() { return std::exchange(stopped_, {}); }
  bool isDone() const { return open_ == 0; }
  /// Why there is no answer at all: a refusal, or where nothing is streamed any choice that failed.
  const std::optional<ApiError>& error() const { return error_; }
  /// The answer, where it is not streamed. \pre isDone, no error
  std::string whole();
  /// So far.
  Usage usage() const;
  /// Why choices have ended, by choice; "" for one that has not.
  const std::vector<std::string>& finishes() const { return finishes_; }

 private:
  void takeDelta(uint32_t choice, Delta delta);
  std::string chunksOf(uint32_t choice, Delta delta);

  const std::string id_, model_;
  GenerationFields fields_;
  std::vector<std::vector<text::TokenId>> prompts_;
  std::unique_ptr<AnswerFormat> format_;
  std::vector<ChoiceText> texts_;
  std::vector<Delta> deltas_; ///< by choice: all of it, or where it is streamed what is new
  std::vector<std::string> finishes_;
  std::vector<bool> isOpened_;
  std::vector<uint32_t> stopped_;
  size_t open_;
  int64_t promptTokens_ = 0;
  std::optional<ApiError> error_;
};

/// A name that nobody guesses: the prefix and 24 letters.
std::string randomId(std::string_view prefix);
/// One server-sent event.
std::string sseEvent(const Json& json);

} // namespace jinx::serve
