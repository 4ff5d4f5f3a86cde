// com.microsoft: the operators that onnxruntime's optimizer and exporters put into models. ONNX has no schemas for them, so the
// rows of those that run on the host say what their results are.
#include "frontends/onnx/Activation.h"
#include "frontends/onnx/Contraction.h"
#include "frontends/onnx/Norm.h"
#include "frontends/onnx/Quant.h"
#include "frontends/onnx/Window.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

// ---- activations ------------------------------------------------------------------------------------------------------------

Value withBias(Node &n, Value x, Value bias) { return bias ? n.add(x, bias) : x; }

bool gelu(Node &n) { return n.give(geluOf(n, n.in(0))); }
bool biasGelu(Node &n) { return n.give(geluOf(n, withBias(n, n.in(0), n.in(1)))); }
bool fastGelu(Node &n) { return n.give(geluOf(n, withBias(n, n.in(0), n.in(1)), /*byTanh=*/true)); }
bool quickGelu(Node &n) {
  Value x = n.in(0);
  return n.give(n.mul(x, n.sigmoid(n.mul(x, n.attrFloat("alpha", 1.702)))));
}

/// The activation that a fused operator applies to its result; null when it is unknown.
Value activate(Node &n, Value y) {
  std::string name = n.attrString("activation", "");
  const auto *attribute = n.find("activation_params");
  auto parameter = [&](int i, double fallback) { return attribute && i < attribute->floats_size() ? attribute->floats(i) : fallback; };
  if (name.empty()) return y;
  if (name == "Relu") return n.unary<ReluOp>(y);
  if (name == "Sigmoid") return n.sigmoid(y);
  if (name == "Tanh") return n.tanh(y);
  if (name == "LeakyRelu") return leakyReluOf(n, y, parameter(0, 0.01));
  if (name == "Clip") return n.min(n.max(y, parameter(0, -3.4e38)), parameter(1, 3.4e38));
  if (name == "HardSigmoid") return hardSigmoidOf(n, y, parameter(0, 0.2), parameter(1, 0.5));
  return n.fail("the fused activation " + name + " is unknown");
}

// ---- normalizations ---------------------------------------------------------------------------------------------------------

/// Operands x, skip, gamma, beta, bias (the simplified form has no beta). Results y, mean, inverse deviation, x + skip + bias.
bool skipNormalization(Node &n, bool isSimplified) {
  Value x = n.in(0), skip = n.in(1), gamma = n.in(2), beta = isSimplified ? Value() : n.in(3), bias = n.in(isSimplified ? 3 : 4);
  if (!x || !skip || !gamma || !n.isFloat(x)) return n.decline("expected floats");
  Value sum = withBias(n, n.add(x, skip), bias);
  if (!sum) return false;
  Type own = n.element(x);
  Value wide = own.isF64() ? sum : n.cast(sum, n.f32());
  Normalized normal = standardize(n, wide, {n.rank(x) - 1}, n.attrFloat("epsilon", 1e-12), !isSimplified);
  if (n.wants(1)) n.set(1, normal.mean);
  if (n.wants(2)) n.set(2, normal.inverseDeviation);
  if (n.wants(3)) n.set(3, sum);
  return n.give(withBias(n, n.mul(n.cast(normal.y, own), gamma), beta));
}
bool skipLayerNormalization(Node &n) { return skipNormalization(n, false); }
bool skipSimplifiedLayerNormalization(Node &n) { return skipNormalization(n, true); }

// ---- products ---------------------------------------------------------------------------------------------------------------

Value transposeLast(Node &n, Value x) {
  SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, n.rank(x)));
  if (perm.size() < 2) return x;
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return n.transpose(x, perm);
}
bool fusedMatmul(Node &n) {
  Value a = n.in(0), b = n.in(1);
  if (!b || !n.isFloat(a) || n.attrInt("transBatchA", 0) || n.attrInt("transBatchB", 0)) return n.decline("batches are transposed");
  if (n.attrInt("transA", 0)) a = transposeLast(n, a);
  if (n.attrInt("transB", 0)) b = transposeLast(n, b);
  return n.give(n.mul(matmulAnyRank(n, a, b), n.attrFloat("alpha", 1)));
}

/// conv(x, w) + bias + z, then the activation.
bool fusedConv(Node &n) {
  if (!n.isFloat(n.in(0))) return n.decline("expected floats");
  Value y = convolve(n, n.in(0), n.in(1), n.in(2));
  if (n.has(3)) y = n.add(y, n.in(3));
  return n.give(activate(n, y));
}

bool matmulIntegerToFloat(Node &n) { // a, b, scale a, scale b, zero a, zero b, bias
  Value y = n.cast(integerProduct(n, n.in(0), n.in(1), n.in(4), n.in(5)), n.f32());
  return n.give(withBias(n, n.mul(y, n.mul(n.in(2), n.in(3))), n.in(6)));
}
bool dynamicQuantizeMatmul(Node &n) { // x f32, b bytes, scale b, zero b, bias
  DynamicQuantized q = quantizeDynamically(n, n.in(0));
  Value y = n.cast(integerProduct(n, q.y, n.in(1), q.zeroPoint, n.in(3)), n.f32());
  return n.give(withBias(n, n.mul(y, n.mul(q.scale, n.in(2))), n.in(4)));
}

// ---- quantized elementwise --------------------------------------------------------------------------------------------------

/// Operands i to i + 2: x, scale, zero point.
Value dequantizeAt(Node &n, size_t i) { return dequantizeTo(n, n.in(i), {n.in(i + 1), n.in(i + 2)}, n.f32()); }
/// a, scale, zero, b, scale, zero, y's scale, zero.
template <typename Op>
bool qlinearBinary(Node &n) {
  if (n.numInputs() < 7 || !isByte(n.in(0)) || !isByte(n.in(3))) return n.decline("expected bytes");
  return n.give(quantizeTo(n, n.binary<Op>(dequantizeAt(n, 0), dequantizeAt(n, 3)), {n.in(6), n.in(7)}, n.element(n.in(0))));
}
/// x, scale, zero, y's scale, zero.
template <Value (*kFunction)(Node &, Value)>
bool qlinearUnary(Node &n) {
  if (n.numInputs() < 4 || !isByte(n.in(0))) return n.decline("expected bytes");
  return n.give(quantizeTo(n, kFunction(n, dequantizeAt(n, 0)), {n.in(3), n.in(4)}, n.element(n.in(0))));
}
/// y's scale, zero, then x, scale, zero of each part.
bool qlinearConcat(Node &n) {
  SmallVector<Value> parts;
  for (size_t i = 2; i + 1 < n.numInputs(); i += 3) {
    if (!isByte(n.in(i))) return n.decline("expected bytes");
    parts.push_back(dequantizeAt(n, i));
  }
  auto axis = parts.empty() ? std::nullopt : n.axisOf(n.attrInt("axis", 0), n.rank(n.in(2)));
  if (!axis) return n.decline("axis is out of range");
  return n.give(quantizeTo(n, n.concat(parts, *axis), {n.in(0), n.in(1)}, n.element(n.in(2))));
}
Value sigmoidOf(Node &n, Value x) { return n.sigmoid(x); }
Value leakyRelu(Node &n, Value x) { return leakyReluOf(n, x, n.attrFloat("alpha", 0.01)); }
Value globalAverageOf(Node &n, Value x) {
  if (!x) return {};
  bool channelsLast = n.attrInt("channels_last", 0) != 0;
  int64_t first = channelsLast ? 1 : 2, end = n.rank(x) - (channelsLast ? 1 : 0);
  return n.mean(x, llvm::to_vector(llvm::seq<int64_t>(first, end)));
}

// ---- operators that run on the host: what they give ------------------------------------------------------------------------

Node::PartialSizes shapeOf(Value v) {
  Node::PartialSizes sizes;
  for (const SizeExpr &size : GraphBuilder::sizes(v)) sizes.push_back(size);
  return sizes;
}

/// query [b, s, heads*d] → y of that shape; present keys and values [b, heads, total, d].
bool attentionLike(Node &n, int64_t heads, size_t value, std::optional<int64_t> firstPast) {
  Value query = n.in(0);
  Node::PartialSizes y = shapeOf(query);
  if (n.has(value) && n.rank(n.in(value)) == 3 && y.size() == 3 && heads == n.attrInt("num_heads", 0)) y[2] = n.size(n.in(value), 2);
  n.expect(0, y, n.element(query));
  for (size_t i = 1; i < n.numOutputs(); ++i) {
    size_t past = size_t(firstPast.value_or(0)) + i - 1;
    Node::PartialSizes present(4);
    if (firstPast && n.has(past) && n.rank(n.in(past)) == 4) present = shapeOf(n.in(past));
    present.resize(4);
    present[2] = std::nullopt;
    n.expect(i, present, n.element(query));
  }
  return n.decline("contrib attention has no kernel yet");
}

/// [b, s, heads*d] plus a part of the bias, as [b, heads, s, d].
Value splitHeads(Node &n, Value x, Value bias, const SizeExpr &start, int64_t heads) {
  auto sizes = n.sizes(x);
  auto depth = sizes[2].exactDivide(SizeExpr(heads));
  if (!depth) return n.fail("num_heads does not divide the hidden size");
  if (bias) x = n.add(x, n.sliceAxis(bias, 0, start, sizes[2]));
  return x ? n.transpose(n.reshape(x, {sizes[0], sizes[1], heads, *depth}), {0, 2, 1, 3}) : x;
}
/// What is added to the scores [b, heads, s, t]; null when nothing is. A padded key is made unlikely, not impossible.
Value paddingBias(Node &n, Value mask) {
  auto sizes = n.sizes(mask);
  Value isKey = n.compare(ComparePredicate::gt, n.reshape(mask, {sizes[0], 1, 1, sizes[1]}), 0);
  Value zero = n.scalar(n.f32(), 0);
  return n.select(isKey, zero, n.scalar(n.f32(), n.attrFloat("mask_filter_value", -10000)));
}
/// Operands query, key, value [b, length, heads*d], bias, key_padding_mask [b, t], attention_bias. Without a cache, without packed
/// operands: as products and a softmax. Everything else runs on the host.
bool multiHeadAttention(Node &n) {
  auto isPlain = [&](size_t i) { return n.has(i) && n.rank(n.in(i)) == 3 && n.element(n.in(i)).isF32(); };
  bool known = isPlain(0) && isPlain(1) && isPlain(2) && (!n.has(3) || n.rank(n.in(3)) == 1) && (!n.has(4) || n.rank(n.in(4)) == 2);
  for (size_t i = 6; i < n.numInputs(); ++i) known &= !n.has(i);
  for (size_t i = 1; i < n.numOutputs(); ++i) known &= !n.wants(i);
  int64_t heads = n.attrInt("num_heads", 0);
  if (!known || heads < 1 || n.attrInt("unidirectional", 0) != 0) return attentionLike(n, heads, 2, 6);
  SizeExpr hidden = n.size(n.in(0), 2);
  Value q = splitHeads(n, n.in(0), n.in(3), 0, heads), k = splitHeads(n, n.in(1), n.in(3), hidden, heads);
  Value v = splitHeads(n, n.in(2), n.in(3), 2 * hidden, heads);
  if (!q || !k || !v) return false;
  auto depth = n.size(q, 3).constant();
  double scale = n.attrFloat("scale", 0);
  if (scale == 0 && !depth) return n.decline("the head size is not known");
  Value scores = n.mul(n.matmul(q, k, /*transposeB=*/true), scale == 0 ? 1 / std::sqrt(double(*depth)) : scale);
  if (n.has(4)) scores = n.add(scores, paddingBias(n, n.in(4)));
  if (n.has(5)) scores = n.add(scores, n.in(5));
  if (!scores) return false;
  int64_t keys = n.rank(scores) - 1;
  Value e = n.exp(n.sub(scores, n.reduce(ReduceKind::max, scores, {keys})));
  Value y = n.transpose(n.matmul(n.div(e, n.sum(e, {keys})), v), {0, 2, 1, 3});
  return y && n.give(n.reshape(y, {n.size(y, 0), n.size(y, 1), n.size(n.in(2), 2)}));
}
bool groupQueryAttention(Node &n) {
  bool isPacked = !n.has(1); // query holds q, k and v
  if (!isPacked) return attentionLike(n, n.attrInt("kv_num_heads", -1), 2, 3);
  Node::PartialSizes y = shapeOf(n.in(0));
  int64_t heads = n.attrInt("num_heads", 1), kvHeads = n.attrInt("kv_num_heads", 1);
  attentionLike(n, -1, 99, 3);
  if (y.size() == 3 && y[2]) {
    auto head = y[2]->exactDivide(SizeExpr(heads + 2 * kvHeads));
    y[2] = head ? std::optional(*head * SizeExpr(heads)) : std::nullopt;
  }
  n.expect(0, y, n.element(n.in(0)));
  return n.decline("contrib attention has no kernel yet");
}
bool likeFirst(Node &n) {
  n.expect(0, shapeOf(n.in(0)), n.element(n.in(0)));
  return n.decline("it has no kernel yet");
}

constexpr char kDomain[] = "com.microsoft";
constexpr HandlerRow typesOnly(std::string_view name, Handler handler) {
  return {kDomain, name, 1, kAnyOpset, handler, /*anyType=*/false, /*typesOnly=*/true};
}
constexpr HandlerRow kRows[] = {
    {kDomain, "Gelu", 1, kAnyOpset, gelu},
    {kDomain, "BiasGelu", 1, kAnyOpset, biasGelu},
    {kDomain, "FastGelu", 1, kAnyOpset, fastGelu},
    {kDomain, "QuickGelu", 1, kAnyOpset, quickGelu},
    {kDomain, "SkipLayerNormalization", 1, kAnyOpset, skipLayerNormalization},
    {kDomain, "SkipSimplifiedLayerNormalization", 1, kAnyOpset, skipSimplifiedLayerNormalization},
    {kDomain, "FusedMatMul", 1, kAnyOpset, fusedMatmul},
    {kDomain, "FusedConv", 1, kAnyOpset, fusedConv},
    {kDomain, "MatMulIntegerToFloat", 1, kAnyOpset, matmulIntegerToFloat},
    {kDomain, "DynamicQuantizeMatMul", 1, kAnyOpset, dynamicQuantizeMatmul},
    {kDomain, "QLinearAdd", 1, kAnyOpset, qlinearBinary<AddOp>},
    {kDomain, "QLinearMul", 1, kAnyOpset, qlinearBinary<MulOp>},
    {kDomain, "QLinearSigmoid", 1, kAnyOpset, qlinearUnary<sigmoidOf>},
    {kDomain, "QLinearLeakyRelu", 1, kAnyOpset, qlinearUnary<leakyRelu>},
    {kDomain, "QLinearConcat", 1, kAnyOpset, qlinearConcat},
    {kDomain, "QLinearGlobalAveragePool", 1, kAnyOpset, qlinearUnary<globalAverageOf>},
    {kDomain, "MultiHeadAttention", 1, kAnyOpset, multiHeadAttention},
    typesOnly("GroupQueryAttention", groupQueryAttention),
    typesOnly("RotaryEmbedding", likeFirst),
};

} // namespace

std::span<const HandlerRow> microsoftHandlers() { return kRows; }

} // namespace jinx::frontends
