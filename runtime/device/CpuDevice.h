// The processor as a device: host memory, kernels in shared objects, launches shared between the threads of a pool.
#pragma once

#include <memory>

#include "runtime/device/Device.h"
#include "runtime/executor/ThreadPool.h"

namespace jinx {

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const DeviceOptions& options);

  std::string_view name() const override { return "cpu"; }
  std::string description() const override;
  std::span<const std::string_view> capabilities() const override;

  Expected<void*> allocate(size_t sizeBytes) override { return memory_.allocate(sizeBytes); }
  void release(void* block, size_t sizeBytes) noexcept override { memory_.release(block, sizeBytes); }
  MemoryStatistics memoryStatistics() const { return memory_.statistics(); }

  Expected<std::unique_ptr<Stream>> createStream() override;
  Expected<std::unique_ptr<Event>> createEvent() override;
  Status copyToDevice(void* device, const void* host, size_t sizeBytes, Stream& stream) override;
  Status copyToHost(void* host, const void* device, size_t sizeBytes, Stream& stream) override;
  Status copyOnDevice(void* target, const void* source, size_t sizeBytes, Stream& stream) override;
  Status clear(void* device, size_t sizeBytes, Stream& stream) override;

  /// Takes the ELF object of the highest ISA level that the processor runs and `DeviceOptions::isa` admits. Symbols
  /// named in `DeviceOptions::kernels` come from there; a plan all of whose kernels do needs no code object.
  Expected<std::unique_ptr<Module>> loadModule(std::shared_ptr<const PlanFile> plan) override;

  Status prepare(const KernelLaunch& launch) override;
  Status launch(const KernelLaunch& launch, Stream& stream) override;

  ThreadPool& threads() { return pool_; }

 private:
  HostAllocator memory_;
  ThreadPool pool_;
  std::string isaLimit_;
  std::map<std::string, CpuKernelFn> builtin_;
};

/// kInvalidArgument for an ISA level that is not known or that this processor lacks.
Expected<std::unique_ptr<Device>> makeCpuDevice(const DeviceOptions& options);

} // namespace jinx
