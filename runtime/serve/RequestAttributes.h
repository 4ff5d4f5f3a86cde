// What does the span of a request say of it? By OpenTelemetry's semantic conventions for generative AI, where they have a name for it.
#pragma once

#include "runtime/serve/EmbeddingApi.h"
#include "runtime/serve/Generation.h"
#include "runtime/serve/Http.h"
#include "runtime/serve/RequestTrace.h"

namespace jinx::serve {

/// chat, text_completion or embeddings, by the path.
const char* operationOf(const HttpRequest& request);

/// Method, path, operation and model.
void describeRoute(RequestTrace& trace, const HttpRequest& request, const std::string& model);
/// What is asked for.
void describeRequest(RequestTrace& trace, const Generation& generation);
void describeRequest(RequestTrace& trace, const EmbeddingRequest& request);
/// What has come of it: tokens, and how choices ended.
void describeAnswer(RequestTrace& trace, const Generation& generation);
/// 4xx and 5xx are a failure.
void describeStatus(RequestTrace& trace, int status);

} // namespace jinx::serve
