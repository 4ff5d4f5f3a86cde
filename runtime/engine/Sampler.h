// Which token comes next, given a row of logits?
//
//   logits -> bias -> penalties -> mask -> temperature -> top-k -> top-p -> min-p -> a token
//
// The token is a function of (logits, options, tokens before, seed, position): the random number is Philox at (seed, position), and the cumulative
// distribution is in a fixed order. Batch, chunks, preemption and speculation do not reach it. Ties go to the smaller id.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/engine/Model.h"

namespace jinx::engine {

struct SamplingOptions {
  float temperature = 1; ///< 0: the most probable token
  int32_t topK = 0;      ///< keep the k most probable tokens; 0: all
  float topP = 1;        ///< (0, 1]: keep the fewest most probable tokens whose sum is at least this; 1: all
  float minP = 0;        ///< [0, 1]: keep tokens with at least this share of the most probable one
  float repetitionPenalty = 1; ///< > 0: divides positive and multiplies negative logits of tokens in prompt or output
  float presencePenalty = 0;   ///< [-2, 2]: subtracted from logits of tokens in the output
  float frequencyPenalty = 0;  ///< [-2, 2]: subtracted once for each time that the token is in the output
  std::vector<std::pair<int32_t, float>> logitBias; ///< added; -infinity forbids a token
  uint64_t seed = 0;
  int32_t logprobs = -1; ///< -1: none; n: of the token and of the n most probable ones, of the logits as the model gave them
};

/// Whether a model that picks tokens may pick this one: by the logits as it gives them, with filters that it has, and no logprobs are told.
bool isPickable(const SamplingOptions& options);

/// How a model picks the token at `position` (0 is the first of the prompt): its random number is that of Sampler::sample, cut to 23 bits.
///
/// \pre  isPickable(options)
RowDraw drawOf(const SamplingOptions& options, int64_t position);

/// kInvalidArgument with the option, what it is and what it may be.
Status validate(const SamplingOptions& options, int32_t vocabulary);

/// Which tokens a grammar allows.
class TokenMask {
 public:
  virtual ~TokenMask() = default;
  /// A function of the tokens alone: it is asked again for the same ones after a preemption, and for drafts that are then refused.
  ///
  /// \param output  tokens generated so far
  /// \returns a bit for each id, 64 a word, lowest first; [ceil(vocabulary / 64)]; until the next call; a failure ends the request
  virtual Expected<std::span<const uint64_t>> allowed(std::span<const int32_t> output) = 0;
};

/// kInvalidArgument where a logit is NaN or +infinity; -infinity is a probability of zero.
Status checkLogits(std::span<const float> logits);

struct TokenLogprob {
  int32_t token;
  float logprob; ///< natural logarithm
};

struct Candidate {
  int32_t token;
  double probability;
};

struct SampleInput {
  std::span<const float> logits;       ///< [vocabulary]
  std::span<const int32_t> prompt;     ///< ids below the vocabulary
  std::span<const int32_t> output;     ///< ids below the vocabulary
  std::span<const uint64_t> mask = {}; ///< see TokenMask; empty: all
};

/// Keeps scratch memory: not for two threads at once.
class Sampler {
 public:
  explicit Sampler(int32_t vocabulary);

  /// The distribution after all filters, probabilities above zero that sum to one.
  ///
  /// \param options  valid
  /// \returns sorted by probability when top-k or top-p asks for it, else by id; until the next call. kInvalidArgument where a logit is NaN or
  ///          +infinity, or no token is left
  Expected<std::span<const Candidate>> distribution(const SampleInput& input, const SamplingOptions& options);

  /// The token at `position` (0 is the first of the prompt).
  Expected<int32_t> sample(const SampleInput& input, const SamplingOptions& options, int64_t position);

  /// Logprob of `token` and, behind it, the `top` most probable ones by falling probability; appended to `to`. \pre logits were accepted by sample
  void appendLogprobs(std::span<const float> logits, int32_t token, int32_t top, std::vector<TokenLogprob>& to);

 private:
  Status prepare(const SampleInput& input, const SamplingOptions& options);
  void penalize(const SampleInput& input, const SamplingOptions& options);
  void keepTop(size_t count);
  void weigh(float temperature);
  void keepNucleus(double share, float temperature);
  void collect(float least, float temperature);
  int32_t drawWeighted(double u) const;

  // Of the row at hand: its logits, as given or adjusted, and the first of the largest.
  std::span<const float> row_;
  float largest_ = 0;
  size_t largestAt_ = 0;

  std::vector<float> adjusted_, weights_; ///< [vocabulary]; weights are relative to the largest
  std::vector<float> chunks_; ///< the largest logit of each chunk (RowLoops.h)
  std::vector<double> blockSums_;         ///< of weights
  double total_ = 0;
  std::vector<int32_t> counts_;       ///< zero between calls
  std::vector<Candidate> candidates_; ///< logits, then weights, then probabilities
  std::vector<int32_t> order_;
};

/// The candidate at `u` of [0, 1) in the cumulative distribution. \pre not empty
int32_t drawAt(std::span<const Candidate> candidates, double u);

} // namespace jinx::engine
