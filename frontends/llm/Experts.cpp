#include "frontends/llm/Experts.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {
namespace {

Value numbers(Graph& g, ArrayRef<SizeExpr> sizes, uint64_t axis) { return IotaOp::create(g.builder, g.loc(), tensorOf(sizes, g.builder.getI32Type()), axis, 0, 1); }

} // namespace

// A row's place among those sorted is the number of rows of experts before its own, and of rows of its own that come before it: sums of a table that
// has a row for each pair and a column for each expert. No sort, which would be a step of the host where there are many pairs.
Routes routeTokens(Graph& g, Value scores, const ExpertShape& experts) {
  const SizeExpr tokens = sizesOf(scores.getType())[0], used(experts.used), pairs = tokens * used, one(1), count(experts.count);
  TopKOp best = g.largest(g.softmax(scores), used);
  Value weights = best.getValues();
  if (experts.normsWeights) weights = g.div(weights, g.sum(weights, 1));
  Value chosen = g.reshape(g.cast(best.getIndices(), g.builder.getI32Type()), {pairs, one});
  Value isChosen = g.cast(CompareOp::create(g.builder, g.loc(), ComparePredicate::eq, chosen, numbers(g, {one, count}, 1)), g.builder.getI32Type());
  Value sizes = g.sum(isChosen, 0), ends = g.runningSum(sizes, 1);
  Value place = g.sub(g.add(g.runningSum(isChosen, 0), g.sub(ends, sizes)), g.integer(1));
  Value back = g.reshape(g.sum(g.mul(isChosen, place), 1), {pairs});
  // The pair that lies at each place: what `back` says, turned around.
  Value pair = numbers(g, {pairs}, 0);
  Value order = ScatterElementsOp::create(g.builder, g.loc(), ScatterKind::set, pair, back, pair, 0);
  return {g.reshape(weights, {tokens, used, one}), g.div(order, g.integer(experts.used)), g.reshape(ends, {count}), back};
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
