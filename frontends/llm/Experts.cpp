#include "frontends/llm/Experts.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {

Choice chooseExperts(Graph& g, Value scores, const ExpertShape& experts) {
  TopKOp best = g.largest(g.softmax(scores), experts.used);
  Value weights = best.getValues();
  if (experts.normsWeights) weights = g.div(weights, g.sum(weights, 1));
  return {best.getIndices(), weights};
}

Value mixExperts(Graph& g, Value x, const Choice& choice, const ExpertMatrices& matrices, Activation gate) {
  constexpr GateKind kKinds[] = {GateKind::silu, GateKind::gelu_tanh, GateKind::gelu}; // by Activation
  return ExpertsOp::create(g.builder, g.loc(), kKinds[int(gate)], x, choice.experts, choice.weights, matrices.gate, matrices.up, matrices.down);
}

} // namespace jinx::frontends::llm
