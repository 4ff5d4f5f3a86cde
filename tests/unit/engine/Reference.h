// What one request should give: the toy model over a plain list of keys, a token at a time. It knows no pages, no steps and no scheduler.
#pragma once

#include <functional>

#include "runtime/engine/Request.h"
#include "tests/unit/engine/ToyModel.h"

namespace jinx::engine {

struct ReferenceAnswer {
  std::vector<int32_t> output;
  FinishReason finish = FinishReason::kNone;
  int32_t silentFrom = 1 << 30; ///< the first position of a token of which the toy draft model says nothing
};

/// Whether a toy model that picks tokens picks those of the request, where it can; else they are drawn from its logits.
bool isPickedAlone(const RequestOptions& options, bool hasDraftModel);
/// How it picks the token at a position.
RowDraw drawAlone(const SamplingOptions& sampling, int32_t position);

/// \param isProposed  whether the toy draft model says what a token at a position may be, for a request that has drafts; null: there is no such model
/// \param picking     of the toy model
ReferenceAnswer generateAlone(const RequestOptions& options, int32_t vocabulary, int32_t contextLength, const std::function<bool(int32_t)>& isProposed = {},
                              const ToyPicking& picking = {});

/// A token of the distribution p, of a guess that is drawn from q: the rule as the papers write it.
int32_t chooseByRejection(std::span<const Candidate> p, std::span<const Candidate> q, uint64_t seed, uint64_t position);

/// The distribution of the next token in float64, written down without thought of speed.
///
/// \returns [vocabulary] probabilities; empty where a logit is NaN or no token is left
std::vector<double> exactDistribution(std::span<const float> logits, const SamplingOptions& options, std::span<const int32_t> prompt,
                                      std::span<const int32_t> output, const std::vector<bool>& allowed = {});

} // namespace jinx::engine
