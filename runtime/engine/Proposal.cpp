#include "runtime/engine/Proposal.h"

#include "runtime/engine/Philox.h"
#include "runtime/engine/Speculation.h"

namespace jinx::engine {

int32_t ProposalJudge::choose(std::span<const Candidate> target, const Proposal& proposal, uint64_t seed, int64_t position) {
  for (const Candidate& candidate : proposal.candidates)
    draftProbability_[candidate.token] = candidate.probability;
  // Where the target has no probability there is no residual: its own tokens are all that can be chosen, but for the guess, which may be none of them.
  p_.clear();
  q_.clear();
  size_t guess = target.size();
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i].token == proposal.token) guess = i;
    p_.push_back(target[i].probability);
    q_.push_back(draftProbability_[target[i].token]);
  }
  p_.push_back(0);
  q_.push_back(draftProbability_[proposal.token]);
  for (const Candidate& candidate : proposal.candidates)
    draftProbability_[candidate.token] = 0;

  const auto at = static_cast<uint64_t>(position);
  const DraftVerdict verdict =
      acceptDraft(p_, q_, static_cast<int32_t>(guess), uniformAt(seed, at, Purpose::kAcceptance), uniformAt(seed, at, Purpose::kResidual));
  return target[static_cast<size_t>(verdict.token)].token;
}

} // namespace jinx::engine
