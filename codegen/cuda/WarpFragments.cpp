#include "codegen/cuda/WarpFragments.h"

#include <algorithm>

namespace jinx::cuda {

namespace {

constexpr int kRowBytes = 128, kChunk = 16;

int bitsOf(int64_t extent) {
  int bits = 0;
  while (int64_t(1) << bits < extent) ++bits;
  return bits;
}

using Place = Layout::Place;

/// first, 2 * first, …, below `end`, as rows (or in whichever output).
void count(std::vector<Place> &bits, int64_t first, int64_t end, bool isSecond) {
  for (int64_t v = first; v < end; v *= 2) bits.push_back(isSecond ? Place{0, v} : Place{v, 0});
}

/// The warps of the grid, m first: where each one's part of an operand, or of the sums, begins.
std::vector<Place> warps(const WarpGrid &grid, bool ofRows, bool ofColumns, bool columnsAreRows) {
  std::vector<Place> bits;
  for (int64_t i = 1; i < grid.m; i *= 2) bits.push_back(ofRows ? Place{i * grid.warpRows(), 0} : Place{0, 0});
  for (int64_t i = 1; i < grid.n; i *= 2) {
    const int64_t column = ofColumns ? i * grid.warpColumns() : 0;
    bits.push_back(columnsAreRows ? Place{column, 0} : Place{0, column});
  }
  return bits;
}

}  // namespace

Layout sumsLayout(const WarpGrid &grid) {
  Layout layout({{"row", bitsOf(grid.rows)}, {"column", bitsOf(grid.columns)}});
  std::vector<Place> registers = {{0, 1}, {8, 0}, {0, 2}, {0, 4}};  // e, h, q
  count(registers, 32, grid.warpColumns(), true);
  count(registers, 16, grid.warpRows(), false);
  layout.input("register", registers);
  layout.input("lane", {{0, 8}, {0, 16}, {1, 0}, {2, 0}, {4, 0}});
  return layout.input("warp", warps(grid, true, true, false));
}

Layout wordsLayout(Operand operand, const WarpGrid &grid) {
  const bool isA = operand == Operand::kA;
  Layout layout({{"row", bitsOf(isA ? grid.rows : grid.columns)}, {"byte", 5}});
  std::vector<Place> registers;
  if (isA) {
    registers = {{8, 0}, {0, 16}};
    count(registers, 16, grid.warpRows(), false);
    layout.input("lane", {{0, 4}, {0, 8}, {1, 0}, {2, 0}, {4, 0}});
  } else {
    registers = {{0, 16}, {2, 0}, {4, 0}};  // half of k, then q
    count(registers, 32, grid.warpColumns(), false);
    layout.input("lane", {{0, 4}, {0, 8}, {1, 0}, {8, 0}, {16, 0}});
  }
  layout.input("register", registers);
  return layout.input("warp", warps(grid, isA, !isA, true));
}

Layout matrixRows(Operand operand, const WarpGrid &grid) {
  // Lane 8i + r gives row r of matrix i. Lane 4r + … of the result holds that row's words, in register i: so r leads where the lane's upper
  // bits do, and i where the register does.
  const Layout words = wordsLayout(operand, grid);
  Layout layout({{"row", bitsOf(operand == Operand::kA ? grid.rows : grid.columns)}, {"byte", 5}});
  std::vector<Place> lanes;
  for (int b = 0; b < 3; ++b) lanes.push_back(words.at({{"lane", 4 << b}}));
  for (int b = 0; b < 2; ++b) lanes.push_back(words.at({{"register", 1 << b}}));
  layout.input("lane", lanes);
  return layout.input("warp", warps(grid, operand == Operand::kA, operand == Operand::kB, true));
}

Layout swizzleKey(Operand operand, int64_t rows) {
  // The rows of a read are those of lanes 0, 4, 8, …: their bits, in order.
  const Layout words = wordsLayout(operand, WarpGrid{1, 1, std::max<int64_t>(rows, 16), std::max<int64_t>(rows, 32)});
  std::vector<Place> row(static_cast<size_t>(bitsOf(rows)), {0});
  for (int bit = 0; bit < 3; ++bit) row[static_cast<size_t>(bitsOf(words.at("row", {{"lane", 4 << bit}})))] = {1 << bit};
  return Layout({{"key", 3}}).input("row", row);
}

Layout swizzledRows(Operand operand, int64_t rows) {
  Layout layout({{"offset", bitsOf(rows * kRowBytes)}});
  const Layout key = swizzleKey(operand, rows);
  std::vector<Place> row, byte;
  for (int64_t r = 1; r < rows; r *= 2) row.push_back({r * kRowBytes ^ key.at("key", {{"row", r}}) * kChunk});
  for (int64_t b = 1; b < kRowBytes; b *= 2) byte.push_back({b});
  layout.input("row", row);
  return layout.input("byte", byte);
}

}  // namespace jinx::cuda
