#include "runtime/device/cuda/CudaDevice.h"

#include <atomic>
#include <cstring>
#include <unordered_map>

#include "runtime/device/ProcessKey.h"
#include "runtime/device/cuda/CubinsOfPlan.h"
#include "runtime/device/cuda/Driver.h"
#include "runtime/device/cuda/LaunchFormulas.h"
#include "runtime/executor/Trace.h"

namespace jinx::cuda {
namespace {

constexpr int kNonBlocking = 1;                 // CU_STREAM_NON_BLOCKING
constexpr int kCaptureThreadLocal = 1;          // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
constexpr int kMaxDynamicSharedBytes = 8;       // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
constexpr int kStaticSharedBytes = 1;           // CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES
constexpr int kNotReady = 600;                  // CUDA_ERROR_NOT_READY
constexpr int kPeerAccessIsOn = 704;            // CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED
constexpr unsigned kLazyPeerAccess = 1;         // CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS
constexpr size_t kDriverPage = size_t{2} << 20; // cuMemAlloc takes smaller blocks out of one page
constexpr size_t kMaxTimings = size_t{1} << 14; // launches that a stream times between two synchronizations

DevicePointer pointer(const void* address) { return reinterpret_cast<DevicePointer>(address); }

/// The driver and the context of one GPU. Calls of the driver act on the calling thread's current context.
struct Context {
  Driver driver;
  int gpu = 0;
  void* handle = nullptr;

  ~Context() {
    if (handle) driver.contextRelease(gpu);
  }
  Status check(int result, const char* call) const { return driver.check(result, call); }
  Status enter() const { return check(driver.contextSetCurrent(handle), "cuCtxSetCurrent"); }
};
using SharedContext = std::shared_ptr<const Context>;

class CudaEvent final : public Event {
 public:
  CudaEvent(SharedContext context, void* handle) : context_(std::move(context)), handle_(handle) {}
  ~CudaEvent() override {
    if (context_->enter().isOk()) context_->driver.eventDestroy(handle_);
  }
  Status record(Stream& stream) override;
  Status synchronize() override {
    JINX_TRY(context_->enter());
    return context_->check(context_->driver.eventSynchronize(handle_), "cuEventSynchronize");
  }
  Expected<bool> isReached() override {
    JINX_TRY(context_->enter());
    const int result = context_->driver.eventQuery(handle_);
    if (result == kNotReady) return false;
    JINX_TRY(context_->check(result, "cuEventQuery"));
    return true;
  }
  Status wait(Stream& stream) override;
  Expected<double> millisecondsSince(Event& earlier) override {
    float ms = 0;
    JINX_TRY(context_->enter());
    JINX_TRY(context_->check(context_->driver.eventElapsed(&ms, static_cast<CudaEvent&>(earlier).handle_, handle_),
                             "cuEventElapsedTime"));
    return double{ms};
  }

 private:
  SharedContext context_;
  void* handle_;
};

Expected<std::unique_ptr<CudaEvent>> makeEvent(const SharedContext& context) {
  void* handle = nullptr;
  JINX_TRY(context->enter());
  JINX_TRY(context->check(context->driver.eventCreate(&handle, 0), "cuEventCreate"));
  return std::make_unique<CudaEvent>(context, handle);
}

/// Launches between two events each, while a trace is kept; the times are known when the stream is synchronized.
class Timings {
 public:
  explicit Timings(SharedContext context) : context_(std::move(context)) {}

  /// Events before and after a launch that is to be timed; null where no more are kept.
  struct Entry {
    std::unique_ptr<CudaEvent> before, after;
    Trace* trace = nullptr;
    uint32_t step = 0;
  };
  Expected<Entry*> next(const KernelLaunch& launch, Stream& stream) {
    if (used_ == kMaxTimings) return nullptr;
    if (used_ == entries_.size()) {
      Entry entry;
      JINX_TRY_ASSIGN(entry.before, makeEvent(context_));
      JINX_TRY_ASSIGN(entry.after, makeEvent(context_));
      entries_.push_back(std::move(entry));
    }
    if (used_ == 0) {
      // Device time and the host's clock meet here: nothing is in flight.
      if (!origin_) {
        JINX_TRY_ASSIGN(origin_, makeEvent(context_));
      }
      JINX_TRY(stream.synchronize());
      JINX_TRY(origin_->record(stream));
      JINX_TRY(origin_->synchronize());
      originNs_ = Trace::now();
    }
    Entry& entry = entries_[used_++];
    entry.trace = launch.trace;
    entry.step = launch.step;
    return &entry;
  }
  /// Hands the times over; the stream has run to its end.
  Status settle() {
    for (size_t i = 0; i < used_; ++i) {
      Entry& entry = entries_[i];
      JINX_TRY_ASSIGN(double start, entry.before->millisecondsSince(*origin_));
      JINX_TRY_ASSIGN(double end, entry.after->millisecondsSince(*origin_));
      entry.trace->record(entry.step, 0, entry.trace->nextExecution(), originNs_ + static_cast<int64_t>(start * 1e6),
                          originNs_ + static_cast<int64_t>(end * 1e6));
    }
    used_ = 0;
    return Status::ok();
  }

 private:
  SharedContext context_;
  std::unique_ptr<CudaEvent> origin_;
  int64_t originNs_ = 0;
  std::vector<Entry> entries_;
  size_t used_ = 0;
};

class CudaStream final : public Stream {
 public:
  CudaStream(SharedContext context, void* handle, bool owned = true)
      : timings(context), context_(std::move(context)), handle_(handle), owned_(owned) {}
  ~CudaStream() override {
    if (owned_ && context_->enter().isOk()) context_->driver.streamDestroy(handle_);
  }
  Status synchronize() override {
    JINX_TRY(context_->enter());
    JINX_TRY(context_->check(context_->driver.streamSynchronize(handle_), "cuStreamSynchronize"));
    return timings.settle();
  }
  void* native() const override { return handle_; }
  Timings timings;

 private:
  SharedContext context_;
  void* handle_;
  bool owned_;
};

void* handleOf(const Stream& stream) { return stream.native(); }

Status CudaEvent::record(Stream& stream) {
  JINX_TRY(context_->enter());
  return context_->check(context_->driver.eventRecord(handle_, handleOf(stream)), "cuEventRecord");
}
Status CudaEvent::wait(Stream& stream) {
  JINX_TRY(context_->enter());
  return context_->check(context_->driver.streamWaitEvent(handleOf(stream), handle_, 0), "cuStreamWaitEvent");
}

struct CudaKernel final : KernelFunction {
  LaunchFormulas formulas;
  void* function = nullptr;
  int maxSharedBytes = 0; ///< dynamic
};

/// Symbol to the driver's module that holds it.
using CodeOfKernels = std::unordered_map<std::string, void*>;

class CudaModule final : public Module {
 public:
  explicit CudaModule(SharedContext context) : context_(std::move(context)) {}
  ~CudaModule() override {
    if (context_->enter().isOk())
      for (void* code : loaded)
        context_->driver.moduleUnload(code);
  }
  Expected<const KernelFunction*> kernel(uint32_t index) const override {
    if (index >= kernels.size()) return internalError("no kernel " + std::to_string(index));
    return &kernels[index];
  }
  std::string_view isa() const override { return isaName; }

  std::vector<void*> loaded;
  std::vector<CudaKernel> kernels;
  std::string isaName = "none";

 private:
  SharedContext context_;
};

class CudaGraph final : public LaunchGraph {
 public:
  CudaGraph(SharedContext context, void* executable) : context_(std::move(context)), executable_(executable) {}
  ~CudaGraph() override {
    if (context_->enter().isOk()) context_->driver.graphExecDestroy(executable_);
  }
  void* executable() const { return executable_; }

 private:
  SharedContext context_;
  void* executable_;
};

/// Memory that was allocated for peers. What has a name may be open in another process, of which the driver does not
/// tell, and must not be freed under it: then it stays until this process ends.
struct PeerBlock : std::enable_shared_from_this<PeerBlock> {
  SharedContext context;
  DevicePointer address = 0;
  size_t sizeBytes = 0;
  std::atomic<bool> hasName{false};

  ~PeerBlock() {
    if (address && !hasName && context->enter().isOk()) context->driver.memFree(address);
  }
};

/// What a name's bytes hold.
struct CudaName {
  static constexpr uint64_t kMagic = 0x4a696e7863756461;
  uint64_t magic = kMagic, machine = machineKey(), process = processKey();
  PeerBlock* block = nullptr; ///< in that process
  uint64_t sizeBytes = 0;
  int handleResult = 0; ///< of the driver, when it was asked for the handle
  IpcHandle handle = {};
};
static_assert(sizeof(CudaName) <= sizeof(PeerMemoryName));

/// A block of this process, this device's own or another's.
class CudaPeerMemory final : public PeerMemory {
 public:
  explicit CudaPeerMemory(std::shared_ptr<PeerBlock> block)
      : PeerMemory(reinterpret_cast<void*>(block->address), block->sizeBytes), block_(std::move(block)) {}
  PeerBlock& block() const { return *block_; }

 private:
  std::shared_ptr<PeerBlock> block_;
};

/// Another process's.
class MappedPeerMemory final : public PeerMemory {
 public:
  MappedPeerMemory(SharedContext context, DevicePointer address, size_t sizeBytes)
      : PeerMemory(reinterpret_cast<void*>(address), sizeBytes), context_(std::move(context)) {}
  ~MappedPeerMemory() override {
    if (context_->enter().isOk()) context_->driver.ipcClose(pointer(data()));
  }

 private:
  SharedContext context_;
};

/// CU_TENSOR_MAP_DATA_TYPE_…; negative for a type that has none.
int mapType(DType type) {
  switch (type) {
  case DType::kU8:
  case DType::kI8:
    return 0;
  case DType::kU16:
  case DType::kI16:
    return 1;
  case DType::kU32:
    return 2;
  case DType::kI32:
    return 3;
  case DType::kU64:
    return 4;
  case DType::kI64:
    return 5;
  case DType::kF16:
    return 6;
  case DType::kF32:
    return 7;
  case DType::kF64:
    return 8;
  case DType::kBF16:
    return 9;
  default:
    return -1;
  }
}

/// Multiprocessors times the highest clock times what one does in a clock, as the architecture's white paper has it. At
/// that clock a GPU multiplies for as long as its power allows.
DevicePeaks peaksOf(int major, int processors, double clock) {
  DevicePeaks peaks;
  const double each = processors * clock;
  peaks.scalarFlops = each * 128 * 2;
  const double half = major == 9 ? 4096 : major == 8 ? 2048 : 0; // an A100's; others of compute capability 8 do less
  peaks.halfProducts = each * half;
  peaks.byteProducts = each * half * 2;
  peaks.singleProducts = each * half / 2;
  return peaks;
}

class CudaDevice final : public Device {
 public:
  CudaDevice(SharedContext context, const DeviceOptions& options) : context_(std::move(context)), options_(options) {}

  Status start() {
    const Driver& d = context_->driver;
    char name[128] = {};
    JINX_TRY(context_->check(d.deviceName(name, sizeof name, context_->gpu), "cuDeviceGetName"));
    JINX_TRY_ASSIGN(int major, attribute(DeviceAttribute::kMajor));
    JINX_TRY_ASSIGN(int minor, attribute(DeviceAttribute::kMinor));
    JINX_TRY_ASSIGN(int processors, attribute(DeviceAttribute::kMultiprocessors));
    JINX_TRY_ASSIGN(maxSharedBytes_, attribute(DeviceAttribute::kMaxSharedBytesOptIn));
    JINX_TRY_ASSIGN(int clockKHz, attribute(DeviceAttribute::kClockKHz));
    JINX_TRY_ASSIGN(int memoryClockKHz, attribute(DeviceAttribute::kMemoryClockKHz));
    JINX_TRY_ASSIGN(int memoryBits, attribute(DeviceAttribute::kMemoryBusBits));
    peaks_ = peaksOf(major, processors, clockKHz * 1e3);
    peaks_.memoryBytes = 2.0 * memoryClockKHz * 1e3 * memoryBits / 8; // two transfers a clock
    capability_ = major * 10 + minor;
    arch_ = "sm_" + std::to_string(major) + std::to_string(minor) + (major >= 9 ? "a" : "");
    name_ = "cuda:" + std::to_string(options_.ordinal);
    description_ = std::string(name) + ", " + arch_ + ", " + std::to_string(processors) + " multiprocessors";
    return Status::ok();
  }

  std::string_view name() const override { return name_; }
  std::string description() const override { return description_; }
  DevicePeaks peaks() const override { return peaks_; }
  std::span<const std::string_view> capabilities() const override {
    static constexpr std::string_view kTags[] = {capability::kAsync, capability::kTiming, capability::kGraphs};
    return kTags;
  }

  Status makeCurrent() override { return context_->enter(); }

  Expected<void*> allocate(size_t sizeBytes) override {
    const Driver& d = context_->driver;
    JINX_TRY(context_->enter());
    DevicePointer block = 0;
    Status status = context_->check(d.memAlloc(&block, std::max<size_t>(sizeBytes, 1)), "cuMemAlloc");
    if (status.isOk()) return reinterpret_cast<void*>(block);
    size_t free = 0, total = 0;
    d.memInfo(&free, &total);
    return std::move(status).withContext("allocating " + std::to_string(sizeBytes) + " bytes of " +
                                         std::to_string(free) + " free on " + name_);
  }
  void release(void* block, size_t) noexcept override {
    if (context_->enter().isOk()) context_->driver.memFree(pointer(block));
  }

  Expected<std::unique_ptr<PeerMemory>> allocatePeerMemory(size_t sizeBytes) override {
    auto block = std::make_shared<PeerBlock>();
    block->context = context_;
    // Whole pages of the driver: a handle of less would show another process its neighbours, too.
    block->sizeBytes = (std::max<size_t>(sizeBytes, 1) + kDriverPage - 1) / kDriverPage * kDriverPage;
    JINX_TRY_ASSIGN(void* address, allocate(block->sizeBytes));
    block->address = pointer(address);
    return std::unique_ptr<PeerMemory>(std::make_unique<CudaPeerMemory>(std::move(block)));
  }
  Expected<PeerMemoryName> nameOf(const PeerMemory& memory) override {
    PeerBlock& block = static_cast<const CudaPeerMemory&>(memory).block();
    CudaName content;
    content.block = &block;
    content.sizeBytes = block.sizeBytes;
    JINX_TRY(context_->enter());
    content.handleResult = context_->driver.ipcHandle(&content.handle, block.address);
    block.hasName = true;
    PeerMemoryName name;
    std::memcpy(name.bytes.data(), &content, sizeof content);
    return name;
  }
  Expected<std::unique_ptr<PeerMemory>> openPeerMemory(const PeerMemoryName& name) override {
    CudaName content;
    std::memcpy(&content, name.bytes.data(), sizeof content);
    if (content.magic != CudaName::kMagic) return unimplemented(name_ + " reaches memory of GPUs only");
    if (content.machine != machineKey()) return unimplemented(name_ + " reaches memory of its own machine only");
    JINX_TRY(context_->enter());
    return content.process == processKey() ? openOwn(*content.block) : openMapped(content);
  }

  Expected<void*> allocateHost(size_t sizeBytes) override {
    void* block = nullptr;
    JINX_TRY(context_->enter());
    JINX_TRY(context_->check(context_->driver.hostAlloc(&block, std::max<size_t>(sizeBytes, 1), 0), "cuMemHostAlloc"),
             "allocating " + std::to_string(sizeBytes) + " bytes of the host for " + name_);
    return block;
  }
  void releaseHost(void* block, size_t) noexcept override {
    if (context_->enter().isOk()) context_->driver.hostFree(block);
  }

  Expected<std::unique_ptr<Stream>> createStream() override {
    void* handle = nullptr;
    JINX_TRY(context_->enter());
    JINX_TRY(context_->check(context_->driver.streamCreate(&handle, kNonBlocking), "cuStreamCreate"));
    return std::unique_ptr<Stream>(std::make_unique<CudaStream>(context_, handle));
  }
  Expected<std::unique_ptr<Stream>> wrapStream(void* native) override {
    return std::unique_ptr<Stream>(std::make_unique<CudaStream>(context_, native, /*owned=*/false));
  }
  Expected<std::unique_ptr<Event>> createEvent() override {
    JINX_TRY_ASSIGN(std::unique_ptr<CudaEvent> event, makeEvent(context_));
    return std::unique_ptr<Event>(std::move(event));
  }

  Status copyToDevice(void* device, const void* host, size_t sizeBytes, Stream& stream) override {
    if (sizeBytes == 0) return Status::ok();
    JINX_TRY(context_->enter());
    return context_->check(context_->driver.copyToDevice(pointer(device), host, sizeBytes, handleOf(stream)),
                           "cuMemcpyHtoDAsync");
  }
  Status copyToHost(void* host, const void* device, size_t sizeBytes, Stream& stream) override {
    if (sizeBytes == 0) return Status::ok();
    JINX_TRY(context_->enter());
    return context_->check(context_->driver.copyToHost(host, pointer(device), sizeBytes, handleOf(stream)),
                           "cuMemcpyDtoHAsync");
  }
  Status copyOnDevice(void* target, const void* source, size_t sizeBytes, Stream& stream) override {
    if (sizeBytes == 0) return Status::ok();
    JINX_TRY(context_->enter());
    return context_->check(context_->driver.copyOnDevice(pointer(target), pointer(source), sizeBytes, handleOf(stream)),
                           "cuMemcpyDtoDAsync");
  }
  Status clear(void* device, size_t sizeBytes, Stream& stream) override {
    if (sizeBytes == 0) return Status::ok();
    JINX_TRY(context_->enter());
    return context_->check(context_->driver.setBytes(pointer(device), 0, sizeBytes, handleOf(stream)),
                           "cuMemsetD8Async");
  }

  Expected<std::unique_ptr<Module>> loadModule(std::shared_ptr<const PlanFile> plan) override {
    const plan::Plan& p = plan->plan();
    auto module = std::make_unique<CudaModule>(context_);
    if (p.kernels_size() == 0) return std::unique_ptr<Module>(std::move(module));
    const CompileCudaOptions compile{.arch = arch_, .cacheDir = setting("cache")};
    JINX_TRY_ASSIGN(std::vector<TextCubin> cubins,
                    cubinsOfPlan(*plan, {name_, arch_, capability_, maxSharedBytes_}, compile));
    JINX_TRY(context_->enter());
    CodeOfKernels found;
    for (TextCubin& cubin : cubins) {
      JINX_TRY_ASSIGN(void* code, load(*plan, cubin, compile), "loading the plan");
      module->loaded.push_back(code);
      for (const auto& [name, bytes] : functionsOf(cubin.bytes()))
        found.emplace(name, code);
    }
    for (const plan::Kernel& kernel : p.kernels()) {
      JINX_TRY_ASSIGN(CudaKernel function, findKernel(kernel, found));
      module->kernels.push_back(std::move(function));
    }
    module->isaName = "cuda:" + arch_;
    return std::unique_ptr<Module>(std::move(module));
  }

  Status prepare(const KernelLaunch& launch) override {
    const auto& kernel = *static_cast<const CudaKernel*>(launch.kernel);
    return kernel.formulas.shapeOf(launch, kernel.maxSharedBytes).status();
  }

  Status launch(const KernelLaunch& launch, Stream& stream) override {
    const auto& kernel = *static_cast<const CudaKernel*>(launch.kernel);
    JINX_TRY_ASSIGN(LaunchShape shape, kernel.formulas.shapeOf(launch, kernel.maxSharedBytes));
    if (shape.grid == 0) return Status::ok();
    JINX_TRY(context_->enter());
    void* parameters[kMaxParameters + 1]; // one is a table of peers
    size_t count = 0;
    for (void* const& buffer : launch.buffers)
      parameters[count++] = const_cast<void**>(&buffer);
    for (const int64_t& size : launch.sizes)
      parameters[count++] = const_cast<int64_t*>(&size);
    struct alignas(64) EncodedMap {
      unsigned char bytes[128];
    } maps[kMaxMaps];
    for (size_t i = 0; i < kernel.formulas.numMaps(); ++i) {
      JINX_TRY_ASSIGN(TensorMapShape map, kernel.formulas.mapOf(i, launch.sizes));
      JINX_TRY(encode(map, launch.buffers[map.buffer], maps[i].bytes), "kernel " + kernel.formulas.symbol());
      parameters[count++] = maps[i].bytes;
    }
    PeerTable peers = launch.peers ? *launch.peers : PeerTable{};
    if (kernel.formulas.takesPeers()) parameters[count++] = &peers;
    LaunchAttribute attributes[2];
    unsigned numAttributes = 0;
    if (shape.cluster > 1) {
      LaunchAttribute& cluster = attributes[numAttributes++];
      cluster.id = LaunchAttribute::kClusterDimension;
      cluster.value.cluster[0] = shape.cluster;
      cluster.value.cluster[1] = cluster.value.cluster[2] = 1;
    }
    if (kernel.formulas.waitsForGrid() && capability_ >= kStartsEarly) {
      LaunchAttribute& early = attributes[numAttributes++];
      early.id = LaunchAttribute::kProgrammaticStreamSerialization;
      early.value.mayStartEarly = 1;
    }
    LaunchConfig config;
    config.gridX = shape.grid;
    config.blockX = shape.threads;
    config.sharedBytes = shape.sharedBytes;
    config.stream = handleOf(stream);
    config.attributes = attributes;
    config.numAttributes = numAttributes;
    Timings::Entry* timing = nullptr;
    if (launch.trace) {
      JINX_TRY_ASSIGN(timing, static_cast<CudaStream&>(stream).timings.next(launch, stream));
    }
    if (timing) JINX_TRY(timing->before->record(stream));
    JINX_TRY(
        context_->check(context_->driver.launch(&config, kernel.function, parameters, nullptr), "cuLaunchKernelEx"),
        "kernel " + kernel.formulas.symbol());
    return timing ? timing->after->record(stream) : Status::ok();
  }

  Status beginCapture(Stream& stream) override {
    JINX_TRY(context_->enter());
    return context_->check(context_->driver.beginCapture(handleOf(stream), kCaptureThreadLocal),
                           "cuStreamBeginCapture");
  }
  Expected<std::unique_ptr<LaunchGraph>> endCapture(Stream& stream) override {
    const Driver& d = context_->driver;
    void *graph = nullptr, *executable = nullptr;
    JINX_TRY(context_->enter());
    JINX_TRY(context_->check(d.endCapture(handleOf(stream), &graph), "cuStreamEndCapture"));
    Status status = context_->check(d.graphInstantiate(&executable, graph, 0), "cuGraphInstantiate");
    d.graphDestroy(graph);
    JINX_TRY(std::move(status));
    return std::unique_ptr<LaunchGraph>(std::make_unique<CudaGraph>(context_, executable));
  }
  Status replay(const LaunchGraph& graph, Stream& stream) override {
    JINX_TRY(context_->enter());
    return context_->check(
        context_->driver.graphLaunch(static_cast<const CudaGraph&>(graph).executable(), handleOf(stream)),
        "cuGraphLaunch");
  }

 private:
  static constexpr size_t kMaxMaps = 8;
  static constexpr int kStartsEarly = 90; ///< compute capability: launches may begin before the one in front has ended

  /// What an unreachable peer is: a reason to do without it, not a fault.
  static Status asUnreachable(Status status) {
    return status.isOk() ? std::move(status)
                         : unimplemented("GPUs do not reach each other's memory: " + status.message());
  }
  /// Memory of this process: addresses are the same, once this GPU may use them.
  Expected<std::unique_ptr<PeerMemory>> openOwn(PeerBlock& block) const {
    if (block.context->handle != context_->handle)
      if (const int result = context_->driver.peerAccess(block.context->handle, 0); result != kPeerAccessIsOn)
        JINX_TRY(asUnreachable(context_->check(result, "cuCtxEnablePeerAccess")));
    return std::unique_ptr<PeerMemory>(std::make_unique<CudaPeerMemory>(block.shared_from_this()));
  }
  Expected<std::unique_ptr<PeerMemory>> openMapped(const CudaName& name) const {
    JINX_TRY(asUnreachable(context_->check(name.handleResult, "cuIpcGetMemHandle")));
    DevicePointer address = 0;
    JINX_TRY(asUnreachable(
        context_->check(context_->driver.ipcOpen(&address, name.handle, kLazyPeerAccess), "cuIpcOpenMemHandle")));
    return std::unique_ptr<PeerMemory>(std::make_unique<MappedPeerMemory>(context_, address, name.sizeBytes));
  }

  Expected<int> attribute(DeviceAttribute which) const {
    int value = 0;
    JINX_TRY(context_->check(context_->driver.deviceAttribute(&value, static_cast<int>(which), context_->gpu),
                             "cuDeviceGetAttribute"));
    return value;
  }
  std::string setting(const char* name) const {
    auto it = options_.extra.find(name);
    return it == options_.extra.end() ? std::string() : it->second;
  }

  /// The driver's module of a cubin. A driver older than the toolkit that made the plan's may refuse it; then the text
  /// decides.
  Expected<void*> load(const PlanFile& plan, TextCubin& cubin, const CompileCudaOptions& compile) const {
    void* code = nullptr;
    Status status = context_->check(context_->driver.moduleLoad(&code, cubin.bytes().data()), "cuModuleLoadData");
    if (!status.isOk() && cubin.isCarried()) {
      JINX_TRY(compileInstead(plan, cubin, compile),
               "the driver refuses the cubin of the plan (" + status.message() + ")");
      status = context_->check(context_->driver.moduleLoad(&code, cubin.bytes().data()), "cuModuleLoadData");
    }
    JINX_TRY(std::move(status));
    return code;
  }

  Expected<CudaKernel> findKernel(const plan::Kernel& from, const CodeOfKernels& found) const {
    CudaKernel kernel;
    JINX_TRY_ASSIGN(kernel.formulas, LaunchFormulas::read(from));
    if (kernel.formulas.numMaps() > kMaxMaps)
      return unimplemented("kernel " + from.symbol() + " has " + std::to_string(kernel.formulas.numMaps()) +
                           " tensor maps, at most " + std::to_string(kMaxMaps) + " are expected");
    auto code = found.find(from.symbol());
    if (code == found.end())
      return invalidArgument("no code of the plan for " + name_ + " has the kernel \"" + from.symbol() + "\"");
    JINX_TRY(context_->check(context_->driver.moduleFunction(&kernel.function, code->second, from.symbol().c_str()),
                             "cuModuleGetFunction"),
             "kernel " + from.symbol());
    int fixed = 0;
    JINX_TRY(context_->check(context_->driver.functionAttribute(&fixed, kStaticSharedBytes, kernel.function),
                             "cuFuncGetAttribute"));
    kernel.maxSharedBytes = maxSharedBytes_ - fixed;
    JINX_TRY(context_->check(
                 context_->driver.functionSetAttribute(kernel.function, kMaxDynamicSharedBytes, kernel.maxSharedBytes),
                 "cuFuncSetAttribute"),
             "kernel " + from.symbol());
    return kernel;
  }

  Status encode(const TensorMapShape& map, void* base, void* to) const {
    constexpr uint32_t kOnes[kMaxMapRank] = {1, 1, 1, 1, 1};
    constexpr int kNoInterleave = 0, kPromote256 = 3, kZeroFill = 0;
    const int swizzle = map.swizzleBytes == 32 ? 1 : map.swizzleBytes == 64 ? 2 : map.swizzleBytes == 128 ? 3 : 0;
    const int type = mapType(map.dtype);
    if (type < 0)
      return internalError("a tensor map of " + std::string(jinx::name(map.dtype)) +
                           ", which the driver has no type for");
    if (map.isRun) {
      const auto& w = map.window;
      const uint32_t steps[kMaxMapRank] = {1, static_cast<uint32_t>(w[4]), static_cast<uint32_t>(w[5]), 1, 1};
      return context_->check(context_->driver.encodeIm2col(to, type, map.rank, base, map.dims.data(),
                                                           map.strides.data(), &w[0], &w[2], map.box[0], map.box[1],
                                                           steps, kNoInterleave, swizzle, kPromote256, kZeroFill),
                             "cuTensorMapEncodeIm2col");
    }
    return context_->check(context_->driver.encodeTiled(to, type, map.rank, base, map.dims.data(), map.strides.data(),
                                                        map.box.data(), kOnes, kNoInterleave, swizzle, kPromote256,
                                                        kZeroFill),
                           "cuTensorMapEncodeTiled");
  }

  SharedContext context_;
  DeviceOptions options_;
  std::string name_, description_, arch_;
  DevicePeaks peaks_;
  int capability_ = 0;
  int maxSharedBytes_ = 0;
};

} // namespace

Expected<std::unique_ptr<Device>> makeCudaDevice(const DeviceOptions& options) {
  auto context = std::make_shared<Context>();
  JINX_TRY_ASSIGN(context->driver, Driver::open());
  int count = 0;
  JINX_TRY(context->check(context->driver.deviceCount(&count), "cuDeviceGetCount"));
  if (options.ordinal >= count)
    return notFound("no GPU " + std::to_string(options.ordinal) + ": this machine has " + std::to_string(count));
  JINX_TRY(context->check(context->driver.deviceGet(&context->gpu, options.ordinal), "cuDeviceGet"));
  JINX_TRY(context->check(context->driver.contextRetain(&context->handle, context->gpu), "cuDevicePrimaryCtxRetain"));
  auto device = std::make_unique<CudaDevice>(context, options);
  JINX_TRY(device->start());
  return std::unique_ptr<Device>(std::move(device));
}

} // namespace jinx::cuda
