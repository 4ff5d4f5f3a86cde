// One behavior of the engine a case: how requests begin, end, fail and are refused.
#include "runtime/engine/Engine.h"

#include <algorithm>

#include "tests/unit/engine/Harness.h"
#include "tests/unit/engine/Reference.h"

namespace jinx::engine {
namespace {

ReferenceAnswer alone(const RequestOptions& options) { return generateAlone(options, Harness::kVocabulary, 256); }

std::string refusal(Harness& harness, RequestOptions options, Refusal::Reason reason) {
  const Admission admission = harness.engine->submit(std::move(options));
  const auto* refused = std::get_if<Refusal>(&admission);
  if (!refused) return "it was taken";
  EXPECT_EQ(refused->reason, reason);
  EXPECT_EQ(refused->retryAfter_s > 0, reason == Refusal::Reason::kQueueFull || reason == Refusal::Reason::kTenantFull);
  return refused->message;
}

class BothModes : public testing::TestWithParam<bool> {
 protected:
  EngineOptions options() {
    EngineOptions options = smallEngine();
    options.overlaps = GetParam();
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(Engine, BothModes, testing::Bool(), [](const auto& info) { return info.param ? "overlapped" : "synchronous"; });

TEST_P(BothModes, GivesTheTokensOfEachRequestAlone) {
  Harness harness(options());
  std::vector<RequestOptions> requests;
  for (uint64_t i = 0; i < 12; ++i) {
    requests.push_back(greedyRequest(toyText(i % 4, 10 + 9 * static_cast<int32_t>(i)), 20));
    requests.back().sampling.temperature = i % 2 == 0 ? 0 : 0.8f;
    requests.back().sampling.seed = i;
    requests.back().maxDrafts = i % 3 == 0 ? 4 : 0;
    harness.submit(requests.back());
  }
  harness.run();
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(harness.answers[i + 1].tokens, alone(requests[i]).output) << i;
    EXPECT_EQ(harness.answers[i + 1].finish, FinishReason::kLength);
  }
}

TEST_P(BothModes, AWantedPrefixOutlivesOthersForItsTime) {
  double now_s = 5;
  EngineOptions engine = options();
  engine.now_s = [&] { return now_s; };
  Harness harness(engine, 12);
  RequestOptions wanted = greedyRequest(toyText(1, 65), 4);
  wanted.retention = 3;
  wanted.retentionSeconds = 10;
  const auto cachedFor = [&](const RequestOptions& request) {
    const uint64_t before = harness.engine->scheduler().cachedTokens();
    harness.submit(request);
    harness.run();
    return harness.engine->scheduler().cachedTokens() - before;
  };
  const auto pressTheOthers = [&] {
    for (uint64_t i = 10; i < 16; ++i)
      cachedFor(greedyRequest(toyText(i, 90), 4));
  };
  EXPECT_EQ(cachedFor(wanted), 0u);
  pressTheOthers();
  EXPECT_EQ(cachedFor(wanted), 64u);
  now_s = 14.9;
  pressTheOthers();
  EXPECT_EQ(cachedFor(wanted), 64u); // and from here on ten seconds more
  now_s = 24.9;
  pressTheOthers();
  EXPECT_LT(cachedFor(wanted), 64u);
}

TEST_P(BothModes, EndsAtAStopToken) {
  RequestOptions request = greedyRequest(toyText(1, 20), 40);
  const std::vector<int32_t> text = alone(request).output;
  request.stopTokens = {text[7]};
  const size_t first = static_cast<size_t>(std::ranges::find(text, text[7]) - text.begin());
  Harness harness(options());
  harness.submit(request);
  harness.run();
  EXPECT_EQ(harness.answers[1].tokens, std::vector(text.begin(), text.begin() + static_cast<ptrdiff_t>(first) + 1));
  EXPECT_EQ(harness.answers[1].finish, FinishReason::kStop);
}

TEST_P(BothModes, EndsAtAStopSequenceOfTheOutput) {
  RequestOptions request = greedyRequest(toyText(1, 20), 40);
  const std::vector<int32_t> text = alone(request).output;
  request.stopSequences = {{text[5], text[6], text[7]}, {request.prompt.back(), text[0]}}; // the second one begins in the prompt
  Harness harness(options());
  harness.submit(request);
  harness.run();
  EXPECT_EQ(harness.answers[1].finish, FinishReason::kStop);
  EXPECT_EQ(harness.answers[1].tokens, alone(request).output);
  EXPECT_LE(harness.answers[1].tokens.size(), 8u);
  EXPECT_GE(harness.answers[1].tokens.size(), 2u);
}

TEST_P(BothModes, EndsWhereTheContextIsFull) {
  EngineOptions small = options();
  small.scheduler.contextLength = 30;
  Harness harness(small);
  harness.submit(greedyRequest(toyText(1, 20), 40));
  harness.run();
  EXPECT_EQ(harness.answers[1].tokens.size(), 10u);
  EXPECT_EQ(harness.answers[1].finish, FinishReason::kLength);
}

TEST_P(BothModes, LastTokenIsNotComputed) {
  Harness harness(options());
  harness.submit(greedyRequest(toyText(1, 20), 5));
  harness.run();
  size_t tokens = 0;
  for (const RanStep& step : harness.model.steps)
    tokens += step.tokens.size();
  EXPECT_EQ(tokens, 24u); // 20 of the prompt, 4 of 5
}

TEST_P(BothModes, ANanEndsItsRequestAloneAndIsNotPublished) {
  Harness harness(options());
  RequestOptions poisoned = greedyRequest(toyText(1, 40), 10), healthy = greedyRequest(toyText(2, 40), 10);
  poisoned.prompt[20] = toyPoison(Harness::kVocabulary);
  harness.submit(poisoned);
  harness.submit(healthy);
  harness.run();
  EXPECT_EQ(harness.answers[1].finish, FinishReason::kError);
  EXPECT_EQ(harness.answers[1].error, "the model's logit of token 0 is nan, expected a number");
  EXPECT_TRUE(harness.answers[1].tokens.empty());
  EXPECT_EQ(harness.answers[2].tokens, alone(healthy).output);
  EXPECT_EQ(harness.engine->scheduler().cachedTokens(), 0u);
  harness.submit(poisoned);
  harness.run();
  EXPECT_EQ(harness.engine->scheduler().cachedTokens(), 0u);
}

TEST_P(BothModes, AFailedStepEndsItsRequestsAndNoOthers) {
  Harness harness(options());
  harness.submit(greedyRequest(toyText(1, 20), 50));
  harness.submit(greedyRequest(toyText(2, 20), 2)); // ends before
  harness.model.failAt = 4;
  for (int i = 0; i < 6; ++i)
    harness.step();
  const RequestOptions later = greedyRequest(toyText(1, 20), 8);
  harness.submit(later);
  harness.run();
  EXPECT_EQ(harness.answers[1].finish, FinishReason::kError);
  EXPECT_EQ(harness.answers[1].error, "step 4: the device is lost");
  EXPECT_EQ(harness.answers[1].tokens.size(), 3u);
  EXPECT_EQ(harness.answers[2].finish, FinishReason::kLength);
  EXPECT_EQ(harness.answers[3].tokens, alone(later).output);
  EXPECT_EQ(harness.engine->counts().failedSteps, 1u);
}

TEST_P(BothModes, CancelsInAnyState) {
  EngineOptions one = options();
  one.scheduler.maxRunning = 1;
  Harness harness(one);
  const RequestOptions last = greedyRequest(toyText(3, 20), 6);
  const RequestId running = harness.submit(greedyRequest(toyText(1, 20), 50)), waiting = harness.submit(greedyRequest(toyText(2, 20), 50));
  harness.submit(last);
  for (int i = 0; i < 4; ++i)
    harness.step();
  EXPECT_TRUE(harness.engine->cancel(waiting));
  EXPECT_TRUE(harness.engine->cancel(running));
  EXPECT_FALSE(harness.engine->cancel(running));
  EXPECT_FALSE(harness.engine->cancel(99));
  const size_t before = harness.answers[running].tokens.size();
  harness.step();
  EXPECT_EQ(harness.answers[running].finish, FinishReason::kCancelled);
  EXPECT_EQ(harness.answers[waiting].finish, FinishReason::kCancelled);
  harness.step();
  EXPECT_EQ(harness.engine->pool().retired(), 0);
  harness.run();
  EXPECT_EQ(harness.answers[running].tokens.size(), before);
  EXPECT_EQ(harness.answers[3].tokens, alone(last).output);
}

TEST_P(BothModes, AMaskThatFailsEndsItsRequest) {
  class Broken : public TokenMask {
    Expected<std::span<const uint64_t>> allowed(std::span<const int32_t> output) override {
      if (output.size() == 3) return resourceError("the grammar took too long");
      return std::span<const uint64_t>(&words_, 1);
    }
    uint64_t words_ = 0b1010;
  };
  Harness harness(options());
  RequestOptions request = greedyRequest(toyText(1, 20), 10);
  request.mask = std::make_shared<Broken>();
  harness.submit(request);
  harness.run();
  EXPECT_EQ(harness.answers[1].error, "the grammar took too long");
  ASSERT_EQ(harness.answers[1].tokens.size(), 3u);
  for (int32_t token : harness.answers[1].tokens)
    EXPECT_TRUE(token == 1 || token == 3);
}

TEST(Engine, OverlapsLaunchAStepBeforeTheLastIsRead) {
  EngineOptions options = smallEngine();
  options.overlaps = true;
  Harness harness(options);
  harness.submit(greedyRequest(toyText(1, 20), 5));
  harness.step();
  EXPECT_EQ(harness.engine->inFlight(), 1u);
  EXPECT_TRUE(harness.answers.empty()); // launched, not read
  harness.step();
  EXPECT_EQ(harness.engine->planInFlight(0).tokens, std::vector{-1}); // a placeholder of wanted row 0
  EXPECT_EQ(harness.answers[1].tokens.size(), 1u);
  harness.run();
  EXPECT_EQ(harness.model.steps.size(), 5u); // no step too many where the length is known
}

TEST(Engine, OneStepIsWastedWhereAStopTokenComes) {
  EngineOptions options = smallEngine();
  options.overlaps = true;
  Harness harness(options);
  RequestOptions request = greedyRequest(toyText(1, 20), 40);
  request.stopTokens = {alone(request).output[3]};
  harness.submit(request);
  harness.run();
  EXPECT_EQ(harness.engine->counts().staleRows, 1u);
  EXPECT_EQ(harness.model.steps.size(), harness.answers[1].tokens.size() + 1);
}

TEST(Engine, LogprobsComeWithTokens) {
  Harness harness;
  RequestOptions request = greedyRequest(toyText(1, 20), 3);
  request.sampling.logprobs = 2;
  harness.submit(request);
  int tokens = 0;
  while (!harness.engine->isIdle())
    for (const Output& output : harness.engine->step()) {
      const auto logprobs = harness.engine->logprobs(output);
      ASSERT_EQ(logprobs.size(), 3u);
      EXPECT_EQ(logprobs[0].token, output.token);
      EXPECT_EQ(logprobs[1].token, output.token); // greedy: it is the most probable one
      EXPECT_GE(logprobs[1].logprob, logprobs[2].logprob);
      ++tokens;
    }
  EXPECT_EQ(tokens, 3);
}

TEST(Engine, RefusesWhatCannotBeServed) {
  using Reason = Refusal::Reason;
  Harness harness(smallEngine(), 8);
  const auto invalid = [&](void (*change)(RequestOptions&)) {
    RequestOptions options = greedyRequest(toyText(1, 4), 4);
    change(options);
    return refusal(harness, options, Reason::kInvalid);
  };
  EXPECT_EQ(invalid([](RequestOptions& o) { o.prompt.clear(); }), "the prompt has no tokens, expected at least one");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.prompt.assign(256, 1); }), "the prompt has 256 tokens, expected fewer than the context's 256");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.prompt[1] = 16; }), "token 16 of the prompt is not in the vocabulary of 16");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.prompt[1] = -1; }), "token -1 of the prompt is not in the vocabulary of 16");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.maxTokens = 0; }), "max_tokens is 0, expected at least 1");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.stopSequences = {{}}; }), "a stop sequence is empty");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.maxDrafts = 65; }), "max_drafts is 65, expected 0 to 64");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.retention = 4; }), "retention is 4, expected 0 to 3");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.retentionSeconds = -1; }), "retention_seconds is -1.000000, expected 0 or more");
  EXPECT_EQ(invalid([](RequestOptions& o) { o.sampling.topP = 2; }), "top_p is 2.000000, expected more than 0 and at most 1");
  EXPECT_EQ(refusal(harness, greedyRequest(toyText(1, 100), 29), Reason::kTooLong),
            "prompt and output may have 129 tokens, and there is room for 128");
  harness.submit(greedyRequest(toyText(1, 100), 28));
  harness.run();
}

TEST(Engine, TheQueueIsBounded) {
  using Reason = Refusal::Reason;
  EngineOptions options = smallEngine();
  options.maxWaiting = 3;
  options.maxWaitingTokens = 100;
  options.maxWaitingOfTenant = 2;
  Harness harness(options);
  const auto request = [](uint64_t tenant, int32_t tokens) {
    RequestOptions options = greedyRequest(toyText(tenant, tokens), 4);
    options.tenant = tenant;
    return options;
  };
  harness.submit(request(1, 30));
  harness.submit(request(1, 30));
  EXPECT_EQ(refusal(harness, request(1, 1), Reason::kTenantFull), "the tenant has 2 requests, as many as it may");
  EXPECT_EQ(refusal(harness, request(2, 41), Reason::kQueueFull), "60 tokens wait, and at most 100 may");
  harness.submit(request(2, 30));
  EXPECT_EQ(refusal(harness, request(3, 1), Reason::kQueueFull), "3 requests wait, as many as may");
  harness.run();
  harness.submit(request(1, 30));
  harness.run();
}

TEST(Engine, AStreamSaysWhatItCannotDo) {
  ToyModel model(16, 4);
  QueuedSteps stream(model);
  EXPECT_EQ(stream.settle().status().message(), "no step was launched that could settle");
  const std::vector<int32_t> tokens{-2}, zero{0}, table{1}, slots{16};
  ASSERT_TRUE(stream.launch({tokens, zero, zero, slots, table, 1, 1, zero}).isOk());
  ASSERT_TRUE(stream.resolve(zero).isOk());
  EXPECT_EQ(stream.settle().status().message(), "a placeholder names row 1 of 1");
}

TEST(Engine, OptionsAreChecked) {
  ToyModel model(16, 4);
  QueuedSteps stream(model);
  const auto refused = [&](void (*change)(EngineOptions&)) {
    EngineOptions options = smallEngine();
    change(options);
    return Engine::create(options, stream).status().message();
  };
  EXPECT_EQ(refused([](EngineOptions&) {}), "");
  EXPECT_EQ(refused([](EngineOptions& o) { o.scheduler.maxRunning = 0; }), "making an engine: max_running is 0, expected at least 1");
  EXPECT_EQ(refused([](EngineOptions& o) { o.scheduler.tokenBudget = 7; }),
            "making an engine: token_budget (each running request takes one) is 7, expected at least 8");
  EXPECT_EQ(refused([](EngineOptions& o) { o.scheduler.prefillWhileDecoding = 0; }),
            "making an engine: prefill_while_decoding is 0, expected at least 1");
  EXPECT_EQ(refused([](EngineOptions& o) { o.scheduler.contextLength = 1; }), "making an engine: context_length is 1, expected at least 2");
  EXPECT_EQ(refused([](EngineOptions& o) { o.maxWaiting = 0; }), "making an engine: max_waiting is 0, expected at least 1");
}

} // namespace
} // namespace jinx::engine
