#include "tools/common/CollectivePlace.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "runtime/comm/DeviceCollectives.h"

namespace jinx::tools {
namespace {

constexpr int64_t kPage = 4096;

class HostPlace final : public CollectivePlace {
 public:
  explicit HostPlace(comm::Communicator& comm) : comm_(comm) {}

  Expected<std::shared_ptr<std::byte>> allocate(int64_t bytes) override {
    const auto size = static_cast<size_t>((bytes / kPage + 1) * kPage);
    void* memory = std::aligned_alloc(kPage, size);
    if (!memory) return resourceError("no memory for a buffer of " + std::to_string(bytes) + " bytes");
    return std::shared_ptr<std::byte>(static_cast<std::byte*>(memory), std::free);
  }
  Status write(std::byte* to, const void* from, int64_t bytes) override {
    std::memcpy(to, from, static_cast<size_t>(bytes));
    return Status::ok();
  }
  Status read(void* to, const std::byte* from, int64_t bytes) override {
    std::memcpy(to, from, static_cast<size_t>(bytes));
    return Status::ok();
  }
  Status run(const comm::Call& call, const std::byte* in, std::byte* out, int times) override {
    for (int i = 0; i < times; ++i)
      JINX_TRY(comm_.run(call, in, out));
    return Status::ok();
  }

 private:
  comm::Communicator& comm_;
};

/// Calls are enqueued on one stream; the host waits behind the last one alone.
class DevicePlace final : public CollectivePlace {
 public:
  DevicePlace(comm::DeviceCollectives& calls, std::shared_ptr<Device> device, std::unique_ptr<Stream> stream)
      : calls_(calls), device_(std::move(device)), stream_(std::move(stream)) {}

  Expected<std::shared_ptr<std::byte>> allocate(int64_t bytes) override {
    const auto size = static_cast<size_t>(bytes);
    JINX_TRY_ASSIGN(void* memory, device_->allocate(size));
    return std::shared_ptr<std::byte>(static_cast<std::byte*>(memory),
                                      [device = device_, size](std::byte* block) { device->release(block, size); });
  }
  Status write(std::byte* to, const void* from, int64_t bytes) override {
    JINX_TRY(device_->copyToDevice(to, from, static_cast<size_t>(bytes), *stream_));
    return stream_->synchronize();
  }
  Status read(void* to, const std::byte* from, int64_t bytes) override {
    JINX_TRY(device_->copyToHost(to, from, static_cast<size_t>(bytes), *stream_));
    return stream_->synchronize();
  }
  Status run(const comm::Call& call, const std::byte* in, std::byte* out, int times) override {
    for (int i = 0; i < times; ++i)
      JINX_TRY(calls_.enqueue(call, in, out, *stream_));
    const Status waited = stream_->synchronize();
    JINX_TRY(calls_.status()); // says more
    return waited;
  }

 private:
  comm::DeviceCollectives& calls_;
  std::shared_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

} // namespace

Expected<std::unique_ptr<CollectivePlace>> placeOf(comm::Communicator& comm, std::shared_ptr<Device> device) {
  if (!device) return std::unique_ptr<CollectivePlace>(std::make_unique<HostPlace>(comm));
  comm::DeviceCollectives* calls = comm.onDevice();
  if (!calls)
    return invalidArgument("this communicator has no calls on " + std::string(device->name()) + ", expected nccl's");
  JINX_TRY(calls->open(0));
  JINX_TRY_ASSIGN(auto stream, device->createStream());
  return std::unique_ptr<CollectivePlace>(std::make_unique<DevicePlace>(*calls, std::move(device), std::move(stream)));
}

} // namespace jinx::tools
