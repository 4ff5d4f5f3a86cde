// Emulated CUDA as a device like any other: memory of its own, modules from a plan's CUDA text, launches on the emulator.
//
// It runs plans compiled for CUDA on machines without a GPU, slowly and strictly (Emulator.h). Needs a C++ compiler at run time.
// Settings (`DeviceOptions::extra`): "seed" (what order things happen in), "cache" (folder of compiled texts), "compiler",
// "record" (folder that gets a launch of each kernel: LaunchRecorder.h).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "runtime/device/Device.h"
#include "runtime/device/emulated/Emulator.h"
#include "runtime/device/emulated/LaunchRecorder.h"

namespace jinx::emulated {

class EmulatedDevice final : public Device {
 public:
  explicit EmulatedDevice(const DeviceOptions &options);
  ~EmulatedDevice() override;

  std::string_view name() const override { return "emulated"; }
  std::string description() const override;
  /// Its buffers are not host memory as far as anybody may rely on, though they are ordinary memory underneath.
  std::span<const std::string_view> capabilities() const override;

  Expected<void *> allocate(size_t sizeBytes) override;
  void release(void *block, size_t sizeBytes) noexcept override;

  Expected<std::unique_ptr<Stream>> createStream() override;
  Expected<std::unique_ptr<Event>> createEvent() override;
  Status copyToDevice(void *device, const void *host, size_t sizeBytes, Stream &stream) override;
  Status copyToHost(void *host, const void *device, size_t sizeBytes, Stream &stream) override;
  Status copyOnDevice(void *target, const void *source, size_t sizeBytes, Stream &stream) override;
  Status clear(void *device, size_t sizeBytes, Stream &stream) override;
  /// Of other emulated devices of this process.
  Expected<std::unique_ptr<PeerMemory>> allocatePeerMemory(size_t sizeBytes) override;
  Expected<PeerMemoryName> nameOf(const PeerMemory &memory) override;
  Expected<std::unique_ptr<PeerMemory>> openPeerMemory(const PeerMemoryName &name) override;
  /// Compiles every code object of format "cuda".
  Expected<std::unique_ptr<Module>> loadModule(std::shared_ptr<const PlanFile> plan) override;
  Status prepare(const KernelLaunch &launch) override;
  Status launch(const KernelLaunch &launch, Stream &stream) override;
  Status beginCapture(Stream &stream) override;
  Expected<std::unique_ptr<LaunchGraph>> endCapture(Stream &stream) override;
  Status replay(const LaunchGraph &graph, Stream &stream) override;

 private:
  /// kInternal where [address, address + bytes) is not within one allocation of this device.
  Status checkRange(const void *address, size_t sizeBytes, const char *what) const;

  friend class EmulatedPeerMemory;
  void add(const void *block, size_t sizeBytes);
  void forget(const void *block);
  /// Of a launch's buffers: the allocations that they lie in, and whether all of them do.
  bool findRanges(std::span<void *const> pointers, std::vector<MemoryRange> &ranges) const;

  DeviceOptions options_;
  mutable std::mutex mutex_;               ///< of the next two: a thread may copy while another launches
  std::map<const char *, size_t> blocks_;  ///< memory that kernels may touch, by address
  std::set<const void *> constants_;       ///< those that a launch has read as constants
  uint64_t seed_ = 0, launches_ = 0;
  std::unique_ptr<LaunchRecorder> recorder_;  ///< null: nothing is recorded
};

/// For DeviceRegistry::add("emulated", …).
Expected<std::unique_ptr<Device>> makeEmulatedDevice(const DeviceOptions &options);

}  // namespace jinx::emulated
