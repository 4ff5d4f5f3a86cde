// POST /tokenize, /detokenize and /v1/embeddings: tokens of texts, texts of tokens, vectors of texts.
#pragma once

#include <variant>

#include "runtime/serve/Http.h"
#include "runtime/serve/Limits.h"
#include "runtime/serve/ServedModel.h"

namespace jinx::serve {

using ReplyOrError = std::variant<HttpReply, ApiError>;

/// {"prompt": "…", "add_special_tokens": true} -> {"count", "max_model_len", "tokens"}
ReplyOrError tokenize(const Json& json, const ServedModel& model);
/// {"tokens": […]} -> {"prompt": "…"}
ReplyOrError detokenize(const Json& json, const ServedModel& model);
/// OpenAI's; 404 where no model for it is served.
ReplyOrError embed(const Json& json, const ServedModel& model, const Limits& limits);

} // namespace jinx::serve
