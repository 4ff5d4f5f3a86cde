// What do quantize and dequantize compute, one step at a time? The only place that says it to kernels (docs/spec/quantization.md):
//
//   q = quantize(x, s, z)       t = round(x / s) + z          the quotient in s's type, then f32
//                               q = cast(t > low ? min(t, high) : low)      NaN compares false and gives low
//   y = dequantize(q, s, z, o)  y = (cast(q) - z) * s + o     in f32; differences of at most 16 bits are exact there
//
// A parameter of blocks is repeated: s[…, ceil(d/b), …] is broadcast to […, ceil(d/b), b, …], joined, and cut to d.
#include <cmath>

#include "passes/Passes.h"
#include "passes/Quant/Repeat.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_EXPANDQUANTIZATION
#include "passes/Passes.h.inc"

namespace {

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

class Expansion {
 public:
  explicit Expansion(Operation *op) : b_(op), loc_(op->getLoc()) {}

  Value run(QuantizeOp op) {
    Type own = elementOf(op.getScale()), y = elementOf(op.getY());
    const Type wide = own.isF64() || elementOf(op.getX()).isF64() ? Type(b_.getF64Type()) : b_.getF32Type();
    const Type sums = own.isF64() ? own : b_.getF32Type();
    auto spread = [&](Value v) { return this->spread(v, op.getX(), op.getBlock(), op.getAxis()); };
    Value q = DivOp::create(b_, loc_, cast(op.getX(), wide), cast(spread(op.getScale()), wide));
    q = cast(q, own);
    if (!y.isInteger()) return cast(q, y);
    Value t = RoundOp::create(b_, loc_, cast(q, sums));
    if (op.getZero()) t = AddOp::create(b_, loc_, t, cast(spread(op.getZero()), sums));
    const int64_t bits = y.getIntOrFloatBitWidth();
    const double low = y.isUnsignedInteger() ? 0 : -std::ldexp(1, bits - 1), high = std::ldexp(1, y.isUnsignedInteger() ? bits : bits - 1) - 1;
    Value isAbove = CompareOp::create(b_, loc_, ComparePredicate::gt, t, scalar(sums, low));
    return cast(SelectOp::create(b_, loc_, isAbove, MinOp::create(b_, loc_, t, scalar(sums, high)), scalar(sums, low)), y);
  }

  Value run(DequantizeOp op) {
    Type y = elementOf(op.getY());
    const Type wide = y.isF64() ? y : Type(b_.getF32Type());
    auto spread = [&](Value v) { return this->spread(v, op.getQ(), op.getBlock(), op.getAxis()); };
    Value level = op.getLevels() ? levels(op.getQ(), *op.getLevels()) : op.getQ();
    Value zero = op.getZero() ? spread(op.getZero()) : Value();
    // Integers of 32 bits lose nothing before their zero point is taken away.
    const bool isLong = level.getType() == op.getQ().getType() && elementOf(level).isInteger(32);
    if (zero && isLong && elementOf(zero) == elementOf(level)) level = SubOp::create(b_, loc_, level, zero), zero = {};
    level = cast(level, wide);
    if (zero) level = SubOp::create(b_, loc_, level, cast(zero, wide));
    Value result = MulOp::create(b_, loc_, level, cast(spread(op.getScale()), wide));
    if (op.getOffset()) result = AddOp::create(b_, loc_, result, cast(spread(op.getOffset()), wide));
    return cast(result, y);
  }

 private:
  Value cast(Value v, Type element) {
    return elementOf(v) == element ? v : Value(CastOp::create(b_, loc_, tensorOf(sizesOf(v.getType()), element), v));
  }
  Value scalar(Type element, double v) {
    return ConstantOp::create(b_, loc_, DenseElementsAttr::get(RankedTensorType::get({}, element), Attribute(b_.getFloatAttr(element, v))));
  }
  /// levels[code], the code's bits unsigned.
  Value levels(Value codes, ArrayRef<float> levels) {
    Value table = ConstantOp::create(b_, loc_, DenseElementsAttr::get(RankedTensorType::get({int64_t(levels.size())}, b_.getF32Type()), levels));
    Value index = cast(codes, b_.getI32Type());
    if (!elementOf(codes).isUnsignedInteger()) {
      Value mask = ConstantOp::create(b_, loc_, DenseElementsAttr::get(RankedTensorType::get({}, b_.getI32Type()), ArrayRef<int32_t>{15}));
      index = AndOp::create(b_, loc_, index, mask);
    }
    return GatherOp::create(b_, loc_, tensorOf(sizesOf(codes.getType()), b_.getF32Type()), table, index, 0);
  }
  /// A parameter as it meets x.
  Value spread(Value v, Value x, int64_t block, int64_t axis) {
    Sizes sizes = sizesOf(v.getType());
    if (sizes.empty() || block == 0 || sizes[axis].isConstant(1)) return v;
    return repeated(b_, loc_, v, axis, block, sizesOf(x.getType())[axis]);
  }

  OpBuilder b_;
  Location loc_;
};

struct ExpandQuantizationPass : impl::ExpandQuantizationBase<ExpandQuantizationPass> {
  using ExpandQuantizationBase::ExpandQuantizationBase;

  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<QuantizeOp, DequantizeOp>(op)) ops.push_back(op);
    });
    for (Operation *op : ops) {
      Value y = isa<QuantizeOp>(op) ? Expansion(op).run(mlir::cast<QuantizeOp>(op)) : Expansion(op).run(mlir::cast<DequantizeOp>(op));
      op->getResult(0).replaceAllUsesWith(y);
      op->erase();
      ++numExpanded;
    }
  }
};

}  // namespace
}  // namespace jinx::passes
