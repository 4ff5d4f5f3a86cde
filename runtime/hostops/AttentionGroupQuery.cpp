// com.microsoft GroupQueryAttention, as onnxruntime's CPU provider computes it: causal attention over a cache whose
// length each sequence has for itself, with optional rotary embedding, local window, softcap and sinks.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/hostops/AttentionCore.h"

namespace jinx::dense {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct GroupQuery {
  int64_t batch, queries, heads, kvHeads, dim;
  DType type;
  Doubles q, k, v;            ///< [batch][heads][queries][dim]
  std::vector<int64_t> total; ///< keys of each sequence, new ones included
  int64_t longest = 0;        ///< total_sequence_length
  bool first = false;         ///< the first prompt: no sequence has a past, short ones are padded at the end
  int64_t past(int64_t b) const { return first ? 0 : total[b] - queries; }
};

/// Operands query, key, value, or all packed in query; seqlens_k and total_sequence_length.
Expected<GroupQuery> readOperands(const HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor query, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor seqlens, call.tensor(5));
  JINX_TRY_ASSIGN(Tensor longest, call.tensor(6));
  const Attributes& at = *call.attributes;
  for (size_t i : {size_t{12}, size_t{13}, size_t{16}})
    if (call.has(i))
      return unimplemented(
          call.error("has operand " + str(i) + " (quantized cache or query_seqlens), expected none").message());
  if (at.getInt("sliding_window_cache", 0) != 0)
    return unimplemented(call.error("attribute sliding_window_cache is not 0").message());
  GroupQuery g{};
  g.heads = at.getInt("num_heads", 0);
  g.kvHeads = at.getInt("kv_num_heads", 0);
  JINX_TRY(checkHeads(call, "num_heads", g.heads));
  JINX_TRY(checkHeads(call, "kv_num_heads", g.kvHeads));
  if (g.heads % g.kvHeads != 0)
    return call.error("attributes num_heads, kv_num_heads are " + str(g.heads) + ", " + str(g.kvHeads) +
                      ", expected the first to be a multiple of the second");
  if (query.rank() != 3)
    return call.error("operand query is " + query.describe() + ", expected rank 3 (batch, sequence, hidden)");
  g.type = query.dtype();
  g.batch = query.dim(0);
  g.queries = query.dim(1);
  const bool packed = !call.has(1);
  const int64_t rows = packed ? g.heads + 2 * g.kvHeads : g.heads;
  if (query.dim(2) % rows != 0)
    return call.error("operand query is " + query.describe() + ", expected a multiple of " + str(rows) +
                      " (heads) columns");
  g.dim = query.dim(2) / rows;
  const Doubles all = splitHeads(toDoubles(query), g.batch, g.queries, rows, g.dim);
  if (packed) {
    auto take = [&](int64_t firstHead, int64_t count) {
      Doubles out;
      const int64_t plane = g.queries * g.dim;
      for (int64_t b = 0; b < g.batch; ++b)
        out.insert(out.end(), all.begin() + (b * rows + firstHead) * plane,
                   all.begin() + (b * rows + firstHead + count) * plane);
      return out;
    };
    g.q = take(0, g.heads);
    g.k = take(g.heads, g.kvHeads);
    g.v = take(g.heads + g.kvHeads, g.kvHeads);
  } else {
    JINX_TRY_ASSIGN(Tensor key, call.tensor(1));
    JINX_TRY_ASSIGN(Tensor value, call.tensor(2));
    const Shape expected{g.batch, g.queries, g.kvHeads * g.dim};
    if (key.shape() != expected || value.shape() != expected)
      return call.error("operands key, value are " + key.describe() + ", " + value.describe() + ", expected shape " +
                        toString(expected));
    g.q = all;
    g.k = splitHeads(toDoubles(key), g.batch, g.queries, g.kvHeads, g.dim);
    g.v = splitHeads(toDoubles(value), g.batch, g.queries, g.kvHeads, g.dim);
  }
  if (seqlens.size() != g.batch)
    return call.error("operand seqlens_k is " + seqlens.describe() + ", expected " + str(g.batch) + " values (batch)");
  if (longest.size() != 1)
    return call.error("operand total_sequence_length is " + longest.describe() + ", expected one value");
  g.longest = longest.getInt(0);
  g.first = g.longest == g.queries;
  for (int64_t b = 0; b < g.batch; ++b) {
    g.total.push_back(seqlens.getInt(b) + 1);
    if (g.total[b] < 1 || g.total[b] > g.longest || (!g.first && g.total[b] < g.queries))
      return call.error("operand seqlens_k holds " + str(g.total[b] - 1) + ", expected " +
                        str(g.first ? 0 : g.queries - 1) + " to " + str(g.longest - 1));
  }
  return g;
}

/// x / rms(x) * weight over each head's elements.
Status normalizeHeads(const HostOpCall& call, size_t i, const char* name, const char* epsilonName, const GroupQuery& g,
                      Doubles& x) {
  if (!call.has(i)) return Status::ok();
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  if (t.size() != g.dim)
    return call.error("operand " + std::string(name) + " is " + t.describe() + ", expected " + str(g.dim) +
                      " values (head size)");
  const double epsilon = call.attributes->getFloat(epsilonName, call.attributes->getFloat("qk_norm_epsilon", 1e-6));
  const Doubles weight = toDoubles(t);
  for (size_t at = 0; at < x.size(); at += g.dim) {
    double squares = 0;
    for (int64_t j = 0; j < g.dim; ++j)
      squares += x[at + j] * x[at + j];
    const double factor = 1 / std::sqrt(squares / static_cast<double>(g.dim) + epsilon);
    for (int64_t j = 0; j < g.dim; ++j)
      x[at + j] *= factor * weight[j];
  }
  return Status::ok();
}

/// Rotates q and k by their absolute positions: position_ids, or what the lengths say. Padding of a first prompt counts
/// on.
Status rotateOperands(const HostOpCall& call, GroupQuery& g) {
  if (call.attributes->getInt("do_rotary", 0) == 0) return Status::ok();
  JINX_TRY_ASSIGN(Tensor cos, call.tensor(7));
  JINX_TRY_ASSIGN(Tensor sin, call.tensor(8));
  if (cos.rank() != 2 || cos.shape() != sin.shape() || 2 * cos.dim(1) > g.dim)
    return call.error("operands cos_cache, sin_cache are " + cos.describe() + ", " + sin.describe() +
                      ", expected equal rank-2 shapes with up to " + str(g.dim / 2) + " columns");
  const bool interleaved = call.attributes->getInt("rotary_interleaved", 0) != 0;
  Tensor ids;
  if (call.has(9)) {
    JINX_TRY_ASSIGN(ids, call.tensor(9));
    if (ids.size() != g.batch * g.queries)
      return call.error("operand position_ids is " + ids.describe() + ", expected shape " +
                        toString(Shape{g.batch, g.queries}));
  }
  const Doubles c = toDoubles(cos), s = toDoubles(sin);
  const int64_t half = cos.dim(1);
  for (int64_t b = 0; b < g.batch; ++b)
    for (int64_t i = 0; i < g.queries; ++i) {
      int64_t position = g.past(b) + i;
      if (ids.valid())
        position =
            g.first ? ids.getInt(0) + i : ids.getInt(b * g.queries + i); // a first prompt reads the first id only
      if (position < 0 || position >= cos.dim(0))
        return call.error("position " + str(position) + " of query " + str(i) + " is outside cos_cache " +
                          cos.describe());
      for (int64_t h = 0; h < g.heads; ++h)
        rotate(g.q.data() + ((b * g.heads + h) * g.queries + i) * g.dim, c.data() + position * half,
               s.data() + position * half, half, interleaved);
      for (int64_t h = 0; h < g.kvHeads; ++h)
        rotate(g.k.data() + ((b * g.kvHeads + h) * g.queries + i) * g.dim, c.data() + position * half,
               s.data() + position * half, half, interleaved);
    }
  return Status::ok();
}

/// The cache with the new rows after each sequence's past, then zeros: [batch][kvHeads][length][dim].
Expected<Doubles> updateCache(const HostOpCall& call, size_t i, const char* name, const GroupQuery& g,
                              const Doubles& fresh, int64_t length) {
  Doubles cache(g.batch * g.kvHeads * length * g.dim, 0.0);
  Doubles old;
  int64_t oldLength = 0;
  if (call.has(i)) {
    JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
    oldLength = t.rank() == 4 ? t.dim(2) : -1;
    if (t.shape() != Shape{g.batch, g.kvHeads, oldLength, g.dim})
      return call.error("operand " + std::string(name) + " is " + t.describe() + ", expected batch " + str(g.batch) +
                        ", heads " + str(g.kvHeads) + ", head size " + str(g.dim));
    old = toDoubles(t);
  }
  for (int64_t b = 0; b < g.batch; ++b) {
    const int64_t past = g.past(b);
    if (past > oldLength)
      return call.error("operand " + std::string(name) + " has room for " + str(oldLength) + " keys, expected " +
                        str(past) + " (seqlens_k + 1 - sequence length)");
    for (int64_t h = 0; h < g.kvHeads; ++h) {
      const int64_t row = b * g.kvHeads + h;
      double* to = cache.data() + row * length * g.dim;
      std::copy_n(old.data() + row * oldLength * g.dim, past * g.dim, to);
      std::copy_n(fresh.data() + row * g.queries * g.dim, g.queries * g.dim, to + past * g.dim);
    }
  }
  return cache;
}

} // namespace

/// Inputs query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos_cache, sin_cache,
/// position_ids, attention_bias, head_sink, k_scale, v_scale, q_norm_weight, k_norm_weight. Outputs y, present_key,
/// present_value, output_qk.
Status groupQueryAttention(HostOpCall& call) {
  const Attributes& at = *call.attributes;
  JINX_TRY_ASSIGN(GroupQuery g, readOperands(call));
  JINX_TRY(normalizeHeads(call, 14, "q_norm_weight", "q_norm_epsilon", g, g.q));
  JINX_TRY(normalizeHeads(call, 15, "k_norm_weight", "k_norm_epsilon", g, g.k));
  JINX_TRY(rotateOperands(call, g));
  int64_t length = g.longest;
  if (call.has(3)) {
    JINX_TRY_ASSIGN(Tensor past, call.tensor(3));
    if (past.rank() == 4) length = std::max(length, past.dim(2));
  }
  JINX_TRY(checkShapeSize(call, {g.batch, g.heads, length, g.dim + g.queries}, "present_key"));
  JINX_TRY_ASSIGN(Doubles keys, updateCache(call, 3, "past_key", g, g.k, length));
  JINX_TRY_ASSIGN(Doubles values, updateCache(call, 4, "past_value", g, g.v, length));
  const AttentionShape s{g.batch, g.heads, g.kvHeads, g.queries, length, g.dim, g.dim};

  Doubles added;
  Shape strides;
  if (call.has(10)) {
    JINX_TRY_ASSIGN(Tensor t, call.tensor(10));
    const Shape full{g.batch, g.heads, g.queries, t.rank() == 4 ? t.dim(3) : 0};
    Shape merged;
    if (full[3] < g.longest || !broadcastShapes(t.shape(), full, merged) || merged != full)
      return call.error("operand attention_bias is " + t.describe() + ", expected a shape that broadcasts to " +
                        toString(Shape{g.batch, g.heads, g.queries, g.longest}));
    added = toDoubles(t);
    strides = broadcastStrides(t.shape(), full);
  }
  AttentionOptions options;
  const double scale = at.getFloat("scale", 0);
  options.scale = scale == 0 ? 1 / std::sqrt(static_cast<double>(g.dim)) : scale;
  options.softcap = at.getFloat("softcap", 0);
  if (call.has(11)) {
    JINX_TRY_ASSIGN(Tensor sink, call.tensor(11));
    if (sink.size() != g.heads)
      return call.error("operand head_sink is " + sink.describe() + ", expected " + str(g.heads) + " values (heads)");
    options.sink = toDoubles(sink);
  } else if (at.getInt("smooth_softmax", 0) == 1) {
    options.sink.assign(g.heads, 0.0);
  }
  const int64_t window = at.getInt("local_window_size", -1);
  const bool causal = at.getInt("causal", 1) != 0;
  options.bias = [&](int64_t b, int64_t h, int64_t i, double* row) {
    const int64_t position = g.past(b) + i;
    for (int64_t j = 0; j < length; ++j) {
      const bool out = (causal && j > position) || j >= g.total[b] || (window > 0 && j <= position - window);
      if (out)
        row[j] = -kInfinity;
      else if (!added.empty())
        row[j] += added[b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3]];
    }
  };
  const int64_t stage = at.getInt("qk_output", 0);
  if (wants(call, 3) && stage != 0) options.stage = stage == 1 ? ScoreStage::kBiased : ScoreStage::kProbabilities;
  const AttentionResult result = attend(s, options, g.q, keys, values);
  call.outputs[0] = fromDoubles(g.type, {g.batch, g.queries, g.heads * g.dim},
                                joinHeads(result.y, g.batch, g.heads, g.queries, g.dim));
  const Shape cacheShape{g.batch, g.kvHeads, length, g.dim};
  if (wants(call, 1)) call.outputs[1] = fromDoubles(g.type, cacheShape, keys);
  if (wants(call, 2)) call.outputs[2] = fromDoubles(g.type, cacheShape, values);
  if (options.stage != ScoreStage::kNone) {
    Doubles scores; // the columns up to total_sequence_length; 0 where masked
    for (int64_t r = 0; r < g.batch * g.heads * g.queries; ++r)
      scores.insert(scores.end(), result.scores.begin() + r * length, result.scores.begin() + r * length + g.longest);
    std::replace(scores.begin(), scores.end(), -kInfinity, 0.0);
    call.outputs[3] = fromDoubles(g.type, {g.batch, g.heads, g.queries, g.longest}, scores);
  }
  return Status::ok();
}

} // namespace jinx::dense
