#include "runtime/engine/ModelDrafter.h"

#include <algorithm>

#include "runtime/engine/Philox.h"

namespace jinx::engine {
namespace {

/// Tokens of q at most: each row of a plan keeps its own.
constexpr size_t kMostCandidates = 8192;

/// Keeps the most probable ones, and makes them sum to one.
void cut(std::vector<Candidate>& candidates) {
  if (candidates.size() <= kMostCandidates) return;
  const auto end = candidates.begin() + kMostCandidates;
  std::nth_element(candidates.begin(), end, candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
  });
  candidates.erase(end, candidates.end());
  double sum = 0;
  for (const Candidate& candidate : candidates)
    sum += candidate.probability;
  for (Candidate& candidate : candidates)
    candidate.probability /= sum;
}

int32_t firstDraft(const PlannedSequence& sequence) { return sequence.firstToken + sequence.tokens - sequence.drafts; }

} // namespace

void ModelDrafter::Pass::clear() {
  for (auto* values : {&tokens, &sequence, &position, &slots, &wanted})
    values->clear();
  owners.clear();
}

void ModelDrafter::Pass::add(const StepPlan& plan, size_t token) {
  tokens.push_back(plan.tokens[token]);
  sequence.push_back(plan.sequence[token]);
  position.push_back(plan.position[token]);
  slots.push_back(plan.slots[token]);
}

void ModelDrafter::Pass::want(size_t owner) {
  wanted.push_back(static_cast<int32_t>(tokens.size()) - 1);
  owners.push_back(owner);
}

void ModelDrafter::propose(const Request& request, int32_t count, std::vector<int32_t>& drafts) {
  if (!request.lacksDraftKeys) drafts.insert(drafts.end(), static_cast<size_t>(count), 0);
}

Status ModelDrafter::copyPages(const StepPlan& plan) {
  for (const PageCopy& copy : plan.copies)
    JINX_TRY(model_.copyPage(copy.from, copy.to));
  return Status::ok();
}

/// Runs the pass. Where everybody takes the most probable token, and the model picks tokens, logits stay where they are.
Expected<StepRows> ModelDrafter::run(const StepPlan& plan, std::span<Request* const> requests) {
  const bool isGreedy = model_.picksTokens() && std::ranges::all_of(pass_.owners, [&](size_t owner) {
                          return requests[owner]->isPickable() && requests[owner]->options.sampling.temperature == 0;
                        });
  logits_.resize(isGreedy ? 0 : pass_.wanted.size() * static_cast<size_t>(model_.vocabulary()));
  greedy_.assign(isGreedy ? pass_.wanted.size() : 0, RowDraw());
  picked_.resize(greedy_.size());
  const StepRows rows{logits_, picked_};
  JINX_TRY(model_.run({pass_.tokens, pass_.sequence, pass_.position, pass_.slots, plan.table, static_cast<int32_t>(plan.sequences.size()), plan.entries,
                       pass_.wanted, !isGreedy, greedy_},
                      rows));
  return rows;
}

void ModelDrafter::complete(StepPlan& plan, std::span<Request* const> requests) {
  if (plan.proposals.size() < plan.wanted.size()) plan.proposals.resize(plan.wanted.size());
  pass_.clear();
  for (size_t s = 0; s < plan.sequences.size(); ++s) {
    for (int32_t token = plan.sequences[s].firstToken; token < firstDraft(plan.sequences[s]); ++token)
      pass_.add(plan, static_cast<size_t>(token));
    pass_.want(s);
  }
  const bool isCopied = copyPages(plan).isOk();
  for (int32_t depth = 0; !pass_.tokens.empty(); ++depth) {
    if (!isCopied) {
      for (Request* request : requests)
        request->lacksDraftKeys = true;
      break;
    }
    readRows(plan, requests, depth);
    std::swap(pass_, next_);
  }
}

/// Runs the pass, reads its rows, and makes the next pass of those that have another draft.
void ModelDrafter::readRows(StepPlan& plan, std::span<Request* const> requests, int32_t depth) {
  const Expected<StepRows> rows = run(plan, requests);
  const auto vocabulary = static_cast<size_t>(model_.vocabulary());
  next_.clear();
  for (size_t row = 0; row < pass_.owners.size(); ++row) {
    const size_t owner = pass_.owners[row];
    const PlannedSequence& sequence = plan.sequences[owner];
    Request& request = *requests[owner];
    if (request.lacksDraftKeys) continue;
    StepRows own;
    if (rows) own = rows->tokens.empty() ? StepRows{rows->logits.subspan(row * vocabulary, vocabulary), {}} : StepRows{{}, rows->tokens.subspan(row, 1)};
    if (!rows || !isFinite(own)) {
      miss(plan, sequence, request, depth);
      continue;
    }
    if (!sequence.samples || request.options.maxDrafts == 0) continue;
    // Without a guess (its grammar allows nothing here) any token is verified, and its keys are written, in vain.
    const Expected<int32_t> token = guess(plan, sequence, request, depth, own);
    if (depth == sequence.drafts) continue;
    if (token) plan.tokens[firstDraft(sequence) + depth] = *token;
    next_.add(plan, static_cast<size_t>(firstDraft(sequence) + depth));
    next_.want(owner);
  }
}

bool ModelDrafter::isFinite(const StepRows& row) const {
  return row.tokens.empty() ? checkLogits(row.logits).isOk() : row.tokens[0] >= 0 && row.tokens[0] < model_.vocabulary();
}

/// Keys of the sequence are missing from a draft on, or from the tokens that stand already.
void ModelDrafter::miss(StepPlan& plan, const PlannedSequence& sequence, Request& request, int32_t depth) {
  if (depth == 0) request.lacksDraftKeys = true;
  for (int32_t row = depth; row < sequence.wanted; ++row)
    plan.proposals[sequence.firstWanted + row].lacksKeys = true;
}

Expected<int32_t> ModelDrafter::guess(StepPlan& plan, const PlannedSequence& sequence, const Request& request, int32_t depth, const StepRows& row) {
  if (!row.tokens.empty()) return row.tokens[0];
  const auto drafts = plan.tokens.begin() + firstDraft(sequence);
  output_.assign(request.output().begin(), request.output().end());
  output_.insert(output_.end(), drafts, drafts + depth);
  SampleInput input{row.logits, request.prompt(), output_};
  if (request.options.mask) {
    JINX_TRY_ASSIGN(input.mask, request.options.mask->allowed(output_));
  }
  const SamplingOptions& sampling = request.options.sampling;
  const int64_t position = request.known() + depth;
  if (sampling.temperature == 0) return sampler_.sample(input, sampling, position);
  sampling_ = sampling;
  sampling_.minP = std::max(sampling.minP, kLeastShare);
  JINX_TRY_ASSIGN(const std::span<const Candidate> candidates, sampler_.distribution(input, sampling_));
  Proposal& proposal = plan.proposals[sequence.firstWanted + depth];
  proposal.candidates.assign(candidates.begin(), candidates.end());
  cut(proposal.candidates);
  proposal.token = drawAt(proposal.candidates, uniformAt(sampling.seed, static_cast<uint64_t>(position), Purpose::kDraft));
  return proposal.token;
}

} // namespace jinx::engine
