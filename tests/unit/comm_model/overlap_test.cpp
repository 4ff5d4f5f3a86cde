// Overlap: never slower than one after the other, within the limit, and equal in the simulator; on random graphs.
#include "runtime/comm/model/Overlap.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/property/Property.h"

namespace jinx::comm::model {
namespace {

using Items = std::vector<OverlapItem>;

OverlapItem kernel(const std::string& name, double seconds, std::vector<int> after = {}, int64_t bytes = 0) {
  return {.name = name, .seconds = seconds, .after = std::move(after), .bytes = bytes};
}
OverlapItem gather(const std::string& name, double seconds, std::vector<int> after = {}, int64_t bytes = 0) {
  return {.name = name, .use = Op::kAllGather, .slot = 0, .seconds = seconds, .after = std::move(after), .bytes = bytes};
}

Timeline run(const Program& program) { return test::must(simulate({{program}, {"g"}, {{0, {0}}}})); }

double total(const Items& items) {
  return std::accumulate(items.begin(), items.end(), 0.0, [](double sum, const OverlapItem& item) { return sum + item.seconds; });
}

/// Small integers, so that sums are exact.
Items randomItems(uint64_t seed, int most) {
  std::mt19937_64 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); };
  Items items;
  const int count = 1 + below(most), communicating = 1 + below(4), inputs = 1 + below(3);
  for (int i = 0; i < count; ++i) {
    OverlapItem item{.name = std::to_string(i), .seconds = 1.0 + below(9), .bytes = below(20)};
    if (below(5) < communicating) item.use = Op::kAllReduce, item.slot = 0;
    for (int k = 0; i > 0 && k < inputs; ++k)
      if (below(3) > 0) item.after.push_back(std::max(0, i - 1 - below(1 + below(i))));
    items.push_back(std::move(item));
  }
  return items;
}

TEST(Overlap, TheHeadersExampleTakesEightMilliseconds) {
  const Items items = {gather("gather w1", 2), kernel("use w1", 3, {0}), gather("gather w2", 2), kernel("use w2", 3, {1, 2})};
  const Overlapped result = overlap(items).value();
  EXPECT_EQ(result.order, (std::vector<int>{0, 2, 1, 3}));
  EXPECT_EQ(result.seconds, 8);
  EXPECT_EQ(run(result.program).makespan, 8);
  EXPECT_EQ(run(serialProgram(items)).makespan, 10);
  EXPECT_EQ(result.waitsBefore, (std::vector<int>{1, -1, 3, -1}));
}

TEST(Overlap, WhoNeedsNotWaitComesFirst) {
  // The reduction's reader is next in the given order; two others need nothing of it.
  const Items items = {kernel("a", 1),
                       {.name = "sum", .use = Op::kAllReduce, .slot = 0, .seconds = 4, .after = {0}},
                       kernel("reads sum", 1, {1}),
                       kernel("b", 2, {0}),
                       kernel("c", 2, {0})};
  const Overlapped result = overlap(items).value();
  EXPECT_EQ(result.order, (std::vector<int>{0, 1, 3, 4, 2}));
  EXPECT_EQ(result.seconds, 6);
  EXPECT_EQ(result.waitsBefore[1], 2);
}

TEST(Overlap, TheFirstOfManyReadersWaits) { EXPECT_EQ(overlap({gather("w", 1), kernel("a", 1, {0}), kernel("b", 1, {0, 1})}).value().waitsBefore[0], 1); }

TEST(Overlap, AGradientThatNobodyReadsIsWaitedForAtTheEnd) {
  const Items items = {kernel("a", 1), {.name = "sum", .use = Op::kAllReduce, .slot = 0, .seconds = 4, .after = {0}}, kernel("b", 3, {0})};
  EXPECT_EQ(overlap(items).value().waitsBefore[1], -1);
  EXPECT_EQ(overlap(items).value().seconds, 5);
}

TEST(Overlap, GathersInAdvanceStopAtTheLimit) {
  // Four layers, each gathers 10 bytes of weights; one after the other 10 are alive at once.
  Items items;
  for (int layer = 0; layer < 4; ++layer) {
    items.push_back(gather("gather " + std::to_string(layer), 2, {}, 10));
    items.push_back(kernel("layer " + std::to_string(layer), 3, layer == 0 ? std::vector{0} : std::vector{2 * layer, 2 * layer - 1}, 0));
  }
  EXPECT_EQ(overlap(items).value().seconds, 14);      // 2 + 4 * 3: all gathers hidden
  EXPECT_EQ(overlap(items).value().peakBytes, 30);    // the third comes while the first is in use
  EXPECT_EQ(overlap(items, 20).value().seconds, 14);  // one in advance is enough
  EXPECT_EQ(overlap(items, 20).value().peakBytes, 20);
  EXPECT_EQ(overlap(items, 10).value().seconds, 20);  // none in advance
  EXPECT_EQ(overlap(items, 10).value().peakBytes, 10);
  const Status status = overlap(items, 9).status();
  EXPECT_EQ(status.code(), Code::kResource);
  EXPECT_EQ(
      status.message(),
      "overlapping: got a limit of 9 B, but one after the other the items need 10 B; raise the limit, or compute some results again instead of keeping them");
}

TEST(Overlap, ItemsThatReadWhatComesLaterAreAnError) {
  EXPECT_EQ(overlap({kernel("a", 1, {0})}).status().message(),
            "overlapping: item 0 'a': reads item 0, expected one before it; give the items in an order in which they can be done");
  EXPECT_EQ(overlap({kernel("a", -1)}).status().message(), "overlapping: item 0 'a': got -1.000000 seconds, expected 0 or more");
  EXPECT_EQ(overlap({kernel("a", 1, {}, -1)}).status().message(), "overlapping: item 0 'a': got -1 bytes, expected 0 or more");
  EXPECT_EQ(overlap({}).value().seconds, 0);
}

void checkLaws(const Items& items, int64_t limit) {
  const Overlapped result = test::must(overlap(items, limit));
  const Timeline timeline = run(result.program);
  const ClassTimeline& one = timeline.of(0);
  RC_ASSERT(result.order.size() == items.size());
  std::vector<int> place(items.size(), -1);
  for (size_t p = 0; p < result.order.size(); ++p)
    place[static_cast<size_t>(result.order[p])] = static_cast<int>(p);
  const auto endOf = [&](int item) { return one.end[static_cast<size_t>(place[static_cast<size_t>(item)])]; };
  const auto beginOf = [&](int item) { return one.begin[static_cast<size_t>(place[static_cast<size_t>(item)])]; };
  for (size_t i = 0; i < items.size(); ++i) {
    RC_ASSERT(place[i] >= 0);
    for (int input : items[i].after)
      RC_ASSERT(endOf(input) <= beginOf(static_cast<int>(i)));
  }
  // Never slower than one after the other, and the walk's times are the simulator's.
  RC_ASSERT(run(serialProgram(items)).makespan == total(items));
  RC_ASSERT(timeline.makespan <= total(items));
  RC_ASSERT(timeline.makespan == result.seconds);
  RC_ASSERT(one.peakBytes == result.peakBytes);
  if (limit > 0) {
    RC_ASSERT(one.peakBytes <= limit);
    return;
  }
  // Without a limit, a collective whose inputs are there waits for nothing but other collectives.
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].use) continue;
    double ready = 0;
    for (int input : items[i].after)
      ready = std::max(ready, endOf(input));
    double busy = 0;
    for (size_t j = 0; j < items.size(); ++j)
      if (items[j].use && j != i)
        busy += std::max(0.0, std::min(endOf(static_cast<int>(j)), beginOf(static_cast<int>(i))) - std::max(beginOf(static_cast<int>(j)), ready));
    RC_ASSERT(busy == beginOf(static_cast<int>(i)) - ready);
  }
}

JINX_PROPERTY(OverlapLaws, NeverSlowerThanOneAfterTheOther, 400) { checkLaws(randomItems(*test::seeds(), 40), 0); }

JINX_PROPERTY(OverlapLaws, AnyLimitThatTheOrderKeepsIsKept, 400) {
  const Items items = randomItems(*test::seeds(), 40);
  const int64_t needed = run(serialProgram(items)).of(0).peakBytes;
  RC_PRE(needed > 0);
  checkLaws(items, needed + *rc::gen::inRange(0, 40));
  RC_ASSERT(needed == 1 || overlap(items, needed - 1).status().code() == Code::kResource);
}

JINX_PROPERTY(OverlapLaws, ARaisedLimitIsNoError, 50) {
  const Items items = randomItems(*test::seeds(), 200);
  const int64_t needed = run(serialProgram(items)).of(0).peakBytes;
  checkLaws(items, 2 * needed + 1);
}

}  // namespace
}  // namespace jinx::comm::model
