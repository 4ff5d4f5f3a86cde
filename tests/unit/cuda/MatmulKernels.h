// The CUDA products as the tests build them, without and with an epilogue of bias and relu.
#pragma once

#include <vector>

#include "CudaTestSupport.h"
#include "codegen/schedules/cuda/CudaMatmul.h"

namespace jinx::cuda::testing {

struct Built {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  CudaKernel kernel;
};

/// x [m, k] and weights in panels, bias [n] -> y [m, n], all f32. Without the hole the strides of x are sizes of the kernel.
Built buildSimt(const schedules::SimtTile &tile, bool withHole);
/// A [m, k], B [n, k], bias [n] f32 -> D [m, n], all bf16 but the bias.
Built buildWgmma(const schedules::WgmmaTile &tile, bool withHole, int64_t sms = 132);

/// b [k, n] in panels of 16 columns.
std::vector<float> packPanels(const std::vector<float> &b, int64_t k, int64_t n);

}  // namespace jinx::cuda::testing
