// Activation functions and the softmax family.
#include "frontends/onnx/Activation.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {

Value geluOf(Node &n, Value x, bool byTanh) {
  Value half = n.mul(x, 0.5);
  if (!byTanh) return n.mul(half, n.add(n.erf(n.mul(x, 0.70710678118654752440)), 1.0));
  Value cubic = n.mul(n.mul(n.square(x), x), 0.044715);
  return n.mul(half, n.add(n.tanh(n.mul(n.add(x, cubic), 0.79788456080286535588)), 1.0));
}
Value leakyReluOf(Node &n, Value x, double alpha) { return n.select(n.compare(ComparePredicate::lt, x, 0.0), n.mul(x, alpha), x); }
Value hardSigmoidOf(Node &n, Value x, double alpha, double beta) { return n.max(n.min(n.add(n.mul(x, alpha), beta), 1.0), 0.0); }

namespace {

constexpr auto lt = ComparePredicate::lt, gt = ComparePredicate::gt;

bool floatOperand(Node &n) { return n.has(0) && n.isFloat(n.in(0)) ? true : n.decline("the operand is no float"); }

bool relu(Node &n) {
  Value x = n.in(0);
  return n.give(n.isFloat(x) ? n.unary<ReluOp>(x) : n.max(x, 0.0));
}
bool sigmoid(Node &n) { return floatOperand(n) && n.give(n.sigmoid(n.in(0))); }
bool tanh(Node &n) { return floatOperand(n) && n.give(n.tanh(n.in(0))); }

bool leakyRelu(Node &n) { return floatOperand(n) && n.give(leakyReluOf(n, n.in(0), n.attrFloat("alpha", 0.01))); }
bool parametricRelu(Node &n) {
  Value x = n.in(0), slope = n.in(1);
  if (!floatOperand(n)) return false;
  if (n.opset < 7 && slope && n.rank(slope) == 1 && n.rank(x) > 1 && !n.size(slope, 0).isConstant(1))
    slope = n.alongAxis(slope, 1, n.rank(x)); // one slope a channel
  return n.give(n.select(n.compare(lt, x, 0.0), n.mul(x, slope), x));
}
Value elu(Node &n, Value x, double alpha) {
  return n.select(n.compare(gt, x, 0.0), x, n.mul(n.unary<Expm1Op>(x), alpha));
}
bool elu(Node &n) { return floatOperand(n) && n.give(elu(n, n.in(0), n.attrFloat("alpha", 1.0))); }
bool selu(Node &n) {
  double alpha = n.attrFloat("alpha", 1.67326319217681884765625), gamma = n.attrFloat("gamma", 1.05070102214813232421875);
  return floatOperand(n) && n.give(n.mul(elu(n, n.in(0), alpha), gamma));
}
bool celu(Node &n) { // max(0, x) + min(0, alpha * (exp(x / alpha) - 1))
  Value x = n.in(0);
  double alpha = n.attrFloat("alpha", 1.0);
  return floatOperand(n) && n.give(n.add(n.max(x, 0.0), n.min(n.mul(n.unary<Expm1Op>(n.div(x, alpha)), alpha), 0.0)));
}
bool thresholdedRelu(Node &n) {
  Value x = n.in(0);
  return floatOperand(n) && n.give(n.select(n.compare(gt, x, n.attrFloat("alpha", 1.0)), x, n.scalarLike(x, 0)));
}
bool shrink(Node &n) {
  Value x = n.in(0);
  if (!floatOperand(n)) return false;
  double bias = n.attrFloat("bias", 0.0), lambda = n.attrFloat("lambd", 0.5);
  Value inner = n.select(n.compare(gt, x, lambda), n.sub(x, bias), n.scalarLike(x, 0));
  return n.give(n.select(n.compare(lt, x, -lambda), n.add(x, bias), inner));
}

bool hardSigmoid(Node &n) { return floatOperand(n) && n.give(hardSigmoidOf(n, n.in(0), n.attrFloat("alpha", 0.2), n.attrFloat("beta", 0.5))); }
bool hardSwish(Node &n) { return floatOperand(n) && n.give(n.mul(n.in(0), hardSigmoidOf(n, n.in(0), float(1.0 / 6), 0.5))); }
bool swish(Node &n) { return floatOperand(n) && n.give(n.mul(n.in(0), n.sigmoid(n.mul(n.in(0), n.attrFloat("alpha", 1.0))))); }

bool swiGlu(Node &n) {
  Value gate = n.in(0);
  return floatOperand(n) && n.give(n.mul(n.mul(gate, n.sigmoid(n.mul(gate, n.attrFloat("alpha", 1.0)))), n.in(1)));
}

/// log(1 + exp(x)) without overflow: max(x, 0) + log1p(exp(-|x|))
Value softplus(Node &n, Value x) { return n.add(n.max(x, 0.0), n.unary<Log1pOp>(n.exp(n.neg(n.abs(x))))); }
bool softplus(Node &n) { return floatOperand(n) && n.give(softplus(n, n.in(0))); }
bool mish(Node &n) { return floatOperand(n) && n.give(n.mul(n.in(0), n.tanh(softplus(n, n.in(0))))); }
bool softsign(Node &n) { return floatOperand(n) && n.give(n.div(n.in(0), n.add(n.abs(n.in(0)), 1.0))); }

bool gelu(Node &n) { return floatOperand(n) && n.give(geluOf(n, n.in(0), n.attrString("approximate", "none") == "tanh")); }

/// From opset 13 on one axis; before, all axes from `axis` on.
std::optional<SmallVector<int64_t>> softmaxAxes(Node &n) {
  int64_t rank = n.rank(n.in(0));
  bool isOld = n.opset < 13;
  auto axis = n.axisOf(n.attrInt("axis", isOld ? 1 : -1), rank);
  if (!axis && isOld && n.attrInt("axis", 1) == rank) return SmallVector<int64_t>(); // rows of one element
  if (!axis) return std::nullopt;
  SmallVector<int64_t> axes = {*axis};
  for (int64_t a = *axis + 1; isOld && a < rank; ++a) axes.push_back(a);
  return axes;
}
bool softmax(Node &n) {
  Value x = n.in(0);
  auto axes = floatOperand(n) ? softmaxAxes(n) : std::nullopt;
  if (!axes) return n.decline("axis is out of range");
  Value e = n.exp(n.sub(x, n.reduce(ReduceKind::max, x, *axes)));
  return n.give(n.div(e, n.sum(e, *axes)));
}
bool logSoftmax(Node &n) {
  Value x = n.in(0);
  auto axes = floatOperand(n) ? softmaxAxes(n) : std::nullopt;
  if (!axes) return n.decline("axis is out of range");
  Value shifted = n.sub(x, n.reduce(ReduceKind::max, x, *axes));
  return n.give(n.sub(shifted, n.log(n.sum(n.exp(shifted), *axes))));
}

constexpr HandlerRow kRows[] = {
    {"", "Relu", 1, kAnyOpset, relu},
    {"", "Sigmoid", 1, kAnyOpset, sigmoid},
    {"", "Tanh", 1, kAnyOpset, tanh},
    {"", "LeakyRelu", 1, kAnyOpset, leakyRelu},
    {"", "PRelu", 1, kAnyOpset, parametricRelu},
    {"", "Elu", 1, kAnyOpset, elu},
    {"", "Selu", 1, kAnyOpset, selu},
    {"", "Celu", 12, kAnyOpset, celu},
    {"", "ThresholdedRelu", 10, kAnyOpset, thresholdedRelu},
    {"", "Shrink", 9, kAnyOpset, shrink},
    {"", "HardSigmoid", 1, kAnyOpset, hardSigmoid},
    {"", "HardSwish", 14, kAnyOpset, hardSwish},
    {"", "Swish", 24, kAnyOpset, swish},
    {"", "SwiGLU", 28, kAnyOpset, swiGlu},
    {"", "Softplus", 1, kAnyOpset, softplus},
    {"", "Softsign", 1, kAnyOpset, softsign},
    {"", "Mish", 18, kAnyOpset, mish},
    {"", "Gelu", 20, kAnyOpset, gelu},
    {"", "Softmax", 1, kAnyOpset, softmax},
    {"", "LogSoftmax", 1, kAnyOpset, logSoftmax},
};

} // namespace

std::span<const HandlerRow> activationHandlers() { return kRows; }

} // namespace jinx::frontends
