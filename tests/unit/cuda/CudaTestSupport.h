// From a tile program (MLIR text or a builder) to CUDA text to results on the emulator.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "codegen/cuda/EmitCuda.h"
#include "codegen/schedules/Schedules.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "runtime/device/cuda/Nvrtc.h"
#include "runtime/device/emulated/Emulator.h"
#include "runtime/device/emulated/HostModule.h"

namespace jinx::cuda::testing {

/// A context with the dialects of tile programs.
mlir::MLIRContext &context();
/// The module in `text`; a failed expectation and null where it does not parse.
mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text);
tile::KernelOp kernelIn(mlir::ModuleOp module);

/// The kernel of the `jinx.group` in `text`, as the schedule for CUDA writes it.
struct ScheduledGroup {
  CudaKernel kernel;
  std::vector<std::string> sizes;  ///< formulas over the graph's symbols
};
ScheduledGroup scheduleForCuda(const std::string &text);
/// As one schedule writes it.
using ScheduleOfGroup = llvm::function_ref<mlir::FailureOr<schedules::Scheduled>(graph::GroupOp, mlir::OpBuilder &)>;
ScheduledGroup scheduleForCuda(const std::string &text, ScheduleOfGroup schedule);

/// Compares with tests/unit/cuda/golden/<name>; with JINX_UPDATE_GOLDEN=1 writes it.
void expectGolden(const std::string &name, const std::string &text);

/// Compiles with NVRTC and expects no advisory and at most `spillBudget` spilled bytes.
CompiledCuda compileThroughGate(const CudaKernel &kernel, int64_t spillBudget = 0);

/// With JINX_DUMP_CUDA=folder: writes text and launch shape there, for tests/device/gpu_check.py.
void dumpForGpu(const CudaKernel &kernel, const std::string &name);

/// A formula over a0, a1, … at these sizes.
int64_t evaluate(const std::string &formula, const std::vector<int64_t> &sizes);

struct Operand {
  void *data = nullptr;
  size_t bytes = 0;
  bool writable = false;
};
template <typename T>
Operand in(std::vector<T> &v) {
  return {v.data(), v.size() * sizeof(T), false};
}
template <typename T>
Operand out(std::vector<T> &v) {
  return {v.data(), v.size() * sizeof(T), true};
}

/// A kernel ready to run.
class Runner {
 public:
  explicit Runner(CudaKernel kernel) : Runner(kernel, kernel.source()) {}
  /// With another text than its own: one with a fault in it.
  Runner(CudaKernel kernel, const std::string &source);
  /// \param blocks  0: as the kernel's formula says
  Expected<emulated::LaunchReport> run(const std::vector<Operand> &buffers, std::vector<int64_t> sizes, emulated::LaunchOptions options = {},
                                       int64_t blocks = 0);
  const CudaKernel &kernel() const { return kernel_; }
  bool ok() const { return module_ != nullptr; }

 private:
  CudaKernel kernel_;
  std::shared_ptr<emulated::HostModule> module_;
};

/// Emits and compiles the kernel in `text`.
Runner runner(const std::string &text, const EmitOptions &options = {});

std::vector<float> randomFloats(size_t n, uint64_t seed, float scale = 1.0f);
uint16_t toBf16(float v);
float fromBf16(uint16_t v);
/// Largest |a - b| / (scale + |b|).
double worstError(const std::vector<float> &a, const std::vector<double> &b, double scale = 1.0);

}  // namespace jinx::cuda::testing
