// The product with weights that are codes, for few rows: what it reads is the codes, once, as fast as memory gives them.
//
// c[i, j] = hole(sum over k of a(i, k) * ((value(code(j, k)) - zero) * scale(j, k / group) + offset(j, k / group)))
//   a(i, k) = a[aOffset + i*aRowStride + k], rows at multiples of 16 bytes; codes, scales and offsets as ir/Tile/TileCodeOps.td has them; c[i*cRowStride + j]
//
// Warps load codes into registers and widen them there (tile.dot_codes). A block has few columns and all of k, or, in a cluster, its part of it: all blocks
// are resident at once and have equal work, so that it does not matter how many of them a multiprocessor has, and what is under way together covers
// the latency of memory.
#pragma once

#include "codegen/schedules/cuda/CudaMatmul.h"

namespace jinx::schedules {

struct CodeTile {
  int64_t rows = 8, columns = 64;
  int64_t warpsN = 1, warpsK = 8;
  int64_t splits = 1;  ///< blocks of a cluster, each with its part of k
  int64_t threads() const { return warpsN * warpsK * 32; }
};
struct CodeMatmul {
  mlir::Value a, aOffset, aRowStride;  ///< no offset: 0
  mlir::Value codes, scales, offsets;  ///< no offsets: 0
  mlir::Value c, cRowStride;
  mlir::Value m, n, k;
  int64_t bits = 4, group = 128, zero = 0;
  std::vector<float> levels;  ///< of 4-bit codes; none: they are numbers
  bool isConstant = false;    ///< codes, scales and offsets are constants of the plan
  mlir::Value tile;           ///< which tile of the result this block computes; those of a cluster have one
};
/// A tile that suits the problem; unknown extents are 0.
CodeTile chooseCodeTile(int64_t m, int64_t n, int64_t k, bool hasOffsets, const GpuArchitecture &gpu);
/// Blocks: the extent of the grid.
SizeExpr codePrograms(const CodeTile &tile, const SizeExpr &m, const SizeExpr &n);
/// Writes the program at the insertion point, and says on the kernel what its blocks are.
void emitCodeMatmul(mlir::OpBuilder &b, tile::KernelOp kernel, const CodeMatmul &problem, const CodeTile &tile, const EpilogueHole &hole);

}  // namespace jinx::schedules
