// com.microsoft operators on quantised tensors: each dequantises its operands, computes, and quantises the result.
//
//   value = (q - zero point) * scale;   q = saturate(round(value / scale) + zero point), half to even
#include <cmath>

#include "runtime/hostops/Elementwise.h"

namespace jinx {

std::span<const HostOpEntry> contribQuantRows();

namespace {

/// Scale and zero point of one tensor, from inputs `at` and `at + 1`; an absent zero point is 0.
struct Scaling {
  double scale = 1, zero = 0;
  double value(const Tensor& q, int64_t i) const { return (q.getDouble(i) - zero) * scale; }
  void store(Tensor& q, int64_t i, double value) const {
    const DType type = q.dtype();
    const double low = isSigned(type) ? -std::ldexp(1, bitWidth(type) - 1) : 0;
    const double high = std::ldexp(1, bitWidth(type) - isSigned(type)) - 1;
    const double rounded = std::nearbyint(static_cast<float>(value / scale)) + zero;
    q.setDouble(i, rounded > low ? (rounded < high ? rounded : high) : low);
  }
};

Expected<Scaling> scalingAt(const HostOpCall& call, size_t at) {
  Scaling s;
  JINX_TRY_ASSIGN(Tensor scale, operand(call, at, Kind::kFloat));
  if (scale.size() != 1)
    return call.error("input " + std::to_string(at) + " (a scale) is " + scale.describe() + ", expected a scalar");
  s.scale = scale.getDouble(0);
  if (call.has(at + 1)) {
    JINX_TRY_ASSIGN(Tensor zero, operand(call, at + 1, Kind::kInteger));
    if (zero.size() != 1)
      return call.error("input " + std::to_string(at + 1) + " (a zero point) is " + zero.describe() +
                        ", expected a scalar");
    s.zero = zero.getDouble(0);
  }
  return s;
}

/// Inputs: A, A scale, A zero point, B, B scale, B zero point, C scale, C zero point.
template <typename Op>
Status qlinearBinary(HostOpCall& call, Op op) {
  JINX_TRY_ASSIGN(Tensor a, operand(call, 0, Kind::kInteger));
  JINX_TRY_ASSIGN(Scaling sa, scalingAt(call, 1));
  JINX_TRY_ASSIGN(Tensor b, operandLike(call, 3, a.dtype()));
  JINX_TRY_ASSIGN(Scaling sb, scalingAt(call, 4));
  JINX_TRY_ASSIGN(Scaling sc, scalingAt(call, 6));
  JINX_TRY_ASSIGN(Tensor c, broadcastResult(call, a, b, a.dtype()));
  broadcastWalk(c.shape(), a.shape(), b.shape()).forEach([&](int64_t at, auto from) {
    sc.store(c, at, op(sa.value(a, from[0]), sb.value(b, from[1])));
  });
  call.outputs[0] = c;
  return Status::ok();
}

Status qlinearAddOp(HostOpCall& call) {
  return qlinearBinary(call, [](double a, double b) { return a + b; });
}
Status qlinearMulOp(HostOpCall& call) {
  return qlinearBinary(call, [](double a, double b) { return a * b; });
}

/// Inputs: X, X scale, X zero point, Y scale, Y zero point.
template <typename Op>
Status qlinearUnary(HostOpCall& call, Op op) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kInteger));
  JINX_TRY_ASSIGN(Scaling sx, scalingAt(call, 1));
  JINX_TRY_ASSIGN(Scaling sy, scalingAt(call, 3));
  Tensor y = Tensor::make(x.dtype(), x.shape());
  for (int64_t i = 0; i < x.size(); ++i)
    sy.store(y, i, op(sx.value(x, i)));
  call.outputs[0] = y;
  return Status::ok();
}

Status qlinearSigmoidOp(HostOpCall& call) {
  return qlinearUnary(call, [](double x) { return 1 / (1 + std::exp(-x)); });
}
Status qlinearLeakyReluOp(HostOpCall& call) {
  const double alpha = call.attributes->getFloat("alpha", 0.01f);
  return qlinearUnary(call, [=](double x) { return x < 0 ? alpha * x : x; });
}

/// The mean over all dimensions behind the channel, which is dimension 1, or the last one with channels_last.
Status qlinearGlobalAveragePoolOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kInteger));
  JINX_TRY_ASSIGN(Scaling sx, scalingAt(call, 1));
  JINX_TRY_ASSIGN(Scaling sy, scalingAt(call, 3));
  if (x.rank() < 3)
    return call.error("input 0 is " + x.describe() + ", expected batch, channel and spatial dimensions");
  const int64_t channelAxis = call.attributes->getInt("channels_last", 0) ? x.rank() - 1 : 1;
  Shape out(x.shape().size(), 1);
  out[0] = x.dim(0);
  out[channelAxis] = x.dim(channelAxis);
  Tensor y = Tensor::make(x.dtype(), out);
  std::vector<double> sums(static_cast<size_t>(y.size()));
  broadcastWalk(x.shape(), out).forEach([&](int64_t at, auto to) { sums[to[0]] += x.getDouble(at) - sx.zero; });
  for (int64_t i = 0; i < y.size(); ++i)
    sy.store(y, i, sums[i] * sx.scale / (static_cast<double>(x.size()) / static_cast<double>(y.size())));
  call.outputs[0] = y;
  return Status::ok();
}

/// Inputs: Y scale, Y zero point, then (X, X scale, X zero point) for each part; attribute axis.
Status qlinearConcatOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Scaling sy, scalingAt(call, 0));
  JINX_TRY_ASSIGN(Tensor first, operand(call, 2, Kind::kInteger));
  JINX_TRY_ASSIGN(int64_t axis, normalizedAxis(call, call.attributes->getInt("axis", 0), first.rank()));
  std::vector<Tensor> parts;
  std::vector<Scaling> scalings;
  Shape out = first.shape();
  out[axis] = 0;
  for (size_t i = 2; i < call.inputs.size(); i += 3) {
    JINX_TRY_ASSIGN(Tensor part, operandLike(call, i, first.dtype()));
    JINX_TRY_ASSIGN(Scaling scaling, scalingAt(call, i + 1));
    Shape others = part.shape();
    if (part.rank() == first.rank()) others[axis] = first.dim(axis);
    if (others != first.shape())
      return call.error("input " + std::to_string(i) + " is " + part.describe() + ", expected " + first.describe() +
                        " but for dimension " + std::to_string(axis));
    out[axis] += part.dim(axis);
    parts.push_back(part);
    scalings.push_back(scaling);
  }
  Tensor y = Tensor::make(first.dtype(), out);
  const std::span<const int64_t> shape(out);
  const int64_t outer = numElements(shape.first(static_cast<size_t>(axis)));
  const int64_t inner = numElements(shape.subspan(static_cast<size_t>(axis) + 1));
  int64_t at = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (size_t p = 0; p < parts.size(); ++p) {
      const int64_t run = parts[p].dim(axis) * inner;
      for (int64_t i = 0; i < run; ++i)
        sy.store(y, at++, scalings[p].value(parts[p], o * run + i));
    }
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"com.microsoft", "QLinearAdd", 1, qlinearAddOp},
    {"com.microsoft", "QLinearMul", 1, qlinearMulOp},
    {"com.microsoft", "QLinearSigmoid", 1, qlinearSigmoidOp},
    {"com.microsoft", "QLinearLeakyRelu", 1, qlinearLeakyReluOp},
    {"com.microsoft", "QLinearGlobalAveragePool", 1, qlinearGlobalAveragePoolOp},
    {"com.microsoft", "QLinearConcat", 1, qlinearConcatOp},
};

} // namespace

std::span<const HostOpEntry> contribQuantRows() { return kRows; }

} // namespace jinx
