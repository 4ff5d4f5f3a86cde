// What does a step do, and for whom? The vectors are those of StepInput; they are reused.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/engine/Model.h"
#include "runtime/engine/Proposal.h"
#include "runtime/engine/Request.h"

namespace jinx::engine {

/// The part of a step that belongs to one request: tokens that follow each other, the last of which are drafts.
struct PlannedSequence {
  RequestId request = 0;
  uint32_t epoch = 0;
  int32_t start = 0;  ///< position of its first token
  int32_t tokens = 0; ///< with drafts
  int32_t drafts = 0;
  bool samples = false;   ///< whether its last token but the drafts is the last that is known: its logits give the next one
  int32_t firstToken = 0; ///< in the step
  int32_t firstWanted = 0, wanted = 0; ///< 1 + drafts rows: also a chunk in the middle of a prompt shows by a row that its keys are finite
  bool isVoid = false;    ///< its placeholder stands for a token that the model could not say: what comes of it is dropped
};

struct StepPlan {
  StepId step = 0;
  std::vector<PlannedSequence> sequences; ///< a row of the table each
  std::vector<int32_t> tokens, sequence, position, slots, table, wanted;
  int32_t entries = 0;
  bool wantsLogits = true;    ///< of the wanted rows: a request is there whose tokens are drawn from them
  std::vector<RowDraw> draws; ///< by wanted row; none: no request is there whose tokens the model picks. Rows of other requests have one that does not matter
  std::vector<Proposal> proposals; ///< of a draft model, by wanted row: for the token behind it. None, or at least one a row; the rest are empty
  std::vector<PageCopy> copies; ///< before the step; their sources are referenced until it has settled

  bool isEmpty() const { return sequences.empty(); }
  void clear();
  StepInput input() const {
    return {tokens, sequence, position, slots, table, static_cast<int32_t>(sequences.size()), entries, wanted, wantsLogits, draws};
  }
};

inline void StepPlan::clear() {
  sequences.clear();
  for (auto* values : {&tokens, &sequence, &position, &slots, &table, &wanted})
    values->clear();
  copies.clear();
  for (Proposal& proposal : proposals)
    proposal.clear();
  draws.clear();
  entries = 0;
  wantsLogits = true;
}

} // namespace jinx::engine
