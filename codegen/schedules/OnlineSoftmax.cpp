#include "codegen/schedules/OnlineSoftmax.h"

#include <limits>

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::schedules {

SizeExpr OnlineSoftmax::take(const SizeExpr &elements) {
  SizeExpr offset = scratchBytes_;
  scratchBytes_ = scratchBytes_ + ceilDiv(elements, 16) * 64;
  return offset;
}
Value OnlineSoftmax::scratch(const SizeExpr &offset, Type element) {
  return tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), element ? element : element_), kb_.size(offset));
}

Value OnlineSoftmax::splat(int64_t width, double v) {
  auto type = vec(width);
  return arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(type, Attribute(b().getF32FloatAttr(float(v)))));
}
Value OnlineSoftmax::minusInfinity(int64_t width) { return splat(width, -std::numeric_limits<double>::infinity()); }
Value OnlineSoftmax::load(int64_t width, Value ptr, Value offset, Value limit) {
  return tile::LoadOp::create(b(), loc(), vec(width), ptr, offset, ValueRange{c(1)}, limit ? ValueRange(limit) : ValueRange());
}
Value OnlineSoftmax::loadSpread(int64_t width, Value ptr, Value offset) {
  return tile::LoadOp::create(b(), loc(), vec(width), ptr, offset, ValueRange{c(0)}, ValueRange());
}
void OnlineSoftmax::store(Value tile, Value ptr, Value offset, Value limit) {
  tile::StoreOp::create(b(), loc(), tile, ptr, offset, ValueRange{c(1)}, limit ? ValueRange(limit) : ValueRange());
}
void OnlineSoftmax::storeOne(Value scalar, Value ptr, Value offset) { store(vector::BroadcastOp::create(b(), loc(), vec(1), scalar), ptr, offset); }
Value OnlineSoftmax::larger(Value x, Value y) {
  return arith::SelectOp::create(b(), loc(), arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OGT, y, x), y, x);
}
Value OnlineSoftmax::largestLane(Value tile) {
  auto lanes = [&](int64_t begin, int64_t count) {
    return vector::ExtractStridedSliceOp::create(b(), loc(), tile, ArrayRef<int64_t>{begin}, ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1});
  };
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    Value low = lanes(0, width), high = lanes(width, width);
    tile = larger(low, high);
  }
  return tile;
}

void OnlineSoftmax::forRange(Value begin, Value end, int64_t step, function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b(), loc(), begin, end, c(step));
  OpBuilder::InsertionGuard guard(b());
  b().setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}
Value OnlineSoftmax::carry(Value begin, Value end, Value init, function_ref<Value(Value at, Value sofar)> body) {
  auto loop = scf::ForOp::create(b(), loc(), begin, end, c(kLanes), ValueRange{init});
  OpBuilder::InsertionGuard guard(b());
  b().setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(b(), loc(), body(loop.getInductionVar(), loop.getRegionIterArg(0)));
  return loop.getResult(0);
}
void OnlineSoftmax::forLanes(Value extent, int64_t width, function_ref<void(Value at, Value limit)> body) {
  auto constant = getConstantIntValue(extent);
  Value whole = kb_.mul(kb_.floorDiv(extent, c(width)), c(width));
  if (!constant || *constant >= width) forRange(c(0), whole, width, [&](Value at) { body(at, Value()); });
  if (constant && *constant % width == 0) return;
  forRange(whole, extent, width, [&](Value at) { body(at, kb_.sub(extent, at)); });
}
void OnlineSoftmax::forPanels(Value count, bool pairs, function_ref<void(Value panel, int64_t panels)> body) {
  auto constant = getConstantIntValue(count);
  if (!pairs || constant == 1) return forRange(c(0), count, 1, [&](Value p) { body(p, 1); });
  Value even = kb_.mul(kb_.floorDiv(count, c(2)), c(2));
  forRange(c(0), even, 2, [&](Value p) { body(p, 2); });
  if (!constant || *constant % 2) forRange(even, count, 1, [&](Value p) { body(p, 1); });
}

void OnlineSoftmax::start(Value context, Value count) {
  store(minusInfinity(kRowNumbers), largest(), c(0));
  store(minusInfinity(kRowNumbers), blockLargest(), c(0));
  store(splat(kRowNumbers, 0), sum(), c(0));
  store(splat(kRowNumbers, 0), blockSum(), c(0));
  forRange(c(0), count, kPanel, [&](Value at) { store(splat(kPanel, 0), context, at); });
}
void OnlineSoftmax::rescale() {
  Value before = load(kRowNumbers, largest(), c(0));
  Value now = larger(before, load(kRowNumbers, blockLargest(), c(0)));
  Value isNone = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, now, minusInfinity(kRowNumbers));
  Value shift = arith::SelectOp::create(b(), loc(), isNone, splat(kRowNumbers, 0), now);
  store(now, largest(), c(0));
  store(shift, shifts(), c(0));
  store(math::ExpOp::create(b(), loc(), arith::SubFOp::create(b(), loc(), before, shift)), factors(), c(0));
}
void OnlineSoftmax::computeWeights(Value score, int64_t scoreStride, Value rows, Value keys) {
  Value end = kb_.mul(kb_.floorDiv(kb_.add(keys, c(kLanes - 1)), c(kLanes)), c(kLanes));
  forRange(c(0), rows, 1, [&](Value r) {
    Value base = kb_.mul(r, c(scoreStride)), shift = loadSpread(kLanes, shifts(), r);
    Value total = carry(c(0), end, splat(kLanes, 0), [&](Value at, Value sofar) -> Value {
      Value x = load(kLanes, score, kb_.add(base, at));
      Value p = math::ExpOp::create(b(), loc(), arith::SubFOp::create(b(), loc(), x, shift));
      store(p, score, kb_.add(base, at));
      return arith::AddFOp::create(b(), loc(), sofar, p);
    });
    storeOne(tile::ReduceOp::create(b(), loc(), element_, tile::ReduceKind::sum, total), blockSum(), r);
  });
  Value l = arith::MulFOp::create(b(), loc(), load(kRowNumbers, sum(), c(0)), load(kRowNumbers, factors(), c(0)));
  store(arith::AddFOp::create(b(), loc(), l, load(kRowNumbers, blockSum(), c(0))), sum(), c(0));
}

}  // namespace jinx::schedules
