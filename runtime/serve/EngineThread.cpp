#include "runtime/serve/EngineThread.h"

#include <chrono>

namespace jinx::serve {

using engine::FinishReason;

double secondsNow() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Expected<std::unique_ptr<EngineThread>> EngineThread::start(Options options, engine::StepStream& stream, Metrics& metrics) {
  std::unique_ptr<EngineThread> made(new EngineThread(metrics));
  options.engine.onSettled = [thread = made.get()](const engine::SettledStep& step) { thread->settled(step); };
  options.engine.now_s = secondsNow;
  JINX_TRY_ASSIGN(made->engine_, engine::Engine::create(std::move(options.engine), stream));
  for (const auto& [tenant, weight] : options.weights)
    made->engine_->fairness().setWeight(tenant, weight);
  made->publishState();
  made->thread_ = std::thread([thread = made.get()] { thread->run(); });
  return made;
}

void EngineThread::end() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  hasMessages_.notify_one();
  thread_.join();
}

// ---- the other threads' side ----

void EngineThread::put(Message message) {
  {
    std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
  }
  hasMessages_.notify_one();
}

JobId EngineThread::submit(Job job) {
  JobId id = 0;
  {
    std::lock_guard lock(mutex_);
    id = ++lastJob_;
    ++openJobs_;
    messages_.push_back(Submission{id, std::move(job)});
  }
  hasMessages_.notify_one();
  return id;
}

void EngineThread::cancel(JobId job, Outcome why) { put(Cancellation{job, -1, why}); }
void EngineThread::cancelChoice(JobId job, uint32_t choice, Outcome why) { put(Cancellation{job, choice, why}); }
void EngineThread::cancelAll() { put(Cancellation{0, -1, Outcome::kCancelled}); }

size_t EngineThread::jobs() const {
  std::lock_guard lock(mutex_);
  return openJobs_;
}

// ---- the thread ----

void EngineThread::run() {
  std::vector<Message> messages;
  bool goesOn = true;
  while (goesOn || !engine_->isIdle()) {
    goesOn = takeMessages(messages);
    for (Message& message : messages) {
      if (auto* submission = std::get_if<Submission>(&message)) open(std::move(*submission));
      else close(std::get<Cancellation>(message));
    }
    messages.clear();
    if (!goesOn) close({0, -1, Outcome::kCancelled});
    const auto outputs = engine_->step();
    publishState(); // before who is answered can look
    for (const engine::Output& output : outputs)
      deliver(output);
  }
}

/// Waits for messages while there is nothing else to do. False when the thread is to end.
bool EngineThread::takeMessages(std::vector<Message>& messages) {
  std::unique_lock lock(mutex_);
  if (engine_->isIdle()) hasMessages_.wait(lock, [this] { return ends_ || !messages_.empty(); });
  messages.swap(messages_);
  return !ends_;
}

void EngineThread::open(Submission submission) {
  OpenJob opened{std::move(submission.job), {}, 0};
  for (uint32_t choice = 0; choice < opened.job.choices.size(); ++choice) {
    const auto length = static_cast<int32_t>(opened.job.choices[choice].prompt.size());
    const engine::Admission admission = engine_->submit(std::move(opened.job.choices[choice]));
    if (const auto* id = std::get_if<engine::RequestId>(&admission)) {
      opened.requests.push_back(*id);
      requests_[*id] = {submission.id, choice, Outcome::kCancelled, length};
      continue;
    }
    for (engine::RequestId request : opened.requests) {
      requests_.erase(request);
      engine_->cancel(request);
    }
    metrics_.requests[static_cast<size_t>(Outcome::kRefused)] += opened.job.choices.size();
    Event event;
    event.finish = FinishReason::kError;
    event.refusal = std::get<engine::Refusal>(admission);
    opened.job.events->push(std::move(event));
    std::lock_guard lock(mutex_);
    --openJobs_;
    return;
  }
  opened.open = opened.requests.size();
  jobs_.emplace(submission.id, std::move(opened));
}

void EngineThread::close(const Cancellation& cancellation) {
  for (auto& [id, job] : jobs_) {
    if (cancellation.job != 0) break;
    for (size_t choice = 0; choice < job.requests.size(); ++choice)
      closeChoice(job, choice, cancellation.why);
  }
  const auto found = jobs_.find(cancellation.job);
  if (found == jobs_.end()) return;
  for (size_t choice = 0; choice < found->second.requests.size(); ++choice)
    if (cancellation.choice < 0 || choice == static_cast<size_t>(cancellation.choice)) closeChoice(found->second, choice, cancellation.why);
}

void EngineThread::closeChoice(OpenJob& job, size_t choice, Outcome why) {
  const engine::RequestId request = job.requests[choice];
  if (request == 0 || !engine_->cancel(request)) return;
  requests_.at(request).whenCancelled = why;
}

/// Times of the requests of a step; their tokens come after.
void EngineThread::settled(const engine::SettledStep& step) {
  for (const engine::PlannedSequence& sequence : step.plan.sequences) {
    const auto found = requests_.find(sequence.request);
    if (found == requests_.end()) continue;
    OpenRequest& request = found->second;
    if (request.admitted_s == 0) {
      request.admitted_s = step.launched_s;
      request.cached = sequence.start;
      const double arrived_s = jobs_.at(request.job).job.arrived_s;
      metrics_.queue.observe(step.launched_s - arrived_s);
      metrics_.promptTokens += static_cast<uint64_t>(request.prompt);
      trace(request, "queue", arrived_s, step.launched_s);
    }
    if (sequence.epoch != request.epoch) {
      trace(request, "preempted", request.last_s > 0 ? request.last_s : step.launched_s, step.launched_s, {{"jinx.epoch", int64_t{sequence.epoch}}});
      request.epoch = sequence.epoch;
    }
    // A prompt that was found all but its last token has a step of its own as well.
    if (request.first_s == 0 || !sequence.samples || sequence.tokens - sequence.drafts > 1) trace(request, "prefill", step.launched_s, step.settled_s, {{"jinx.tokens", int64_t{sequence.tokens}}});
    if (request.first_s == 0 && sequence.samples) metrics_.prefill.observe(step.settled_s - request.admitted_s);
  }
}

void EngineThread::deliver(const engine::Output& output) {
  const auto found = requests_.find(output.request);
  if (found == requests_.end()) return; // of a job that was refused
  OpenRequest& request = found->second;
  OpenJob& job = jobs_.at(request.job);
  const double now_s = secondsNow();
  if (output.token >= 0) {
    ++request.tokens;
    ++metrics_.outputTokens;
    if (request.first_s == 0) metrics_.firstToken.observe(now_s - job.job.arrived_s);
    else metrics_.betweenTokens.observe(now_s - request.last_s);
    if (request.first_s == 0) request.first_s = now_s;
    request.last_s = now_s;
  }
  if (output.finish != FinishReason::kNone) countEnd(request, job.job, output.finish);
  Event event{request.choice, output.token, {}, output.finish, output.error, request.cached, {}};
  const auto logprobs = engine_->logprobs(output);
  event.logprobs.assign(logprobs.begin(), logprobs.end());
  if (!job.job.events->push(std::move(event))) {
    for (size_t choice = 0; choice < job.requests.size(); ++choice)
      closeChoice(job, choice, Outcome::kSlowReader);
  }
  if (output.finish == FinishReason::kNone) return;
  const JobId id = request.job;
  job.requests[request.choice] = 0;
  requests_.erase(found);
  if (--job.open > 0) return;
  jobs_.erase(id);
  std::lock_guard lock(mutex_);
  --openJobs_;
}

void EngineThread::countEnd(const OpenRequest& request, const Job& job, FinishReason finish) {
  switch (finish) {
  case FinishReason::kStop: metrics_.count(Outcome::kStop); break;
  case FinishReason::kLength: metrics_.count(Outcome::kLength); break;
  case FinishReason::kCancelled: metrics_.count(request.whenCancelled); break;
  case FinishReason::kError: metrics_.count(Outcome::kError); break;
  case FinishReason::kNone: break;
  }
  metrics_.whole.observe(secondsNow() - job.arrived_s);
  if (request.tokens == 0) return;
  metrics_.decode.observe(request.last_s - request.first_s);
  trace(request, "decode", request.first_s, request.last_s, {{"jinx.tokens", int64_t{request.tokens}}});
}

void EngineThread::trace(const OpenRequest& request, const char* name, double begin_s, double end_s, SpanValues values) {
  if (RequestTrace* trace = jobs_.at(request.job).job.trace.get()) trace->add(name, begin_s, end_s, static_cast<int32_t>(request.choice), std::move(values));
}

void EngineThread::publishState() {
  const engine::EngineCounts& counts = engine_->counts();
  const engine::Scheduler& scheduler = engine_->scheduler();
  const engine::BlockPool& pool = engine_->pool();
  EngineState state;
  state.running = static_cast<int64_t>(scheduler.running().size());
  state.waiting = static_cast<int64_t>(scheduler.waiting().size());
  state.waitingTokens = scheduler.waitingTokens();
  state.pages = pool.pages();
  state.pagesFree = pool.available();
  state.pagesRetired = pool.retired();
  state.pagesCached = pool.index().size();
  state.steps = counts.steps;
  state.stepTokens = counts.tokens;
  state.failedSteps = counts.failedSteps;
  state.cachedTokens = scheduler.cachedTokens();
  state.preemptions = scheduler.preemptions();
  state.drafts = counts.drafts;
  state.acceptedDrafts = counts.acceptedDrafts;
  metrics_.setEngine(state);
}

} // namespace jinx::serve
