// The CUDA products as the tests build them, without and with an epilogue of bias and relu.
#pragma once

#include <optional>
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
/// X [m, k], two matrices W [2, n, k] -> D [m, n] = relu(X W0^T) * (X W1^T), all bf16. Where the tile has a pair of rows, W is its A, and constant.
/// \param isApart  W is two buffers
Built buildPairWgmma(const schedules::WgmmaTile &tile, int64_t sms = 132, bool isApart = false);
/// A [m, k], B [n, k], residual [m, n] -> D [m, n] = A B^T + residual, which comes in pieces; all bf16, or residual and D f32.
Built buildResidualWgmma(const schedules::WgmmaTile &tile, bool ofFloats = false, int64_t sms = 132);
/// A [m, k], B [n, k] -> D [m, n] of 8-bit elements.
enum class Narrow {
  kBytes,     ///< i8 to i32
  kCutBytes,  ///< i8 to the lowest byte of the sum
  kFloats,    ///< f8E4M3FN to bf16
};
Built buildNarrowWgmma(const schedules::WgmmaTile &tile, Narrow kind, int64_t sms = 132);
/// A [m, k], B [n, k] -> D [m, n] of f32, by one product of TF32 or, where the tile says so (highLow), three.
Built buildFloatWgmma(const schedules::WgmmaTile &tile, int64_t sms = 132);

/// What a product of warps multiplies, and how its operands lie.
struct MmaProblem {
  schedules::MmaTile tile;
  bool ofBytes = false;       ///< s8 x u8 to i32; else bf16 to bf16
  bool withHole = false;      ///< bias (f32, for each column) and relu, of bf16
  std::optional<int64_t> k;   ///< known when compiled
  bool isTurned = false;      ///< B is [k, n]
  std::string arch = "sm_90a";
};
/// a, b, bias -> d; sizes m, n, k.
Built buildMma(const MmaProblem &problem);

/// b [k, n] in panels of 16 columns.
std::vector<float> packPanels(const std::vector<float> &b, int64_t k, int64_t n);

}  // namespace jinx::cuda::testing
