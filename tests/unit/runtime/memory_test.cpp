// The arena planner against the rules of a layout, and the allocators' counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "runtime/memory/Allocator.h"
#include "runtime/memory/ArenaPlanner.h"

namespace jinx {
namespace {

/// Items alive together do not overlap in memory; everything is aligned and inside.
void checkLayout(const std::vector<ArenaItem>& items, const ArenaLayout& layout) {
  ASSERT_EQ(layout.offsets.size(), items.size());
  EXPECT_GE(layout.sizeBytes, layout.largestLiveBytes);
  EXPECT_LE(layout.sizeBytes, layout.totalBytes);
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(layout.offsets[i] % 64, 0);
    EXPECT_LE(layout.offsets[i] + items[i].sizeBytes, layout.sizeBytes);
    for (size_t j = 0; j < i; ++j) {
      bool together = items[i].firstUse <= items[j].lastUse && items[j].firstUse <= items[i].lastUse;
      bool overlap = layout.offsets[i] < layout.offsets[j] + items[j].sizeBytes &&
                     layout.offsets[j] < layout.offsets[i] + items[i].sizeBytes;
      EXPECT_FALSE(together && overlap && items[i].sizeBytes && items[j].sizeBytes) << i << " and " << j;
    }
  }
}

double ratio(const ArenaLayout& layout) {
  return layout.largestLiveBytes ? static_cast<double>(layout.sizeBytes) / static_cast<double>(layout.largestLiveBytes)
                                 : 1;
}

TEST(ArenaPlanner, TheExampleOfTheHeader) {
  std::vector<ArenaItem> items = {{6400, 0, 1}, {3840, 1, 2}, {2560, 2, 2}};
  ArenaLayout layout = planArena(items);
  checkLayout(items, layout);
  EXPECT_EQ(layout.largestLiveBytes, 10240);
  EXPECT_EQ(layout.sizeBytes, 10240);
  EXPECT_EQ(layout.totalBytes, 12800);
}

TEST(ArenaPlanner, EdgeCases) {
  EXPECT_EQ(planArena({}).sizeBytes, 0);
  std::vector<ArenaItem> zero = {{0, 0, 5}, {1, 0, 5}, {0, 2, 2}};
  ArenaLayout layout = planArena(zero);
  EXPECT_EQ(layout.sizeBytes, 64);
  checkLayout(zero, layout);
}

/// Activations of networks: each value is read by the next step, some by a step far behind.
std::vector<ArenaItem> network(std::mt19937& rng, int steps, int skipEvery, bool shrinking) {
  std::vector<ArenaItem> items;
  for (int s = 0; s < steps; ++s) {
    int64_t size = (1 + static_cast<int64_t>(rng() % 16)) * 50176;
    if (shrinking) size = std::max<int64_t>(256, size >> (4 * s / steps));
    int last = s + 1;
    if (skipEvery && s % skipEvery == 0) last = s + 3 + static_cast<int>(rng() % 3);
    items.push_back({size, s, last});
    if (rng() % 3 == 0) items.push_back({static_cast<int64_t>(rng() % 100000), s, s});
  }
  return items;
}

TEST(ArenaPlanner, NetworksStayNearTheBound) {
  double worst = 1, sum = 0;
  int count = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 rng(seed);
    std::vector<ArenaItem> items = network(rng, 40 + static_cast<int>(seed) * 3, static_cast<int>(seed % 5), seed % 2);
    ArenaLayout layout = planArena(items);
    checkLayout(items, layout);
    worst = std::max(worst, ratio(layout));
    sum += ratio(layout);
    ++count;
  }
  std::printf("arena / largest live set on 60 random networks: mean %.4f, worst %.4f\n", sum / count, worst);
  EXPECT_LE(sum / count, 1.02);
  EXPECT_LE(worst, 1.2) << "sizes at random, everything alive with four others: harder than any network";
}

TEST(ArenaPlanner, AChainReachesTheBound) {
  std::mt19937 rng(20);
  std::vector<ArenaItem> items;
  for (int s = 0; s < 120; ++s)
    items.push_back({static_cast<int64_t>(1 + rng() % 16) * 50176, s, s + 1});
  ArenaLayout layout = planArena(items);
  checkLayout(items, layout);
  EXPECT_EQ(layout.sizeBytes, layout.largestLiveBytes);
}

TEST(ArenaPlanner, ResidualBlocksStayNearTheBound) {
  std::vector<ArenaItem> items; // x -> conv -> conv -> add x, the channels doubling as the area shrinks
  int step = 0;
  for (int stage = 0; stage < 4; ++stage) {
    int64_t size = int64_t{256 * 56 * 56 * 4} >> stage;
    for (int block = 0; block < 3 + stage; ++block, step += 4) {
      items.push_back({size, step, step + 4}); // the block's input, read again by the sum
      items.push_back({size / 4, step + 1, step + 2});
      items.push_back({size / 4, step + 2, step + 3});
      items.push_back({size, step + 3, step + 4});
    }
  }
  ArenaLayout layout = planArena(items);
  checkLayout(items, layout);
  EXPECT_LE(ratio(layout), 1.05);
}

TEST(ArenaPlanner, AUNetStaysNearTheBound) {
  std::vector<ArenaItem> items; // encoder values live until the decoder's mirror step
  int depth = 9;
  for (int i = 0; i < depth; ++i)
    items.push_back({int64_t{4} << (20 - i), i, 2 * depth - i});
  for (int i = 0; i < depth; ++i)
    items.push_back({int64_t{3} << (12 + i), depth + i, depth + i + 1});
  ArenaLayout layout = planArena(items);
  checkLayout(items, layout);
  EXPECT_LE(ratio(layout), 1.15);
}

TEST(ArenaPlannerProperty, RandomItemsNeverCollide) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 rng(seed);
    std::vector<ArenaItem> items;
    int count = static_cast<int>(rng() % 60);
    for (int i = 0; i < count; ++i) {
      int first = static_cast<int>(rng() % 30);
      items.push_back(
          {static_cast<int64_t>(rng() % 3 ? rng() % 5000 : 0), first, first + static_cast<int>(rng() % 10)});
    }
    checkLayout(items, planArena(items));
  }
}

TEST(ArenaPlanner, ThousandsOfValuesAreFast) {
  std::mt19937 rng(1);
  std::vector<ArenaItem> items = network(rng, 6000, 3, false);
  ArenaLayout layout = planArena(items);
  EXPECT_LE(ratio(layout), 1.15);
}

TEST(HostAllocator, CountsAndAligns) {
  HostAllocator memory;
  void *a = *memory.allocate(100), *b = *memory.allocate(0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a) % 64, 0u);
  EXPECT_NE(b, nullptr);
  EXPECT_EQ(memory.statistics().liveBytes, 100);
  memory.release(a, 100);
  memory.release(b, 0);
  EXPECT_EQ(memory.statistics().liveBytes, 0);
  EXPECT_EQ(memory.statistics().peakBytes, 100);
  EXPECT_EQ(memory.statistics().allocations, 2);
  EXPECT_EQ(memory.allocate(SIZE_MAX - 3).status().code(), Code::kResource);
  EXPECT_EQ(memory.allocate(size_t{1} << 60).status().code(), Code::kResource);
}

TEST(CachingAllocator, GivesRecurringSizesAgain) {
  HostAllocator memory;
  {
    CachingAllocator cache(memory, 4096);
    void* first = cache.allocate(1000)->get();
    EXPECT_EQ(cache.allocate(1020)->get(), first) << "same class, returned before";
    EXPECT_EQ(memory.statistics().allocations, 1);
    auto a = *cache.allocate(3000), b = *cache.allocate(3000);
    EXPECT_NE(a.get(), b.get());
    a.reset();
    b.reset(); // beyond the limit: goes back
    EXPECT_LE(cache.statistics().heldBytes, 4096 + 3072);
    EXPECT_EQ(cache.statistics().liveBytes, 0);
    cache.trim();
    EXPECT_EQ(cache.statistics().heldBytes, 0);
    EXPECT_FALSE(cache.allocate(SIZE_MAX).isOk());
  }
  EXPECT_EQ(memory.statistics().liveBytes, 0);
}

TEST(CachingAllocator, ClassesAreTight) {
  for (size_t size = 1; size < 100000; size += 1 + size / 50) {
    size_t rounded = CachingAllocator::roundToClass(size);
    EXPECT_GE(rounded, size);
    EXPECT_LE(rounded, std::max<size_t>(64, size + size / 4)) << size;
    EXPECT_EQ(CachingAllocator::roundToClass(rounded), rounded);
  }
}

} // namespace
} // namespace jinx
