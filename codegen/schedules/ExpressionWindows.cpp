// Holes that look at a neighbourhood: pools, depthwise convolution, resize; and packing.
#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {
Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
}  // namespace

Value ExpressionEmitter::emitPack(PackOp op, ArrayRef<Coordinate> at) {
  // y[batch…, panel, k, j]: column 16*panel + j. Columns past the last are never used: only their loads must be avoided.
  // Interleaved by i, j is i times a column and a row of the i that begin at i*k.
  size_t rank = at.size();
  const Coordinate &panel = at[rank - 3], &j = at[rank - 1];
  Coordinate k = at[rank - 2];
  Value first = kb_.mul(panel.base, kb_.constant(16));
  Coordinate column{kb_.add(first, j.base), j.step, {}};
  const int64_t interleave = op.getInterleave();
  if (interleave != 1) {
    Value lanes = lanesOf(j), each = kb_.splat(kb_.constant(interleave), width_);
    Value columnLanes = arith::DivUIOp::create(kb_.b(), kb_.loc(), lanes, each), rowLanes = arith::RemUIOp::create(kb_.b(), kb_.loc(), lanes, each);
    column.lanes = arith::AddIOp::create(kb_.b(), kb_.loc(), columnLanes, kb_.splat(first, width_));
    k.lanes = arith::AddIOp::create(kb_.b(), kb_.loc(), rowLanes, kb_.splat(kb_.mul(k.base, kb_.constant(interleave)), width_));
  }
  Coordinates mapped(at.begin(), at.end() - 3);
  Sizes in = sizesOf(op.getB().getType());
  SizeExpr columns = op.getTranspose() ? in[in.size() - 2] : in.back();
  if (op.getTranspose()) {
    mapped.push_back(column);
    mapped.push_back(k);
  } else {
    mapped.push_back(k);
    mapped.push_back(column);
  }
  if (columns.constant() && *columns.constant() % 16 == 0) return evaluate(op.getB(), mapped);
  Value saved = limit_, valid = kb_.sub(kb_.mul(kb_.sub(kb_.size(columns), first), kb_.constant(interleave)), j.base);
  setLimit(saved ? kb_.min(saved, valid) : valid);
  Value tile = evaluate(op.getB(), mapped);
  setLimit(saved);
  return tile;
}

// For a scalar output position o, the offsets k with 0 <= o*stride - pad + k*dilation < extent are a range [low, high).
SmallVector<std::pair<Value, Value>> ExpressionEmitter::windowBounds(const Window &w) {
  SmallVector<std::pair<Value, Value>> bounds;
  OpBuilder &b = kb_.b();
  for (size_t d = 0; d < w.kernel.size(); ++d) {
    Value zero = kb_.constant(0), size = kb_.constant(w.kernel[d]);
    if (!isScalar(w.at[d])) {
      bounds.push_back({zero, size});
      continue;
    }
    Value first = kb_.sub(kb_.mul(w.at[d].base, kb_.constant(w.strides[d])), kb_.constant(w.pads[d]));
    Value dilation = kb_.constant(w.dilations[d]);
    auto ceilDiv = [&](Value x) -> Value { return w.dilations[d] == 1 ? x : Value(arith::CeilDivSIOp::create(b, kb_.loc(), x, dilation)); };
    Value low = w.pads[d] > 0 ? kb_.max(zero, ceilDiv(kb_.sub(zero, first))) : zero;
    Value high = kb_.min(size, ceilDiv(kb_.sub(kb_.size(w.extents[d]), first)));
    bounds.push_back({low, high});
  }
  return bounds;
}

Value ExpressionEmitter::emitWindow(const Window &w, Value init, WindowBody body) {
  OpBuilder &b = kb_.b();
  auto bounds = windowBounds(w);
  auto outer = cache_;
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Value> ks;
  SmallVector<scf::ForOp> loops;
  Value acc = init;
  for (auto [low, high] : bounds) {
    auto loop = scf::ForOp::create(b, kb_.loc(), low, high, kb_.constant(1), ValueRange{acc});
    loops.push_back(loop);
    ks.push_back(loop.getInductionVar());
    acc = loop.getRegionIterArg(0);
    b.setInsertionPointToStart(loop.getBody());
  }
  Coordinates x;
  Value inside;
  for (size_t d = 0; d < ks.size(); ++d) {
    Value shift = kb_.sub(kb_.mul(ks[d], kb_.constant(w.dilations[d])), kb_.constant(w.pads[d]));
    if (isScalar(w.at[d])) {
      x.push_back({kb_.add(kb_.mul(w.at[d].base, kb_.constant(w.strides[d])), shift), 0, {}});
      continue;
    }
    Value c = arith::MulIOp::create(b, kb_.loc(), lanesOf(w.at[d]), kb_.splat(kb_.constant(w.strides[d]), width_));
    c = arith::AddIOp::create(b, kb_.loc(), c, kb_.splat(shift, width_));
    Value zero = kb_.splat(kb_.constant(0), width_), last = kb_.splat(kb_.size(w.extents[d] - 1), width_);
    Value valid = arith::AndIOp::create(b, kb_.loc(), arith::CmpIOp::create(b, kb_.loc(), arith::CmpIPredicate::sge, c, zero),
                                        arith::CmpIOp::create(b, kb_.loc(), arith::CmpIPredicate::sle, c, last));
    inside = inside ? Value(arith::AndIOp::create(b, kb_.loc(), inside, valid)) : valid;
    c = arith::MaxSIOp::create(b, kb_.loc(), arith::MinSIOp::create(b, kb_.loc(), c, last), zero);
    x.push_back({{}, 0, c});
  }
  Value result = body(acc, ks, x, inside);
  for (size_t d = loops.size(); d-- > 0;) {
    scf::YieldOp::create(b, kb_.loc(), result);
    result = loops[d].getResult(0);
    b.setInsertionPointAfter(loops[d]);
  }
  cache_ = std::move(outer);
  return result;
}

Value ExpressionEmitter::emitPool(PoolOp op, ArrayRef<Coordinate> at) {
  OpBuilder &b = kb_.b();
  Location loc = kb_.loc();
  size_t firstSpatial = op.getChannelsLast() ? 1 : 2, spatial = op.getKernel().size();
  Sizes x = sizesOf(op.getX().getType());
  Window w{op.getKernel(), op.getStrides(), op.getPads(), op.getDilations(), {}, at.slice(firstSpatial, spatial)};
  for (size_t d = 0; d < spatial; ++d) w.extents.push_back(x[firstSpatial + d]);
  Type element = registerType(elementOf(op.getX()));
  auto type = tileType(element);
  bool isMax = op.getKind() == PoolKind::max, isUnsigned = elementOf(op.getX()).isUnsignedInteger();
  auto kind = isMax ? ReduceKind::max : ReduceKind::sum;
  Value neutral = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, Attribute(neutralElement(b, kind, element, isUnsigned))));
  auto readAt = [&](ArrayRef<Coordinate> position, Value inside) {
    Coordinates mapped(at.begin(), at.end());
    for (size_t d = 0; d < spatial; ++d) mapped[firstSpatial + d] = position[d];
    Value v = evaluate(op.getX(), mapped);
    return inside ? Value(arith::SelectOp::create(b, loc, inside, v, neutral)) : v;
  };
  Value total = emitWindow(w, neutral, [&](Value acc, ArrayRef<Value>, ArrayRef<Coordinate> position, Value inside) {
    return buildCombine(b, loc, kind, acc, readAt(position, inside), isUnsigned);
  });
  if (isMax) return total;
  // The divisor: a scalar when no lane moves along a spatial dimension, else counted per lane.
  Value count;
  bool includePad = op.getKind() == PoolKind::average_include_pad;
  if (includePad) {  // positions inside the padded x: ceil mode may step beyond its end
    Value product = kb_.splat(kb_.constant(1), width_);
    for (size_t d = 0; d < spatial; ++d) {
      Value first = arith::MulIOp::create(b, loc, lanesOf(w.at[d]), kb_.splat(kb_.constant(w.strides[d]), width_));
      Value room = arith::SubIOp::create(b, loc, kb_.splat(kb_.size(w.extents[d] + w.pads[d] + w.pads[spatial + d]), width_), first);
      Value dilation = kb_.splat(kb_.constant(w.dilations[d]), width_);
      room = arith::CeilDivSIOp::create(b, loc, room, dilation);
      room = arith::MinSIOp::create(b, loc, room, kb_.splat(kb_.constant(w.kernel[d]), width_));
      product = arith::MulIOp::create(b, loc, product, room);
    }
    count = product;
  } else if (llvm::all_of(w.at, [&](const Coordinate &c) { return isScalar(c); })) {
    Value product = kb_.constant(1);
    for (auto [low, high] : windowBounds(w)) product = kb_.mul(product, kb_.sub(high, low));
    count = kb_.splat(product, width_);
  } else {
    Value zero = kb_.splat(kb_.constant(0), width_), one = kb_.splat(kb_.constant(1), width_);
    count = emitWindow(w, zero, [&](Value acc, ArrayRef<Value>, ArrayRef<Coordinate>, Value inside) {
      Value add = inside ? Value(arith::SelectOp::create(b, loc, inside, one, zero)) : one;
      return Value(arith::AddIOp::create(b, loc, acc, add));
    });
  }
  Value wide = arith::IndexCastOp::create(b, loc, tileType(b.getI64Type()), count);
  Value divisor = arith::SIToFPOp::create(b, loc, type, wide);
  return arith::DivFOp::create(b, loc, total, divisor);
}

Value ExpressionEmitter::emitDepthwise(DepthwiseConvOp op, ArrayRef<Coordinate> at) {
  OpBuilder &b = kb_.b();
  Location loc = kb_.loc();
  size_t spatial = op.getStrides().size();
  Sizes x = sizesOf(op.getX().getType()), wSizes = sizesOf(op.getW().getType());
  SmallVector<int64_t> kernel;
  for (size_t d = 0; d < spatial; ++d) kernel.push_back(*wSizes[d].constant());
  Window w{kernel, op.getStrides(), op.getPads(), op.getDilations(), {}, at.slice(1, spatial)};
  for (size_t d = 0; d < spatial; ++d) w.extents.push_back(x[1 + d]);
  auto type = tileType(registerType(elementOf(op.getX())));
  Value zero = arith::ConstantOp::create(b, loc, type, b.getZeroAttr(type));
  return emitWindow(w, zero, [&](Value acc, ArrayRef<Value> k, ArrayRef<Coordinate> position, Value inside) -> Value {
    Coordinates xAt(at.begin(), at.end()), wAt;
    for (size_t d = 0; d < spatial; ++d) {
      xAt[1 + d] = position[d];
      wAt.push_back({k[d], 0, {}});
    }
    wAt.push_back(at.back());
    Value v = evaluate(op.getX(), xAt), weight = evaluate(op.getW(), wAt);
    if (inside) v = arith::SelectOp::create(b, loc, inside, v, zero);
    if (isa<FloatType>(type.getElementType())) return vector::FMAOp::create(b, loc, v, weight, acc);
    return arith::AddIOp::create(b, loc, acc, arith::MulIOp::create(b, loc, v, weight));
  });
}

// Resampling is separable: dimension by dimension a position in x is found, and for linear mode two neighbours are blended.
Value ExpressionEmitter::emitResize(ResizeOp op, ArrayRef<Coordinate> at) {
  Coordinates mapped(at.begin(), at.end());
  return emitSample(op, at, 0, mapped);
}

Value ExpressionEmitter::emitSample(ResizeOp op, ArrayRef<Coordinate> at, size_t dim, Coordinates &mapped) {
  OpBuilder &b = kb_.b();
  Location loc = kb_.loc();
  Sizes in = sizesOf(op.getX().getType()), out = sizesOf(op.getY().getType());
  while (dim < in.size() && in[dim] == out[dim]) ++dim;
  if (dim == in.size()) return evaluate(op.getX(), mapped);
  bool scalar = isScalar(at[dim]);
  Type f32 = b.getF32Type();
  auto like = [&](Type element) -> Type { return scalar ? element : tileType(element); };
  auto number = [&](double v) -> Value {
    auto attr = b.getFloatAttr(f32, v);
    if (scalar) return arith::ConstantOp::create(b, loc, attr);
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(tileType(f32), Attribute(attr)));
  };
  auto toFloat = [&](Value index) -> Value {
    Value i = arith::IndexCastOp::create(b, loc, like(b.getI64Type()), index);
    return arith::SIToFPOp::create(b, loc, like(f32), i);
  };
  auto spread = [&](Value v) { return scalar ? v : kb_.splat(v, width_); };
  auto add = [&](Value x, Value y) -> Value { return arith::AddFOp::create(b, loc, x, y); };
  auto sub = [&](Value x, Value y) -> Value { return arith::SubFOp::create(b, loc, x, y); };
  auto mul = [&](Value x, Value y) -> Value { return arith::MulFOp::create(b, loc, x, y); };
  auto div = [&](Value x, Value y) -> Value { return arith::DivFOp::create(b, loc, x, y); };
  Value o = toFloat(scalar ? at[dim].base : lanesOf(at[dim]));
  Value inSize = toFloat(spread(kb_.size(in[dim]))), outSize = toFloat(spread(kb_.size(out[dim])));
  double given = op.getScales()[dim];
  Value scale = given != 0 ? number(given) : div(outSize, inSize);
  StringRef mode = op.getCoordinates();
  Value position;
  if (mode == "asymmetric") {
    position = div(o, scale);
  } else if (mode == "align_corners") {
    Value one = number(1), denominator = arith::MaximumFOp::create(b, loc, sub(outSize, one), one);
    position = div(mul(o, sub(inSize, one)), denominator);
  } else {  // half_pixel, pytorch_half_pixel (whose special case, out = 1, samples at 0)
    position = sub(div(add(o, number(0.5)), scale), number(0.5));
    if (mode == "pytorch_half_pixel") {
      Value several = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, outSize, number(1));
      position = arith::SelectOp::create(b, loc, several, position, number(0));
    }
  }
  auto toCoordinate = [&](Value rounded) {  // clamped into x
    Value i = arith::FPToSIOp::create(b, loc, like(b.getI64Type()), rounded);
    i = arith::IndexCastOp::create(b, loc, like(b.getIndexType()), i);
    i = arith::MinSIOp::create(b, loc, i, spread(kb_.size(in[dim] - 1)));
    i = arith::MaxSIOp::create(b, loc, i, spread(kb_.constant(0)));
    return scalar ? Coordinate{i, 0, {}} : Coordinate{{}, 0, i};
  };
  if (op.getMode() == "nearest") {
    StringRef rounding = op.getRounding();
    Value rounded;
    if (rounding == "floor") {
      rounded = math::FloorOp::create(b, loc, position);
    } else if (rounding == "ceil") {
      rounded = math::CeilOp::create(b, loc, position);
    } else if (rounding == "round_prefer_ceil") {
      rounded = math::FloorOp::create(b, loc, add(position, number(0.5)));
    } else {  // round_prefer_floor
      rounded = math::CeilOp::create(b, loc, sub(position, number(0.5)));
    }
    mapped[dim] = toCoordinate(rounded);
    return emitSample(op, at, dim + 1, mapped);
  }
  // linear: positions beyond the border take the border's value
  Value low = math::FloorOp::create(b, loc, position), weight = sub(position, low);
  mapped[dim] = toCoordinate(low);
  Value first = emitSample(op, at, dim + 1, mapped);
  mapped[dim] = toCoordinate(add(low, number(1)));
  Value second = emitSample(op, at, dim + 1, mapped);
  Type element = cast<VectorType>(first.getType()).getElementType();
  Value blend = scalar ? kb_.splat(weight, width_) : weight;
  if (element != f32) {
    if (element.getIntOrFloatBitWidth() < 32) {
      blend = arith::TruncFOp::create(b, loc, tileType(element), blend);
    } else {
      blend = arith::ExtFOp::create(b, loc, tileType(element), blend);
    }
  }
  return add(first, mul(blend, sub(second, first)));
}

}  // namespace jinx::schedules
