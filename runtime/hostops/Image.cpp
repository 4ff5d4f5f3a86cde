// Operators on images and volumes other than Resize (ImageResize.cpp) and ImageDecoder (ImageDecoder.cpp).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/Operands.h"

namespace jinx {

std::span<const HostOpEntry> imageResizeHostOps();  // ImageResize.cpp
std::span<const HostOpEntry> imageDecoderHostOps(); // ImageDecoder.cpp

namespace {

Status centerCropPad(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  JINX_TRY_ASSIGN(std::vector<int64_t> wanted, operands::ints(call, 1, "shape"));
  std::vector<int64_t> axes = call.attributes->getInts("axes");
  if (!call.attributes->has("axes")) {
    axes.resize(data.shape().size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  JINX_TRY_ASSIGN(axes, operands::axes(call, std::move(axes), data.rank()));
  if (wanted.size() != axes.size())
    return call.error("'shape' has " + std::to_string(wanted.size()) + " entries, expected " +
                      std::to_string(axes.size()) + ", one an axis");
  Shape shape = data.shape();
  for (size_t i = 0; i < axes.size(); ++i)
    shape[static_cast<size_t>(axes[i])] = wanted[i];
  const Tensor x = datamove::unpacked(data);
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, x.dtype(), shape));
  std::vector<std::vector<int64_t>> maps;
  for (size_t k = 0; y.size() > 0 && k < shape.size(); ++k) {
    const int64_t in = x.shape()[k], out = shape[k];
    const int64_t cropped = in > out ? (in - out) / 2 : 0, padded = out > in ? (out - in) / 2 : 0;
    std::vector<int64_t> map(static_cast<size_t>(out), -1);
    for (int64_t i = 0; i < std::min(in, out); ++i)
      map[static_cast<size_t>(padded + i)] = cropped + i;
    maps.push_back(std::move(map));
  }
  const Tensor zero = Tensor::make(x.dtype(), {1});
  if (y.size() > 0) datamove::copyMapped(x.dtype(), maps, y.data(), x.data(), x.shape(), zero.data());
  call.outputs[0] = datamove::packed(y, data.dtype());
  return Status::ok();
}

Status affineGrid(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor theta, call.tensor(0));
  JINX_TRY_ASSIGN(std::vector<int64_t> size, operands::ints(call, 1, "size"));
  const int64_t r = static_cast<int64_t>(size.size()) - 2; // spatial dimensions
  if (r != 2 && r != 3)
    return call.error("'size' has " + std::to_string(size.size()) +
                      " entries, expected 4, [N,C,H,W], or 5, [N,C,D,H,W]");
  if (!isFloat(theta.dtype()) || theta.rank() != 3 || theta.dim(0) != size[0] || theta.dim(1) != r ||
      theta.dim(2) != r + 1)
    return call.error("'theta' is " + theta.describe() + ", expected floats [" + std::to_string(size[0]) + "," +
                      std::to_string(r) + "," + std::to_string(r + 1) + "]");
  const bool align = call.attributes->getInt("align_corners", 0) != 0;
  Shape shape{size[0]};
  shape.insert(shape.end(), size.begin() + 2, size.end());
  shape.push_back(r);
  JINX_TRY_ASSIGN(Tensor grid, operands::allocate(call, theta.dtype(), shape));
  // Evenly spaced in [-1, 1]; a lone point of align_corners is the centre.
  const auto place = [&](int64_t i, int64_t extent) {
    if (!align) return (2.0 * static_cast<double>(i) + 1) / static_cast<double>(extent) - 1;
    return extent == 1 ? 0.0 : 2.0 * static_cast<double>(i) / static_cast<double>(extent - 1) - 1;
  };
  const Shape strides = rowMajorStrides(shape);
  for (int64_t point = 0; point < grid.size() / r; ++point) {
    double position[4]; // x, y, (z), 1: innermost dimension first
    for (int64_t k = 0; k < r; ++k) {
      const size_t dim = static_cast<size_t>(r - k);
      position[k] = place(point * r / strides[dim] % shape[dim], shape[dim]);
    }
    position[r] = 1;
    const int64_t batch = point * r / strides[0];
    for (int64_t row = 0; row < r; ++row) {
      double sum = 0;
      for (int64_t k = 0; k <= r; ++k)
        sum += theta.getDouble((batch * r + row) * (r + 1) + k) * position[k];
      grid.setDouble(point * r + row, sum);
    }
  }
  call.outputs[0] = grid;
  return Status::ok();
}

enum class Sampling { kNearest, kLinear, kCubic };
enum class Padding { kZeros, kBorder, kReflection };

/// Where a coordinate lies after being mirrored at `low` and `high` until it is between them.
double reflected(double x, double low, double high) {
  const double span = high - low;
  if (span <= 0) return low;
  double d = std::fmod(std::fabs(x - low), 2 * span);
  if (d > span) d = 2 * span - d;
  return low + d;
}

struct Tap {
  int64_t offset;
  double weight;
};

/// GridSample for one input: how a normalized coordinate of one dimension becomes elements and weights.
struct GridSampler {
  Sampling sampling;
  Padding padding;
  bool align;

  double low() const { return align ? 0 : -0.5; }
  double high(int64_t extent) const { return static_cast<double>(extent) - (align ? 1 : 0.5); }

  /// [-1, 1] to element positions. In the grid's own precision `T`: which way a tie of `nearest` falls depends on it.
  template <typename T>
  double position(T n, int64_t extent) const {
    if (std::isnan(n)) n = -1;
    const T length = static_cast<T>(extent);
    T x = align ? (n + 1) / 2 * (length - 1) : ((n + 1) * length - 1) / 2;
    if (sampling == Sampling::kNearest) x = std::nearbyint(x);
    double v = x;
    if (v < low() || v > high(extent)) {
      // A cubic window keeps its place outside and sees the border in each of its elements, as in PyTorch.
      if (padding == Padding::kBorder && sampling != Sampling::kCubic)
        v = std::clamp(v, 0.0, static_cast<double>(extent - 1));
      if (padding == Padding::kReflection) v = std::isfinite(v) ? reflected(v, low(), high(extent)) : 0;
    }
    return std::clamp(v, -4.0, static_cast<double>(extent) + 4); // beyond, all taps are outside
  }

  /// The element at an integer position; -1 for none, which counts as zero.
  int64_t element(int64_t i, int64_t extent) const {
    if (i >= 0 && i < extent) return i;
    if (padding == Padding::kZeros) return -1;
    if (padding == Padding::kBorder) return std::clamp<int64_t>(i, 0, extent - 1);
    return std::clamp<int64_t>(static_cast<int64_t>(reflected(static_cast<double>(i), low(), high(extent))), 0,
                               extent - 1);
  }

  std::vector<Tap> taps(double x, int64_t extent) const {
    if (sampling == Sampling::kNearest) return {{element(static_cast<int64_t>(x), extent), 1}};
    const double base = std::floor(x), t = x - base;
    const int64_t i = static_cast<int64_t>(base);
    if (sampling == Sampling::kLinear) return {{element(i, extent), 1 - t}, {element(i + 1, extent), t}};
    constexpr double kA = -0.75;
    const auto near = [](double d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
    const auto far = [](double d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
    return {{element(i - 1, extent), far(t + 1)},
            {element(i, extent), near(t)},
            {element(i + 1, extent), near(1 - t)},
            {element(i + 2, extent), far(2 - t)}};
  }
};

Expected<GridSampler> readGridSampler(const HostOpCall& call) {
  GridSampler sampler{Sampling::kLinear, Padding::kZeros, call.attributes->getInt("align_corners", 0) != 0};
  const std::string mode = call.attributes->getString("mode", "linear"),
                    padding = call.attributes->getString("padding_mode", "zeros");
  if (mode == "nearest")
    sampler.sampling = Sampling::kNearest;
  else if (mode == "cubic" || mode == "bicubic")
    sampler.sampling = Sampling::kCubic;
  else if (mode != "linear" && mode != "bilinear")
    return call.error("'mode' is '" + mode + "', expected 'linear', 'nearest' or 'cubic'");
  if (padding == "border")
    sampler.padding = Padding::kBorder;
  else if (padding == "reflection")
    sampler.padding = Padding::kReflection;
  else if (padding != "zeros")
    return call.error("'padding_mode' is '" + padding + "', expected 'zeros', 'border' or 'reflection'");
  return sampler;
}

/// The elements of one channel that make up the point `grid[point]`, as offsets into the channel.
std::vector<Tap> pointTaps(const GridSampler& sampler, const Tensor& grid, int64_t point,
                           std::span<const int64_t> spatial) {
  const size_t r = spatial.size();
  const Shape strides = rowMajorStrides(spatial);
  std::vector<Tap> taps{{0, 1}};
  for (size_t k = 0; k < r; ++k) { // the grid lists the innermost dimension first
    const double n = grid.getDouble(point * static_cast<int64_t>(r) + static_cast<int64_t>(r - 1 - k));
    const double x = grid.dtype() == DType::kF64 ? sampler.position(n, spatial[k])
                                                 : sampler.position(static_cast<float>(n), spatial[k]);
    std::vector<Tap> wider;
    for (const Tap& own : sampler.taps(x, spatial[k])) {
      if (own.offset < 0) continue;
      for (const Tap& outer : taps)
        wider.push_back({outer.offset + own.offset * strides[k], outer.weight * own.weight});
    }
    taps = std::move(wider);
  }
  return taps;
}

Status gridSample(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor grid, call.tensor(1));
  JINX_TRY_ASSIGN(GridSampler sampler, readGridSampler(call));
  const int64_t r = x.rank() - 2;
  if (r < 1 || !isFloat(grid.dtype()) || grid.rank() != r + 2 || grid.dim(0) != x.dim(0) || grid.dim(-1) != r)
    return call.error("'grid' is " + grid.describe() + ", expected floats [N, output extents..., " + std::to_string(r) +
                      "] for 'X' " + x.describe());
  if (x.dtype() == DType::kString && sampler.sampling != Sampling::kNearest)
    return call.error("'X' is " + x.describe() + ", expected numbers for this 'mode'");
  const std::span<const int64_t> spatial = std::span(x.shape()).subspan(2);
  const int64_t batches = x.dim(0), channels = x.dim(1), channelSize = numElements(spatial);
  Shape shape{batches, channels};
  shape.insert(shape.end(), grid.shape().begin() + 1, grid.shape().end() - 1);
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, x.dtype(), shape));
  if (y.size() > 0 && channelSize == 0)
    return call.error("'X' is " + x.describe() + ", expected no empty dimension to sample from");
  const int64_t points = y.size() == 0 ? 0 : y.size() / (batches * channels);

  const bool moves = sampler.sampling == Sampling::kNearest; // every element type can be moved
  const int64_t lanes = isComplex(x.dtype()) ? 2 : 1;
  const Tensor from = operands::asRealPairs(x);
  Tensor to = operands::asRealPairs(y);
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t p = 0; p < points; ++p) {
      const std::vector<Tap> taps = pointTaps(sampler, grid, b * points + p, spatial);
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t source = (b * channels + c) * channelSize, target = (b * channels + c) * points + p;
        if (moves) {
          if (!taps.empty()) datamove::copyRun(x.dtype(), y.data(), target, x.data(), source + taps[0].offset, 1);
          continue;
        }
        for (int64_t lane = 0; lane < lanes; ++lane) {
          double sum = 0;
          for (const Tap& tap : taps)
            sum += tap.weight * from.getDouble((source + tap.offset) * lanes + lane);
          to.setDouble(target * lanes + lane, sum);
        }
      }
    }
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "CenterCropPad", 18, centerCropPad},
    {"", "AffineGrid", 20, affineGrid},
    {"", "GridSample", 16, gridSample},
};

} // namespace

std::span<const HostOpEntry> imageHostOps() {
  static const std::vector<HostOpEntry> rows = [] {
    std::vector<HostOpEntry> all(std::begin(kRows), std::end(kRows));
    for (const auto more : {imageResizeHostOps(), imageDecoderHostOps()})
      all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

} // namespace jinx
