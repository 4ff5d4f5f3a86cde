#include "runtime/engine/Request.h"

#include <algorithm>

namespace jinx::engine {

Status validate(const RequestOptions& options, int32_t vocabulary, int32_t contextLength) {
  if (options.prompt.empty()) return invalidArgument("the prompt has no tokens, expected at least one");
  if (options.prompt.size() >= static_cast<size_t>(contextLength))
    return invalidArgument("the prompt has " + std::to_string(options.prompt.size()) + " tokens, expected fewer than the context's " +
                           std::to_string(contextLength));
  const auto isToken = [&](int32_t token) { return token >= 0 && token < vocabulary; };
  for (int32_t token : options.prompt)
    if (!isToken(token))
      return invalidArgument("token " + std::to_string(token) + " of the prompt is not in the vocabulary of " + std::to_string(vocabulary));
  if (options.maxTokens < 1) return invalidArgument("max_tokens is " + std::to_string(options.maxTokens) + ", expected at least 1");
  for (const auto& sequence : options.stopSequences)
    if (sequence.empty()) return invalidArgument("a stop sequence is empty");
  if (options.maxDrafts < 0 || options.maxDrafts > 64)
    return invalidArgument("max_drafts is " + std::to_string(options.maxDrafts) + ", expected 0 to 64");
  if (options.retention < 0 || options.retention >= BlockPool::kPriorities)
    return invalidArgument("retention is " + std::to_string(options.retention) + ", expected 0 to " + std::to_string(BlockPool::kPriorities - 1));
  if (!(options.retentionSeconds >= 0)) return invalidArgument("retention_seconds is " + std::to_string(options.retentionSeconds) + ", expected 0 or more");
  return validate(options.sampling, vocabulary);
}

FinishReason stopAfterLast(const Request& request, int32_t contextLength) {
  const RequestOptions& options = request.options;
  const auto output = request.output();
  if (std::ranges::find(options.stopTokens, output.back()) != options.stopTokens.end()) return FinishReason::kStop;
  for (const auto& sequence : options.stopSequences)
    if (sequence.size() <= output.size() && std::ranges::equal(sequence, output.last(sequence.size()))) return FinishReason::kStop;
  const bool isFull = request.known() >= contextLength || request.generated() >= options.maxTokens;
  return isFull ? FinishReason::kLength : FinishReason::kNone;
}

} // namespace jinx::engine
