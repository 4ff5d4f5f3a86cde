#include "frontends/llm/Experts.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {
namespace {

/// The first `count` of the last dimension when sorted.
TopKOp sorted(Graph& g, Value x, SizeExpr count, bool ascending) {
  Sizes sizes = sizesOf(x.getType());
  sizes.back() = count;
  auto values = tensorOf(sizes, cast<RankedTensorType>(x.getType()).getElementType()), indices = tensorOf(sizes, g.builder.getI64Type());
  return TopKOp::create(g.builder, g.loc(), values, indices, x, sizes.size() - 1, ascending);
}

/// Where the elements of x [n] lie when it is sorted; equal ones stay in their order.
Value orderOf(Graph& g, Value x) { return sorted(g, x, sizesOf(x.getType())[0], /*ascending=*/true).getIndices(); }

/// How many of `chosen` [m] are at most each expert.
Value endsOf(Graph& g, Value chosen, int64_t experts) {
  Sizes column = {SizeExpr(experts), SizeExpr(1)}, row = {SizeExpr(1), sizesOf(chosen.getType())[0]};
  Value expert = IotaOp::create(g.builder, g.loc(), tensorOf(column, g.builder.getI64Type()), 0, 0, 1);
  Value isBefore = CompareOp::create(g.builder, g.loc(), ComparePredicate::le, g.reshape(chosen, row), expert);
  return g.reshape(g.sum(g.cast(isBefore, g.builder.getI32Type()), 1), {SizeExpr(experts)});
}

} // namespace

Routes routeTokens(Graph& g, Value scores, const ExpertShape& experts) {
  const SizeExpr tokens = sizesOf(scores.getType())[0], used(experts.used), pairs = tokens * used;
  TopKOp best = sorted(g, g.softmax(scores), used, /*ascending=*/false);
  Value weights = best.getValues();
  if (experts.normsWeights) weights = g.div(weights, g.sum(weights, 1));
  Value chosen = g.reshape(best.getIndices(), {pairs});
  Value order = orderOf(g, chosen);
  return {g.reshape(weights, {tokens, used, SizeExpr(1)}), g.div(order, g.integer(experts.used, DType::kI64)), endsOf(g, chosen, experts.count), orderOf(g, order)};
}

Value expertProduct(Graph& g, Value rows, Value w, const Routes& routes) {
  return GroupedMatmulOp::create(g.builder, g.loc(), rows, w, routes.ends, /*transpose_w=*/true);
}

Value mergeExperts(Graph& g, Value rows, const Routes& routes) {
  const Sizes weights = sizesOf(routes.weights.getType());
  const SizeExpr width = sizesOf(rows.getType())[1];
  Value pairs = g.reshape(g.gatherRows(rows, routes.back), {weights[0], weights[1], width});
  return g.reshape(g.sum(g.mul(pairs, routes.weights), 1), {weights[0], width});
}

} // namespace jinx::frontends::llm
