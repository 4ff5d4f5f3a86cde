// Factor rules of operators whose indices are data.
//
// Rows of x that indices name may lie in any part of x. A gather still splits them: of its part each device gives what lies in it and 0 for the rest, and the
// sum is the result (an embedding whose vocabulary is split). So the dimension is gathered, and a partial operand passes, whatever it is combined by: an
// element moves, and is added to nothing.
//
// A scatter writes where indices say, in their order: what it writes by, and where it writes to, is whole; what it moves along is free.
#include "ir/Graph/FactorRules.h"

using namespace mlir;

namespace jinx::graph {

namespace {

FactorRule gather(GatherOp op) {
  RuleWriter rule(op);
  const int64_t axis = op.getAxis();
  Dims xs = rule.each("d", op.getX()), indices = rule.each("i", op.getIndices());
  Dims ys(xs.begin(), xs.begin() + axis);
  ys.append(indices);
  ys.append(xs.begin() + axis + 1, xs.end());
  xs[axis] = {rule.gathered("v", sizesOf(op.getX().getType())[axis])};
  rule.operand("x", op.getX(), xs);
  rule.operand("indices", op.getIndices(), indices);
  rule.result("y", op.getY(), ys);
  rule.partial({"x"}, kAny);
  return rule.take();
}

/// Dimensions of x and of indices beside it. Outside of `axis` they are one factor where extents agree, else each has a whole one, for indices may be shorter.
std::pair<Dims, Dims> besideIndices(RuleWriter &rule, Value x, Value indices, int64_t axis) {
  Sizes in = sizesOf(x.getType()), at = sizesOf(indices.getType());
  Dims xs = rule.each("d", x), is = xs;
  for (int64_t d = 0; d < int64_t(in.size()); ++d) {
    if (d == axis || in[d] == at[d]) continue;
    xs[d] = {rule.whole("x" + Twine(d), in[d])};
    is[d] = {rule.whole("i" + Twine(d), at[d])};
  }
  return {xs, is};
}

FactorRule gatherElements(GatherElementsOp op) {
  RuleWriter rule(op);
  const int64_t axis = op.getAxis();
  auto [xs, is] = besideIndices(rule, op.getX(), op.getIndices(), axis);
  xs[axis] = {rule.gathered("v", sizesOf(op.getX().getType())[axis])};
  is[axis] = {rule.free("i" + Twine(axis), sizesOf(op.getIndices().getType())[axis])};
  rule.operand("x", op.getX(), xs);
  rule.operand("indices", op.getIndices(), is);
  rule.result("y", op.getY(), is);
  rule.partial({"x"}, kAny);
  return rule.take();
}

/// x[b…, v…, r…], indices[b…, i…, coordinate] -> y[b…, i…, r…]
FactorRule gatherNd(GatherNdOp op) {
  RuleWriter rule(op);
  const int64_t batch = op.getBatch();
  Sizes in = sizesOf(op.getX().getType()), at = sizesOf(op.getIndices().getType());
  const int64_t depth = at.back().constant().value_or(0);
  Dims xs = rule.each("d", op.getX()), is = rule.each("i", op.getIndices());
  for (int64_t b = 0; b < batch; ++b) is[b] = xs[b];
  for (int64_t k = batch; k < batch + depth; ++k) xs[k] = {rule.gathered("v" + Twine(k), in[k])};
  is.back() = {rule.whole("coordinate", at.back())};
  rule.operand("x", op.getX(), xs);
  rule.operand("indices", op.getIndices(), is);
  rule.result("y", op.getY(), with(Dims(is.begin(), is.end() - 1), lastOf(xs, in.size() - batch - depth)));
  rule.partial({"x"}, kAny);
  return rule.take();
}

/// Both x and updates are partial, or one of them where an element may be counted on each device.
void partialScatter(RuleWriter &rule, ScatterKind kind) {
  switch (kind) {
    case ScatterKind::set: return rule.partial({"x", "updates"}, kAny);
    case ScatterKind::add: return rule.partial({"x", "updates"}, kSums);
    case ScatterKind::mul: return rule.partial({"x", "updates"}, {ReduceKind::prod});
    case ScatterKind::max:
    case ScatterKind::min: break;
  }
  const ReduceKind by = kind == ScatterKind::max ? ReduceKind::max : ReduceKind::min;
  rule.partial({"x"}, {by});
  rule.partial({"updates"}, {by});
  rule.partial({"x", "updates"}, {by});
}

FactorRule scatterElements(ScatterElementsOp op) {
  RuleWriter rule(op);
  const int64_t axis = op.getAxis();
  auto [xs, is] = besideIndices(rule, op.getX(), op.getIndices(), axis);
  xs[axis] = {rule.whole("axis", op.getX(), axis)};
  is[axis] = {rule.whole("i" + Twine(axis), op.getIndices(), axis)};
  rule.operand("x", op.getX(), xs);
  rule.operand("indices", op.getIndices(), is);
  rule.operand("updates", op.getUpdates(), is);
  rule.result("y", op.getY(), xs);
  partialScatter(rule, op.getKind());
  return rule.take();
}

/// x[v…, r…], indices[i…, coordinate], updates[i…, r…] -> y[v…, r…]
FactorRule scatterNd(ScatterNdOp op) {
  RuleWriter rule(op);
  Sizes in = sizesOf(op.getX().getType()), at = sizesOf(op.getIndices().getType());
  const int64_t depth = at.back().constant().value_or(0);
  Dims xs = rule.each("d", op.getX()), is;
  for (int64_t k = 0; k < depth; ++k) xs[k] = {rule.whole("v" + Twine(k), in[k])};
  for (size_t k = 0; k + 1 < at.size(); ++k) is.push_back({rule.whole("i" + Twine(k), at[k])});
  rule.operand("x", op.getX(), xs);
  rule.operand("indices", op.getIndices(), with(is, {{rule.whole("coordinate", at.back())}}));
  rule.operand("updates", op.getUpdates(), with(is, lastOf(xs, in.size() - depth)));
  rule.result("y", op.getY(), xs);
  partialScatter(rule, op.getKind());
  return rule.take();
}

constexpr FactorRow kRows[] = {
    row<GatherOp, gather>(),
    row<GatherElementsOp, gatherElements>(),
    row<GatherNdOp, gatherNd>(),
    row<ScatterElementsOp, scatterElements>(),
    row<ScatterNdOp, scatterNd>(),
};

}  // namespace

ArrayRef<FactorRow> indexFactors() { return kRows; }

}  // namespace jinx::graph
