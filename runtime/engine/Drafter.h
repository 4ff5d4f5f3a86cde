// Who guesses the tokens that a step verifies, and when does it know them?
//
// A drafter takes part in the planning of a step twice. `propose` is asked while a request is planned, so that its guesses get slots and rows; `complete` sees the whole
// plan before it is launched. A lookup knows its guesses at once. A model (ModelDrafter.h) finds them in `complete`, for all requests together.
#pragma once

#include <span>
#include <vector>

#include "runtime/engine/Request.h"
#include "runtime/engine/StepPlan.h"

namespace jinx::engine {

class Drafter {
 public:
  virtual ~Drafter() = default;

  /// Appends up to `count` guesses of what follows the tokens of a request; any id for one that `complete` is to find.
  virtual void propose(const Request& request, int32_t count, std::vector<int32_t>& drafts) = 0;
  /// Whether `complete` reads tokens: then none of a plan may be a placeholder.
  virtual bool readsTokens() const { return false; }
  /// Once for each plan that is not empty, before it is launched.
  ///
  /// \param requests  of plan.sequences, one each
  virtual void complete(StepPlan& plan, std::span<Request* const> requests) {
    static_cast<void>(plan);
    static_cast<void>(requests);
  }
};

/// Guesses what followed the last time.
class LookupDrafter final : public Drafter {
 public:
  void propose(const Request& request, int32_t count, std::vector<int32_t>& drafts) override { lookup_.propose(request.tokens, count, drafts); }

 private:
  const PromptLookup lookup_;
};

} // namespace jinx::engine
