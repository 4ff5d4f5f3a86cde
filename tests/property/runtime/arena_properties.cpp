// Arena layouts for any set of lifetimes, and the caching allocator under any sequence of calls.
#include <algorithm>
#include <cstring>

#include "runtime/memory/Allocator.h"
#include "runtime/memory/ArenaPlanner.h"
#include "tests/property/Property.h"

namespace jinx {
void showValue(const ArenaItem& item, std::ostream& os) {
  os << "{" << item.sizeBytes << ", " << item.firstUse << ", " << item.lastUse << "}";
}
} // namespace jinx

namespace jinx::test {
namespace {

constexpr int32_t kSteps = 24;

rc::Gen<ArenaItem> items() {
  return rc::gen::exec([] {
    ArenaItem item;
    item.sizeBytes = *rc::gen::weightedOneOf<int64_t>({{1, rc::gen::just<int64_t>(0)},
                                                       {4, rc::gen::inRange<int64_t>(1, 200)},
                                                       {4, rc::gen::inRange<int64_t>(1, 100000)},
                                                       {1, rc::gen::inRange<int64_t>(1, int64_t{1} << 40)}});
    item.firstUse = *rc::gen::inRange<int32_t>(0, kSteps);
    item.lastUse = *rc::gen::inRange<int32_t>(item.firstUse, std::min(kSteps, item.firstUse + *rc::gen::element(2, 4, 24)));
    return item;
  });
}

int64_t up64(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Bytes alive at the fullest step, counted step by step.
int64_t mostAlive(const std::vector<ArenaItem>& all) {
  int64_t most = 0;
  for (int32_t step = 0; step < kSteps; ++step) {
    int64_t now = 0;
    for (const ArenaItem& item : all)
      if (item.firstUse <= step && step <= item.lastUse) now += up64(item.sizeBytes);
    most = std::max(most, now);
  }
  return most;
}

JINX_PROPERTY(ArenaLaws, WhatIsAliveTogetherLiesApart, 1500) {
  std::vector<ArenaItem> all = *rc::gen::container<std::vector<ArenaItem>>(items());
  ArenaLayout layout = planArena(all);
  RC_ASSERT(layout.offsets.size() == all.size());
  int64_t top = 0, total = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    RC_ASSERT(layout.offsets[i] % 64 == 0);
    RC_ASSERT(layout.offsets[i] >= 0);
    total += up64(all[i].sizeBytes);
    if (all[i].sizeBytes == 0) continue;
    top = std::max(top, layout.offsets[i] + up64(all[i].sizeBytes));
    for (size_t j = 0; j < i; ++j) {
      if (all[j].sizeBytes == 0 || all[i].firstUse > all[j].lastUse || all[j].firstUse > all[i].lastUse) continue;
      bool apart = layout.offsets[i] + all[i].sizeBytes <= layout.offsets[j] || layout.offsets[j] + all[j].sizeBytes <= layout.offsets[i];
      RC_ASSERT(apart);
    }
  }
  RC_ASSERT(layout.sizeBytes == top);
  RC_ASSERT(layout.totalBytes == total);
  RC_ASSERT(layout.largestLiveBytes == mostAlive(all));
  RC_ASSERT(layout.sizeBytes >= layout.largestLiveBytes);
}

JINX_PROPERTY(ArenaLaws, TheArenaIsNotMuchTallerThanItMustBe, 1500) {
  std::vector<ArenaItem> all = *rc::gen::container<std::vector<ArenaItem>>(items());
  ArenaLayout layout = planArena(all);
  // Networks stay within 1.15 (the example tests); lifetimes without any structure are harder.
  RC_ASSERT(layout.sizeBytes <= layout.largestLiveBytes + layout.largestLiveBytes / 4);
}

JINX_PROPERTY(ArenaLaws, TheSameItemsGetTheSameLayout, 300) {
  std::vector<ArenaItem> all = *rc::gen::container<std::vector<ArenaItem>>(items());
  ArenaLayout one = planArena(all), two = planArena(all);
  RC_ASSERT(one.offsets == two.offsets);
  RC_ASSERT(one.sizeBytes == two.sizeBytes);
}

JINX_PROPERTY(ArenaLaws, TimeMayBeShiftedAndStretched, 300) {
  std::vector<ArenaItem> all = *rc::gen::container<std::vector<ArenaItem>>(items()), later = all;
  int32_t shift = *rc::gen::inRange(0, 1000), stretch = *rc::gen::inRange(1, 50);
  for (ArenaItem& item : later) {
    item.firstUse = shift + item.firstUse * stretch;
    item.lastUse = shift + item.lastUse * stretch;
  }
  RC_ASSERT(planArena(later).largestLiveBytes == planArena(all).largestLiveBytes);
}

/// Counts what it gives, and refuses when it is told to.
class CountingSource final : public MemorySource {
 public:
  Expected<void*> allocate(size_t sizeBytes) override {
    if (refuse) return resourceError("no more");
    ++blocks;
    bytes += sizeBytes;
    return ::operator new(sizeBytes, std::align_val_t(64));
  }
  void release(void* block, size_t sizeBytes) noexcept override {
    --blocks;
    bytes -= sizeBytes;
    ::operator delete(block, std::align_val_t(64));
  }
  int64_t blocks = 0;
  size_t bytes = 0;
  bool refuse = false;
};

JINX_PROPERTY(AllocatorLaws, LiveBlocksKeepTheirBytesAndEverythingGoesBack, 400) {
  CountingSource source;
  {
    CachingAllocator allocator(source, static_cast<size_t>(*rc::gen::element(0, 1000, 1 << 20)));
    struct Block {
      std::shared_ptr<void> data;
      size_t sizeBytes;
      uint8_t mark;
    };
    std::vector<Block> live;
    int steps = *rc::gen::inRange(0, 60);
    for (int i = 0; i < steps; ++i) {
      int action = *rc::gen::inRange(0, 8);
      if (action == 7) {
        allocator.trim();
      } else if (action >= 4 && !live.empty()) {
        live.erase(live.begin() + *rc::gen::inRange<ptrdiff_t>(0, static_cast<ptrdiff_t>(live.size())));
      } else {
        source.refuse = *rc::gen::inRange(0, 10) == 0;
        size_t sizeBytes = static_cast<size_t>(*extents(1, 3000));
        Expected<std::shared_ptr<void>> block = allocator.allocate(sizeBytes);
        if (!block) {
          RC_ASSERT(source.refuse);
          RC_ASSERT(block.status().code() == Code::kResource);
          continue;
        }
        RC_ASSERT(reinterpret_cast<uintptr_t>(block->get()) % 64 == 0);
        live.push_back({*block, sizeBytes, static_cast<uint8_t>(i)});
        std::memset(block->get(), i, sizeBytes);
      }
      size_t held = 0;
      for (const Block& block : live) {
        held += CachingAllocator::roundToClass(block.sizeBytes);
        for (size_t at : {size_t{0}, block.sizeBytes / 2, block.sizeBytes - 1})
          RC_ASSERT(static_cast<const uint8_t*>(block.data.get())[at] == block.mark);
      }
      RC_ASSERT(source.bytes >= held);
    }
  }
  RC_ASSERT(source.blocks == 0);
  RC_ASSERT(source.bytes == 0u);
}

JINX_PROPERTY(AllocatorLaws, ASizeClassIsTheLeastThatHolds, 1000) {
  size_t sizeBytes = static_cast<size_t>(*rc::gen::inRange<int64_t>(1, int64_t{1} << *rc::gen::inRange(1, 40)));
  size_t rounded = CachingAllocator::roundToClass(sizeBytes);
  RC_ASSERT(rounded >= sizeBytes);
  RC_ASSERT(CachingAllocator::roundToClass(rounded) == rounded);
  RC_ASSERT(rounded <= std::max<size_t>(64, sizeBytes + sizeBytes / 4));
  RC_ASSERT(CachingAllocator::roundToClass(sizeBytes + 1) >= rounded);
}

} // namespace
} // namespace jinx::test
