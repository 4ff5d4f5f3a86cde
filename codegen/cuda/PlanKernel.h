// What a plan must say of a CUDA kernel so that a device can launch it.
#pragma once

#include "codegen/cuda/EmitCuda.h"
#include "runtime/plan/PlanFile.h"

namespace jinx::cuda {

/// Fills symbol, numbers of operands and the CUDA launch shape. A code object of format "cuda" holds `kernel.source()`.
void describeKernel(const CudaKernel &kernel, int64_t numBuffers, int64_t numSizes, plan::Kernel &to);

/// Describes each kernel to the plan's kernel of that name, and adds its text as a code object of its own, so that runtimes compile
/// and cache texts one by one.
Status addToPlan(llvm::ArrayRef<CudaKernel> kernels, const std::string &arch, PlanWriter &writer);

}  // namespace jinx::cuda
