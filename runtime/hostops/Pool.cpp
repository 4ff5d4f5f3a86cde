// Pools over sliding windows and whole planes; the pools over regions of interest are in PoolRoi.cpp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/hostops/PoolRoi.h"
#include "runtime/hostops/Window.h"

namespace jinx {
namespace dense {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Shape spatial(const Tensor& t) { return Shape(t.shape().begin() + 2, t.shape().end()); }

Expected<Tensor> poolInput(const HostOpCall& call, int64_t minRank) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (x.rank() < minRank)
    return call.error("operand X is " + x.describe() + ", expected rank " + str(minRank) +
                      " or more (batch, channels, spatial)");
  return x;
}

Shape pooledShape(const Tensor& x, const Window& w) {
  Shape shape{x.dim(0), x.dim(1)};
  shape.insert(shape.end(), w.out.begin(), w.out.end());
  return shape;
}

/// What the maximum over nothing is.
double lowest(DType type) {
  if (type == DType::kI8) return -128;
  return isInteger(type) ? 0 : -kInfinity;
}

/// `p` is a float in opset 1, an integer later.
double normOrder(const HostOpCall& call) {
  const auto& entries = call.attributes->entries();
  auto it = entries.find("p");
  if (it == entries.end()) return 2;
  if (const int64_t* p = std::get_if<int64_t>(&it->second)) return static_cast<double>(*p);
  return call.attributes->getFloat("p", 2);
}

/// Position of a plane's element when the plane is stored with its first dimension innermost.
int64_t columnMajor(const Shape& in, int64_t offset) {
  int64_t out = 0, stride = 1;
  const Shape strides = rowMajorStrides(in);
  for (size_t d = 0; d < in.size(); ++d) {
    out += offset / strides[d] % in[d] * stride;
    stride *= in[d];
  }
  return out;
}

Status maxPool(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, poolInput(call, 3));
  JINX_TRY_ASSIGN(Window w, poolWindow(call, spatial(x)));
  JINX_TRY(checkShapeSize(call, pooledShape(x, w), "output"));
  const int64_t planes = x.dim(0) * x.dim(1), plane = w.inSize(), positions = w.outSize(), taps = w.kernelSize();
  const bool columns = call.attributes->getInt("storage_order", 0) != 0;
  const Doubles vx = toDoubles(x);
  Doubles y(planes * positions, lowest(x.dtype()));
  std::vector<int64_t> best(positions);
  Tensor indices = wants(call, 1) ? Tensor::make(DType::kI64, pooledShape(x, w)) : Tensor();
  if (!y.empty()) {
    const std::vector<int64_t> offsets = windowOffsets(w, 0, positions);
    for (int64_t c = 0; c < planes; ++c) {
      const double* from = vx.data() + c * plane;
      double* to = y.data() + c * positions;
      std::fill(best.begin(), best.end(), -1);
      for (int64_t k = 0; k < taps; ++k)
        for (int64_t p = 0; p < positions; ++p) {
          const int64_t at = offsets[k * positions + p];
          if (at < 0) continue;
          const double v = from[at];
          if (best[p] >= 0 && !(v > to[p]) && !(std::isnan(v) && !std::isnan(to[p]))) continue;
          to[p] = v;
          best[p] = at;
        }
      if (indices.valid())
        for (int64_t p = 0; p < positions; ++p)
          indices.as<int64_t>()[c * positions + p] = c * plane + (columns ? columnMajor(w.in, best[p]) : best[p]);
    }
  }
  call.outputs[0] = fromDoubles(x.dtype(), pooledShape(x, w), y);
  if (indices.valid()) call.outputs[1] = indices;
  return Status::ok();
}

/// Elements of the window at output position `p` that lie in the input or its padding: rounding up may put some past
/// both.
int64_t paddedCount(const Window& w, int64_t p) {
  int64_t count = 1;
  const Shape strides = rowMajorStrides(w.out);
  for (int64_t d = 0; d < w.rank(); ++d) {
    const int64_t start = p / strides[d] % w.out[d] * w.stride[d] - w.padBegin[d], room = w.in[d] + w.padEnd[d] - start;
    count *= std::clamp<int64_t>((room + w.dilation[d] - 1) / w.dilation[d], 0, w.kernel[d]);
  }
  return count;
}

/// Adds term(element) of each window's elements to y; valid[p] counts them.
template <typename Fn>
Doubles sumWindows(const Window& w, int64_t planes, const Doubles& x, std::vector<int64_t>& valid, Fn term) {
  const int64_t plane = w.inSize(), positions = w.outSize(), taps = w.kernelSize();
  const std::vector<int64_t> offsets = windowOffsets(w, 0, positions);
  Doubles y(planes * positions, 0.0);
  valid.assign(positions, 0);
  for (int64_t e = 0; e < taps * positions; ++e)
    valid[e % positions] += offsets[e] >= 0;
  for (int64_t c = 0; c < planes; ++c) {
    const double* from = x.data() + c * plane;
    double* to = y.data() + c * positions;
    for (int64_t k = 0; k < taps; ++k)
      for (int64_t p = 0; p < positions; ++p) {
        const int64_t at = offsets[k * positions + p];
        if (at >= 0) to[p] += term(from[at]);
      }
  }
  return y;
}

Status averagePool(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, poolInput(call, 3));
  JINX_TRY_ASSIGN(Window w, poolWindow(call, spatial(x)));
  JINX_TRY(checkShapeSize(call, pooledShape(x, w), "output"));
  const bool withPadding = call.attributes->getInt("count_include_pad", 0) != 0;
  const int64_t positions = w.outSize();
  std::vector<int64_t> counts;
  Doubles y;
  if (numElements(pooledShape(x, w)) > 0) {
    y = sumWindows(w, x.dim(0) * x.dim(1), toDoubles(x), counts, [](double v) { return v; });
    if (withPadding)
      for (int64_t p = 0; p < positions; ++p)
        counts[p] = paddedCount(w, p);
    for (size_t i = 0; i < y.size(); ++i) {
      const int64_t count = counts[i % positions];
      y[i] = count == 0 ? 0 : y[i] / static_cast<double>(count);
    }
  }
  call.outputs[0] = fromDoubles(x.dtype(), pooledShape(x, w), y);
  return Status::ok();
}

Status lpPool(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, poolInput(call, 3));
  JINX_TRY_ASSIGN(Window w, poolWindow(call, spatial(x)));
  JINX_TRY(checkShapeSize(call, pooledShape(x, w), "output"));
  const double order = normOrder(call);
  std::vector<int64_t> counts;
  Doubles y;
  if (numElements(pooledShape(x, w)) > 0) {
    y = sumWindows(w, x.dim(0) * x.dim(1), toDoubles(x), counts,
                   [&](double v) { return order == 2 ? v * v : std::pow(std::abs(v), order); });
    for (double& v : y)
      v = order == 2 ? std::sqrt(v) : std::pow(v, 1 / order);
  }
  call.outputs[0] = fromDoubles(x.dtype(), pooledShape(x, w), y);
  return Status::ok();
}

/// One value a plane: `start`, then step(acc, element) over it, then finish(acc, count).
template <typename Step, typename Finish>
Status globalPool(HostOpCall& call, double start, Step step, Finish finish) {
  JINX_TRY_ASSIGN(Tensor x, poolInput(call, 2));
  const int64_t planes = x.dim(0) * x.dim(1), plane = product(x.shape(), 2, x.rank());
  const Doubles vx = toDoubles(x);
  Doubles y(planes, start);
  for (int64_t c = 0; c < planes; ++c) {
    for (int64_t i = 0; i < plane; ++i)
      y[c] = step(y[c], vx[c * plane + i]);
    y[c] = finish(y[c], plane);
  }
  Shape shape(x.rank(), 1);
  shape[0] = x.dim(0);
  shape[1] = x.dim(1);
  call.outputs[0] = fromDoubles(x.dtype(), shape, y);
  return Status::ok();
}

Status globalAveragePool(HostOpCall& call) {
  return globalPool(
      call, 0, [](double acc, double v) { return acc + v; },
      [](double acc, int64_t n) { return acc / static_cast<double>(n); });
}

Status globalMaxPool(HostOpCall& call) {
  return globalPool(
      call, -kInfinity, [](double acc, double v) { return v > acc || std::isnan(v) ? v : acc; },
      [](double acc, int64_t) { return acc; });
}

Status globalLpPool(HostOpCall& call) {
  const double order = normOrder(call);
  return globalPool(
      call, 0, [order](double acc, double v) { return acc + std::pow(std::abs(v), order); },
      [order](double acc, int64_t) { return std::pow(acc, 1 / order); });
}

/// Indices count within the shape that kernel, strides and pads imply; a larger output_shape adds zeros at the ends.
/// Indices that do not fit there were made by a pool over a tensor of output_shape, and count within that.
Status maxUnpool(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, poolInput(call, 3));
  JINX_TRY_ASSIGN(Tensor indices, call.tensor(1));
  if (indices.shape() != x.shape())
    return call.error("operand I is " + indices.describe() + ", expected shape " + toString(x.shape()) +
                      " as operand X has");
  JINX_TRY_ASSIGN(Window w, readWindow(call, spatial(x), {}));
  Shape inferred{x.dim(0), x.dim(1)};
  for (int64_t d = 0; d < w.rank(); ++d)
    inferred.push_back(std::max<int64_t>(0, (w.in[d] - 1) * w.stride[d] - w.padBegin[d] - w.padEnd[d] + w.kernel[d]));
  Shape shape = inferred;
  if (call.has(2)) {
    JINX_TRY_ASSIGN(Tensor asked, call.tensor(2));
    if (asked.size() != x.rank())
      return call.error("operand output_shape has " + str(asked.size()) + " values, expected " + str(x.rank()) +
                        " (rank of operand X)");
    shape = asked.toInts();
  }
  JINX_TRY(checkShapeSize(call, shape, "output_shape"));
  JINX_TRY(checkShapeSize(call, inferred, "output"));
  const std::vector<int64_t> at = indices.toInts();
  const int64_t most = at.empty() ? -1 : *std::max_element(at.begin(), at.end());
  if (most >= numElements(inferred)) inferred = shape;
  const int64_t limit = numElements(inferred);
  Tensor y = Tensor::make(x.dtype(), shape);
  const Shape from = rowMajorStrides(inferred), to = rowMajorStrides(shape);
  for (int64_t i = 0; i < x.size(); ++i) {
    if (at[i] < 0 || at[i] >= limit)
      return call.error("operand I holds " + str(at[i]) + ", expected 0 to " + str(limit - 1));
    int64_t rest = at[i], target = 0;
    for (size_t d = 0; d < shape.size() && target >= 0; ++d) {
      const int64_t p = rest / from[d];
      rest %= from[d];
      target = p < shape[d] ? target + p * to[d] : -1;
    }
    if (target >= 0) y.setDouble(target, x.getDouble(i));
  }
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "MaxPool", 1, maxPool},
    {"", "AveragePool", 1, averagePool},
    {"", "LpPool", 1, lpPool},
    {"", "GlobalAveragePool", 1, globalAveragePool},
    {"", "GlobalMaxPool", 1, globalMaxPool},
    {"", "GlobalLpPool", 1, globalLpPool},
    {"", "MaxUnpool", 9, maxUnpool},
    {"", "RoiAlign", 10, roiAlign},
    {"", "MaxRoiPool", 1, maxRoiPool},
};

} // namespace
} // namespace dense

std::span<const HostOpEntry> poolHostOps() { return dense::kRows; }

} // namespace jinx
