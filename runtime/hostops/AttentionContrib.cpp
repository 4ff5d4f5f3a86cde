// com.microsoft MultiHeadAttention, Attention and QAttention, as onnxruntime's CPU provider computes them. A padding
// mask adds mask_filter_value (default -10000), so that a row without any key still averages; only the causal mask
// excludes keys.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/hostops/AttentionCore.h"

namespace jinx::dense {
namespace {

/// The additive terms of the scores: padding mask, attention_bias, causality.
struct Bias {
  std::vector<int64_t> mask;
  Shape maskShape;
  Doubles added;
  Shape addedStrides;
  double filter = -10000;
  bool causal = false;
  int64_t past = 0;
};

/// Mask shapes: [batch] ends, [2 * batch] ends then starts, [batch][keys], [batch][queries][keys].
Status readMask(const HostOpCall& call, size_t i, const char* name, const AttentionShape& s, Bias& bias) {
  if (!call.has(i)) return Status::ok();
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  const Shape& shape = t.shape();
  const bool known = shape == Shape{s.batch} || shape == Shape{2 * s.batch} || shape == Shape{s.batch, s.keys} ||
                     shape == Shape{s.batch, s.queries, s.keys};
  if (!known)
    return call.error("operand " + std::string(name) + " is " + t.describe() + ", expected shape " +
                      toString(Shape{s.batch}) + ", " + toString(Shape{2 * s.batch}) + ", " +
                      toString(Shape{s.batch, s.keys}) + " or " + toString(Shape{s.batch, s.queries, s.keys}));
  bias.mask = t.toInts();
  bias.maskShape = shape;
  return Status::ok();
}

Status readAddedBias(const HostOpCall& call, size_t i, const AttentionShape& s, Bias& bias) {
  if (!call.has(i)) return Status::ok();
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  const Shape full{s.batch, s.heads, s.queries, s.keys};
  Shape merged;
  if (!broadcastShapes(t.shape(), full, merged) || merged != full)
    return call.error("operand attention_bias is " + t.describe() + ", expected a shape that broadcasts to " +
                      toString(full));
  bias.added = toDoubles(t);
  bias.addedStrides = broadcastStrides(t.shape(), full);
  return Status::ok();
}

AttentionOptions withBias(const Bias& bias, const AttentionShape& s) {
  AttentionOptions options;
  options.bias = [&bias, s](int64_t b, int64_t h, int64_t i, double* row) {
    const Shape& m = bias.maskShape;
    for (int64_t j = 0; j < s.keys; ++j) {
      if (m.size() == 1) {
        const bool inside = j < bias.mask[b] && (m[0] != 2 * s.batch || s.batch == 0 || j >= bias.mask[s.batch + b]);
        if (!inside) row[j] += bias.filter;
      } else if (!m.empty()) {
        const int64_t at = m.size() == 2 ? b * s.keys + j : (b * s.queries + i) * s.keys + j;
        if (bias.mask[at] <= 0) row[j] += bias.filter;
      }
      if (!bias.added.empty())
        row[j] += bias.added[b * bias.addedStrides[0] + h * bias.addedStrides[1] + i * bias.addedStrides[2] +
                             j * bias.addedStrides[3]];
      if (bias.causal && j > bias.past + i) row[j] = -std::numeric_limits<double>::infinity();
    }
  };
  return options;
}

Doubles part(const Tensor& packed, int64_t batch, int64_t length, int64_t heads, int64_t parts, int64_t which,
             int64_t dim) {
  const Doubles all = permuted(toDoubles(packed), {batch, length, heads, parts, dim}, {3, 0, 2, 1, 4});
  const int64_t size = static_cast<int64_t>(all.size()) / parts;
  return Doubles(all.begin() + which * size, all.begin() + (which + 1) * size);
}

/// Adds bias[offset + h * dim + j] to [batch][heads][length][dim].
void addHeadBias(Doubles& x, const Doubles& bias, int64_t offset, int64_t heads, int64_t length, int64_t dim) {
  for (size_t i = 0; i < x.size() && !bias.empty(); ++i)
    x[i] += bias[offset + static_cast<int64_t>(i) / (length * dim) % heads * dim + static_cast<int64_t>(i) % dim];
}

double scaleOf(const HostOpCall& call, int64_t dim) {
  const double asked = call.attributes->getFloat("scale", 0);
  return asked == 0 ? 1 / std::sqrt(static_cast<double>(dim)) : asked;
}

} // namespace

/// Inputs query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value. Outputs y, present_key,
/// present_value, scores.
Status multiHeadAttention(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor query, call.tensor(0));
  const int64_t heads = call.attributes->getInt("num_heads", 0);
  JINX_TRY(checkHeads(call, "num_heads", heads));
  if (call.has(8) || call.has(9))
    return unimplemented(call.error("has past_sequence_length or cache_indirection, expected neither").message());
  AttentionShape s;
  s.batch = query.rank() > 0 ? query.dim(0) : 0;
  s.heads = s.kvHeads = heads;
  Doubles q, k, v;
  int64_t length = 0; // of the new keys
  if (query.rank() == 5 && query.dim(2) == heads && query.dim(3) == 3) {
    s.queries = length = query.dim(1);
    s.dim = s.vDim = query.dim(4);
    q = part(query, s.batch, length, heads, 3, 0, s.dim);
    k = part(query, s.batch, length, heads, 3, 1, s.dim);
    v = part(query, s.batch, length, heads, 3, 2, s.dim);
  } else {
    if (query.rank() != 3 || query.dim(2) % heads != 0)
      return call.error("operand query is " + query.describe() + ", expected rank 3 with a multiple of " + str(heads) +
                        " (num_heads) columns");
    s.queries = query.dim(1);
    s.dim = query.dim(2) / heads;
    q = splitHeads(toDoubles(query), s.batch, s.queries, heads, s.dim);
    JINX_TRY_ASSIGN(Tensor key, call.tensor(1));
    if (key.rank() == 5) {
      length = key.dim(1);
      s.vDim = s.dim;
      if (key.shape() != Shape{s.batch, length, heads, 2, s.dim})
        return call.error("operand key is " + key.describe() + ", expected shape " +
                          toString(Shape{s.batch, length, heads, 2, s.dim}));
      k = part(key, s.batch, length, heads, 2, 0, s.dim);
      v = part(key, s.batch, length, heads, 2, 1, s.dim);
    } else {
      JINX_TRY_ASSIGN(Tensor value, call.tensor(2));
      const bool split = key.rank() == 4 && value.rank() == 4;
      length = key.rank() == 3 ? key.dim(1) : split ? key.dim(2) : -1;
      s.vDim = split ? value.dim(3) : value.rank() == 3 ? value.dim(2) / heads : 0;
      const Shape keyShape = split ? Shape{s.batch, heads, length, s.dim} : Shape{s.batch, length, heads * s.dim};
      const Shape valueShape = split ? Shape{s.batch, heads, length, s.vDim} : Shape{s.batch, length, heads * s.vDim};
      if (key.shape() != keyShape || value.shape() != valueShape)
        return call.error("operands key, value are " + key.describe() + ", " + value.describe() + ", expected batch " +
                          str(s.batch) + ", equal length, head size " + str(s.dim) + " of the key");
      k = split ? toDoubles(key) : splitHeads(toDoubles(key), s.batch, length, heads, s.dim);
      v = split ? toDoubles(value) : splitHeads(toDoubles(value), s.batch, length, heads, s.vDim);
    }
  }
  if (call.has(3)) {
    JINX_TRY_ASSIGN(Tensor t, call.tensor(3));
    if (t.size() != heads * (2 * s.dim + s.vDim))
      return call.error("operand bias is " + t.describe() + ", expected " + str(heads * (2 * s.dim + s.vDim)) +
                        " values");
    const Doubles all = toDoubles(t);
    addHeadBias(q, all, 0, heads, s.queries, s.dim);
    addHeadBias(k, all, heads * s.dim, heads, length, s.dim);
    addHeadBias(v, all, 2 * heads * s.dim, heads, length, s.vDim);
  }
  Bias bias;
  if (call.has(6) && call.has(7)) {
    JINX_TRY_ASSIGN(Tensor pastKey, call.tensor(6));
    JINX_TRY_ASSIGN(Tensor pastValue, call.tensor(7));
    bias.past = pastKey.rank() == 4 ? pastKey.dim(2) : -1;
    if (pastKey.shape() != Shape{s.batch, heads, bias.past, s.dim} ||
        pastValue.shape() != Shape{s.batch, heads, bias.past, s.vDim})
      return call.error("operands past_key, past_value are " + pastKey.describe() + ", " + pastValue.describe() +
                        ", expected batch, heads, equal length, head size of key and value");
    k = appendRows(toDoubles(pastKey), bias.past, k, length, s.batch * heads, s.dim);
    v = appendRows(toDoubles(pastValue), bias.past, v, length, s.batch * heads, s.vDim);
  }
  s.keys = bias.past + length;
  bias.filter = call.attributes->getFloat("mask_filter_value", -10000);
  bias.causal = call.attributes->getInt("unidirectional", 0) != 0;
  JINX_TRY(readMask(call, 4, "key_padding_mask", s, bias));
  JINX_TRY(readAddedBias(call, 5, s, bias));
  AttentionOptions options = withBias(bias, s);
  options.scale = scaleOf(call, s.dim);
  if (wants(call, 3)) options.stage = ScoreStage::kBiased;
  const AttentionResult result = attend(s, options, q, k, v);
  call.outputs[0] = fromDoubles(query.dtype(), {s.batch, s.queries, heads * s.vDim},
                                joinHeads(result.y, s.batch, heads, s.queries, s.vDim));
  if (wants(call, 1)) call.outputs[1] = fromDoubles(query.dtype(), {s.batch, heads, s.keys, s.dim}, k);
  if (wants(call, 2)) call.outputs[2] = fromDoubles(query.dtype(), {s.batch, heads, s.keys, s.vDim}, v);
  if (wants(call, 3)) call.outputs[3] = fromDoubles(query.dtype(), {s.batch, heads, s.queries, s.keys}, result.scores);
  return Status::ok();
}

namespace {

/// What Attention and QAttention share once the input is projected to [batch][length][hidden + hidden + vHidden].
Status projectedAttention(HostOpCall& call, DType type, const Doubles& projected, int64_t batch, int64_t length,
                          int64_t hidden, int64_t vHidden, size_t maskInput, size_t pastInput, size_t addedInput) {
  const int64_t heads = call.attributes->getInt("num_heads", 0), columns = 2 * hidden + vHidden;
  JINX_TRY(checkHeads(call, "num_heads", heads));
  if (hidden % heads != 0 || vHidden % heads != 0)
    return call.error("attribute num_heads is " + str(heads) + ", expected a divisor of the hidden sizes " +
                      str(hidden) + ", " + str(vHidden));
  if (call.attributes->getInt("do_rotary", 0) != 0 || call.attributes->getInt("past_present_share_buffer", 0) != 0)
    return unimplemented(call.error("has do_rotary or past_present_share_buffer, expected neither").message());
  AttentionShape s{batch, heads, heads, length, length, hidden / heads, vHidden / heads};
  auto take = [&](int64_t first, int64_t count) {
    Doubles out(batch * length * count);
    for (int64_t r = 0; r < batch * length; ++r)
      std::copy_n(projected.begin() + r * columns + first, count, out.begin() + r * count);
    return splitHeads(out, batch, length, heads, count / heads);
  };
  const Doubles q = take(0, hidden);
  Doubles k = take(hidden, hidden), v = take(2 * hidden, vHidden);
  Bias bias;
  if (call.has(pastInput)) {
    JINX_TRY_ASSIGN(Tensor past, call.tensor(pastInput));
    bias.past = past.rank() == 5 ? past.dim(3) : -1;
    if (s.dim != s.vDim || past.shape() != Shape{2, batch, heads, bias.past, s.dim})
      return call.error("operand past is " + past.describe() + ", expected shape 2x" + toString(Shape{batch, heads}) +
                        "x(past length)x" + str(s.dim));
    const Doubles all = toDoubles(past);
    const size_t half = all.size() / 2;
    k = appendRows(Doubles(all.begin(), all.begin() + half), bias.past, k, length, batch * heads, s.dim);
    v = appendRows(Doubles(all.begin() + half, all.end()), bias.past, v, length, batch * heads, s.dim);
  }
  s.keys = bias.past + length;
  bias.filter = call.attributes->getFloat("mask_filter_value", -10000);
  bias.causal = call.attributes->getInt("unidirectional", 0) != 0;
  JINX_TRY(readMask(call, maskInput, "mask_index", s, bias));
  JINX_TRY(readAddedBias(call, addedInput, s, bias));
  AttentionOptions options = withBias(bias, s);
  options.scale = scaleOf(call, s.dim);
  const AttentionResult result = attend(s, options, q, k, v);
  call.outputs[0] = fromDoubles(type, {batch, length, vHidden}, joinHeads(result.y, batch, heads, length, s.vDim));
  if (wants(call, 1)) {
    k.insert(k.end(), v.begin(), v.end());
    call.outputs[1] = fromDoubles(type, {2, batch, heads, s.keys, s.dim}, k);
  }
  return Status::ok();
}

/// input [batch][length][k] times weights [k][n] plus bias [n].
Status checkProjection(const HostOpCall& call, const Tensor& x, const Tensor& w) {
  if (x.rank() != 3)
    return call.error("operand input is " + x.describe() + ", expected rank 3 (batch, length, hidden)");
  if (w.rank() != 2 || w.dim(0) != x.dim(2))
    return call.error("operand weights is " + w.describe() + ", expected rank 2 with " + str(x.dim(2)) +
                      " rows (columns of operand input)");
  return Status::ok();
}

Status addProjectionBias(const HostOpCall& call, size_t i, int64_t n, Doubles& y) {
  if (!call.has(i)) return Status::ok();
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  if (t.size() != n)
    return call.error("operand bias is " + t.describe() + ", expected " + str(n) +
                      " values (columns of operand weights)");
  const Doubles bias = toDoubles(t);
  for (size_t e = 0; e < y.size(); ++e)
    y[e] += bias[e % n];
  return Status::ok();
}

} // namespace

/// Inputs input, weights, bias, mask_index, past, attention_bias.
Status contribAttention(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor w, call.tensor(1));
  JINX_TRY(checkProjection(call, x, w));
  const int64_t rows = x.dim(0) * x.dim(1), k = x.dim(2), n = w.dim(1);
  Shape sizes = call.attributes->getInts("qkv_hidden_sizes");
  if (sizes.empty()) sizes = {n / 3, n / 3, n / 3};
  if (sizes.size() != 3 || sizes[0] != sizes[1] || sizes[0] < 0 || sizes[0] > n || sizes[2] < 0 ||
      sizes[2] != n - 2 * sizes[0])
    return call.error("attribute qkv_hidden_sizes is " + toString(sizes) +
                      ", expected equal sizes of Q and K that with V's add up to the " + str(n) +
                      " columns of operand weights");
  const Doubles vx = toDoubles(x), vw = toDoubles(w);
  Doubles y(rows * n, 0.0);
  gemm(rows, n, k, rowMajor(vx.data(), k), rowMajor(vw.data(), n), y.data(), n);
  JINX_TRY(addProjectionBias(call, 2, n, y));
  return projectedAttention(call, x.dtype(), y, x.dim(0), x.dim(1), sizes[0], sizes[2], 3, 4, 5);
}

/// Inputs input, weight, bias, input_scale, weight_scale, mask_index, input_zero_point, weight_zero_point, past.
Status qAttention(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor w, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor bias, call.tensor(2));
  JINX_TRY_ASSIGN(Tensor xScale, call.tensor(3));
  JINX_TRY_ASSIGN(Tensor wScale, call.tensor(4));
  JINX_TRY(checkProjection(call, x, w));
  const int64_t rows = x.dim(0) * x.dim(1), k = x.dim(2), n = w.dim(1);
  Tensor xZero = Tensor::scalarInt(0, DType::kI32), wZero = xZero;
  if (call.has(6)) {
    JINX_TRY_ASSIGN(xZero, call.tensor(6));
  }
  if (call.has(7)) {
    JINX_TRY_ASSIGN(wZero, call.tensor(7));
  }
  if (xScale.size() != 1 || xZero.size() != 1)
    return call.error("operands input_scale, input_zero_point are " + xScale.describe() + ", " + xZero.describe() +
                      ", expected scalars");
  for (const Tensor* t : {&wScale, &wZero})
    if (t->size() != 1 && t->size() != n)
      return call.error("operands weight_scale, weight_zero_point are " + wScale.describe() + ", " + wZero.describe() +
                        ", expected scalars or " + str(n) + " values");
  if (n % 3 != 0) return call.error("operand weight is " + w.describe() + ", expected a multiple of 3 columns");
  Doubles vx = toDoubles(x), vw = toDoubles(w), y(rows * n, 0.0);
  const Doubles scales = toDoubles(wScale), zeros = toDoubles(wZero);
  for (double& v : vx)
    v -= xZero.getDouble(0);
  for (size_t e = 0; e < vw.size(); ++e)
    vw[e] -= zeros[zeros.size() == 1 ? 0 : e % n];
  gemm(rows, n, k, rowMajor(vx.data(), k), rowMajor(vw.data(), n), y.data(), n);
  for (size_t e = 0; e < y.size(); ++e)
    y[e] *= xScale.getDouble(0) * scales[scales.size() == 1 ? 0 : e % n];
  JINX_TRY(addProjectionBias(call, 2, n, y));
  return projectedAttention(call, bias.dtype(), y, x.dim(0), x.dim(1), n / 3, n / 3, 5, 8, 99);
}

} // namespace jinx::dense
