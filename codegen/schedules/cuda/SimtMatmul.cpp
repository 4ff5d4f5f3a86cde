// The SIMT matmul: f32 multiplications by ordinary instructions, operands through a ring of cp.async copies (RingProduct.h).
//
// A slot holds a slice of A as [k, m] (rows padded by 4: the copies write columns, and fall on different banks) and of B as [k, n]. Copies
// past the edges write zeros, so the product needs no mask, and slices past the end of k are copies of nothing.
#include "codegen/schedules/cuda/CudaMatmul.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "codegen/schedules/cuda/RingProduct.h"

using namespace mlir;

namespace jinx::schedules {

SimtTile chooseSimtTile(int64_t m, int64_t n) {
  SimtTile tile;
  // Small results: smaller tiles, so that more blocks have work. 132 blocks of 128 x 128 are a full wave.
  bool small = m > 0 && n > 0 && ((m + 127) / 128) * ((n + 127) / 128) < 132;
  if (small || (m > 0 && m <= 64) || (n > 0 && n <= 64)) tile.m = tile.n = 64, tile.k = 16;
  return tile;
}

std::string simtPrograms(const SimtTile &tile, const std::string &m, const std::string &n) {
  auto tiles = [](const std::string &extent, int64_t size) {
    return "((" + extent + ") + " + std::to_string(size - 1) + ") floordiv " + std::to_string(size);
  };
  return "(" + tiles(m, tile.m) + ") * (" + tiles(n, tile.n) + ")";
}

void emitSimtMatmul(OpBuilder &b, Location loc, const SimtMatmul &p, const SimtTile &tile, const EpilogueHole &hole) {
  IndexBuilder ix{b, loc};
  Value zero = ix.c(0), one = ix.c(1);
  auto orZero = [&](Value v) { return v ? v : zero; };

  // Neighbouring programs share columns of B.
  Value tilesM = ix.tiles(p.m, tile.m), tileN = ix.div(p.tile, tilesM), tileM = ix.sub(p.tile, ix.mul(tileN, tilesM));
  Value row = ix.mul(tileM, tile.m), column = ix.mul(tileN, tile.n);
  Value rowsLeft = ix.sub(p.m, row), columnsLeft = ix.sub(p.n, column);
  Value tapSteps = ix.tiles(p.k, tile.k), steps = p.taps == 1 ? tapSteps : ix.mul(tapSteps, p.taps);
  for (auto [value, name] : {std::pair{row, "row"}, {column, "column"}, {rowsLeft, "rows_left"}, {columnsLeft, "columns_left"}, {steps, "steps"}})
    if (value.getDefiningOp()) value.setLoc(nameLoc(b, loc, name));
  Value aBase = ix.add(orZero(p.aOffset), ix.mul(row, p.aRowStride));
  Value bBase = ix.add(orZero(p.bOffset), ix.mul(ix.div(column, 16), p.bPanel));
  for (auto [value, name] : {std::pair{aBase, "a_base"}, {bBase, "b_base"}})
    if (value.getDefiningOp()) value.setLoc(nameLoc(b, loc, name));
  // Panels are filled up to 16 columns, so whole groups of columns can be read.
  Value bColumns = ix.mul(ix.tiles(columnsLeft, 16), 16);

  Type f32 = b.getF32Type();
  auto bufferA = VectorType::get({tile.k, tile.m}, f32), bufferB = VectorType::get({tile.k, tile.n}, f32);
  auto ring = tile::RingOp::create(b, loc, tile::RingType::get(b.getContext()), tile::RingKind::async, tile.stages,
                                   b.getTypeArrayAttr({bufferA, bufferB}), b.getStrArrayAttr({"a", "b"}), DenseI64ArrayAttr::get(b.getContext(), {4, 0}));
  auto fill = [&](Value step, Value slot) {
    Value aStart = aBase, bStart = bBase, left;
    if (p.taps > 1) {
      Value tap = ix.div(step, tapSteps);
      Value taken = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, tap, ix.c(p.taps));
      step = ix.sub(step, ix.mul(tap, tapSteps));
      left = arith::SelectOp::create(b, loc, taken, ix.sub(p.k, ix.mul(step, tile.k)), zero);
      aStart = ix.add(aStart, p.tapOffset(b, loc, tap));
      bStart = ix.add(bStart, ix.mul(ix.mul(tap, p.k), 16));
    }
    Value k = ix.mul(step, tile.k);
    if (!left) left = ix.sub(p.k, k);
    tile::CopyOp::create(b, loc, p.a, ix.add(aStart, ix.mul(k, p.aColumnStride)), ValueRange{p.aColumnStride, p.aRowStride},
                         ValueRange{left, rowsLeft}, Value(), slot, b.getI64IntegerAttr(0));
    tile::CopyOp::create(b, loc, p.b, ix.add(bStart, ix.mul(k, 16)), ValueRange{ix.c(16), one}, ValueRange{left, bColumns}, p.bPanel, slot,
                         b.getI64IntegerAttr(1));
  };

  Value sums = emitRingProduct(b, loc, ring, steps, VectorType::get({tile.m, tile.n}, f32), /*pending=*/0, fill);
  storeRingProduct(b, loc, sums, {p.c, p.cOffset, p.cRowStride, row, column, rowsLeft, columnsLeft}, hole);
}

}  // namespace jinx::schedules
