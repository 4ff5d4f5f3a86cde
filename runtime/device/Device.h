// What a plan runs on: memory, streams, modules of compiled kernels, launches.
//
// One interface for the CPU, CUDA and emulated CUDA; one conformance suite runs over all of them by capability tag.
// Everything enqueued on a stream happens in order; a device without the tag kAsync has finished when the call returns.
//
//   JINX_TRY_ASSIGN(std::unique_ptr<Device> device, makeDevice("cpu", options));
//   JINX_TRY_ASSIGN(std::unique_ptr<Module> module, device->loadModule(planFile));
//   JINX_TRY_ASSIGN(const KernelFunction *kernel, module->kernel(0));
//   KernelLaunch launch{.kernel = kernel, .buffers = ..., .sizes = ..., .programs = 128};
//   JINX_TRY(device->prepare(launch));            // once per set of sizes: scratch memory, checks
//   JINX_TRY(device->launch(launch, *stream));    // any number of times, without allocation
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/device/PeerTable.h"
#include "runtime/executor/KernelAbi.h"
#include "runtime/memory/Allocator.h"
#include "runtime/plan/PlanFile.h"

namespace jinx {

class Trace;

/// What a device can do beyond the minimum.
namespace capability {
/// Its buffers are ordinary host memory: no copies needed.
inline constexpr std::string_view kHostMemory = "host-memory";
inline constexpr std::string_view kAsync = "async";   ///< streams run behind the caller
inline constexpr std::string_view kTiming = "timing"; ///< events measure time on the device
inline constexpr std::string_view kGraphs = "graphs"; ///< can capture and replay launches: `beginCapture`
} // namespace capability

/// Rates that no kernel exceeds, a second, by the hardware's own numbers; 0: not known. Operations count a multiply-add
/// as two.
struct DevicePeaks {
  double memoryBytes = 0;    ///< of the memory's pins; a copy reaches some nine tenths
  double scalarFlops = 0;    ///< f32 multiply-adds
  double halfProducts = 0;   ///< of matrix units, on 16-bit floats
  double byteProducts = 0;   ///< … on bytes and 8-bit floats
  double singleProducts = 0; ///< … on f32 rounded to 19 bits
};

/// An ordered queue of work. Move-only, made by its device.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Waits for everything enqueued so far; a failure of earlier asynchronous work shows here.
  virtual Status synchronize() = 0;
  /// The driver's handle, for libraries that enqueue by themselves; null where there is none.
  virtual void* native() const { return nullptr; }
};

/// A point in a stream.
class Event {
 public:
  virtual ~Event() = default;
  virtual Status record(Stream& stream) = 0;
  /// Waits on the host until the recorded point is reached.
  virtual Status synchronize() = 0;
  /// Whether the recorded point is reached; does not wait.
  virtual Expected<bool> isReached() = 0;
  /// Makes later work of `stream` wait for the recorded point.
  virtual Status wait(Stream& stream) = 0;
  /// Milliseconds from `earlier` to this event, both reached.
  virtual Expected<double> millisecondsSince(Event& earlier) = 0;
};

/// A kernel ready to launch; a device's own class derives from it.
class KernelFunction {
 public:
  virtual ~KernelFunction() = default;
};

/// The kernels of one plan, loaded. Lives as long as anything launched from it.
class Module {
 public:
  virtual ~Module() = default;
  /// \param kernelIndex  index into `plan.kernels`
  virtual Expected<const KernelFunction*> kernel(uint32_t kernelIndex) const = 0;
  /// The code object in use: "x86-64-v3", "cuda:sm_90a", …
  virtual std::string_view isa() const = 0;
};

/// Launches recorded once and enqueued as one (capability kGraphs). What they were given is part of it: addresses and
/// sizes are fixed, the memory must be there at every replay. Its module outlives it.
class LaunchGraph {
 public:
  virtual ~LaunchGraph() = default;
};

/// One launch, all numbers known. The spans must stay valid until the launch has run.
struct KernelLaunch {
  const KernelFunction* kernel = nullptr;
  std::span<void* const> buffers; ///< device addresses: inputs, then outputs
  std::span<const int64_t> sizes;
  int64_t programs = 0;
  int64_t granule = 1;      ///< programs that stay together on a thread (CPU)
  int64_t scratchBytes = 0; ///< per thread (CPU)
  bool parallel = true;     ///< false: too small to share between threads (CPU)
  Trace* trace = nullptr;   ///< where each thread's part is recorded; null: nowhere
  uint32_t step = 0;        ///< step index for the trace
  const PeerTable* peers = nullptr; ///< of a kernel that adds up what ranks have; null: it finds the sum made
};

/// Memory of a device that those of other ranks of this machine reach, too, or another's as this device reaches it. It
/// is destroyed before its device; memory itself goes back when nobody of this process has it open, or later.
class PeerMemory {
 public:
  virtual ~PeerMemory() = default;
  void* data() const { return data_; } ///< as kernels of this device address it
  size_t sizeBytes() const { return sizeBytes_; }

 protected:
  PeerMemory(void* data, size_t sizeBytes) : data_(data), sizeBytes_(sizeBytes) {}

 private:
  void* data_;
  size_t sizeBytes_;
};

/// What opens a peer's memory: plain bytes, to be sent to its rank.
struct PeerMemoryName {
  std::array<std::byte, 128> bytes{};
};

class Device : public MemorySource {
 public:
  /// "cpu", "cuda:0", "emulated"
  virtual std::string_view name() const = 0;
  /// For people: "AMD EPYC 9V74, x86-64-v4, 2 threads".
  virtual std::string description() const = 0;
  virtual std::span<const std::string_view> capabilities() const = 0;
  virtual DevicePeaks peaks() const { return {}; }
  bool has(std::string_view tag) const;

  virtual Expected<std::unique_ptr<Stream>> createStream() = 0;
  virtual Expected<std::unique_ptr<Event>> createEvent() = 0;
  /// A stream of the caller's, who keeps it: on a GPU the driver's handle, where NULL is its default stream. Devices
  /// without streams of their own take NULL only.
  virtual Expected<std::unique_ptr<Stream>> wrapStream(void* native);

  /// Libraries that the calling thread uses from now on find this device.
  virtual Status makeCurrent() { return Status::ok(); }

  /// Memory of the host from and to which copies run while the host goes on; with other memory they may wait. Plain
  /// memory where a device makes no difference.
  virtual Expected<void*> allocateHost(size_t sizeBytes);
  virtual void releaseHost(void* block, size_t sizeBytes) noexcept;

  /// Copies; `size` 0 is allowed. The host side must stay valid until the stream is synchronized.
  virtual Status copyToDevice(void* device, const void* host, size_t sizeBytes, Stream& stream) = 0;
  virtual Status copyToHost(void* host, const void* device, size_t sizeBytes, Stream& stream) = 0;
  virtual Status copyOnDevice(void* target, const void* source, size_t sizeBytes, Stream& stream) = 0;
  /// Writes zeros; `size` 0 is allowed.
  virtual Status clear(void* device, size_t sizeBytes, Stream& stream) = 0;

  /// Memory that devices of other ranks can reach, for `nameOf`. kUnimplemented, saying why, where a device has none.
  virtual Expected<std::unique_ptr<PeerMemory>> allocatePeerMemory(size_t sizeBytes);
  /// Of memory that was allocated here.
  virtual Expected<PeerMemoryName> nameOf(const PeerMemory& memory);
  /// Memory that another rank has allocated, which must be there until this returns. kUnimplemented, saying why, for
  /// what this device cannot reach.
  virtual Expected<std::unique_ptr<PeerMemory>> openPeerMemory(const PeerMemoryName& name);

  /// Loads the best code object that the device can run. kUnimplemented, naming what the plan carries and what the
  /// device takes, when there is none. A plan without kernels loads as an empty module.
  virtual Expected<std::unique_ptr<Module>> loadModule(std::shared_ptr<const PlanFile> plan) = 0;

  /// Gets ready for launches of this shape: scratch memory, limits. May allocate.
  virtual Status prepare(const KernelLaunch& launch) = 0;
  virtual Status launch(const KernelLaunch& launch, Stream& stream) = 0;

  /// From here to `endCapture`, launches on `stream` are recorded and do not run. Nothing else may be enqueued there
  /// meanwhile.
  virtual Status beginCapture(Stream& stream);
  /// Ends the recording, also where a launch in it has failed: the stream is usable again.
  virtual Expected<std::unique_ptr<LaunchGraph>> endCapture(Stream& stream);
  virtual Status replay(const LaunchGraph& graph, Stream& stream);
};

struct DeviceOptions {
  int threads = 0;         ///< CPU: including the caller; 0: as many as the process may use
  bool pinThreads = false; ///< CPU
  std::string isa;         ///< CPU: highest ISA level to use, "" for all that the processor has (`--isa`)
  int ordinal = 0;         ///< which of several devices; "cuda:1" sets it
  /// CPU: functions of this process that stand in for symbols of a plan (tests, JIT).
  std::map<std::string, CpuKernelFn> kernels;
  std::map<std::string, std::string> extra; ///< a device's own settings
};

/// Names to the functions that make devices. Made by `standard`, extended by whoever brings another device.
class DeviceRegistry {
 public:
  using Factory = std::function<Expected<std::unique_ptr<Device>>(const DeviceOptions&)>;
  /// The devices built into this runtime.
  static DeviceRegistry standard();
  void add(std::string name, Factory factory) { factories_.insert_or_assign(std::move(name), std::move(factory)); }
  /// `name` or `name:ordinal`. kNotFound, listing the known names, for another.
  Expected<std::unique_ptr<Device>> make(const std::string& name, DeviceOptions options) const;

 private:
  std::map<std::string, Factory> factories_;
};

/// `DeviceRegistry::standard().make(name, options)`.
Expected<std::unique_ptr<Device>> makeDevice(const std::string& name, const DeviceOptions& options = {});

} // namespace jinx
