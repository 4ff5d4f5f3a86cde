// What steps compute: chunks, prefixes, preemption, fairness, drafts. Seen from the steps that the model runs.
#include "runtime/engine/Scheduler.h"

#include <algorithm>

#include "tests/unit/engine/Harness.h"
#include "tests/unit/engine/Reference.h"

namespace jinx::engine {
namespace {

std::vector<int32_t> alone(const RequestOptions& options) { return generateAlone(options, Harness::kVocabulary, 256).output; }

std::vector<size_t> sizes(const Harness& harness) {
  std::vector<size_t> sizes;
  for (const RanStep& step : harness.model.steps)
    sizes.push_back(step.tokens.size());
  return sizes;
}

TEST(Scheduler, PromptsComeInChunksOfTheBudget) {
  EngineOptions options = smallEngine();
  options.scheduler.tokenBudget = 32;
  Harness harness(options);
  harness.submit(greedyRequest(toyText(1, 100), 3));
  harness.run();
  EXPECT_EQ(sizes(harness), (std::vector<size_t>{32, 32, 32, 4, 1, 1}));
  EXPECT_EQ(harness.model.steps[1].position.front(), 32);
}

TEST(Scheduler, PromptsDoNotStallWhoDecodes) {
  EngineOptions options = smallEngine();
  options.scheduler.prefillWhileDecoding = 10;
  Harness harness(options);
  harness.submit(greedyRequest(toyText(1, 20), 30));
  harness.step();
  harness.submit(greedyRequest(toyText(2, 100), 5));
  const size_t before = harness.answers[1].tokens.size();
  for (int i = 0; i < 10; ++i)
    harness.step();
  EXPECT_EQ(harness.answers[1].tokens.size(), before + 10); // one each step
  EXPECT_EQ(harness.answers[2].tokens.size(), 1u);          // after ten chunks of ten
  for (size_t i = 1; i < 10; ++i)
    EXPECT_EQ(sizes(harness)[i], 11u);
}

TEST(Scheduler, AFullHitComputesOneTokenIntoAPageOfItsOwn) {
  Harness harness;
  const RequestOptions request = greedyRequest(toyText(1, 48), 6);
  harness.submit(request);
  harness.run();
  harness.model.steps.clear();
  harness.submit(request);
  harness.run();
  EXPECT_EQ(sizes(harness)[0], 1u);
  EXPECT_EQ(harness.model.steps[0].position[0], 47);
  ASSERT_EQ(harness.model.copies.size(), 1u);
  EXPECT_EQ(harness.model.steps[0].slots[0] / kPageTokens, harness.model.copies[0].second);
  EXPECT_EQ(harness.engine->scheduler().cachedTokens(), 47u);
  EXPECT_EQ(harness.answers[2].tokens, harness.answers[1].tokens);
}

TEST(Scheduler, ATailThatIsPartlySharedIsCopied) {
  Harness harness;
  harness.submit(greedyRequest(toyText(1, 48), 6));
  harness.run();
  RequestOptions other = greedyRequest(toyText(1, 40), 6);
  other.prompt[38] = (other.prompt[38] + 1) % 15;
  harness.submit(other);
  harness.run();
  EXPECT_EQ(harness.engine->scheduler().cachedTokens(), 38u);
  EXPECT_EQ(harness.model.copies.size(), 1u);
  EXPECT_EQ(harness.answers[2].tokens, alone(other));
}

TEST(Scheduler, RunningRequestsAreShared) {
  Harness harness;
  harness.submit(greedyRequest(toyText(1, 40), 60));
  harness.step();
  harness.step();
  harness.submit(greedyRequest(toyText(1, 40), 60));
  harness.step();
  const auto& running = harness.engine->scheduler().running();
  ASSERT_EQ(running.size(), 2u);
  EXPECT_EQ(running[0]->pages[1], running[1]->pages[1]);
  EXPECT_EQ(harness.engine->pool().references(running[0]->pages[1]), 2);
  harness.run();
  EXPECT_EQ(harness.answers[1].tokens, harness.answers[2].tokens);
}

TEST(Scheduler, TenantsShareOnlyWhereBothSaySo) {
  Harness harness;
  const auto cachedAfter = [&](uint64_t tenant, bool isPublic, uint64_t extras) {
    const uint64_t before = harness.engine->scheduler().cachedTokens();
    RequestOptions request = greedyRequest(toyText(1, 33), 2);
    request.tenant = tenant;
    request.sharesPublicly = isPublic;
    request.prefixExtras = extras;
    harness.submit(request);
    harness.run();
    return harness.engine->scheduler().cachedTokens() - before;
  };
  EXPECT_EQ(cachedAfter(1, false, 0), 0u);
  EXPECT_EQ(cachedAfter(1, false, 0), 32u);
  EXPECT_EQ(cachedAfter(2, false, 0), 0u);
  EXPECT_EQ(cachedAfter(1, false, 7), 0u);
  EXPECT_EQ(cachedAfter(2, true, 0), 0u);
  EXPECT_EQ(cachedAfter(3, true, 0), 32u);
}

TEST(Scheduler, TheLastOneIsPreemptedAndGivesTheSame) {
  Harness harness(smallEngine(), 8);
  std::vector<RequestOptions> requests;
  for (uint64_t i = 1; i <= 3; ++i) {
    requests.push_back(greedyRequest(toyText(i, 20), 60));
    harness.submit(requests.back());
  }
  harness.run();
  EXPECT_GT(harness.engine->scheduler().preemptions(), 0u);
  EXPECT_EQ(harness.ended[0], 1u); // the first one never waits
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(harness.answers[i + 1].tokens, alone(requests[i]));
}

TEST(Scheduler, TheLowestPriorityIsPreempted) {
  Harness harness(smallEngine(), 8);
  for (uint64_t i = 1; i <= 3; ++i) {
    RequestOptions request = greedyRequest(toyText(i, 20), 60);
    request.priority = i == 1 ? 0 : 5;
    harness.submit(request);
  }
  harness.run();
  EXPECT_GT(harness.engine->scheduler().preemptions(), 0u);
  EXPECT_EQ(harness.ended.back(), 1u);
}

TEST(Scheduler, HigherPrioritiesAreAdmittedFirst) {
  EngineOptions options = smallEngine();
  options.scheduler.maxRunning = 1;
  Harness harness(options);
  for (int32_t priority : {0, 1, 3, 2}) {
    RequestOptions request = greedyRequest(toyText(1, 10), 2);
    request.priority = priority;
    harness.submit(request);
  }
  harness.run();
  EXPECT_EQ(harness.ended, (std::vector<RequestId>{3, 4, 2, 1}));
}

/// Two tenants with much to do, the first of which came first with all of it. \returns how many of the first `count` to end are the second's
int endsOfSecond(double weightOfSecond, size_t count) {
  EngineOptions options = smallEngine();
  options.scheduler.maxRunning = 1;
  Harness harness(options);
  harness.engine->fairness().setWeight(2, weightOfSecond);
  for (uint64_t tenant : {1, 2})
    for (uint64_t i = 0; i < 20; ++i) {
      RequestOptions request = greedyRequest(toyText(tenant * 100 + i, 10), 10);
      request.tenant = tenant;
      harness.submit(request);
    }
  harness.run();
  return static_cast<int>(std::count_if(harness.ended.begin(), harness.ended.begin() + static_cast<ptrdiff_t>(count), [](RequestId id) { return id > 20; }));
}

TEST(Scheduler, TenantsShareByTheirWeights) {
  EXPECT_EQ(endsOfSecond(1, 12), 6);
  EXPECT_EQ(endsOfSecond(2, 12), 8);
  EXPECT_EQ(endsOfSecond(0.5, 12), 4);
}

TEST(Scheduler, TimeWithoutWorkIsNotSavedUp) {
  Fairness fairness;
  TenantAccount& busy = fairness.join(1);
  fairness.charge(busy, 5000);
  TenantAccount& late = fairness.join(2);
  EXPECT_EQ(late.served, 5000);
  fairness.charge(late, 10);
  fairness.leave(2); // had more than the others: is remembered
  EXPECT_EQ(fairness.size(), 2u);
  EXPECT_EQ(fairness.join(2).served, 5010);
  fairness.leave(2);
  fairness.charge(busy, 100);
  fairness.leave(1);
  EXPECT_LE(fairness.size(), 1u);
  EXPECT_EQ(fairness.join(3).served, 5100); // nobody gains by a new name
}

TEST(Scheduler, WhoDecodesHasATokenInReserve) {
  EngineOptions options = smallEngine();
  options.scheduler.tokenBudget = 8;
  Harness harness(options);
  harness.submit(greedyRequest(toyText(1, 7), 30));
  harness.step();
  RequestOptions important = greedyRequest(toyText(2, 50), 2); // of a higher rank: it takes before the other
  important.priority = 1;
  harness.submit(important);
  for (int i = 0; i < 6; ++i)
    harness.step();
  EXPECT_EQ(harness.engine->scheduler().running().front()->id, 2u);
  EXPECT_EQ(harness.answers[1].tokens.size(), 7u);
  harness.run();
}

TEST(Scheduler, PagesThatSettlingStepsWillFreeAreWaitedFor) {
  EngineOptions options = smallEngine();
  options.overlaps = true;
  Harness harness(options, 8);
  std::vector<RequestOptions> requests;
  for (uint64_t i = 1; i <= 4; ++i) {
    requests.push_back(greedyRequest(toyText(i, 30), 30));
    harness.submit(requests.back());
  }
  harness.run();
  // Four requests of four pages in eight: the pages of a preempted one come a step later, and nobody else has to go meanwhile.
  EXPECT_EQ(harness.engine->scheduler().preemptions(), 2u);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(harness.answers[i + 1].tokens, alone(requests[i]));
}

class Drafts : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Scheduler, Drafts, testing::Bool(), [](const auto& info) { return info.param ? "overlapped" : "synchronous"; });

TEST_P(Drafts, StandWhereTheTextRepeats) {
  EngineOptions options = smallEngine();
  options.overlaps = GetParam();
  Harness harness(options);
  // Forbid all but two tokens that take turns: the text repeats.
  class Alternating : public TokenMask {
    Expected<std::span<const uint64_t>> allowed(std::span<const int32_t> output) override {
      word_ = uint64_t{1} << (3 + output.size() % 2);
      return std::span<const uint64_t>(&word_, 1);
    }
    uint64_t word_ = 0;
  };
  RequestOptions request = greedyRequest({3, 4, 3, 4, 3, 4}, 40);
  request.maxDrafts = 4;
  request.mask = std::make_shared<Alternating>();
  harness.submit(request);
  harness.run();
  ASSERT_EQ(harness.answers[1].tokens.size(), 40u);
  EXPECT_EQ(harness.engine->counts().drafts, harness.engine->counts().acceptedDrafts);
  EXPECT_EQ(harness.model.steps.size(), 9u); // the first token, then five a step, of the last only four
}

} // namespace
} // namespace jinx::engine
