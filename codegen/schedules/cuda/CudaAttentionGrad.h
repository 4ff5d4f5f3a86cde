// The gradients of attention for CUDA: two builders that write tile programs with rings, roles and fragments (ir/Tile/TileFragmentOps.td).
//
//   p[i, j] = exp(scale * q[i]·k[j] - lse[i])       dv[j] = sum_i p[i, j] dy[i]           dq[i] = scale * sum_j ds[i, j] k[j]
//   ds[i, j] = p[i, j] (dy[i]·v[j] - delta[i])      dk[j] = scale * sum_i ds[i, j] q[i]
//
// on 16-bit floats, sums in f32; p and ds are rounded as operands of the last products. Neither scores nor weights are kept from the
// forward pass: both programs compute them again from lse, so there are seven products in all instead of five. In return every sum is
// in one block's registers, in an order that depends on the sizes alone, and nothing is added up through memory (decision 0014).
//
// Rows and columns may be any number from 1 on. lse and delta have rows of `queries` rounded up to kAttentionGradRows; what lies past
// the last query, or belongs to a query that sees nothing, is +inf in lse and 0 in delta, so that its weights are 0 without a mask.
#pragma once

#include "codegen/schedules/cuda/CudaAttention.h"

namespace jinx::schedules {

inline constexpr int64_t kAttentionGradRows = 128;

struct WgmmaAttentionGrad {
  AttentionTensor q, k, v, dy;
  mlir::Value lse, delta;      ///< f32 [batch, head, rows]
  AttentionTensor dq, dk, dv;  ///< a program writes its own alone
  AttentionSize batch, heads, queries, keys;
  int64_t headDim = 128;
  int64_t group = 1;           ///< heads of q that share one of k and v
  bool causal = false;
  double scale = 1.0;
};
struct WgmmaAttentionGradTile {
  int64_t rows = 128;     ///< that a block owns, of keys or of queries, 64 a consumer warpgroup
  int64_t step = 64;      ///< of the others, at a time
  int64_t stages = 2;     ///< slots of the rings of the latter
};
enum class GradOf { keys, queries };  ///< dk and dv, or dq

/// Bytes of shared memory; at most 232448 fit.
int64_t wgmmaAttentionGradSharedBytes(GradOf what, const WgmmaAttentionGradTile &tile, int64_t headDim);
/// Why a tile cannot be had; empty if it can.
std::string wgmmaAttentionGradInfeasible(GradOf what, const WgmmaAttentionGradTile &tile, int64_t headDim);
WgmmaAttentionGradTile chooseWgmmaAttentionGradTile(GradOf what, int64_t headDim);
/// Writes the program at the insertion point, which is the end of `kernel`, and sets its grid.
void emitWgmmaAttentionGrad(mlir::OpBuilder &b, tile::KernelOp kernel, GradOf what, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile);
/// Blocks of the grid.
std::string wgmmaAttentionGradPrograms(GradOf what, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile);

}  // namespace jinx::schedules
