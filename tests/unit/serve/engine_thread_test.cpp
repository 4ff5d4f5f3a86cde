// The engine's thread over the toy model: every job ends once, with the tokens of its request alone, whatever else happens.
#include <condition_variable>
#include <random>

#include "gtest/gtest.h"
#include "runtime/serve/EngineThread.h"
#include "tests/unit/engine/Harness.h"

namespace jinx::serve {
namespace {

using engine::FinishReason;
using engine::greedyRequest;
using engine::toyText;

/// A job and what came of it.
struct Watched {
  std::mutex mutex;
  std::condition_variable changed;
  int wakes = 0;
  std::shared_ptr<EventQueue> events;

  explicit Watched(size_t capacity = 100000) {
    events = std::make_shared<EventQueue>(capacity, [this] {
      std::lock_guard lock(mutex);
      ++wakes;
      changed.notify_all();
    });
  }
  /// All events, once `ends` choices have ended.
  std::vector<Event> wait(size_t ends) {
    std::vector<Event> all;
    size_t ended = 0;
    int seen = 0;
    while (ended < ends) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return wakes > seen; });
        seen = wakes;
      }
      for (Event& event : events->take()) {
        ended += event.finish != FinishReason::kNone;
        all.push_back(std::move(event));
      }
    }
    return all;
  }
};

/// A step takes a while, so that others can come in between.
class SlowModel : public engine::ToyModel {
 public:
  using ToyModel::ToyModel;
  Status run(const engine::StepInput& input, engine::StepRows rows) override {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    return ToyModel::run(input, rows);
  }
};

struct Served {
  SlowModel model{engine::Harness::kVocabulary, 64};
  engine::QueuedSteps stream{model};
  Metrics metrics;
  std::unique_ptr<EngineThread> thread;

  explicit Served(engine::EngineOptions options = engine::smallEngine()) {
    auto made = EngineThread::start({std::move(options), {}}, stream, metrics);
    EXPECT_TRUE(made) << made.status().message();
    thread = std::move(*made);
  }
  JobId submit(Watched& watched, std::vector<engine::RequestOptions> choices) { return thread->submit({std::move(choices), watched.events, secondsNow(), nullptr}); }
  uint64_t count(Outcome outcome) const { return metrics.requests[static_cast<size_t>(outcome)]; }
  /// Pages are free again and nothing is open.
  void expectRest() {
    for (int i = 0; i < 2000 && (thread->jobs() > 0 || metrics.engine().pagesFree < 64); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(thread->jobs(), 0u);
    EXPECT_EQ(metrics.engine().pagesFree, 64);
    EXPECT_EQ(metrics.engine().running + metrics.engine().waiting, 0);
  }
};

std::vector<int32_t> tokensAlone(const engine::RequestOptions& options) {
  engine::Harness harness;
  const engine::RequestId id = harness.submit(options);
  harness.run();
  return harness.answers[id].tokens;
}

std::vector<int32_t> tokensOf(const std::vector<Event>& events, uint32_t choice) {
  std::vector<int32_t> tokens;
  for (const Event& event : events)
    if (event.choice == choice && event.token >= 0) tokens.push_back(event.token);
  return tokens;
}

TEST(EngineThread, GivesEachChoiceItsTokens) {
  Served served;
  Watched watched;
  std::vector<engine::RequestOptions> choices = {greedyRequest(toyText(1, 20), 10), greedyRequest(toyText(2, 3), 30)};
  choices[1].sampling.temperature = 1;
  choices[1].sampling.seed = 9;
  served.submit(watched, choices);
  const std::vector<Event> events = watched.wait(2);
  EXPECT_EQ(tokensOf(events, 0), tokensAlone(choices[0]));
  EXPECT_EQ(tokensOf(events, 1), tokensAlone(choices[1]));
  served.expectRest();
  EXPECT_EQ(served.count(Outcome::kLength), 2u);
  EXPECT_EQ(served.metrics.promptTokens, 23u);
  EXPECT_EQ(served.metrics.outputTokens, 40u);
  EXPECT_EQ(served.metrics.firstToken.snapshot().count(), 2u);
  EXPECT_EQ(served.metrics.betweenTokens.snapshot().count(), 38u);
  EXPECT_EQ(served.metrics.whole.snapshot().count(), 2u);
}

TEST(EngineThread, CancelsOneChoice) {
  Served served;
  Watched watched;
  const auto choice = greedyRequest(toyText(1, 5), 200);
  const JobId job = served.submit(watched, {choice, choice});
  served.thread->cancelChoice(job, 0, Outcome::kStop);
  const std::vector<Event> events = watched.wait(2);
  EXPECT_LT(tokensOf(events, 0).size(), 200u);
  EXPECT_EQ(tokensOf(events, 1), tokensAlone(choice));
  served.expectRest();
  EXPECT_EQ(served.count(Outcome::kStop), 1u);
  EXPECT_EQ(served.count(Outcome::kLength), 1u);
}

TEST(EngineThread, RefusesAJobAsAWhole) {
  engine::EngineOptions options = engine::smallEngine();
  options.maxWaiting = 2;
  Served served(std::move(options));
  Watched watched;
  const auto choice = greedyRequest(toyText(1, 5), 10);
  served.submit(watched, {choice, choice, choice});
  const std::vector<Event> events = watched.wait(1);
  ASSERT_EQ(events.size(), 1u);
  ASSERT_TRUE(events[0].refusal);
  EXPECT_EQ(events[0].refusal->reason, engine::Refusal::Reason::kQueueFull);
  EXPECT_EQ(served.count(Outcome::kRefused), 3u);
  served.expectRest();
}

TEST(EngineThread, EndsAJobThatNobodyReads) {
  Served served;
  Watched slow(4), other;
  served.submit(slow, {greedyRequest(toyText(1, 5), 200)});
  const auto choice = greedyRequest(toyText(2, 5), 100);
  served.submit(other, {choice});
  EXPECT_EQ(tokensOf(other.wait(1), 0), tokensAlone(choice)) << "nobody waits for a slow reader";
  served.expectRest();
  EXPECT_TRUE(slow.events->hasOverflowed());
  EXPECT_EQ(served.count(Outcome::kSlowReader), 1u);
  EXPECT_EQ(slow.events->take().size(), 5u) << "four tokens, and the end";
}

TEST(EngineThread, EndsWhatRunsWhenItEnds) {
  Served served;
  Watched watched;
  served.submit(watched, {greedyRequest(toyText(1, 5), 200)});
  served.thread.reset();
  EXPECT_EQ(watched.wait(1).back().finish, FinishReason::kCancelled);
}

TEST(EngineThread, SurvivesRandomCancels) {
  Served served;
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<Watched>> jobs;
    std::vector<engine::RequestOptions> asked;
    std::vector<bool> isCancelled;
    for (int i = 0; i < 12; ++i) {
      jobs.push_back(std::make_unique<Watched>());
      asked.push_back(greedyRequest(toyText(random() % 5, 1 + static_cast<int32_t>(random() % 40)), 1 + static_cast<int32_t>(random() % 20)));
      const JobId job = served.submit(*jobs.back(), {asked.back()});
      isCancelled.push_back(random() % 3 == 0);
      if (isCancelled.back()) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 1000));
        served.thread->cancel(job);
      }
    }
    for (size_t i = 0; i < jobs.size(); ++i) {
      const std::vector<Event> events = jobs[i]->wait(1);
      const std::vector<int32_t> tokens = tokensOf(events, 0), alone = tokensAlone(asked[i]);
      EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), alone.begin())) << "a beginning of what it would be alone";
      if (!isCancelled[i]) EXPECT_EQ(tokens, alone);
    }
    served.expectRest();
  }
}

} // namespace
} // namespace jinx::serve
