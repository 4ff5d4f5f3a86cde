// The order in which a rank issues kernels, starts and waits: valid, within the limit, never slower than one after the
// other, as the simulator says, and one for all ranks.
#include "runtime/comm/model/IssueOrder.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/property/Property.h"

namespace jinx::comm::model {
namespace {

using Items = std::vector<OverlapItem>;
using Steps = std::vector<Issue>;
using Kind = Issue::Kind;

size_t at(int i) { return static_cast<size_t>(i); }

OverlapItem kernel(const std::string& name, double seconds, std::vector<int> after = {}, int64_t bytes = 0) {
  return {.name = name, .seconds = seconds, .after = std::move(after), .bytes = bytes};
}
OverlapItem gather(const std::string& name, double seconds, std::vector<int> after = {}, int64_t bytes = 0) {
  return {
      .name = name, .use = Op::kAllGather, .slot = 0, .seconds = seconds, .after = std::move(after), .bytes = bytes};
}

/// "run a; start g; wait g"
std::string text(const Items& items, const Steps& steps) {
  std::string text;
  for (const Issue& step : steps)
    text += (text.empty() ? "" : "; ") +
            std::string(step.kind == Kind::kRun     ? "run "
                        : step.kind == Kind::kStart ? "start "
                                                    : "wait ") +
            items[at(step.item)].name;
  return text;
}
std::string ordered(const Items& items, int64_t limit = 0, double least = 1e-6) {
  return text(items, issueOrder(items, {.limitBytes = limit, .leastSeconds = least}).value().steps);
}

TEST(IssueOrder, TheHeadersExampleTakesEightMilliseconds) {
  const Items items = {gather("w1", 2), kernel("use w1", 3, {0}), gather("w2", 2), kernel("use w2", 3, {1, 2})};
  const IssueOrder order = issueOrder(items, {}).value();
  EXPECT_EQ(text(items, order.steps), "run w1; start w2; run use w1; wait w2; run use w2");
  EXPECT_EQ(order.times.seconds, 8);
  EXPECT_EQ(order.serialSeconds, 10);
}

TEST(IssueOrder, AChainStaysAsItIs) {
  const Items items = {kernel("a", 3), gather("g", 2, {0}), kernel("b", 3, {1}), gather("h", 2, {2}),
                       kernel("c", 1, {3})};
  EXPECT_EQ(ordered(items), "run a; run g; run b; run h; run c");
}

TEST(IssueOrder, WhoNeedsNotWaitComesBetween) {
  const Items items = {kernel("a", 1), gather("sum", 4, {0}), kernel("reads sum", 1, {1}), kernel("b", 2, {0}),
                       kernel("c", 2, {0})};
  EXPECT_EQ(ordered(items), "run a; start sum; run b; run c; wait sum; run reads sum");
}

TEST(IssueOrder, AStartThatHidesNextToNothingIsNone) {
  const Items items = {kernel("a", 1), gather("sum", 4, {0}), kernel("b", 0.25, {0}), kernel("reads both", 1, {1, 2})};
  EXPECT_EQ(ordered(items, 0, 0.25), "run a; start sum; run b; wait sum; run reads both");
  EXPECT_EQ(ordered(items, 0, 0.5), "run a; run sum; run b; run reads both");
}

TEST(IssueOrder, NobodyReadsItAndStillItIsWaitedFor) {
  const Items items = {kernel("a", 1), gather("sum", 4, {0}), kernel("b", 3, {0})};
  EXPECT_EQ(ordered(items), "run a; start sum; run b; wait sum");
}

TEST(IssueOrder, GathersInAdvanceStopAtTheLimit) {
  // Four layers, each gathers 10 bytes of weights; one after the other 10 are alive at once.
  Items items;
  for (int layer = 0; layer < 4; ++layer) {
    items.push_back(gather("gather " + std::to_string(layer), 2, {}, 10));
    items.push_back(kernel("layer " + std::to_string(layer), 3,
                           layer == 0 ? std::vector{0} : std::vector{2 * layer, 2 * layer - 1}, 0));
  }
  const auto run = [&](int64_t limit) { return issueOrder(items, {.limitBytes = limit}).value().times; };
  EXPECT_EQ(run(0).seconds, 14);  // 2 + 4 * 3: all gathers hidden
  EXPECT_EQ(run(20).seconds, 14); // one in advance is enough
  EXPECT_EQ(run(20).peakBytes, 20);
  EXPECT_EQ(run(10).seconds, 20); // none in advance
  EXPECT_EQ(run(10).peakBytes, 10);
  EXPECT_EQ(run(5).seconds, 20); // nothing fits: the given order
}

TEST(IssueOrder, WhatACollectiveReadsLivesUntilItsWait) {
  const Items items = {kernel("a", 1, {}, 100), gather("g", 2, {0}, 10), kernel("b", 5, {}, 100),
                       kernel("c", 1, {1, 2}, 1)};
  const IssueOrder order = issueOrder(items, {.limitBytes = 210}).value();
  EXPECT_EQ(text(items, order.steps), "run a; start g; run b; wait g; run c");
  EXPECT_EQ(order.times.peakBytes, 210); // a, g and b
  EXPECT_EQ(order.serialPeakBytes, 111); // g and b, then c
  EXPECT_EQ(ordered(items, 209), "run a; run g; run b; run c");
}

TEST(IssueOrder, ItemsThatReadWhatComesLaterAreAnError) {
  EXPECT_EQ(issueOrder({kernel("a", 1, {0})}, {}).status().message(),
            "overlapping: item 0 'a': reads item 0, expected one before it; give the items in an order in which they "
            "can be done");
  EXPECT_TRUE(issueOrder({}, {}).value().steps.empty());
}

// ---- laws ----

/// Small integers, so that sums are exact.
Items randomItems(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); };
  Items items;
  const int count = 1 + below(40), communicating = 1 + below(4), inputs = 1 + below(3);
  for (int i = 0; i < count; ++i) {
    OverlapItem item{.name = std::to_string(i), .seconds = double(below(10)), .bytes = below(20)};
    if (below(5) < communicating) item.use = Op::kAllReduce, item.slot = 0;
    for (int k = 0; i > 0 && k < inputs; ++k)
      if (below(3) > 0) item.after.push_back(std::max(0, i - 1 - below(1 + below(i))));
    items.push_back(std::move(item));
  }
  return items;
}

/// The list as the simulator's tasks. A wait is a task of no length on the first stream, as kernels are, behind the
/// collective; a start is one, too, which the collective comes after.
Program programOf(const Items& items, const Steps& steps, double slower = 1) {
  Program program{"issued", {}};
  std::vector<int> tasks(items.size(), -1);
  for (const Issue& step : steps) {
    const OverlapItem& item = items[at(step.item)];
    if (!item.use) {
      program.tasks.push_back({.name = item.name, .seconds = slower * item.seconds});
      continue;
    }
    if (step.kind != Kind::kWait) {
      program.tasks.push_back({.name = "start"});
      const int start = static_cast<int>(program.tasks.size()) - 1;
      program.tasks.push_back(
          {.name = item.name, .use = item.use, .slot = 0, .stream = 1, .seconds = item.seconds, .after = {start}});
      tasks[at(step.item)] = start + 1;
    }
    if (step.kind != Kind::kStart) program.tasks.push_back({.name = "wait", .after = {tasks[at(step.item)]}});
  }
  return program;
}

/// Each item once, behind what it reads; collectives between their start and their wait are read by nobody.
void checkValid(const Items& items, const Steps& steps) {
  enum State { kNot, kStarted, kThere };
  std::vector<State> states(items.size(), kNot);
  for (const Issue& step : steps) {
    State& state = states[at(step.item)];
    if (step.kind == Kind::kWait) {
      RC_ASSERT(state == kStarted);
      state = kThere;
      continue;
    }
    RC_ASSERT(state == kNot);
    RC_ASSERT(step.kind == Kind::kRun || items[at(step.item)].use.has_value());
    for (int input : items[at(step.item)].after)
      RC_ASSERT(states[at(input)] == kThere);
    state = step.kind == Kind::kStart ? kStarted : kThere;
  }
  for (State state : states)
    RC_ASSERT(state == kThere);
}

/// Counted anew at each step: what is there and somebody still reads, or nobody ever does.
int64_t peakOf(const Items& items, const Steps& steps) {
  int64_t most = 0;
  for (size_t now = 0; now < steps.size(); ++now) {
    int64_t alive = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      bool isMade = false, isReadLater = false, isRead = false;
      for (size_t s = 0; s < steps.size(); ++s) {
        isMade |= s <= now && steps[s].item == static_cast<int>(i) && steps[s].kind != Kind::kWait;
        const auto& after = items[at(steps[s].item)].after;
        if (std::find(after.begin(), after.end(), static_cast<int>(i)) == after.end()) continue;
        isRead = true;
        isReadLater |= s >= now;
      }
      if (isMade && (isReadLater || !isRead)) alive += items[i].bytes;
    }
    most = std::max(most, alive);
  }
  return most;
}

JINX_PROPERTY(IssueOrderLaws, ValidWithinTheLimitAndNeverSlower, 400) {
  const uint64_t seed = *test::seeds();
  const Items items = randomItems(seed);
  const double sum = std::accumulate(items.begin(), items.end(), 0.0,
                                     [](double s, const OverlapItem& item) { return s + item.seconds; });
  const int64_t needed = issueOrder(items, {}).value().serialPeakBytes;
  for (int64_t limit : {int64_t{0}, needed, needed + needed / 4, 2 * needed}) {
    const IssueOrder order = test::must(issueOrder(items, {.limitBytes = limit}));
    checkValid(items, order.steps);
    RC_ASSERT(order.serialSeconds == sum);
    RC_ASSERT(order.times.seconds <= sum);
    RC_ASSERT(order.times.peakBytes == peakOf(items, order.steps));
    RC_ASSERT(limit == 0 || order.times.peakBytes <= limit || order.times.seconds == sum);
    const Timeline timeline = test::must(simulate({{programOf(items, order.steps)}, {"g"}, {{0, {0}}}}));
    RC_ASSERT(timeline.makespan == order.times.seconds);
  }
}

// Ranks with one program and kernels of any speed come to all collectives in one order: the simulator finds no circle.
JINX_PROPERTY(IssueOrderLaws, RanksMeet, 200) {
  const uint64_t seed = *test::seeds();
  const Items items = randomItems(seed);
  const IssueOrder order = test::must(issueOrder(items, {}));
  World world{{}, {"g"}, {}};
  for (int rank = 0; rank < 4; ++rank) {
    world.programs.push_back(programOf(items, order.steps, 1 + rank));
    world.ranks.push_back({rank, {0}});
  }
  const Timeline timeline = test::must(simulate(world));
  RC_ASSERT(timeline.makespan >= order.times.seconds);
}

} // namespace
} // namespace jinx::comm::model
