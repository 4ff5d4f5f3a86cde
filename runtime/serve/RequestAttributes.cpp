#include "runtime/serve/RequestAttributes.h"

#include <algorithm>

namespace jinx::serve {

const char* operationOf(const HttpRequest& request) {
  if (request.path == "/v1/embeddings") return "embeddings";
  return request.path == "/v1/chat/completions" ? "chat" : "text_completion";
}

void describeRoute(RequestTrace& trace, const HttpRequest& request, const std::string& model) {
  trace.set("gen_ai.operation.name", std::string(operationOf(request)));
  trace.set("gen_ai.provider.name", std::string("jinx"));
  trace.set("gen_ai.request.model", model);
  trace.set("gen_ai.response.model", model);
  trace.set("http.request.method", request.method);
  trace.set("url.path", request.path);
}

void describeRequest(RequestTrace& trace, const Generation& generation) {
  const GenerationFields& fields = generation.fields();
  const engine::SamplingOptions& sampling = fields.request.sampling;
  trace.set("gen_ai.response.id", generation.id());
  trace.set("gen_ai.request.max_tokens", int64_t{fields.request.maxTokens});
  trace.set("gen_ai.request.temperature", static_cast<double>(sampling.temperature));
  trace.set("gen_ai.request.top_p", static_cast<double>(sampling.topP));
  if (sampling.topK > 0) trace.set("gen_ai.request.top_k", static_cast<double>(sampling.topK));
  if (sampling.presencePenalty != 0) trace.set("gen_ai.request.presence_penalty", static_cast<double>(sampling.presencePenalty));
  if (sampling.frequencyPenalty != 0) trace.set("gen_ai.request.frequency_penalty", static_cast<double>(sampling.frequencyPenalty));
  trace.set("gen_ai.request.seed", static_cast<int64_t>(sampling.seed));
  if (!fields.stops.empty()) trace.set("gen_ai.request.stop_sequences", fields.stops);
  if (fields.n != 1) trace.set("gen_ai.request.choice.count", int64_t{fields.n});
}

void describeRequest(RequestTrace& trace, const EmbeddingRequest& request) {
  trace.set("gen_ai.embeddings.dimension.count", int64_t{request.dimensions});
  trace.set("gen_ai.request.encoding_formats", std::vector<std::string>{request.isBase64 ? "base64" : "float"});
  trace.set("gen_ai.usage.input_tokens", request.tokens);
  trace.set("jinx.texts", static_cast<int64_t>(request.texts.size()));
}

void describeAnswer(RequestTrace& trace, const Generation& generation) {
  const Usage usage = generation.usage();
  trace.set("gen_ai.usage.input_tokens", usage.prompt);
  trace.set("gen_ai.usage.output_tokens", usage.output);
  trace.set("gen_ai.usage.cache_read.input_tokens", usage.cached);
  std::vector<std::string> finishes;
  for (const std::string& finish : generation.finishes())
    if (!finish.empty()) finishes.push_back(finish);
  if (std::ranges::find(finishes, "error") != finishes.end()) trace.fail("error");
  if (!finishes.empty()) trace.set("gen_ai.response.finish_reasons", std::move(finishes));
}

void describeStatus(RequestTrace& trace, int status) {
  trace.set("http.response.status_code", int64_t{status});
  if (status >= 400) trace.fail(std::to_string(status));
}

} // namespace jinx::serve
