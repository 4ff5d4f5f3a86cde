// Batch, layer, RMS, instance, group, local response, mean-variance and Lp normalization.
#include "runtime/hostops/Norm.h"

#include <algorithm>
#include <cmath>

#include "runtime/hostops/OnnxTypes.h"

namespace jinx {
namespace dense {

RowStats normalizeRows(Doubles& values, int64_t rows, int64_t cols, double epsilon, bool center) {
  RowStats stats{Doubles(rows, 0.0), Doubles(rows, 0.0)};
  const double n = static_cast<double>(cols);
  for (int64_t r = 0; r < rows; ++r) {
    double* row = values.data() + r * cols;
    double sum = 0, squares = 0;
    if (center) {
      for (int64_t i = 0; i < cols; ++i)
        sum += row[i];
      stats.mean[r] = sum / n;
      for (int64_t i = 0; i < cols; ++i)
        row[i] -= stats.mean[r];
    }
    for (int64_t i = 0; i < cols; ++i)
      squares += row[i] * row[i];
    stats.invStd[r] = 1 / std::sqrt(squares / n + epsilon);
    for (int64_t i = 0; i < cols; ++i)
      row[i] *= stats.invStd[r];
  }
  return stats;
}

namespace {

template <typename Fn>
void combineBroadcast(Doubles& values, const Shape& shape, const Tensor& operand, Fn fn) {
  if (values.empty()) return;
  const Doubles other = toDoubles(operand);
  const Shape strides = broadcastStrides(operand.shape(), shape);
  if (shape.empty()) return fn(values[0], other[0]);
  const Shape outer(shape.begin(), shape.end() - 1);
  const int64_t cols = shape.back(), step = strides.back();
  std::vector<int64_t> index(outer.size(), 0);
  double* row = values.data();
  do {
    int64_t at = 0;
    for (size_t i = 0; i < index.size(); ++i)
      at += index[i] * strides[i];
    for (int64_t j = 0; j < cols; ++j)
      fn(row[j], other[at + j * step]);
    row += cols;
  } while (nextIndex(index, outer));
}

} // namespace

void scaleBroadcast(Doubles& values, const Shape& shape, const Tensor& operand) {
  combineBroadcast(values, shape, operand, [](double& v, double o) { v *= o; });
}
void addBroadcast(Doubles& values, const Shape& shape, const Tensor& operand) {
  combineBroadcast(values, shape, operand, [](double& v, double o) { v += o; });
}

namespace {

Status checkBroadcast(const HostOpCall& call, const Tensor& operand, const Shape& shape, const char* name) {
  Shape merged;
  if (broadcastShapes(operand.shape(), shape, merged) && merged == shape) return Status::ok();
  return call.error("operand " + std::string(name) + " is " + operand.describe() +
                    ", expected a shape that broadcasts to " + toString(shape) + " of operand X");
}

/// Operand `i` as one value a channel.
Expected<Doubles> perChannel(const HostOpCall& call, size_t i, int64_t channels, const char* name) {
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  if (t.size() != channels)
    return call.error("operand " + std::string(name) + " is " + t.describe() + ", expected " + str(channels) +
                      " values");
  return toDoubles(t);
}

Expected<Tensor> channelInput(const HostOpCall& call, int64_t minRank) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (x.rank() < minRank)
    return call.error("operand X is " + x.describe() + ", expected rank " + str(minRank) +
                      " or more (batch, channels, …)");
  return x;
}

/// Training computes the statistics from the batch. What asks for it: until 6 is_test = 0, then more than one output,
/// from 14 on training_mode. Until 8, spatial = 0 keeps a statistic for every element of a sample.
Status batchNormalization(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, channelInput(call, 1));
  const Attributes& at = *call.attributes;
  const double epsilon = at.getFloat("epsilon", 1e-5), momentum = at.getFloat("momentum", 0.9);
  const bool training = call.opset >= 14 ? at.getInt("training_mode", 0) != 0
                        : call.opset < 7 ? at.getInt("is_test", 0) == 0
                                         : call.outputs.size() > 1;
  const bool spatial = call.opset >= 9 || at.getInt("spatial", 1) != 0;
  int64_t batch = x.dim(0), channels = x.rank() == 1 ? 1 : x.dim(1),
          plane = product(x.shape(), std::min<int64_t>(2, x.rank()), x.rank());
  if (!spatial) {
    channels *= plane;
    plane = 1;
  }
  JINX_TRY_ASSIGN(Tensor meanIn, call.tensor(3));
  JINX_TRY_ASSIGN(Doubles scale, perChannel(call, 1, channels, "scale"));
  JINX_TRY_ASSIGN(Doubles bias, perChannel(call, 2, channels, "B"));
  JINX_TRY_ASSIGN(Doubles mean, perChannel(call, 3, channels, "mean"));
  JINX_TRY_ASSIGN(Doubles var, perChannel(call, 4, channels, "var"));
  Doubles y = toDoubles(x);
  Doubles runningMean = mean, runningVar = var;
  if (training) {
    const double n = static_cast<double>(batch * plane);
    std::fill(mean.begin(), mean.end(), 0.0);
    std::fill(var.begin(), var.end(), 0.0);
    auto forEach = [&](auto fn) {
      for (int64_t r = 0; r < batch * channels; ++r)
        for (int64_t i = 0; i < plane; ++i)
          fn(r % channels, y[r * plane + i]);
    };
    forEach([&](int64_t c, double v) { mean[c] += v; });
    for (double& v : mean)
      v /= n;
    forEach([&](int64_t c, double v) { var[c] += (v - mean[c]) * (v - mean[c]); });
    for (double& v : var)
      v /= n;
    for (int64_t c = 0; c < channels; ++c) {
      runningMean[c] = runningMean[c] * momentum + mean[c] * (1 - momentum);
      runningVar[c] = runningVar[c] * momentum + var[c] * (1 - momentum);
    }
  }
  for (int64_t r = 0; r < batch * channels; ++r) {
    const int64_t c = r % channels;
    const double factor = scale[c] / std::sqrt(var[c] + epsilon);
    for (int64_t i = 0; i < plane; ++i)
      y[r * plane + i] = (y[r * plane + i] - mean[c]) * factor + bias[c];
  }
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), y);
  const Doubles* rest[] = {&runningMean, &runningVar, &mean, &var};
  for (size_t i = 0; i < 4; ++i)
    give(call, i + 1, fromDoubles(meanIn.dtype(), meanIn.shape(), *rest[i]));
  return Status::ok();
}

/// The type that stash_type names (1: f32), which the statistics are given in.
Expected<DType> stashType(const HostOpCall& call) {
  const int64_t number = call.attributes->getInt("stash_type", 1);
  const DType type = dtypeFromOnnx(number);
  if (!isFloat(type)) return call.error("attribute stash_type is " + str(number) + ", expected a float type's number");
  return type;
}

/// LayerNormalization, and with `center` off RMSNormalization and com.microsoft's SimplifiedLayerNormalization.
Status layerNorm(HostOpCall& call, bool center) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor scale, call.tensor(1));
  JINX_TRY_ASSIGN(DType stash, stashType(call));
  const int64_t asked = call.attributes->getInt("axis", -1), axis = normalizeAxis(asked, x.rank());
  if (axis < 0)
    return call.error("attribute axis is " + str(asked) + ", expected -" + str(x.rank()) + " to " + str(x.rank() - 1));
  JINX_TRY(checkBroadcast(call, scale, x.shape(), "Scale"));
  const int64_t rows = product(x.shape(), 0, axis), cols = product(x.shape(), axis, x.rank());
  Doubles y = toDoubles(x);
  const RowStats stats = normalizeRows(y, rows, cols, call.attributes->getFloat("epsilon", 1e-5), center);
  scaleBroadcast(y, x.shape(), scale);
  if (center && call.has(2)) {
    JINX_TRY_ASSIGN(Tensor bias, call.tensor(2));
    JINX_TRY(checkBroadcast(call, bias, x.shape(), "B"));
    addBroadcast(y, x.shape(), bias);
  }
  call.outputs[0] = fromDoubles(center ? x.dtype() : scale.dtype(), x.shape(), y);
  Shape reduced = x.shape();
  std::fill(reduced.begin() + axis, reduced.end(), 1);
  if (center) give(call, 1, fromDoubles(stash, reduced, stats.mean));
  give(call, center ? 2 : 1, fromDoubles(stash, reduced, stats.invStd));
  return Status::ok();
}

Status layerNormalization(HostOpCall& call) { return layerNorm(call, true); }
Status rmsNormalization(HostOpCall& call) { return layerNorm(call, false); }

/// Normalizes groups of channels of each sample, then scales: `perGroup` when scale and bias have a value a group.
Status groupNorm(HostOpCall& call, const Tensor& x, int64_t groups, bool perGroup) {
  const int64_t channels = x.dim(1), plane = product(x.shape(), 2, x.rank()), groupChannels = channels / groups;
  const int64_t params = perGroup ? groups : channels;
  JINX_TRY_ASSIGN(Doubles scale, perChannel(call, 1, params, "scale"));
  JINX_TRY_ASSIGN(Doubles bias, perChannel(call, 2, params, "B"));
  Doubles y = toDoubles(x);
  normalizeRows(y, x.dim(0) * groups, groupChannels * plane, call.attributes->getFloat("epsilon", 1e-5), true);
  for (int64_t r = 0; r < x.dim(0) * channels; ++r) {
    const int64_t c = perGroup ? r % channels / groupChannels : r % channels;
    for (int64_t i = 0; i < plane; ++i)
      y[r * plane + i] = y[r * plane + i] * scale[c] + bias[c];
  }
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), y);
  return Status::ok();
}

Status instanceNormalization(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, channelInput(call, 3));
  return groupNorm(call, x, std::max<int64_t>(1, x.dim(1)), false);
}

Status groupNormalization(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, channelInput(call, 2));
  const int64_t groups = call.attributes->getInt("num_groups", 0);
  if (groups < 1 || groups > std::max<int64_t>(1, x.dim(1)) || x.dim(1) % groups != 0)
    return call.error("attribute num_groups is " + str(groups) + ", expected a divisor of the " + str(x.dim(1)) +
                      " channels of operand X");
  return groupNorm(call, x, groups, call.opset < 21);
}

Status lrn(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, channelInput(call, 2));
  const Attributes& at = *call.attributes;
  const int64_t size = at.getInt("size", 0), channels = x.dim(1), plane = product(x.shape(), 2, x.rank());
  if (size < 1) return call.error("attribute size is " + str(size) + ", expected 1 or more");
  const double alpha = at.getFloat("alpha", 1e-4), beta = at.getFloat("beta", 0.75), bias = at.getFloat("bias", 1);
  const Doubles vx = toDoubles(x);
  Doubles y(vx.size()), sum(plane);
  for (int64_t n = 0; n < x.dim(0); ++n)
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t first = std::max<int64_t>(0, c - (size - 1) / 2), last = std::min(channels - 1, c + size / 2);
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t k = first; k <= last; ++k) {
        const double* from = vx.data() + (n * channels + k) * plane;
        for (int64_t i = 0; i < plane; ++i)
          sum[i] += from[i] * from[i];
      }
      const int64_t at0 = (n * channels + c) * plane;
      for (int64_t i = 0; i < plane; ++i)
        y[at0 + i] = vx[at0 + i] / std::pow(bias + alpha / static_cast<double>(size) * sum[i], beta);
    }
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), y);
  return Status::ok();
}

/// (x - mean) / (standard deviation + 1e-9), as the function body has it.
Status meanVarianceNormalization(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  std::vector<int64_t> axes = call.attributes->getInts("axes", {0, 2, 3}), perm;
  for (int64_t& a : axes) {
    const int64_t axis = normalizeAxis(a, x.rank());
    if (axis < 0)
      return call.error("attribute axes holds " + str(a) + ", expected -" + str(x.rank()) + " to " + str(x.rank() - 1));
    a = axis;
  }
  int64_t cols = 1;
  for (int64_t d = 0; d < x.rank(); ++d)
    if (std::find(axes.begin(), axes.end(), d) == axes.end()) perm.push_back(d);
  for (int64_t d = 0; d < x.rank(); ++d)
    if (std::find(axes.begin(), axes.end(), d) != axes.end()) {
      perm.push_back(d);
      cols *= x.dim(d);
    }
  Doubles y = permuted(toDoubles(x), x.shape(), perm);
  for (int64_t r = 0; cols > 0 && r < x.size() / cols; ++r) {
    double* row = y.data() + r * cols;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < cols; ++i)
      sum += row[i];
    const double mean = sum / static_cast<double>(cols);
    for (int64_t i = 0; i < cols; ++i)
      squares += (row[i] - mean) * (row[i] - mean);
    const double factor = 1 / (std::sqrt(squares / static_cast<double>(cols)) + 1e-9);
    for (int64_t i = 0; i < cols; ++i)
      row[i] = (row[i] - mean) * factor;
  }
  Shape shape;
  std::vector<int64_t> back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    shape.push_back(x.dim(perm[i]));
    back[perm[i]] = static_cast<int64_t>(i);
  }
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), permuted(y, shape, back));
  return Status::ok();
}

/// x / (sum |x|^p)^(1/p) along the axis; 0 where that norm is 0.
Status lpNormalization(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  const int64_t asked = call.attributes->getInt("axis", -1), axis = normalizeAxis(asked, x.rank()),
                order = call.attributes->getInt("p", 2);
  if (axis < 0)
    return call.error("attribute axis is " + str(asked) + ", expected -" + str(x.rank()) + " to " + str(x.rank() - 1));
  if (order != 1 && order != 2) return call.error("attribute p is " + str(order) + ", expected 1 or 2");
  const int64_t outer = product(x.shape(), 0, axis), length = x.dim(axis),
                inner = product(x.shape(), axis + 1, x.rank());
  Doubles y = toDoubles(x), norm(inner);
  for (int64_t o = 0; o < outer; ++o) {
    double* block = y.data() + o * length * inner;
    std::fill(norm.begin(), norm.end(), 0.0);
    for (int64_t l = 0; l < length; ++l)
      for (int64_t i = 0; i < inner; ++i)
        norm[i] += order == 1 ? std::abs(block[l * inner + i]) : block[l * inner + i] * block[l * inner + i];
    for (double& v : norm)
      v = order == 1 ? v : std::sqrt(v);
    for (int64_t l = 0; l < length; ++l)
      for (int64_t i = 0; i < inner; ++i)
        block[l * inner + i] = norm[i] == 0 ? 0 : block[l * inner + i] / norm[i];
  }
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), y);
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "BatchNormalization", 1, batchNormalization},
    {"", "LayerNormalization", 1, layerNormalization}, // onnxruntime has it from 1 on, ONNX from 17
    {"", "RMSNormalization", 23, rmsNormalization},
    {"", "SimplifiedLayerNormalization", 1, rmsNormalization},
    {"", "InstanceNormalization", 1, instanceNormalization},
    {"", "GroupNormalization", 18, groupNormalization},
    {"", "LRN", 1, lrn},
    {"", "MeanVarianceNormalization", 9, meanVarianceNormalization},
    {"", "LpNormalization", 1, lpNormalization},
    {"com.microsoft", "SimplifiedLayerNormalization", 1, rmsNormalization},
    {"com.microsoft", "SkipLayerNormalization", 1, skipLayerNormalization},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, skipSimplifiedLayerNormalization},
    {"com.microsoft", "EmbedLayerNormalization", 1, embedLayerNormalization},
};

} // namespace
} // namespace dense

std::span<const HostOpEntry> normHostOps() { return dense::kRows; }

} // namespace jinx
