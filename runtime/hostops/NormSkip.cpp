// com.microsoft's fused norms: a residual sum or an embedding lookup, then a layer norm.
#include <algorithm>

#include "runtime/hostops/Norm.h"

namespace jinx::dense {
namespace {

constexpr double kDefaultEpsilon = 1e-12; // onnxruntime's for all three, unlike LayerNormalization's 1e-5

/// One value a column of the hidden dimension; empty when an optional operand is absent.
Expected<Tensor> hiddenOperand(const HostOpCall& call, size_t i, int64_t hidden, const char* name, bool required) {
  if (!required && !call.has(i)) return Tensor();
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  if (t.shape() != Shape{hidden})
    return call.error("operand " + std::string(name) + " is " + t.describe() + ", expected " + str(hidden) +
                      " values (hidden size)");
  return t;
}

/// Outputs: y, mean, inverse standard deviation, and input + skip + bias.
Status skipNorm(HostOpCall& call, bool center) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor skip, call.tensor(1));
  if (x.rank() != 2 && x.rank() != 3) return call.error("operand input is " + x.describe() + ", expected rank 2 or 3");
  const int64_t hidden = x.dim(-1), rows = product(x.shape(), 0, x.rank() - 1);
  Shape tail = skip.shape();
  if (!tail.empty() && tail[0] == 1 && tail.size() == x.shape().size()) tail.erase(tail.begin());
  const bool repeats = tail.size() < x.shape().size() && std::equal(tail.rbegin(), tail.rend(), x.shape().rbegin());
  if (skip.shape() != x.shape() && !(repeats && x.rank() == 3 && tail.size() == 2))
    return call.error("operand skip is " + skip.describe() + ", expected shape " + toString(x.shape()) +
                      " of operand input, or that less its batch");
  JINX_TRY_ASSIGN(Tensor gamma, hiddenOperand(call, 2, hidden, "gamma", true));
  JINX_TRY_ASSIGN(Tensor beta, hiddenOperand(call, center ? 3 : 99, hidden, "beta", false));
  JINX_TRY_ASSIGN(Tensor bias, hiddenOperand(call, center ? 4 : 3, hidden, "bias", false));
  Doubles sum = toDoubles(x);
  const Doubles add = toDoubles(skip);
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] += add[i % add.size()];
  if (bias.valid()) addBroadcast(sum, x.shape(), bias);
  give(call, 3, fromDoubles(x.dtype(), x.shape(), sum));
  const RowStats stats =
      normalizeRows(sum, rows, hidden, call.attributes->getFloat("epsilon", kDefaultEpsilon), center);
  scaleBroadcast(sum, x.shape(), gamma);
  if (beta.valid()) addBroadcast(sum, x.shape(), beta);
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), sum);
  Shape reduced = x.shape();
  reduced.back() = 1;
  give(call, 1, fromDoubles(DType::kF32, reduced, stats.mean));
  give(call, 2, fromDoubles(DType::kF32, reduced, stats.invStd));
  return Status::ok();
}

/// Adds the rows of `table` that the ids of input `i` name; `ids` may repeat over the batch.
Status addRows(const HostOpCall& call, size_t i, const char* name, const Tensor& table, int64_t rows, Doubles& sum) {
  JINX_TRY_ASSIGN(Tensor ids, call.tensor(i));
  if (ids.size() == 0 || rows % ids.size() != 0)
    return call.error("operand " + std::string(name) + " is " + ids.describe() + ", expected " + str(rows) + " ids");
  const int64_t hidden = table.dim(1);
  Doubles row(hidden);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t id = ids.getInt(r % ids.size());
    if (id < 0 || id >= table.dim(0))
      return call.error("operand " + std::string(name) + " holds " + str(id) + ", expected 0 to " +
                        str(table.dim(0) - 1));
    load(table, id * hidden, hidden, row.data());
    for (int64_t j = 0; j < hidden; ++j)
      sum[r * hidden + j] += row[j];
  }
  return Status::ok();
}

} // namespace

Status skipLayerNormalization(HostOpCall& call) { return skipNorm(call, true); }
Status skipSimplifiedLayerNormalization(HostOpCall& call) { return skipNorm(call, false); }

/// Inputs input_ids, segment_ids, word, position and segment embeddings, gamma, beta, mask, position_ids.
/// Outputs y, mask_index (ones in each row of the mask; 0 without a mask), embedding sum.
Status embedLayerNormalization(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor ids, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor word, call.tensor(2));
  JINX_TRY_ASSIGN(Tensor position, call.tensor(3));
  if (ids.rank() != 2)
    return call.error("operand input_ids is " + ids.describe() + ", expected rank 2 (batch, sequence)");
  if (word.rank() != 2) return call.error("operand word_embedding is " + word.describe() + ", expected rank 2");
  const int64_t batch = ids.dim(0), sequence = ids.dim(1), hidden = word.dim(1), rows = batch * sequence;
  if (position.rank() != 2 || position.dim(1) != hidden)
    return call.error("operand position_embedding is " + position.describe() + ", expected " + str(hidden) +
                      " columns");
  JINX_TRY_ASSIGN(Tensor gamma, hiddenOperand(call, 5, hidden, "gamma", true));
  JINX_TRY_ASSIGN(Tensor beta, hiddenOperand(call, 6, hidden, "beta", true));
  Doubles sum(rows * hidden, 0.0);
  if (rows > 0) {
    JINX_TRY(addRows(call, 0, "input_ids", word, rows, sum));
    if (call.has(8)) {
      JINX_TRY(addRows(call, 8, "position_ids", position, rows, sum));
    } else {
      if (position.dim(0) < sequence)
        return call.error("operand position_embedding is " + position.describe() + ", expected " + str(sequence) +
                          " rows or more (sequence length)");
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < hidden; ++j)
          sum[r * hidden + j] += position.getDouble(r % sequence * hidden + j);
    }
    if (call.has(1) && call.has(4)) {
      JINX_TRY_ASSIGN(Tensor segment, call.tensor(4));
      if (segment.rank() != 2 || segment.dim(1) != hidden)
        return call.error("operand segment_embedding is " + segment.describe() + ", expected " + str(hidden) +
                          " columns");
      JINX_TRY(addRows(call, 1, "segment_ids", segment, rows, sum));
    }
  }
  const Shape shape{batch, sequence, hidden};
  give(call, 2, fromDoubles(word.dtype(), shape, sum));
  normalizeRows(sum, rows, hidden, call.attributes->getFloat("epsilon", kDefaultEpsilon), true);
  scaleBroadcast(sum, shape, gamma);
  addBroadcast(sum, shape, beta);
  call.outputs[0] = fromDoubles(word.dtype(), shape, sum);
  if (!wants(call, 1)) return Status::ok();
  Tensor index = Tensor::make(DType::kI32, {batch});
  if (call.has(7)) {
    JINX_TRY_ASSIGN(Tensor mask, call.tensor(7));
    if (mask.size() != rows)
      return call.error("operand mask is " + mask.describe() + ", expected " + str(rows) + " values");
    for (int64_t r = 0; r < rows; ++r)
      if (mask.getInt(r) == 1) ++index.as<int32_t>()[r / sequence];
  }
  call.outputs[1] = index;
  return Status::ok();
}

} // namespace jinx::dense
