// POST /v1/chat/completions: which conversation is to go on?
#pragma once

#include "runtime/serve/CompletionApi.h"

namespace jinx::serve {

/// \param json  the request's body
GenerationOrError readChat(const Json& json, const ServedModel& model, const Limits& limits);

} // namespace jinx::serve
