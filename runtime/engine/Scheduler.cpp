#include "runtime/engine/Scheduler.h"

#include <algorithm>
#include <tuple>

namespace jinx::engine {
namespace {

int32_t pagesFor(int32_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }
int32_t roomIn(size_t pages) { return static_cast<int32_t>(pages) * kPageTokens; }

/// One token is left to compute: its request decodes, or its prompt is all but done.
bool isDecoding(const Request& request) { return request.remaining() == 1; }

} // namespace

void Scheduler::enqueue(Request& request) {
  request.tenant = &fairness_.join(request.options.tenant);
  request.state = Request::State::kWaiting;
  waiting_.push_back(&request);
  waitingTokens_ += request.known();
}

void Scheduler::leaveWaiting(Request& request) {
  waiting_.erase(std::ranges::find(waiting_, &request));
  waitingTokens_ -= request.known();
}

void Scheduler::finish(Request& request) {
  if (request.state == Request::State::kWaiting) leaveWaiting(request);
  if (request.state == Request::State::kRunning) running_.erase(std::ranges::find(running_, &request));
  releasePages(request);
  request.state = Request::State::kFinished;
  fairness_.leave(request.options.tenant);
  request.tenant = nullptr;
}

void Scheduler::releasePages(Request& request) {
  pool_.release(request.pages, request.lastStep, {request.options.retention, request.options.retentionSeconds});
  request.pages.clear();
  request.computed = request.published = request.pending = request.draftsInFlight = 0;
  request.lacksDraftKeys = false;
}

void Scheduler::preempt(Request& request) {
  running_.erase(std::ranges::find(running_, &request));
  releasePages(request);
  ++request.epoch;
  ++preemptions_;
  request.state = Request::State::kWaiting;
  waiting_.push_back(&request);
  waitingTokens_ += request.known();
}

void Scheduler::plan(StepId step, StepPlan& plan) {
  plan.step = step;
  planned_.clear();
  Budget budget{options_.tokenBudget, options_.tokenBudget, 0};
  for (const Request* request : running_)
    if (mayRun(*request) && isDecoding(*request)) ++budget.decoders;
  if (budget.decoders > 0) budget.prefill = std::min(budget.prefill, options_.prefillWhileDecoding);

  const uint64_t preemptionsBefore = preemptions_;
  for (size_t i = 0; i < running_.size(); ++i) // the end of the list may be preempted on the way
    planRunning(*running_[i], budget, plan);
  if (preemptions_ == preemptionsBefore)
    while (admitNext(budget, plan)) {
    }
  fillTable(plan);
  if (!plan.isEmpty()) drafter_.complete(plan, planned_);
}

/// Its tenant has paid, and the step may still write to the page: `charged` and `lastStep` stay.
void Scheduler::takeBack(Request& request, PlannedSequence& sequence) {
  assert(request.id == sequence.request && request.epoch == sequence.epoch && request.pending == 1 && sequence.samples && sequence.tokens == 1);
  sequence.isVoid = true;
  request.computed = sequence.start;
  request.pending = 0;
}

void Scheduler::settle(const StepPlan& plan) {
  for (const PageCopy& copy : plan.copies)
    pool_.release(copy.from, plan.step, Retention::unchanged());
}

/// Whether there is something to compute that is needed, and known well enough to be planned.
bool Scheduler::mayRun(const Request& request) const {
  if (request.remaining() <= 0) return false;
  if (request.pending == 0) return true;
  if (drafter_.readsTokens()) return false;
  const bool waitsForDrafts = request.draftsInFlight > 0 || request.drafts.limit(request.options.maxDrafts) > 0;
  const bool ends = request.generated() + request.pending >= request.options.maxTokens ||
                    request.known() + request.pending >= options_.contextLength;
  return !waitsForDrafts && !ends;
}

void Scheduler::planRunning(Request& request, Budget& budget, StepPlan& plan) {
  if (!mayRun(request)) return;
  const bool decodes = isDecoding(request);
  if (decodes) --budget.decoders;
  int32_t count = std::min(request.remaining(), budget.tokens - budget.decoders);
  if (!decodes) count = std::min(count, budget.prefill);
  if (count > 0) count = reserve(request, count, true);
  if (count <= 0) return;
  drafts_.clear();
  if (decodes && request.pending == 0) proposeDrafts(request, budget.tokens - budget.decoders - count);
  append(request, count, budget, plan);
}

/// Extends the pages to hold up to `count` more tokens. \returns how many they hold; 0: it has to wait
int32_t Scheduler::reserve(Request& request, int32_t count, bool mayPreempt) {
  while (true) {
    const int32_t room = roomIn(request.pages.size() + static_cast<size_t>(pool_.available())) - request.computed;
    if (room > 0) {
      count = std::min(count, room);
      while (static_cast<int32_t>(request.pages.size()) < pagesFor(request.computed + count))
        request.pages.push_back(pool_.allocate());
      return count;
    }
    // Settling steps will bring pages; a request of higher rank gives none.
    if (!mayPreempt || pool_.retired() > 0 || running_.back() == &request) return 0;
    preempt(*running_.back());
  }
}

/// Drafts behind the last token, as far as tokens, pages and the request's end allow. Pages for them are taken only where they are free.
void Scheduler::proposeDrafts(const Request& request, int32_t room) {
  int32_t most = request.drafts.limit(request.options.maxDrafts);
  most = std::min({most, room, request.options.maxTokens - request.generated() - 1, options_.contextLength - request.known() - 1,
                   roomIn(request.pages.size() + static_cast<size_t>(pool_.available())) - request.known()});
  if (most > 0) drafter_.propose(request, most, drafts_);
}

void Scheduler::append(Request& request, int32_t count, Budget& budget, StepPlan& plan) {
  const int32_t drafts = static_cast<int32_t>(drafts_.size()), end = request.computed + count;
  while (static_cast<int32_t>(request.pages.size()) < pagesFor(end + drafts))
    request.pages.push_back(pool_.allocate());

  PlannedSequence sequence{request.id, request.epoch, request.computed, count + drafts, drafts};
  sequence.samples = request.remaining() == count;
  sequence.firstToken = static_cast<int32_t>(plan.tokens.size());
  sequence.firstWanted = static_cast<int32_t>(plan.wanted.size());
  sequence.wanted = 1 + drafts;
  assert((end <= request.known() || request.lastStep + 1 == plan.step) && "a placeholder is of the step before");
  for (int32_t position = request.computed; position < end + drafts; ++position) {
    if (position >= end - 1) plan.wanted.push_back(static_cast<int32_t>(plan.tokens.size()));
    plan.tokens.push_back(position >= end                ? drafts_[position - end]
                          : position < request.known() ? request.tokens[position]
                                                       : -1 - request.pendingRow);
    plan.sequence.push_back(static_cast<int32_t>(plan.sequences.size()));
    plan.position.push_back(position);
    plan.slots.push_back(request.pages[position / kPageTokens] * kPageTokens + position % kPageTokens);
  }
  plan.sequences.push_back(sequence);
  planned_.push_back(&request);

  if (!sequence.samples || count > 1) budget.prefill -= count;
  budget.tokens -= count + drafts;
  if (end > request.charged) fairness_.charge(*request.tenant, end - std::exchange(request.charged, end));
  if (sequence.samples) {
    ++request.pending;
    request.pendingRow = sequence.firstWanted;
  }
  request.computed = end + drafts;
  request.draftsInFlight = drafts;
  request.lastStep = plan.step;
}

/// By priority; preempted ones first; then the tenant that had least; then as they came.
std::vector<Request*>::const_iterator Scheduler::nextWaiting() const {
  const auto order = [](const Request* request) {
    return std::tuple(-static_cast<int64_t>(request->options.priority), request->epoch == 0, request->tenant->served, request->id);
  };
  return std::min_element(waiting_.begin(), waiting_.end(),
                          [&](const Request* a, const Request* b) { return order(a) < order(b); });
}

/// Takes the pages of the longest cached prefix that leaves a token to compute, and a page for a copy of a tail that it shares.
std::optional<PageCopy> Scheduler::findPrefix(Request& request) {
  request.chain = pool_.root(request.salt);
  request.cached = 0;
  if (!options_.cachesPrefixes) return std::nullopt;
  const auto tokens = std::span(request.tokens).first(request.tokens.size() - 1);
  const BlockPool::Prefix prefix = pool_.acquirePrefix(request.salt, tokens, request.pages);
  request.chain = prefix.chain;
  request.published = prefix.pages;
  request.computed = roomIn(static_cast<size_t>(prefix.pages));
  request.cached = request.computed;
  if (prefix.tail.rows < std::max(options_.leastCopied, 1)) return std::nullopt;
  pool_.retain(prefix.tail.page);
  const int32_t page = pool_.allocate();
  if (page == kNoPage) {
    pool_.release(prefix.tail.page, 0, Retention::unchanged());
    return std::nullopt;
  }
  request.pages.push_back(page);
  request.computed += prefix.tail.rows;
  request.cached = request.computed;
  return PageCopy{prefix.tail.page, page};
}

/// Admits one waiting request; false when none can be now.
bool Scheduler::admitNext(Budget& budget, StepPlan& plan) {
  if (waiting_.empty() || static_cast<int32_t>(running_.size()) >= options_.maxRunning || budget.tokens <= 0) return false;
  Request& request = **nextWaiting();
  const std::optional<PageCopy> copy = findPrefix(request);
  int32_t count = std::min(request.remaining(), budget.tokens);
  if (!isDecoding(request)) count = std::min(count, budget.prefill);
  // Beside others it is admitted only when all its tokens find room, so that it need not preempt them at once.
  const int32_t missing = pagesFor(request.known()) - static_cast<int32_t>(request.pages.size());
  const bool fits = running_.empty() || missing <= pool_.available();
  if (count > 0) count = fits ? reserve(request, count, false) : 0;
  if (count <= 0) {
    if (copy) pool_.release(copy->from, 0, Retention::unchanged());
    pool_.release(request.pages, 0, Retention::unchanged());
    request.pages.clear();
    request.computed = request.published = 0;
    return false;
  }
  leaveWaiting(request);
  request.state = Request::State::kRunning;
  running_.insert(std::ranges::find_if(running_, [&](const Request* other) { return other->options.priority < request.options.priority; }),
                  &request);
  if (copy) plan.copies.push_back(*copy);
  request.charged = std::max(request.charged, request.cached);
  cachedTokens_ += request.cached;
  drafts_.clear();
  append(request, count, budget, plan);
  return true;
}

void Scheduler::fillTable(StepPlan& plan) const {
  size_t entries = 0;
  for (const Request* request : planned_)
    entries = std::max(entries, request->pages.size());
  plan.entries = static_cast<int32_t>(entries);
  plan.table.assign(entries * planned_.size(), kNoPage);
  for (size_t row = 0; row < planned_.size(); ++row)
    std::ranges::copy(planned_[row]->pages, plan.table.begin() + static_cast<ptrdiff_t>(row * entries));
}

} // namespace jinx::engine
