// Factor rules of reductions, running sums and sorts.
#include "ir/Graph/FactorRules.h"

using namespace mlir;

namespace jinx::graph {

namespace {

/// The sum of sums is a sum, the largest of what is the largest somewhere the largest of all.
FactorRule reduce(ReduceOp op) {
  RuleWriter rule(op);
  const ReduceKind by = op.getKind();
  Dims xs = rule.each("d", op.getX()), ys = xs;
  Sizes sizes = sizesOf(op.getX().getType());
  for (int64_t axis : op.getAxes()) {
    xs[axis] = {rule.reduced("d" + Twine(axis), sizes[axis], by)};
    ys[axis].clear();
  }
  rule.operand("x", op.getX(), xs);
  rule.result("y", op.getY(), ys);
  rule.partial({"x"}, {by});
  return rule.take();
}

FactorRule cumsum(CumsumOp op) {
  RuleWriter rule(op);
  Dims dims = rule.each("d", op.getX());
  dims[op.getAxis()] = {rule.whole("axis", op.getX(), op.getAxis())};
  rule.operand("x", op.getX(), dims);
  rule.result("y", op.getY(), dims);
  rule.partial({"x"}, kSums);
  return rule.take();
}

FactorRule topK(TopKOp op) {
  RuleWriter rule(op);
  Dims xs = rule.each("d", op.getX()), ys = xs;
  xs[op.getAxis()] = {rule.whole("axis", op.getX(), op.getAxis())};
  ys[op.getAxis()] = {rule.whole("k", op.getValues(), op.getAxis())};
  rule.operand("x", op.getX(), xs);
  rule.result("values", op.getValues(), ys);
  rule.result("indices", op.getIndices(), ys);
  return rule.take();
}

constexpr FactorRow kRows[] = {row<ReduceOp, reduce>(), row<CumsumOp, cumsum>(), row<TopKOp, topK>()};

}  // namespace

ArrayRef<FactorRow> reductionFactors() { return kRows; }

}  // namespace jinx::graph
