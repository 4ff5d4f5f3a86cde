// The matmul of warps (mma.sync), for what the copy engine does not take and for GPUs without one: operands through a ring of cp.async copies
// (RingProduct.h).
//
// A slot holds 128 bytes of k: m rows of A, n rows of B. Copies past the edges write zeros, so the product needs no mask, and slices past the end of
// k are copies of nothing. Rows that begin at multiples of 16 bytes come 16 bytes at a time, of 4 bytes four at a time; others are read element by
// element. A block computes one tile; tiles are visited in bands, as in WgmmaMatmul.cpp.
#include <algorithm>

#include "codegen/schedules/cuda/CudaMatmul.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "codegen/schedules/cuda/RingProduct.h"

using namespace mlir;

namespace jinx::schedules {

namespace {
constexpr int64_t kSlotBytes = 128;  // of k in a slot
int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
}  // namespace

int64_t mmaSharedBytes(const MmaTile &t) { return t.stages * (t.m + t.n) * kSlotBytes; }

MmaTile chooseMmaTile(int64_t m, int64_t n, int64_t matrices, int64_t sm) {
  static const MmaTile candidates[] = {{128, 128, 2, 2, 3}, {128, 64, 2, 2, 3}, {64, 128, 2, 2, 3}, {64, 64, 2, 2, 4}, {16, 128, 1, 4, 4}, {32, 128, 1, 4, 4}};
  constexpr int64_t kUnknown = 2048;
  (void)sm;
  m = m ? m : kUnknown, n = n ? n : kUnknown;
  MmaTile best;
  double bestCost = 0;
  for (const MmaTile &t : candidates) {
    const int64_t tiles = ceilDiv(m, t.m) * ceilDiv(n, t.n) * matrices, waves = ceilDiv(tiles, 132 * 2);
    const double cost = double(waves) * double(t.m * t.n + 24 * (t.m + t.n));
    if (bestCost == 0 || cost < bestCost) best = t, bestCost = cost;
  }
  return best;
}

void emitMmaMatmul(OpBuilder &b, tile::KernelOp kernel, const MmaMatmul &p, const MmaTile &t, const EpilogueHole &hole) {
  Location loc = kernel.getLoc();
  MLIRContext *context = b.getContext();
  IndexBuilder ix{b, loc};
  kernel->setAttr("warps", DenseI64ArrayAttr::get(context, {t.warpsM, t.warpsN}));
  Value zero = ix.c(0), one = ix.c(1);
  auto orZero = [&](Value v) { return v ? v : zero; };
  auto called = [&](Value v, StringRef name) {
    if (v.getDefiningOp() && !v.getDefiningOp<arith::ConstantOp>()) v.setLoc(nameLoc(b, loc, name));
    return v;
  };

  // This program's tile: bands of t.band tiles of m, crossed along n.
  Value tilesM = called(ix.tiles(p.m, t.m), "tiles_m"), tilesN = called(ix.tiles(p.n, t.n), "tiles_n");
  Value bandSize = ix.mul(tilesN, t.band), band = called(ix.div(p.tile, bandSize), "band");
  Value within = called(ix.sub(p.tile, ix.mul(band, bandSize)), "within");
  Value width = called(ix.min(ix.c(t.band), ix.sub(tilesM, ix.mul(band, t.band))), "width");
  Value along = called(ix.div(within, width), "along"), across = ix.sub(ix.add(ix.mul(band, t.band), within), ix.mul(along, width));
  Value row = called(ix.mul(across, t.m), "row"), column = called(ix.mul(along, t.n), "column");
  Value rowsLeft = called(ix.sub(p.m, row), "rows_left"), columnsLeft = called(ix.sub(p.n, column), "columns_left");

  const int64_t depth = kSlotBytes / (p.elementA.getIntOrFloatBitWidth() / 8);  // of a slot
  Value tapSteps = ix.tiles(p.k, depth), steps = called(p.taps == 1 ? tapSteps : ix.mul(tapSteps, p.taps), "steps");
  Value aBase = called(ix.add(orZero(p.aOffset), ix.mul(row, p.aRowStride)), "a_base");
  Value bBase = called(ix.add(orZero(p.bOffset), ix.mul(column, p.bRowStride)), "b_base");
  auto ring = tile::RingOp::create(b, loc, tile::RingType::get(context), tile::RingKind::async, t.stages,
                                   b.getTypeArrayAttr({VectorType::get({t.m, depth}, p.elementA), VectorType::get({t.n, depth}, p.elementB)}),
                                   b.getStrArrayAttr({"a", "b"}), DenseI64ArrayAttr::get(context, {}));
  auto fill = [&](Value step, Value slot) {
    Value aStart = aBase, bStart = bBase, left;
    if (p.taps > 1) {
      Value tap = ix.div(step, tapSteps);
      Value isThere = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, tap, ix.c(p.taps));
      step = ix.sub(step, ix.mul(tap, tapSteps));
      left = arith::SelectOp::create(b, loc, isThere, ix.sub(p.k, ix.mul(step, depth)), zero);
      aStart = ix.add(aStart, p.tapOffset(b, loc, tap));
      bStart = ix.add(bStart, ix.mul(tap, p.bTap));
    }
    Value k = ix.mul(step, depth);
    if (!left) left = ix.sub(p.k, k);
    auto copy = [&](Value from, Value start, Value rowStride, Value columnStride, Value rows, int64_t buffer) {
      tile::CopyOp::create(b, loc, from, ix.add(start, ix.mul(k, columnStride)), ValueRange{rowStride, columnStride}, ValueRange{rows, left}, Value(), slot,
                           b.getI64IntegerAttr(buffer));
    };
    copy(p.a, aStart, p.aRowStride, p.aColumnStride, rowsLeft, 0);
    copy(p.b, bStart, p.bRowStride, p.bColumnStride, columnsLeft, 1);
  };
  Type sumType = p.elementA.isInteger(8) ? Type(b.getI32Type()) : b.getF32Type();
  Value sums = emitRingProduct(b, loc, ring, steps, VectorType::get({t.m, t.n}, sumType), /*pending=*/1, fill);
  Value result = hole(b, loc, sums, {Value(), row, column});
  if (!result) return;
  Value at = ix.add(ix.add(orZero(p.cOffset), ix.mul(row, p.cRowStride)), column);
  auto store = tile::StoreOp::create(b, loc, result, p.c, at, ValueRange{p.cRowStride, one}, ValueRange{rowsLeft, columnsLeft});
  phase(store, "Epilogue and store");
}

}  // namespace jinx::schedules
