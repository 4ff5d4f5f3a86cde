// What does the next step compute?
//
// Each step has a budget of tokens. Running requests take of it first, in the order of their rank (priority, then admission); then, if none was
// preempted, waiting ones are admitted, as long as the next one fits. A running request that can take nothing is passed over. A token is kept in
// reserve for each request that decodes, and while one does, tokens of prompts are bounded: so a long prompt does not make the others wait.
//
// Where pages run out, a chunk is made shorter; where not a token fits, the request of the lowest rank is preempted: its pages are released, and it begins
// again in front of those that wait (its published pages are most often found again). Pages that settling steps will free are waited for.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/engine/BlockPool.h"
#include "runtime/engine/Drafter.h"
#include "runtime/engine/Fairness.h"
#include "runtime/engine/Request.h"
#include "runtime/engine/StepPlan.h"

namespace jinx::engine {

struct SchedulerOptions {
  int32_t tokenBudget = 2048;        ///< of a step; at least maxRunning
  int32_t maxRunning = 256;          ///< requests in a step, at least 1
  int32_t prefillWhileDecoding = 512; ///< tokens of prompts in a step in which requests decode, at least 1
  int32_t contextLength = 4096;      ///< tokens of prompt and output, at least 2
  bool cachesPrefixes = true;        ///< whether published pages are looked for
  int32_t leastCopied = 1;           ///< rows of a page that begins alike, from which on it is copied and not computed
};

class Scheduler {
 public:
  /// \param pool, drafter  must outlive the scheduler
  Scheduler(const SchedulerOptions& options, BlockPool& pool, Drafter& drafter) : options_(options), pool_(pool), drafter_(drafter) {}

  /// Puts a new request behind those that wait. The request stays the caller's, and must stay until `finish`.
  void enqueue(Request& request);
  /// Takes a request in any state out, and releases its pages: those that a step in flight may touch are retired.
  void finish(Request& request);
  /// Fills an empty plan with the next step, and counts what it computes as computed. Nothing can be done when it stays empty.
  ///
  /// \param step  one more than the last that was planned
  void plan(StepId step, StepPlan& plan);
  /// What the sequence, of a step in flight, computes of the request stands on a token that nobody knew: it is void, and is computed again by a later step.
  ///
  /// \pre the sequence is a placeholder and nothing else, and the request's newest
  void takeBack(Request& request, PlannedSequence& sequence);
  /// The step has settled: what it copied from is released.
  void settle(const StepPlan& plan);

  const std::vector<Request*>& running() const { return running_; } ///< by rank
  const std::vector<Request*>& waiting() const { return waiting_; }
  int64_t waitingTokens() const { return waitingTokens_; }
  uint64_t preemptions() const { return preemptions_; }
  uint64_t cachedTokens() const { return cachedTokens_; } ///< that admitted requests did not compute, because they were found
  Fairness& fairness() { return fairness_; }
  const SchedulerOptions& options() const { return options_; }

 private:
  /// What is left of the step.
  struct Budget {
    int32_t tokens = 0;
    int32_t prefill = 0;
    int32_t decoders = 0; ///< that have not had their turn
  };
  bool mayRun(const Request& request) const;
  void planRunning(Request& request, Budget& budget, StepPlan& plan);
  bool admitNext(Budget& budget, StepPlan& plan);
  std::optional<PageCopy> findPrefix(Request& request);
  int32_t reserve(Request& request, int32_t count, bool mayPreempt);
  void proposeDrafts(const Request& request, int32_t room);
  void append(Request& request, int32_t count, Budget& budget, StepPlan& plan);
  void fillTable(StepPlan& plan) const;
  void leaveWaiting(Request& request);
  void releasePages(Request& request);
  void preempt(Request& request);
  std::vector<Request*>::const_iterator nextWaiting() const;

  const SchedulerOptions options_;
  BlockPool& pool_;
  Fairness fairness_;
  Drafter& drafter_;
  std::vector<Request*> running_, waiting_;
  std::vector<Request*> planned_; ///< the requests of the step being planned, beside its sequences
  std::vector<int32_t> drafts_;   ///< of the request being planned
  int64_t waitingTokens_ = 0;
  uint64_t preemptions_ = 0, cachedTokens_ = 0;
};

} // namespace jinx::engine
