// What one request should give: the toy model over a plain list of keys, a token at a time. It knows no pages, no steps and no scheduler.
#pragma once

#include "runtime/engine/Request.h"

namespace jinx::engine {

struct ReferenceAnswer {
  std::vector<int32_t> output;
  FinishReason finish = FinishReason::kNone;
};

ReferenceAnswer generateAlone(const RequestOptions& options, int32_t vocabulary, int32_t contextLength);

/// The distribution of the next token in float64, written down without thought of speed.
///
/// \returns [vocabulary] probabilities; empty where a logit is NaN or no token is left
std::vector<double> exactDistribution(std::span<const float> logits, const SamplingOptions& options, std::span<const int32_t> prompt,
                                      std::span<const int32_t> output, const std::vector<bool>& allowed = {});

} // namespace jinx::engine
