// Factor rules of the elementwise operators: a free factor for each dimension of the result, which operands that broadcast have not.
//
// What differs is which partial operands they take. A function that never falls passes the largest and the smallest: relu(max(x1, x2)) = max(relu(x1),
// relu(x2)). That holds to the bit for those that choose or round; of exp, tanh and the like only as far as their implementation never falls, so they take
// none. A cast between floats rounds, which never falls; sums pass one that rounds nothing.
#include "ir/Graph/FactorRules.h"

using namespace mlir;

namespace jinx::graph {

namespace {

/// y[d0, d1, …], operands aligned on the right.
void broadcastTogether(RuleWriter &rule, ArrayRef<StringRef> names, Operation *op) {
  Dims dims = rule.each("d", op->getResult(0));
  for (auto [name, operand] : llvm::zip_equal(names, op->getOperands())) rule.operand(name, operand, lastOf(dims, sizesOf(operand.getType()).size()));
  rule.result("y", op->getResult(0), dims);
}

template <typename Op>
FactorRule unary(Op op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"x"}, op);
  return rule.take();
}
template <typename Op>
FactorRule neverFalls(Op op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"x"}, op);
  rule.partial({"x"}, kExtrema);
  return rule.take();
}
template <typename Op>
FactorRule binary(Op op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"a", "b"}, op);
  return rule.take();
}

FactorRule neg(NegOp op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"x"}, op);
  rule.partial({"x"}, kSums);
  return rule.take();
}

/// add, sub: (a1 + a2) - (b1 + b2) = (a1 - b1) + (a2 - b2)
template <typename Op>
FactorRule addition(Op op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"a", "b"}, op);
  rule.partial({"a", "b"}, kSums);
  return rule.take();
}

FactorRule mul(MulOp op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"a", "b"}, op);
  rule.partial({"a"}, kSums);
  rule.partial({"b"}, kSums);
  rule.partial({"a", "b"}, {ReduceKind::prod});
  return rule.take();
}

/// Integers are rounded: 1/2 + 1/2 is 0.
FactorRule div(DivOp op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"a", "b"}, op);
  if (!isa<FloatType>(elementOf(op.getA()))) return rule.take();
  rule.partial({"a"}, kSums);
  rule.partial({"a", "b"}, {ReduceKind::prod});
  return rule.take();
}

/// max, min: what is not partial may be counted on each device, max(b, b) is b.
template <typename Op, ReduceKind by>
FactorRule extremum(Op op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"a", "b"}, op);
  rule.partial({"a"}, {by});
  rule.partial({"b"}, {by});
  rule.partial({"a", "b"}, {by});
  return rule.take();
}

/// Chooses among elements of one place, the same on each device.
FactorRule select(SelectOp op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"condition", "a", "b"}, op);
  rule.partial({"a", "b"}, kAny);
  return rule.take();
}

/// Each number of `from` is one of `to`.
bool holdsAll(FloatType to, FloatType from) {
  const llvm::fltSemantics &wide = to.getFloatSemantics(), &narrow = from.getFloatSemantics();
  return llvm::APFloat::semanticsPrecision(wide) >= llvm::APFloat::semanticsPrecision(narrow) &&
         llvm::APFloat::semanticsMaxExponent(wide) >= llvm::APFloat::semanticsMaxExponent(narrow) &&
         llvm::APFloat::semanticsMinExponent(wide) <= llvm::APFloat::semanticsMinExponent(narrow);
}

FactorRule castElements(CastOp op) {
  RuleWriter rule(op);
  broadcastTogether(rule, {"x"}, op);
  auto from = dyn_cast<FloatType>(elementOf(op.getX())), to = dyn_cast<FloatType>(elementOf(op.getY()));
  if (!from || !to) return rule.take();
  if (holdsAll(to, from)) rule.partial({"x"}, kSums);
  rule.partial({"x"}, kExtrema);
  return rule.take();
}

constexpr FactorRow kRows[] = {
    row<AbsOp, unary>(),
    row<NegOp, neg>(),
    row<ExpOp, unary>(),
    row<Expm1Op, unary>(),
    row<LogOp, unary>(),
    row<Log1pOp, unary>(),
    row<SqrtOp, unary>(),
    row<RsqrtOp, unary>(),
    row<SinOp, unary>(),
    row<CosOp, unary>(),
    row<TanhOp, unary>(),
    row<AtanOp, unary>(),
    row<ErfOp, unary>(),
    row<SigmoidOp, unary>(),
    row<ReluOp, neverFalls>(),
    row<FloorOp, neverFalls>(),
    row<CeilOp, neverFalls>(),
    row<RoundOp, neverFalls>(),
    row<NotOp, unary>(),
    row<AddOp, addition>(),
    row<SubOp, addition>(),
    row<MulOp, mul>(),
    row<DivOp, div>(),
    row<ModOp, binary>(),
    row<MaxOp, extremum<MaxOp, ReduceKind::max>>(),
    row<MinOp, extremum<MinOp, ReduceKind::min>>(),
    row<PowOp, binary>(),
    row<AndOp, binary>(),
    row<OrOp, binary>(),
    row<XorOp, binary>(),
    row<CompareOp, binary>(),
    row<SelectOp, select>(),
    row<CastOp, castElements>(),
};

}  // namespace

ArrayRef<FactorRow> elementwiseFactors() { return kRows; }

}  // namespace jinx::graph
