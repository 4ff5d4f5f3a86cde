// Who draws a token: the model or the host? And what of the step in flight when the model could not say one?
#include <algorithm>

#include "tests/unit/engine/Harness.h"
#include "tests/unit/engine/Reference.h"

namespace jinx::engine {
namespace {

// ---- which requests, and how ------------------------------------------------------------------------------------------------------------

TEST(Picking, WhatAModelMayPick) {
  const auto isPickable = [](void (*change)(SamplingOptions&)) {
    SamplingOptions options;
    change(options);
    return engine::isPickable(options);
  };
  EXPECT_TRUE(isPickable([](SamplingOptions&) {}));
  EXPECT_TRUE(isPickable([](SamplingOptions& o) { o.temperature = 0; }));
  EXPECT_TRUE(isPickable([](SamplingOptions& o) { o = {.temperature = 0.3f, .topK = 64, .topP = 0.5f, .minP = 0.2f}; }));
  EXPECT_FALSE(isPickable([](SamplingOptions& o) { o.topK = 65; }));
  EXPECT_TRUE(isPickable([](SamplingOptions& o) { o = {.temperature = 0, .topK = 65}; }));
  for (const float temperature : {0.0f, 1.0f}) {
    const auto isPickableAt = [&](void (*change)(SamplingOptions&)) {
      SamplingOptions options;
      options.temperature = temperature;
      change(options);
      return engine::isPickable(options);
    };
    EXPECT_FALSE(isPickableAt([](SamplingOptions& o) { o.repetitionPenalty = 1.01f; }));
    EXPECT_FALSE(isPickableAt([](SamplingOptions& o) { o.presencePenalty = -0.5f; }));
    EXPECT_FALSE(isPickableAt([](SamplingOptions& o) { o.frequencyPenalty = 0.5f; }));
    EXPECT_FALSE(isPickableAt([](SamplingOptions& o) { o.logitBias = {{1, 0}}; }));
    EXPECT_FALSE(isPickableAt([](SamplingOptions& o) { o.logprobs = 0; }));
  }
}

/// The numbers are those of an implementation of Philox in another language, cut to 23 bits: the upper ones of its first word.
TEST(Picking, DrawsAreOfTheOptionsAndThePosition) {
  SamplingOptions options{.temperature = 0.25f, .topK = 40, .topP = 0.9f, .minP = 0.05f};
  const RowDraw first = drawOf(options, 0);
  EXPECT_EQ(first.inverseTemperature, 4);
  EXPECT_EQ(first.topK, 40);
  EXPECT_EQ(first.topP, 0.9f);
  EXPECT_EQ(first.minP, 0.05f);
  EXPECT_EQ(first.u, 0x3313f4 * 0x1p-23f);
  options.seed = 7;
  EXPECT_EQ(drawOf(options, 20).u, 1524912 * 0x1p-23f);
  options.seed = 0xDEADBEEFCAFE;
  EXPECT_EQ(drawOf(options, 12345678901).u, 2182368 * 0x1p-23f);
}

TEST(Picking, DrawsOfTheMostProbableTokenAreAllTheSame) {
  const RowDraw draw = drawOf({.temperature = 0, .topK = 1000, .topP = 0.5f, .minP = 0.1f, .seed = 3}, 9);
  EXPECT_EQ(draw.inverseTemperature, 0);
  EXPECT_EQ(draw.topK, 0);
  EXPECT_EQ(draw.topP, 1);
  EXPECT_EQ(draw.minP, 0);
  EXPECT_EQ(draw.u, 0);
}

TEST(Picking, ATinyTemperatureHasAFiniteInverse) {
  EXPECT_EQ(drawOf({.temperature = 1e-42f}, 0).inverseTemperature, std::numeric_limits<float>::max());
  EXPECT_EQ(drawOf({.temperature = 1000}, 0).inverseTemperature, 0.001f);
}

// ---- an engine over a model that picks tokens ------------------------------------------------------------------------------------------

struct Asked {
  bool wantsLogits;
  std::vector<float> inverseTemperatures; ///< of the draws
};

/// As a device: placeholders are filled before the host has the tokens, with the poisonous token where the model could not say one.
class EarlySteps final : public StepStream {
 public:
  explicit EarlySteps(StepModel& model) : steps_(model) {}
  int32_t vocabulary() const override { return steps_.vocabulary(); }
  int32_t pages() const override { return steps_.pages(); }
  bool picksTokens() const override { return steps_.picksTokens(); }
  Status copyPage(int32_t from, int32_t to) override { return steps_.copyPage(from, to); }
  Status launch(const StepInput& input) override {
    Asked& step = asked.emplace_back(Asked{input.wantsLogits, {}});
    for (const RowDraw& draw : input.draws)
      step.inverseTemperatures.push_back(draw.inverseTemperature);
    return steps_.launch(input);
  }
  Expected<StepRows> settle() override {
    auto rows = steps_.settle();
    if (rows && givesNothing) return StepRows{};
    tokens_.clear();
    if (rows) tokens_.assign(rows->tokens.begin(), rows->tokens.end());
    return rows;
  }
  Expected<std::span<const float>> logitsOf(size_t wanted) override {
    ++fetched;
    return isLost ? Expected<std::span<const float>>(resourceError("the device is lost")) : steps_.logitsOf(wanted);
  }
  Status resolve(std::span<const int32_t> tokens) override {
    std::vector<int32_t> filled(tokens.begin(), tokens.end());
    for (size_t row = 0; row < tokens_.size(); ++row)
      if (tokens_[row] == kUndecided) filled[row] = toyPoison(vocabulary());
    return steps_.resolve(filled);
  }

  std::vector<Asked> asked;
  int fetched = 0;     ///< rows of logits
  bool isLost = false; ///< before a row of logits is fetched
  bool givesNothing = false;

 private:
  QueuedSteps steps_;
  std::vector<int32_t> tokens_;
};

struct Picked {
  explicit Picked(bool overlaps, ToyPicking picking, EngineOptions options = smallEngine(), int32_t pages = 64)
      : picking(std::move(picking)), model(Harness::kVocabulary, pages) {
    model.pickTokens(this->picking);
    options.overlaps = overlaps;
    engine = std::move(*Engine::create(options, stream));
  }
  RequestId submit(const RequestOptions& options) { return std::get<RequestId>(engine->submit(options)); }
  void step() {
    for (const Output& output : engine->step())
      answers[output.request].take(output);
  }
  /// Steps until the request has so many tokens.
  void stepUntil(RequestId request, size_t tokens) {
    for (int i = 0; i < 100 && answers[request].tokens.size() < tokens; ++i)
      step();
    EXPECT_EQ(answers[request].tokens.size(), tokens);
  }
  void run() {
    for (int i = 0; i < 1000 && !engine->isIdle(); ++i)
      step();
    EXPECT_TRUE(engine->isIdle());
    EXPECT_EQ(engine->pool().available(), engine->pool().pages());
  }
  std::vector<int32_t> alone(const RequestOptions& options) const {
    return generateAlone(options, Harness::kVocabulary, smallEngine().scheduler.contextLength, {}, picking).output;
  }
  size_t computed() const {
    size_t tokens = 0;
    for (const RanStep& step : model.steps)
      tokens += step.tokens.size();
    return tokens;
  }

  const ToyPicking picking;
  RecordingModel model;
  EarlySteps stream{model};
  std::unique_ptr<Engine> engine;
  std::map<RequestId, Answer> answers;
};

RequestOptions drawnRequest(uint64_t seed, int32_t prompt, int32_t maxTokens) {
  RequestOptions options = greedyRequest(toyText(seed, prompt), maxTokens);
  options.sampling.temperature = 0.8f;
  options.sampling.seed = seed;
  return options;
}

class PickingBothModes : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Engine, PickingBothModes, testing::Bool(), [](const auto& info) { return info.param ? "overlapped" : "synchronous"; });

TEST_P(PickingBothModes, AStepAsksForWhatItsRequestsNeed) {
  const auto ask = [](bool picks, std::vector<RequestOptions> requests) {
    Picked picked(GetParam(), {.picks = picks});
    for (const RequestOptions& request : requests)
      picked.submit(request);
    picked.run();
    return picked.stream.asked;
  };
  const RequestOptions greedy = greedyRequest(toyText(1, 20), 5), drawn = drawnRequest(2, 20, 5);
  RequestOptions penalized = drawn;
  penalized.sampling.presencePenalty = 0.5f;
  for (const Asked& step : ask(false, {greedy, drawn})) {
    EXPECT_TRUE(step.wantsLogits);
    EXPECT_TRUE(step.inverseTemperatures.empty());
  }
  for (const Asked& step : ask(true, {greedy, drawn})) {
    EXPECT_FALSE(step.wantsLogits);
    EXPECT_EQ(step.inverseTemperatures, (std::vector<float>{0, 1.25f}));
  }
  for (const Asked& step : ask(true, {penalized, drawn, greedy})) {
    EXPECT_TRUE(step.wantsLogits);
    EXPECT_EQ(step.inverseTemperatures, (std::vector<float>{0, 1.25f, 0}));
  }
  for (const Asked& step : ask(true, {penalized})) {
    EXPECT_TRUE(step.wantsLogits);
    EXPECT_TRUE(step.inverseTemperatures.empty());
  }
}

TEST_P(PickingBothModes, AChunkOfAPromptDrawsNothing) {
  EngineOptions options = smallEngine();
  options.scheduler.tokenBudget = 16;
  Picked picked(GetParam(), {.picks = true, .undecidedOneIn = 1}, options);
  const RequestOptions request = drawnRequest(3, 40, 2);
  picked.submit(request);
  picked.run();
  std::vector<std::vector<float>> draws;
  for (const Asked& step : picked.stream.asked)
    draws.push_back(step.inverseTemperatures);
  // Chunks of 16, 16 and 8, then two tokens, none of which the model can say: overlapped, a step in vain stands on the first one.
  std::vector<std::vector<float>> expected{{0}, {0}, {1.25f}, {1.25f}};
  if (GetParam()) expected.push_back({1.25f});
  EXPECT_EQ(draws, expected);
  EXPECT_EQ(picked.answers[1].tokens, picked.alone(request));
}

TEST_P(PickingBothModes, TokensAreThoseOfTheRequestAloneWhoeverStandsBesideIt) {
  const auto requestAt = [](uint64_t i) {
    RequestOptions request = drawnRequest(i, 10 + 5 * static_cast<int32_t>(i), 30);
    if (i % 3 == 0) request.sampling.topK = 65; // more than a model knows
    if (i % 3 == 1) request.sampling.topP = 0.9f;
    if (i % 4 == 0) request.sampling.temperature = 0;
    return request;
  };
  for (const int32_t undecidedOneIn : {0, 3, 1}) {
    Picked beside(GetParam(), {.picks = true, .undecidedOneIn = undecidedOneIn});
    for (uint64_t i = 0; i < 12; ++i)
      beside.submit(requestAt(i));
    beside.run();
    for (uint64_t i = 0; i < 12; ++i)
      EXPECT_EQ(beside.answers[i + 1].tokens, beside.alone(requestAt(i))) << i;
    EXPECT_EQ(beside.stream.fetched > 0, undecidedOneIn > 0);
    EXPECT_EQ(beside.engine->counts().undecidedRows > 0, undecidedOneIn > 0 && GetParam());
  }
  Picked never(GetParam(), {}), always(GetParam(), {.picks = true});
  EXPECT_NE(never.alone(requestAt(1)), always.alone(requestAt(1))); // else nobody would see who drew
}

TEST_P(PickingBothModes, AnUndecidedRowCostsOneInFlight) {
  // Tokens 20 to 25. Behind 21 and 22, which stand in succession, one row each is computed in vain; behind the last there is none.
  Picked picked(GetParam(), {.picks = true, .undecidedAt = {21, 22, 25}});
  const RequestOptions request = drawnRequest(4, 20, 6);
  picked.submit(request);
  picked.run();
  EXPECT_EQ(picked.answers[1].tokens, picked.alone(request));
  EXPECT_EQ(picked.answers[1].tokens.size(), 6u);
  EXPECT_EQ(picked.answers[1].finish, FinishReason::kLength);
  EXPECT_EQ(picked.stream.fetched, 3);
  EXPECT_EQ(picked.engine->counts().undecidedRows, GetParam() ? 2u : 0u);
  EXPECT_EQ(picked.engine->counts().staleRows, 0u);
  EXPECT_EQ(picked.computed(), GetParam() ? 27u : 25u);
}

TEST_P(PickingBothModes, WhatStoodOnNoTokenIsWrittenAgain) {
  Picked picked(GetParam(), {.picks = true, .undecidedAt = {31, 33}});
  const RequestOptions request = drawnRequest(5, 30, 20); // keys 31 and 32 are on two pages
  picked.submit(request);
  picked.run();
  EXPECT_EQ(picked.answers[1].tokens, picked.alone(request));
  // What is published is found, and gives the same tokens: no key of it is that of the poisonous token.
  const RequestId again = picked.submit(request);
  picked.run();
  EXPECT_EQ(picked.engine->scheduler().cachedTokens(), 29u);
  EXPECT_EQ(picked.answers[again].tokens, picked.alone(request));
  RequestOptions longer = request;
  longer.prompt.insert(longer.prompt.end(), picked.answers[1].tokens.begin(), picked.answers[1].tokens.end());
  const RequestId behind = picked.submit(longer);
  picked.run();
  EXPECT_EQ(picked.engine->scheduler().cachedTokens(), 29u + 48);
  EXPECT_EQ(picked.answers[behind].tokens, picked.alone(longer));
}

TEST_P(PickingBothModes, ARequestMayEndOnAnUndecidedToken) {
  Picked picked(GetParam(), {.picks = true, .undecidedAt = {23}});
  RequestOptions request = drawnRequest(6, 20, 40);
  const std::vector<int32_t> text = picked.alone(request);
  request.stopSequences = {{text[1], text[2], text[3]}};
  picked.submit(request);
  picked.run();
  EXPECT_EQ(picked.answers[1].tokens, std::vector(text.begin(), text.begin() + 4));
  EXPECT_EQ(picked.answers[1].finish, FinishReason::kStop);
  EXPECT_EQ(picked.engine->counts().undecidedRows, 0u); // the request is gone: its row is stale
  EXPECT_EQ(picked.engine->counts().staleRows, GetParam() ? 1u : 0u);
}

TEST_P(PickingBothModes, ARequestMayEndOnAnUndecidedTokenThatFillsTheContext) {
  EngineOptions options = smallEngine();
  options.scheduler.contextLength = 24;
  Picked picked(GetParam(), {.picks = true, .undecidedAt = {22, 23}}, options);
  const RequestOptions request = drawnRequest(6, 20, 40);
  picked.submit(request);
  picked.run();
  EXPECT_EQ(picked.answers[1].tokens, generateAlone(request, Harness::kVocabulary, 24, {}, picked.picking).output);
  EXPECT_EQ(picked.answers[1].tokens.size(), 4u);
  EXPECT_EQ(picked.engine->counts().undecidedRows, GetParam() ? 1u : 0u);
  EXPECT_EQ(picked.engine->counts().staleRows, 0u);
}

TEST_P(PickingBothModes, ARequestMayBeCancelledWhileItsRowIsComputedInVain) {
  Picked picked(GetParam(), {.picks = true, .undecidedAt = {22}});
  const RequestOptions request = drawnRequest(7, 20, 30), other = drawnRequest(8, 25, 30);
  const RequestId cancelled = picked.submit(request), stays = picked.submit(other);
  picked.stepUntil(cancelled, 3); // the third one is undecided
  EXPECT_EQ(picked.stream.fetched, 1);
  EXPECT_TRUE(picked.engine->cancel(cancelled));
  EXPECT_EQ(picked.engine->pool().retired(), GetParam() ? 2 : 0); // the step in flight writes to one of them
  picked.run();
  const std::vector<int32_t> text = picked.alone(request);
  EXPECT_EQ(picked.answers[cancelled].tokens, std::vector(text.begin(), text.begin() + 3));
  EXPECT_EQ(picked.answers[cancelled].finish, FinishReason::kCancelled);
  EXPECT_EQ(picked.answers[stays].tokens, picked.alone(other));
  EXPECT_EQ(picked.engine->counts().undecidedRows, GetParam() ? 1u : 0u);
  EXPECT_EQ(picked.engine->counts().staleRows, 0u);
}

TEST_P(PickingBothModes, ARequestMayBeCancelledBeforeItIsKnownThatItIsUndecided) {
  Picked picked(GetParam(), {.picks = true, .undecidedAt = {22}});
  const RequestOptions request = drawnRequest(7, 20, 30), other = drawnRequest(8, 25, 30);
  const RequestId cancelled = picked.submit(request), stays = picked.submit(other);
  picked.stepUntil(cancelled, 2);
  EXPECT_TRUE(picked.engine->cancel(cancelled)); // overlapped, the step that cannot say the third token is in flight
  picked.run();
  EXPECT_EQ(picked.answers[cancelled].tokens.size(), 2u);
  EXPECT_EQ(picked.answers[stays].tokens, picked.alone(other));
  EXPECT_EQ(picked.stream.fetched, 0);
  EXPECT_EQ(picked.engine->counts().undecidedRows, 0u);
  EXPECT_EQ(picked.engine->counts().staleRows, GetParam() ? 1u : 0u);
}

/// A request of low rank goes, because one of high rank needs its page, while a row of it is computed in vain.
TEST(Picking, ARequestMayBePreemptedWhileItsRowIsComputedInVain) {
  int seen = 0;
  for (int32_t length = 8; length < 24; ++length) {
    Picked picked(true, {.picks = true, .undecidedOneIn = 2}, smallEngine(), 5);
    RequestOptions high = drawnRequest(9, 10, 40);
    high.priority = 1;
    const RequestOptions low = drawnRequest(10, length, 40);
    picked.submit(high);
    const RequestId id = picked.submit(low);
    for (int i = 0; i < 1000 && !picked.engine->isIdle(); ++i) {
      const bool isInVain = picked.engine->inFlight() > 0 && std::ranges::any_of(picked.engine->planInFlight(0).sequences, [&](const PlannedSequence& sequence) {
                              return sequence.isVoid && sequence.request == id;
                            });
      const uint64_t before = picked.engine->scheduler().preemptions();
      picked.step();
      seen += isInVain && picked.engine->scheduler().preemptions() > before;
    }
    picked.run();
    EXPECT_EQ(picked.answers[1].tokens, picked.alone(high)) << length;
    EXPECT_EQ(picked.answers[id].tokens, picked.alone(low)) << length;
    EXPECT_GE(picked.engine->scheduler().preemptions(), 1u) << length;
  }
  EXPECT_GE(seen, 2);
}

TEST_P(PickingBothModes, ATenantPaysOnceForATokenThatIsComputedTwice) {
  Picked picked(GetParam(), {.picks = true, .undecidedOneIn = 1});
  picked.submit(drawnRequest(4, 20, 6));
  int steps = 0;
  for (; picked.step(), !picked.engine->scheduler().running().empty(); ++steps) {
    const Request& request = *picked.engine->scheduler().running().front();
    EXPECT_EQ(request.tenant->served, request.charged);
    EXPECT_EQ(request.charged, std::min(20 + (GetParam() ? (steps + 1) / 2 : steps), 25)) << steps;
  }
  EXPECT_GE(steps, 5);
  EXPECT_TRUE(picked.engine->isIdle());
}

TEST_P(PickingBothModes, AStepThatFailsEndsNobodyWhoWasInItInVain) {
  Picked picked(GetParam(), {.picks = true, .undecidedAt = {22}});
  const RequestOptions request = drawnRequest(7, 20, 10), other = drawnRequest(8, 25, 10);
  picked.submit(request);
  picked.submit(other);
  picked.model.failAt = 4; // overlapped, the one behind the third, which gives the third token
  picked.run();
  EXPECT_EQ(picked.answers[2].finish, FinishReason::kError);
  EXPECT_EQ(picked.answers[2].tokens.size(), 3u);
  EXPECT_EQ(picked.answers[1].finish, GetParam() ? FinishReason::kLength : FinishReason::kError);
  if (GetParam()) EXPECT_EQ(picked.answers[1].tokens, picked.alone(request));
}

TEST_P(PickingBothModes, DraftsAreVerifiedAgainstWhatIsPicked) {
  Picked picked(GetParam(), {.picks = true, .undecidedOneIn = 3});
  for (uint64_t i = 0; i < 8; ++i) {
    RequestOptions request = drawnRequest(i, 40, 60);
    request.sampling.temperature = 0.4f;
    request.maxDrafts = 4;
    picked.submit(request);
  }
  picked.run();
  for (uint64_t i = 0; i < 8; ++i) {
    RequestOptions request = drawnRequest(i, 40, 60);
    request.sampling.temperature = 0.4f;
    EXPECT_EQ(picked.answers[i + 1].tokens, picked.alone(request)) << i;
  }
  EXPECT_GT(picked.engine->counts().acceptedDrafts, 30u);
  EXPECT_GT(picked.stream.fetched, 30);
}

TEST_P(PickingBothModes, WithADraftModelOnlyTheMostProbableTokensArePicked) {
  ToyDraftModel draft(Harness::kVocabulary, 64);
  EngineOptions options = smallEngine();
  options.draftModel = &draft;
  Picked picked(GetParam(), {.picks = true}, options);
  const RequestOptions greedy = greedyRequest(toyText(1, 20), 5), drawn = drawnRequest(2, 20, 5); // neither has drafts
  picked.submit(greedy);
  picked.submit(drawn);
  picked.run();
  for (const Asked& step : picked.stream.asked) {
    EXPECT_TRUE(step.wantsLogits);
    EXPECT_EQ(step.inverseTemperatures, (std::vector<float>{0, 0}));
  }
  EXPECT_EQ(picked.answers[1].tokens, generateAlone(greedy, Harness::kVocabulary, 256).output);
  EXPECT_EQ(picked.answers[2].tokens, generateAlone(drawn, Harness::kVocabulary, 256).output);
}

TEST_P(PickingBothModes, ANanEndsItsRequestAlone) {
  Picked picked(GetParam(), {.picks = true, .undecidedOneIn = 1});
  RequestOptions poisoned = drawnRequest(1, 40, 10);
  poisoned.prompt[20] = toyPoison(Harness::kVocabulary);
  const RequestOptions healthy = drawnRequest(2, 40, 10);
  picked.submit(poisoned);
  picked.submit(healthy);
  picked.run();
  EXPECT_EQ(picked.answers[1].finish, FinishReason::kError);
  EXPECT_EQ(picked.answers[1].error, "a logit is NaN or infinity, expected numbers");
  EXPECT_TRUE(picked.answers[1].tokens.empty());
  EXPECT_EQ(picked.answers[2].tokens, picked.alone(healthy));
  picked.submit(poisoned);
  picked.run();
  EXPECT_EQ(picked.engine->scheduler().cachedTokens(), 0u);
}

TEST_P(PickingBothModes, LogitsThatCannotBeFetchedEndTheirRequest) {
  Picked picked(GetParam(), {.picks = true, .undecidedAt = {22}});
  const RequestOptions other = drawnRequest(8, 40, 10); // is never undecided: its tokens come behind position 40
  picked.submit(drawnRequest(7, 20, 10));
  picked.submit(other);
  picked.stream.isLost = true;
  picked.run();
  EXPECT_EQ(picked.answers[1].finish, FinishReason::kError);
  EXPECT_EQ(picked.answers[1].error, "the device is lost");
  EXPECT_EQ(picked.answers[1].tokens.size(), 2u);
  EXPECT_EQ(picked.answers[2].tokens, picked.alone(other));
  EXPECT_EQ(picked.engine->counts().staleRows, GetParam() ? 1u : 0u);
}

TEST_P(PickingBothModes, AStreamThatDoesNotGiveWhatWasAskedForEndsItsStep) {
  Picked picked(GetParam(), {.picks = true});
  picked.stream.givesNothing = true;
  RequestOptions penalized = drawnRequest(2, 20, 5);
  penalized.sampling.presencePenalty = 0.5f;
  picked.submit(drawnRequest(1, 20, 5));
  picked.submit(penalized);
  picked.run();
  for (const RequestId request : {1, 2})
    EXPECT_EQ(picked.answers[request].error, "step 1: got 0 logits and 0 tokens, expected 32 and 2");
}

// ---- a stream that keeps logits --------------------------------------------------------------------------------------------------------

TEST(Picking, AStreamKeepsTheLogitsOfRowsThatMayBeUndecided) {
  RecordingModel model(16, 4);
  model.pickTokens({.picks = true, .undecidedOneIn = 1});
  QueuedSteps stream(model);
  const std::vector<int32_t> tokens{3, 5}, sequence{0, 1}, position{0, 0}, table{1, 2}, slots{16, 32}, wanted{0, 1};
  const std::vector<RowDraw> drawn{{}, {.inverseTemperature = 1}}, greedy(2);
  const auto settle = [&](bool wantsLogits, std::span<const RowDraw> draws) {
    EXPECT_TRUE(stream.launch({tokens, sequence, position, slots, table, 2, 1, wanted, wantsLogits, draws}).isOk());
    return stream.settle();
  };
  const auto all = settle(true, {});
  ASSERT_TRUE(all);
  const std::vector<float> logits(all->logits.begin(), all->logits.end());
  ASSERT_EQ(logits.size(), 32u);
  const auto rows = settle(false, drawn);
  ASSERT_TRUE(rows);
  EXPECT_TRUE(rows->logits.empty());
  ASSERT_EQ(rows->tokens.size(), 2u);
  EXPECT_EQ(rows->tokens[0], std::max_element(logits.begin(), logits.begin() + 16) - logits.begin());
  EXPECT_EQ(rows->tokens[1], kUndecided);
  const auto row = stream.logitsOf(1);
  ASSERT_TRUE(row);
  EXPECT_TRUE(std::ranges::equal(*row, std::span(logits).subspan(16)));
  EXPECT_EQ(stream.logitsOf(2).status().message(), "logits of row 2 are asked for, and there are those of 2 rows");
  ASSERT_TRUE(settle(false, greedy));
  EXPECT_EQ(stream.logitsOf(0).status().message(), "logits of row 0 are asked for, and there are those of 0 rows");
  ASSERT_TRUE(settle(false, drawn));
  model.failAt = 5;
  ASSERT_FALSE(settle(false, drawn));
  EXPECT_EQ(stream.logitsOf(0).status().message(), "logits of row 0 are asked for, and there are those of 0 rows");
}

} // namespace
} // namespace jinx::engine
