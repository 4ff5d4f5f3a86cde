#include "codegen/schedules/cuda/CodeMatmul.h"

#include <algorithm>

#include "codegen/schedules/cuda/IndexBuilder.h"
#include "codegen/schedules/cuda/RingProduct.h"

using namespace mlir;

namespace jinx::schedules {

namespace {
constexpr int64_t kBlock = 16, kChunk = 64, kPanel = 4;  // channels of a block, k of a chunk, blocks whose codes of a chunk are one run
/// Warps that a multiprocessor has registers for: 128 a lane, or all that a lane can name.
int64_t residentWarps(int64_t rows) { return rows <= 16 ? 16 : 8; }
int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
}  // namespace

// What the slowest multiprocessor reads, in rounds of blocks that are resident together; each round begins and ends, which takes as long as some columns do.
// Of an H200, 4 bits, one row: 14336 x 4096 in tiles of 64 columns (224 blocks of 8 warps, one round) 11.5 us, of 32 columns (two rounds) 13.1; 4096 x 14336 in
// tiles of 32 columns and 16 warps 12.3, of 64 in clusters of two 11.2, and in clusters of four, which do not all find places, 17.
CodeTile chooseCodeTile(int64_t m, int64_t n, int64_t k, bool hasOffsets, const GpuArchitecture &gpu) {
  constexpr int64_t kUnknown = 4096, kUnknownRows = 16, kMultiprocessors = 132, kRound = 40 * 1024;
  m = m ? m : kUnknownRows, n = n ? n : kUnknown, k = k ? k : kUnknown;
  const int64_t rows = m <= 8 ? 8 : m <= 16 ? 16 : m <= 32 ? 32 : 64;
  CodeTile best;
  int64_t bestCost = 0;
  static const CodeTile candidates[] = {{0, 64, 1, 8, 1}, {0, 64, 1, 16, 2}, {0, 32, 1, 16, 1}, {0, 32, 1, 8, 1}, {0, 64, 1, 16, 1}, {0, 32, 1, 8, 2}, {0, 64, 1, 8, 2}};
  for (CodeTile tile : candidates) {
    const auto [none, columns, warpsN, warpsK, splits] = tile;
    if (rows * columns > (hasOffsets ? 512 : 32 * 64)) continue;  // a lane's registers: sums, activations and, with offsets, their sums
    if (warpsK > residentWarps(rows) || (splits > 1 && !gpu.hasCopyEngine())) continue;
    tile.rows = rows;
    const int64_t together = residentWarps(rows) / (warpsN * warpsK);
    const int64_t blocks = ceilDiv(m, rows) * ceilDiv(n, columns) * splits, rounds = ceilDiv(blocks, kMultiprocessors * together);
    const int64_t cost = rounds * (together * columns * ceilDiv(k, splits) + kRound);
    if (bestCost == 0 || cost < bestCost) best = tile, bestCost = cost;
  }
  return best;
}

SizeExpr codePrograms(const CodeTile &t, const SizeExpr &m, const SizeExpr &n) {
  return ceilDiv(m, t.rows) * ceilDiv(n, t.columns) * SizeExpr(t.splits);
}

void emitCodeMatmul(OpBuilder &b, tile::KernelOp kernel, const CodeMatmul &p, const CodeTile &t, const EpilogueHole &hole) {
  Location loc = kernel.getLoc();
  IndexBuilder ix{b, loc};
  kernel->setAttr("threads", b.getI64IntegerAttr(t.threads()));
  kernel->setAttr("blocks", b.getI64IntegerAttr(std::max<int64_t>(1, residentWarps(t.rows) * 32 / t.threads())));
  if (t.splits > 1) kernel->setAttr("cluster", b.getDenseI64ArrayAttr({1, 1, t.splits}));
  auto called = [&](Value v, StringRef name) {
    if (v.getDefiningOp() && !v.getDefiningOp<arith::ConstantOp>()) v.setLoc(nameLoc(b, loc, name));
    return v;
  };
  auto elementOf = [](Value pointer) { return cast<tile::PtrType>(pointer.getType()).getElement(); };
  Value zero = ix.c(0);

  // This block's tile: those of the same columns are neighbours, so that their codes come from memory once.
  Value tilesM = ix.tiles(p.m, t.rows), along = called(ix.div(p.tile, tilesM), "along");
  Value row = called(ix.mul(ix.sub(p.tile, ix.mul(along, tilesM)), t.rows), "row"), column = called(ix.mul(along, t.columns), "column");
  Value rowsLeft = called(ix.min(ix.c(t.rows), ix.sub(p.m, row)), "rows_left"), columnsLeft = called(ix.sub(p.n, column), "columns_left");

  // Its part of k, in chunks.
  Value chunks = ix.tiles(p.k, kChunk), from = zero, to = chunks;
  if (t.splits > 1) {
    Value each = called(ix.tiles(chunks, t.splits), "chunks_of_part");
    from = called(ix.mul(tile::ClusterRankOp::create(b, loc, b.getIndexType(), 2), each), "from");
    to = called(ix.min(ix.add(from, each), chunks), "to");
  }
  const int64_t chunkSize = kBlock * kChunk * p.bits / elementOf(p.codes).getIntOrFloatBitWidth();
  Value groups = ix.tiles(p.k, p.group), block = ix.div(column, kBlock);
  Value codesLine = called(ix.mul(chunks, kPanel * chunkSize), "codes_line"), scalesLine = called(ix.mul(groups, kBlock), "scales_line");
  Value panel = ix.div(block, kPanel), codesBase = ix.mul(panel, codesLine);
  if (t.columns % (kPanel * kBlock)) codesBase = ix.add(codesBase, ix.mul(ix.sub(block, ix.mul(panel, kPanel)), chunkSize));  // within a run
  auto columns = getConstantIntValue(p.n);
  Value blocks = columns && *columns % t.columns == 0 ? Value() : called(ix.tiles(columnsLeft, kBlock), "blocks_left");
  Value aBase = ix.mul(row, p.aRowStride);
  if (p.aOffset) aBase = ix.add(p.aOffset, aBase);
  Value parts = tile::DotCodesOp::create(b, loc, VectorType::get({t.warpsK, t.rows, t.columns}, b.getF32Type()), p.a, called(aBase, "a_base"), p.aRowStride, rowsLeft, p.codes,
                                         called(codesBase, "codes_base"), codesLine, p.scales, p.offsets, called(ix.mul(block, scalesLine), "scales_base"),
                                         scalesLine, blocks, p.k, from, to, uint64_t(p.bits), uint64_t(p.group), uint64_t(p.zero),
                                         p.levels.empty() ? DenseF32ArrayAttr() : b.getDenseF32ArrayAttr(p.levels));
  if (p.isConstant) parts.getDefiningOp()->setAttr("constant", b.getUnitAttr());
  const int64_t slice = t.columns / t.splits;
  Value sums = tile::SumWarpsOp::create(b, loc, VectorType::get({t.rows, slice}, b.getF32Type()), parts);
  if (t.splits > 1) {
    Value first = ix.mul(tile::ClusterRankOp::create(b, loc, b.getIndexType(), 2), slice);
    column = called(ix.add(column, first), "slice_column"), columnsLeft = ix.sub(columnsLeft, first);
  }
  storeRingProduct(b, loc, sums, {p.c, Value(), p.cRowStride, row, column, rowsLeft, columnsLeft}, hole);
}

}  // namespace jinx::schedules
