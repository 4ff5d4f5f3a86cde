// POST /v1/completions: which texts are asked for, and what do their answers look like?
#pragma once

#include <variant>

#include "runtime/serve/Generation.h"

namespace jinx::serve {

using GenerationOrError = std::variant<std::unique_ptr<Generation>, ApiError>;

/// \param json  the request's body
GenerationOrError readCompletion(const Json& json, const ServedModel& model, const Limits& limits);

/// Prompts in all forms that OpenAI's interface has: a text, tokens, or an array of at most so many of either; an error is left in `fields`.
std::vector<std::vector<text::TokenId>> readPrompts(Fields& fields, const char* name, const TextModel& model, size_t most);

/// Bytes of a token as a name: as they are where they are UTF-8, else "bytes:\xe2\x80".
std::string tokenName(const std::string& bytes);

/// An error with the code `context_length_exceeded`, where a prompt leaves no room for a token.
std::optional<ApiError> checkLength(size_t promptTokens, const ServedModel& model);

} // namespace jinx::serve
