// Folding changes nothing: random worlds, with every rank simulated and with one of each class, to the bit.
#include "runtime/comm/model/Fold.h"

#include <gtest/gtest.h>

#include <random>

#include "runtime/comm/model/PipelineWorld.h"
#include "tests/property/Property.h"

namespace jinx::comm::model {
namespace {

/// Ranks of a mesh of a x b with a group along each axis, some of them with another program of the same calls. Worlds that are symmetric,
/// nearly so, and not at all.
World randomMesh(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return static_cast<int>(random() % n); };
  const int a = 1 + below(5), b = 1 + below(5), programs = 1 + below(3), calls = 1 + below(8);
  World world;
  std::vector<std::pair<int, bool>> sequence;  // slot, and whether on the compute stream
  for (int i = 0; i < calls; ++i)
    sequence.emplace_back(below(2), below(3) == 0);
  for (int p = 0; p < programs; ++p) {
    Program program{"p" + std::to_string(p), {}};
    for (const auto& [slot, isSerial] : sequence) {
      const int count = static_cast<int>(program.tasks.size());
      program.tasks.push_back({.name = "c" + std::to_string(count), .seconds = 1.0 + below(7), .allocates = below(5), .frees = below(2)});
      if (count > 2) program.tasks.back().after = {below(static_cast<uint64_t>(count))};
      program.tasks.push_back(
          {.name = "g" + std::to_string(count), .use = Op::kAllReduce, .slot = slot, .stream = isSerial ? 0 : 1, .seconds = 1, .after = {count}});
    }
    world.programs.push_back(std::move(program));
  }
  for (int i = 0; i < a; ++i)
    world.groups.push_back("row " + std::to_string(i));
  for (int j = 0; j < b; ++j)
    world.groups.push_back("column " + std::to_string(j));
  const bool isByRow = below(2) == 0;
  for (int i = 0; i < a; ++i)
    for (int j = 0; j < b; ++j)
      world.ranks.push_back({isByRow ? i % programs : below(6) == 0 ? below(static_cast<uint64_t>(programs)) : 0, {i, a + j}});
  return world;
}

void expectSame(const World& world) {
  const Timeline folded = test::must(simulate(world)), whole = test::must(simulate(world, {.folds = false}));
  RC_ASSERT(whole.classes.size() == world.ranks.size());
  RC_ASSERT(folded.makespan == whole.makespan);
  RC_ASSERT(folded.peakBytes() == whole.peakBytes());
  for (int rank = 0; rank < static_cast<int>(world.ranks.size()); ++rank) {
    const ClassTimeline &one = folded.of(rank), &other = whole.of(rank);
    RC_ASSERT(one.begin == other.begin);
    RC_ASSERT(one.end == other.end);
    RC_ASSERT(one.busy == other.busy);
    RC_ASSERT(one.exposed == other.exposed);
    RC_ASSERT(one.idle == other.idle);
    RC_ASSERT(one.peakBytes == other.peakBytes);
  }
}

JINX_PROPERTY(FoldLaws, FoldingChangesNothingOnMeshes, 400) { expectSame(randomMesh(*test::seeds())); }

JINX_PROPERTY(FoldLaws, FoldingChangesNothingInPipelines, 60) {
  const int p = *rc::gen::inRange(1, 6), m = p * *rc::gen::inRange(1, 4);
  const Schedule schedule = test::must(*rc::gen::arbitrary<bool>() ? interleaved(p, m, 2) : zeroBubbleH1(p, m));
  const PipelineCosts costs{
      .forward = 1, .inputGradient = 1.25, .weightGradient = 0.75, .transfer = 0.125, .tensorReduce = 0.25, .gradientReduce = 3, .activationBytes = 16};
  expectSame(test::must(worldOf(schedule, costs, {.tensor = *rc::gen::inRange(1, 4), .data = *rc::gen::inRange(1, 4)})));
}

/// A ring in which each rank sends to the next: all ranks are alike, though no two have the same groups.
TEST(Fold, ARingOfAnyLengthIsOneRank) {
  World world;
  world.programs = {{"p",
                     {{.name = "k", .seconds = 1},
                      {.name = "s", .use = Op::kSend, .slot = 0, .stream = 1, .seconds = 1, .after = {0}},
                      {.name = "r", .use = Op::kRecv, .slot = 1, .stream = 2, .seconds = 1},
                      {.name = "k2", .seconds = 1, .after = {2}}}}};
  const int n = 1000;
  for (int r = 0; r < n; ++r) {
    world.groups.push_back("edge " + std::to_string(r));
    world.ranks.push_back({0, {r, (r + n - 1) % n}});
  }
  const Timeline timeline = simulate(world).value();
  EXPECT_EQ(timeline.classes.size(), 1u);
  EXPECT_EQ(timeline.makespan, 3);
  EXPECT_EQ(simulate(world, {.folds = false}).value().makespan, 3);
}

TEST(Fold, OneOddRankIsFoundAcrossGroups) {
  // 4 x 4; rank 0 is slow. Those of its row and of its column wait with it, each for a different reason.
  World world;
  const auto program = [](const std::string& name, double seconds) {
    return Program{name,
                   {{.name = "k", .seconds = seconds},
                    {.name = "row", .use = Op::kAllReduce, .slot = 0, .seconds = 1},
                    {.name = "column", .use = Op::kAllReduce, .slot = 1, .seconds = 1}}};
  };
  world.programs = {program("slow", 5), program("quick", 1)};
  world.groups.assign(8, "g");
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      world.ranks.push_back({i + j == 0 ? 0 : 1, {i, 4 + j}});
  const Folding folding = fold(world, true);
  EXPECT_EQ(folding.count, (std::vector<int>{1, 3, 3, 9}));
  const Timeline timeline = simulate(world).value();
  EXPECT_EQ(timeline.of(1).begin[1], 5);  // beside it in its row
  EXPECT_EQ(timeline.of(4).begin[1], 1);  // in its column
  EXPECT_EQ(timeline.of(4).begin[2], 6);
  EXPECT_EQ(timeline.of(5).begin[2], 6);  // waits for rank 1 in its column
}

TEST(Fold, SixteenThousandRanksAreAsManyAsStages) {
  const auto schedule = interleaved(16, 512, 2);
  ASSERT_TRUE(schedule);
  const PipelineCosts costs{.transfer = 0.01, .tensorReduce = 0.05, .gradientReduce = 4, .activationBytes = 1 << 20};
  const auto world = worldOf(*schedule, costs, {.tensor = 8, .data = 128});
  ASSERT_TRUE(world);
  EXPECT_EQ(world.value().ranks.size(), 16384u);
  EXPECT_GT(world.value().programs[5].tasks.size(), 6000u);
  const auto timeline = simulate(world.value());
  ASSERT_TRUE(timeline) << timeline.status().message();
  EXPECT_EQ(timeline.value().classes.size(), 16u);
  // Folded by hand, one copy of each stage with groups of two: the same.
  const auto small = worldOf(*schedule, costs, {.tensor = 2, .data = 2});
  EXPECT_EQ(simulate(small.value()).value().makespan, timeline.value().makespan);
}

}  // namespace
}  // namespace jinx::comm::model
