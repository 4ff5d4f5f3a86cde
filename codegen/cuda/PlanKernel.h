// What a plan must say of a CUDA kernel so that a device can launch it.
#pragma once

#include "codegen/cuda/EmitCuda.h"
#include "runtime/plan/plan.pb.h"

namespace jinx::cuda {

/// Fills symbol, numbers of operands and the CUDA launch shape. A code object of format "cuda" holds `kernel.source()`.
void describeKernel(const CudaKernel &kernel, int64_t numBuffers, int64_t numSizes, plan::Kernel &to);

}  // namespace jinx::cuda
