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
/// A [m, k], B [n, k] -> D [m, n] of 8-bit elements.
enum class Narrow {
  kBytes,     ///< i8 to i32
  kCutBytes,  ///< i8 to the lowest byte of the sum
  kFloats,    ///< f8E4M3FN to bf16
};
Built buildNarrowWgmma(const schedules::WgmmaTile &tile, Narrow kind, int64_t sms = 132);
/// A [m, k], B [n, k] -> D [m, n] of f32, by one product of TF32 or, where the tile says so (highLow), three.
Built buildFloatWgmma(const schedules::WgmmaTile &tile, int64_t sms = 132);

/// b [k, n] in panels of 16 columns.
std::vector<float> packPanels(const std::vector<float> &b, int64_t k, int64_t n);

}  // namespace jinx::cuda::testing
