// RotaryEmbedding (Su et al. 2021) as ONNX and com.microsoft define it, and LinearAttention.
#include <algorithm>
#include <cmath>

#include "runtime/hostops/AttentionCore.h"

namespace jinx::dense {
namespace {

/// Rotates every row of x, [batch][sequence][heads][dim] or, with `headsFirst`, [batch][heads][sequence][dim], by the
/// angles in row angleRow(b, s) of the caches.
template <typename RowFn>
void rotateAll(Doubles& x, int64_t batch, int64_t sequence, int64_t heads, int64_t dim, bool headsFirst,
               const Doubles& cos, const Doubles& sin, int64_t half, bool interleaved, RowFn angleRow) {
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t s = 0; s < sequence; ++s) {
      const int64_t row = angleRow(b, s);
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t at = headsFirst ? (b * heads + h) * sequence + s : (b * sequence + s) * heads + h;
        rotate(x.data() + at * dim, cos.data() + row * half, sin.data() + row * half, half, interleaved);
      }
    }
}

/// The sequence layout of a rotary input: rank 4 is [batch][heads][sequence][dim], rank 3 [batch][sequence][heads *
/// dim].
struct RotaryInput {
  int64_t batch, sequence, heads, dim;
  bool headsFirst;
};

Status checkCaches(const HostOpCall& call, const Tensor& cos, const Tensor& sin, int64_t half) {
  if (cos.rank() > 0 && cos.shape() == sin.shape() && cos.dim(-1) == half) return Status::ok();
  return call.error("operands cos_cache, sin_cache are " + cos.describe() + ", " + sin.describe() +
                    ", expected equal shapes with " + str(half) + " columns (half the rotated size)");
}

Status checkPosition(const HostOpCall& call, int64_t position, int64_t rows) {
  if (position >= 0 && position < rows) return Status::ok();
  return call.error("operand position_ids gives position " + str(position) + ", expected 0 to " + str(rows - 1) +
                    " (rows of cos_cache)");
}

} // namespace

/// Inputs X, cos_cache, sin_cache, position_ids; without position_ids the caches have a row for each token.
Status rotaryEmbedding(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor cos, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor sin, call.tensor(2));
  if (x.rank() != 3 && x.rank() != 4) return call.error("operand X is " + x.describe() + ", expected rank 3 or 4");
  RotaryInput in{x.dim(0), x.dim(2), x.dim(1), x.dim(-1), true};
  if (x.rank() == 3) {
    const int64_t heads = call.attributes->getInt("num_heads", 0);
    JINX_TRY(checkHeads(call, "num_heads", heads));
    if (x.dim(2) % heads != 0)
      return call.error("attribute num_heads is " + str(heads) + ", expected a divisor of the " + str(x.dim(2)) +
                        " columns of operand X");
    in = {x.dim(0), x.dim(1), heads, x.dim(2) / heads, false};
  }
  int64_t rotated = call.attributes->getInt("rotary_embedding_dim", 0);
  if (rotated == 0) rotated = in.dim;
  if (rotated < 0 || rotated > in.dim || rotated % 2 != 0)
    return call.error("rotates " + str(rotated) + " elements of a head, expected an even number up to " + str(in.dim));
  JINX_TRY(checkCaches(call, cos, sin, rotated / 2));
  std::vector<int64_t> positions;
  if (call.has(3)) {
    JINX_TRY_ASSIGN(Tensor ids, call.tensor(3));
    if (ids.shape() != Shape{in.batch, in.sequence})
      return call.error("operand position_ids is " + ids.describe() + ", expected shape " +
                        toString(Shape{in.batch, in.sequence}));
    if (cos.rank() != 2)
      return call.error("operand cos_cache is " + cos.describe() + ", expected rank 2 with position_ids");
    positions = ids.toInts();
    for (int64_t p : positions)
      JINX_TRY(checkPosition(call, p, cos.dim(0)));
  } else if (cos.shape() != Shape{in.batch, in.sequence, rotated / 2}) {
    return call.error("operand cos_cache is " + cos.describe() + ", expected shape " +
                      toString(Shape{in.batch, in.sequence, rotated / 2}) + " without position_ids");
  }
  Doubles y = toDoubles(x);
  rotateAll(y, in.batch, in.sequence, in.heads, in.dim, in.headsFirst, toDoubles(cos), toDoubles(sin), rotated / 2,
            call.attributes->getInt("interleaved", 0) != 0, [&](int64_t b, int64_t s) {
              return positions.empty() ? b * in.sequence + s : positions[b * in.sequence + s];
            });
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), y);
  return Status::ok();
}

/// Inputs input, position_ids ([1]: of the first token, or one a token), cos_cache, sin_cache.
Status contribRotaryEmbedding(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor ids, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor cos, call.tensor(2));
  JINX_TRY_ASSIGN(Tensor sin, call.tensor(3));
  const Attributes& at = *call.attributes;
  if (x.rank() != 3 && x.rank() != 4) return call.error("operand input is " + x.describe() + ", expected rank 3 or 4");
  if (cos.rank() != 2) return call.error("operand cos_cache is " + cos.describe() + ", expected rank 2");
  RotaryInput in{x.dim(0), x.dim(2), x.dim(1), x.dim(-1), true};
  const int64_t asked = at.getInt("rotary_embedding_dim", 0), heads = at.getInt("num_heads", 0);
  if (x.rank() == 3) {
    if (asked > 0 && heads < 1)
      return call.error("attribute num_heads is " + str(heads) + ", expected 1 or more with rotary_embedding_dim");
    const int64_t dim = heads > 0 ? x.dim(2) / heads : 2 * cos.dim(1);
    if (dim < 1 || x.dim(2) % dim != 0)
      return call.error("operand input is " + x.describe() + ", expected a multiple of the head size " + str(dim) +
                        " in dimension 2");
    in = {x.dim(0), x.dim(1), x.dim(2) / dim, dim, false};
  }
  const int64_t rotated = asked > 0 ? asked : in.dim;
  if (rotated > in.dim || rotated % 2 != 0)
    return call.error("rotates " + str(rotated) + " elements of a head, expected an even number up to " + str(in.dim));
  JINX_TRY(checkCaches(call, cos, sin, rotated / 2));
  const bool offset = ids.size() == 1 && (ids.rank() < 2 || in.batch * in.sequence != 1);
  if (!offset && ids.size() != in.batch * in.sequence)
    return call.error("operand position_ids is " + ids.describe() + ", expected one value or shape " +
                      toString(Shape{in.batch, in.sequence}));
  std::vector<int64_t> positions(in.batch * in.sequence);
  for (int64_t i = 0; i < in.batch * in.sequence; ++i) {
    positions[i] = offset ? ids.getInt(0) + i % in.sequence : ids.getInt(i);
    JINX_TRY(checkPosition(call, positions[i], cos.dim(0)));
  }
  Doubles y = toDoubles(x);
  rotateAll(y, in.batch, in.sequence, in.heads, in.dim, in.headsFirst, toDoubles(cos), toDoubles(sin), rotated / 2,
            at.getInt("interleaved", 0) != 0, [&](int64_t b, int64_t s) { return positions[b * in.sequence + s]; });
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), y);
  return Status::ok();
}

/// State [dim][vDim] a head: decays by exp(g), takes k v^T (delta rules: the error of retrieving v by k, times beta),
/// and is read by q.
Status linearAttention(HostOpCall& call) {
  const Attributes& at = *call.attributes;
  Tensor inputs[3];
  const char* names[] = {"query", "key", "value"};
  for (size_t i = 0; i < 3; ++i) {
    JINX_TRY_ASSIGN(inputs[i], call.tensor(i));
    if (inputs[i].rank() != 3)
      return call.error("operand " + std::string(names[i]) + " is " + inputs[i].describe() +
                        ", expected rank 3 (batch, length, heads * size)");
  }
  const auto& [query, key, value] = inputs;
  const std::string rule = at.getString("update_rule", "gated_delta");
  if (rule != "linear" && rule != "gated" && rule != "delta" && rule != "gated_delta")
    return call.error("attribute update_rule is '" + rule + "', expected linear, gated, delta or gated_delta");
  if (at.getInt("state_window", 0) != 0) return unimplemented(call.error("attribute state_window is not 0").message());
  const bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  const int64_t qHeads = at.getInt("q_num_heads", 0), kvHeads = at.getInt("kv_num_heads", 0);
  JINX_TRY(checkHeads(call, "q_num_heads", qHeads));
  JINX_TRY(checkHeads(call, "kv_num_heads", kvHeads));
  const int64_t heads = std::max(qHeads, kvHeads);
  if (heads % qHeads != 0 || heads % kvHeads != 0)
    return call.error("attributes q_num_heads, kv_num_heads are " + str(qHeads) + ", " + str(kvHeads) +
                      ", expected positive multiples");
  const int64_t batch = query.dim(0), length = query.dim(1), dim = query.dim(2) / qHeads, vDim = value.dim(2) / kvHeads;
  if (query.dim(2) != qHeads * dim || key.shape() != Shape{batch, length, kvHeads * dim} ||
      value.shape() != Shape{batch, length, kvHeads * vDim})
    return call.error("operands query, key, value are " + query.describe() + ", " + key.describe() + ", " +
                      value.describe() + ", expected equal batch and length and columns for " + str(qHeads) + " and " +
                      str(kvHeads) + " heads");
  if (call.has(4) != gated)
    return call.error("update_rule " + rule + (gated ? " needs" : " takes no") + " operand decay");
  if (call.has(5) != delta)
    return call.error("update_rule " + rule + (delta ? " needs" : " takes no") + " operand beta");
  Doubles decay, beta, state(batch * kvHeads * dim * vDim, 0.0);
  int64_t decayWidth = 0, betaWidth = 0;
  DType stateType = query.dtype();
  if (gated) {
    JINX_TRY_ASSIGN(Tensor t, call.tensor(4));
    decayWidth = t.rank() == 3 ? t.dim(2) : 0;
    if (t.shape() != Shape{batch, length, decayWidth} || (decayWidth != kvHeads && decayWidth != kvHeads * dim))
      return call.error("operand decay is " + t.describe() + ", expected " + str(kvHeads) + " or " +
                        str(kvHeads * dim) + " columns a token");
    decay = toDoubles(t);
  }
  if (delta) {
    JINX_TRY_ASSIGN(Tensor t, call.tensor(5));
    betaWidth = t.rank() == 3 ? t.dim(2) : 0;
    if (t.shape() != Shape{batch, length, betaWidth} || (betaWidth != kvHeads && betaWidth != 1))
      return call.error("operand beta is " + t.describe() + ", expected " + str(kvHeads) + " columns or 1 a token");
    beta = toDoubles(t);
  }
  const Shape stateShape{batch, kvHeads, dim, vDim};
  if (call.has(3)) {
    JINX_TRY_ASSIGN(Tensor t, call.tensor(3));
    if (t.shape() != stateShape)
      return call.error("operand past_state is " + t.describe() + ", expected shape " + toString(stateShape));
    state = toDoubles(t);
    stateType = t.dtype();
  }
  const double asked = at.getFloat("scale", 0), scale = asked == 0 ? 1 / std::sqrt(static_cast<double>(dim)) : asked;
  const Doubles vq = toDoubles(query), vk = toDoubles(key), vv = toDoubles(value);
  const int64_t kvDecay = decayWidth == kvHeads ? 1 : dim; // values of decay a head
  Doubles y(batch * length * heads * vDim, 0.0), update(vDim);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t) {
      const int64_t token = b * length + t;
      for (int64_t h = 0; h < kvHeads; ++h) {
        double* s = state.data() + (b * kvHeads + h) * dim * vDim;
        const double *k = vk.data() + (token * kvHeads + h) * dim, *v = vv.data() + (token * kvHeads + h) * vDim;
        if (gated)
          for (int64_t i = 0; i < dim; ++i) {
            const double factor = std::exp(decay[token * decayWidth + h * kvDecay + (kvDecay == 1 ? 0 : i)]);
            for (int64_t j = 0; j < vDim; ++j)
              s[i * vDim + j] *= factor;
          }
        std::copy_n(v, vDim, update.begin());
        if (delta) {
          for (int64_t i = 0; i < dim; ++i)
            for (int64_t j = 0; j < vDim; ++j)
              update[j] -= s[i * vDim + j] * k[i];
          for (double& u : update)
            u *= beta[token * betaWidth + (betaWidth == 1 ? 0 : h)];
        }
        for (int64_t i = 0; i < dim; ++i)
          for (int64_t j = 0; j < vDim; ++j)
            s[i * vDim + j] += k[i] * update[j];
      }
      for (int64_t h = 0; h < heads; ++h) {
        const double* s = state.data() + (b * kvHeads + h / (heads / kvHeads)) * dim * vDim;
        const double* q = vq.data() + (token * qHeads + h / (heads / qHeads)) * dim;
        double* out = y.data() + (token * heads + h) * vDim;
        for (int64_t i = 0; i < dim; ++i)
          for (int64_t j = 0; j < vDim; ++j)
            out[j] += scale * q[i] * s[i * vDim + j];
      }
    }
  call.outputs[0] = fromDoubles(query.dtype(), {batch, length, heads * vDim}, y);
  give(call, 1, fromDoubles(stateType, stateShape, state));
  return Status::ok();
}

} // namespace jinx::dense
