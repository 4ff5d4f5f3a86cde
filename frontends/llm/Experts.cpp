#include "frontends/llm/Experts.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {

/// Column by column: that joins the kernel which divides by it, where a reduction would be one of its own.
static Value sumOfColumns(Graph& g, Value x, int64_t count) {
  Value sum = g.sliceLast(x, 0, 1);
  for (int64_t i = 1; i < count; ++i) sum = g.add(sum, g.sliceLast(x, i, 1));
  return sum;
}

Choice chooseExperts(Graph& g, Value scores, const ExpertShape& experts) {
  TopKOp best = g.largest(g.softmax(scores), experts.used);
  Value weights = best.getValues();
  if (experts.normsWeights) weights = g.div(weights, sumOfColumns(g, weights, experts.used));
  return {best.getIndices(), weights};
}

Value mixExperts(Graph& g, Value x, const Choice& choice, const ExpertMatrices& matrices, Activation gate) {
  constexpr GateKind kKinds[] = {GateKind::silu, GateKind::gelu_tanh, GateKind::gelu}; // by Activation
  return ExpertsOp::create(g.builder, g.loc(), kKinds[int(gate)], x, choice.experts, choice.weights, matrices.gate, matrices.up, matrices.down);
}

} // namespace jinx::frontends::llm
