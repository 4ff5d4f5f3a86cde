// Drafts of a second, small model with the target's vocabulary.
//
// The model has pages of its own, under the target's numbers: page p of either holds keys of the same tokens, so that whoever owns the one owns the other, and
// a prefix that is found is found in both. For that it computes every token that the target computes, in `complete`:
//
//   pass 0   all tokens of the plan but the drafts; the row of a request's last token is q for its first draft
//   pass d   the d-th draft of each request that has so many; its row is q for the draft behind it, or for the token behind the last one
//
// A pass that fails, or a row that is no number, ends no request. But keys are missing then: if they are of tokens that stand, the request makes no more drafts until it
// begins anew, and its pages from there on are not published (`Request::lacksDraftKeys`).
#pragma once

#include "runtime/engine/Drafter.h"
#include "runtime/engine/Model.h"
#include "runtime/engine/Sampler.h"

namespace jinx::engine {

/// q is what the request's sampling leaves of the draft model's logits, without tokens of less than this share of the most probable one, and at most 8,192: each row of a
/// plan keeps its q. Any q is exact; what is left out costs a little acceptance.
inline constexpr float kLeastShare = 1e-5f;

class ModelDrafter final : public Drafter {
 public:
  /// \param model  with the target's vocabulary and at least as many pages; must outlive the drafter
  explicit ModelDrafter(StepModel& model) : model_(model), sampler_(model.vocabulary()) {}

  void propose(const Request& request, int32_t count, std::vector<int32_t>& drafts) override;
  bool readsTokens() const override { return true; }
  void complete(StepPlan& plan, std::span<Request* const> requests) override;

 private:
  /// A step of the model.
  struct Pass {
    std::vector<int32_t> tokens, sequence, position, slots, wanted;
    std::vector<size_t> owners; ///< of each wanted row: the sequence of the plan

    void clear();
    /// Adds a token of a plan.
    void add(const StepPlan& plan, size_t token);
    /// Wants the row of the token that was added last.
    void want(size_t owner);
  };
  Status copyPages(const StepPlan& plan);
  Expected<StepRows> run(const StepPlan& plan, std::span<Request* const> requests);
  void readRows(StepPlan& plan, std::span<Request* const> requests, int32_t depth);
  bool isFinite(const StepRows& row) const;
  void miss(StepPlan& plan, const PlannedSequence& sequence, Request& request, int32_t depth);
  Expected<int32_t> guess(StepPlan& plan, const PlannedSequence& sequence, const Request& request, int32_t depth, const StepRows& row);

  StepModel& model_;
  Sampler sampler_;
  Pass pass_, next_;
  std::vector<float> logits_;
  std::vector<RowDraw> greedy_; ///< a draw a row
  std::vector<int32_t> picked_;
  std::vector<int32_t> output_; ///< of a request, with its drafts
  SamplingOptions sampling_;
};

} // namespace jinx::engine
