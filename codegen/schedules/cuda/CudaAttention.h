// The attention schedule for CUDA: a builder that writes a tile program with rings, roles and fragments (ir/Tile/TileFragmentOps.td).
//
//   o[b, h, i, :] = sum_j softmax_j(hole(scale * q[b, h, i, :]·k[b, h/group, j, :])) v[b, h/group, j, :]
//
// on 16-bit floats, sums in f32. Rows and columns may be any number from 1 on; causal rows see column j where j <= i + keys - queries, so that the
// last row sees all. A row that sees nothing, or only -inf, gives 0 and a log-sum-exp of -inf.
#pragma once

#include <functional>
#include <string>

#include "ir/Tile/Tile.h"

namespace jinx::schedules {

/// Makes logits of a tile of scaled scores: f32, rank 2, the row and column of its first element in this head's scores, and the head's
/// place. May load further operands with tile.load as the matmul's hole does, with limits of (queries - row, keys - column). Null: none.
struct ScorePlace {
  mlir::Value batch, head, row, column;
};
using ScoreHole = std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value scores, const ScorePlace &)>;

/// A size of the kernel, as a value and as a formula over a0, a1, ….
struct AttentionSize {
  mlir::Value value;
  std::string text;
};
/// [batch, head, row, headDim] with these strides in elements, multiples of 8; the columns of a row are neighbours.
struct AttentionTensor {
  mlir::Value data;  ///< buffer operand of the kernel
  AttentionSize batchStride, headStride, rowStride;
};
struct WgmmaAttention {
  AttentionTensor q, k, v, o;
  mlir::Value logSumExp;  ///< f32 [batch, head, row], natural logarithm; null: none
  AttentionSize batch, heads, queries, keys;
  int64_t headDim = 128;
  int64_t group = 1;      ///< heads of q that share one of k and v
  bool causal = false;
  double scale = 1.0;
  int64_t sms = 132;      ///< multiprocessors of the target
};
struct WgmmaAttentionTile {
  int64_t rows = 128;     ///< of queries that a block takes at a time, 64 a consumer warpgroup
  int64_t keys = 128;     ///< of a step
  int64_t stages = 2;     ///< slots of the ring of keys, and of that of values
};

/// Bytes of shared memory; at most 232448 fit.
int64_t wgmmaAttentionSharedBytes(const WgmmaAttentionTile &tile, int64_t headDim);
/// Why a tile cannot be had; empty if it can.
std::string wgmmaAttentionInfeasible(const WgmmaAttentionTile &tile, int64_t headDim);
/// A tile that suits a head dimension and a number of rows; 0: unknown.
WgmmaAttentionTile chooseWgmmaAttentionTile(int64_t headDim, int64_t queries = 0);
/// Writes the program at the insertion point, which is the end of `kernel`, and sets its grid. The hole gets this builder.
void emitWgmmaAttention(mlir::OpBuilder &b, tile::KernelOp kernel, const WgmmaAttention &problem, const WgmmaAttentionTile &tile, const ScoreHole &hole);
/// The same for a kernel whose body this is to be.
void emitWgmmaAttention(tile::KernelOp kernel, const WgmmaAttention &problem, const WgmmaAttentionTile &tile, const ScoreHole &hole);

}  // namespace jinx::schedules
