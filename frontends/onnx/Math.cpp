// Elementwise arithmetic, comparison, logic, conversion.
#include "frontends/onnx/Handlers.h"
#include "frontends/onnx/OnnxTypes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

constexpr auto lt = ComparePredicate::lt, gt = ComparePredicate::gt;

template <typename Op>
bool floatUnary(Node &n) {
  if (!n.has(0) || !n.isFloat(n.in(0))) return n.decline("the operand is no float");
  return n.give(n.unary<Op>(n.in(0)));
}
template <typename Op>
bool anyUnary(Node &n) {
  return n.give(n.unary<Op>(n.in(0)));
}

/// Opsets below 7 broadcast only when told, and place b at `axis` of a.
std::optional<Value> legacyOperand(Node &n) {
  if (n.opset >= 7 || !n.attrInt("broadcast", 0) || !n.has(1)) return n.in(1);
  Value a = n.in(0), b = n.in(1);
  if (n.rank(b) == 0 || !n.hasAttr("axis")) return b;
  auto axis = n.axisOf(n.attrInt("axis", 0), n.rank(a));
  if (!axis || *axis + n.rank(b) > n.rank(a)) return std::nullopt;
  Sizes sizes = n.sizes(b);
  sizes.resize(n.rank(a) - *axis, SizeExpr(1));
  return n.reshape(b, sizes);
}

template <typename Op, bool kBoolAllowed = false>
bool binary(Node &n) {
  auto b = legacyOperand(n);
  if (!b) return n.decline("axis is out of range");
  if (n.has(0) && n.element(n.in(0)).isInteger(1) && !kBoolAllowed) return n.decline("operands are bool");
  return n.give(n.binary<Op>(n.in(0), *b));
}
template <typename Op>
bool logical(Node &n) {
  return binary<Op, true>(n);
}

template <ComparePredicate kPredicate>
bool compare(Node &n) {
  auto b = legacyOperand(n);
  if (!b) return n.decline("axis is out of range");
  return n.give(n.compare(kPredicate, n.in(0), *b));
}

bool power(Node &n) {
  auto operand = legacyOperand(n);
  Value a = n.in(0), b = operand ? *operand : Value();
  if (!a || !b) return n.decline("axis is out of range");
  if (!n.isFloat(a)) return n.decline("the base is an integer");
  auto exponent = constantScalar(b);
  if (exponent && n.sizes(b).size() <= n.sizes(a).size()) {
    if (*exponent == 2) return n.give(n.square(a));
    if (*exponent == 1) return n.give(a);
    if (*exponent == 0.5) return n.give(n.sqrt(a));
    if (*exponent == -1) return n.give(n.div(n.scalarLike(a, 1), a));
    if (*exponent == 3) return n.give(n.mul(n.square(a), a));
    return n.give(n.pow(a, *exponent));
  }
  return n.give(n.pow(a, n.cast(b, n.element(a))));
}

bool modulo(Node &n) {
  Value a = n.in(0);
  bool isFmod = n.attrInt("fmod", 0) != 0;
  if (!a || n.isFloat(a) != isFmod) return n.decline("fmod of integers takes the dividend's sign");
  return n.give(n.binary<ModOp>(a, n.in(1)));
}

/// Sum, Max, Min, Mean of any number of operands.
template <typename Op>
bool fold(Node &n) {
  if (!n.has(0)) return n.decline("there is no operand");
  if (n.element(n.in(0)).isInteger(1)) return n.decline("operands are bool");
  Value y = n.in(0);
  for (size_t i = 1; i < n.numInputs(); ++i) y = n.binary<Op>(y, n.in(i));
  return n.give(y);
}
bool meanOf(Node &n) {
  if (!n.has(0) || !n.isFloat(n.in(0))) return n.decline("the operand is no float");
  Value y = n.in(0);
  for (size_t i = 1; i < n.numInputs(); ++i) y = n.add(y, n.in(i));
  return n.give(n.div(y, double(n.numInputs())));
}

bool reciprocal(Node &n) { return n.give(n.div(n.scalarLike(n.in(0), 1), n.in(0))); }

bool sign(Node &n) {
  Value x = n.in(0);
  Value negative = n.select(n.compare(lt, x, 0.0), n.scalarLike(x, -1), x); // 0 and NaN stay
  if (n.element(x).isUnsignedInteger()) negative = x;
  return n.give(n.select(n.compare(gt, x, 0.0), n.scalarLike(x, 1), negative));
}

bool tangent(Node &n) {
  if (!n.isFloat(n.in(0))) return n.decline("the operand is no float");
  return n.give(n.div(n.unary<SinOp>(n.in(0)), n.unary<CosOp>(n.in(0))));
}
bool hyperbolicSine(Node &n) { // (e^x - 1) - (e^-x - 1) keeps the digits of a small x
  Value x = n.in(0);
  return n.give(n.mul(n.sub(n.unary<Expm1Op>(x), n.unary<Expm1Op>(n.neg(x))), 0.5));
}
bool hyperbolicCosine(Node &n) {
  Value x = n.in(0);
  return n.give(n.mul(n.add(n.exp(x), n.exp(n.neg(x))), 0.5));
}
bool inverseHyperbolicTangent(Node &n) {
  Value x = n.in(0);
  return n.give(n.mul(n.sub(n.unary<Log1pOp>(x), n.unary<Log1pOp>(n.neg(x))), 0.5));
}

bool isNan(Node &n) {
  if (!n.isFloat(n.in(0))) return n.decline("the operand is no float");
  return n.give(n.compare(ComparePredicate::ne, n.in(0), n.in(0)));
}
bool isInf(Node &n) {
  Value x = n.in(0);
  if (!n.isFloat(x)) return n.decline("the operand is no float");
  bool positive = n.attrInt("detect_positive", 1), negative = n.attrInt("detect_negative", 1);
  if (!positive && !negative) return n.give(n.filled(n.sizes(x), n.i1(), 0));
  double infinity = std::numeric_limits<double>::infinity();
  if (positive && negative) return n.give(n.compare(ComparePredicate::eq, n.abs(x), infinity));
  return n.give(n.compare(ComparePredicate::eq, x, positive ? infinity : -infinity));
}

/// Bounds are attributes below opset 11. max(x, lo) first: when lo > hi, hi wins.
bool clip(Node &n) {
  Value x = n.in(0), lo = n.in(1), hi = n.in(2);
  if (n.opset < 11) {
    if (n.hasAttr("min")) lo = n.scalarLike(x, n.attrFloat("min", 0));
    if (n.hasAttr("max")) hi = n.scalarLike(x, n.attrFloat("max", 0));
  }
  Value y = lo ? n.max(x, lo) : x;
  return n.give(hi ? n.min(y, hi) : y);
}

bool castTo(Node &n, Type target) {
  if (!target || !isKernelElement(target)) return n.decline("no kernels convert to that element type");
  Value x = n.in(0);
  if (n.element(x) == target) return n.give(x);
  if (isByteFloat(target) && n.attrInt("saturate", 1) == 0) return n.decline("kernels saturate what is too large for an 8-bit float");
  if ((isByteFloat(target) && n.element(x).isF64()) || (isByteFloat(n.element(x)) && target.isF64()))
    return n.decline("kernels convert between 8-bit floats and f64 by way of f32, which rounds twice");
  return n.give(n.cast(x, target));
}
bool cast(Node &n) {
  if (const auto *attribute = n.find("to")) {
    int64_t to = attribute->i();
    if (n.opset < 6 && attribute->has_s()) {
      onnx::TensorProto::DataType parsed;
      if (onnx::TensorProto::DataType_Parse(attribute->s(), &parsed)) to = parsed;
    }
    return castTo(n, elementTypeFromOnnx(n.context(), to));
  }
  return n.decline("there is no attribute 'to'");
}
bool castLike(Node &n) {
  Value x = n.in(0), like = n.in(1);
  if (!like || !isa<TensorType>(like.getType()) || !n.isRanked(x) || !isKernelElement(n.element(x)))
    return n.decline("no kernels convert from that element type");
  return castTo(n, n.element(like));
}

bool where(Node &n) { return n.give(n.select(n.in(0), n.in(1), n.in(2))); }

constexpr ComparePredicate eq = ComparePredicate::eq, le = ComparePredicate::le, ge = ComparePredicate::ge;

constexpr HandlerRow kRows[] = {
    {"", "Abs", 1, kAnyOpset, anyUnary<AbsOp>},
    {"", "Neg", 1, kAnyOpset, anyUnary<NegOp>},
    {"", "Exp", 1, kAnyOpset, floatUnary<ExpOp>},
    {"", "Log", 1, kAnyOpset, floatUnary<LogOp>},
    {"", "Sqrt", 1, kAnyOpset, floatUnary<SqrtOp>},
    {"", "Sin", 7, kAnyOpset, floatUnary<SinOp>},
    {"", "Cos", 7, kAnyOpset, floatUnary<CosOp>},
    {"", "Tan", 7, kAnyOpset, tangent},
    {"", "Atan", 7, kAnyOpset, floatUnary<AtanOp>},
    {"", "Sinh", 9, kAnyOpset, hyperbolicSine},
    {"", "Cosh", 9, kAnyOpset, hyperbolicCosine},
    {"", "Atanh", 9, kAnyOpset, inverseHyperbolicTangent},
    {"", "Erf", 9, kAnyOpset, floatUnary<ErfOp>},
    {"", "Floor", 1, kAnyOpset, floatUnary<FloorOp>},
    {"", "Ceil", 1, kAnyOpset, floatUnary<CeilOp>},
    {"", "Round", 11, kAnyOpset, floatUnary<RoundOp>},
    {"", "Reciprocal", 1, kAnyOpset, reciprocal},
    {"", "Sign", 9, kAnyOpset, sign},
    {"", "IsNaN", 9, kAnyOpset, isNan},
    {"", "IsInf", 10, kAnyOpset, isInf},
    {"", "Not", 1, kAnyOpset, anyUnary<NotOp>},
    {"", "BitwiseNot", 18, kAnyOpset, anyUnary<NotOp>},
    {"", "Add", 1, kAnyOpset, binary<AddOp>},
    {"", "Sub", 1, kAnyOpset, binary<SubOp>},
    {"", "Mul", 1, kAnyOpset, binary<MulOp>},
    {"", "Div", 1, kAnyOpset, binary<DivOp>},
    {"", "Pow", 1, kAnyOpset, power},
    {"", "Mod", 10, kAnyOpset, modulo},
    {"", "And", 1, kAnyOpset, logical<AndOp>},
    {"", "Or", 1, kAnyOpset, logical<OrOp>},
    {"", "Xor", 1, kAnyOpset, logical<XorOp>},
    {"", "BitwiseAnd", 18, kAnyOpset, binary<AndOp>},
    {"", "BitwiseOr", 18, kAnyOpset, binary<OrOp>},
    {"", "BitwiseXor", 18, kAnyOpset, binary<XorOp>},
    {"", "Equal", 1, kAnyOpset, compare<eq>},
    {"", "Less", 1, kAnyOpset, compare<lt>},
    {"", "LessOrEqual", 12, kAnyOpset, compare<le>},
    {"", "Greater", 1, kAnyOpset, compare<gt>},
    {"", "GreaterOrEqual", 12, kAnyOpset, compare<ge>},
    {"", "Sum", 1, kAnyOpset, fold<AddOp>},
    {"", "Max", 1, kAnyOpset, fold<MaxOp>},
    {"", "Min", 1, kAnyOpset, fold<MinOp>},
    {"", "Mean", 1, kAnyOpset, meanOf},
    {"", "Clip", 1, kAnyOpset, clip},
    {"", "Cast", 1, kAnyOpset, cast},
    {"", "CastLike", 15, kAnyOpset, castLike, true},
    {"", "Where", 9, kAnyOpset, where},
};

} // namespace

std::span<const HandlerRow> mathHandlers() { return kRows; }

} // namespace jinx::frontends
