#include "runtime/memory/Allocator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "runtime/memory/AlignedBuffer.h"

namespace jinx {

Expected<void*> HostAllocator::allocate(size_t sizeBytes) {
  size_t rounded = (std::max<size_t>(sizeBytes, 1) + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
  void* block = rounded < sizeBytes ? nullptr : std::aligned_alloc(kBufferAlignment, rounded);
  if (!block) return resourceError("cannot allocate " + std::to_string(sizeBytes) + " bytes of memory");
  allocations_.fetch_add(1, std::memory_order_relaxed);
  int64_t live =
      live_.fetch_add(static_cast<int64_t>(sizeBytes), std::memory_order_relaxed) + static_cast<int64_t>(sizeBytes);
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (live > peak && !peak_.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
  return block;
}

void HostAllocator::release(void* block, size_t sizeBytes) noexcept {
  std::free(block);
  live_.fetch_sub(static_cast<int64_t>(sizeBytes), std::memory_order_relaxed);
}

MemoryStatistics HostAllocator::statistics() const {
  MemoryStatistics s;
  s.liveBytes = s.heldBytes = live_.load(std::memory_order_relaxed);
  s.peakBytes = peak_.load(std::memory_order_relaxed);
  s.allocations = allocations_.load(std::memory_order_relaxed);
  return s;
}

CachingAllocator::CachingAllocator(MemorySource& source, size_t maxCachedBytes)
    : source_(source), maxCachedBytes_(maxCachedBytes) {}

CachingAllocator::~CachingAllocator() { trim(); }

size_t CachingAllocator::roundToClass(size_t sizeBytes) {
  if (sizeBytes <= 64) return 64;
  size_t quarter = std::bit_floor(sizeBytes - 1) / 4;
  return (sizeBytes + quarter - 1) / quarter * quarter;
}

CachingAllocator::Bin& CachingAllocator::bin(size_t sizeBytes) {
  auto at =
      std::lower_bound(bins_.begin(), bins_.end(), sizeBytes, [](const Bin& b, size_t s) { return b.sizeBytes < s; });
  if (at == bins_.end() || at->sizeBytes != sizeBytes) at = bins_.insert(at, Bin{sizeBytes, {}});
  return *at;
}

Expected<std::shared_ptr<void>> CachingAllocator::allocate(size_t sizeBytes) {
  if (sizeBytes > (size_t{1} << 62))
    return resourceError("cannot allocate " + std::to_string(sizeBytes) + " bytes of memory");
  size_t rounded = roundToClass(sizeBytes);
  void* block = nullptr;
  {
    std::lock_guard lock(mutex_);
    std::vector<void*>& blocks = bin(rounded).blocks;
    if (!blocks.empty()) {
      block = blocks.back();
      blocks.pop_back();
    }
  }
  bool fresh = block == nullptr;
  if (fresh) {
    Expected<void*> made = source_.allocate(rounded);
    if (!made) { // what lies in the cache may be what is missing
      trim();
      made = source_.allocate(rounded);
    }
    if (!made) return made.status();
    block = *made;
  }
  std::lock_guard lock(mutex_);
  statistics_.allocations += fresh;
  statistics_.heldBytes += fresh ? static_cast<int64_t>(rounded) : 0;
  statistics_.liveBytes += static_cast<int64_t>(rounded);
  statistics_.peakBytes = std::max(statistics_.peakBytes, statistics_.liveBytes);
  return std::shared_ptr<void>(block, [this, rounded](void* b) { giveBack(b, rounded); });
}

void CachingAllocator::giveBack(void* block, size_t sizeBytes) noexcept {
  {
    std::lock_guard lock(mutex_);
    statistics_.liveBytes -= static_cast<int64_t>(sizeBytes);
    if (static_cast<size_t>(statistics_.heldBytes - statistics_.liveBytes) <= maxCachedBytes_) {
      bin(sizeBytes).blocks.push_back(block);
      return;
    }
    statistics_.heldBytes -= static_cast<int64_t>(sizeBytes);
  }
  source_.release(block, sizeBytes);
}

void CachingAllocator::trim() {
  std::lock_guard lock(mutex_);
  for (Bin& b : bins_) {
    for (void* block : b.blocks) {
      source_.release(block, b.sizeBytes);
      statistics_.heldBytes -= static_cast<int64_t>(b.sizeBytes);
    }
    b.blocks.clear();
  }
}

MemoryStatistics CachingAllocator::statistics() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

} // namespace jinx
