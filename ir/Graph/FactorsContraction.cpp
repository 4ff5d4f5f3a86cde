// Factor rules of products: rows and columns are free, what is multiplied along sums. Products with panels: FactorsPacked.cpp, with codes: FactorsQuant.cpp.
//
// A product is linear in each operand, so one of them may be a partial sum; of both, (a1 + a2)(b1 + b2) is more than a1 b1 + a2 b2. Bytes have no partial sums:
// they wrap where the product's 32 bits do not.
#include "ir/Graph/FactorRules.h"

using namespace mlir;

namespace jinx::graph {

namespace {

/// a[b0, m, k] b[b0, k, n] -> y[b0, m, n]; what broadcasts has not the batch's factor.
FactorRule matmul(MatmulOp op) {
  RuleWriter rule(op);
  Sizes a = sizesOf(op.getA().getType()), y = sizesOf(op.getY().getType());
  const size_t batchOfA = a.size() - 2, batchOfB = sizesOf(op.getB().getType()).size() - 2;
  Dims batch = rule.each("b", ArrayRef(y).drop_back(2));
  const int64_t m = rule.free("m", y[y.size() - 2]), k = rule.reduced("k", a.back()), n = rule.free("n", y.back());
  rule.operand("a", op.getA(), with(lastOf(batch, batchOfA), {{m}, {k}}));
  rule.operand("b", op.getB(), with(lastOf(batch, batchOfB), op.getTransposeB() ? Dims{{n}, {k}} : Dims{{k}, {n}}));
  rule.result("y", op.getY(), with(batch, {{m}, {n}}));
  if (elementOf(op.getA()) != elementOf(op.getY())) return rule.take();
  rule.partial({"a"}, kSums);
  rule.partial({"b"}, kSums);
  return rule.take();
}

/// Rows are sorted by groups and `ends` counts them from the first on: a part of either would begin elsewhere. Experts are split where they
/// are one operator, before their rows are sorted.
FactorRule groupedMatmul(GroupedMatmulOp op) {
  RuleWriter rule(op);
  Sizes x = sizesOf(op.getX().getType()), y = sizesOf(op.getY().getType());
  const int64_t t = rule.whole("t", x[0]), k = rule.reduced("k", x[1]), g = rule.whole("g", op.getW(), 0), n = rule.free("n", y[1]);
  rule.operand("x", op.getX(), {{t}, {k}});
  rule.operand("w", op.getW(), op.getTransposeW() ? Dims{{g}, {n}, {k}} : Dims{{g}, {k}, {n}});
  rule.operand("ends", op.getEnds(), {{g}});
  rule.result("y", op.getY(), {{t}, {n}});
  rule.partial({"x"}, kSums);
  rule.partial({"w"}, kSums);
  return rule.take();
}

/// Of a part of the experts each rank gives what they add to each token, and the sum is y: data say which experts a token has, as with a gather. So may each
/// expert be split inside, along f; h is whole, for what is multiplied with it goes through the gate's function, which is not linear.
FactorRule experts(ExpertsOp op) {
  RuleWriter rule(op);
  Sizes x = sizesOf(op.getX().getType()), gate = sizesOf(op.getGate().getType());
  const int64_t n = rule.free("n", x[0]), h = rule.whole("h", x[1]), j = rule.whole("j", op.getChosen(), 1);
  const int64_t e = rule.gathered("e", gate[0]), f = rule.reduced("f", gate[1]), o = rule.free("o", sizesOf(op.getY().getType())[1]);
  rule.operand("x", op.getX(), {{n}, {h}});
  rule.operand("chosen", op.getChosen(), {{n}, {j}});
  rule.operand("weights", op.getWeights(), {{n}, {j}});
  rule.operand("gate", op.getGate(), {{e}, {f}, {h}});
  rule.operand("up", op.getUp(), {{e}, {f}, {h}});
  rule.operand("down", op.getDown(), {{e}, {o}, {f}});
  rule.result("y", op.getY(), {{n}, {o}});
  rule.partial({"weights"}, kSums);
  rule.partial({"up"}, kSums);
  rule.partial({"down"}, kSums);
  return rule.take();
}

constexpr FactorRow kRows[] = {row<MatmulOp, matmul>(), row<GroupedMatmulOp, groupedMatmul>(), row<ExpertsOp, experts>()};

}  // namespace

ArrayRef<FactorRow> contractionFactors() { return kRows; }

}  // namespace jinx::graph
