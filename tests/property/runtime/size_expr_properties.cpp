// Size formulas: one normal form, which text and parser agree on, and which substitution and evaluation respect.
//
// The oracle evaluates the tree as it was drawn, in 128 bits, and knows no normal form.
#include "runtime/base/SizeExpr.h"

#include <array>
#include <optional>

#include "tests/property/Property.h"

namespace jinx::test {
namespace {

enum class Kind { kConstant, kSymbol, kAdd, kSubtract, kMultiply, kFloorDiv, kCeilDiv, kMod, kMax, kMin };
constexpr std::array<const char*, 4> kNames = {"a", "b", "c", "d"};

/// A formula as it is written down.
struct Tree {
  Kind kind = Kind::kConstant;
  int64_t value = 0; ///< of a constant; of a symbol, which
  std::vector<Tree> operands;
};

void showValue(const Tree& tree, std::ostream& os) {
  constexpr const char* kOperators[] = {"", "", " + ", " - ", " * ", " floordiv ", " ceildiv ", " mod ", ", ", ", "};
  if (tree.kind == Kind::kConstant) {
    tree.value < 0 ? os << "(" << tree.value << ")" : os << tree.value; // -7 floordiv 2 is -(7 floordiv 2)
  } else if (tree.kind == Kind::kSymbol) {
    os << kNames[static_cast<size_t>(tree.value)];
  } else {
    os << (tree.kind == Kind::kMax ? "max(" : tree.kind == Kind::kMin ? "min(" : "(");
    showValue(tree.operands[0], os);
    os << kOperators[static_cast<int>(tree.kind)];
    showValue(tree.operands[1], os);
    os << ")";
  }
}

std::string written(const Tree& tree) {
  std::ostringstream os;
  showValue(tree, os);
  return os.str();
}

/// \param extremes  constants reach to the ends of int64
rc::Gen<Tree> trees(int depth, bool extremes = false) {
  return rc::gen::exec([=] {
    Tree tree;
    if (depth == 0 || *rc::gen::inRange(0, 5) == 0) {
      if (*rc::gen::arbitrary<bool>()) {
        tree.kind = Kind::kSymbol;
        tree.value = *rc::gen::inRange<int64_t>(0, kNames.size());
      } else if (extremes && *rc::gen::inRange(0, 3) == 0) {
        tree.value = *rc::gen::element<int64_t>(INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1, int64_t{1} << 62,
                                                -(int64_t{1} << 62), int64_t{1} << 32, INT32_MAX, INT32_MIN);
      } else {
        tree.value = *rc::gen::inRange<int64_t>(-4, 12);
      }
      return tree;
    }
    tree.kind = static_cast<Kind>(*rc::gen::inRange(static_cast<int>(Kind::kAdd), static_cast<int>(Kind::kMin) + 1));
    tree.operands.push_back(*trees(depth - 1, extremes));
    tree.operands.push_back(*trees(depth - 1, extremes));
    return tree;
  });
}

SizeExpr build(const Tree& tree) {
  if (tree.kind == Kind::kConstant) return tree.value;
  if (tree.kind == Kind::kSymbol) return SizeExpr::symbol(kNames[static_cast<size_t>(tree.value)]);
  SizeExpr a = build(tree.operands[0]), b = build(tree.operands[1]);
  switch (tree.kind) {
  case Kind::kAdd:
    return a + b;
  case Kind::kSubtract:
    return a - b;
  case Kind::kMultiply:
    return a * b;
  case Kind::kFloorDiv:
    return floorDiv(a, b);
  case Kind::kCeilDiv:
    return ceilDiv(a, b);
  case Kind::kMod:
    return mod(a, b);
  case Kind::kMax:
    return max(a, b);
  default:
    return min(a, b);
  }
}

__extension__ typedef __int128 Wide;
using Symbols = std::array<int64_t, kNames.size()>;

/// nullopt where the formula promises nothing: a zero divisor, a ceildiv by what is not positive, a value beyond `limit`.
std::optional<Wide> valueOf(const Tree& tree, const Symbols& symbols, Wide limit) {
  auto inside = [&](Wide v) { return v <= limit && v >= -limit ? std::optional<Wide>(v) : std::nullopt; };
  if (tree.kind == Kind::kConstant) return inside(tree.value);
  if (tree.kind == Kind::kSymbol) return inside(symbols[static_cast<size_t>(tree.value)]);
  std::optional<Wide> x = valueOf(tree.operands[0], symbols, limit), y = valueOf(tree.operands[1], symbols, limit);
  if (!x || !y) return std::nullopt;
  auto floorOf = [](Wide p, Wide q) { return p / q - (p % q != 0 && (p < 0) != (q < 0)); };
  switch (tree.kind) {
  case Kind::kAdd:
    return inside(*x + *y);
  case Kind::kSubtract:
    return inside(*x - *y);
  case Kind::kMultiply:
    return inside(*x * *y); // both below 2^63
  case Kind::kFloorDiv:
    return *y == 0 ? std::nullopt : inside(floorOf(*x, *y));
  case Kind::kCeilDiv:
    return *y <= 0 ? std::nullopt : inside(-floorOf(-*x, *y));
  case Kind::kMod:
    return *y == 0 ? std::nullopt : inside(*x - *y * floorOf(*x, *y));
  case Kind::kMax:
    return std::max(*x, *y);
  default:
    return std::min(*x, *y);
  }
}

int slotOf(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<int>(i);
  return -1;
}

SizeExpr::Lookup lookupIn(const Symbols& symbols) {
  return [&symbols](std::string_view name) { return std::optional<int64_t>(symbols[static_cast<size_t>(slotOf(name))]); };
}

rc::Gen<Symbols> symbolValues(int64_t most) {
  return rc::gen::container<Symbols>(rc::gen::oneOf(rc::gen::inRange<int64_t>(0, 4), rc::gen::inRange<int64_t>(0, most)));
}

JINX_PROPERTY(SizeExprLaws, NormalFormHasTheValueOfWhatWasWritten, 4000) {
  Tree tree = *trees(4);
  Symbols symbols = *symbolValues(80);
  SizeExpr e = build(tree);
  std::optional<Wide> want = valueOf(tree, symbols, Wide{1} << 40);
  RC_PRE(want.has_value());
  RC_PRE(!e.isInvalid());
  std::optional<int64_t> got = e.evaluate(lookupIn(symbols));
  RC_ASSERT(got.has_value());
  RC_ASSERT(*got == static_cast<int64_t>(*want));
  if (int64_t divisor = e.knownDivisor()) RC_ASSERT(*got % divisor == 0);
  for (int64_t least : {-3, 0, 1, 2})
    if (e.isAtLeast(least)) RC_ASSERT(*got >= least);
}

JINX_PROPERTY(SizeExprLaws, TheTextIsReadBackAsItself, 3000) {
  SizeExpr e = build(*trees(5, true));
  SizeExpr again = must(SizeExpr::parse(e.str()), "parsing what str() printed");
  RC_ASSERT(again.str() == e.str());
  RC_ASSERT(again.symbols() == e.symbols());
}

JINX_PROPERTY(SizeExprLaws, WhatIsWrittenIsParsedAsItIsBuilt, 2000) {
  Tree tree = *trees(4);
  // Written out in full, with every parenthesis: the parser's precedence is the example tests' matter.
  RC_ASSERT(must(SizeExpr::parse(written(tree)), "parsing").str() == build(tree).str());
}

JINX_PROPERTY(SizeExprLaws, SubstitutionCommutesWithEvaluation, 3000) {
  Tree tree = *trees(3);
  std::array<Tree, kNames.size()> inner;
  for (Tree& t : inner)
    t = *trees(2);
  Symbols symbols = *symbolValues(20), values;
  for (size_t i = 0; i < inner.size(); ++i) {
    std::optional<Wide> v = valueOf(inner[i], symbols, Wide{1} << 20);
    RC_PRE(v.has_value() && *v >= 0); // a symbol is never negative
    values[i] = static_cast<int64_t>(*v);
  }
  std::optional<Wide> want = valueOf(tree, values, Wide{1} << 60);
  RC_PRE(want.has_value());
  SizeExpr e = build(tree).substitute([&](std::string_view name) -> std::optional<SizeExpr> {
    return build(inner[static_cast<size_t>(slotOf(name))]);
  });
  RC_PRE(!e.isInvalid());
  std::optional<int64_t> got = e.evaluate(lookupIn(symbols));
  RC_ASSERT(got.has_value());
  RC_ASSERT(*got == static_cast<int64_t>(*want));
}

/// Coefficients of a, b, c, d and 1, and a sum that adds up to them in some order, in some pieces.
struct Linear {
  std::array<int64_t, 5> coefficients = {};
  SizeExpr sum;
};

Linear linear(int64_t least = -3) {
  Linear l;
  int pieces = *rc::gen::inRange(0, 9);
  for (int i = 0; i < pieces; ++i) {
    size_t which = static_cast<size_t>(*rc::gen::inRange(0, 5));
    int64_t factor = *rc::gen::inRange<int64_t>(least, 4);
    l.coefficients[which] += factor;
    SizeExpr piece = factor * (which < 4 ? SizeExpr::symbol(kNames[which]) : SizeExpr(1));
    l.sum = *rc::gen::arbitrary<bool>() ? l.sum + piece : piece + l.sum;
  }
  return l;
}

JINX_PROPERTY(SizeExprLaws, LinearFormulasHaveOneTextExactlyWhenTheyAreEqual, 3000) {
  Linear x = linear(), y = linear();
  RC_ASSERT((x.sum == y.sum) == (x.coefficients == y.coefficients));
  // And equal on these points, which tell linear functions apart, exactly when the texts are.
  bool equal = true;
  for (size_t i = 0; i <= kNames.size(); ++i) {
    Symbols point = {};
    if (i < kNames.size()) point[i] = 1;
    equal = equal && x.sum.evaluate(lookupIn(point)) == y.sum.evaluate(lookupIn(point));
  }
  RC_ASSERT((x.sum == y.sum) == equal);
  RC_CLASSIFY(equal, "equal");
}

JINX_PROPERTY(SizeExprLaws, DivisionOfALinearFormulaHasOneForm, 2000) {
  // Of one sign: what stays of a coefficient under a division has its sign, so -3*a and a + -4*a may end up written in two ways.
  Linear x = linear(0), y = linear(0);
  int64_t d = *rc::gen::inRange<int64_t>(1, 9);
  RC_ASSERT(floorDiv(x.sum + d * y.sum, d) == floorDiv(x.sum, d) + y.sum);
  RC_ASSERT(mod(x.sum + d * y.sum, d) == mod(x.sum, d));
  RC_ASSERT(ceilDiv(x.sum, d) == floorDiv(x.sum + (d - 1), d));
}

JINX_PROPERTY(SizeExprLaws, ACompiledFormulaAgreesWithEvaluation, 3000) {
  SizeExpr e = build(*trees(5, true));
  Symbols symbols = *symbolValues(*rc::gen::element<int64_t>(10, 1000, INT64_MAX));
  SizeProgram program = must(SizeProgram::compile(e, slotOf), "compiling");
  bool ok = true;
  int64_t got = program.run(symbols.data(), &ok);
  std::optional<int64_t> want = e.evaluate(lookupIn(symbols));
  RC_ASSERT(ok == want.has_value());
  RC_ASSERT(got == want.value_or(0));
}

JINX_PROPERTY(SizeExprLaws, ExtremesOverflowIntoNoAnswerNeverIntoAWrongOne, 4000) {
  Tree tree = *trees(4, true);
  Symbols symbols = *symbolValues(*rc::gen::element<int64_t>(10, int64_t{1} << 33, INT64_MAX));
  SizeExpr e = build(tree);
  std::optional<int64_t> got = e.evaluate(lookupIn(symbols));
  std::optional<Wide> want = valueOf(tree, symbols, INT64_MAX);
  if (e.isInvalid()) RC_ASSERT(!got.has_value());
  if (got && want) RC_ASSERT(static_cast<Wide>(*got) == *want);
  RC_CLASSIFY(got && want, "both have a value");
}

JINX_PROPERTY(SizeExprLaws, AnyTextIsReadOrRefused, 3000) {
  auto tokens = rc::gen::element<std::string>("a", "b", "n.x$", "0", "7", "9223372036854775807", "9223372036854775808", "+", "-", "*",
                                              " floordiv ", " ceildiv ", " mod ", "max(", "min(", "(", ")", ",", " ", "@", "\xff");
  std::string text;
  for (const std::string& token : *rc::gen::container<std::vector<std::string>>(tokens))
    text += token;
  Expected<SizeExpr> e = SizeExpr::parse(text);
  if (!e) {
    RC_ASSERT(e.status().code() == Code::kInvalidArgument);
    return;
  }
  RC_ASSERT(must(SizeExpr::parse(e->str()), "parsing what str() printed").str() == e->str());
}

} // namespace
} // namespace jinx::test
