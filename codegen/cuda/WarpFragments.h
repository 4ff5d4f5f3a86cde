// Who holds what in a product of warps (mma.sync): layouts of the tile of sums and of its operands (Layout.h).
//
// A block's warps stand in a grid of m x n over the tile, each with its own rectangle. One instruction multiplies 16 rows of A by 8 columns of B,
// both along 32 bytes of k:
//
//   C   m16n8      sum r = 2h + e of lane l: row l / 4 + 8h, column l % 4 * 2 + e
//   A   m16k32B    word r of lane l: row l / 4 + r % 2 * 8, bytes l % 4 * 4 + r / 2 * 16 …
//   B   n8k32B     word r of lane l: column l / 4, bytes l % 4 * 4 + r * 16 …
//
// Which of B's columns are the eight of an instruction is a matter of which rows its words are read from. They are chosen so that a lane's sums
// of four instructions are eight neighbours: column j of the instruction 4g + q is column 32g + 8 * (j / 2) + 2q + j % 2 of the warp's. So
// results go to memory 16 bytes at a time, and so come values that an epilogue reads.
//
// Operands lie in shared memory as rows of 128 bytes along k. ldmatrix reads 8 rows of 16 bytes at once, and the rows of a read must lie in
// different banks: the row's bits that such a read runs through are XORed into the number of the 16-byte chunk (`swizzleKey`). They are others for
// A (0, 1, 2) and for B (0, 3, 4).
#pragma once

#include "codegen/cuda/Layout.h"

namespace jinx::cuda {

struct WarpGrid {
  int64_t m = 2, n = 2;             ///< warps
  int64_t rows = 128, columns = 128;  ///< of the block's tile: a warp has a multiple of 16 rows and of 32 columns, powers of two
  int64_t warpRows() const { return rows / m; }
  int64_t warpColumns() const { return columns / n; }
};

enum class Operand { kA, kB };

/// Inputs `register` (of a thread's sums, [16 rows][8 columns][4]), `lane`, `warp`; outputs `row`, `column`.
Layout sumsLayout(const WarpGrid &grid);
/// The words of one 32-byte step along k: inputs `register` ([16 rows or 16 columns][4]), `lane`, `warp`; outputs `row` (of the operand's buffer)
/// and `byte` of those 32.
Layout wordsLayout(Operand operand, const WarpGrid &grid);
/// What is XORed into the number of a row's chunk: input `row`, output `key`.
Layout swizzleKey(Operand operand, int64_t rows);
/// Inputs `row`, `byte` of 128; output `offset` in the buffer.
Layout swizzledRows(Operand operand, int64_t rows);
/// What a lane gives to the ldmatrix of four matrices that fetches its words 0 to 3: inputs `lane`, `warp`; outputs `row`, `byte`.
Layout matrixRows(Operand operand, const WarpGrid &grid);

}  // namespace jinx::cuda
