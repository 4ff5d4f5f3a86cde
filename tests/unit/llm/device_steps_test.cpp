// Do enqueued steps give what steps give that run at once, also where a token is known to the device only?
#include "runtime/llm/DeviceSteps.h"

#include <map>

#include "tests/unit/llm/ToyModel.h"
#include "tests/unit/runtime/LateDevice.h"

namespace jinx::llm {
namespace {

using namespace jinx::test;
using Step = ToyStep;

std::vector<int32_t> bestOf(DeviceSteps& steps) {
  const engine::StepRows rows = take(steps.settle());
  EXPECT_TRUE(rows.logits.empty());
  return {rows.tokens.begin(), rows.tokens.end()};
}

TEST(DeviceSteps, ATokenThatTheDeviceFoundIsFilledInThere) {
  auto model = modelOnDevice();
  DeviceSteps steps(*model);
  ASSERT_TRUE(steps.picksTokens());
  ASSERT_TRUE(steps.launch(Step({5, 6, 7}, 0, true).input()).isOk());
  ASSERT_TRUE(steps.launch(Step({-1, -2, -3}, 1, true).input()).isOk()); // in their order: one copy
  ASSERT_TRUE(steps.launch(Step({-3, 4, -1, -2}, 2, true).input()).isOk());
  const std::vector<int32_t> first = {next(5, 0), next(6, 0), next(7, 0)};
  EXPECT_EQ(bestOf(steps), first);
  ASSERT_TRUE(steps.resolve(first).isOk());
  const std::vector<int32_t> second = {next(first[0], 1), next(first[1], 1), next(first[2], 1)};
  EXPECT_EQ(bestOf(steps), second);
  ASSERT_TRUE(steps.resolve(second).isOk());
  EXPECT_EQ(bestOf(steps), (std::vector<int32_t>{next(second[2], 2), next(4, 2), next(second[0], 2), next(second[1], 2)}));
  EXPECT_EQ(steps.settle().status().message(), "no step was launched that could settle");
}

TEST(DeviceSteps, ATokenThatTheHostDrawsIsWaitedFor) {
  auto model = modelOnDevice();
  DeviceSteps steps(*model);
  ASSERT_TRUE(steps.launch(Step({5, 6}, 0, false).input()).isOk());
  ASSERT_TRUE(steps.copyPage(0, 2).isOk());
  ASSERT_TRUE(steps.launch(Step({-2, -1}, 1, true).input()).isOk());
  const engine::StepRows rows = take(steps.settle());
  ASSERT_EQ(rows.logits.size(), size_t{2 * kVocabulary});
  EXPECT_EQ(rows.logits[static_cast<size_t>(next(5, 0))], 0);
  EXPECT_EQ(rows.logits[static_cast<size_t>(kVocabulary + next(6, 0))], 0);
  ASSERT_TRUE(steps.resolve(std::vector<int32_t>{2, 3}).isOk()); // what was drawn, not the largest
  EXPECT_EQ(bestOf(steps), (std::vector<int32_t>{next(3, 1), next(2, 1)}));
}

TEST(DeviceSteps, TokensThatTheDeviceDrawsAreFilledInThere) {
  auto model = modelOnDevice();
  DeviceSteps steps(*model);
  Step first({5, 6, 7}, 0, true), second({-1, -2, -3}, 1, true);
  first.draws[0] = {.inverseTemperature = 1, .topK = 3};
  first.draws[2] = {.inverseTemperature = 2, .topK = 1};
  second.draws[1] = {.inverseTemperature = 1, .topK = 5};
  ASSERT_TRUE(steps.launch(first.input()).isOk());
  ASSERT_TRUE(steps.launch(second.input()).isOk());
  const std::vector<int32_t> found = {drawn(next(5, 0), 3), next(6, 0), drawn(next(7, 0), 1)};
  EXPECT_EQ(bestOf(steps), found);
  ASSERT_TRUE(steps.resolve(found).isOk());
  EXPECT_EQ(bestOf(steps), (std::vector<int32_t>{next(found[0], 1), engine::kUndecided, next(found[2], 1)}));
}

TEST(DeviceSteps, LogitsOfARowAreThereThoughNobodyAskedAndTheNextStepRuns) {
  auto model = modelOnDevice();
  DeviceSteps steps(*model);
  EXPECT_EQ(steps.logitsOf(0).status().message(), "no step has settled whose logits could be looked at");
  Step first({5, 6}, 0, true);
  first.draws[1] = {.inverseTemperature = 1, .topK = 5};
  ASSERT_TRUE(steps.launch(first.input()).isOk());
  ASSERT_TRUE(steps.launch(Step({-1, 3}, 1, true).input()).isOk());
  EXPECT_EQ(bestOf(steps), (std::vector<int32_t>{next(5, 0), engine::kUndecided}));
  for (size_t row : {1, 0}) {
    const std::span<const float> logits = take(steps.logitsOf(row));
    ASSERT_EQ(logits.size(), size_t{kVocabulary});
    EXPECT_EQ(std::ranges::max_element(logits) - logits.begin(), next(first.tokens[row], 0));
  }
  EXPECT_EQ(steps.logitsOf(4096).status().message(), "asks for logits of row 4096, which the step has not");
  ASSERT_TRUE(steps.resolve(std::vector<int32_t>{next(5, 0), 1}).isOk());
  EXPECT_EQ(bestOf(steps), (std::vector<int32_t>{next(next(5, 0), 1), next(3, 1)}));
  EXPECT_EQ(steps.logitsOf(0).status().message(), "asks for logits of row 0, which the step has not") << "all of it was greedy";
}

TEST(DeviceSteps, AMixedStepGivesBoth) {
  auto model = modelOnDevice();
  DeviceSteps steps(*model);
  Step step({5, 6}, 0, true);
  step.wantsLogits = true;
  step.draws[0] = {.inverseTemperature = 1, .topK = 2};
  ASSERT_TRUE(steps.launch(step.input()).isOk());
  ASSERT_TRUE(steps.launch(Step({-2, -1}, 1, true).input()).isOk()); // waits: the host draws one of them
  const engine::StepRows rows = take(steps.settle());
  EXPECT_EQ(std::vector<int32_t>(rows.tokens.begin(), rows.tokens.end()), (std::vector<int32_t>{drawn(next(5, 0), 2), next(6, 0)}));
  ASSERT_EQ(rows.logits.size(), size_t{2 * kVocabulary});
  EXPECT_EQ(rows.logits[static_cast<size_t>(kVocabulary + next(6, 0))], 0);
  ASSERT_TRUE(steps.resolve(std::vector<int32_t>{2, 3}).isOk());
  EXPECT_EQ(bestOf(steps), (std::vector<int32_t>{next(3, 1), next(2, 1)}));
}

TEST(DeviceSteps, RefusesAPlaceholderThatNamesNoRow) {
  auto model = modelOnDevice();
  DeviceSteps steps(*model);
  ASSERT_TRUE(steps.launch(Step({5, 6}, 0, false).input()).isOk());
  ASSERT_TRUE(steps.launch(Step({-3}, 1, true).input()).isOk());
  ASSERT_TRUE(steps.settle().isOk());
  EXPECT_EQ(steps.resolve(std::vector<int32_t>{2, 3}).message(), "a placeholder names row 2 of 2");
  ASSERT_TRUE(steps.launch(Step({5}, 0, true).input()).isOk());
  EXPECT_EQ(steps.launch(Step({-5000}, 1, true).input()).message(), "a placeholder names row 4999, which no step has given");
}

TEST(DeviceSteps, AFailedStepIsInItsPlace) {
  auto device = std::make_shared<SeparateDevice>(toyOptions());
  auto model = toyModel(device);
  DeviceSteps steps(*model);
  ASSERT_TRUE(steps.launch(Step({5}, 0, true).input()).isOk());
  device->failCopyIn = 1;
  EXPECT_EQ(steps.launch(Step({-1, 4}, 1, true).input()).message(), "injected failure");
  ASSERT_TRUE(steps.launch(Step({-1, -2, 6}, 2, true).input()).isOk()); // of its placeholders nobody reads what comes
  EXPECT_EQ(bestOf(steps), std::vector<int32_t>{next(5, 0)});
  ASSERT_TRUE(steps.resolve(std::vector<int32_t>{1}).isOk());
  EXPECT_EQ(bestOf(steps), (std::vector<int32_t>{next(0, 2), next(0, 2), next(6, 2)}));
  // One that waited, and fails when it is to go on.
  ASSERT_TRUE(steps.launch(Step({5}, 0, false).input()).isOk());
  ASSERT_TRUE(steps.launch(Step({-1}, 1, true).input()).isOk());
  ASSERT_TRUE(steps.settle().isOk());
  device->failCopyIn = 1;
  EXPECT_EQ(steps.resolve(std::vector<int32_t>{2}).message(), "injected failure");
  ASSERT_TRUE(steps.launch(Step({-1, 7}, 2, true).input()).isOk());
  EXPECT_EQ(steps.settle().status().message(), "injected failure");
  EXPECT_EQ(bestOf(steps), (std::vector<int32_t>{next(0, 2), next(7, 2)}));
}

TEST(DeviceSteps, LaunchesAreRecordedForBothSetsOfMemory) {
  auto device = std::make_shared<SeparateDevice>(toyOptions());
  device->hasGraphs = true;
  auto model = toyModel(device);
  DeviceSteps steps(*model);
  std::vector<int32_t> tokens = {5, 6};
  for (int32_t at = 0; at < 12; ++at) {
    Step step(tokens, at, true);
    step.draws[1] = {.inverseTemperature = 1, .topK = 3};
    ASSERT_TRUE(steps.launch(step.input()).isOk());
    const std::vector<int32_t> expected = {next(tokens[0], at), drawn(next(tokens[1], at), 3)};
    EXPECT_EQ(bestOf(steps), expected);
    ASSERT_TRUE(steps.resolve(expected).isOk());
    tokens = expected;
  }
  // Each set of memory comes twice before its launches are recorded.
  EXPECT_EQ(device->recordings, 2);
  EXPECT_EQ(device->replays, 12 - 4);
}

/// Tokens of requests that come one by one, overlapped; an error in place of the tokens of a request that a step fails for, the one at which `failAt` copies have been made.
std::map<engine::RequestId, std::string> textsWith(int failAt, bool givesLogits) {
  auto device = std::make_shared<SeparateDevice>(toyOptions());
  auto model = toyModel(device);
  DeviceSteps steps(*model);
  engine::EngineOptions options;
  options.key = {1, 2};
  options.scheduler = {.tokenBudget = 7, .maxRunning = 4, .prefillWhileDecoding = 7, .contextLength = 64};
  options.overlaps = true;
  auto engine = take(engine::Engine::create(std::move(options), steps));
  device->failCopyIn = failAt;
  std::map<engine::RequestId, std::string> texts;
  for (int32_t i = 0; i < 12 || !engine->isIdle(); ++i) {
    if (i < 12) {
      engine::RequestOptions request;
      for (int32_t k = 0; k <= 5 * i % 17; ++k)
        request.prompt.push_back((i + k) % kVocabulary);
      request.maxTokens = 6 + i % 3;
      request.sampling = {.temperature = i % 3 == 1 ? 1.0f : 0.0f, .topK = 3, .seed = static_cast<uint64_t>(i), .logprobs = givesLogits ? 1 : -1};
      EXPECT_TRUE(std::holds_alternative<engine::RequestId>(engine->submit(std::move(request))));
    }
    for (const engine::Output& output : engine->step()) {
      std::string& text = texts[output.request];
      if (output.finish == engine::FinishReason::kError) text = "error";
      else if (output.index >= 0) text += std::to_string(output.token) + " ";
    }
    if (i > 1000) return {};
  }
  return texts;
}

TEST(DeviceSteps, AFailedStepEndsItsRequestsAndNoOthers) {
  for (bool givesLogits : {false, true}) {
    const auto expected = textsWith(0, givesLogits);
    ASSERT_EQ(expected.size(), 12u);
    int failed = 0;
    for (int failAt = 1; failAt <= 40; ++failAt) {
      const auto texts = textsWith(failAt, givesLogits);
      ASSERT_EQ(texts.size(), 12u) << failAt;
      int errors = 0;
      for (const auto& [id, text] : texts) {
        errors += text == "error";
        if (text != "error") EXPECT_EQ(text, expected.at(id)) << "request " << id << ", copy " << failAt << (givesLogits ? ", logits" : "");
      }
      EXPECT_LE(errors, 4); // as many as run
      failed += errors;
    }
    EXPECT_GT(failed, 40);
  }
}

TEST(DeviceSteps, AnEngineGivesTheSameTokensOverlappedOrNot) {
  auto atOnce = modelOnDevice();
  engine::QueuedSteps queued(*atOnce);
  const std::vector<std::vector<int32_t>> expected = answersOf(queued, false);
  ASSERT_EQ(expected.size(), 9u);
  for (bool overlaps : {false, true}) {
    auto model = modelOnDevice();
    DeviceSteps steps(*model);
    EXPECT_EQ(answersOf(steps, overlaps), expected) << (overlaps ? "overlapped" : "one after the other");
  }
  // Where the model draws nothing, requests that take the largest logit have the same tokens.
  auto onHost = toyModel(std::make_shared<CpuDevice>(toyOptions()));
  engine::QueuedSteps hostSteps(*onHost);
  const std::vector<std::vector<int32_t>> greedy = answersOf(hostSteps, false);
  for (size_t i = 0; i < greedy.size(); ++i)
    if (i % 3 != 1) EXPECT_EQ(greedy[i], expected[i]) << i;
  EXPECT_NE(greedy[1], expected[1]);
}

/// Copies of a step run beside launches of another; nothing but the events between streams keeps them in order.
TEST(DeviceSteps, StreamsMayRunInAnyOrderThatEventsLeave) {
  auto atOnce = modelOnDevice();
  engine::QueuedSteps queued(*atOnce);
  const std::vector<std::vector<int32_t>> expected = answersOf(queued, false);
  for (uint64_t seed = 0; seed < 100; ++seed) {
    auto model = toyModel(std::make_shared<LateDevice>(toyOptions(), seed));
    DeviceSteps steps(*model);
    ASSERT_EQ(answersOf(steps, seed % 4 > 0), expected) << "seed " << seed;
  }
}

/// Steps of a few sets of memory, more than there are.
TEST(DeviceSteps, ManyStepsMayBeOnTheirWay) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    auto model = toyModel(std::make_shared<LateDevice>(toyOptions(), seed));
    DeviceSteps steps(*model);
    std::vector<std::vector<int32_t>> expected = {{5, 6, 7}};
    for (int32_t at = 0; at < 8; ++at) {
      Step step(at == 0 ? expected[0] : std::vector<int32_t>{-1, -2, -3}, at, true);
      step.draws[2] = {.inverseTemperature = 1, .topK = 3};
      ASSERT_TRUE(steps.launch(step.input()).isOk());
      const std::vector<int32_t>& before = expected.back();
      expected.push_back({next(before[0], at), next(before[1], at), drawn(next(before[2], at), 3)});
    }
    for (size_t at = 1; at < expected.size(); ++at) {
      ASSERT_EQ(bestOf(steps), expected[at]) << "seed " << seed << ", step " << at;
      ASSERT_TRUE(steps.resolve(expected[at]).isOk());
    }
  }
}

} // namespace
} // namespace jinx::llm
