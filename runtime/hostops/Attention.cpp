// ONNX Attention (opset 23, 24, 25) and FlexAttention. Rotary embeddings and linear attention are in
// AttentionOther.cpp, com.microsoft's operators in AttentionContrib.cpp and AttentionGroupQuery.cpp.
//
// All steps run in double whatever softmax_precision says: the results are at least as near to the exact ones.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/hostops/AttentionCore.h"

namespace jinx {
namespace dense {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One of Q, K, V as [batch][heads][length][dim].
struct HeadTensor {
  Doubles values;
  int64_t batch = 0, heads = 0, length = 0, dim = 0;
};

Expected<HeadTensor> readHeads(const HostOpCall& call, size_t i, const char* name, const char* headsAttribute) {
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  if (t.rank() == 4) return HeadTensor{toDoubles(t), t.dim(0), t.dim(1), t.dim(2), t.dim(3)};
  if (t.rank() != 3)
    return call.error("operand " + std::string(name) + " is " + t.describe() + ", expected rank 3 or 4");
  const int64_t heads = call.attributes->getInt(headsAttribute, 0);
  JINX_TRY(checkHeads(call, headsAttribute, heads));
  if (t.dim(2) % heads != 0)
    return call.error("attribute " + std::string(headsAttribute) + " is " + str(heads) +
                      ", expected a divisor of the " + str(t.dim(2)) + " columns of operand " + name);
  const int64_t dim = t.dim(2) / heads;
  return HeadTensor{splitHeads(toDoubles(t), t.dim(0), t.dim(1), heads, dim), t.dim(0), heads, t.dim(1), dim};
}

/// attn_mask seen at [batch][heads][queries][keys]. From opset 24 on a short last dimension is filled up with -inf.
struct Mask {
  Doubles values;      ///< additive
  Shape strides;       ///< of b, h, i, j
  int64_t columns = 0; ///< keys from here on are masked
  bool present() const { return !strides.empty(); }
};

Expected<Mask> readMask(const HostOpCall& call, const AttentionShape& s) {
  Mask mask;
  if (!call.has(3)) return mask;
  JINX_TRY_ASSIGN(Tensor t, call.tensor(3));
  mask.values = toDoubles(t);
  if (t.dtype() == DType::kBool)
    for (double& v : mask.values)
      v = v != 0 ? 0 : -kInfinity;
  mask.columns = s.keys;
  if (call.opset >= 24 && t.rank() > 0 && t.dim(-1) < s.keys) mask.columns = t.dim(-1);
  const Shape full{s.batch, s.heads, s.queries, mask.columns};
  Shape merged;
  if (!broadcastShapes(t.shape(), full, merged) || merged != full)
    return call.error("operand attn_mask is " + t.describe() + ", expected a shape that broadcasts to " +
                      toString(Shape{s.batch, s.heads, s.queries, s.keys}));
  mask.strides = broadcastStrides(t.shape(), full);
  return mask;
}

Status attention(HostOpCall& call) {
  const Attributes& at = *call.attributes;
  JINX_TRY_ASSIGN(Tensor qTensor, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor vTensor, call.tensor(2));
  JINX_TRY_ASSIGN(HeadTensor q, readHeads(call, 0, "Q", "q_num_heads"));
  JINX_TRY_ASSIGN(HeadTensor k, readHeads(call, 1, "K", "kv_num_heads"));
  JINX_TRY_ASSIGN(HeadTensor v, readHeads(call, 2, "V", "kv_num_heads"));
  if (k.batch != q.batch || k.dim != q.dim || v.batch != k.batch || v.heads != k.heads || v.length != k.length ||
      k.heads < 1 || q.heads % k.heads != 0)
    return call.error("operands Q, K, V have (batch, heads, length, size) " +
                      toString(Shape{q.batch, q.heads, q.length, q.dim}) + ", " +
                      toString(Shape{k.batch, k.heads, k.length, k.dim}) + ", " +
                      toString(Shape{v.batch, v.heads, v.length, v.dim}) +
                      ", expected equal batch, equal size of Q and K, equal heads and length of K and V, and heads of "
                      "Q a multiple of those of K");
  int64_t past = 0;
  if (call.has(4) != call.has(5)) return call.error("has only one of past_key and past_value, expected both or none");
  if (call.has(4)) {
    JINX_TRY_ASSIGN(Tensor pastKey, call.tensor(4));
    JINX_TRY_ASSIGN(Tensor pastValue, call.tensor(5));
    past = pastKey.rank() == 4 ? pastKey.dim(2) : -1;
    if (pastKey.shape() != Shape{k.batch, k.heads, past, k.dim} ||
        pastValue.shape() != Shape{v.batch, v.heads, past, v.dim})
      return call.error("operands past_key, past_value are " + pastKey.describe() + ", " + pastValue.describe() +
                        ", expected batch " + str(k.batch) + ", heads " + str(k.heads) + ", equal length, sizes " +
                        str(k.dim) + " and " + str(v.dim));
    k.values = appendRows(toDoubles(pastKey), past, k.values, k.length, k.batch * k.heads, k.dim);
    v.values = appendRows(toDoubles(pastValue), past, v.values, v.length, v.batch * v.heads, v.dim);
  }
  const AttentionShape s{q.batch, q.heads, k.heads, q.length, past + k.length, q.dim, v.dim};
  JINX_TRY_ASSIGN(Mask mask, readMask(call, s));
  std::vector<int64_t> valid; // keys of each sequence that are no padding
  if (call.has(6)) {
    JINX_TRY_ASSIGN(Tensor lengths, call.tensor(6));
    if (lengths.size() != s.batch)
      return call.error("operand nonpad_kv_seqlen is " + lengths.describe() + ", expected " + str(s.batch) +
                        " values (batch)");
    if (past > 0) return call.error("has both nonpad_kv_seqlen and past_key, expected one of them");
    valid = lengths.toInts();
    for (int64_t l : valid)
      if (l < 0 || l > s.keys)
        return call.error("operand nonpad_kv_seqlen holds " + str(l) + ", expected 0 to " + str(s.keys) + " (keys)");
  }
  const bool causal = at.getInt("is_causal", 0) != 0;
  const int64_t most = int64_t{1} << 40; // so that positions plus a window stay in int64
  const int64_t leftWindow = std::min(at.getInt("left_window_size", -1), most),
                rightWindow = std::min(at.getInt("right_window_size", -1), most);
  if (leftWindow < -1 || rightWindow < -1)
    return call.error("attributes left_window_size, right_window_size are " + str(leftWindow) + ", " +
                      str(rightWindow) + ", expected -1 or more");

  AttentionOptions options;
  options.scale = at.getFloat("scale", 1 / std::sqrt(static_cast<double>(s.dim)));
  options.softcap = at.getFloat("softcap", 0);
  const int64_t mode = at.getInt("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) return call.error("attribute qk_matmul_output_mode is " + str(mode) + ", expected 0 to 3");
  constexpr ScoreStage kStages[] = {ScoreStage::kScaled, ScoreStage::kSoftcapped, ScoreStage::kBiased,
                                    ScoreStage::kProbabilities};
  if (wants(call, 3)) options.stage = kStages[mode];
  if (mask.present() || causal || leftWindow >= 0 || rightWindow >= 0 || !valid.empty())
    options.bias = [&](int64_t b, int64_t h, int64_t i, double* row) {
      if (mask.present()) {
        const double* from = mask.values.data() + b * mask.strides[0] + h * mask.strides[1] + i * mask.strides[2];
        for (int64_t j = 0; j < mask.columns; ++j)
          row[j] += from[j * mask.strides[3]];
        for (int64_t j = mask.columns; j < s.keys; ++j)
          row[j] = -kInfinity;
      }
      const int64_t position = i + (valid.empty() ? past : valid[b] - s.queries); // of the query among the keys
      for (int64_t j = 0; j < s.keys; ++j) {
        const bool out = (causal && j > position) || (leftWindow >= 0 && j < position - leftWindow) ||
                         (rightWindow >= 0 && j > position + rightWindow) || (!valid.empty() && j >= valid[b]);
        if (out) row[j] = -kInfinity;
      }
    };
  const AttentionResult result = attend(s, options, q.values, k.values, v.values);
  if (qTensor.rank() == 3)
    call.outputs[0] = fromDoubles(qTensor.dtype(), {s.batch, s.queries, s.heads * s.vDim},
                                  joinHeads(result.y, s.batch, s.heads, s.queries, s.vDim));
  else
    call.outputs[0] = fromDoubles(qTensor.dtype(), {s.batch, s.heads, s.queries, s.vDim}, result.y);
  if (wants(call, 1)) call.outputs[1] = fromDoubles(qTensor.dtype(), {s.batch, s.kvHeads, s.keys, s.dim}, k.values);
  if (wants(call, 2)) call.outputs[2] = fromDoubles(vTensor.dtype(), {s.batch, s.kvHeads, s.keys, s.vDim}, v.values);
  if (wants(call, 3))
    call.outputs[3] = fromDoubles(qTensor.dtype(), {s.batch, s.heads, s.queries, s.keys}, result.scores);
  return Status::ok();
}

/// Without modifier subgraphs, which expand through the function body.
Status flexAttention(HostOpCall& call) {
  const Attributes& at = *call.attributes;
  for (const char* name : {"score_mod", "prob_mod"})
    if (at.has(name))
      return unimplemented(
          call.error("has attribute " + std::string(name) + ", a subgraph: expand the function body").message());
  JINX_TRY_ASSIGN(Tensor q, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor k, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor v, call.tensor(2));
  if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4 || k.dim(0) != q.dim(0) || k.dim(3) != q.dim(3) ||
      v.dim(0) != k.dim(0) || v.dim(1) != k.dim(1) || v.dim(2) != k.dim(2) || k.dim(1) < 1 || q.dim(1) % k.dim(1) != 0)
    return call.error("operands Q, K, V are " + q.describe() + ", " + k.describe() + ", " + v.describe() +
                      ", expected rank 4 (batch, heads, length, size) that fit");
  const AttentionShape s{q.dim(0), q.dim(1), k.dim(1), q.dim(2), k.dim(2), q.dim(3), v.dim(3)};
  AttentionOptions options;
  options.scale = at.getFloat("scale", 1 / std::sqrt(static_cast<double>(s.dim)));
  call.outputs[0] = fromDoubles(q.dtype(), {s.batch, s.heads, s.queries, s.vDim},
                                attend(s, options, toDoubles(q), toDoubles(k), toDoubles(v)).y);
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "Attention", 23, attention},
    {"", "RotaryEmbedding", 23, rotaryEmbedding},
    {"", "LinearAttention", 27, linearAttention},
    {"ai.onnx.preview", "FlexAttention", 1, flexAttention},
    {"com.microsoft", "LinearAttention", 1, linearAttention},
    {"com.microsoft", "RotaryEmbedding", 1, contribRotaryEmbedding},
    {"com.microsoft", "MultiHeadAttention", 1, multiHeadAttention},
    {"com.microsoft", "Attention", 1, contribAttention},
    {"com.microsoft", "QAttention", 1, qAttention},
    {"com.microsoft", "GroupQueryAttention", 1, groupQueryAttention},
};

} // namespace
} // namespace dense

std::span<const HostOpEntry> attentionHostOps() { return dense::kRows; }

} // namespace jinx
