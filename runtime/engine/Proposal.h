// A token drawn from a draft model's distribution q, and whether it stands for one of the target's distribution p.
//
// Each token of a request that a draft model drafts for is a function of p, q, the seed and the position, whether its guess was verified in the step or there was no
// room for one: the guess is drawn from q, it stands with probability min(1, p/q), and else max(p - q, 0) is sampled (acceptDraft). So how many drafts fit
// into a step cannot change an output. Three random numbers of one position are independent: of the guess, of the acceptance, of the residual.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/engine/Sampler.h"

namespace jinx::engine {

struct Proposal {
  int32_t token = -1;                ///< drawn from q
  std::vector<Candidate> candidates; ///< q: its tokens of a probability above zero, each once. Empty: there is no proposal

  bool lacksKeys = false;            ///< the draft model's keys up to the row before the token are not all there, or not finite

  bool isEmpty() const { return candidates.empty(); }
  void clear() {
    candidates.clear();
    lacksKeys = false;
  }
};

/// Keeps scratch memory: not for two threads at once.
class ProposalJudge {
 public:
  explicit ProposalJudge(int32_t vocabulary) : draftProbability_(static_cast<size_t>(vocabulary), 0) {}

  /// \param target    p: as Sampler::distribution gives it, not empty
  /// \param proposal  not empty
  /// \returns a token of the distribution p
  int32_t choose(std::span<const Candidate> target, const Proposal& proposal, uint64_t seed, int64_t position);

 private:
  std::vector<double> draftProbability_; ///< [vocabulary], zero between calls
  std::vector<double> p_, q_;            ///< of the target's tokens, and of the guess behind them
};

} // namespace jinx::engine
