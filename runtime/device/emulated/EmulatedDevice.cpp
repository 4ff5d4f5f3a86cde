#include "runtime/device/emulated/EmulatedDevice.h"

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "runtime/base/DType.h"
#include "runtime/base/SizeExpr.h"
#include "runtime/device/emulated/HostModule.h"

namespace jinx::emulated {

namespace {

constexpr size_t kAlignment = 256;

class EmulatedStream final : public Stream {
 public:
  Status synchronize() override { return Status::ok(); }  // everything has happened when a call returns
};

class EmulatedEvent final : public Event {
 public:
  Status record(Stream &) override {
    time_ = std::chrono::steady_clock::now();
    return Status::ok();
  }
  Status synchronize() override { return Status::ok(); }
  Status wait(Stream &) override { return Status::ok(); }
  Expected<double> millisecondsSince(Event &earlier) override {
    return std::chrono::duration<double, std::milli>(time_ - static_cast<EmulatedEvent &>(earlier).time_).count();
  }

 private:
  std::chrono::steady_clock::time_point time_;
};

/// A formula over a0, a1, …
struct Formula {
  SizeProgram program;

  static Expected<Formula> compile(const std::string &text, uint32_t numSizes) {
    Formula formula;
    JINX_TRY_ASSIGN(SizeExpr expr, SizeExpr::parse(text), "launch formula");
    JINX_TRY_ASSIGN(formula.program, SizeProgram::compile(expr, [&](std::string_view name) {
      if (name.size() < 2 || name[0] != 'a') return -1;
      int index = std::atoi(std::string(name.substr(1)).c_str());
      return index < static_cast<int>(numSizes) ? index : -1;
    }));
    return formula;
  }
  Expected<int64_t> evaluate(const int64_t *sizes, const char *what) const {
    bool ok = true;
    int64_t value = program.run(sizes, &ok);
    if (!ok || value < 0) return internalError(std::string("the kernel's formula for its ") + what + " has no value for these sizes");
    return value;
  }
};

struct MapFormulas {
  const plan::TensorMap *map = nullptr;
  std::vector<Formula> dims, strides;
};

struct EmulatedKernel final : KernelFunction {
  std::string symbol;
  uint32_t numBuffers = 0, numSizes = 0, threads = 0, cluster = 1;
  std::vector<Formula> grid;
  Formula shared;
  std::vector<MapFormulas> maps;
  std::shared_ptr<HostModule> code;
};

class EmulatedModule final : public Module {
 public:
  Expected<const KernelFunction *> kernel(uint32_t index) const override {
    if (index >= kernels_.size()) return internalError("no kernel " + std::to_string(index));
    return &kernels_[index];
  }
  std::string_view isa() const override { return isa_; }

  std::shared_ptr<const PlanFile> plan_;
  std::vector<EmulatedKernel> kernels_;
  std::string isa_ = "none";
};

Status readKernel(const plan::Kernel &from, EmulatedKernel &to) {
  to.symbol = from.symbol();
  to.numBuffers = from.num_buffers();
  to.numSizes = from.num_sizes();
  to.threads = from.block_threads();
  if (to.threads == 0) return invalidArgument("kernel " + to.symbol + " has no launch shape for CUDA");
  for (uint32_t extent : from.cluster()) to.cluster *= extent;
  for (const std::string &text : from.grid()) {
    JINX_TRY_ASSIGN(Formula formula, Formula::compile(text, to.numSizes), "kernel " + to.symbol);
    to.grid.push_back(std::move(formula));
  }
  JINX_TRY_ASSIGN(to.shared, Formula::compile(from.shared_bytes().empty() ? "0" : from.shared_bytes(), to.numSizes), "kernel " + to.symbol);
  for (const plan::TensorMap &map : from.tensor_maps()) {
    MapFormulas formulas;
    formulas.map = &map;
    if (map.buffer() >= to.numBuffers || map.dims_size() < 1 || map.dims_size() > 5 || map.strides_bytes_size() != map.dims_size() - 1 ||
        map.box_size() != map.dims_size())
      return invalidArgument("kernel " + to.symbol + " has a tensor map that does not fit together");
    for (const std::string &text : map.dims()) {
      JINX_TRY_ASSIGN(Formula formula, Formula::compile(text, to.numSizes), "kernel " + to.symbol);
      formulas.dims.push_back(std::move(formula));
    }
    for (const std::string &text : map.strides_bytes()) {
      JINX_TRY_ASSIGN(Formula formula, Formula::compile(text, to.numSizes), "kernel " + to.symbol);
      formulas.strides.push_back(std::move(formula));
    }
    to.maps.push_back(std::move(formulas));
  }
  return Status::ok();
}

Expected<LaunchShape> shapeOf(const EmulatedKernel &kernel, const KernelLaunch &launch) {
  if (launch.buffers.size() != kernel.numBuffers || launch.sizes.size() != kernel.numSizes)
    return internalError("kernel " + kernel.symbol + " takes " + std::to_string(kernel.numBuffers) + " buffers and " +
                         std::to_string(kernel.numSizes) + " sizes, and gets " + std::to_string(launch.buffers.size()) + " and " +
                         std::to_string(launch.sizes.size()));
  LaunchShape shape;
  shape.threads = kernel.threads;
  shape.cluster = kernel.cluster;
  int64_t blocks = kernel.grid.empty() ? launch.programs : 1;
  for (const Formula &formula : kernel.grid) {
    JINX_TRY_ASSIGN(int64_t extent, formula.evaluate(launch.sizes.data(), "grid"));
    blocks *= extent;
  }
  JINX_TRY_ASSIGN(int64_t shared, kernel.shared.evaluate(launch.sizes.data(), "shared memory"));
  if (blocks > UINT32_MAX / 2) return unimplemented("kernel " + kernel.symbol + " wants " + std::to_string(blocks) + " blocks");
  if (shared > kMaxSharedBytes)
    return unimplemented("kernel " + kernel.symbol + " wants " + std::to_string(shared) + " bytes of shared memory, of " +
                         std::to_string(kMaxSharedBytes));
  shape.grid = static_cast<uint32_t>(blocks);
  shape.sharedBytes = static_cast<uint32_t>(shared);
  return shape;
}

}  // namespace

EmulatedDevice::EmulatedDevice(const DeviceOptions &options) : options_(options) {
  if (auto it = options.extra.find("seed"); it != options.extra.end()) seed_ = std::strtoull(it->second.c_str(), nullptr, 10);
  if (auto it = options.extra.find("record"); it != options.extra.end()) recorder_ = std::make_unique<LaunchRecorder>(it->second);
}

EmulatedDevice::~EmulatedDevice() {
  for (auto &[block, bytes] : blocks_) std::free(const_cast<char *>(block));
}

std::string EmulatedDevice::description() const { return "emulated CUDA (sm_90a) on the host, seed " + std::to_string(seed_); }

Expected<void *> EmulatedDevice::allocate(size_t sizeBytes) {
  size_t rounded = (std::max<size_t>(sizeBytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  void *block = rounded < sizeBytes ? nullptr : std::aligned_alloc(kAlignment, rounded);
  if (!block) return resourceError("cannot allocate " + std::to_string(sizeBytes) + " bytes on the emulated device");
  std::memset(block, 0xFF, rounded);
  blocks_[static_cast<const char *>(block)] = sizeBytes;
  return block;
}

void EmulatedDevice::release(void *block, size_t) noexcept {
  blocks_.erase(static_cast<const char *>(block));
  std::free(block);
}

Status EmulatedDevice::checkRange(const void *address, size_t sizeBytes, const char *what) const {
  auto *at = static_cast<const char *>(address);
  auto it = blocks_.upper_bound(at);
  if (it != blocks_.begin()) {
    --it;
    if (at + sizeBytes <= it->first + it->second) return Status::ok();
  }
  return internalError(std::string(what) + " is not memory of the emulated device");
}

Expected<std::unique_ptr<Stream>> EmulatedDevice::createStream() { return std::unique_ptr<Stream>(std::make_unique<EmulatedStream>()); }
Expected<std::unique_ptr<Event>> EmulatedDevice::createEvent() { return std::unique_ptr<Event>(std::make_unique<EmulatedEvent>()); }

Status EmulatedDevice::copyToDevice(void *device, const void *host, size_t sizeBytes, Stream &) {
  if (sizeBytes == 0) return Status::ok();
  JINX_TRY(checkRange(device, sizeBytes, "the target of a copy"));
  std::memcpy(device, host, sizeBytes);
  return Status::ok();
}
Status EmulatedDevice::copyToHost(void *host, const void *device, size_t sizeBytes, Stream &) {
  if (sizeBytes == 0) return Status::ok();
  JINX_TRY(checkRange(device, sizeBytes, "the source of a copy"));
  std::memcpy(host, device, sizeBytes);
  return Status::ok();
}
Status EmulatedDevice::copyOnDevice(void *target, const void *source, size_t sizeBytes, Stream &) {
  if (sizeBytes == 0) return Status::ok();
  JINX_TRY(checkRange(target, sizeBytes, "the target of a copy"));
  JINX_TRY(checkRange(source, sizeBytes, "the source of a copy"));
  std::memmove(target, source, sizeBytes);
  return Status::ok();
}

Expected<std::unique_ptr<Module>> EmulatedDevice::loadModule(std::shared_ptr<const PlanFile> plan) {
  const plan::Plan &p = plan->plan();
  auto module = std::make_unique<EmulatedModule>();
  module->plan_ = plan;
  CompileOptions compile;
  if (auto it = options_.extra.find("cache"); it != options_.extra.end()) compile.cacheDir = it->second;
  if (auto it = options_.extra.find("compiler"); it != options_.extra.end()) compile.compiler = it->second;
  std::vector<std::shared_ptr<HostModule>> texts;
  std::string carried;
  if (p.kernels_size() > 0)
    for (const plan::CodeObject &code : p.code()) {
      if (carried.find(code.isa()) == std::string::npos) carried += (carried.empty() ? "" : ", ") + code.isa();
      if (code.format() != "cuda") continue;
      auto bytes = plan->segment(code.segment());
      std::string text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
      JINX_TRY_ASSIGN(auto compiled, HostModule::compile(text, "plan_code" + std::to_string(texts.size()), compile), "loading the plan");
      texts.push_back(std::move(compiled));
      module->isa_ = code.isa();
    }
  if (texts.empty() && p.kernels_size() > 0)
    return unimplemented("plan carries code for " + (carried.empty() ? "nothing" : carried) +
                         ", the emulated device runs CUDA text: compile the model with --target cuda:sm_90a");
  for (const plan::Kernel &kernel : p.kernels()) {
    EmulatedKernel function;
    JINX_TRY(readKernel(kernel, function));
    for (const auto &text : texts)
      if (text->kernel(function.symbol)) function.code = text;
    if (!function.code) return invalidArgument("no CUDA text of the plan has the kernel \"" + function.symbol + "\"");
    module->kernels_.push_back(std::move(function));
  }
  return std::unique_ptr<Module>(std::move(module));
}

Status EmulatedDevice::prepare(const KernelLaunch &launch) {
  return shapeOf(*static_cast<const EmulatedKernel *>(launch.kernel), launch).status();
}

Status EmulatedDevice::launch(const KernelLaunch &launch, Stream &) {
  const auto &kernel = *static_cast<const EmulatedKernel *>(launch.kernel);
  JINX_TRY_ASSIGN(LaunchShape shape, shapeOf(kernel, launch));
  if (shape.grid == 0) return Status::ok();
  LaunchOptions options;
  options.seed = seed_ + launches_++;
  std::vector<void *> pointers(launch.buffers.begin(), launch.buffers.end());
  std::vector<int64_t> sizes(launch.sizes.begin(), launch.sizes.end());
  std::vector<void *> params;
  bool known = true;
  for (void *&pointer : pointers) {
    params.push_back(&pointer);
    auto it = blocks_.upper_bound(static_cast<const char *>(pointer));
    known = known && it != blocks_.begin();
    if (known) {
      --it;
      options.ranges.push_back({it->first, it->second, true, "the memory of buffer " + std::to_string(options.ranges.size())});
    }
  }
  if (!known) options.ranges.clear();  // an empty tensor may lie anywhere
  for (int64_t &size : sizes) params.push_back(&size);
  std::vector<std::array<unsigned char, 128>> maps(kernel.maps.size());
  for (size_t i = 0; i < maps.size(); ++i) {
    const plan::TensorMap &from = *kernel.maps[i].map;
    EmulatedTensorMap map;
    map.base = static_cast<unsigned char *>(pointers[from.buffer()]);
    map.rank = static_cast<uint32_t>(from.dims_size());
    map.elementBytes = static_cast<uint32_t>(bitWidth(static_cast<DType>(from.dtype())) / 8);
    for (uint32_t d = 0; d < map.rank; ++d) {
      JINX_TRY_ASSIGN(int64_t extent, kernel.maps[i].dims[d].evaluate(sizes.data(), "tensor map"));
      map.dims[d] = static_cast<uint64_t>(extent);
      map.box[d] = from.box(static_cast<int>(d));
      if (d == 0) continue;
      JINX_TRY_ASSIGN(int64_t stride, kernel.maps[i].strides[d - 1].evaluate(sizes.data(), "tensor map"));
      map.strides[d - 1] = static_cast<uint64_t>(stride);
    }
    map.swizzleBytes = from.swizzle_bytes();
    JINX_TRY(encodeTensorMap(map, maps[i]), "kernel " + kernel.symbol);
    params.push_back(maps[i].data());
  }
  const bool isRecorded = recorder_ && known && maps.empty() && recorder_->wants(kernel.symbol);
  if (isRecorded) recorder_->begin(pointers, options.ranges);
  JINX_TRY_ASSIGN(LaunchReport report, emulated::launch(*kernel.code, kernel.symbol, shape, params.data(), options));
  return isRecorded ? recorder_->finish(kernel.symbol, kernel.code->text(), shape, pointers, sizes, report) : Status::ok();
}

Expected<std::unique_ptr<Device>> makeEmulatedDevice(const DeviceOptions &options) {
  return std::unique_ptr<Device>(std::make_unique<EmulatedDevice>(options));
}

}  // namespace jinx::emulated
