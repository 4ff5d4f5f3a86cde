// The engine: requests go in, tokens come out.
//
// `step` plans a step, launches it, and reads one that has run: synchronous, the same one; overlapped, the one before it. Then step N + 1 is planned and
// launched before the tokens of step N are known: they are placeholders in it (StepStream.h). A request that turns out to have ended leaves one row
// too many in the step in flight; that row's request, or its epoch, is gone when the step settles, and the row is dropped.
//
// A request's tokens are picked by the model, or drawn here from logits. Which of them is a function of the request and of the engine's options: the two ways round
// differently. Where the model cannot pick one (kUndecided) it is drawn here as well, and a row of the step in flight that stands on it is dropped.
//
// Both give the same tokens, because a token is a function of the request alone: of its logits, which see its own tokens only, and of a random number at (seed,
// position). See decision 0037.
//
//   JINX_TRY_ASSIGN(auto engine, Engine::create(options, stream));
//   Admission admission = engine->submit({.prompt = tokens, .maxTokens = 64, .stopTokens = {2}});
//   while (!engine->isIdle())
//     for (const Output& output : engine->step()) …
//
// One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "runtime/engine/BlockPool.h"
#include "runtime/engine/Drafter.h"
#include "runtime/engine/Request.h"
#include "runtime/engine/Scheduler.h"
#include "runtime/engine/StepPlan.h"
#include "runtime/engine/StepStream.h"

namespace jinx::engine {

/// A step as it settles, for who keeps times.
struct SettledStep {
  const StepPlan& plan;
  double launched_s; ///< by the engine's clock
  double settled_s;
  bool isRun; ///< else it failed, and its requests end
};

struct EngineOptions {
  SchedulerOptions scheduler;
  HashKey key;                        ///< of the hash of prefixes: randomHashKey, one a process
  StepModel* draftModel = nullptr;    ///< whose guesses are verified, with pages of its own (ModelDrafter.h); must outlive the engine. Null: prompt lookup
  bool overlaps = false;              ///< plans and launches a step before the one before it is read
  int32_t maxWaiting = 1024;          ///< requests that wait
  int64_t maxWaitingTokens = 1 << 20; ///< tokens of theirs
  int32_t maxWaitingOfTenant = 1024;  ///< requests of one tenant, running ones too
  std::function<double()> now_s;      ///< a clock that does not go back, for retry times; empty: the system's steady one
  std::function<void(const SettledStep&)> onSettled; ///< before the outputs of the step are made; must not call the engine; may be empty
};

/// Why a request was not taken.
struct Refusal {
  enum class Reason {
    kInvalid,     ///< an option is wrong: it will never be taken
    kTooLong,     ///< it may need more pages than there are: it will never be taken
    kQueueFull,   ///< too many requests or tokens wait
    kTenantFull,  ///< too many requests of its tenant are there
  };
  Reason reason;
  std::string message;
  double retryAfter_s = 0; ///< when the queue may have room; 0: never
};
using Admission = std::variant<RequestId, Refusal>;

/// One event of a request: a token, its end, or both.
struct Output {
  RequestId request = 0;
  uint32_t epoch = 0;  ///< of the request when it was made
  int32_t index = -1;  ///< of the token in the output; -1: no token
  int32_t token = -1;
  FinishReason finish = FinishReason::kNone; ///< each request has one event with another one, its last
  size_t firstLogprob = 0, logprobs = 0;     ///< in Engine::logprobs: of the token, then of the most probable ones
  std::string error;                         ///< where finish is kError
};

struct EngineCounts {
  uint64_t steps = 0, tokens = 0;         ///< launched, and computed in them
  uint64_t drafts = 0, acceptedDrafts = 0;
  uint64_t staleRows = 0;                 ///< sequences of settled steps whose request or epoch was gone
  uint64_t undecidedRows = 0;             ///< that stood on a token that the model could not say
  uint64_t failedSteps = 0;
};

class Engine {
 public:
  /// \param stream  must outlive the engine; nobody else may use it
  /// \returns kInvalidArgument, naming it, for an option that cannot be
  static Expected<std::unique_ptr<Engine>> create(EngineOptions options, StepStream& stream);

  Admission submit(RequestOptions options);
  /// Ends a request in any state; its pages are free when the steps in flight have settled, and its last event comes with the next step.
  /// False when there is no such request, or no longer.
  bool cancel(RequestId request);
  /// \returns what happened since the last call, in order; until the next call
  std::span<const Output> step();
  /// No request, no step in flight, no event to be read.
  bool isIdle() const { return requests_.empty() && flights_.empty() && next_.empty(); }

  /// Of the outputs of the last step.
  std::span<const TokenLogprob> logprobs(const Output& output) const {
    return std::span(logprobs_).subspan(output.firstLogprob, output.logprobs);
  }
  const EngineCounts& counts() const { return counts_; }
  const BlockPool& pool() const { return pool_; }
  const Scheduler& scheduler() const { return scheduler_; }
  Fairness& fairness() { return scheduler_.fairness(); }
  /// The steps in flight, oldest first; 0, 1, or during a step of the overlapped mode 2.
  size_t inFlight() const { return flights_.size(); }
  const StepPlan& planInFlight(size_t i) const { return flights_[i].plan; }

 private:
  struct Flight {
    StepPlan plan;
    bool isLaunched = false;
    double launched_s = 0;
    Status failure;
  };
  Engine(EngineOptions options, StepStream& stream);
  bool launchNext();
  bool isPicked(const Request& request) const;
  void addDraws(StepPlan& plan);
  Status launch(const StepPlan& plan);
  void settleOldest();
  void settleSequence(const StepPlan& plan, const PlannedSequence& sequence, const StepRows& rows);
  FinishReason settleSamples(Request& request, const StepPlan& plan, const PlannedSequence& sequence, const StepRows& rows, Status& failure);
  void dropNext(Request& request);
  StepRows rowOf(const Request& request, const StepRows& rows, int32_t wanted) const;
  Expected<int32_t> sampleNext(const Request& request, const StepPlan& plan, int32_t wanted, const StepRows& row);
  void publish(Request& request, int32_t end);
  void emitToken(const Request& request, const StepRows& row, FinishReason finish);
  void end(Request& request, FinishReason finish, std::string error);
  void remove(Request& request);
  Request* find(RequestId id, uint32_t epoch);
  double retryAfter() const;

  const EngineOptions options_;
  StepStream& stream_;
  BlockPool pool_;
  const std::unique_ptr<Drafter> drafter_;
  Scheduler scheduler_;
  Sampler sampler_;
  ProposalJudge judge_;
  std::unordered_map<RequestId, std::unique_ptr<Request>> requests_;
  std::vector<Flight> flights_; ///< oldest first, two at most
  std::vector<StepPlan> spare_;
  std::vector<int32_t> resolved_; ///< by wanted row of the step that settles
  std::vector<Output> outputs_, next_;
  std::vector<TokenLogprob> logprobs_;
  RequestId lastRequest_ = 0;
  StepId lastStep_ = 0;
  double stepSeconds_ = 0; ///< a moving mean
  EngineCounts counts_;
};

} // namespace jinx::engine
