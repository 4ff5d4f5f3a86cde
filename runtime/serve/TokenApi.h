// POST /tokenize and /detokenize: tokens of texts, texts of tokens.
#pragma once

#include <variant>

#include "runtime/serve/Http.h"
#include "runtime/serve/ServedModel.h"

namespace jinx::serve {

using ReplyOrError = std::variant<HttpReply, ApiError>;

/// {"prompt": "…", "add_special_tokens": true} -> {"count", "max_model_len", "tokens"}
ReplyOrError tokenize(const Json& json, const TextModel& model);
/// {"tokens": […]} -> {"prompt": "…"}
ReplyOrError detokenize(const Json& json, const TextModel& model);

} // namespace jinx::serve
