#include "runtime/device/emulated/EmulatedDevice.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>

#include "runtime/base/DType.h"
#include "runtime/device/ProcessKey.h"
#include "runtime/device/cuda/LaunchFormulas.h"
#include "runtime/device/emulated/HostModule.h"
#include "runtime/executor/Trace.h"
#include "runtime/memory/AlignedBuffer.h"

namespace jinx::emulated {

namespace {

/// Launches with copies of what they were given.
class EmulatedGraph final : public LaunchGraph {
 public:
  void add(const KernelLaunch& launch) {
    Recorded& r = launches_.emplace_back();
    r.launch = launch;
    r.buffers.assign(launch.buffers.begin(), launch.buffers.end());
    r.sizes.assign(launch.sizes.begin(), launch.sizes.end());
    r.launch.buffers = r.buffers;
    r.launch.sizes = r.sizes;
    if (launch.peers) r.launch.peers = &(r.peers = *launch.peers);
  }
  Status run(EmulatedDevice& device, Stream& stream) const {
    for (const Recorded& r : launches_)
      JINX_TRY(device.launch(r.launch, stream));
    return Status::ok();
  }

 private:
  struct Recorded {
    KernelLaunch launch;
    PeerTable peers;
    std::vector<void*> buffers;
    std::vector<int64_t> sizes;
  };
  std::deque<Recorded> launches_; // stays in place: launches point into it
};

class EmulatedStream final : public Stream {
 public:
  Status synchronize() override { return Status::ok(); } // everything has happened when a call returns
  std::unique_ptr<EmulatedGraph> capture;                ///< being recorded, or null
};

class EmulatedEvent final : public Event {
 public:
  Status record(Stream&) override {
    time_ = std::chrono::steady_clock::now();
    return Status::ok();
  }
  Status synchronize() override { return Status::ok(); }
  Expected<bool> isReached() override { return true; }
  Status wait(Stream&) override { return Status::ok(); }
  Expected<double> millisecondsSince(Event& earlier) override {
    return std::chrono::duration<double, std::milli>(time_ - static_cast<EmulatedEvent&>(earlier).time_).count();
  }

 private:
  std::chrono::steady_clock::time_point time_;
};

struct EmulatedKernel final : KernelFunction {
  cuda::LaunchFormulas formulas;
  std::shared_ptr<HostModule> code;
};

class EmulatedModule final : public Module {
 public:
  Expected<const KernelFunction*> kernel(uint32_t index) const override {
    if (index >= kernels_.size()) return internalError("no kernel " + std::to_string(index));
    return &kernels_[index];
  }
  std::string_view isa() const override { return isa_; }

  std::shared_ptr<const PlanFile> plan_;
  std::vector<EmulatedKernel> kernels_;
  std::string isa_ = "none";
};

Expected<LaunchShape> shapeOf(const EmulatedKernel& kernel, const KernelLaunch& launch) {
  JINX_TRY_ASSIGN(cuda::LaunchShape from, kernel.formulas.shapeOf(launch, kMaxSharedBytes));
  LaunchShape shape;
  shape.grid = from.grid;
  shape.threads = from.threads;
  shape.cluster = from.cluster;
  shape.sharedBytes = from.sharedBytes;
  return shape;
}

} // namespace

EmulatedDevice::EmulatedDevice(const DeviceOptions& options) : options_(options) {
  if (auto it = options.extra.find("seed"); it != options.extra.end())
    seed_ = std::strtoull(it->second.c_str(), nullptr, 10);
  if (auto it = options.extra.find("record"); it != options.extra.end())
    recorder_ = std::make_unique<LaunchRecorder>(it->second);
}

EmulatedDevice::~EmulatedDevice() {
  for (auto& [block, bytes] : blocks_)
    std::free(const_cast<char*>(block));
}

void EmulatedDevice::add(const void* block, size_t sizeBytes) {
  std::lock_guard lock(mutex_);
  blocks_[static_cast<const char*>(block)] = sizeBytes;
}

void EmulatedDevice::forget(const void* block) {
  std::lock_guard lock(mutex_);
  blocks_.erase(static_cast<const char*>(block));
  constants_.erase(block);
}

std::string EmulatedDevice::description() const {
  return "emulated CUDA (sm_90a) on the host, seed " + std::to_string(seed_);
}

/// 256-byte aligned, as from cuMemAlloc, and filled with bytes that read as NaN; null where there is no memory.
static void* allocateNan(size_t sizeBytes) {
  size_t rounded = (std::max<size_t>(sizeBytes, 1) + kDeviceAlignment - 1) / kDeviceAlignment * kDeviceAlignment;
  void* block = rounded < sizeBytes ? nullptr : std::aligned_alloc(kDeviceAlignment, rounded);
  if (block) std::memset(block, 0xFF, rounded);
  return block;
}
static Status noMemory(size_t sizeBytes) {
  return resourceError("cannot allocate " + std::to_string(sizeBytes) + " bytes on the emulated device");
}

Expected<void*> EmulatedDevice::allocate(size_t sizeBytes) {
  void* block = allocateNan(sizeBytes);
  if (!block) return noMemory(sizeBytes);
  add(block, sizeBytes);
  return block;
}

void EmulatedDevice::release(void* block, size_t) noexcept {
  forget(block);
  std::free(block);
}

// ---- memory of several devices ----

namespace {

/// Lives as long as a device has it open.
struct PeerBlock : std::enable_shared_from_this<PeerBlock> {
  void* data;
  size_t sizeBytes;
  PeerBlock(void* d, size_t bytes) : data(d), sizeBytes(bytes) {}
  ~PeerBlock() { std::free(data); }
};

/// What a name's bytes hold.
struct EmulatedName {
  static constexpr uint64_t kMagic = 0x4a696e7850656572;
  uint64_t magic = kMagic, process = processKey();
  const PeerBlock* block = nullptr;
};

} // namespace

class EmulatedPeerMemory final : public PeerMemory {
 public:
  EmulatedPeerMemory(EmulatedDevice& device, std::shared_ptr<PeerBlock> block)
      : PeerMemory(block->data, block->sizeBytes), device_(device), block_(std::move(block)) {
    device_.add(data(), sizeBytes());
  }
  ~EmulatedPeerMemory() override { device_.forget(data()); }
  const PeerBlock& block() const { return *block_; }

 private:
  EmulatedDevice& device_;
  std::shared_ptr<PeerBlock> block_;
};

Expected<std::unique_ptr<PeerMemory>> EmulatedDevice::allocatePeerMemory(size_t sizeBytes) {
  void* data = allocateNan(sizeBytes);
  if (!data) return noMemory(sizeBytes);
  return std::unique_ptr<PeerMemory>(
      std::make_unique<EmulatedPeerMemory>(*this, std::make_shared<PeerBlock>(data, sizeBytes)));
}

Expected<PeerMemoryName> EmulatedDevice::nameOf(const PeerMemory& memory) {
  PeerMemoryName name;
  EmulatedName content;
  content.block = &static_cast<const EmulatedPeerMemory&>(memory).block();
  std::memcpy(name.bytes.data(), &content, sizeof content);
  return name;
}

Expected<std::unique_ptr<PeerMemory>> EmulatedDevice::openPeerMemory(const PeerMemoryName& name) {
  EmulatedName content;
  std::memcpy(&content, name.bytes.data(), sizeof content);
  if (content.magic != EmulatedName::kMagic)
    return unimplemented("the emulated device reaches memory of emulated devices only");
  if (content.process != processKey())
    return unimplemented("emulated devices reach each other's memory within one process only");
  return std::unique_ptr<PeerMemory>(std::make_unique<EmulatedPeerMemory>(
      *this, std::const_pointer_cast<PeerBlock>(content.block->shared_from_this())));
}

Status EmulatedDevice::checkRange(const void* address, size_t sizeBytes, const char* what) const {
  std::lock_guard lock(mutex_);
  auto* at = static_cast<const char*>(address);
  auto it = blocks_.upper_bound(at);
  if (it != blocks_.begin()) {
    --it;
    if (at + sizeBytes <= it->first + it->second) return Status::ok();
  }
  return internalError(std::string(what) + " is not memory of the emulated device");
}

Expected<std::unique_ptr<Stream>> EmulatedDevice::createStream() {
  return std::unique_ptr<Stream>(std::make_unique<EmulatedStream>());
}
Expected<std::unique_ptr<Event>> EmulatedDevice::createEvent() {
  return std::unique_ptr<Event>(std::make_unique<EmulatedEvent>());
}

Status EmulatedDevice::copyToDevice(void* device, const void* host, size_t sizeBytes, Stream&) {
  if (sizeBytes == 0) return Status::ok();
  JINX_TRY(checkRange(device, sizeBytes, "the target of a copy"));
  std::memcpy(device, host, sizeBytes);
  return Status::ok();
}
Status EmulatedDevice::copyToHost(void* host, const void* device, size_t sizeBytes, Stream&) {
  if (sizeBytes == 0) return Status::ok();
  JINX_TRY(checkRange(device, sizeBytes, "the source of a copy"));
  std::memcpy(host, device, sizeBytes);
  return Status::ok();
}
Status EmulatedDevice::copyOnDevice(void* target, const void* source, size_t sizeBytes, Stream&) {
  if (sizeBytes == 0) return Status::ok();
  JINX_TRY(checkRange(target, sizeBytes, "the target of a copy"));
  JINX_TRY(checkRange(source, sizeBytes, "the source of a copy"));
  std::memmove(target, source, sizeBytes);
  return Status::ok();
}
Status EmulatedDevice::clear(void* device, size_t sizeBytes, Stream&) {
  if (sizeBytes == 0) return Status::ok();
  JINX_TRY(checkRange(device, sizeBytes, "what is cleared"));
  std::memset(device, 0, sizeBytes);
  return Status::ok();
}

Expected<std::unique_ptr<Module>> EmulatedDevice::loadModule(std::shared_ptr<const PlanFile> plan) {
  const plan::Plan& p = plan->plan();
  auto module = std::make_unique<EmulatedModule>();
  module->plan_ = plan;
  CompileOptions compile;
  if (auto it = options_.extra.find("cache"); it != options_.extra.end()) compile.cacheDir = it->second;
  if (auto it = options_.extra.find("compiler"); it != options_.extra.end()) compile.compiler = it->second;
  std::vector<std::shared_ptr<HostModule>> texts;
  std::string carried;
  if (p.kernels_size() > 0)
    for (const plan::CodeObject& code : p.code()) {
      if (carried.find(code.isa()) == std::string::npos) carried += (carried.empty() ? "" : ", ") + code.isa();
      if (code.format() != "cuda") continue;
      auto bytes = plan->segment(code.segment());
      std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      JINX_TRY_ASSIGN(auto compiled, HostModule::compile(text, "plan_code" + std::to_string(texts.size()), compile),
                      "loading the plan");
      texts.push_back(std::move(compiled));
      module->isa_ = code.isa();
    }
  if (texts.empty() && p.kernels_size() > 0)
    return unimplemented("plan carries code for " + (carried.empty() ? "nothing" : carried) +
                         ", the emulated device runs CUDA text: compile the model with --target cuda:sm_90a");
  for (const plan::Kernel& kernel : p.kernels()) {
    EmulatedKernel function;
    JINX_TRY_ASSIGN(function.formulas, cuda::LaunchFormulas::read(kernel));
    for (const auto& text : texts)
      if (text->kernel(kernel.symbol())) function.code = text;
    if (!function.code) return invalidArgument("no CUDA text of the plan has the kernel \"" + kernel.symbol() + "\"");
    module->kernels_.push_back(std::move(function));
  }
  return std::unique_ptr<Module>(std::move(module));
}

Status EmulatedDevice::prepare(const KernelLaunch& launch) {
  return shapeOf(*static_cast<const EmulatedKernel*>(launch.kernel), launch).status();
}

std::span<const std::string_view> EmulatedDevice::capabilities() const {
  static constexpr std::string_view kTags[] = {capability::kGraphs};
  return kTags;
}

Status EmulatedDevice::beginCapture(Stream& stream) {
  static_cast<EmulatedStream&>(stream).capture = std::make_unique<EmulatedGraph>();
  return Status::ok();
}
Expected<std::unique_ptr<LaunchGraph>> EmulatedDevice::endCapture(Stream& stream) {
  auto& from = static_cast<EmulatedStream&>(stream).capture;
  if (!from) return internalError("no launches are being recorded");
  return std::unique_ptr<LaunchGraph>(std::move(from));
}
Status EmulatedDevice::replay(const LaunchGraph& graph, Stream& stream) {
  return static_cast<const EmulatedGraph&>(graph).run(*this, stream);
}

bool EmulatedDevice::findRanges(std::span<void* const> pointers, std::vector<MemoryRange>& ranges) const {
  std::lock_guard lock(mutex_);
  for (void* pointer : pointers) {
    auto it = blocks_.upper_bound(static_cast<const char*>(pointer));
    if (it == blocks_.begin()) return false;
    --it;
    ranges.push_back({it->first, it->second, true, "the memory of buffer " + std::to_string(ranges.size()),
                      constants_.contains(it->first)});
  }
  return true;
}

Status EmulatedDevice::launch(const KernelLaunch& launch, Stream& stream) {
  if (auto& capture = static_cast<EmulatedStream&>(stream).capture) {
    JINX_TRY(prepare(launch));
    capture->add(launch);
    return Status::ok();
  }
  const auto& kernel = *static_cast<const EmulatedKernel*>(launch.kernel);
  const std::string& symbol = kernel.formulas.symbol();
  JINX_TRY_ASSIGN(LaunchShape shape, shapeOf(kernel, launch));
  if (shape.grid == 0) return Status::ok();
  LaunchOptions options;
  options.seed = seed_ + launches_++;
  options.startsEarly = kernel.formulas.waitsForGrid();
  std::vector<void*> pointers(launch.buffers.begin(), launch.buffers.end());
  std::vector<int64_t> sizes(launch.sizes.begin(), launch.sizes.end());
  std::vector<void*> params;
  for (void*& pointer : pointers)
    params.push_back(&pointer);
  std::vector<void*> touched = pointers;
  if (launch.peers) touched.insert(touched.end(), {launch.peers->state, launch.peers->own});
  if (launch.peers) touched.insert(touched.end(), launch.peers->memory, launch.peers->memory + launch.peers->ranks);
  const bool known = findRanges(touched, options.ranges);
  if (!known) options.ranges.clear(); // an empty tensor may lie anywhere
  for (int64_t& size : sizes)
    params.push_back(&size);
  std::vector<EncodedTensorMap> maps(kernel.formulas.numMaps());
  for (size_t i = 0; i < maps.size(); ++i) {
    JINX_TRY_ASSIGN(cuda::TensorMapShape from, kernel.formulas.mapOf(i, launch.sizes));
    EmulatedTensorMap map;
    map.base = static_cast<unsigned char*>(pointers[from.buffer]);
    map.rank = static_cast<uint16_t>(from.rank);
    map.elementBytes = static_cast<uint16_t>(bitWidth(from.dtype) / 8);
    std::copy(from.dims.begin(), from.dims.end(), map.dims);
    std::copy(from.strides.begin(), from.strides.end(), map.strides);
    std::copy(from.box.begin(), from.box.end(), map.box);
    map.swizzleBytes = static_cast<uint16_t>(from.swizzleBytes);
    std::copy(from.window.begin(), from.window.end(), map.window);
    JINX_TRY(encodeTensorMap(map, maps[i]), "kernel " + symbol);
    params.push_back(maps[i].bytes);
  }
  PeerTable peers = launch.peers ? *launch.peers : PeerTable{};
  if (kernel.formulas.takesPeers()) params.push_back(&peers);
  const bool isRecorded = recorder_ && known && maps.empty() && !kernel.formulas.takesPeers() && recorder_->wants(symbol);
  if (isRecorded) recorder_->begin(pointers, options.ranges);
  const int64_t start = launch.trace ? Trace::now() : 0;
  JINX_TRY_ASSIGN(LaunchReport report, emulated::launch(*kernel.code, symbol, shape, params.data(), options));
  {
    std::lock_guard lock(mutex_);
    for (const TouchedRange& range : report.touched)
      if (range.isConstant) constants_.insert(range.begin);
  }
  if (launch.trace) launch.trace->record(launch.step, 0, launch.trace->nextExecution(), start, Trace::now());
  return isRecorded ? recorder_->finish(symbol, kernel.code->text(), shape, pointers, sizes, report) : Status::ok();
}

Expected<std::unique_ptr<Device>> makeEmulatedDevice(const DeviceOptions& options) {
  return std::unique_ptr<Device>(std::make_unique<EmulatedDevice>(options));
}

} // namespace jinx::emulated
