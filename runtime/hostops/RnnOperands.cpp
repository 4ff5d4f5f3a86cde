// Reading the operands of the recurrent operators, and giving their results.
#include <algorithm>
#include <cmath>

#include "runtime/hostops/Rnn.h"

namespace jinx::dense {
namespace {

using Kind = RnnActivation::Kind;

struct ActivationRow {
  const char* name;
  Kind kind;
  bool hasAlpha, hasBeta;
  double alpha, beta; ///< defaults of the ONNX operator of that name
};
constexpr ActivationRow kActivations[] = {
    {"affine", Kind::kAffine, true, true, 1, 0},
    {"relu", Kind::kRelu, false, false, 0, 0},
    {"leakyrelu", Kind::kLeakyRelu, true, false, 0.01, 0},
    {"thresholdedrelu", Kind::kThresholdedRelu, true, false, 1, 0},
    {"tanh", Kind::kTanh, false, false, 0, 0},
    {"scaledtanh", Kind::kScaledTanh, true, true, 1, 1},
    {"sigmoid", Kind::kSigmoid, false, false, 0, 0},
    {"hardsigmoid", Kind::kHardSigmoid, true, true, 0.2, 0.5},
    {"elu", Kind::kElu, true, false, 1, 0},
    {"softsign", Kind::kSoftsign, false, false, 0, 0},
    {"softplus", Kind::kSoftplus, false, false, 0, 0},
};

/// Names to activations; each function that has an alpha (beta) takes the next value of activation_alpha
/// (activation_beta).
Expected<std::vector<RnnActivation>> readActivations(const HostOpCall& call, std::vector<std::string> names) {
  const std::vector<double> alphas = call.attributes->getFloats("activation_alpha"),
                            betas = call.attributes->getFloats("activation_beta");
  size_t nextAlpha = 0, nextBeta = 0;
  std::vector<RnnActivation> out;
  for (std::string name : names) {
    const std::string given = name;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const ActivationRow* row = std::find_if(std::begin(kActivations), std::end(kActivations),
                                            [&](const ActivationRow& r) { return name == r.name; });
    if (row == std::end(kActivations))
      return call.error("attribute activations names '" + given +
                        "', expected one of Affine, Relu, LeakyRelu, ThresholdedRelu, Tanh, ScaledTanh, Sigmoid, "
                        "HardSigmoid, Elu, Softsign, Softplus");
    RnnActivation a{row->kind, row->alpha, row->beta};
    if (row->hasAlpha && nextAlpha < alphas.size()) a.alpha = alphas[nextAlpha++];
    if (row->hasBeta && nextBeta < betas.size()) a.beta = betas[nextBeta++];
    out.push_back(a);
  }
  return out;
}

Status checkShape(const HostOpCall& call, const Tensor& t, const Shape& expected, const char* name) {
  if (t.shape() == expected) return Status::ok();
  return call.error("operand " + std::string(name) + " is " + t.describe() + ", expected shape " + toString(expected));
}

/// An optional operand as doubles: empty when absent.
Expected<Doubles> optional(const HostOpCall& call, size_t i, const Shape& expected, const char* name) {
  if (!call.has(i)) return Doubles();
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  JINX_TRY(checkShape(call, t, expected, name));
  return toDoubles(t);
}

/// An initial state in layout 0; zeros when absent.
Expected<Doubles> initialState(const HostOpCall& call, size_t i, const RnnCall& rnn, int64_t directions,
                               const char* name) {
  const Shape shape =
      rnn.batchFirst ? Shape{rnn.batch, directions, rnn.hidden} : Shape{directions, rnn.batch, rnn.hidden};
  JINX_TRY_ASSIGN(Doubles state, optional(call, i, shape, name));
  if (!call.has(i)) state.assign(numElements(shape), 0.0);
  return rnn.batchFirst ? permuted(state, shape, {1, 0, 2}) : state;
}

Doubles slice(const Doubles& values, int64_t part, int64_t parts) {
  const int64_t size = static_cast<int64_t>(values.size()) / parts;
  return Doubles(values.begin() + part * size, values.begin() + (part + 1) * size);
}

/// The weights of every direction: float [n][k], or quantized [k][n] with scale and zero point at inputs `scaleInput`,
/// + 1.
Expected<std::vector<GateWeight>> readWeights(const HostOpCall& call, size_t i, const char* name, int64_t directions,
                                              int64_t n, int64_t k, size_t scaleInput) {
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  JINX_TRY(checkShape(call, t, scaleInput ? Shape{directions, k, n} : Shape{directions, n, k}, name));
  const Doubles all = toDoubles(t);
  std::vector<GateWeight> out;
  for (int64_t d = 0; d < directions; ++d)
    out.push_back({n, k, slice(all, d, directions), {}});
  if (scaleInput == 0) return out;
  JINX_TRY_ASSIGN(Tensor scale, call.tensor(scaleInput));
  JINX_TRY_ASSIGN(Tensor zero, call.tensor(scaleInput + 1));
  for (const Tensor* p : {&scale, &zero})
    if (p->size() != directions && p->size() != directions * n)
      return call.error("scale or zero point of operand " + std::string(name) + " is " + p->describe() +
                        ", expected shape " + toString(Shape{directions}) + " or " + toString(Shape{directions, n}));
  const Doubles scales = toDoubles(scale), zeros = toDoubles(zero);
  for (int64_t d = 0; d < directions; ++d) {
    const Doubles z = slice(zeros, d, directions);
    for (size_t e = 0; e < out[d].values.size(); ++e)
      out[d].values[e] -= z.size() == 1 ? z[0] : z[e % n];
    out[d].scale = slice(scales, d, directions);
  }
  return out;
}

} // namespace

double RnnActivation::operator()(double x) const {
  switch (kind) {
  case Kind::kAffine:
    return alpha * x + beta;
  case Kind::kRelu:
    return x < 0 ? 0 : x;
  case Kind::kLeakyRelu:
    return x >= 0 ? x : alpha * x;
  case Kind::kThresholdedRelu:
    return x >= alpha ? x : 0;
  case Kind::kTanh:
    return std::tanh(x);
  case Kind::kScaledTanh:
    return alpha * std::tanh(beta * x);
  case Kind::kSigmoid:
    return 1 / (1 + std::exp(-x));
  case Kind::kHardSigmoid:
    return std::min(std::max(alpha * x + beta, 0.0), 1.0);
  case Kind::kElu:
    return x >= 0 ? x : alpha * std::expm1(x);
  case Kind::kSoftsign:
    return x / (1 + std::abs(x));
  case Kind::kSoftplus:
    return x > 30 ? x : std::log1p(std::exp(x));
  }
  return x;
}

void GateWeight::addProduct(int64_t m, const double* a, int64_t firstCol, int64_t cols, double* c, int64_t ldc) const {
  if (scale.empty()) return gemm(m, cols, k, rowMajor(a, k), transposed(values.data() + firstCol * k, k), c, ldc);
  const QuantParams q = dynamicQuantParams({a, static_cast<size_t>(m * k)});
  Doubles codes(m * k), sums(m * cols, 0.0);
  for (int64_t i = 0; i < m * k; ++i)
    codes[i] = quantizeU8(static_cast<float>(a[i]), q) - q.zeroPoint;
  gemm(m, cols, k, rowMajor(codes.data(), k), {values.data() + firstCol, n, 1}, sums.data(), cols);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < cols; ++j)
      c[i * ldc + j] += sums[i * cols + j] * q.scale * scale[scale.size() == 1 ? 0 : firstCol + j];
}

Expected<RnnCall> readRnn(const HostOpCall& call, int64_t gates, const std::vector<std::string>& defaults, bool isLstm,
                          bool quantized) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor r, call.tensor(2));
  const Attributes& at = *call.attributes;
  const std::string direction = at.getString("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional" &&
      direction != "foward") // "foward": the default of GRU-1
    return call.error("attribute direction is '" + direction + "', expected forward, reverse or bidirectional");
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  if (x.rank() != 3) return call.error("operand X is " + x.describe() + ", expected rank 3");
  if (r.rank() != 3) return call.error("operand R is " + r.describe() + ", expected rank 3");
  RnnCall rnn;
  rnn.type = x.dtype();
  rnn.batchFirst = at.getInt("layout", 0) != 0;
  rnn.quantized = quantized;
  rnn.seq = x.dim(rnn.batchFirst ? 1 : 0);
  rnn.batch = x.dim(rnn.batchFirst ? 0 : 1);
  rnn.input = x.dim(2);
  rnn.gates = gates;
  rnn.hidden = at.getInt("hidden_size", quantized ? r.dim(1) : r.dim(2));
  if (rnn.hidden != (quantized ? r.dim(1) : r.dim(2)))
    return call.error("attribute hidden_size is " + str(rnn.hidden) + ", expected " +
                      str(quantized ? r.dim(1) : r.dim(2)) + " as operand R, " + r.describe() + ", has");
  rnn.clip = at.getFloat("clip", 0);
  rnn.x = toDoubles(x);
  if (rnn.batchFirst) rnn.x = permuted(rnn.x, x.shape(), {1, 0, 2});

  const int64_t n = gates * rnn.hidden;
  JINX_TRY_ASSIGN(std::vector<GateWeight> ws, readWeights(call, 1, "W", directions, n, rnn.input, quantized ? 8 : 0));
  JINX_TRY_ASSIGN(std::vector<GateWeight> rs, readWeights(call, 2, "R", directions, n, rnn.hidden, quantized ? 10 : 0));
  JINX_TRY_ASSIGN(Doubles bias, optional(call, 3, {directions, 2 * n}, "B"));
  JINX_TRY_ASSIGN(Doubles peephole, optional(call, isLstm ? 7 : 99, {directions, 3 * rnn.hidden}, "P"));
  JINX_TRY_ASSIGN(rnn.h0, initialState(call, 5, rnn, directions, "initial_h"));
  JINX_TRY_ASSIGN(rnn.c0, initialState(call, isLstm ? 6 : 99, rnn, directions, "initial_c"));
  rnn.lengths.assign(rnn.batch, rnn.seq);
  if (call.has(4)) {
    JINX_TRY_ASSIGN(Tensor lengths, call.tensor(4));
    JINX_TRY(checkShape(call, lengths, {rnn.batch}, "sequence_lens"));
    rnn.lengths = lengths.toInts();
    for (int64_t l : rnn.lengths)
      if (l < 0 || l > rnn.seq)
        return call.error("operand sequence_lens holds " + str(l) + ", expected 0 to " + str(rnn.seq));
  }

  std::vector<std::string> names = at.getStrings("activations", defaults);
  const size_t each = defaults.size();
  if (names.size() == each && directions == 2) // one set serves both directions
    for (size_t i = 0; i < each; ++i)
      names.push_back(std::string(names[i]));
  if (names.size() < each * directions)
    return call.error("attribute activations has " + str(names.size()) + " names, expected " + str(each * directions));
  names.resize(each * directions);
  JINX_TRY_ASSIGN(std::vector<RnnActivation> activations, readActivations(call, names));
  for (int64_t d = 0; d < directions; ++d) {
    RnnDirection one;
    one.w = std::move(ws[d]);
    one.r = std::move(rs[d]);
    if (!bias.empty()) one.bias = slice(bias, d, directions);
    if (!peephole.empty()) one.peephole = slice(peephole, d, directions);
    one.activations.assign(activations.begin() + d * each, activations.begin() + (d + 1) * each);
    one.reverse = direction == "reverse" || d == 1;
    rnn.directions.push_back(std::move(one));
  }
  return rnn;
}

void giveRnn(HostOpCall& call, const RnnCall& rnn, const RnnResult& result, bool isLstm) {
  const int64_t directions = static_cast<int64_t>(rnn.directions.size());
  const Shape y{rnn.seq, directions, rnn.batch, rnn.hidden}, state{directions, rnn.batch, rnn.hidden};
  if (!rnn.batchFirst) {
    give(call, 0, fromDoubles(rnn.type, y, result.y));
    give(call, 1, fromDoubles(rnn.type, state, result.h));
    if (isLstm) give(call, 2, fromDoubles(rnn.type, state, result.c));
    return;
  }
  const Shape yFirst{rnn.batch, rnn.seq, directions, rnn.hidden}, stateFirst{rnn.batch, directions, rnn.hidden};
  give(call, 0, fromDoubles(rnn.type, yFirst, permuted(result.y, y, {2, 0, 1, 3})));
  give(call, 1, fromDoubles(rnn.type, stateFirst, permuted(result.h, state, {1, 0, 2})));
  if (isLstm) give(call, 2, fromDoubles(rnn.type, stateFirst, permuted(result.c, state, {1, 0, 2})));
}

} // namespace jinx::dense
