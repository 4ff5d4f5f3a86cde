// The attention schedule for CUDA: a builder that writes a tile program with rings, roles and fragments (ir/Tile/TileFragmentOps.td).
//
//   o[b, h, i, :] = sum_j softmax_j(hole(scale * q[b, h, i, :]·k[b, h/group, j, :])) v[b, h/group, j, :]
//
// on 16-bit floats, sums in f32. Rows and columns may be any number from 1 on; causal rows see column j where j <= i + keys - queries, so that the
// last row sees all. A row that sees nothing, or only -inf, gives 0 and a log-sum-exp of -inf.
//
// Few rows leave most multiprocessors idle. Their keys are cut into parts that are tiles of their own, and a second kernel merges them. It
// takes parts of several kernels: keys that all sequences share are read once, as one sequence's, and each sequence's own by another kernel.
#pragma once

#include <functional>
#include <string>
#include <vector>

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
/// Keys in parts of a fixed size, for rows that are too few to fill the machine: each part is a softmax of its own, and leaves for each row its
/// result and the logarithm of its sum, in f32, for emitAttentionMerge. Part p of a row lies p places behind the row's first one.
struct AttentionParts {
  int64_t keys = 0;                 ///< of a part, a multiple of a step's; 0: one part, that is the result
  mlir::Value out, logSumExp;       ///< f32 [place, headDim], natural logarithm [place]
  AttentionSize count;              ///< parts of a row
  AttentionSize batchStride, headStride, rowStride;  ///< in places
  AttentionSize before;             ///< parts of a row that another kernel writes, in places before these; null: none
};
/// Sequences of different lengths, and keys and values in pages, as a server keeps them. With keys in parts only.
struct AttentionPages {
  mlir::Value lengths;         ///< i32 [batch]: keys of a sequence, at most `keys`; null: all of them
  mlir::Value table;           ///< i32: the numbers of a sequence's pages; null: there are no pages
  AttentionSize tableStride;   ///< from one sequence's first page number to the next one's
  AttentionSize count;         ///< pages that k and v have; their batchStride leads from one to the next
  int64_t keys = 0;            ///< of a page: 16 or more, a divisor or a multiple of a step's
};
struct WgmmaAttention {
  AttentionTensor q, k, v, o;       ///< `o` is not used where there are parts
  AttentionParts parts;
  AttentionPages pages;
  mlir::Value logSumExp;  ///< f32 [batch, head, row], natural logarithm; null: none
  AttentionSize batch, heads, queries, keys;
  int64_t headDim = 128;
  int64_t group = 1;      ///< heads of q that share one of k and v
  bool causal = false;
  int64_t rowsOfHead = 0;  ///< queries of each of several heads that are the rows of one tile, in turn; 0: rows are one head's
  bool readsOnce = false;  ///< no two tiles read the same keys: caches need not keep them
  double scale = 1.0;
  int64_t sms = 132;      ///< multiprocessors of the target
};
struct WgmmaAttentionTile {
  int64_t rows = 128;     ///< of queries that a block takes at a time, 64 a consumer warpgroup
  int64_t keys = 128;     ///< of a step
  int64_t stages = 2;     ///< slots of the ring of keys, and of that of values
  int64_t queryStages = 1;  ///< slots of the ring of queries
};

/// Bytes of shared memory; at most 232448 fit.
int64_t wgmmaAttentionSharedBytes(const WgmmaAttentionTile &tile, int64_t headDim, bool isSplit = false);
/// Why a tile cannot be had; empty if it can.
std::string wgmmaAttentionInfeasible(const WgmmaAttentionTile &tile, int64_t headDim);
/// A tile that suits a head dimension and a number of rows; 0: unknown.
WgmmaAttentionTile chooseWgmmaAttentionTile(int64_t headDim, int64_t queries = 0);
/// That tile, then others that can be had: the nearer the number of their keys the earlier, since nothing estimates their time.
/// \param partKeys  keys of a part that another kernel merges, of which a step takes a divisor; 0: there are no parts
std::vector<WgmmaAttentionTile> wgmmaAttentionCandidates(int64_t headDim, int64_t queries, int64_t partKeys);
/// "rows=128 keys=128 stages=2"
std::string textOf(const WgmmaAttentionTile &tile);
/// That of at most 64 rows, whose blocks wait for memory: rings as deep as there is shared memory.
WgmmaAttentionTile chooseFewRowsAttentionTile(int64_t headDim);
/// Why keys cannot be read in such pages; empty if they can.
std::string attentionPagesInfeasible(const AttentionPages &pages, const WgmmaAttentionTile &tile);
/// Writes the program at the insertion point, which is the end of `kernel`, and sets its grid. The hole gets this builder.
void emitWgmmaAttention(mlir::OpBuilder &b, tile::KernelOp kernel, const WgmmaAttention &problem, const WgmmaAttentionTile &tile, const ScoreHole &hole);
/// The same for a kernel whose body this is to be.
void emitWgmmaAttention(tile::KernelOp kernel, const WgmmaAttention &problem, const WgmmaAttentionTile &tile, const ScoreHole &hole);

/// softmax over parts: o = sum_p w_p out_p / sum_p w_p with w_p = exp(lse_p - max lse), in the order of the parts.
struct AttentionMerge {
  AttentionParts parts;             ///< `out` and `logSumExp` are read
  mlir::Value lengths;              ///< as AttentionPages has them: parts that lie past a sequence's end are not read
  AttentionTensor o;
  AttentionSize batch, heads, queries;
  int64_t headDim = 128;
};
/// Writes the program at the insertion point, the end of `kernel`: a row of the result is a block's. Sets no grid: there are as many programs as rows.
void emitAttentionMerge(mlir::OpBuilder &b, tile::KernelOp kernel, const AttentionMerge &problem);

}  // namespace jinx::schedules
