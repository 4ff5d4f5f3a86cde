#include "codegen/cuda/Expressions.h"

#include "codegen/cuda/CudaTypes.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace jinx::cuda {

Expr add(const Expr &a, const Expr &b) {
  if (a.text == "0") return b;
  if (b.text == "0") return a;
  return {a.in(Expr::kAdd) + " + " + b.in(Expr::kAdd), Expr::kAdd};
}
Expr subtract(const Expr &a, const Expr &b) {
  if (b.text == "0") return a;
  return {a.in(Expr::kAdd) + " - " + b.in(Expr::kMultiply), Expr::kAdd};
}
Expr multiply(const Expr &a, const Expr &b) {
  if (a.text == "1") return b;
  if (b.text == "1") return a;
  if (a.text == "0" || b.text == "0") return {"0"};
  return {a.in(Expr::kMultiply) + " * " + b.in(Expr::kMultiply), Expr::kMultiply};
}

bool isShort(Operation *op) {
  auto fast = dyn_cast<arith::ArithFastMathInterface>(op);
  return fast && fast.getFastMathFlagsAttr() && bitEnumContainsAny(fast.getFastMathFlagsAttr().getValue(), arith::FastMathFlags::afn);
}

namespace {

Type elementOf(Value v) { return getElementTypeOrSelf(v.getType()); }

Expr infix(const Expr &a, const char *op, const Expr &b, Expr::Precedence p) {
  // The right operand of a left-associative operator needs parentheses at equal precedence.
  auto tighter = static_cast<Expr::Precedence>(p - 1);
  return {a.in(p) + " " + op + " " + b.in(tighter), p};
}
Expr castTo(const std::string &type, const Expr &e) { return {"static_cast<" + type + ">(" + e.text + ")"}; }

/// The name of an operation's C function without the f of single precision.
std::optional<std::string> mathFunction(Operation *op) {
  return TypeSwitch<Operation *, std::optional<std::string>>(op)
      .Case([](math::ExpOp) { return "exp"; })
      .Case([](math::Exp2Op) { return "exp2"; })
      .Case([](math::ExpM1Op) { return "expm1"; })
      .Case([](math::LogOp) { return "log"; })
      .Case([](math::Log2Op) { return "log2"; })
      .Case([](math::Log10Op) { return "log10"; })
      .Case([](math::Log1pOp) { return "log1p"; })
      .Case([](math::SqrtOp) { return "sqrt"; })
      .Case([](math::CbrtOp) { return "cbrt"; })
      .Case([](math::SinOp) { return "sin"; })
      .Case([](math::CosOp) { return "cos"; })
      .Case([](math::TanOp) { return "tan"; })
      .Case([](math::AsinOp) { return "asin"; })
      .Case([](math::AcosOp) { return "acos"; })
      .Case([](math::AtanOp) { return "atan"; })
      .Case([](math::Atan2Op) { return "atan2"; })
      .Case([](math::SinhOp) { return "sinh"; })
      .Case([](math::CoshOp) { return "cosh"; })
      .Case([](math::TanhOp) { return "tanh"; })
      .Case([](math::AsinhOp) { return "asinh"; })
      .Case([](math::AcoshOp) { return "acosh"; })
      .Case([](math::AtanhOp) { return "atanh"; })
      .Case([](math::ErfOp) { return "erf"; })
      .Case([](math::ErfcOp) { return "erfc"; })
      .Case([](math::PowFOp) { return "pow"; })
      .Case([](math::AbsFOp) { return "fabs"; })
      .Case([](math::FloorOp) { return "floor"; })
      .Case([](math::CeilOp) { return "ceil"; })
      .Case([](math::RoundOp) { return "round"; })
      .Case([](math::RoundEvenOp) { return "rint"; })
      .Case([](math::TruncOp) { return "trunc"; })
      .Case<math::FmaOp, vector::FMAOp>([](auto) { return "fma"; })
      .Case([](math::CopySignOp) { return "copysign"; })
      .Case([](arith::MaxNumFOp) { return "fmax"; })
      .Case([](arith::MinNumFOp) { return "fmin"; })
      .Case([](arith::RemFOp) { return "fmod"; })
      .Default([](Operation *) { return std::nullopt; });
}

Expr compareFloat(arith::CmpFPredicate p, const Expr &a, const Expr &b) {
  using P = arith::CmpFPredicate;
  auto relation = [&](const char *op) { return infix(a, op, b, Expr::kRelation); };
  auto negated = [&](const char *op) { return Expr{"!(" + relation(op).text + ")", Expr::kUnary}; };
  auto ordered = infix(infix(a, "==", a, Expr::kEquality), "&&", infix(b, "==", b, Expr::kEquality), Expr::kLogicalAnd);
  switch (p) {
    case P::AlwaysFalse: return {"false"};
    case P::AlwaysTrue: return {"true"};
    case P::OEQ: return infix(a, "==", b, Expr::kEquality);
    case P::OGT: return relation(">");
    case P::OGE: return relation(">=");
    case P::OLT: return relation("<");
    case P::OLE: return relation("<=");
    case P::UNE: return infix(a, "!=", b, Expr::kEquality);
    case P::ONE: return infix(relation("<"), "||", relation(">"), Expr::kLogicalOr);
    case P::ORD: return ordered;
    case P::UNO: return {"!(" + ordered.text + ")", Expr::kUnary};
    case P::UEQ: return {"!(" + infix(relation("<"), "||", relation(">"), Expr::kLogicalOr).text + ")", Expr::kUnary};
    case P::UGT: return negated("<=");
    case P::UGE: return negated("<");
    case P::ULT: return negated(">=");
    case P::ULE: return negated(">");
  }
  return {"false"};
}

Expr compareInt(arith::CmpIPredicate p, Type type, const Expr &a, const Expr &b) {
  using P = arith::CmpIPredicate;
  std::string u = unsignedType(type);
  Expr ua = castTo(u, a), ub = castTo(u, b);
  switch (p) {
    case P::eq: return infix(a, "==", b, Expr::kEquality);
    case P::ne: return infix(a, "!=", b, Expr::kEquality);
    case P::slt: return infix(a, "<", b, Expr::kRelation);
    case P::sle: return infix(a, "<=", b, Expr::kRelation);
    case P::sgt: return infix(a, ">", b, Expr::kRelation);
    case P::sge: return infix(a, ">=", b, Expr::kRelation);
    case P::ult: return infix(ua, "<", ub, Expr::kRelation);
    case P::ule: return infix(ua, "<=", ub, Expr::kRelation);
    case P::ugt: return infix(ua, ">", ub, Expr::kRelation);
    case P::uge: return infix(ua, ">=", ub, Expr::kRelation);
  }
  return {"false"};
}

/// Integer operations. Index arithmetic is plain (it never overflows); tile integers wrap.
std::optional<Expr> integerExpr(Operation *op, Type type, ArrayRef<Expr> e) {
  std::string t = cType(type), u = unsignedType(type);
  bool plain = type.isIndex(), boolean = type.isInteger(1), narrow = !plain && type.getIntOrFloatBitWidth() < 32;
  auto fit = [&](Expr x) { return narrow && !boolean ? castTo(t, x) : x; };
  auto arithmetic = [&](const char *sign, const char *wrap, Expr (*plainly)(const Expr &, const Expr &)) -> Expr {
    if (boolean) return infix(e[0], sign[0] == '*' ? "&" : "^", e[1], sign[0] == '*' ? Expr::kAnd : Expr::kXor);
    if (plain) return plainly(e[0], e[1]);
    if (narrow) return castTo(t, plainly(e[0], e[1]));
    // A literal is an int, and the function of this name that takes an i64 and an int is none.
    auto typed = [&](const std::string &text) { return t == "i64" && text.find_first_not_of("-0123456789") == std::string::npos ? "i64(" + text + ")" : text; };
    return call(wrap, typed(e[0].text) + ", " + typed(e[1].text));
  };
  auto asUnsigned = [&](const char *sign, Expr::Precedence p) { return castTo(t, infix(castTo(u, e[0]), sign, castTo(u, e[1]), p)); };
  auto unsignedPick = [&](const char *relation) {
    return Expr{infix(castTo(u, e[0]), relation, castTo(u, e[1]), Expr::kRelation).text + " ? " + e[0].in(Expr::kLogicalOr) + " : " +
                    e[1].in(Expr::kLogicalOr),
                Expr::kTernary};
  };
  auto both = e.size() > 1 ? e[0].text + ", " + e[1].text : std::string();
  // i8 and i16 operands of a template must agree in type with each other.
  std::string typed = "<" + t + ">";
  return TypeSwitch<Operation *, std::optional<Expr>>(op)
      .Case([&](arith::AddIOp) { return arithmetic("+", "wrap_add", add); })
      .Case([&](arith::SubIOp) { return arithmetic("-", "wrap_sub", subtract); })
      .Case([&](arith::MulIOp) { return arithmetic("*", "wrap_mul", multiply); })
      .Case([&](arith::DivSIOp) { return fit(infix(e[0], "/", e[1], Expr::kMultiply)); })
      .Case([&](arith::RemSIOp) { return fit(infix(e[0], "%", e[1], Expr::kMultiply)); })
      .Case([&](arith::DivUIOp) { return plain ? infix(e[0], "/", e[1], Expr::kMultiply) : asUnsigned("/", Expr::kMultiply); })
      .Case([&](arith::RemUIOp) { return plain ? infix(e[0], "%", e[1], Expr::kMultiply) : asUnsigned("%", Expr::kMultiply); })
      .Case([&](arith::FloorDivSIOp) { return call("floor_div" + typed, both); })
      .Case([&](arith::CeilDivSIOp) { return call("ceil_div" + typed, both); })
      .Case([&](arith::CeilDivUIOp) { return call("ceil_div" + typed, both); })
      .Case([&](arith::MaxSIOp) { return call("greatest" + typed, both); })
      .Case([&](arith::MinSIOp) { return call("least" + typed, both); })
      .Case([&](arith::MaxUIOp) { return unsignedPick(">"); })
      .Case([&](arith::MinUIOp) { return unsignedPick("<"); })
      .Case([&](arith::AndIOp) { return fit(infix(e[0], "&", e[1], Expr::kAnd)); })
      .Case([&](arith::OrIOp) { return fit(infix(e[0], "|", e[1], Expr::kOr)); })
      .Case([&](arith::XOrIOp) { return fit(infix(e[0], "^", e[1], Expr::kXor)); })
      .Case([&](arith::ShLIOp) { return castTo(t, infix(castTo(u, e[0]), "<<", castTo(u, e[1]), Expr::kShift)); })
      .Case([&](arith::ShRUIOp) { return castTo(t, infix(castTo(u, e[0]), ">>", castTo(u, e[1]), Expr::kShift)); })
      .Case([&](arith::ShRSIOp) { return fit(infix(e[0], ">>", e[1], Expr::kShift)); })
      .Case([&](math::AbsIOp) {
        return fit({e[0].in(Expr::kShift) + " < 0 ? -" + e[0].in(Expr::kUnary) + " : " + e[0].in(Expr::kLogicalOr), Expr::kTernary});
      })
      .Case([&](math::IPowIOp) { return call("power_integer" + std::string(), both); })
      .Default([](Operation *) { return std::nullopt; });
}

/// Conversions between element types.
std::optional<Expr> castExpr(Operation *op, Type from, Type to, const Expr &e) {
  std::string t = cType(to);
  auto wide = [&](const Expr &x) { return isSmallFloat(from) ? call("to_f32", x.text) : x; };
  auto narrow = [&](const Expr &x) { return isSmallFloat(to) ? call("to_" + t, x.text) : castTo(t, x); };
  return TypeSwitch<Operation *, std::optional<Expr>>(op)
      .Case<arith::ExtFOp>([&](auto) { return to.isF64() ? castTo(t, wide(e)) : wide(e); })
      .Case<arith::TruncFOp>([&](auto) { return narrow(from.isF64() && isHalf(to) ? castTo("float", e) : wide(e)); })
      .Case<arith::SIToFPOp>([&](auto) { return narrow(isHalf(to) ? castTo("float", from.isInteger(1) ? Expr{"-" + castTo("i32", e).text, Expr::kUnary} : e) : e); })
      .Case<arith::UIToFPOp>([&](auto) {
        Expr u = from.isInteger(1) ? e : castTo(unsignedType(from), e);
        return narrow(isHalf(to) ? castTo("float", u) : u);
      })
      .Case<arith::FPToSIOp>([&](auto) { return castTo(t, wide(e)); })
      .Case<arith::FPToUIOp>([&](auto) { return castTo(t, castTo(unsignedType(to), wide(e))); })
      .Case<arith::ExtSIOp>([&](auto) { return from.isInteger(1) ? Expr{"-" + castTo(t, e).text, Expr::kUnary} : castTo(t, e); })
      .Case<arith::ExtUIOp>([&](auto) { return castTo(t, from.isInteger(1) ? e : castTo(unsignedType(from), e)); })
      .Case<arith::TruncIOp>([&](auto) { return to.isInteger(1) ? Expr{"(" + e.in(Expr::kUnary) + " & 1) != 0", Expr::kEquality} : castTo(t, e); })
      .Case<arith::IndexCastOp>([&](auto) { return from == to ? e : castTo(t, e); })
      .Case<arith::IndexCastUIOp>([&](auto) { return castTo(t, from.isIndex() || from.isInteger(1) ? e : castTo(unsignedType(from), e)); })
      .Case<arith::BitcastOp>([&](auto) -> std::optional<Expr> {
        if (from.isF32() && to.isInteger(32)) return castTo("i32", call("f32_to_bits", e.text));
        if (from.isInteger(32) && to.isF32()) return call("bits_to_f32", castTo("u32", e).text);
        if (from.isInteger(8) && isSmallFloat(to)) return Expr{t + "{" + castTo("u8", e).text + "}"};
        if (isSmallFloat(from) && to.isInteger(8)) return castTo(t, {e.in(Expr::kPrimary) + ".bits"});
        return from == to ? std::optional(e) : std::nullopt;
      })
      .Default([](Operation *) { return std::nullopt; });
}

/// Floating-point operations on float and double.
std::optional<Expr> floatExpr(Operation *op, Type type, ArrayRef<Expr> e) {
  bool isDouble = type.isF64();
  std::string suffix = isDouble ? "" : "f";
  if (!isDouble && isShort(op)) {
    if (isa<arith::DivFOp>(op) && matchPattern(op->getOperand(0), m_OneFloat())) return call("reciprocal_approx", e[1].text);
    if (auto name = mathFunction(op)) return call(*name + "_approx", e[0].text);
  }
  if (auto name = mathFunction(op)) {
    std::string arguments = e[0].text;
    for (const Expr &more : e.drop_front()) arguments += ", " + more.text;
    return call(*name + suffix, arguments);
  }
  auto both = e.size() > 1 ? e[0].text + ", " + e[1].text : std::string();
  return TypeSwitch<Operation *, std::optional<Expr>>(op)
      .Case([&](arith::AddFOp) { return infix(e[0], "+", e[1], Expr::kAdd); })
      .Case([&](arith::SubFOp) { return infix(e[0], "-", e[1], Expr::kAdd); })
      .Case([&](arith::MulFOp) { return infix(e[0], "*", e[1], Expr::kMultiply); })
      .Case([&](arith::DivFOp) { return infix(e[0], "/", e[1], Expr::kMultiply); })
      .Case([&](arith::NegFOp) { return Expr{"-" + e[0].in(Expr::kPrimary), Expr::kUnary}; })
      .Case([&](arith::MaximumFOp) { return call("max_nan", both); })
      .Case([&](arith::MinimumFOp) { return call("min_nan", both); })
      .Case([&](math::RsqrtOp) { return call("reciprocal_sqrt", e[0].text); })
      .Case([&](math::ClampFOp) -> std::optional<Expr> {
        return call("min_nan", call("max_nan", both).text + ", " + e[2].text);
      })
      .Case([&](math::FPowIOp) { return call("power_integer", both); })
      .Default([](Operation *) { return std::nullopt; });
}

}  // namespace

bool isElementwise(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumRegions() != 0 || isa<arith::ConstantOp>(op)) return false;
  Dialect *dialect = op->getDialect();
  return isa<vector::FMAOp>(op) || (dialect && isa<arith::ArithDialect, math::MathDialect>(dialect));
}

std::optional<Expr> elementExpr(Operation *op, ArrayRef<Expr> e) {
  Type result = elementOf(op->getResult(0)), type = elementOf(op->getOperand(0));
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return Expr{e[0].in(Expr::kLogicalOr) + " ? " + e[1].in(Expr::kLogicalOr) + " : " + e[2].in(Expr::kLogicalOr), Expr::kTernary};
  if (auto cast = castExpr(op, type, result, e[0])) return cast;
  // Half types: operands widened to f32, the result rounded once.
  SmallVector<Expr> wide;
  for (auto [operand, expr] : llvm::zip(op->getOperands(), e))
    wide.push_back(isHalf(elementOf(operand)) ? call("to_f32", expr.text) : expr);
  if (auto compare = dyn_cast<arith::CmpFOp>(op)) return compareFloat(compare.getPredicate(), wide[0], wide[1]);
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) return compareInt(compare.getPredicate(), type, e[0], e[1]);
  if (isa<math::IsNaNOp>(op)) return infix(wide[0], "!=", wide[0], Expr::kEquality);
  if (isa<math::IsInfOp>(op)) return infix(call(type.isF64() ? "fabs" : "fabsf", wide[0].text), "==", {"INFINITY"}, Expr::kEquality);
  if (isa<math::IsFiniteOp>(op)) return infix(call(type.isF64() ? "fabs" : "fabsf", wide[0].text), "<", {"INFINITY"}, Expr::kRelation);
  if (!isa<FloatType>(type)) return integerExpr(op, type, e);
  Type computed = isHalf(type) ? Float32Type::get(op->getContext()) : type;
  std::optional<Expr> value = floatExpr(op, computed, wide);
  if (value && isHalf(result)) return call(result.isBF16() ? "to_bf16" : "to_f16", value->text);
  return value;
}

}  // namespace jinx::cuda
