#include "runtime/serve/EmbeddingThread.h"

#include <algorithm>
#include <exception>
#include <numeric>

#include "runtime/serve/EngineThread.h"

namespace jinx::serve {
namespace {

HttpReply endingReply() { return replyOf(ApiError{.status = 503, .type = "server_error", .message = "the server is about to end", .code = "shutting_down", .retryAfter_s = 5}); }

ApiError queueFull(const std::string& what) {
  return {.status = 429, .type = "rate_limit_error", .message = what + " wait already", .code = "rate_limit_exceeded", .retryAfter_s = 1};
}

} // namespace

EmbeddingThread::EmbeddingThread(Options options, const ServedEncoder& encoder, Metrics& metrics)
    : options_(std::move(options)), encoder_(encoder), metrics_(metrics), thread_([this] { run(); }) {}

void EmbeddingThread::end() {
  if (!thread_.joinable()) return;
  cancelAll();
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  hasJobs_.notify_one();
  thread_.join();
}

// ---- the other threads' side ----

std::optional<ApiError> EmbeddingThread::submit(const JobPointer& job) {
  const auto& texts = job->request_.texts;
  job->cost_ = job->request_.tokens + static_cast<int64_t>(texts.size()) * encoder_.width;
  job->order_.resize(texts.size());
  std::iota(job->order_.begin(), job->order_.end(), size_t{0});
  std::ranges::sort(job->order_, [&](size_t a, size_t b) { return texts[a].size() != texts[b].size() ? texts[a].size() > texts[b].size() : a < b; });
  job->vectors_.resize(texts.size());
  std::optional<ApiError> refusal;
  {
    std::lock_guard lock(mutex_);
    Tenant& tenant = tenants_[job->tenant_];
    if (open_ >= options_.maxWaiting) refusal = queueFull(std::to_string(open_) + " requests");
    else if (tenant.open >= options_.maxWaitingOfTenant) refusal = queueFull(std::to_string(tenant.open) + " requests of this key");
    else if (open_ > 0 && numbers_ + job->cost_ > options_.maxWaitingNumbers) refusal = queueFull(std::to_string(numbers_) + " numbers");
    if (!refusal) {
      // Who has asked for nothing for a while has saved up nothing by it.
      if (const Tenant* other = nextTenant(); other && tenant.open == 0) tenant.served = std::max(tenant.served, other->served);
      ++open_, ++tenant.open, numbers_ += job->cost_;
      tenant.jobs.push_back(job);
      ++metrics_.embeddingsOpen;
    }
  }
  if (refusal) metrics_.count(EmbeddingOutcome::kRefused);
  else hasJobs_.notify_one();
  return refusal;
}

void EmbeddingThread::cancel(EmbeddingJob& job, EmbeddingOutcome why) {
  std::lock_guard lock(mutex_);
  if (!job.ending_) job.ending_ = why;
}

void EmbeddingThread::cancelAll() {
  std::lock_guard lock(mutex_);
  for (auto& [id, tenant] : tenants_)
    for (const JobPointer& job : tenant.jobs)
      if (!job->ending_) job->ending_ = EmbeddingOutcome::kCancelled;
  if (running_ && !running_->ending_) running_->ending_ = EmbeddingOutcome::kCancelled;
}

// ---- the thread ----

void EmbeddingThread::run() {
  while (const JobPointer job = take())
    runTurn(job);
}

/// Null when the thread is to end, and all jobs have.
EmbeddingThread::JobPointer EmbeddingThread::take() {
  std::unique_lock lock(mutex_);
  running_ = nullptr;
  Tenant* tenant = nullptr;
  hasJobs_.wait(lock, [&] { return (tenant = nextTenant()) || ends_; });
  if (!tenant) return nullptr;
  running_ = std::move(tenant->jobs.front());
  tenant->jobs.pop_front();
  return running_;
}

/// Of those with jobs that wait.
EmbeddingThread::Tenant* EmbeddingThread::nextTenant() {
  Tenant* next = nullptr;
  for (auto& [id, tenant] : tenants_)
    if (!tenant.jobs.empty() && (!next || tenant.served < next->served)) next = &tenant;
  return next;
}

void EmbeddingThread::runTurn(const JobPointer& job) {
  {
    std::unique_lock lock(mutex_);
    const std::optional<EmbeddingOutcome> ending = job->ending_;
    lock.unlock();
    if (ending) return finish(*job, endingReply(), *ending);
  }
  const double begin_s = secondsNow();
  if (job->begun_s_ == 0 && job->trace) job->trace->add("queue", job->arrived_s_, begin_s);
  if (job->begun_s_ == 0) job->begun_s_ = begin_s;
  size_t tokens = 0;
  const size_t first = job->next_, end = endOfTurn(*job, tokens);
  if (const Status status = runTexts(*job, end); !status.isOk()) return finish(*job, replyOf(errorOf(status, "input")), EmbeddingOutcome::kError);
  if (job->trace) job->trace->add("embed", begin_s, secondsNow(), -1, {{"jinx.texts", static_cast<int64_t>(end - first)}, {"jinx.tokens", static_cast<int64_t>(tokens)}});
  const bool isWhole = end == job->order_.size();
  {
    std::lock_guard lock(mutex_);
    Tenant& tenant = tenants_[job->tenant_];
    const auto weight = options_.weights.find(job->tenant_);
    tenant.served += static_cast<double>(tokens) / (weight == options_.weights.end() ? 1 : weight->second);
    if (!isWhole) tenant.jobs.push_back(job);
  }
  if (!isWhole) return;
  Expected<std::string> body = internalError("");
  try {
    body = embeddingAnswer(job->request_, encoder_.name, job->vectors_);
  } catch (const std::exception& error) { // memory that ran out
    body = resourceError(error.what());
  }
  if (!body) return finish(*job, replyOf(errorOf(body.status())), EmbeddingOutcome::kError);
  finish(*job, {.body = std::move(*body)}, EmbeddingOutcome::kAnswered);
}

size_t EmbeddingThread::endOfTurn(const EmbeddingJob& job, size_t& tokens) const {
  size_t end = job.next_;
  for (; end < job.order_.size(); ++end) {
    const size_t length = job.request_.texts[job.order_[end]].size();
    if (end > job.next_ && tokens + length > options_.tokensOfTurn) break;
    tokens += length;
  }
  return end;
}

/// Texts from the next one to `end`, by the job's order.
Status EmbeddingThread::runTexts(EmbeddingJob& job, size_t end) {
  try {
    std::vector<std::vector<text::TokenId>> texts;
    for (size_t i = job.next_; i < end; ++i)
      texts.push_back(std::move(job.request_.texts[job.order_[i]]));
    JINX_TRY_ASSIGN(std::vector<std::vector<float>> vectors, encoder_.embed(texts));
    for (size_t i = job.next_; i < end; ++i)
      job.vectors_[job.order_[i]] = std::move(vectors[i - job.next_]);
    job.next_ = end;
    return Status::ok();
  } catch (const std::exception& error) { // memory that ran out
    return resourceError(error.what());
  }
}

void EmbeddingThread::finish(EmbeddingJob& job, HttpReply reply, EmbeddingOutcome outcome) {
  {
    std::lock_guard lock(mutex_);
    const auto tenant = tenants_.find(job.tenant_);
    --open_, --tenant->second.open, numbers_ -= job.cost_;
    // Counted before the one who waits for the reply can ask.
    --metrics_.embeddingsOpen;
    countDone(job, outcome);
  }
  job.vectors_.clear();
  job.reply = std::move(reply);
  job.isDone_.store(true, std::memory_order_release);
  job.notify();
}

void EmbeddingThread::countDone(const EmbeddingJob& job, EmbeddingOutcome outcome) {
  metrics_.count(outcome);
  const double now_s = secondsNow();
  if (job.begun_s_ > 0) metrics_.embeddingQueue.observe(job.begun_s_ - job.arrived_s_);
  metrics_.embeddingWhole.observe(now_s - job.arrived_s_);
  if (outcome != EmbeddingOutcome::kAnswered) return;
  metrics_.embeddingTexts += job.order_.size();
  metrics_.embeddingTokens += static_cast<uint64_t>(job.request_.tokens);
}

} // namespace jinx::serve
