// Resize and its elder, Upsample: a tensor sampled at other coordinates along some axes.
//
// Interpolation is separable, so an axis is resized at a time. For one axis every output position j has a coordinate x
// in the input; nearest takes one element near x, linear and cubic weigh a window of elements around it:
//
//   half_pixel, scale 2, linear:  j = 1  ->  x = (1 + 0.5) / 2 - 0.5 = 0.25  ->  0.75 * in[0] + 0.25 * in[1]
//
// With antialiasing and a scale s < 1 the window is 1/s times wider. A window that leaves the input sees the nearest
// edge element, or, with exclude_outside, is cut and its weights brought back to sum 1.
#include <algorithm>
#include <cmath>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/Operands.h"

namespace jinx {

std::span<const HostOpEntry> imageResizeHostOps();

namespace {

enum class Mode { kNearest, kLinear, kCubic };
enum class Coordinates {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfHalfPixelForNn,
  kTfCropAndResize
};
enum class Nearest { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil, kLegacy };

struct Options {
  Mode mode = Mode::kNearest;
  Coordinates coordinates = Coordinates::kHalfPixel;
  Nearest nearest = Nearest::kRoundPreferFloor;
  bool antialias = false, excludeOutside = false;
  double cubicA = -0.75, extrapolation = 0;
};

/// One axis: how long it is and gets. `width` is scale * extent, not rounded: ONNX's tests define align_corners and
/// half_pixel_symmetric by it.
struct Axis {
  int64_t in = 0, out = 0;
  float scale = 1, width = 0;
  float roiStart = 0, roiEnd = 1;
};

template <typename T, size_t kCount>
Expected<T> choice(const HostOpCall& call, const char* attribute, const char* fallback,
                   const std::pair<const char*, T> (&known)[kCount]) {
  const std::string name = call.attributes->getString(attribute, fallback);
  std::string list;
  for (const auto& [text, value] : known) {
    if (name == text) return value;
    list += std::string(list.empty() ? "'" : ", '") + text + "'";
  }
  return call.error("'" + std::string(attribute) + "' is '" + name + "', expected one of " + list);
}

/// Where output position `j` lies in the input. In f32, the type of the scales: 1.5 / 0.6f is then 2.5, where a wider
/// type would see that 0.6f is not 0.6, and nearest would fall to the wrong side.
float coordinate(const Options& options, const Axis& a, int64_t j) {
  const float y = static_cast<float>(j), in = static_cast<float>(a.in), out = static_cast<float>(a.out);
  switch (options.coordinates) {
  case Coordinates::kHalfPixel:
    return (y + 0.5f) / a.scale - 0.5f;
  case Coordinates::kHalfPixelSymmetric:
    return in / 2 * (1 - out / a.width) + (y + 0.5f) / a.scale - 0.5f;
  case Coordinates::kPytorchHalfPixel:
    return a.out > 1 ? (y + 0.5f) / a.scale - 0.5f : 0;
  case Coordinates::kAlignCorners:
    return a.width == 1 ? 0 : y * (in - 1) / (a.width - 1);
  case Coordinates::kAsymmetric:
    return y / a.scale;
  case Coordinates::kTfHalfPixelForNn:
    return (y + 0.5f) / a.scale;
  case Coordinates::kTfCropAndResize:
    if (a.out <= 1) return 0.5f * (a.roiStart + a.roiEnd) * (in - 1);
    return a.roiStart * (in - 1) + y * (a.roiEnd - a.roiStart) * (in - 1) / (out - 1);
  }
  return 0;
}

bool extrapolated(const Options& options, const Axis& a, float x) {
  return options.coordinates == Coordinates::kTfCropAndResize && (x < 0 || x > static_cast<float>(a.in - 1));
}

int64_t nearestIndex(const Options& options, const Axis& a, double x) {
  double index = x;
  switch (options.nearest) {
  case Nearest::kRoundPreferFloor:
    index = std::ceil(x - 0.5);
    break;
  case Nearest::kRoundPreferCeil:
    index = std::floor(x + 0.5);
    break;
  case Nearest::kFloor:
    index = std::floor(x);
    break;
  case Nearest::kCeil:
    index = std::ceil(x);
    break;
  case Nearest::kLegacy:
    index = a.scale < 1 ? std::ceil(x) : std::floor(x);
    break;
  }
  return static_cast<int64_t>(std::clamp(index, 0.0, static_cast<double>(a.in - 1)));
}

/// The weight of an element at distance `d` in the unstretched kernel.
double kernel(const Options& options, double d) {
  d = std::fabs(d);
  if (options.mode == Mode::kLinear) return std::max(0.0, 1 - d);
  const double a = options.cubicA;
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

struct Tap {
  int64_t index;
  double weight;
};

/// The elements that make up the output at coordinate `x`.
std::vector<Tap> tapsAt(const Options& options, const Axis& a, double x) {
  const double stretch = options.antialias ? std::min(a.scale, 1.0f) : 1.0;
  const double reach = options.mode == Mode::kLinear ? 1 : 2;
  const int64_t base = static_cast<int64_t>(std::floor(x));
  const int64_t first = static_cast<int64_t>(std::floor(-reach / stretch)) + 1;
  std::vector<Tap> taps;
  double sum = 0;
  for (int64_t i = first; i < 2 - first; ++i) {
    const int64_t index = base + i;
    const bool outside = index < 0 || index >= a.in;
    const double weight =
        outside && options.excludeOutside ? 0 : kernel(options, (static_cast<double>(index) - x) * stretch);
    taps.push_back({std::clamp<int64_t>(index, 0, a.in - 1), weight});
    sum += weight;
  }
  if ((options.antialias || options.excludeOutside) && sum != 0)
    for (Tap& tap : taps)
      tap.weight /= sum;
  return taps;
}

/// Resizes one axis of `values`, whose shape is `shape`, which is updated.
std::vector<double> interpolateAxis(const Options& options, const Axis& a, const std::vector<double>& values,
                                    Shape* shape, int64_t axis) {
  const datamove::AxisView view(*shape, axis);
  (*shape)[static_cast<size_t>(axis)] = a.out;
  std::vector<double> result(static_cast<size_t>(numElements(*shape)), 0.0);
  std::vector<std::vector<Tap>> taps; // of each output position; none where it is extrapolated
  for (int64_t j = 0; j < a.out; ++j) {
    const float x = coordinate(options, a, j);
    taps.push_back(extrapolated(options, a, x) ? std::vector<Tap>() : tapsAt(options, a, x));
  }
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t j = 0; j < a.out; ++j) {
      double* to = result.data() + (o * a.out + j) * view.inner;
      if (taps[static_cast<size_t>(j)].empty()) std::fill_n(to, view.inner, options.extrapolation);
      for (const Tap& tap : taps[static_cast<size_t>(j)]) {
        if (tap.weight == 0) continue;
        const double* from = values.data() + (o * a.in + tap.index) * view.inner;
        for (int64_t i = 0; i < view.inner; ++i)
          to[i] += tap.weight * from[i];
      }
    }
  return result;
}

bool leavesAxisAlone(const Options& options, const Axis& a) {
  if (a.in != a.out) return false;
  for (int64_t j = 0; j < a.out; ++j)
    if (coordinate(options, a, j) != static_cast<float>(j)) return false;
  return true;
}

Status resample(HostOpCall& call, const Tensor& data, const Options& options, const std::vector<Axis>& axes) {
  Shape shape;
  for (const Axis& a : axes) {
    if (a.in == 0 && a.out != 0)
      return call.error("'X' is " + data.describe() + ", expected no empty axis to be resized to " +
                        std::to_string(a.out));
    shape.push_back(a.out);
  }
  JINX_TRY(operands::checkSize(call, data.dtype(), shape));
  if (numElements(shape) == 0) {
    call.outputs[0] = Tensor::make(data.dtype(), shape);
    return Status::ok();
  }
  if (options.mode == Mode::kNearest) {
    std::vector<std::vector<int64_t>> maps;
    for (const Axis& a : axes) {
      std::vector<int64_t> map(static_cast<size_t>(a.out));
      for (int64_t j = 0; j < a.out; ++j) {
        const float x = coordinate(options, a, j);
        map[static_cast<size_t>(j)] = extrapolated(options, a, x) ? -1 : nearestIndex(options, a, x);
      }
      maps.push_back(std::move(map));
    }
    Tensor fill = Tensor::make(data.dtype(), {1});
    if (data.dtype() != DType::kString) operands::asRealPairs(fill).setDouble(0, options.extrapolation);
    const Tensor x = datamove::unpacked(data);
    Tensor y = Tensor::make(x.dtype(), shape);
    datamove::copyMapped(x.dtype(), maps, y.data(), x.data(), x.shape(), datamove::unpacked(fill).data());
    call.outputs[0] = datamove::packed(y, data.dtype());
    return Status::ok();
  }
  if (data.dtype() == DType::kString)
    return call.error("'X' is " + data.describe() + ", expected numbers for this 'mode'");
  const Tensor real = operands::asRealPairs(data);
  std::vector<double> values = operands::toDoubles(real);
  Shape current = real.shape();
  for (size_t k = 0; k < axes.size(); ++k)
    if (!leavesAxisAlone(options, axes[k]))
      values = interpolateAxis(options, axes[k], values, &current, static_cast<int64_t>(k));
  const Tensor y = operands::fromDoubles(values, real.dtype(), current, operands::IntegerRounding::kRoundAndClamp);
  call.outputs[0] =
      isComplex(data.dtype()) ? Tensor::wrap(data.dtype(), shape, const_cast<void*>(y.data()), y.storage()) : y;
  return Status::ok();
}

Expected<std::vector<double>> numbers(const HostOpCall& call, size_t i, const char* what) {
  if (!call.has(i)) return std::vector<double>();
  JINX_TRY_ASSIGN(Tensor x, call.tensor(i));
  if (!isFloat(x.dtype()) && x.size() != 0)
    return call.error("'" + std::string(what) + "' is " + x.describe() + ", expected floats");
  return operands::toDoubles(x);
}

Status checkCount(const HostOpCall& call, const char* what, size_t got, size_t expected) {
  if (got == expected) return Status::ok();
  return call.error("'" + std::string(what) + "' has " + std::to_string(got) + " entries, expected " +
                    std::to_string(expected));
}

constexpr double kMaxExtent = 1e12;

/// Sets the extents of `a` from a scale.
Status applyScale(const HostOpCall& call, double scale, Axis* a) {
  if (!(scale > 0) || scale * static_cast<double>(a->in) > kMaxExtent)
    return call.error("'scales' holds " + std::to_string(scale) + ", expected a usable value > 0");
  a->scale = static_cast<float>(scale);
  a->width = a->scale * static_cast<float>(a->in);
  a->out = static_cast<int64_t>(std::floor(scale * static_cast<double>(a->in)));
  return Status::ok();
}

/// Opset 10 Resize and all Upsample: scales only; nearest and linear at x = j / scale.
Status resizeByScales(HostOpCall& call, const Tensor& x, const std::vector<double>& scales) {
  const std::string mode = call.attributes->getString("mode", "nearest");
  if (mode != "nearest" && mode != "linear" && mode != "bilinear")
    return call.error("'mode' is '" + mode + "', expected 'nearest' or 'linear'");
  JINX_TRY(checkCount(call, "scales", scales.size(), x.shape().size()));
  Options options;
  options.mode = mode == "nearest" ? Mode::kNearest : Mode::kLinear;
  options.coordinates = Coordinates::kAsymmetric;
  options.nearest = Nearest::kLegacy;
  std::vector<Axis> axes(scales.size());
  for (size_t k = 0; k < axes.size(); ++k) {
    axes[k].in = x.shape()[k];
    JINX_TRY(applyScale(call, scales[k], &axes[k]));
  }
  return resample(call, x, options, axes);
}

Status upsample(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  std::vector<double> scales = call.attributes->getFloats("scales");
  if (call.opset >= 9) {
    JINX_TRY_ASSIGN(scales, numbers(call, 1, "scales"));
  } else if (call.opset < 7) {
    scales = {1, 1, call.attributes->getFloat("height_scale", 1), call.attributes->getFloat("width_scale", 1)};
  }
  return resizeByScales(call, x, scales);
}

Status resize10(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(std::vector<double> scales, numbers(call, 1, "scales"));
  return resizeByScales(call, x, scales);
}

Expected<Options> readOptions(const HostOpCall& call) {
  static constexpr std::pair<const char*, Mode> kModes[] = {
      {"nearest", Mode::kNearest}, {"linear", Mode::kLinear}, {"cubic", Mode::kCubic}};
  static constexpr std::pair<const char*, Coordinates> kCoordinates[] = {
      {"half_pixel", Coordinates::kHalfPixel},
      {"half_pixel_symmetric", Coordinates::kHalfPixelSymmetric},
      {"pytorch_half_pixel", Coordinates::kPytorchHalfPixel},
      {"align_corners", Coordinates::kAlignCorners},
      {"asymmetric", Coordinates::kAsymmetric},
      {"tf_half_pixel_for_nn", Coordinates::kTfHalfPixelForNn},
      {"tf_crop_and_resize", Coordinates::kTfCropAndResize}};
  static constexpr std::pair<const char*, Nearest> kNearest[] = {{"round_prefer_floor", Nearest::kRoundPreferFloor},
                                                                 {"round_prefer_ceil", Nearest::kRoundPreferCeil},
                                                                 {"floor", Nearest::kFloor},
                                                                 {"ceil", Nearest::kCeil}};
  Options options;
  JINX_TRY_ASSIGN(options.mode, choice(call, "mode", "nearest", kModes));
  JINX_TRY_ASSIGN(options.coordinates, choice(call, "coordinate_transformation_mode", "half_pixel", kCoordinates));
  JINX_TRY_ASSIGN(options.nearest, choice(call, "nearest_mode", "round_prefer_floor", kNearest));
  options.antialias = call.attributes->getInt("antialias", 0) != 0;
  options.excludeOutside = call.attributes->getInt("exclude_outside", 0) != 0;
  options.cubicA = call.attributes->getFloat("cubic_coeff_a", -0.75);
  options.extrapolation = call.attributes->getFloat("extrapolation_value", 0);
  return options;
}

Status resize11(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Options options, readOptions(call));
  JINX_TRY_ASSIGN(std::vector<double> roi, numbers(call, 1, "roi"));
  JINX_TRY_ASSIGN(std::vector<double> scales, numbers(call, 2, "scales"));
  JINX_TRY_ASSIGN(std::vector<int64_t> sizes, operands::optionalInts(call, 3, "sizes"));
  if (scales.empty() == sizes.empty() && x.rank() > 0)
    return call.error("'scales' and 'sizes' have " + std::to_string(scales.size()) + " and " +
                      std::to_string(sizes.size()) + " entries, expected one of the two");
  std::vector<int64_t> which = call.attributes->getInts("axes");
  if (!call.attributes->has("axes"))
    for (int64_t k = 0; k < x.rank(); ++k)
      which.push_back(k);
  JINX_TRY_ASSIGN(which, operands::axes(call, std::move(which), x.rank()));
  const size_t count = which.size();
  if (sizes.empty())
    JINX_TRY(checkCount(call, "scales", scales.size(), count));
  else
    JINX_TRY(checkCount(call, "sizes", sizes.size(), count));
  const bool crop = options.coordinates == Coordinates::kTfCropAndResize;
  if (crop) JINX_TRY(checkCount(call, "roi", roi.size(), 2 * count));

  std::vector<Axis> axes(x.shape().size());
  for (size_t k = 0; k < axes.size(); ++k) {
    axes[k].in = axes[k].out = x.shape()[k];
    axes[k].width = static_cast<float>(axes[k].in);
  }
  // sizes -> scale; with a policy other than stretch all axes get the smallest or the largest one.
  const std::string policy = call.attributes->getString("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    return call.error("'keep_aspect_ratio_policy' is '" + policy +
                      "', expected 'stretch', 'not_larger' or 'not_smaller'");
  double common = policy == "not_larger" ? INFINITY : 0;
  for (size_t i = 0; i < count; ++i) {
    Axis& a = axes[static_cast<size_t>(which[i])];
    if (crop) a.roiStart = static_cast<float>(roi[i]), a.roiEnd = static_cast<float>(roi[count + i]);
    if (sizes.empty()) {
      JINX_TRY(applyScale(call, scales[i], &a));
      continue;
    }
    if (sizes[i] < 0 || static_cast<double>(sizes[i]) > kMaxExtent)
      return call.error("'sizes' holds " + std::to_string(sizes[i]) + ", expected usable values >= 0");
    a.out = sizes[i];
    a.width = static_cast<float>(a.out);
    a.scale = a.in == 0 ? 1 : a.width / static_cast<float>(a.in);
    const double exact = a.in == 0 ? 1 : static_cast<double>(a.out) / static_cast<double>(a.in);
    common = policy == "not_larger" ? std::min(common, exact) : std::max(common, exact);
  }
  if (!sizes.empty() && policy != "stretch")
    for (int64_t k : which) {
      Axis& a = axes[static_cast<size_t>(k)];
      a.scale = static_cast<float>(common);
      a.width = static_cast<float>(common * static_cast<double>(a.in));
      const double extent = common * static_cast<double>(a.in);
      if (!(extent < kMaxExtent))
        return call.error("'sizes' and 'keep_aspect_ratio_policy' give an extent of " + std::to_string(extent) +
                          ", expected a usable one");
      a.out = static_cast<int64_t>(std::floor(extent + 0.5));
    }
  return resample(call, x, options, axes);
}

constexpr HostOpEntry kRows[] = {
    {"", "Upsample", 1, upsample},
    {"", "Resize", 10, resize10},
    {"", "Resize", 11, resize11},
};

} // namespace

std::span<const HostOpEntry> imageResizeHostOps() { return kRows; }

} // namespace jinx
