// Random schedules of an engine over the toy model, each a function of its seed, and the twelve invariants that are looked at after every step.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/engine/Engine.h"
#include "tests/unit/engine/ToyModel.h"

namespace jinx::engine {

// ---- what is looked at -----------------------------------------------------------------------------------------------------------------

struct RequestView {
  RequestId id = 0;
  uint32_t epoch = 0;
  PrefixSalt salt;
  std::vector<int32_t> tokens, pages;
  int32_t published = 0;
};

struct PageView {
  int32_t references = 0;
  bool isFree = false, isRetired = false, isPublished = false;
  StepId fence = 0;
  Hash128 hash; ///< of a published page
  int32_t kept = 0;   ///< of a free published page: the priority of its retention now
  uint64_t freed = 0; ///< when it came into its list
  std::vector<int32_t> tokens;
  std::vector<ToyKey> keys;   ///< what the model holds
  std::vector<ToyKey> draftKeys; ///< what the draft model holds; empty where there is none
  std::vector<StepId> writer; ///< the step that wrote each row last
};

/// A copy of an engine's state between two steps: tests can break it, and see that it is told.
struct Snapshot {
  std::vector<PageView> pages;
  int32_t available = 0, retired = 0;
  StepId settled = 0, launched = 0;
  std::vector<RequestView> requests;
  std::vector<StepPlan> inFlight;
  bool isIdle = false;
  double now_s = 0;
};

/// Each problem begins with "invariant N:".
std::vector<std::string> problemsOf(const Snapshot& snapshot);

/// Of two states in succession: which pages were taken between them. No page goes while one stays that should have gone before it. Says nothing where
/// the clock went on between them, and retentions may have ended.
std::vector<std::string> problemsOf(const Snapshot& before, const Snapshot& after);

/// A plan when it is launched, and what is asked of it.
struct LaunchLimits {
  int32_t tokenBudget = 0, prefillWhileDecoding = 0;
};
struct Launch {
  StepPlan plan;
  std::vector<PageView> pages;
  LaunchLimits limits;
  std::set<std::pair<RequestId, uint32_t>> seenBefore; ///< requests and epochs of plans before it
  std::vector<RowDraw> draws;                          ///< by wanted row: what each request's options say, whoever stands beside it
  bool hasPicked = false, hasDrawn = false;            ///< whether there is a request whose tokens the model picks, and one whose tokens are drawn from logits
};
std::vector<std::string> problemsOf(const Launch& launch);

// ---- what is planted -------------------------------------------------------------------------------------------------------------------

/// A fault of the parts below the engine. Each spoils one thing now and then.
enum class Plant {
  kNothing,
  kWrongRow,          ///< a key goes to the next row of its page
  kWrongPage,         ///< a table names another page
  kMissingWrite,      ///< a key is not written
  kLateWrite,         ///< a key is written after the next step
  kWriteToFreedPage,  ///< a key goes to a free page as well
  kMissingCopy,       ///< a page is not copied
  kWrongCopy,         ///< another page is copied
  kWrongPosition,     ///< a token stands one further
  kWrongToken,        ///< a token is another one
  kWrongRowWanted,    ///< the logits of the token before are given
  kSwappedLogits,     ///< two rows of logits change places
  kWrongDraw,         ///< a token is picked by another number
  kHiddenUndecided,   ///< a token comes where the model could not say one
  kWrongLogitsOf,     ///< the logits of another row are fetched
  kWrongPlaceholder,  ///< placeholders stand for the token of another row
  kHiddenNan,         ///< NaN logits come as numbers
  kHiddenFailure,     ///< a step that did not run says that it did
  kDraftMissingWrite, ///< a key of the draft model is not written
  kDraftMissingCopy,  ///< a page of the draft model is not copied
  kDraftHiddenFailure, ///< a pass of the draft model that did not run says that it did
};

struct SimulationResult {
  std::vector<std::string> problems; ///< the first ones; empty: all is well
  uint64_t steps = 0, tokens = 0, preemptions = 0, cachedTokens = 0, acceptedDrafts = 0, staleRows = 0, failedSteps = 0, errors = 0, cancels = 0,
           refusals = 0, copies = 0, answers = 0, draftFaults = 0, proposed = 0, undecidedRows = 0, fetchedRows = 0, mixedSteps = 0;
};

struct SimulationOptions {
  Plant plant = Plant::kNothing;
  int overlaps = -1; ///< 0, 1; -1: by the seed
  /// Asked for the tokens of each request that ended by itself, by order of submission; but for those whose tokens follow a draft model that failed.
  std::map<int, std::vector<int32_t>>* answers = nullptr;
  std::vector<Snapshot>* snapshots = nullptr; ///< asked for the state after every step
  std::vector<Launch>* launches = nullptr;    ///< asked for all plans
};

SimulationResult simulate(uint64_t seed, const SimulationOptions& options = {});

} // namespace jinx::engine
