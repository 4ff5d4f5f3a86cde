// What a step that has run means: tokens, pages that may be shared, requests that end.
#include <algorithm>

#include "runtime/engine/Engine.h"

namespace jinx::engine {

/// kInternal where a stream gave something else than it was asked for.
static Status checkRows(const StepPlan& plan, const StepRows& rows, int32_t vocabulary) {
  const size_t logits = plan.wantsLogits ? plan.wanted.size() * static_cast<size_t>(vocabulary) : 0;
  if (rows.tokens.size() == plan.draws.size() && rows.logits.size() == logits) return Status::ok();
  return internalError("got " + std::to_string(rows.logits.size()) + " logits and " + std::to_string(rows.tokens.size()) + " tokens, expected " +
                       std::to_string(logits) + " and " + std::to_string(plan.draws.size()));
}

void Engine::settleOldest() {
  Flight flight = std::move(flights_.front());
  flights_.erase(flights_.begin());
  const StepPlan& plan = flight.plan;
  StepRows rows;
  if (flight.isLaunched) {
    Expected<StepRows> settled = stream_.settle();
    if (settled) rows = *settled;
    Status status = settled ? checkRows(plan, rows, stream_.vocabulary()) : settled.status();
    if (!status.isOk() && flight.failure.isOk()) flight.failure = std::move(status).withContext("step " + std::to_string(plan.step));
  }
  if (options_.onSettled) options_.onSettled({plan, flight.launched_s, options_.now_s(), flight.failure.isOk()});
  pool_.settle(plan.step);
  scheduler_.settle(plan);
  if (!flight.failure.isOk()) ++counts_.failedSteps;

  resolved_.assign(plan.wanted.size(), 0);
  for (const PlannedSequence& sequence : plan.sequences) {
    Request* request = find(sequence.request, sequence.epoch);
    if (sequence.isVoid)
      ++counts_.undecidedRows;
    else if (!request)
      ++counts_.staleRows;
    else if (!flight.failure.isOk())
      end(*request, FinishReason::kError, flight.failure.message());
    else
      settleSequence(plan, sequence, rows);
  }
  Status status = flight.isLaunched ? stream_.resolve(resolved_) : Status::ok();
  if (!status.isOk() && !flights_.empty()) flights_.front().failure = std::move(status);
  spare_.push_back(std::move(flight.plan));
}

/// What a request sees of one of them: a token where the model picks its tokens, else logits.
StepRows Engine::rowOf(const Request& request, const StepRows& rows, int32_t wanted) const {
  if (isPicked(request)) return {{}, rows.tokens.subspan(static_cast<size_t>(wanted), 1)};
  const auto vocabulary = static_cast<size_t>(stream_.vocabulary());
  return {rows.logits.subspan(static_cast<size_t>(wanted) * vocabulary, vocabulary), {}};
}

static bool isUndecided(const StepRows& row) { return !row.tokens.empty() && row.tokens[0] == kUndecided; }

/// kInvalidArgument where a logit is NaN or infinity. An undecided row has been found finite before.
static Status checkRow(const StepRows& row, int32_t vocabulary) {
  if (row.tokens.empty()) return checkLogits(row.logits);
  const int32_t token = row.tokens[0];
  const bool isFinite = isUndecided(row) || (token >= 0 && token < vocabulary);
  return isFinite ? Status::ok() : invalidArgument("a logit is NaN or infinity, expected numbers");
}

/// The step in flight goes on from a token of the request that the model could not say.
void Engine::dropNext(Request& request) {
  if (flights_.empty()) return;
  for (PlannedSequence& sequence : flights_.front().plan.sequences)
    if (sequence.request == request.id && sequence.epoch == request.epoch) scheduler_.takeBack(request, sequence);
}

void Engine::settleSequence(const StepPlan& plan, const PlannedSequence& sequence, const StepRows& rows) {
  Request& request = *find(sequence.request, sequence.epoch);
  Status failure;
  FinishReason finish = FinishReason::kNone;
  if (sequence.samples) {
    finish = settleSamples(request, plan, sequence, rows, failure);
  } else {
    failure = checkRow(rowOf(request, rows, sequence.firstWanted), stream_.vocabulary());
    if (failure.isOk()) publish(request, sequence.start + sequence.tokens);
  }
  if (!failure.isOk()) {
    end(request, FinishReason::kError, failure.message());
  } else if (finish != FinishReason::kNone) {
    remove(request); // its last token said so
  } else if (sequence.samples && sequence.drafts == 0 && isUndecided(rowOf(request, rows, sequence.firstWanted))) {
    dropNext(request); // behind drafts nothing is in flight
  }
}

/// Samples row by row while the drafts stand. What a finite row sees is published.
FinishReason Engine::settleSamples(Request& request, const StepPlan& plan, const PlannedSequence& sequence, const StepRows& rows, Status& failure) {
  const int32_t afterDrafts = sequence.firstToken + sequence.tokens, firstDraft = afterDrafts - sequence.drafts;
  const int32_t computed = sequence.start + sequence.tokens - sequence.drafts;
  int32_t accepted = 0;
  FinishReason finish = FinishReason::kNone;
  --request.pending;
  while (true) {
    const int32_t wanted = sequence.firstWanted + accepted;
    const StepRows row = rowOf(request, rows, wanted);
    if (static_cast<size_t>(wanted) < plan.proposals.size() && plan.proposals[wanted].lacksKeys) request.lacksDraftKeys = true;
    const Expected<int32_t> token = sampleNext(request, plan, wanted, row);
    if (!token) {
      failure = token.status();
      break;
    }
    request.tokens.push_back(*token);
    resolved_[wanted] = *token;
    finish = stopAfterLast(request, options_.scheduler.contextLength);
    emitToken(request, row, finish);
    publish(request, computed + accepted);
    if (finish != FinishReason::kNone || accepted == sequence.drafts || plan.tokens[firstDraft + accepted] != *token) break;
    ++accepted;
  }
  counts_.drafts += sequence.drafts;
  counts_.acceptedDrafts += accepted;
  request.drafts.record(sequence.drafts, accepted);
  // What was computed for drafts that do not stand is computed again: nothing is in flight behind drafts.
  if (sequence.drafts > 0) request.computed = computed + accepted;
  request.draftsInFlight = 0;
  return finish;
}

Expected<int32_t> Engine::sampleNext(const Request& request, const StepPlan& plan, int32_t wanted, const StepRows& row) {
  SampleInput input{row.logits, request.prompt(), request.output()};
  if (!row.tokens.empty()) {
    JINX_TRY(checkRow(row, stream_.vocabulary()));
    if (!isUndecided(row)) return row.tokens[0];
    JINX_TRY_ASSIGN(input.logits, stream_.logitsOf(static_cast<size_t>(wanted)));
  }
  if (request.options.mask) {
    JINX_TRY_ASSIGN(input.mask, request.options.mask->allowed(request.output()));
  }
  const SamplingOptions& sampling = request.options.sampling;
  const bool isProposed = static_cast<size_t>(wanted) < plan.proposals.size() && !plan.proposals[wanted].isEmpty();
  if (!isProposed) return sampler_.sample(input, sampling, request.known());
  JINX_TRY_ASSIGN(const std::span<const Candidate> candidates, sampler_.distribution(input, sampling));
  return judge_.choose(candidates, plan.proposals[wanted], sampling.seed, request.known());
}

/// Publishes the pages that end at or before token `end`.
void Engine::publish(Request& request, int32_t end) {
  if (!options_.scheduler.cachesPrefixes || request.lacksDraftKeys) return;
  while ((request.published + 1) * kPageTokens <= end) {
    const PageContent content = std::span(request.tokens).subspan(static_cast<size_t>(request.published) * kPageTokens).first<kPageTokens>();
    request.chain = pool_.publish(request.pages[request.published], request.chain, request.salt, content);
    ++request.published;
  }
}

void Engine::emitToken(const Request& request, const StepRows& row, FinishReason finish) {
  Output output;
  output.request = request.id;
  output.epoch = request.epoch;
  output.index = request.generated() - 1;
  output.token = request.tokens.back();
  output.finish = finish;
  output.firstLogprob = logprobs_.size();
  if (request.options.sampling.logprobs >= 0)
    sampler_.appendLogprobs(row.logits, output.token, request.options.sampling.logprobs, logprobs_);
  output.logprobs = logprobs_.size() - output.firstLogprob;
  outputs_.push_back(std::move(output));
}

} // namespace jinx::engine
