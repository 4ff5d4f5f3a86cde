#include "codegen/schedules/Expression.h"

#include "codegen/schedules/ScalarOps.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {
Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
SizeExpr formula(Attribute text) { return parseSize(cast<StringAttr>(text).getValue()); }
}  // namespace

bool isAddressable(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return isComputable(type) || (tensor && isByteFloat(tensor.getElementType()));
}

bool isComputable(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) return false;
  Type e = tensor.getElementType();
  if (e.isF32() || e.isF64() || e.isF16() || e.isBF16()) return true;
  auto integer = dyn_cast<IntegerType>(e);
  return integer && (integer.getWidth() == 1 || integer.getWidth() >= 8);
}

bool isEmittable(Operation *op) {
  if (isElementwiseSupported(op)) return true;
  if (!llvm::all_of(op->getOperandTypes(), isAddressable) || !llvm::all_of(op->getResultTypes(), isAddressable)) return false;
  if (auto constant = dyn_cast<ConstantOp>(op)) return constant.getValue().isSplat();
  if (isa<ReduceOp, CumsumOp, PoolOp, DepthwiseConvOp, ResizeOp>(op)) return llvm::all_of(op->getOperandTypes(), isComputable);
  return isa<ReshapeOp, TransposeOp, BroadcastOp, SliceOp, ConcatOp, PadOp, GatherOp, GatherElementsOp, GatherNdOp, IotaOp,
             SizesOp, PackOp>(op);
}

// ---- lanes ----------------------------------------------------------------------------------------------------------------------

Value ExpressionEmitter::lanesOf(const Coordinate &c) {
  if (c.lanes) return c.lanes;
  Value base = kb_.splat(c.base, width_);
  if (c.step == 0) return base;
  Value lanes = vector::StepOp::create(kb_.b(), kb_.loc(), tileType(kb_.b().getIndexType()));
  if (c.step != 1) lanes = arith::MulIOp::create(kb_.b(), kb_.loc(), lanes, kb_.splat(kb_.constant(c.step), width_));
  return arith::AddIOp::create(kb_.b(), kb_.loc(), lanes, base);
}

Value ExpressionEmitter::allLanes(bool valid) {
  auto type = tileType(kb_.b().getI1Type());
  return arith::ConstantOp::create(kb_.b(), kb_.loc(), type, DenseElementsAttr::get(type, valid));
}

Value ExpressionEmitter::limitMask() {
  if (!limit_) return allLanes(true);
  Value lanes = vector::StepOp::create(kb_.b(), kb_.loc(), tileType(kb_.b().getIndexType()));
  return arith::CmpIOp::create(kb_.b(), kb_.loc(), arith::CmpIPredicate::slt, lanes, kb_.splat(limit_, width_));
}

Value ExpressionEmitter::branch(Value condition, Type type, function_ref<Value()> then, function_ref<Value()> otherwise) {
  auto op = scf::IfOp::create(kb_.b(), kb_.loc(), TypeRange{type}, condition, /*withElse=*/true);
  OpBuilder::InsertionGuard guard(kb_.b());
  auto outer = cache_;  // what is computed inside a branch is not visible outside of it
  kb_.b().setInsertionPointToStart(op.thenBlock());
  scf::YieldOp::create(kb_.b(), kb_.loc(), then());
  cache_ = outer;
  kb_.b().setInsertionPointToStart(op.elseBlock());
  scf::YieldOp::create(kb_.b(), kb_.loc(), otherwise());
  cache_ = std::move(outer);
  return op.getResult(0);
}

// ---- evaluation -----------------------------------------------------------------------------------------------------------------

Value ExpressionEmitter::evaluate(Value value, ArrayRef<Coordinate> at) {
  if (Value fixed = defined_.lookup(value)) {
    if (isa<VectorType>(fixed.getType())) return fixed;
    return kb_.splat(fixed, width_);
  }
  std::vector<const void *> key = {value.getAsOpaquePointer()};
  for (const Coordinate &c : at) {
    key.push_back(c.base.getAsOpaquePointer());
    key.push_back(reinterpret_cast<const void *>(c.step));
    key.push_back(c.lanes.getAsOpaquePointer());
  }
  auto it = cache_.find(key);
  if (it != cache_.end()) return it->second;
  Value result = evaluateUncached(value, at);
  cache_[key] = result;
  return result;
}

Coordinates ExpressionEmitter::broadcastCoordinates(Value operand, ArrayRef<Coordinate> at) {
  Sizes sizes = sizesOf(operand.getType());
  Coordinates mapped;
  size_t offset = at.size() - sizes.size();
  for (size_t d = 0; d < sizes.size(); ++d)
    mapped.push_back(sizes[d].isConstant(1) ? Coordinate{kb_.constant(0), 0, {}} : at[offset + d]);
  return mapped;
}

Value ExpressionEmitter::evaluateUncached(Value value, ArrayRef<Coordinate> at) {
  if (auto arg = dyn_cast<BlockArgument>(value)) return loadInput(arg, at);
  Operation *op = value.getDefiningOp();
  if (isElementwiseSupported(op)) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) operands.push_back(evaluate(operand, broadcastCoordinates(operand, at)));
    return buildElementwise(kb_.b(), kb_.loc(), op, operands);
  }
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](ConstantOp o) { return emitConstant(o); })
      .Case([&](BroadcastOp o) { return evaluate(o.getX(), broadcastCoordinates(o.getX(), at)); })
      .Case([&](TransposeOp o) {
        Coordinates mapped(at.size());
        for (auto [i, p] : llvm::enumerate(o.getPerm())) mapped[p] = at[i];
        return evaluate(o.getX(), mapped);
      })
      .Case([&](ReshapeOp o) { return emitReshape(o, at); })
      .Case([&](SliceOp o) { return emitSlice(o, at); })
      .Case([&](ConcatOp o) { return emitConcat(o, at); })
      .Case([&](PadOp o) { return emitPad(o, at); })
      .Case([&](GatherOp o) { return emitGather(o, at); })
      .Case([&](GatherElementsOp o) { return emitGatherElements(o, at); })
      .Case([&](GatherNdOp o) { return emitGatherNd(o, at); })
      .Case([&](IotaOp o) { return emitIota(o, at); })
      .Case([&](SizesOp o) { return emitSizes(o, at); })
      .Case([&](PoolOp o) { return emitPool(o, at); })
      .Case([&](DepthwiseConvOp o) { return emitDepthwise(o, at); })
      .Case([&](ResizeOp o) { return emitResize(o, at); })
      .Case([&](PackOp o) { return emitPack(o, at); })
      .Default([&](Operation *o) -> Value {
        o->emitOpError("cannot be evaluated inside a kernel (isEmittable and ExpressionEmitter disagree)");
        auto type = tileType(registerType(elementOf(value)));
        return arith::ConstantOp::create(kb_.b(), kb_.loc(), type, kb_.b().getZeroAttr(type));
      });
}

Value ExpressionEmitter::loadInput(BlockArgument arg, ArrayRef<Coordinate> at) {
  Type element = elementOf(arg), memory = memoryType(element);
  auto strides = kb_.stridesOf(arg);
  Value offset = kb_.constant(0), lanes;
  std::optional<SizeExpr> laneStride = SizeExpr(0);
  for (size_t d = 0; d < at.size(); ++d) {
    if (at[d].lanes) {
      Value scaled = arith::MulIOp::create(kb_.b(), kb_.loc(), at[d].lanes, kb_.splat(kb_.size(strides[d]), width_));
      lanes = lanes ? Value(arith::AddIOp::create(kb_.b(), kb_.loc(), lanes, scaled)) : scaled;
      continue;
    }
    offset = kb_.add(offset, kb_.mul(at[d].base, kb_.size(strides[d])));
    if (at[d].step) laneStride = *laneStride + SizeExpr(at[d].step) * strides[d];
  }
  Value ptr = kb_.input(arg), tile;
  auto type = tileType(memory);
  if (lanes) {
    Value regular = lanesOf({offset, 0, {}});
    if (!laneStride->isConstant(0)) {
      Value step = vector::StepOp::create(kb_.b(), kb_.loc(), tileType(kb_.b().getIndexType()));
      Value scaled = arith::MulIOp::create(kb_.b(), kb_.loc(), step, kb_.splat(kb_.size(*laneStride), width_));
      regular = arith::AddIOp::create(kb_.b(), kb_.loc(), regular, scaled);
    }
    Value offsets = arith::AddIOp::create(kb_.b(), kb_.loc(), lanes, regular);
    tile = tile::GatherOp::create(kb_.b(), kb_.loc(), type, ptr, offsets, limitMask());
  } else {
    bool moves = !laneStride->isConstant(0);
    ValueRange limits = moves && limit_ ? ValueRange(limit_) : ValueRange();
    tile = tile::LoadOp::create(kb_.b(), kb_.loc(), type, ptr, offset, ValueRange{kb_.size(*laneStride)}, limits);
  }
  if (!element.isInteger(1)) return tile;
  Value zero = arith::ConstantOp::create(kb_.b(), kb_.loc(), type, kb_.b().getZeroAttr(type));
  return arith::CmpIOp::create(kb_.b(), kb_.loc(), arith::CmpIPredicate::ne, tile, zero);
}

void ExpressionEmitter::store(int64_t index, Value tile, ArrayRef<Coordinate> at) {
  Type type = kb_.group().getResult(index).getType();
  auto strides = kb_.strides(sizesOf(type));
  Value offset = kb_.constant(0);
  SizeExpr laneStride = 0;
  for (size_t d = 0; d < at.size(); ++d) {
    assert(!at[d].lanes && "results are stored along regular lanes");
    offset = kb_.add(offset, kb_.mul(at[d].base, kb_.size(strides[d])));
    if (at[d].step) laneStride = laneStride + SizeExpr(at[d].step) * strides[d];
  }
  if (elementOf(kb_.group().getResult(index)).isInteger(1))
    tile = arith::ExtUIOp::create(kb_.b(), kb_.loc(), tileType(kb_.b().getI8Type()), tile);
  Value limit = limit_;
  if (laneStride.isConstant(0)) {  // one element: lane 0 only
    limit = kb_.constant(1);
    laneStride = 1;
  }
  tile::StoreOp::create(kb_.b(), kb_.loc(), tile, kb_.output(index), offset, ValueRange{kb_.size(laneStride)},
                        limit ? ValueRange(limit) : ValueRange());
}

// ---- data movement --------------------------------------------------------------------------------------------------------------

Value ExpressionEmitter::emitConstant(ConstantOp op) {
  Type element = registerType(elementOf(op.getY()));
  auto type = tileType(element);
  return arith::ConstantOp::create(kb_.b(), kb_.loc(), DenseElementsAttr::get(type, splatAttribute(cast<DenseElementsAttr>(op.getValue()), element)));
}

// Dimensions are matched in runs of equal product: [a, b*c] -> [a, b, c] has the runs a|a and b*c|b,c. Within a run the linear index
// is formed and split again; a run of one dimension on each side passes its coordinate through.
Value ExpressionEmitter::emitReshape(ReshapeOp op, ArrayRef<Coordinate> at) {
  Sizes in = sizesOf(op.getX().getType()), out = sizesOf(op.getY().getType());
  Coordinates mapped(in.size(), Coordinate{kb_.constant(0), 0, {}});
  size_t i = 0, o = 0;
  while (i < in.size() || o < out.size()) {
    size_t i0 = i, o0 = o;
    SizeExpr pi = 1, po = 1;
    if (i < in.size()) pi = in[i++];
    if (o < out.size()) po = out[o++];
    while (!(pi == po)) {
      bool growIn = i < in.size() && (o >= out.size() || (pi.constant() && po.constant() && *pi.constant() < *po.constant()) ||
                                      (!(pi.constant() && po.constant()) && po.exactDivide(pi)));
      if (growIn) {
        pi = pi * in[i++];
      } else if (o < out.size()) {
        po = po * out[o++];
      } else if (i < in.size()) {
        pi = pi * in[i++];
      } else {
        break;
      }
    }
    SmallVector<size_t> ins, outs;
    for (size_t d = i0; d < i; ++d)
      if (!in[d].isConstant(1)) ins.push_back(d);
    for (size_t d = o0; d < o; ++d)
      if (!out[d].isConstant(1)) outs.push_back(d);
    if (ins.empty()) continue;
    if (ins.size() == 1 && outs.size() == 1) {
      mapped[ins[0]] = at[outs[0]];
      continue;
    }
    // The innermost dimension passes through when both sides have it; the rest is split by scalars.
    bool inner = ins.size() > 1 && outs.size() >= 1 && in[ins.back()] == out[outs.back()];
    if (inner) {
      mapped[ins.back()] = at[outs.back()];
      ins.pop_back();
      outs.pop_back();
    }
    Coordinate linear{kb_.constant(0), 0, {}};
    for (size_t d : outs) {
      Value extent = kb_.size(out[d]);
      if (linear.lanes || at[d].lanes || linear.step) {
        Value x = lanesOf(linear), y = lanesOf(at[d]);
        x = arith::MulIOp::create(kb_.b(), kb_.loc(), x, kb_.splat(extent, width_));
        linear.lanes = arith::AddIOp::create(kb_.b(), kb_.loc(), x, y);
      } else {
        linear = {kb_.add(kb_.mul(linear.base, extent), at[d].base), at[d].step, {}};
      }
    }
    if (ins.size() == 1) {
      mapped[ins[0]] = linear;
    } else if (isScalar(linear)) {
      SmallVector<SizeExpr> extents;
      for (size_t d : ins) extents.push_back(in[d]);
      auto parts = kb_.delinearize(linear.base, extents);
      for (auto [d, part] : llvm::zip(ins, parts)) mapped[d] = {part, 0, {}};
    } else {
      Value rest = lanesOf(linear);
      for (size_t n = ins.size(); n-- > 0;) {
        Value extent = kb_.splat(kb_.size(in[ins[n]]), width_);
        mapped[ins[n]].lanes = n ? Value(arith::RemUIOp::create(kb_.b(), kb_.loc(), rest, extent)) : rest;
        if (n) rest = arith::DivUIOp::create(kb_.b(), kb_.loc(), rest, extent);
      }
    }
  }
  return evaluate(op.getX(), mapped);
}

Value ExpressionEmitter::emitSlice(SliceOp op, ArrayRef<Coordinate> at) {
  Coordinates mapped;
  for (size_t d = 0; d < at.size(); ++d) {
    int64_t step = op.getSteps()[d];
    SizeExpr first = formula(op.getStarts()[d]);
    Value start = kb_.size(first);
    if (at[d].lanes) {
      Value scaled = arith::MulIOp::create(kb_.b(), kb_.loc(), at[d].lanes, kb_.splat(kb_.constant(step), width_));
      mapped.push_back({{}, 0, arith::AddIOp::create(kb_.b(), kb_.loc(), scaled, kb_.splat(start, width_))});
    } else {
      mapped.push_back({kb_.add(start, kb_.mul(at[d].base, kb_.constant(step))), at[d].step * step, {}});
      if (step == 1 && at[d].range) mapped.back().range = at[d].range->shifted(first);
    }
  }
  return evaluate(op.getX(), mapped);
}

// Where the joined dimension does not move with the lanes one operand is chosen by a branch. Where it does, and the lanes are known to lie
// in one operand, that is read; else each operand is read at coordinates clamped into it and the lanes are merged.
Value ExpressionEmitter::emitConcat(ConcatOp op, ArrayRef<Coordinate> at) {
  int64_t axis = op.getAxis();
  Type type = tileType(registerType(elementOf(op.getY())));
  bool scalar = isScalar(at[axis]);
  SmallVector<Value> xs;  // without those that have nothing to read
  for (Value x : op.getXs())
    if (!sizesOf(x.getType())[axis].isConstant(0)) xs.push_back(x);
  if (xs.empty()) xs.push_back(op.getXs().front());
  std::function<Value(size_t, SizeExpr)> choose = [&](size_t i, SizeExpr begin) -> Value {
    SizeExpr extent = sizesOf(xs[i].getType())[axis], end = begin + extent;
    if (at[axis].range && at[axis].range->isWithin(begin, end)) {
      Coordinates mapped(at.begin(), at.end());
      mapped[axis] = {kb_.sub(at[axis].base, kb_.size(begin)), at[axis].step, {}, at[axis].range->shifted(SizeExpr(0) - begin)};
      return evaluate(xs[i], mapped);
    }
    auto read = [&]() -> Value {
      Coordinates mapped(at.begin(), at.end());
      if (scalar) {
        mapped[axis].base = kb_.sub(at[axis].base, kb_.size(begin));
      } else {
        Value lanes = arith::SubIOp::create(kb_.b(), kb_.loc(), lanesOf(at[axis]), kb_.splat(kb_.size(begin), width_));
        lanes = arith::MinSIOp::create(kb_.b(), kb_.loc(), lanes, kb_.splat(kb_.size(extent - 1), width_));
        mapped[axis] = {{}, 0, arith::MaxSIOp::create(kb_.b(), kb_.loc(), lanes, kb_.splat(kb_.constant(0), width_))};
      }
      return evaluate(xs[i], mapped);
    };
    if (i + 1 == xs.size()) return read();
    if (at[axis].range && (at[axis].range->begin - end).isAtLeast(0)) return choose(i + 1, end);
    if (scalar) {
      Value inside = arith::CmpIOp::create(kb_.b(), kb_.loc(), arith::CmpIPredicate::slt, at[axis].base, kb_.size(end));
      return branch(inside, type, read, [&] { return choose(i + 1, end); });
    }
    Value inside = arith::CmpIOp::create(kb_.b(), kb_.loc(), arith::CmpIPredicate::slt, lanesOf(at[axis]), kb_.splat(kb_.size(end), width_));
    return arith::SelectOp::create(kb_.b(), kb_.loc(), inside, read(), choose(i + 1, end));
  };
  return choose(0, 0);
}

Value ExpressionEmitter::unlessEmpty(const SizeExpr &extent, Type type, function_ref<Value()> read, function_ref<Value()> otherwise) {
  if (extent.constant().value_or(0) > 0) return read();
  Value some = arith::CmpIOp::create(kb_.b(), kb_.loc(), arith::CmpIPredicate::sgt, kb_.size(extent), kb_.constant(0));
  return branch(some, type, read, otherwise);
}

Value ExpressionEmitter::emitPad(PadOp op, ArrayRef<Coordinate> at) {
  Sizes in = sizesOf(op.getX().getType()), out = sizesOf(op.getY().getType());
  Coordinates mapped(at.begin(), at.end());
  Value scalarValid, laneValid;
  SizeExpr read(1);  // 0 where clamping finds nothing
  auto both = [&](Value x, Value y) { return x ? Value(arith::AndIOp::create(kb_.b(), kb_.loc(), x, y)) : y; };
  for (size_t d = 0; d < at.size(); ++d) {
    SizeExpr low = formula(op.getLow()[d]);
    if (low.isConstant(0) && in[d] == out[d]) continue;
    if (at[d].range && at[d].range->isWithin(low, low + in[d])) {
      mapped[d] = {kb_.sub(at[d].base, kb_.size(low)), at[d].step, {}, at[d].range->shifted(SizeExpr(0) - low)};
      continue;
    }
    bool scalar = isScalar(at[d]);
    int64_t width = width_;
    auto spread = [&](Value v) { return scalar ? v : kb_.splat(v, width); };
    Value c = scalar ? kb_.sub(at[d].base, kb_.size(low))
                     : Value(arith::SubIOp::create(kb_.b(), kb_.loc(), lanesOf(at[d]), kb_.splat(kb_.size(low), width_)));
    Value zero = spread(kb_.constant(0)), last = spread(kb_.size(in[d] - 1)), extent = spread(kb_.size(in[d]));
    auto cmp = [&](arith::CmpIPredicate p, Value x, Value y) -> Value { return arith::CmpIOp::create(kb_.b(), kb_.loc(), p, x, y); };
    auto select = [&](Value p, Value x, Value y) -> Value { return arith::SelectOp::create(kb_.b(), kb_.loc(), p, x, y); };
    auto sub = [&](Value x, Value y) -> Value { return arith::SubIOp::create(kb_.b(), kb_.loc(), x, y); };
    if (op.getMode() == PadMode::reflect) {
      c = select(cmp(arith::CmpIPredicate::slt, c, zero), sub(zero, c), c);
      Value mirrored = sub(arith::AddIOp::create(kb_.b(), kb_.loc(), last, last), c);
      c = select(cmp(arith::CmpIPredicate::sgt, c, last), mirrored, c);
    } else if (op.getMode() == PadMode::wrap) {
      c = select(cmp(arith::CmpIPredicate::slt, c, zero), Value(arith::AddIOp::create(kb_.b(), kb_.loc(), c, extent)), c);
      c = select(cmp(arith::CmpIPredicate::sge, c, extent), sub(c, extent), c);
    } else if (op.getMode() == PadMode::constant) {
      Value valid = arith::AndIOp::create(kb_.b(), kb_.loc(), cmp(arith::CmpIPredicate::sge, c, zero), cmp(arith::CmpIPredicate::slt, c, extent));
      (scalar ? scalarValid : laneValid) = both(scalar ? scalarValid : laneValid, valid);
    }
    bool clamp = !scalar || op.getMode() != PadMode::constant;
    if (clamp) {
      read = read * in[d];
      c = arith::MinSIOp::create(kb_.b(), kb_.loc(), c, last);
      c = arith::MaxSIOp::create(kb_.b(), kb_.loc(), c, zero);
    }
    mapped[d] = scalar ? Coordinate{c, 0, {}} : Coordinate{{}, 0, c};
  }
  Type type = tileType(registerType(elementOf(op.getY())));
  auto fill = [&]() -> Value {
    if (op.getValue()) return evaluate(op.getValue(), SmallVector<Coordinate>(sizesOf(op.getValue().getType()).size(), Coordinate{kb_.constant(0), 0, {}}));
    return arith::ConstantOp::create(kb_.b(), kb_.loc(), type, kb_.b().getZeroAttr(type));
  };
  auto inside = [&]() -> Value {
    Value x = evaluate(op.getX(), mapped);
    return laneValid ? Value(arith::SelectOp::create(kb_.b(), kb_.loc(), laneValid, x, fill())) : x;
  };
  auto some = [&] { return unlessEmpty(read, type, inside, fill); };
  return scalarValid ? branch(scalarValid, type, some, fill) : some();
}

Value ExpressionEmitter::emitIota(IotaOp op, ArrayRef<Coordinate> at) {
  Type element = registerType(elementOf(op.getY()));
  Value lanes = lanesOf(at[op.getAxis()]);
  lanes = arith::MulIOp::create(kb_.b(), kb_.loc(), lanes, kb_.splat(kb_.constant(op.getStep()), width_));
  lanes = arith::AddIOp::create(kb_.b(), kb_.loc(), lanes, kb_.splat(kb_.constant(op.getStart()), width_));
  Value wide = arith::IndexCastOp::create(kb_.b(), kb_.loc(), tileType(kb_.b().getI64Type()), lanes);
  if (isa<FloatType>(element)) return arith::SIToFPOp::create(kb_.b(), kb_.loc(), tileType(element), wide);
  return element.isInteger(64) ? wide : Value(arith::TruncIOp::create(kb_.b(), kb_.loc(), tileType(element), wide));
}

Value ExpressionEmitter::emitSizes(SizesOp op, ArrayRef<Coordinate> at) {
  Type element = registerType(elementOf(op.getY()));
  Value position = at.empty() ? kb_.splat(kb_.constant(0), width_) : lanesOf(at.back());
  Value result;
  for (auto [i, expr] : llvm::enumerate(op.getExprs())) {
    Value v = arith::IndexCastOp::create(kb_.b(), kb_.loc(), kb_.b().getI64Type(), kb_.size(formula(expr)));
    if (!element.isInteger(64)) v = arith::TruncIOp::create(kb_.b(), kb_.loc(), element, v);
    v = kb_.splat(v, width_);
    if (!result) {
      result = v;
      continue;
    }
    Value here = arith::CmpIOp::create(kb_.b(), kb_.loc(), arith::CmpIPredicate::eq, position, kb_.splat(kb_.constant(i), width_));
    result = arith::SelectOp::create(kb_.b(), kb_.loc(), here, v, result);
  }
  return result;
}

}  // namespace jinx::schedules
