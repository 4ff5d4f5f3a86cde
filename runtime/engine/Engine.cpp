#include "runtime/engine/Engine.h"

#include <algorithm>
#include <chrono>

#include "runtime/engine/ModelDrafter.h"

namespace jinx::engine {
namespace {

/// How much the last step counts in the mean of their times.
constexpr double kNewest = 0.1;

double steadyNow() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Status validate(const EngineOptions& options, const StepStream& stream) {
  const SchedulerOptions& scheduler = options.scheduler;
  const auto atLeast = [](const char* name, int64_t got, int64_t least) {
    if (got >= least) return Status::ok();
    return invalidArgument(std::string(name) + " is " + std::to_string(got) + ", expected at least " + std::to_string(least));
  };
  JINX_TRY(atLeast("the model's vocabulary", stream.vocabulary(), 1));
  JINX_TRY(atLeast("the model's number of pages", stream.pages(), 1));
  JINX_TRY(atLeast("max_running", scheduler.maxRunning, 1));
  JINX_TRY(atLeast("token_budget (each running request takes one)", scheduler.tokenBudget, scheduler.maxRunning));
  JINX_TRY(atLeast("prefill_while_decoding", scheduler.prefillWhileDecoding, 1));
  JINX_TRY(atLeast("context_length", scheduler.contextLength, 2));
  JINX_TRY(atLeast("max_waiting", options.maxWaiting, 1));
  if (!options.draftModel) return Status::ok();
  if (options.draftModel->vocabulary() != stream.vocabulary())
    return invalidArgument("the draft model has a vocabulary of " + std::to_string(options.draftModel->vocabulary()) + ", expected the model's, " +
                           std::to_string(stream.vocabulary()));
  return atLeast("the draft model's number of pages", options.draftModel->pages(), stream.pages());
}

std::unique_ptr<Drafter> makeDrafter(StepModel* model) {
  if (model) return std::make_unique<ModelDrafter>(*model);
  return std::make_unique<LookupDrafter>();
}

} // namespace

Expected<std::unique_ptr<Engine>> Engine::create(EngineOptions options, StepStream& stream) {
  JINX_TRY(validate(options, stream), "making an engine");
  if (!options.now_s) options.now_s = steadyNow;
  return std::unique_ptr<Engine>(new Engine(std::move(options), stream));
}

Engine::Engine(EngineOptions options, StepStream& stream)
    : options_(std::move(options)), stream_(stream), pool_(stream.pages(), options_.key), drafter_(makeDrafter(options_.draftModel)),
      scheduler_(options_.scheduler, pool_, *drafter_), sampler_(stream.vocabulary()), judge_(stream.vocabulary()) {}

double Engine::retryAfter() const {
  const double steps = static_cast<double>(scheduler_.waitingTokens()) / options_.scheduler.tokenBudget + 1;
  return steps * std::max(stepSeconds_, 1e-3);
}

Admission Engine::submit(RequestOptions options) {
  using Reason = Refusal::Reason;
  const int32_t context = options_.scheduler.contextLength;
  if (Status status = engine::validate(options, stream_.vocabulary(), context); !status.isOk())
    return Refusal{Reason::kInvalid, status.message()};
  const int64_t length = std::min<int64_t>(static_cast<int64_t>(options.prompt.size()) + options.maxTokens, context);
  if (length > int64_t{pool_.pages()} * kPageTokens)
    return Refusal{Reason::kTooLong, "prompt and output may have " + std::to_string(length) + " tokens, and there is room for " +
                                         std::to_string(int64_t{pool_.pages()} * kPageTokens)};
  if (static_cast<int64_t>(scheduler_.waiting().size()) >= options_.maxWaiting)
    return Refusal{Reason::kQueueFull, std::to_string(scheduler_.waiting().size()) + " requests wait, as many as may", retryAfter()};
  if (scheduler_.waitingTokens() + static_cast<int64_t>(options.prompt.size()) > options_.maxWaitingTokens)
    return Refusal{Reason::kQueueFull,
                   std::to_string(scheduler_.waitingTokens()) + " tokens wait, and at most " + std::to_string(options_.maxWaitingTokens) + " may",
                   retryAfter()};
  if (scheduler_.fairness().requests(options.tenant) >= options_.maxWaitingOfTenant)
    return Refusal{Reason::kTenantFull, "the tenant has " + std::to_string(options_.maxWaitingOfTenant) + " requests, as many as it may", retryAfter()};

  auto request = std::make_unique<Request>();
  request->id = ++lastRequest_;
  request->salt = {options.sharesPublicly ? 1u : 0u, options.sharesPublicly ? 0 : options.tenant, options.prefixExtras};
  request->tokens.reserve(static_cast<size_t>(length));
  request->tokens = options.prompt;
  request->pages.reserve(static_cast<size_t>(length + kPageTokens - 1) / kPageTokens);
  request->promptLength = request->known();
  request->options = std::move(options);
  scheduler_.enqueue(*request);
  requests_.emplace(lastRequest_, std::move(request));
  return lastRequest_;
}

bool Engine::cancel(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return false;
  pool_.advance(options_.now_s());
  Output output;
  output.request = id;
  output.epoch = found->second->epoch;
  output.finish = FinishReason::kCancelled;
  next_.push_back(std::move(output));
  remove(*found->second);
  return true;
}

std::span<const Output> Engine::step() {
  const double begin = options_.now_s();
  pool_.advance(begin);
  outputs_.clear();
  outputs_.swap(next_);
  logprobs_.clear();
  const bool isLaunched = launchNext();
  const size_t ahead = options_.overlaps && isLaunched ? 1 : 0;
  while (flights_.size() > ahead)
    settleOldest();
  if (isLaunched) {
    const double seconds = options_.now_s() - begin;
    stepSeconds_ = stepSeconds_ == 0 ? seconds : stepSeconds_ + kNewest * (seconds - stepSeconds_);
  }
  return outputs_;
}

bool Engine::launchNext() {
  Flight flight;
  if (!spare_.empty()) {
    flight.plan = std::move(spare_.back());
    spare_.pop_back();
  }
  flight.plan.clear();
  scheduler_.plan(lastStep_ + 1, flight.plan);
  const bool isAny = !flight.plan.isEmpty();
  if (isAny) {
    addDraws(flight.plan);
    ++lastStep_;
    ++counts_.steps;
    counts_.tokens += flight.plan.tokens.size();
    flights_.push_back(std::move(flight));
    // In the queue before it is launched: who looks on from the stream sees the plan.
    Flight& launched = flights_.back();
    launched.launched_s = options_.now_s();
    launched.failure = launch(launched.plan);
    launched.isLaunched = launched.failure.isOk();
  } else {
    spare_.push_back(std::move(flight.plan));
  }
  return isAny;
}

/// Whether the model picks its tokens, in every step. Guesses of a draft model are judged by distributions, which only logits give.
bool Engine::isPicked(const Request& request) const {
  const bool needsDistribution = options_.draftModel && request.options.sampling.temperature > 0;
  return stream_.picksTokens() && request.isPickable() && !needsDistribution;
}

/// Who asks for tokens, and who for logits. A chunk in the middle of a prompt has no token behind it: any draw shows whether its row is finite.
void Engine::addDraws(StepPlan& plan) {
  plan.draws.assign(plan.wanted.size(), {});
  plan.wantsLogits = false;
  bool isAnyPicked = false;
  for (const PlannedSequence& sequence : plan.sequences) {
    const Request& request = *find(sequence.request, sequence.epoch);
    const bool isPicked = this->isPicked(request);
    (isPicked ? isAnyPicked : plan.wantsLogits) = true;
    for (int32_t wanted = sequence.firstWanted; isPicked && sequence.samples && wanted < sequence.firstWanted + sequence.wanted; ++wanted)
      plan.draws[wanted] = drawOf(request.options.sampling, plan.position[plan.wanted[wanted]] + 1);
  }
  if (!isAnyPicked) plan.draws.clear();
}

Status Engine::launch(const StepPlan& plan) {
  for (const PageCopy& copy : plan.copies)
    JINX_TRY(stream_.copyPage(copy.from, copy.to), "step " + std::to_string(plan.step));
  return stream_.launch(plan.input()).withContext("step " + std::to_string(plan.step));
}

Request* Engine::find(RequestId id, uint32_t epoch) {
  const auto found = requests_.find(id);
  return found == requests_.end() || found->second->epoch != epoch ? nullptr : found->second.get();
}

void Engine::remove(Request& request) {
  scheduler_.finish(request);
  requests_.erase(request.id);
}

void Engine::end(Request& request, FinishReason finish, std::string error) {
  Output output;
  output.request = request.id;
  output.epoch = request.epoch;
  output.finish = finish;
  output.error = std::move(error);
  outputs_.push_back(std::move(output));
  remove(request);
}

} // namespace jinx::engine
