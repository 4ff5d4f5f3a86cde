#include "codegen/schedules/ScalarOps.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
bool isUnsignedInt(Type type) { return type.isUnsignedInteger(); }
Type likeTile(Type tile, Type element) {
  if (auto vector = dyn_cast<VectorType>(tile)) return VectorType::get(vector.getShape(), element);
  return element;
}
Type scalarOf(Type tile) { return getElementTypeOrSelf(tile); }

/// Builds ops at one place; the element types of the graph operator decide between float, signed and unsigned forms.
struct Emit {
  OpBuilder &b;
  Location loc;

  Value splat(Type tile, double v) {
    Type element = scalarOf(tile);
    TypedAttr scalar = isa<FloatType>(element) ? TypedAttr(b.getFloatAttr(element, v)) : b.getIntegerAttr(element, int64_t(v));
    if (auto vector = dyn_cast<VectorType>(tile)) return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, Attribute(scalar)));
    return arith::ConstantOp::create(b, loc, scalar);
  }
  template <typename Op>
  Value make(ValueRange v) {
    return Op::create(b, loc, v);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value exp(Value x) { return math::ExpOp::create(b, loc, x); }

  /// Half types compute transcendental functions in f32.
  template <typename Fn>
  Value inF32(Value x, Fn fn) {
    Type element = scalarOf(x.getType());
    if (element.getIntOrFloatBitWidth() >= 32) return fn(x);
    Value wide = arith::ExtFOp::create(b, loc, likeTile(x.getType(), b.getF32Type()), x);
    return arith::TruncFOp::create(b, loc, x.getType(), fn(wide));
  }
  Value sigmoid(Value x) {
    return inF32(x, [&](Value v) {
      Value one = splat(v.getType(), 1);
      return div(one, add(one, exp(arith::NegFOp::create(b, loc, v))));
    });
  }

  /// Integer division that never traps: a zero divisor gives 0, the least number by -1 wraps.
  Value divInteger(Value x, Value y, bool isUnsigned) {
    Value zero = splat(y.getType(), 0), one = splat(y.getType(), 1);
    Value isZero = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, zero);
    Value safe = arith::SelectOp::create(b, loc, isZero, one, y);
    Value quotient;
    if (isUnsigned) {
      quotient = arith::DivUIOp::create(b, loc, x, safe);
    } else {
      Value minusOne = splat(y.getType(), -1);
      Value negates = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, safe, minusOne);
      Value positive = arith::SelectOp::create(b, loc, negates, one, safe);
      quotient = arith::DivSIOp::create(b, loc, x, positive);
      quotient = arith::SelectOp::create(b, loc, negates, Value(arith::SubIOp::create(b, loc, zero, quotient)), quotient);
    }
    return arith::SelectOp::create(b, loc, isZero, zero, quotient);
  }
  /// Remainder with the divisor's sign.
  Value modInteger(Value x, Value y, bool isUnsigned) {
    Value product = arith::MulIOp::create(b, loc, divInteger(x, y, isUnsigned), y);
    Value remainder = arith::SubIOp::create(b, loc, x, product);
    if (isUnsigned) return remainder;
    Value zero = splat(y.getType(), 0);
    Value nonzero = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, remainder, zero);
    Value signsDiffer = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, arith::XOrIOp::create(b, loc, remainder, y), zero);
    Value fix = arith::AndIOp::create(b, loc, nonzero, signsDiffer);
    return arith::SelectOp::create(b, loc, fix, Value(arith::AddIOp::create(b, loc, remainder, y)), remainder);
  }

  Value compare(ComparePredicate p, Value x, Value y, bool isUnsigned) {
    using F = arith::CmpFPredicate;
    using I = arith::CmpIPredicate;
    static constexpr F floats[] = {F::OEQ, F::UNE, F::OLT, F::OLE, F::OGT, F::OGE};
    static constexpr I signedInts[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
    static constexpr I unsignedInts[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
    int i = int(p);
    if (isa<FloatType>(scalarOf(x.getType()))) return arith::CmpFOp::create(b, loc, floats[i], x, y);
    return arith::CmpIOp::create(b, loc, isUnsigned ? unsignedInts[i] : signedInts[i], x, y);
  }

  /// 8-bit floats are bytes in registers, and converted by way of f32; integers that f32 does not hold exactly are too large for them.
  Value castByteFloat(Value x, Type from, Type to) {
    if (from == to) return x;
    Type f32 = b.getF32Type();
    if (isByteFloat(from)) {
      Value small = arith::BitcastOp::create(b, loc, likeTile(x.getType(), from), x);
      return cast(arith::ExtFOp::create(b, loc, likeTile(x.getType(), f32), small), f32, to);
    }
    Value small = arith::TruncFOp::create(b, loc, likeTile(x.getType(), to), cast(x, from, f32));
    return arith::BitcastOp::create(b, loc, likeTile(x.getType(), registerType(to)), small);
  }

  Value cast(Value x, Type from, Type to) {
    if (isByteFloat(from) || isByteFloat(to)) return castByteFloat(x, from, to);
    Type tile = likeTile(x.getType(), registerType(to));
    if (from == to || x.getType() == tile) {
      if (from.isInteger(1) == to.isInteger(1)) return x;
    }
    if (to.isInteger(1)) return compare(ComparePredicate::ne, x, splat(x.getType(), 0), false);
    bool fromUnsigned = isUnsignedInt(from) || from.isInteger(1);
    if (isa<FloatType>(from) && isa<FloatType>(to)) {
      unsigned w0 = from.getIntOrFloatBitWidth(), w1 = to.getIntOrFloatBitWidth();
      if (w0 == w1) {  // f16 <-> bf16
        Value wide = arith::ExtFOp::create(b, loc, likeTile(tile, b.getF32Type()), x);
        return arith::TruncFOp::create(b, loc, tile, wide);
      }
      return w0 < w1 ? Value(arith::ExtFOp::create(b, loc, tile, x)) : arith::TruncFOp::create(b, loc, tile, x);
    }
    if (isa<FloatType>(from)) {
      if (isUnsignedInt(to) && to.getIntOrFloatBitWidth() == 64) return toUnsigned64(x);
      // Narrower types wrap, as the reference does; by way of 32 bits, which one instruction converts to, when the target is half as wide.
      bool isNarrow = registerType(to).getIntOrFloatBitWidth() <= 16;
      Type wideType = likeTile(tile, isNarrow ? b.getI32Type() : b.getI64Type());
      Value wide = arith::FPToSIOp::create(b, loc, wideType, x);
      return wideType == tile ? wide : Value(arith::TruncIOp::create(b, loc, tile, wide));
    }
    if (isa<FloatType>(to))
      return fromUnsigned ? Value(arith::UIToFPOp::create(b, loc, tile, x)) : arith::SIToFPOp::create(b, loc, tile, x);
    unsigned w0 = scalarOf(x.getType()).getIntOrFloatBitWidth(), w1 = registerType(to).getIntOrFloatBitWidth();
    if (w0 == w1) return x;
    if (w0 > w1) return arith::TruncIOp::create(b, loc, tile, x);
    return fromUnsigned ? Value(arith::ExtUIOp::create(b, loc, tile, x)) : arith::ExtSIOp::create(b, loc, tile, x);
  }

  /// From 2^63 on, what is above it, with the highest bit.
  Value toUnsigned64(Value x) {
    if (scalarOf(x.getType()).getIntOrFloatBitWidth() < 32) x = arith::ExtFOp::create(b, loc, likeTile(x.getType(), b.getF32Type()), x);
    Type integer = likeTile(x.getType(), b.getI64Type());
    auto truncate = [&](Value v) -> Value { return arith::FPToSIOp::create(b, loc, integer, v); };
    Value half = splat(x.getType(), 0x1p63), isHigh = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, x, half);
    Value high = arith::XOrIOp::create(b, loc, truncate(sub(x, half)), splat(integer, -0x1p63));
    return arith::SelectOp::create(b, loc, isHigh, high, truncate(x));
  }

  Value relu(Value x, bool isUnsigned) {
    if (isUnsigned) return x;
    Value zero = splat(x.getType(), 0);
    // max(0, x) in this order maps to one instruction and keeps NaN: the comparison is false for NaN and x is returned.
    if (isa<FloatType>(scalarOf(x.getType()))) {
      Value negative = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, zero);
      return arith::SelectOp::create(b, loc, negative, zero, x);
    }
    return arith::MaxSIOp::create(b, loc, x, zero);
  }
};

}  // namespace

Type registerType(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element)) return IntegerType::get(element.getContext(), integer.getWidth());
  return isByteFloat(element) ? IntegerType::get(element.getContext(), 8) : element;
}
Type memoryType(Type element) { return element.isInteger(1) ? IntegerType::get(element.getContext(), 8) : registerType(element); }

Attribute splatAttribute(DenseElementsAttr dense, Type element) {
  if (isa<FloatType>(element)) return FloatAttr::get(element, dense.getSplatValue<APFloat>());
  if (isa<FloatType>(dense.getElementType())) return IntegerAttr::get(element, dense.getSplatValue<APFloat>().bitcastToAPInt());
  return IntegerAttr::get(element, dense.getSplatValue<APInt>());
}

/// A conversion from or to 8-bit floats that goes by way of f32. f64 would be rounded twice.
static bool isByteCast(Type from, Type to) {
  auto isSupported = [](Type e) {
    if (isByteFloat(e)) return isa<Float8E4M3FNType, Float8E5M2Type>(e);
    auto integer = dyn_cast<IntegerType>(e);
    return e.isF32() || e.isF16() || e.isBF16() || (integer && (integer.getWidth() == 1 || integer.getWidth() >= 8));
  };
  return isSupported(from) && isSupported(to);
}

bool isElementwiseSupported(Operation *op) {
  auto supported = [](Type type) {
    Type e = cast<RankedTensorType>(type).getElementType();
    if (e.isF32() || e.isF64() || e.isF16() || e.isBF16()) return true;
    auto integer = dyn_cast<IntegerType>(e);
    return integer && (integer.getWidth() == 1 || integer.getWidth() >= 8);
  };
  if (auto cast = dyn_cast<CastOp>(op); cast && (isByteFloat(elementOf(cast.getX())) || isByteFloat(elementOf(cast.getY()))))
    return isByteCast(elementOf(cast.getX()), elementOf(cast.getY()));
  for (Value v : op->getOperands())
    if (!isa<RankedTensorType>(v.getType()) || !supported(v.getType())) return false;
  for (Value v : op->getResults())
    if (!isa<RankedTensorType>(v.getType()) || !supported(v.getType())) return false;
  Type first = op->getNumOperands() ? elementOf(op->getOperand(0)) : Type();
  return TypeSwitch<Operation *, bool>(op)
      .Case<AbsOp, NegOp, AddOp, SubOp, MulOp, DivOp, MaxOp, MinOp, CompareOp, SelectOp, CastOp, ReluOp>([&](auto) { return true; })
      .Case<NotOp, AndOp, OrOp, XorOp>([&](auto) { return isa<IntegerType>(first); })
      .Case<ModOp>([&](auto) { return true; })
      .Case<ExpOp, Expm1Op, LogOp, Log1pOp, SqrtOp, RsqrtOp, SinOp, CosOp, TanhOp, AtanOp, ErfOp, SigmoidOp, FloorOp, CeilOp, RoundOp>(
          [&](auto) { return isa<FloatType>(first); })
      .Case<PowOp>([&](auto) { return isa<FloatType>(first); })
      .Default([](Operation *) { return false; });
}

Value buildCast(OpBuilder &b, Location loc, Value x, Type from, Type to) { return Emit{b, loc}.cast(x, from, to); }

Value buildElementwise(OpBuilder &b, Location loc, Operation *op, ValueRange v) {
  Emit e{b, loc};
  Type element = elementOf(op->getOperand(op->getNumOperands() - 1));
  bool isFloat = isa<FloatType>(element), isUnsigned = isUnsignedInt(element);
  auto unary = [&](auto make) { return e.inF32(v[0], [&](Value x) -> Value { return make(x); }); };
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](AbsOp) -> Value { return isFloat ? e.make<math::AbsFOp>(v) : isUnsigned ? v[0] : e.make<math::AbsIOp>(v); })
      .Case([&](NegOp) -> Value {
        return isFloat ? Value(arith::NegFOp::create(b, loc, v[0])) : arith::SubIOp::create(b, loc, e.splat(v[0].getType(), 0), v[0]);
      })
      .Case([&](ExpOp) { return unary([&](Value x) { return math::ExpOp::create(b, loc, x); }); })
      .Case([&](Expm1Op) { return unary([&](Value x) { return math::ExpM1Op::create(b, loc, x); }); })
      .Case([&](LogOp) { return unary([&](Value x) { return math::LogOp::create(b, loc, x); }); })
      .Case([&](Log1pOp) { return unary([&](Value x) { return math::Log1pOp::create(b, loc, x); }); })
      .Case([&](SqrtOp) { return unary([&](Value x) { return math::SqrtOp::create(b, loc, x); }); })
      .Case([&](RsqrtOp) { return unary([&](Value x) { return e.div(e.splat(x.getType(), 1), math::SqrtOp::create(b, loc, x)); }); })
      .Case([&](SinOp) { return unary([&](Value x) { return math::SinOp::create(b, loc, x); }); })
      .Case([&](CosOp) { return unary([&](Value x) { return math::CosOp::create(b, loc, x); }); })
      .Case([&](TanhOp) { return unary([&](Value x) { return math::TanhOp::create(b, loc, x); }); })
      .Case([&](AtanOp) { return unary([&](Value x) { return math::AtanOp::create(b, loc, x); }); })
      .Case([&](ErfOp) { return unary([&](Value x) { return math::ErfOp::create(b, loc, x); }); })
      .Case([&](SigmoidOp) { return e.sigmoid(v[0]); })
      .Case([&](ReluOp) { return e.relu(v[0], isUnsigned); })
      .Case([&](FloorOp) { return unary([&](Value x) { return math::FloorOp::create(b, loc, x); }); })
      .Case([&](CeilOp) { return unary([&](Value x) { return math::CeilOp::create(b, loc, x); }); })
      .Case([&](RoundOp) { return unary([&](Value x) { return math::RoundEvenOp::create(b, loc, x); }); })
      .Case([&](NotOp) -> Value {
        return arith::XOrIOp::create(b, loc, v[0], e.splat(v[0].getType(), -1));
      })
      .Case([&](AddOp) -> Value { return isFloat ? e.make<arith::AddFOp>(v) : e.make<arith::AddIOp>(v); })
      .Case([&](SubOp) -> Value { return isFloat ? e.make<arith::SubFOp>(v) : e.make<arith::SubIOp>(v); })
      .Case([&](MulOp) -> Value { return isFloat ? e.make<arith::MulFOp>(v) : e.make<arith::MulIOp>(v); })
      .Case([&](DivOp) -> Value { return isFloat ? e.make<arith::DivFOp>(v) : e.divInteger(v[0], v[1], isUnsigned); })
      .Case([&](ModOp) -> Value { return isFloat ? e.make<arith::RemFOp>(v) : e.modInteger(v[0], v[1], isUnsigned); })
      .Case([&](MaxOp) -> Value { return buildCombine(b, loc, ReduceKind::max, v[0], v[1], isUnsigned); })
      .Case([&](MinOp) -> Value { return buildCombine(b, loc, ReduceKind::min, v[0], v[1], isUnsigned); })
      .Case([&](PowOp) -> Value {
        return e.inF32(v[0], [&](Value x) -> Value {
          Value y = v[1];
          if (y.getType() != x.getType()) y = arith::ExtFOp::create(b, loc, x.getType(), y);
          return math::PowFOp::create(b, loc, x, y);
        });
      })
      .Case([&](AndOp) { return e.make<arith::AndIOp>(v); })
      .Case([&](OrOp) { return e.make<arith::OrIOp>(v); })
      .Case([&](XorOp) { return e.make<arith::XOrIOp>(v); })
      .Case([&](CompareOp o) { return e.compare(o.getPredicate(), v[0], v[1], isUnsigned || element.isInteger(1)); })
      .Case([&](SelectOp) -> Value { return arith::SelectOp::create(b, loc, v[0], v[1], v[2]); })
      .Case([&](CastOp o) { return e.cast(v[0], elementOf(o.getX()), elementOf(o.getY())); })
      .Default([](Operation *) { return Value(); });
}

Value buildCombine(OpBuilder &b, Location loc, ReduceKind kind, Value x, Value y, bool isUnsigned) {
  bool isFloat = isa<FloatType>(scalarOf(x.getType()));
  bool isBool = scalarOf(x.getType()).isInteger(1);
  switch (kind) {
    case ReduceKind::sum: return isFloat ? Value(arith::AddFOp::create(b, loc, x, y)) : arith::AddIOp::create(b, loc, x, y);
    case ReduceKind::prod: return isFloat ? Value(arith::MulFOp::create(b, loc, x, y)) : arith::MulIOp::create(b, loc, x, y);
    case ReduceKind::max:
      if (isFloat) return arith::MaximumFOp::create(b, loc, x, y, arith::FastMathFlags::nsz);
      return isUnsigned || isBool ? Value(arith::MaxUIOp::create(b, loc, x, y)) : arith::MaxSIOp::create(b, loc, x, y);
    case ReduceKind::min:
      if (isFloat) return arith::MinimumFOp::create(b, loc, x, y, arith::FastMathFlags::nsz);
      return isUnsigned || isBool ? Value(arith::MinUIOp::create(b, loc, x, y)) : arith::MinSIOp::create(b, loc, x, y);
  }
  llvm_unreachable("every kind is handled");
}

TypedAttr neutralElement(OpBuilder &b, ReduceKind kind, Type type, bool isUnsigned) {
  if (auto f = dyn_cast<FloatType>(type)) {
    switch (kind) {
      case ReduceKind::sum: return b.getFloatAttr(f, 0.0);
      case ReduceKind::prod: return b.getFloatAttr(f, 1.0);
      case ReduceKind::max: return b.getFloatAttr(f, APFloat::getInf(f.getFloatSemantics(), /*Negative=*/true));
      case ReduceKind::min: return b.getFloatAttr(f, APFloat::getInf(f.getFloatSemantics()));
    }
  }
  unsigned width = type.getIntOrFloatBitWidth();
  switch (kind) {
    case ReduceKind::sum: return b.getIntegerAttr(type, 0);
    case ReduceKind::prod: return b.getIntegerAttr(type, 1);
    case ReduceKind::max: return b.getIntegerAttr(type, isUnsigned || width == 1 ? APInt::getZero(width) : APInt::getSignedMinValue(width));
    case ReduceKind::min: return b.getIntegerAttr(type, isUnsigned || width == 1 ? APInt::getAllOnes(width) : APInt::getSignedMaxValue(width));
  }
  llvm_unreachable("every kind is handled");
}

}  // namespace jinx::schedules
