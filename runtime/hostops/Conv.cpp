// Conv, ConvInteger, QLinearConv, com.microsoft FusedConv, of any number of spatial dimensions.
//
// A convolution is a matrix product of the weights [maps][channels * kernel] and the columns [channels *
// kernel][positions] that its windows read; the columns are gathered for a chunk of positions at a time, so that they
// stay in cache.
#include "runtime/hostops/Conv.h"

#include <algorithm>
#include <cmath>

#include "runtime/hostops/FusedActivation.h"

namespace jinx {
namespace dense {

Doubles convolve(const Window& window, int64_t batch, int64_t channels, int64_t maps, int64_t groups, const Doubles& x,
                 const Doubles& w) {
  const int64_t plane = window.inSize(), positions = window.outSize(), taps = window.kernelSize();
  const int64_t groupChannels = channels / groups, groupMaps = maps / groups, depth = groupChannels * taps;
  Doubles y(batch * maps * positions, 0.0);
  if (y.empty() || depth == 0) return y;
  if (window.isIdentity()) {
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t g = 0; g < groups; ++g)
        gemm(groupMaps, positions, depth, rowMajor(w.data() + g * groupMaps * depth, depth),
             rowMajor(x.data() + (n * channels + g * groupChannels) * plane, plane),
             y.data() + (n * maps + g * groupMaps) * positions, positions);
    return y;
  }
  const int64_t chunk = std::clamp<int64_t>((1 << 18) / depth, 16, 8192);
  Doubles columns(depth * std::min(chunk, positions));
  for (int64_t first = 0; first < positions; first += chunk) {
    const int64_t count = std::min(chunk, positions - first);
    const std::vector<int64_t> offsets = windowOffsets(window, first, count);
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t g = 0; g < groups; ++g) {
        double* to = columns.data();
        for (int64_t c = 0; c < groupChannels; ++c) {
          const double* from = x.data() + (n * channels + g * groupChannels + c) * plane;
          for (int64_t e = 0; e < taps * count; ++e)
            *to++ = offsets[e] < 0 ? 0.0 : from[offsets[e]];
        }
        gemm(groupMaps, count, depth, rowMajor(w.data() + g * groupMaps * depth, depth),
             rowMajor(columns.data(), count), y.data() + (n * maps + g * groupMaps) * positions + first, positions);
      }
  }
  return y;
}

void addChannelBias(Doubles& y, const Doubles& bias, int64_t positions) {
  if (bias.empty() || positions == 0) return;
  const int64_t maps = static_cast<int64_t>(bias.size()), rows = static_cast<int64_t>(y.size()) / positions;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < positions; ++p)
      y[r * positions + p] += bias[r % maps];
}

Status checkConv(const HostOpCall& call, const Tensor& x, const Tensor& w, int64_t group) {
  if (x.rank() < 3)
    return call.error("operand X is " + x.describe() + ", expected rank 3 or more (batch, channels, spatial)");
  if (w.rank() != x.rank())
    return call.error("operand W is " + w.describe() + ", expected rank " + str(x.rank()) + " as operand X has");
  if (group < 1 || w.dim(0) % group != 0)
    return call.error("attribute group is " + str(group) + ", expected a divisor of the " + str(w.dim(0)) +
                      " maps of operand W");
  if (w.dim(1) * group != x.dim(1))
    return call.error("operand W is " + w.describe() + ", expected " + str(x.dim(1)) +
                      " channels of operand X over group = " + str(group));
  return Status::ok();
}

Expected<Doubles> channelOperand(const HostOpCall& call, size_t i, int64_t maps, const char* name) {
  if (!call.has(i)) return Doubles();
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  if (t.size() != maps)
    return call.error("operand " + std::string(name) + " is " + t.describe() + ", expected " + str(maps) +
                      " values (output channels)");
  return toDoubles(t);
}

namespace {

Shape spatial(const Tensor& t) { return Shape(t.shape().begin() + 2, t.shape().end()); }

Shape outputShape(int64_t batch, int64_t maps, const Window& w) {
  Shape shape{batch, maps};
  shape.insert(shape.end(), w.out.begin(), w.out.end());
  return shape;
}

/// com.microsoft FusedConv adds operand Z and an activation.
Status conv(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor w, call.tensor(1));
  const int64_t group = call.attributes->getInt("group", 1);
  JINX_TRY(checkConv(call, x, w, group));
  JINX_TRY_ASSIGN(Window window, convWindow(call, spatial(x), spatial(w)));
  JINX_TRY_ASSIGN(Doubles bias, channelOperand(call, 2, w.dim(0), "B"));
  JINX_TRY(checkShapeSize(call, outputShape(x.dim(0), w.dim(0), window), "output"));
  Doubles y = convolve(window, x.dim(0), x.dim(1), w.dim(0), group, toDoubles(x), toDoubles(w));
  addChannelBias(y, bias, window.outSize());
  const Shape shape = outputShape(x.dim(0), w.dim(0), window);
  if (call.has(3)) {
    JINX_TRY_ASSIGN(Tensor z, call.tensor(3));
    if (z.shape() != shape) return call.error("operand Z is " + z.describe() + ", expected shape " + toString(shape));
    const Doubles add = toDoubles(z);
    for (size_t i = 0; i < y.size(); ++i)
      y[i] += add[i];
  }
  JINX_TRY(applyFusedActivation(call, call.attributes->getString("activation", ""),
                                call.attributes->getFloats("activation_params"), y));
  call.outputs[0] = fromDoubles(x.dtype(), shape, y);
  return Status::ok();
}

/// Subtracts a zero point: a scalar, or one a slice of the first dimension.
Status subtractZero(const HostOpCall& call, size_t i, const char* name, bool perMap, const Tensor& of,
                    Doubles& values) {
  if (!call.has(i)) return Status::ok();
  JINX_TRY_ASSIGN(Tensor zero, call.tensor(i));
  const int64_t count = zero.size();
  if (count != 1 && !(perMap && count == of.dim(0)))
    return call.error("operand " + std::string(name) + " is " + zero.describe() + ", expected a scalar" +
                      (perMap ? " or " + str(of.dim(0)) + " values (output channels)" : ""));
  const Doubles zeros = toDoubles(zero);
  const int64_t slice = of.dim(0) == 0 ? 1 : std::max<int64_t>(1, of.size() / of.dim(0));
  for (size_t e = 0; e < values.size(); ++e)
    values[e] -= zeros[count == 1 ? 0 : e / slice];
  return Status::ok();
}

Status convInteger(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor w, call.tensor(1));
  const int64_t group = call.attributes->getInt("group", 1);
  JINX_TRY(checkConv(call, x, w, group));
  JINX_TRY_ASSIGN(Window window, convWindow(call, spatial(x), spatial(w)));
  JINX_TRY(checkShapeSize(call, outputShape(x.dim(0), w.dim(0), window), "output"));
  Doubles vx = toDoubles(x), vw = toDoubles(w);
  JINX_TRY(subtractZero(call, 2, "x_zero_point", false, x, vx));
  JINX_TRY(subtractZero(call, 3, "w_zero_point", true, w, vw));
  const Doubles y = convolve(window, x.dim(0), x.dim(1), w.dim(0), group, vx, vw);
  Tensor out = Tensor::make(DType::kI32, outputShape(x.dim(0), w.dim(0), window));
  for (size_t i = 0; i < y.size(); ++i)
    out.as<int32_t>()[i] = static_cast<int32_t>(static_cast<int64_t>(y[i]));
  call.outputs[0] = out;
  return Status::ok();
}

/// Inputs x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B (i32, scale x_scale * w_scale).
Status qLinearConv(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor xScale, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor w, call.tensor(3));
  JINX_TRY_ASSIGN(Tensor wScale, call.tensor(4));
  JINX_TRY_ASSIGN(Tensor yScale, call.tensor(6));
  JINX_TRY_ASSIGN(Tensor yZero, call.tensor(7));
  const int64_t group = call.attributes->getInt("group", 1), maps = w.rank() > 0 ? w.dim(0) : 0;
  JINX_TRY(checkConv(call, x, w, group));
  if (xScale.size() != 1 || yScale.size() != 1 || yZero.size() != 1)
    return call.error("operands x_scale, y_scale, y_zero_point are " + xScale.describe() + ", " + yScale.describe() +
                      ", " + yZero.describe() + ", expected scalars");
  if (wScale.size() != 1 && wScale.size() != maps)
    return call.error("operand w_scale is " + wScale.describe() + ", expected a scalar or " + str(maps) +
                      " values (output channels)");
  JINX_TRY_ASSIGN(Window window, convWindow(call, spatial(x), spatial(w)));
  JINX_TRY(checkShapeSize(call, outputShape(x.dim(0), w.dim(0), window), "output"));
  Doubles vx = toDoubles(x), vw = toDoubles(w);
  JINX_TRY(subtractZero(call, 2, "x_zero_point", false, x, vx));
  JINX_TRY(subtractZero(call, 5, "w_zero_point", true, w, vw));
  JINX_TRY_ASSIGN(Doubles bias, channelOperand(call, 8, maps, "B"));
  Doubles y = convolve(window, x.dim(0), x.dim(1), maps, group, vx, vw);
  const int64_t positions = window.outSize();
  addChannelBias(y, bias, positions);
  Tensor out = Tensor::make(yZero.dtype(), outputShape(x.dim(0), maps, window));
  const double lo = out.dtype() == DType::kU8 ? 0 : -128, hi = out.dtype() == DType::kU8 ? 255 : 127,
               zero = yZero.getDouble(0);
  for (size_t i = 0; i < y.size(); ++i) {
    const int64_t map = static_cast<int64_t>(i) / positions % maps;
    const double scale = xScale.getDouble(0) * wScale.getDouble(wScale.size() == 1 ? 0 : map) / yScale.getDouble(0);
    out.setInt(i, static_cast<int64_t>(std::clamp(std::nearbyint(y[i] * scale) + zero, lo, hi)));
  }
  call.outputs[0] = out;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "Conv", 1, conv},
    {"", "ConvInteger", 10, convInteger},
    {"", "QLinearConv", 10, qLinearConv},
    {"", "ConvTranspose", 1, convTranspose},
    {"", "DeformConv", 19, deformConv},
    {"", "Col2Im", 18, col2Im},
    {"", "CausalConvWithState", 27, causalConvWithState},
    {"com.microsoft", "FusedConv", 1, conv},
    {"com.microsoft", "CausalConvWithState", 1, causalConvWithState},
};

} // namespace
} // namespace dense

std::span<const HostOpEntry> convHostOps() { return dense::kRows; }

} // namespace jinx
