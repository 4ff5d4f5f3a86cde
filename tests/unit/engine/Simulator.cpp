#include "tests/unit/engine/Simulator.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>

#include "tests/unit/engine/Reference.h"

namespace jinx::engine {
namespace {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(toyMix(seed)) {}
  uint64_t next() { return toyMix(state_++); }
  int32_t below(int32_t count) { return static_cast<int32_t>(next() % static_cast<uint64_t>(count)); }
  int32_t between(int32_t low, int32_t high) { return low + below(high - low + 1); }
  bool oneIn(int32_t count) { return below(count) == 0; }

 private:
  uint64_t state_;
};

/// Allows about half of the tokens, another half at each length.
class ToyMask : public TokenMask {
 public:
  explicit ToyMask(int32_t vocabulary) : words_((vocabulary + 63) / 64) {}
  Expected<std::span<const uint64_t>> allowed(std::span<const int32_t> output) override {
    for (size_t i = 0; i < words_.size(); ++i)
      words_[i] = toyMix(output.size() * 8 + i) | 1;
    return std::span<const uint64_t>(words_);
  }

 private:
  std::vector<uint64_t> words_;
};

/// What a schedule does, drawn from its seed.
struct Shape {
  int32_t vocabulary, pages, requests, faultsOneIn; ///< 0: no faults
  bool poisons, cancels;
  ToyPicking picking;  ///< of the model
  bool fillsEarly;     ///< placeholders, with whatever comes where the model could not pick a token
  bool isPressed; ///< few pages for many requests with long outputs: preemptions
  bool hasDraftModel;
  int32_t draftFaultsOneIn; ///< 0: no faults
  EngineOptions engine;
};

Shape drawShape(Random& random, int overlaps) {
  Shape shape;
  shape.vocabulary = random.between(8, 28);
  shape.isPressed = random.oneIn(2);
  shape.pages = random.between(4, shape.isPressed ? 8 : 24);
  shape.requests = random.between(3, 16);
  shape.faultsOneIn = random.oneIn(4) ? random.between(4, 30) : 0;
  shape.poisons = random.oneIn(3);
  shape.cancels = random.oneIn(2);
  SchedulerOptions& scheduler = shape.engine.scheduler;
  scheduler.maxRunning = random.between(shape.isPressed ? 3 : 1, 7);
  scheduler.tokenBudget = scheduler.maxRunning + random.below(40);
  scheduler.prefillWhileDecoding = random.between(1, 24);
  scheduler.contextLength = random.between(24, 150);
  if (shape.isPressed || !random.oneIn(4)) scheduler.contextLength = std::min(scheduler.contextLength, shape.pages * kPageTokens);
  scheduler.cachesPrefixes = !random.oneIn(8);
  shape.engine.key = {random.next(), random.next()};
  shape.engine.maxWaiting = random.oneIn(3) ? random.between(1, 4) : 100;
  const bool draw = random.oneIn(2);
  shape.engine.overlaps = overlaps < 0 ? draw : overlaps == 1;
  shape.hasDraftModel = random.oneIn(3);
  shape.picking = {.picks = !random.oneIn(3), .undecidedOneIn = random.oneIn(4) ? 3 : 30};
  shape.fillsEarly = random.oneIn(2);
  shape.draftFaultsOneIn = random.oneIn(3) ? random.between(4, 60) : 0;
  return shape;
}

SamplingOptions drawSampling(Random& random, int32_t vocabulary) {
  SamplingOptions sampling;
  sampling.seed = random.next();
  sampling.temperature = random.oneIn(2) ? 0 : 0.4f * static_cast<float>(random.between(1, 4));
  if (random.oneIn(3)) sampling.topK = random.between(1, vocabulary);
  if (random.oneIn(3)) sampling.topP = 0.1f * static_cast<float>(random.between(3, 9));
  if (random.oneIn(4)) sampling.minP = 0.1f;
  if (random.oneIn(4)) sampling.repetitionPenalty = 1.3f;
  if (random.oneIn(4)) sampling.presencePenalty = 0.5f;
  if (random.oneIn(4)) sampling.frequencyPenalty = 0.25f;
  if (random.oneIn(5)) sampling.logitBias = {{random.below(vocabulary), 2.5f}, {random.below(vocabulary), -INFINITY}};
  if (random.oneIn(5)) sampling.logprobs = random.below(4);
  return sampling;
}

class Simulation;

/// The toy model with a record of who wrote what, and faults.
class WatchedModel : public ToyModel {
 public:
  WatchedModel(Simulation& simulation, int32_t vocabulary, int32_t pages)
      : ToyModel(vocabulary, pages), writers_(static_cast<size_t>(pages) * kPageTokens, 0), simulation_(simulation) {}

  Status run(const StepInput& input, StepRows rows) override;
  Status copyPage(int32_t from, int32_t to) override;
  void scramble(int32_t page, uint64_t noise) {
    for (int32_t row = 0; row < kPageTokens; ++row) {
      writers_[page * kPageTokens + row] = 0;
      ToyModel::write(page * kPageTokens + row, {toyMix(noise + row), static_cast<int32_t>(noise % 5), row});
    }
  }
  StepId writer(int32_t slot) const { return writers_[slot]; }
  StepId step = 0; ///< that runs

 protected:
  void write(int32_t slot, ToyKey key) override;

 private:
  std::vector<StepId> writers_;
  Simulation& simulation_;
  std::optional<std::pair<int32_t, ToyKey>> late_, later_;
};

/// The toy draft model, with faults.
class WatchedDraft : public ToyDraftModel {
 public:
  WatchedDraft(Simulation& simulation, int32_t vocabulary, int32_t pages) : ToyDraftModel(vocabulary, pages), simulation_(simulation) {}

  Status run(const StepInput& input, StepRows rows) override;
  Status copyPage(int32_t from, int32_t to) override;
  void scramble(int32_t page, uint64_t noise) {
    for (int32_t row = 0; row < kPageTokens; ++row)
      ToyModel::write(page * kPageTokens + row, {toyMix(noise - row), static_cast<int32_t>(noise % 5), row});
  }

 protected:
  void write(int32_t slot, ToyKey key) override;

 private:
  Simulation& simulation_;
};

/// Sees each step on its way to the model.
class WatchedStream : public StepStream {
 public:
  WatchedStream(Simulation& simulation, WatchedModel& model) : simulation_(simulation), model_(model), steps_(model) {}
  int32_t vocabulary() const override { return model_.vocabulary(); }
  int32_t pages() const override { return model_.pages(); }
  bool picksTokens() const override { return model_.picksTokens(); }
  Expected<std::span<const float>> logitsOf(size_t wanted) override;
  Status copyPage(int32_t from, int32_t to) override;
  Status launch(const StepInput& input) override;
  Expected<StepRows> settle() override;
  Status resolve(std::span<const int32_t> tokens) override;

 private:
  Simulation& simulation_;
  WatchedModel& model_;
  QueuedSteps steps_;
  std::deque<StepPlan> launched_;
  StepPlan settled_;
  std::vector<float> logits_;
  std::vector<int32_t> tokens_;
};

class Simulation {
 public:
  Simulation(uint64_t seed, const SimulationOptions& options)
      : options_(options), seed_(seed), random_(seed), plants_(seed + 1), shape_(drawShape(random_, options.overlaps)),
        model_(*this, shape_.vocabulary, shape_.pages), draft_(*this, shape_.vocabulary, shape_.pages + 1), stream_(*this, model_) {
    model_.pickTokens(shape_.picking);
    draft_.pickTokens({.picks = shape_.picking.picks});
    for (auto& document : documents_)
      for (int i = 0; i < 96; ++i)
        document.push_back(random_.below(shape_.vocabulary - 1));
  }

  SimulationResult run();

  // What the watchers ask and tell.
  bool plants(Plant plant, int32_t oneIn = 20) { return options_.plant == plant && plants_.oneIn(oneIn); }
  Random& plantRandom() { return plants_; }
  bool fillsEarly() const { return shape_.fillsEarly; }
  bool fails() { return shape_.faultsOneIn > 0 && random_.oneIn(shape_.faultsOneIn); }
  bool failsDraft() { return shape_.draftFaultsOneIn > 0 && random_.oneIn(shape_.draftFaultsOneIn); }
  bool poisonsDraft() { return shape_.draftFaultsOneIn > 0 && random_.oneIn(shape_.draftFaultsOneIn * 20); }
  bool poisonsNow() { return shape_.faultsOneIn > 0 && random_.oneIn(shape_.faultsOneIn * 20); }
  const StepPlan& newest() const { return engine_->planInFlight(engine_->inFlight() - 1); }
  const Engine& engine() const { return *engine_; }
  void noteLaunch(const StepPlan& plan);
  void noteLaunchFailure(const StepPlan& plan);
  void noteSettle(const StepPlan& plan);
  void noteFailure(const StepPlan& plan);
  void noteVoid(const StepPlan& plan, std::span<const int32_t> tokens);
  void noteFetch(const StepPlan& plan, size_t wanted, bool fails);
  void notePoison(int32_t slot);
  void noteCopy() { ++result_.copies; }
  void noteDraftFault();

 private:
  struct Submitted {
    RequestOptions options;
    int order = 0;
    RequestId id = 0;
    std::vector<int32_t> output;
    FinishReason finish = FinishReason::kNone;
    uint32_t epoch = 0;
    bool mayFail = false, mustFail = false, isCancelled = false;
    std::map<int32_t, bool> proposed; ///< whether the draft model said what the token at a position may be
  };

  RequestOptions drawRequest();
  void submitOne();
  void cancelOne();
  void take(const Output& output);
  void checkState();
  void checkAnswer(const Submitted& request);
  Snapshot snapshot() const;
  std::vector<PageView> pageViews() const;
  bool isLive(const PlannedSequence& sequence) const;
  bool isVoid(const StepPlan& plan, const PlannedSequence& sequence) const { return void_.contains({plan.step, sequence.request}); }
  void addExpectedDraws(Launch& launch);
  Submitted* find(RequestId id);
  void problem(std::string text) {
    if (result_.problems.size() < 5) result_.problems.push_back(std::move(text));
  }

  const SimulationOptions options_;
  const uint64_t seed_;
  Random random_, plants_;
  const Shape shape_;
  WatchedModel model_;
  WatchedDraft draft_;
  WatchedStream stream_;
  std::unique_ptr<Engine> engine_;
  std::vector<int32_t> documents_[3];
  std::vector<Submitted> submitted_;
  int asked_ = 0;
  std::set<std::pair<RequestId, uint32_t>> seen_;
  std::map<int32_t, std::pair<Hash128, std::vector<ToyKey>>> published_; ///< as each page was when it was first seen published
  Snapshot last_; ///< the state after the step before
  double now_s_ = 0;
  const StepPlan* running_ = nullptr;                                     ///< the plan that the model runs
  std::set<std::pair<StepId, RequestId>> void_;                           ///< what steps compute in vain, of requests that go on
  uint64_t expectedStale_ = 0, expectedUndecided_ = 0, preemptions_ = 0;
  bool anyLaunchFailed_ = false, anyDraftFault_ = false;
  SimulationResult result_;
};

// ---- watchers --------------------------------------------------------------------------------------------------------------------------

void WatchedModel::write(int32_t slot, ToyKey key) {
  if (simulation_.plants(Plant::kMissingWrite, 60)) return;
  if (simulation_.plants(Plant::kLateWrite, 60) && !later_) {
    later_ = {slot, key};
    return;
  }
  if (simulation_.poisonsNow()) {
    key.isPoisoned = true;
    simulation_.notePoison(slot);
  }
  writers_[slot] = step;
  ToyModel::write(slot, key);
}

Status WatchedModel::copyPage(int32_t from, int32_t to) {
  simulation_.noteCopy();
  if (simulation_.plants(Plant::kMissingCopy, 2)) return Status::ok();
  if (simulation_.plants(Plant::kWrongCopy, 2)) from = (from + 1) % pages();
  return ToyModel::copyPage(from, to);
}

Status WatchedModel::run(const StepInput& input, StepRows rows) {
  if (simulation_.fails()) {
    for (int32_t slot : input.slots)
      if (slot >= 0) ToyModel::write(slot, {toyMix(step), 1, 0}); // what it would have written is undefined
    return resourceError("the device is lost for a moment");
  }
  Status status = ToyModel::run(input, rows);
  if (late_) ToyModel::write(late_->first, late_->second);
  late_ = std::exchange(later_, std::nullopt);
  if (simulation_.plants(Plant::kWriteToFreedPage, 4))
    for (int32_t page = 0; page < pages(); ++page)
      if (simulation_.engine().pool().isFree(page)) {
        ToyModel::write(page * kPageTokens + 3, {1, 2, 3});
        break;
      }
  return status;
}

void WatchedDraft::write(int32_t slot, ToyKey key) {
  if (simulation_.plants(Plant::kDraftMissingWrite, 60)) return;
  if (simulation_.poisonsDraft()) {
    key.isPoisoned = true;
    simulation_.noteDraftFault();
  }
  ToyModel::write(slot, key);
}

Status WatchedDraft::copyPage(int32_t from, int32_t to) {
  if (simulation_.plants(Plant::kDraftMissingCopy, 2)) return Status::ok();
  if (simulation_.failsDraft()) {
    simulation_.noteDraftFault();
    return resourceError("no copy");
  }
  return ToyModel::copyPage(from, to);
}

Status WatchedDraft::run(const StepInput& input, StepRows rows) {
  if (simulation_.failsDraft()) {
    simulation_.noteDraftFault();
    for (int32_t slot : input.slots)
      ToyModel::write(slot, {toyMix(static_cast<uint64_t>(slot)), 1, 0});
    if (!simulation_.plants(Plant::kDraftHiddenFailure, 1)) return resourceError("the device is lost for a moment");
    std::ranges::fill(rows.logits, 0.0f);
    std::ranges::fill(rows.tokens, 0);
    return Status::ok();
  }
  return ToyModel::run(input, rows);
}

Status WatchedStream::copyPage(int32_t from, int32_t to) {
  if (simulation_.fails()) {
    simulation_.noteLaunchFailure(simulation_.newest());
    return resourceError("no copy");
  }
  return steps_.copyPage(from, to);
}

Status WatchedStream::launch(const StepInput& input) {
  simulation_.noteLaunch(simulation_.newest());
  if (simulation_.fails()) {
    simulation_.noteLaunchFailure(simulation_.newest());
    return resourceError("no launch");
  }
  launched_.push_back(simulation_.newest());
  Random& random = simulation_.plantRandom();
  std::vector<int32_t> slots(input.slots.begin(), input.slots.end()), table(input.table.begin(), input.table.end()),
      position(input.position.begin(), input.position.end()), tokens(input.tokens.begin(), input.tokens.end()),
      wanted(input.wanted.begin(), input.wanted.end());
  const size_t one = random.next() % tokens.size();
  if (simulation_.plants(Plant::kWrongRow)) slots[one] ^= 1;
  if (simulation_.plants(Plant::kWrongPage)) table[random.next() % table.size()] = random.below(pages());
  if (simulation_.plants(Plant::kWrongPosition)) position[one] += position[one] % kPageTokens == kPageTokens - 1 ? -1 : 1;
  if (simulation_.plants(Plant::kWrongToken)) tokens[one] = (std::max(tokens[one], 0) + 1) % (vocabulary() - 1);
  if (simulation_.plants(Plant::kWrongRowWanted)) wanted.back() = std::max(wanted.back() - 1, 0);
  std::vector<RowDraw> draws(input.draws.begin(), input.draws.end());
  if (!draws.empty() && simulation_.plants(Plant::kWrongDraw)) draws[random.next() % draws.size()].u += draws[0].u < 0.5f ? 0.5f : -0.5f;
  return steps_.launch({tokens, input.sequence, position, slots, table, input.sequences, input.entries, wanted, input.wantsLogits, draws});
}

Expected<std::span<const float>> WatchedStream::logitsOf(size_t wanted) {
  const bool fails = simulation_.fails();
  simulation_.noteFetch(settled_, wanted, fails);
  if (fails) return resourceError("no logits");
  if (settled_.wanted.size() > 1 && simulation_.plants(Plant::kWrongLogitsOf, 1)) wanted = (wanted + 1) % settled_.wanted.size();
  return steps_.logitsOf(wanted);
}

Expected<StepRows> WatchedStream::settle() {
  settled_ = std::move(launched_.front());
  launched_.pop_front();
  const StepPlan& plan = settled_;
  model_.step = plan.step;
  simulation_.noteSettle(plan);
  Expected<StepRows> settled = steps_.settle();
  const auto row = static_cast<ptrdiff_t>(vocabulary());
  if (!settled) {
    if (simulation_.plants(Plant::kHiddenFailure, 1)) {
      logits_.assign(plan.wantsLogits ? plan.wanted.size() * static_cast<size_t>(row) : 0, 0);
      tokens_.assign(plan.draws.size(), 0);
      return StepRows{logits_, tokens_};
    }
    tokens_.clear();
    simulation_.noteFailure(plan);
    return settled;
  }
  logits_.assign(settled->logits.begin(), settled->logits.end());
  tokens_.assign(settled->tokens.begin(), settled->tokens.end());
  if (plan.wanted.size() > 1 && simulation_.plants(Plant::kSwappedLogits)) {
    if (!plan.draws.empty()) std::swap(tokens_[0], tokens_[1]);
    if (plan.wantsLogits) std::swap_ranges(logits_.begin(), logits_.begin() + row, logits_.begin() + row);
  }
  if (simulation_.plants(Plant::kHiddenUndecided, 1)) std::ranges::replace(tokens_, kUndecided, 0);
  if (simulation_.plants(Plant::kHiddenNan, 1)) {
    for (float& logit : logits_)
      if (std::isnan(logit)) logit = 0;
    for (int32_t& token : tokens_)
      if (token == row) token = 0;
  }
  return StepRows{logits_, tokens_};
}

Status WatchedStream::resolve(std::span<const int32_t> tokens) {
  std::vector<int32_t> changed(tokens.begin(), tokens.end());
  if (!launched_.empty()) simulation_.noteVoid(launched_.front(), tokens_);
  for (size_t row = 0; row < tokens_.size() && simulation_.fillsEarly(); ++row)
    if (tokens_[row] == kUndecided) changed[row] = static_cast<int32_t>(toyMix(settled_.step + row) % static_cast<uint64_t>(vocabulary()));
  if (simulation_.plants(Plant::kWrongPlaceholder, 3)) std::rotate(changed.begin(), changed.begin() + 1, changed.end());
  return steps_.resolve(changed);
}

// ---- what is noted ---------------------------------------------------------------------------------------------------------------------

Simulation::Submitted* Simulation::find(RequestId id) {
  const auto found = std::ranges::find(submitted_, id, &Submitted::id);
  return found == submitted_.end() ? nullptr : &*found;
}

bool Simulation::isLive(const PlannedSequence& sequence) const {
  return std::ranges::any_of(engine_->scheduler().running(), [&](const Request* request) {
    return request->id == sequence.request && request->epoch == sequence.epoch;
  });
}

void Simulation::noteLaunch(const StepPlan& plan) {
  const SchedulerOptions& scheduler = shape_.engine.scheduler;
  Launch launch{plan, pageViews(), {scheduler.tokenBudget, scheduler.prefillWhileDecoding}, seen_, {}, false, false};
  addExpectedDraws(launch);
  result_.mixedSteps += launch.hasPicked && launch.hasDrawn;
  for (std::string& text : problemsOf(launch))
    problem(std::move(text));
  if (options_.launches) options_.launches->push_back(std::move(launch));
  const uint64_t preemptions = engine_->scheduler().preemptions();
  for (const PlannedSequence& sequence : plan.sequences)
    if (seen_.insert({sequence.request, sequence.epoch}).second && preemptions != preemptions_)
      problem("step " + std::to_string(plan.step) + " admits a request and preempts another");
}

/// What of the plan says who picks tokens, by the options of each request alone.
void Simulation::addExpectedDraws(Launch& launch) {
  const StepPlan& plan = launch.plan;
  launch.draws.resize(plan.wanted.size());
  for (const PlannedSequence& sequence : plan.sequences) {
    const RequestOptions& options = find(sequence.request)->options;
    const bool isPicked = shape_.picking.picks && isPickedAlone(options, shape_.hasDraftModel);
    (isPicked ? launch.hasPicked : launch.hasDrawn) = true;
    const int32_t next = sequence.start + sequence.tokens - sequence.drafts;
    for (int32_t row = 0; isPicked && sequence.samples && row <= sequence.drafts; ++row)
      launch.draws[sequence.firstWanted + row] = drawAlone(options.sampling, next + row);
  }
}

void Simulation::noteLaunchFailure(const StepPlan& plan) {
  anyLaunchFailed_ = true;
  for (const PlannedSequence& sequence : plan.sequences) {
    find(sequence.request)->mayFail = true;
    seen_.insert({sequence.request, sequence.epoch}); // a copy in front of it may have failed: then nobody saw the launch
  }
}

void Simulation::noteDraftFault() {
  anyDraftFault_ = true;
  ++result_.draftFaults;
}

void Simulation::noteSettle(const StepPlan& plan) {
  for (const PlannedSequence& sequence : plan.sequences) {
    if (isVoid(plan, sequence)) ++expectedUndecided_;
    else if (!isLive(sequence)) ++expectedStale_;
    if (!shape_.hasDraftModel || !sequence.samples || !isLive(sequence)) continue;
    for (int32_t row = 0; row < sequence.wanted; ++row)
      find(sequence.request)->proposed[sequence.start + sequence.tokens - sequence.drafts + row] = !plan.proposals[sequence.firstWanted + row].isEmpty();
  }
  running_ = &plan;
}

void Simulation::noteFailure(const StepPlan& plan) {
  for (const PlannedSequence& sequence : plan.sequences)
    if (isLive(sequence) && !isVoid(plan, sequence)) find(sequence.request)->mayFail = find(sequence.request)->mustFail = true;
}

/// The plan stands in flight behind a step with these tokens, whose requests have got theirs.
void Simulation::noteVoid(const StepPlan& plan, std::span<const int32_t> tokens) {
  for (const PlannedSequence& sequence : plan.sequences) {
    const int32_t token = plan.tokens[sequence.firstToken];
    if (token < 0 && !tokens.empty() && tokens[rowOfPlaceholder(token)] == kUndecided && isLive(sequence)) void_.insert({plan.step, sequence.request});
  }
}

void Simulation::noteFetch(const StepPlan& plan, size_t wanted, bool fails) {
  ++result_.fetchedRows;
  for (const PlannedSequence& sequence : plan.sequences)
    if (static_cast<int32_t>(wanted) >= sequence.firstWanted && static_cast<int32_t>(wanted) < sequence.firstWanted + sequence.wanted && fails)
      find(sequence.request)->mayFail = find(sequence.request)->mustFail = true;
}

void Simulation::notePoison(int32_t slot) {
  for (size_t i = 0; i < running_->slots.size(); ++i)
    if (running_->slots[i] == slot && !isVoid(*running_, running_->sequences[running_->sequence[i]])) find(running_->sequences[running_->sequence[i]].request)->mayFail = true;
  // A copied row is poisoned for whoever the page is copied for.
  for (const PageCopy& copy : running_->copies)
    for (size_t i = 0; i < running_->slots.size(); ++i)
      if (copy.to == slot / kPageTokens && running_->slots[i] / kPageTokens == copy.to)
        find(running_->sequences[running_->sequence[i]].request)->mayFail = true;
}

std::vector<PageView> Simulation::pageViews() const {
  const BlockPool& pool = engine_->pool();
  std::vector<PageView> views(static_cast<size_t>(pool.pages()));
  for (int32_t page = 0; page < pool.pages(); ++page) {
    PageView& view = views[page];
    view = {.references = pool.references(page), .isFree = pool.isFree(page), .isRetired = pool.isRetired(page), .isPublished = pool.isPublished(page),
            .fence = pool.fence(page), .freed = pool.freedAt(page)};
    if (!view.isPublished) continue;
    view.hash = pool.index().hash(page);
    view.kept = pool.keptWith(page);
    const PageContent tokens = pool.index().tokens(page);
    view.tokens.assign(tokens.begin(), tokens.end());
    const auto keys = model_.page(page);
    view.keys.assign(keys.begin(), keys.end());
    if (const auto drafts = draft_.page(page); shape_.hasDraftModel) view.draftKeys.assign(drafts.begin(), drafts.end());
    for (int32_t row = 0; row < kPageTokens; ++row)
      view.writer.push_back(model_.writer(page * kPageTokens + row));
  }
  return views;
}

Snapshot Simulation::snapshot() const {
  Snapshot snapshot;
  snapshot.pages = pageViews();
  snapshot.available = engine_->pool().available();
  snapshot.retired = engine_->pool().retired();
  snapshot.settled = engine_->pool().settled();
  snapshot.launched = engine_->counts().steps;
  for (const auto* requests : {&engine_->scheduler().running(), &engine_->scheduler().waiting()})
    for (const Request* request : *requests)
      snapshot.requests.push_back({request->id, request->epoch, request->salt, request->tokens, request->pages, request->published});
  for (size_t i = 0; i < engine_->inFlight(); ++i)
    snapshot.inFlight.push_back(engine_->planInFlight(i));
  snapshot.isIdle = engine_->isIdle();
  snapshot.now_s = now_s_;
  return snapshot;
}

// ---- the schedule ----------------------------------------------------------------------------------------------------------------------

RequestOptions Simulation::drawRequest() {
  RequestOptions options;
  Random random(seed_ * 1000 + static_cast<uint64_t>(asked_)); // the same request, whenever it comes
  const auto& document = documents_[random.below(3)];
  const int32_t shared = random.oneIn(2) ? kPageTokens * random.between(0, 5) : random.between(0, 90);
  options.prompt.assign(document.begin(), document.begin() + shared);
  for (int32_t own = random.oneIn(3) ? 0 : random.between(0, 20); own > 0 || options.prompt.empty(); --own)
    options.prompt.push_back(random.below(shape_.vocabulary - 1));
  if (!random.oneIn(8)) // else it may be refused
    options.prompt.resize(std::min<size_t>(options.prompt.size(), static_cast<size_t>(shape_.engine.scheduler.contextLength - random.between(1, 9))));
  if (shape_.poisons && random.oneIn(5)) options.prompt[random.below(static_cast<int32_t>(options.prompt.size()))] = toyPoison(shape_.vocabulary);
  options.maxTokens = random.oneIn(6) ? 1 : random.between(1, 50);
  if (shape_.isPressed) {
    options.prompt.resize(std::min<size_t>(options.prompt.size(), 24));
    options.maxTokens = random.between(1, 120);
  }
  if (random.oneIn(shape_.isPressed ? 12 : 3)) options.stopTokens = {random.below(shape_.vocabulary)};
  if (random.oneIn(shape_.isPressed ? 12 : 4)) options.stopSequences = {{random.below(shape_.vocabulary), random.below(shape_.vocabulary)}};
  options.sampling = drawSampling(random, shape_.vocabulary);
  const bool isPlain = random.oneIn(2);
  if (isPlain) {
    SamplingOptions plain{.temperature = options.sampling.temperature, .topK = options.sampling.topK, .topP = options.sampling.topP, .minP = options.sampling.minP};
    plain.seed = options.sampling.seed;
    options.sampling = plain;
    if (random.oneIn(6)) options.sampling.topK = random.between(kMostPicked - 2, kMostPicked + 2);
  }
  if (random.oneIn(isPlain ? 16 : 8)) options.mask = std::make_shared<ToyMask>(shape_.vocabulary);
  if (!random.oneIn(3)) options.maxDrafts = random.between(1, 6);
  options.tenant = static_cast<uint64_t>(random.below(3));
  options.priority = random.oneIn(3) ? random.between(0, 2) : 0;
  options.retention = random.below(BlockPool::kPriorities);
  if (random.oneIn(2)) options.retentionSeconds = random.between(0, 12);
  options.sharesPublicly = random.oneIn(3);
  return options;
}

void Simulation::submitOne() {
  Submitted request;
  request.options = drawRequest();
  request.order = asked_++;
  const Admission admission = engine_->submit(request.options);
  if (const auto* refusal = std::get_if<Refusal>(&admission)) {
    ++result_.refusals;
    const bool isForGood = refusal->reason == Refusal::Reason::kInvalid || refusal->reason == Refusal::Reason::kTooLong;
    if (isForGood != (refusal->retryAfter_s == 0)) problem("a refusal with the wrong retry time: " + refusal->message);
    return;
  }
  request.id = std::get<RequestId>(admission);
  submitted_.push_back(std::move(request));
}

void Simulation::cancelOne() {
  if (submitted_.empty()) return;
  Submitted& request = submitted_[random_.below(static_cast<int32_t>(submitted_.size()))];
  const bool isOver = request.finish != FinishReason::kNone || request.isCancelled;
  if (engine_->cancel(request.id) == isOver) problem("invariant 10: cancel of request " + std::to_string(request.id) + " says what is not so");
  if (!isOver) request.isCancelled = true;
  result_.cancels += !isOver;
}

/// 8. Events of a request are in order, of a rising epoch, and none follows its last.
void Simulation::take(const Output& output) {
  Submitted* request = find(output.request);
  const std::string name = "invariant 8: request " + std::to_string(output.request);
  if (!request) return problem(name + " was never submitted");
  if (request->finish != FinishReason::kNone) return problem(name + " has an event after its last");
  if (output.epoch < request->epoch || !(output.epoch == 0 || seen_.contains({output.request, output.epoch - 1})))
    problem(name + " has an event of epoch " + std::to_string(output.epoch));
  request->epoch = output.epoch;
  if (output.index >= 0) {
    if (static_cast<size_t>(output.index) != request->output.size()) problem(name + " has token " + std::to_string(output.index) + " out of turn");
    if (request->isCancelled) problem("invariant 10: cancelled request " + std::to_string(output.request) + " has another token");
    request->output.push_back(output.token);
    const int32_t top = request->options.sampling.logprobs;
    if (output.logprobs != (top < 0 ? 0 : 1 + static_cast<size_t>(top))) problem("request " + std::to_string(output.request) + " has wrong logprobs");
  }
  request->finish = output.finish;
}

void Simulation::checkState() {
  const Snapshot now = snapshot();
  if (options_.snapshots) options_.snapshots->push_back(now);
  for (std::string& text : problemsOf(now))
    problem(std::move(text));
  for (std::string& text : problemsOf(last_, now))
    problem(std::move(text));
  last_ = now;
  // 3. What is published does not change.
  for (int32_t page = 0; page < static_cast<int32_t>(now.pages.size()); ++page) {
    const PageView& view = now.pages[page];
    if (!view.isPublished) {
      published_.erase(page);
      // Nobody may see what is in a free page: make it something else.
      if (view.isFree) model_.scramble(page, random_.next());
      if (view.isFree) draft_.scramble(page, random_.next());
      continue;
    }
    auto& [hash, keys] = published_[page];
    if (hash == view.hash && !keys.empty() && keys != view.keys) problem("invariant 3: published page " + std::to_string(page) + " has changed");
    hash = view.hash;
    keys = view.keys;
  }
  // 10. A cancelled request is in no list.
  for (const RequestView& view : now.requests)
    if (find(view.id)->isCancelled) problem("invariant 10: cancelled request " + std::to_string(view.id) + " is still there");
  if (!anyLaunchFailed_ && engine_->counts().staleRows != expectedStale_)
    problem("invariant 8: " + std::to_string(engine_->counts().staleRows) + " stale rows were dropped, there were " + std::to_string(expectedStale_));
  if (!anyLaunchFailed_ && engine_->counts().undecidedRows != expectedUndecided_)
    problem("invariant 8: " + std::to_string(engine_->counts().undecidedRows) + " undecided rows were dropped, there were " + std::to_string(expectedUndecided_));
}

/// 7 and 9. The tokens are those of the request alone, whatever happened around it, and with drafts as without.
void Simulation::checkAnswer(const Submitted& request) {
  std::function<bool(int32_t)> isProposed = [&](int32_t position) {
    const auto found = request.proposed.find(position);
    return found != request.proposed.end() && found->second;
  };
  if (!shape_.hasDraftModel) isProposed = nullptr;
  const ReferenceAnswer expected = generateAlone(request.options, shape_.vocabulary, shape_.engine.scheduler.contextLength, isProposed, shape_.picking);
  const std::string name = "invariant 7: request " + std::to_string(request.id);
  const size_t count = request.output.size();
  const bool isDrawnByRule = shape_.hasDraftModel && request.options.maxDrafts > 0 && request.options.sampling.temperature > 0;
  for (size_t i = 0; isDrawnByRule && i < count; ++i) {
    const auto position = static_cast<int32_t>(request.options.prompt.size() + i);
    result_.proposed += isProposed(position);
    if (!isProposed(position) && !anyDraftFault_ && position < expected.silentFrom)
      return problem(name + " has a token at " + std::to_string(position) + " that was not asked of the draft model");
  }
  if (count > expected.output.size() || !std::equal(request.output.begin(), request.output.end(), expected.output.begin()))
    return problem(name + " gives other tokens than alone");
  if (request.isCancelled != (request.finish == FinishReason::kCancelled)) return problem("invariant 10: a cancel of " + name + " is lost");
  if (request.isCancelled) return;
  const bool isExpected = request.finish == expected.finish && count == expected.output.size();
  const bool isOfFault = request.finish == FinishReason::kError && request.mayFail;
  if (request.mustFail && request.finish != FinishReason::kError) return problem(name + " was in a step that failed and does not say so");
  if (!isExpected && !isOfFault)
    return problem(name + " ends with " + std::to_string(static_cast<int>(request.finish)) + " after " + std::to_string(count) +
                   " tokens, alone with " + std::to_string(static_cast<int>(expected.finish)) + " after " + std::to_string(expected.output.size()));
  result_.errors += request.finish == FinishReason::kError;
  if (request.finish != FinishReason::kError) {
    ++result_.answers;
    // What the draft model could not say at some time, another schedule may have asked at another.
    const bool mayDiffer = isDrawnByRule && (anyDraftFault_ || expected.silentFrom < static_cast<int32_t>(request.options.prompt.size() + count));
    if (options_.answers && !mayDiffer) (*options_.answers)[request.order] = request.output;
  }
}

SimulationResult Simulation::run() {
  EngineOptions options = shape_.engine;
  if (shape_.hasDraftModel) options.draftModel = &draft_;
  options.now_s = [this] { return now_s_; };
  auto engine = Engine::create(options, stream_);
  if (!engine) {
    problem(engine.status().message());
    return result_;
  }
  engine_ = std::move(*engine);
  const int32_t arrivalOneIn = random_.between(1, shape_.isPressed ? 2 : 6);
  for (int steps = 0; result_.problems.empty() && (asked_ < shape_.requests || !engine_->isIdle()); ++steps) {
    if (steps > 5000) problem("invariant 10: no end after 5000 steps");
    if (asked_ < shape_.requests && random_.oneIn(arrivalOneIn)) submitOne();
    if (shape_.cancels && random_.oneIn(25)) cancelOne();
    preemptions_ = engine_->scheduler().preemptions();
    if (random_.oneIn(3)) now_s_ += 0.5 * random_.between(1, 4);
    for (const Output& output : engine_->step())
      take(output);
    checkState();
  }
  if (result_.problems.empty())
    for (const Submitted& request : submitted_)
      checkAnswer(request);
  for (uint64_t tenant = 0; tenant < 3 && result_.problems.empty(); ++tenant)
    if (engine_->fairness().requests(tenant) != 0) problem("tenant " + std::to_string(tenant) + " has requests at idle");
  const EngineCounts& counts = engine_->counts();
  result_.steps = counts.steps;
  result_.tokens = counts.tokens;
  result_.preemptions = engine_->scheduler().preemptions();
  result_.cachedTokens = engine_->scheduler().cachedTokens();
  result_.acceptedDrafts = counts.acceptedDrafts;
  result_.staleRows = counts.staleRows;
  result_.undecidedRows = counts.undecidedRows;
  result_.failedSteps = counts.failedSteps;
  return result_;
}

} // namespace

SimulationResult simulate(uint64_t seed, const SimulationOptions& options) { return Simulation(seed, options).run(); }

} // namespace jinx::engine
