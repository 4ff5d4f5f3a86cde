// The fields that requests for completions and for chats have in common.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/engine/Request.h"
#include "runtime/serve/Fields.h"
#include "runtime/serve/Limits.h"
#include "runtime/serve/ServedModel.h"

namespace jinx::serve {

struct GenerationFields {
  engine::RequestOptions request; ///< of each choice, without its prompt; seeds are counted up from this one's
  int32_t n = 1;
  std::vector<std::string> stops;
  bool isStream = false, includesUsage = false;
  text::DecodeOptions decode;
  Json format; ///< what the text has to be; null: any text
};

/// Reads all but the prompt, `max_tokens` and `logprobs`. Errors are left in `fields`.
GenerationFields readGenerationFields(Fields& fields, const ServedModel& model, const Limits& limits);

/// The mask of the format, which may take its time; nothing is compiled where there is an error already.
void compileFormat(Fields& fields, const ServedModel& model, GenerationFields& read);

/// Fields of OpenAI's interface that change no answer.
extern const std::vector<std::string_view> kHarmlessFields;

/// 404 when `model` names another one.
std::optional<ApiError> checkModel(Fields& fields, const std::string& name);

} // namespace jinx::serve
