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

// Rates are of an H200 at 4096^3, relative; a multiprocessor with one block has a third less of them. Tiles of few rows wait for memory anyway.
MmaTile chooseMmaTile(int64_t m, int64_t n, int64_t matrices, bool areRowsAligned, const GpuArchitecture &gpu) {
  struct Candidate {
    MmaTile tile;
    double rate;
  };
  static const Candidate candidates[] = {{{128, 128, 2, 2, 3}, 400}, {{64, 128, 2, 2, 3}, 292}, {{64, 64, 2, 2, 4}, 253}, {{32, 64, 1, 2, 6}, 150}, {{16, 64, 1, 2, 6}, 110}};
  constexpr int64_t kUnknown = 2048, kMultiprocessors = 132;
  constexpr double kAlone = 1.35;
  m = m ? m : kUnknown, n = n ? n : kUnknown;
  MmaTile best;
  double bestCost = 0;
  for (const auto &[tile, rate] : candidates) {
    // Rows that begin anywhere are read through registers, which large tiles have none of.
    if (mmaSharedBytes(tile) > gpu.sharedBytes || (!areRowsAligned && tile.m * tile.n > 64 * 64)) continue;
    const int64_t tiles = ceilDiv(m, tile.m) * ceilDiv(n, tile.n) * matrices;
    const double cost = std::max(double(ceilDiv(tiles, kMultiprocessors)), kAlone) * double(tile.m * tile.n) / rate;
    if (bestCost == 0 || cost < bestCost) best = tile, bestCost = cost;
  }
  return best;
}

void emitMmaMatmul(OpBuilder &b, tile::KernelOp kernel, const MmaMatmul &p, const MmaTile &t, const EpilogueHole &hole) {
  Location loc = kernel.getLoc();
  MLIRContext *context = b.getContext();
  IndexBuilder ix{b, loc};
  kernel->setAttr("warps", DenseI64ArrayAttr::get(context, {t.warpsM, t.warpsN}));
  Value zero = ix.c(0);
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
  storeRingProduct(b, loc, sums, {p.c, p.cOffset, p.cRowStride, row, column, rowsLeft, columnsLeft}, hole);
}

}  // namespace jinx::schedules
