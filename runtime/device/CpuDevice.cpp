#include "runtime/device/CpuDevice.h"

#include <chrono>
#include <cstring>

#include "runtime/device/ElfModule.h"
#include "runtime/device/Isa.h"
#include "runtime/executor/Trace.h"

namespace jinx {
namespace {

/// Everything has happened when the call that asked for it returns.
class CpuStream final : public Stream {
 public:
  Status synchronize() override { return Status::ok(); }
};

class CpuEvent final : public Event {
 public:
  Status record(Stream&) override {
    time_ = std::chrono::steady_clock::now();
    return Status::ok();
  }
  Status synchronize() override { return Status::ok(); }
  Expected<bool> isReached() override { return true; }
  Status wait(Stream&) override { return Status::ok(); }
  Expected<double> millisecondsSince(Event& earlier) override {
    return std::chrono::duration<double, std::milli>(time_ - static_cast<CpuEvent&>(earlier).time_).count();
  }

 private:
  std::chrono::steady_clock::time_point time_;
};

struct CpuKernel final : KernelFunction {
  CpuKernelFn fn = nullptr;
};

class CpuModule final : public Module {
 public:
  Expected<const KernelFunction*> kernel(uint32_t index) const override {
    if (index >= kernels_.size()) return internalError("no kernel " + std::to_string(index));
    return &kernels_[index];
  }
  std::string_view isa() const override { return isa_; }

  std::unique_ptr<ElfModule> elf_;
  std::vector<CpuKernel> kernels_;
  std::string isa_ = "none";
};

/// The index of the best code object, or -1.
int bestCode(const plan::Plan& plan, const std::string& limit) {
  int best = -1;
  for (int i = 0; i < plan.code_size(); ++i) {
    const plan::CodeObject& code = plan.code(i);
    if (code.format() != "elf" || !hostSupportsIsa(code.isa()) || !isaWithin(code.isa(), limit)) continue;
    if (best < 0 || isaRank(code.isa()) > isaRank(plan.code(best).isa())) best = i;
  }
  return best;
}

Status noCode(const plan::Plan& plan, const std::string& limit) {
  std::string carried;
  for (const plan::CodeObject& code : plan.code())
    if (carried.find(code.isa()) == std::string::npos) carried += (carried.empty() ? "" : ", ") + code.isa();
  return unimplemented("plan carries code for " + (carried.empty() ? "nothing" : carried) + ", this processor runs " +
                       hostIsa() + (limit.empty() ? "" : " limited to " + limit) + ": compile the model for it");
}

} // namespace

CpuDevice::CpuDevice(const DeviceOptions& options)
    : pool_({.threads = options.threads, .pin = options.pinThreads}), isaLimit_(options.isa),
      builtin_(options.kernels) {}

std::string CpuDevice::description() const {
  return hostProcessorName() + ", " + (isaLimit_.empty() ? hostIsa() : isaLimit_) + ", " +
         std::to_string(pool_.numThreads()) + (pool_.numThreads() == 1 ? " thread" : " threads");
}

std::span<const std::string_view> CpuDevice::capabilities() const {
  static constexpr std::string_view kTags[] = {capability::kHostMemory, capability::kTiming};
  return kTags;
}

Expected<std::unique_ptr<Stream>> CpuDevice::createStream() {
  return std::unique_ptr<Stream>(std::make_unique<CpuStream>());
}
Expected<std::unique_ptr<Event>> CpuDevice::createEvent() {
  return std::unique_ptr<Event>(std::make_unique<CpuEvent>());
}

Status CpuDevice::copyToDevice(void* device, const void* host, size_t sizeBytes, Stream&) {
  if (sizeBytes) std::memmove(device, host, sizeBytes);
  return Status::ok();
}
Status CpuDevice::copyToHost(void* host, const void* device, size_t sizeBytes, Stream&) {
  if (sizeBytes) std::memmove(host, device, sizeBytes);
  return Status::ok();
}
Status CpuDevice::copyOnDevice(void* target, const void* source, size_t sizeBytes, Stream&) {
  if (sizeBytes) std::memmove(target, source, sizeBytes);
  return Status::ok();
}
Status CpuDevice::clear(void* device, size_t sizeBytes, Stream&) {
  if (sizeBytes) std::memset(device, 0, sizeBytes);
  return Status::ok();
}

Expected<std::unique_ptr<Module>> CpuDevice::loadModule(std::shared_ptr<const PlanFile> plan) {
  const plan::Plan& p = plan->plan();
  auto module = std::make_unique<CpuModule>();
  int code = -1;
  for (const plan::Kernel& kernel : p.kernels()) {
    CpuKernel function;
    if (auto it = builtin_.find(kernel.symbol()); it != builtin_.end()) {
      function.fn = it->second;
      module->isa_ = module->elf_ ? module->isa_ : "builtin";
    } else {
      if (!module->elf_) {
        code = bestCode(p, isaLimit_);
        if (code < 0) return noCode(p, isaLimit_);
        JINX_TRY_ASSIGN(module->elf_, ElfModule::load(plan->segment(p.code(code).segment()), "jinx-" + p.model_name()));
        module->isa_ = p.code(code).isa();
      }
      function.fn = reinterpret_cast<CpuKernelFn>(module->elf_->symbol(kernel.symbol()));
      if (!function.fn)
        return invalidArgument("code object " + module->isa_ + " has no kernel \"" + kernel.symbol() + "\"");
    }
    module->kernels_.push_back(function);
  }
  return std::unique_ptr<Module>(std::move(module));
}

Status CpuDevice::prepare(const KernelLaunch& launch) {
  if (launch.scratchBytes < 0 || launch.programs < 0) return invalidArgument("launch with a negative size");
  return pool_.reserveScratch(static_cast<size_t>(launch.scratchBytes));
}

Status CpuDevice::launch(const KernelLaunch& launch, Stream&) {
  struct Context {
    const KernelLaunch& launch;
    CpuKernelFn fn;
    const ThreadPool& pool;
    uint32_t execution;
  } context{launch, static_cast<const CpuKernel*>(launch.kernel)->fn, pool_,
            launch.trace ? launch.trace->nextExecution() : 0};
  auto share = [](void* opaque, int thread, int64_t begin, int64_t end) {
    const Context& c = *static_cast<Context*>(opaque);
    int64_t start = c.launch.trace ? Trace::now() : 0;
    c.fn(c.launch.buffers.data(), c.launch.sizes.data(), begin, end, c.pool.scratch(thread));
    if (c.launch.trace) c.launch.trace->record(c.launch.step, thread, c.execution, start, Trace::now());
  };
  pool_.run(launch.programs, launch.granule, launch.parallel ? pool_.numThreads() : 1, share, &context);
  return Status::ok();
}

Expected<std::unique_ptr<Device>> makeCpuDevice(const DeviceOptions& options) {
  if (options.threads < 0 || options.threads > 4096)
    return invalidArgument("cannot run on " + std::to_string(options.threads) + " threads, expected 1 to 4096");
  if (!options.isa.empty() && isaRank(options.isa) < 0)
    return invalidArgument("unknown ISA level \"" + options.isa +
                           "\", expected x86-64, x86-64-v3 or x86-64-v4, with -vnni, -bf16, -fp16 or -amx");
  try {
    return std::unique_ptr<Device>(std::make_unique<CpuDevice>(options));
  } catch (const std::exception& error) { // std::thread and containers
    return resourceError("cannot start " + std::to_string(options.threads) + " threads: " + error.what());
  }
}

} // namespace jinx
