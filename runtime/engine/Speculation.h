// Which tokens may come next, and which guesses stand?
//
// A step verifies k drafts of a sequence at once: it runs the last token and the drafts, and gives k + 1 rows of logits.
//
// *Drafts without a distribution (n-gram, prompt lookup)* have q = 1 at one token. The engine samples each row as it would without drafts, at the same
// (seed, position), and goes on while the sample is the draft. That is the rule "accept while u < p/q, else sample max(p - q, 0)" for such a q: a draft d
// stands with probability p(d), and what else is sampled has the distribution p without d. And it is more than equal in distribution: each token is
// the one that sampling without drafts would have given, at every temperature. So how many drafts fit into a step cannot change an output.
//
// *Drafts from a distribution q* (a draft model) are accepted by `acceptDraft`: Leviathan, Kalman and Matias, "Fast inference from transformers via
// speculative decoding" (2023); Chen et al. (2023). Both p and q are what all samplers leave.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace jinx::engine {

/// Prompt lookup: what followed the last time that the last tokens were there.
///
/// Finds the longest match of the last `maxMatch` tokens (the most recent of equal ones) within the last `window` tokens, and appends up to `count`
/// tokens that followed it; where these end it goes on with the drafts, as a text does that repeats. Appends nothing where less than `minMatch` tokens match.
struct PromptLookup {
  int32_t minMatch = 2, maxMatch = 4, window = 4096;

  /// \returns how many tokens were appended to `drafts`
  int32_t propose(std::span<const int32_t> tokens, int32_t count, std::vector<int32_t>& drafts) const;
};

/// Stops drafts that are seldom accepted, and tries again after a while.
class DraftControl {
 public:
  /// How many drafts to make when `most` may be made: 0 while they do not pay.
  int32_t limit(int32_t most) const { return pause_ > 0 ? 0 : most; }
  /// After each step of the sequence that sampled. \param drafts of the step, of which `accepted` stood
  void record(int32_t drafts, int32_t accepted);

 private:
  static constexpr int32_t kSample = 32;   ///< drafts that are judged together
  static constexpr int32_t kPause = 64;    ///< steps
  static constexpr int32_t kWorthOneIn = 5; ///< accepted drafts that pay for themselves
  int32_t drafts_ = 0, accepted_ = 0, pause_ = 0;
};

struct DraftVerdict {
  int32_t token;   ///< the draft, or what stands in its place
  bool isAccepted; ///< drafts behind one that is not accepted are void
};

/// Whether a token drawn from q stands for one drawn from p.
///
/// \param p, q   [vocabulary] probabilities; q[draft] > 0
/// \param u, v   of [0, 1): decide, and sample the residual
/// Where p and q are equal up to rounding the residual may sum to zero: then p itself is sampled.
DraftVerdict acceptDraft(std::span<const double> p, std::span<const double> q, int32_t draft, double u, double v);

} // namespace jinx::engine
