// Matmul schedules for CUDA: builders that write tile programs with rings and roles (ir/Tile/TilePipelineOps.td).
//
// Two shapes of program, one hole. The hole gets the accumulators of a tile as one f32 tile of rank 2 with the row and column of its
// first element in the result, and gives the tile to store, or null when it has stored all it wants itself. It may load further operands
// with tile.load at rank 2: strides (0, 1) for a value per column, (1, 0) per row, (ld, 1) for a matrix; always with limits of
// (m - row, n - column), since tiles hang over the edges.
//
//   SIMT     f32, any strides of A, B in the packed panels of the CPU: the fallback for everything that tensor cores do not take
//   wgmma    16-bit floats on sm_90a: A [m, k] and B [n, k] by rows, k and n multiples of 8; persistent blocks, TMA producer, two
//            consumer warpgroups, clusters that share what they fetch
#pragma once

#include <functional>
#include <string>

#include "ir/Tile/Tile.h"

namespace jinx::schedules {

using EpilogueHole = std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value acc, mlir::Value row, mlir::Value column)>;

// ---- SIMT -------------------------------------------------------------------------------------------------------------------------

struct SimtTile {
  int64_t m = 128, n = 128, k = 8;
  int64_t stages = 3;
};
/// c[i, j] = hole(sum over k of a(i, k) * b(k, j)) with
///   a(i, k) = a[aOffset + i*aRowStride + k*aColumnStride]
///   b(k, j) = b[bOffset + (j floordiv 16)*bPanel + k*16 + j mod 16]    (panels of 16 columns, the last one filled up)
///   c[cOffset + i*cRowStride + j]
/// Offsets and strides are `index` values in elements; a null offset is 0.
///
/// With `taps` the sum runs over several products of depth k, one after the other: product t reads A `tapOffset(t)` elements further on,
/// and rows t*k … t*k + k - 1 of B. A convolution is such a sum over the positions of its window.
struct SimtMatmul {
  mlir::Value a, aOffset, aRowStride, aColumnStride;
  mlir::Value b, bOffset, bPanel;
  mlir::Value c, cOffset, cRowStride;
  mlir::Value m, n, k;
  int64_t taps = 1;
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value tap)> tapOffset;
  mlir::Value tile;  ///< which tile of the result this program computes: 0 … tiles - 1
};
/// A tile that suits the problem; unknown extents are 0.
SimtTile chooseSimtTile(int64_t m, int64_t n);
/// Writes the program at the insertion point. The kernel runs with 256 threads a block.
void emitSimtMatmul(mlir::OpBuilder &b, mlir::Location loc, const SimtMatmul &problem, const SimtTile &tile, const EpilogueHole &hole);
/// How many tiles: the extent of the grid for one matrix, for formulas m and n.
std::string simtPrograms(const SimtTile &tile, const std::string &m, const std::string &n);

// ---- wgmma ------------------------------------------------------------------------------------------------------------------------

struct WgmmaTile {
  int64_t m = 128, n = 256;        ///< rows and columns of the result a block computes at a time
  int64_t stages = 4;              ///< slots of the ring, 64 elements of k each
  int64_t clusterM = 2, clusterN = 1;
  int64_t consumers = 2;           ///< warpgroups that multiply, m / consumers rows each
  int64_t band = 8;                ///< tile order: bands this many cluster tiles wide
  bool walkN = false;              ///< bands lie along n and are crossed along m; true: the other way round
};
/// d = hole(a * b^T) on bf16 or f16 (all three alike). The formulas are over the kernel's sizes and say what the values m, n, k are.
struct WgmmaMatmul {
  mlir::Value a, b, d;             ///< buffer operands of the kernel
  mlir::Value m, n, k;
  std::string mText, nText, kText;
  int64_t sms = 132;               ///< multiprocessors of the target
};
/// Bytes of shared memory; at most 232448 fit.
int64_t wgmmaSharedBytes(const WgmmaTile &tile);
/// Why a tile cannot be had; empty if it can.
std::string wgmmaInfeasible(const WgmmaTile &tile);
/// The best tile for known extents, by the fewest waves, then the least traffic from the second-level cache, then stages.
WgmmaTile chooseWgmmaTile(int64_t m, int64_t n, int64_t k, int64_t sms = 132);
/// Writes the whole body of `kernel` and sets its grid and cluster.
void emitWgmmaMatmul(tile::KernelOp kernel, const WgmmaMatmul &problem, const WgmmaTile &tile, const EpilogueHole &hole);

}  // namespace jinx::schedules
