#include "runtime/executor/ConstantUpload.h"

#include <algorithm>
#include <thread>

#include "runtime/base/Parallel.h"

namespace jinx {
namespace {

constexpr uint64_t kThreadBytes = uint64_t{2} << 20; ///< of a block that a thread takes at once

/// Memory of the host, and when it may be written again.
class Block {
 public:
  Status create(Device& device, uint64_t sizeBytes) {
    device_ = &device;
    sizeBytes_ = sizeBytes;
    JINX_TRY_ASSIGN(copied_, device.createEvent());
    JINX_TRY_ASSIGN(data_, device.allocateHost(sizeBytes));
    return Status::ok();
  }
  ~Block() {
    if (data_) device_->releaseHost(data_, sizeBytes_);
  }
  std::span<std::byte> bytes() const { return {static_cast<std::byte*>(data_), sizeBytes_}; }
  Status waitUntilFree() { return isBusy_ ? copied_->synchronize() : Status::ok(); }
  Status copy(std::byte* to, uint64_t sizeBytes, Stream& stream) {
    JINX_TRY(device_->copyToDevice(to, data_, sizeBytes, stream));
    isBusy_ = true;
    return copied_->record(stream);
  }

 private:
  Device* device_ = nullptr;
  void* data_ = nullptr;
  uint64_t sizeBytes_ = 0;
  std::unique_ptr<Event> copied_;
  bool isBusy_ = false;
};

/// What parts have of the places from `begin` on.
void fill(std::span<const ConstantPart> parts, uint64_t begin, std::span<std::byte> out) {
  auto part = std::ranges::upper_bound(parts, begin, {}, [](const ConstantPart& p) { return p.at + p.bytes.size(); });
  for (const uint64_t end = begin + out.size(); part != parts.end() && part->at < end; ++part) {
    const uint64_t from = std::max(begin, part->at), to = std::min(end, part->at + part->bytes.size());
    part->bytes.copy(from - part->at, out.subspan(from - begin, to - from));
  }
}

} // namespace

Status uploadConstants(std::span<const ConstantPart> parts, std::byte* memory, Device& device, Stream& stream,
                       uint64_t blockBytes) {
  if (parts.empty()) return Status::ok();
  const uint64_t begin = parts.front().at, end = parts.back().at + parts.back().bytes.size();
  blockBytes = std::min(blockBytes, end - begin);
  const size_t threads = std::min(8u, std::max(1u, std::thread::hardware_concurrency()));
  Block blocks[2];
  for (uint64_t at = begin, n = 0; at < end; at += blockBytes, ++n) {
    Block& block = blocks[n % 2];
    if (n < 2) JINX_TRY(block.create(device, blockBytes));
    JINX_TRY(block.waitUntilFree());
    const std::span<std::byte> bytes = block.bytes().first(std::min(blockBytes, end - at));
    inParallel(threads, (bytes.size() + kThreadBytes - 1) / kThreadBytes, [&](size_t i) {
      const uint64_t first = i * kThreadBytes;
      fill(parts, at + first, bytes.subspan(first, std::min(kThreadBytes, bytes.size() - first)));
    });
    JINX_TRY(block.copy(memory + at, bytes.size(), stream));
  }
  return stream.synchronize();
}

} // namespace jinx
