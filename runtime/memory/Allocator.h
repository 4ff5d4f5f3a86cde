// Where memory comes from, how much is in use, and a cache that gives recurring sizes again without asking the system.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx {

/// Counts since construction. A test that the step path allocates nothing compares `allocations` before and after.
struct MemoryStatistics {
  int64_t liveBytes = 0;   ///< handed out and not yet returned
  int64_t peakBytes = 0;   ///< most `liveBytes` so far
  int64_t heldBytes = 0;   ///< live and cached
  int64_t allocations = 0; ///< requests that went to the system
};

/// Gives and takes back blocks of memory: the host's, or a device's. Blocks are 64-byte aligned.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  /// kResource when exhausted. A size of 0 gives a block too.
  virtual Expected<void*> allocate(size_t sizeBytes) = 0;
  /// `sizeBytes` as it was asked for.
  virtual void release(void* block, size_t sizeBytes) noexcept = 0;
};

/// The host's memory, counted. Thread-safe.
class HostAllocator final : public MemorySource {
 public:
  Expected<void*> allocate(size_t sizeBytes) override;
  void release(void* block, size_t sizeBytes) noexcept override;
  MemoryStatistics statistics() const;

 private:
  std::atomic<int64_t> live_{0}, peak_{0}, allocations_{0};
};

/// Keeps returned blocks for later requests of about their size: size classes a quarter of a power of two apart, so
/// that a block is at most 25% larger than asked for. Thread-safe; outlives what it handed out.
class CachingAllocator {
 public:
  /// \param maxCachedBytes  returned blocks beyond this go back to `source`
  explicit CachingAllocator(MemorySource& source, size_t maxCachedBytes = size_t{256} << 20);
  ~CachingAllocator();
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  /// A block that returns to the cache when its last owner lets go.
  Expected<std::shared_ptr<void>> allocate(size_t sizeBytes);
  /// Gives every cached block back to the source.
  void trim();
  MemoryStatistics statistics() const;

  /// The class that serves `sizeBytes`: the least of 64, 80, 96, 112, 128, 160, … that holds it.
  static size_t roundToClass(size_t sizeBytes);

 private:
  struct Bin {
    size_t sizeBytes;
    std::vector<void*> blocks;
  };
  Bin& bin(size_t sizeBytes); // under mutex_
  void giveBack(void* block, size_t sizeBytes) noexcept;

  MemorySource& source_;
  const size_t maxCachedBytes_;
  mutable std::mutex mutex_;
  std::vector<Bin> bins_; // sorted by size
  MemoryStatistics statistics_;
};

} // namespace jinx
