// RoiAlign (He et al. 2017, Mask R-CNN) and MaxRoiPool (Girshick 2015, Fast R-CNN).
#include "runtime/hostops/PoolRoi.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/hostops/Dense.h"

namespace jinx::dense {
namespace {

constexpr int64_t kMostSamples = int64_t{1} << 24; // of a bin

struct Sample {
  std::array<int64_t, 4> offset{};
  std::array<double, 4> weight{};
};

/// Bilinear weights at (y, x) of a height x width plane; all zero further than one pixel outside.
Sample bilinear(double y, double x, int64_t height, int64_t width) {
  Sample s;
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return s; // NaN too
  y = std::max(y, 0.0);
  x = std::max(x, 0.0);
  int64_t y0 = static_cast<int64_t>(y), x0 = static_cast<int64_t>(x), y1 = y0 + 1, x1 = x0 + 1;
  if (y0 >= height - 1) y = static_cast<double>(y0 = y1 = height - 1);
  if (x0 >= width - 1) x = static_cast<double>(x0 = x1 = width - 1);
  const double fy = y - static_cast<double>(y0), fx = x - static_cast<double>(x0);
  s.offset = {y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1};
  s.weight = {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx};
  return s;
}

} // namespace

/// `max` takes the largest weighted corner of all samples of a bin, as the ONNX reference and onnxruntime do.
Status roiAlign(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor rois, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor batchIndices, call.tensor(2));
  const Attributes& at = *call.attributes;
  const std::string mode = at.getString("mode", "avg");
  const std::string transform =
      at.getString("coordinate_transformation_mode", call.opset >= 16 ? "half_pixel" : "output_half_pixel");
  if (mode != "avg" && mode != "max") return call.error("attribute mode is '" + mode + "', expected avg or max");
  if (transform != "half_pixel" && transform != "output_half_pixel")
    return call.error("attribute coordinate_transformation_mode is '" + transform +
                      "', expected half_pixel or output_half_pixel");
  if (x.rank() != 4) return call.error("operand X is " + x.describe() + ", expected rank 4");
  if (rois.rank() != 2 || rois.dim(1) != 4)
    return call.error("operand rois is " + rois.describe() + ", expected shape num_rois x 4");
  if (batchIndices.size() != rois.dim(0))
    return call.error("operand batch_indices is " + batchIndices.describe() + ", expected " + str(rois.dim(0)) +
                      " values (rois)");
  const int64_t outH = at.getInt("output_height", 1), outW = at.getInt("output_width", 1),
                ratio = at.getInt("sampling_ratio", 0);
  if (outH < 1 || outW < 1 || ratio < 0)
    return call.error("output_height, output_width, sampling_ratio are " + str(outH) + ", " + str(outW) + ", " +
                      str(ratio) + ", expected >= 1, >= 1, >= 0");
  const double scale = at.getFloat("spatial_scale", 1);
  const int64_t count = rois.dim(0), channels = x.dim(1), height = x.dim(2), width = x.dim(3), plane = height * width;
  JINX_TRY(checkShapeSize(call, {count, channels, outH, outW}, "output"));
  const Doubles vx = toDoubles(x), vr = toDoubles(rois);
  Doubles y(count * channels * outH * outW, 0.0);
  std::vector<Sample> samples;
  for (int64_t r = 0; r < count && plane > 0; ++r) {
    const int64_t image = batchIndices.getInt(r);
    if (image < 0 || image >= x.dim(0))
      return call.error("operand batch_indices holds " + str(image) + ", expected 0 to " + str(x.dim(0) - 1));
    const double shift = transform == "half_pixel" ? 0.5 : 0;
    const double x1 = vr[r * 4] * scale - shift, y1 = vr[r * 4 + 1] * scale - shift;
    double roiW = vr[r * 4 + 2] * scale - shift - x1, roiH = vr[r * 4 + 3] * scale - shift - y1;
    if (shift == 0) {
      roiW = std::max(roiW, 1.0);
      roiH = std::max(roiH, 1.0);
    }
    const double binH = roiH / static_cast<double>(outH), binW = roiW / static_cast<double>(outW);
    if (!(std::abs(binH) < 1e6 && std::abs(binW) < 1e6))
      return call.error("operand rois gives region " + str(r) + " bins of " + std::to_string(binH) + " by " +
                        std::to_string(binW) + " pixels, expected fewer than 1e6");
    const int64_t gridH = ratio > 0 ? ratio : std::max<int64_t>(0, static_cast<int64_t>(std::ceil(binH)));
    const int64_t gridW = ratio > 0 ? ratio : std::max<int64_t>(0, static_cast<int64_t>(std::ceil(binW)));
    if (gridH > kMostSamples || gridW > kMostSamples || gridH * gridW > kMostSamples)
      return call.error("region " + str(r) + " takes " + str(gridH) + " by " + str(gridW) +
                        " samples a bin, expected " + str(kMostSamples) + " at most");
    for (int64_t ph = 0; ph < outH; ++ph)
      for (int64_t pw = 0; pw < outW; ++pw) {
        samples.clear();
        for (int64_t iy = 0; iy < gridH; ++iy)
          for (int64_t ix = 0; ix < gridW; ++ix)
            samples.push_back(bilinear(y1 + static_cast<double>(ph) * binH +
                                           (static_cast<double>(iy) + 0.5) * binH / static_cast<double>(gridH),
                                       x1 + static_cast<double>(pw) * binW +
                                           (static_cast<double>(ix) + 0.5) * binW / static_cast<double>(gridW),
                                       height, width));
        for (int64_t c = 0; c < channels; ++c) {
          const double* from = vx.data() + (image * channels + c) * plane;
          double value = 0;
          for (size_t i = 0; i < samples.size(); ++i) {
            const Sample& s = samples[i];
            double sum = 0, largest = s.weight[0] * from[s.offset[0]];
            for (int k = 0; k < 4; ++k) {
              sum += s.weight[k] * from[s.offset[k]];
              largest = std::max(largest, s.weight[k] * from[s.offset[k]]);
            }
            if (mode == "avg")
              value += sum / static_cast<double>(samples.size());
            else
              value = i == 0 ? largest : std::max(value, largest);
          }
          y[((r * channels + c) * outH + ph) * outW + pw] = value;
        }
      }
  }
  call.outputs[0] = fromDoubles(x.dtype(), {count, channels, outH, outW}, y);
  return Status::ok();
}

/// rois: [batch, x1, y1, x2, y2] each; corners round to pixels and belong to the region. A bin without pixels gives 0.
Status maxRoiPool(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor rois, call.tensor(1));
  const Shape pooled = call.attributes->getInts("pooled_shape");
  if (x.rank() != 4) return call.error("operand X is " + x.describe() + ", expected rank 4");
  if (rois.rank() != 2 || rois.dim(1) != 5)
    return call.error("operand rois is " + rois.describe() + ", expected shape num_rois x 5");
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1)
    return call.error("attribute pooled_shape is " + toString(pooled) + ", expected two positive values");
  const double scale = call.attributes->getFloat("spatial_scale", 1);
  const int64_t count = rois.dim(0), channels = x.dim(1), height = x.dim(2), width = x.dim(3), outH = pooled[0],
                outW = pooled[1];
  JINX_TRY(checkShapeSize(call, {count, channels, outH, outW}, "output"));
  const Doubles vx = toDoubles(x), vr = toDoubles(rois);
  Doubles y(count * channels * outH * outW, 0.0);
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t i = 0; i < 5; ++i)
      if (!(std::abs(vr[r * 5 + i]) < 1e9) || !(std::abs(vr[r * 5 + i] * scale) < 1e9))
        return call.error("operand rois holds " + std::to_string(vr[r * 5 + i]) + ", expected a magnitude below 1e9");
    const int64_t image = static_cast<int64_t>(vr[r * 5]);
    if (image < 0 || image >= x.dim(0))
      return call.error("operand rois names image " + str(image) + ", expected 0 to " + str(x.dim(0) - 1));
    auto pixel = [&](int64_t i) { return static_cast<int64_t>(std::round(vr[r * 5 + i] * scale)); };
    const int64_t x1 = pixel(1), y1 = pixel(2), roiW = std::max<int64_t>(pixel(3) - x1 + 1, 1),
                  roiH = std::max<int64_t>(pixel(4) - y1 + 1, 1);
    const double binH = static_cast<double>(roiH) / static_cast<double>(outH),
                 binW = static_cast<double>(roiW) / static_cast<double>(outW);
    for (int64_t ph = 0; ph < outH; ++ph)
      for (int64_t pw = 0; pw < outW; ++pw) {
        auto bound = [](double v, int64_t start, int64_t limit) {
          return std::clamp<int64_t>(static_cast<int64_t>(v) + start, 0, limit);
        };
        const int64_t h0 = bound(std::floor(static_cast<double>(ph) * binH), y1, height),
                      h1 = bound(std::ceil(static_cast<double>(ph + 1) * binH), y1, height);
        const int64_t w0 = bound(std::floor(static_cast<double>(pw) * binW), x1, width),
                      w1 = bound(std::ceil(static_cast<double>(pw + 1) * binW), x1, width);
        if (h1 <= h0 || w1 <= w0) continue;
        for (int64_t c = 0; c < channels; ++c) {
          const double* from = vx.data() + (image * channels + c) * height * width;
          double best = from[h0 * width + w0];
          for (int64_t h = h0; h < h1; ++h)
            for (int64_t w = w0; w < w1; ++w)
              best = std::max(best, from[h * width + w]);
          y[((r * channels + c) * outH + ph) * outW + pw] = best;
        }
      }
  }
  call.outputs[0] = fromDoubles(x.dtype(), {count, channels, outH, outW}, y);
  return Status::ok();
}

} // namespace jinx::dense
