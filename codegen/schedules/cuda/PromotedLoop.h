// Sums over slots whose products are summed apart, and scaled apart: a consumer's loop of the wgmma product. Internal to codegen/schedules/cuda.
//
//   for each slot:   wait for it; multiply into products; give it back once they are done; sum = sum + products, or sum + products * scales
//
// Scales of blocks of 128 along k (BlockScales) cost a multiplication that joins the addition, and loads that run under the products of the slot
// before. A thread has two rows, and as many scales; columns of a tile share one where blocks of B are as wide.
#pragma once

#include <optional>

#include "codegen/schedules/cuda/CudaMatmul.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace jinx::schedules {

constexpr int64_t kLow = 2;  ///< the buffer of b's low parts

namespace promoted {
using namespace mlir;

/// The scales of a tile's rows (axis 0) or columns (1): what is known of them before its first step.
struct TileScales {
  OpBuilder &b;
  Location loc;
  const BlockScales &scales;
  int64_t axis;
  int64_t length;
  Value begin, left, stride;  ///< place of the first one in the buffer; how many there are from it on; from one to the next

  /// \param first, count  of the tile, of the operand: rows, or columns
  TileScales(OpBuilder &b, Location loc, const BlockScales &scales, int64_t axis, int64_t length, Value first, Value count, Value matrix, Value steps)
      : b(b), loc(loc), scales(scales), axis(axis), length(length), stride(steps) {
    IndexBuilder ix{b, loc};
    Value row = ix.div(first, scales.shared), rows = ix.tiles(count, scales.shared);
    left = ix.sub(rows, row);
    begin = ix.mul(scales.hasBatch && matrix ? ix.add(ix.mul(matrix, rows), row) : row, steps);
    if (begin.getDefiningOp() && !begin.getDefiningOp<arith::ConstantOp>()) begin.setLoc(nameLoc(b, loc, axis == 0 ? "row_scales" : "column_scales"));
  }
  /// A tile of all, or one number where they share it. \param end  of the steps that there are; null: it is known to be one of them
  Value load(Value step, Value end) const {
    IndexBuilder ix{b, loc};
    Type f32 = b.getF32Type();
    Value one = ix.c(1), none = ix.c(0), offset = ix.add(begin, step), there = left;
    if (end) there = b.createOrFold<arith::SelectOp>(loc, b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::slt, step, end), left, none);
    if (scales.shared > 1) {
      Value number = tile::LoadOp::create(b, nameLoc(b, loc, "block_scale"), VectorType::get({1}, f32), scales.buffer, offset, ValueRange{one}, ValueRange{there});
      return vector::ExtractOp::create(b, loc, number, ArrayRef<int64_t>{0});
    }
    SmallVector<int64_t> shape = {1, 1};
    SmallVector<Value> strides = {none, none}, limits = {one, one};
    shape[axis] = length, strides[axis] = stride, limits[axis] = there;
    auto load = tile::LoadOp::create(b, nameLoc(b, loc, axis == 0 ? "row_scale" : "column_scale"), VectorType::get(shape, f32), scales.buffer, offset, strides, limits);
    if (end) load->setAttr("early", b.getUnitAttr());
    return load;
  }
};

/// Those of a slot's products: numbers of rows and of columns, and what they are multiplied by.
struct ProductScales {
  TileScales rows, columns;
  VectorType type;  ///< of the products

  SmallVector<Value, 2> load(Value step, Value end = {}) const { return {rows.load(step, end), columns.load(step, end)}; }
  /// One tile, or one for the rows and one for the columns, whose product would take as many registers as the sums.
  SmallVector<Value> tiles(ValueRange loaded) const {
    OpBuilder &b = rows.b;
    auto over = [&](Value v, Type shape) -> Value { return v.getType() == shape ? v : Value(vector::BroadcastOp::create(b, rows.loc, shape, v)); };
    auto rowTile = dyn_cast<VectorType>(loaded[0].getType()), columnTile = dyn_cast<VectorType>(loaded[1].getType());
    if (rowTile && columnTile) return {over(loaded[0], type), over(loaded[1], type)};
    const Type shape = rowTile ? Type(rowTile) : columnTile ? Type(columnTile) : b.getF32Type();
    return {over(arith::MulFOp::create(b, nameLoc(b, rows.loc, "scale"), over(loaded[0], shape), over(loaded[1], shape)), type)};
  }
  /// Whether registers hold the next step's, too.
  bool fitTwice() const {
    constexpr int64_t kMostColumns = 64;
    return columns.scales.shared > 1 || columns.length <= kMostColumns;
  }
};

/// Sums over slots whose products are summed apart: what a consumer does between a tile's first step and its epilogue.
struct PromotedLoop {
  OpBuilder &b;
  Location loc;
  Value ring, firstRow;
  VectorType type;
  bool pairs, highLow;
  std::optional<ProductScales> scales;  ///< that a slot's products are multiplied by

  Value product() {
    auto slot = tile::RingWaitOp::create(b, loc, tile::SlotType::get(b.getContext()), ring, 0).getSlot();
    if (highLow) return tile::MmaHighLowOp::create(b, nameLoc(b, loc, "product"), type, slot, 0, firstRow, 1, kLow).getResult();
    return tile::MmaSharedOp::create(b, nameLoc(b, loc, "product"), type, slot, 0, firstRow, slot, 1).getResult();
  }
  void release(int64_t lag) { tile::RingReleaseOp::create(b, loc, ring, lag); }
  Value wait(Value product, int64_t pending) { return tile::MmaWaitOp::create(b, loc, type, product, pending).getResult(); }
  /// Before the wait: they are loaded while the products run.
  SmallVector<Value> scalesOf(Value step) { return scales ? scales->tiles(scales->load(step)) : SmallVector<Value>(); }
  Value add(Value sum, Value done, ArrayRef<Value> by) {
    if (by.empty()) return arith::AddFOp::create(b, nameLoc(b, loc, "sum"), sum, done);
    for (Value scale : by.drop_back()) done = arith::MulFOp::create(b, loc, done, scale);
    return math::FmaOp::create(b, nameLoc(b, loc, "sum"), done, by.back(), sum);
  }
  /// Scales of a step are loaded a step ahead: memory answers later than the tensor core.
  bool loadsAhead() const { return scales && !pairs && scales->fitTwice(); }

  /// The sum, and what is loaded for the next step.
  SmallVector<Value> one(Value sum, ValueRange loaded, Value step, Value end) {
    Value running = product();
    auto by = loaded.empty() ? scalesOf(step) : scales->tiles(loaded);
    SmallVector<Value> next;
    if (!loaded.empty()) llvm::append_range(next, scales->load(IndexBuilder{b, loc}.add(step, 1), end));
    if (pairs) release(1);  // of a ring whose slots lag: nothing yet
    Value done = wait(running, 0);
    release(0);
    next.insert(next.begin(), add(sum, done, by));
    return next;
  }
  SmallVector<Value> two(Value sum, Value step) {
    Value first = product();
    release(1);
    Value second = product();
    auto firstBy = scalesOf(step), secondBy = scales ? scalesOf(IndexBuilder{b, loc}.add(step, 1)) : SmallVector<Value>();
    Value done = wait(first, 1);
    release(1);
    sum = add(sum, done, firstBy);
    done = wait(second, 0);
    release(0);
    return {add(sum, done, secondBy)};
  }
  Value run(Value from, Value to, Value zeros) {
    IndexBuilder ix{b, loc};
    SmallVector<Value> begun = {zeros};
    if (loadsAhead()) llvm::append_range(begun, scales->load(from, to));
    auto loop = [&](Value from, Value to, int64_t step, ValueRange begun, auto body) {
      auto op = scf::ForOp::create(b, loc, from, to, ix.c(step), begun);
      op.getInductionVar().setLoc(nameLoc(b, loc, "step"));
      for (auto [i, arg] : llvm::enumerate(op.getRegionIterArgs().drop_front())) arg.setLoc(nameLoc(b, loc, i == 0 ? "next_of_rows" : "next_of_columns"));
      phase(op, "Multiply: a slot's products have sums of their own, which f32 registers add up");
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(op.getBody());
      scf::YieldOp::create(b, loc, body(op.getRegionIterArg(0), op.getRegionIterArgs().drop_front(), op.getInductionVar()));
      return op.getResult(0);
    };
    auto single = [&](Value sum, ValueRange loaded, Value step) { return one(sum, loaded, step, to); };
    if (!pairs) return loop(from, to, 1, begun, single);
    Value even = ix.add(from, ix.mul(ix.div(ix.sub(to, from), 2), 2));
    if (even.getDefiningOp() && !even.getDefiningOp<arith::ConstantOp>()) even.setLoc(nameLoc(b, loc, "even_end"));
    Value sum = loop(from, even, 2, begun, [&](Value sum, ValueRange, Value step) { return two(sum, step); });
    auto known = getConstantIntValue(even);
    if (known && known == getConstantIntValue(to)) return sum;
    return loop(even, to, 1, sum, single);
  }
};

}  // namespace promoted

}  // namespace jinx::schedules
