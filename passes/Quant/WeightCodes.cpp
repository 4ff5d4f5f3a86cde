#include "passes/Quant/WeightCodes.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/Parallel.h"

namespace jinx::passes {
namespace {

constexpr float kLargestFloat8 = 448;
constexpr float kLeastHalf = 6.103515625e-5f, kLargestHalf = 65504;  // normal ones

/// Trial scales of 4-bit codes, as parts of those that give the weight of largest size the first code or the last. A table's levels take longer
/// to find: fewer of them.
constexpr int kTrials = 22, kStrideOfTables = 2;
constexpr float kFirstFactor = 0.62f, kFactorStep = 0.02f;
constexpr int kRefinements = 3;
constexpr float kNoise = 1e-6f;  // of sums: what is better by less is not

float largestSize(std::span<const float> w) {
  float most = 0;
  for (float v : w) most = std::max(most, std::abs(v));
  return most;
}

/// A scale that is stored, in its type: never 0, for codes are quotients.
float stored(float scale, DType type) {
  if (type != DType::kF16) return scale == 0 || !std::isnormal(scale) ? 1.0f : scale;
  const float size = std::clamp(std::abs(scale), kLeastHalf, kLargestHalf);
  return halfToFloat(floatToHalf(std::signbit(scale) ? -size : size));
}

struct Fit {
  float scale = 0, offset = 0;
};

constexpr size_t kLanes = 4;  // weights at a time: what every processor has
typedef float Lanes __attribute__((vector_size(16), aligned(4), may_alias));

/// Σhwq and Σhq² of the levels q that a scale gives to weights w that count h times.
struct Sums {
  float products = 0, squares = 0;
};
/// \param nearest  levels of quotients
template <typename Nearest>
Sums sumsOf(std::span<const float> w, std::span<const float> counts, float scale, const Nearest &nearest) {
  const float inverse = 1 / scale;
  Lanes products{}, squares{};
  auto add = [&](const float *v, const float *h) {
    const Lanes x = *reinterpret_cast<const Lanes *>(v), q = nearest(x * inverse), hq = *reinterpret_cast<const Lanes *>(h) * q;
    products += x * hq;
    squares += q * hq;
  };
  size_t i = 0;
  for (; i + kLanes <= w.size(); i += kLanes) add(w.data() + i, counts.data() + i);
  float v[kLanes] = {}, h[kLanes] = {};
  std::copy(w.begin() + long(i), w.end(), v);
  std::copy(counts.begin() + long(i), counts.end(), h);
  add(v, h);
  Sums sums;
  for (size_t lane = 0; lane < kLanes; ++lane) sums.products += products[lane], sums.squares += squares[lane];
  return sums;
}

/// The scale, of either sign unless it shall be positive, with the least squared error among trials. With levels q of a trial scale the best one is Σhwq / Σhq², and leaves
/// Σhw² - (Σhwq)² / Σhq²; levels of that scale may be better again. A weight w counts h = sqrt(w² + mean of w²) times: large ones are what
/// a model has made large (docs/benchmarks/quantization.md).
/// \param ends  the first level and the last
template <typename Nearest>
Fit search(std::span<const float> w, std::array<float, 2> ends, bool isPositive, int stride, const Nearest &nearest) {
  float extreme = 0, best = 0, bestGain = 0, squares = 0;
  for (float v : w) {
    squares += v * v;
    if (std::abs(v) > std::abs(extreme)) extreme = v;
  }
  if (extreme == 0) return {};
  std::vector<float> counts;
  for (float v : w) counts.push_back(std::sqrt(v * v + squares / float(w.size())) / std::abs(extreme));
  auto take = [&](float scale) {
    const Sums sums = sumsOf(w, counts, scale, nearest);
    const float gain = sums.squares > 0 ? sums.products * sums.products / sums.squares : -1;
    if (gain > bestGain * (1 + kNoise)) bestGain = gain, best = sums.products / sums.squares;
  };
  for (float end : ends) {
    if (isPositive && extreme * end < 0) continue;
    for (int t = 0; t < kTrials; t += stride) take(extreme / end * (kFirstFactor + kFactorStep * float(t)));
  }
  for (int r = 0; r < kRefinements; ++r) take(best);
  return {best, 0};
}

Fit fitFourBits(std::span<const float> w, bool isPositive) {
  return search(w, {-8, 7}, isPositive, 1, [](Lanes t) {
    const Lanes lowest = Lanes{} - 8.0f, highest = Lanes{} + 7.0f;
    t = t < lowest ? lowest : t > highest ? highest : t;
    constexpr float kInteger = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    return (t + kInteger) - kInteger;
  });
}

/// \param levels  ascending
Fit fitLevels(std::span<const float> w, std::span<const float> levels, bool isPositive) {
  std::array<Lanes, 16> all{}, middles{};  // middles: between a level and the one below
  for (size_t i = 0; i < 16; ++i) all[i] += levels[i];
  for (size_t i = 1; i < 16; ++i) middles[i] += (levels[i - 1] + levels[i]) / 2;
  return search(w, {levels.front(), levels.back()}, isPositive, kStrideOfTables, [&](Lanes t) {
    Lanes level = all[0];
    for (size_t i = 1; i < 16; ++i) level = t > middles[i] ? all[i] : level;
    return level;
  });
}

Fit fitBetween(std::span<const float> w, float highestCode) {
  if (w.empty()) return {};
  const auto [low, high] = std::minmax_element(w.begin(), w.end());
  return {(*high - *low) / highestCode, *low};
}
/// An offset that is stored, in its type.
float storedOffset(float offset, DType type) { return type == DType::kF16 ? halfToFloat(floatToHalf(std::clamp(offset, -kLargestHalf, kLargestHalf))) : offset; }

Fit fit(const WeightFormat &format, std::span<const float> w) {
  if (format.codes == DType::kF8E4M3FN) return {largestSize(w) / kLargestFloat8, 0};
  if (format.codes == DType::kI8) return {largestSize(w) / 127, 0};
  if (!format.levels.empty()) return fitLevels(w, format.levels, format.hasDoubleScales);
  return format.hasOffsets ? fitBetween(w, 15) : fitFourBits(w, format.hasDoubleScales);
}

template <typename Body>
void eachRow(const WeightRows &weights, unsigned threads, const Body &body) {
  const int64_t piece = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, weights.k));
  inParallel(threads, size_t((weights.rows + piece - 1) / piece), [&](size_t p) {
    for (int64_t row = int64_t(p) * piece; row < std::min(weights.rows, int64_t(p + 1) * piece); ++row) body(row);
  });
}

}  // namespace

int64_t sizeBytes(const WeightFormat &format, int64_t rows, int64_t k) {
  const WeightCodes codes{.format = format, .rows = rows, .k = k};
  const int64_t count = (rows + format.rowsOfScale - 1) / format.rowsOfScale * codes.groups();
  if (format.hasDoubleScales) return packedBytes(format.codes, rows * k) + count + 4 * ((count + kScalesOfUnit - 1) / kScalesOfUnit + 1);
  return packedBytes(format.codes, rows * k) + (format.hasOffsets ? 2 : 1) * packedBytes(format.scales, count);
}

std::array<float, 256> levelsOf(const WeightFormat &format) {
  std::array<float, 256> levels{};
  for (int code = 0; code < 256; ++code) {
    const uint8_t byte = uint8_t(code);
    levels[code] = format.levels.empty() ? float(loadAsDouble(format.codes, &byte, 0)) : format.levels[code & 15];
  }
  return levels;
}

uint8_t encode(const WeightFormat &format, float weight, float scale, float offset) {
  const float t = (weight - offset) / scale;
  if (format.codes == DType::kF8E4M3FN) {
    uint8_t code = 0;
    storeFromDouble(format.codes, &code, 0, t);
    return code;
  }
  if (!format.levels.empty()) {
    uint8_t code = 0;
    for (size_t i = 1; i < 16; ++i) code += t > (format.levels[i - 1] + format.levels[i]) / 2;
    return code;
  }
  const float low = format.codes == DType::kI8 ? -127.0f : format.codes == DType::kI4 ? -8.0f : 0.0f;
  const float high = format.codes == DType::kI8 ? 127.0f : format.codes == DType::kI4 ? 7.0f : 15.0f;
  const int code = int(std::clamp(std::nearbyint(t), low, high));
  return uint8_t(format.codes == DType::kI8 ? code : code & 15);
}

/// Scales become what their codes stand for.
static void quantizeScales(WeightCodes &codes) {
  double sum = 0;
  for (float scale : codes.scales) sum += scale;
  codes.scaleMean = codes.scales.empty() ? 0 : float(sum / double(codes.scales.size()));
  codes.scaleCodes.resize(codes.scales.size());
  for (size_t first = 0; first < codes.scales.size(); first += kScalesOfUnit) {
    const size_t end = std::min(codes.scales.size(), first + size_t(kScalesOfUnit));
    float largest = 0;
    for (size_t i = first; i < end; ++i) largest = std::max(largest, std::abs(codes.scales[i] - codes.scaleMean));
    const float unit = largest > 0 ? largest / 127 : 1;
    codes.scaleUnits.push_back(unit);
    for (size_t i = first; i < end; ++i) {
      codes.scaleCodes[i] = int8_t(std::clamp(std::nearbyint((codes.scales[i] - codes.scaleMean) / unit), -127.0f, 127.0f));
      const float product = float(codes.scaleCodes[i]) * unit;
      codes.scales[i] = stored(product + codes.scaleMean, codes.format.scales);
    }
  }
}

WeightCodes fitScales(const WeightRows &weights, const WeightFormat &format, unsigned threads) {
  WeightCodes codes{.format = format, .rows = weights.rows, .k = weights.k};
  codes.codes.resize(size_t(weights.rows * weights.k));
  codes.scales.resize(size_t(weights.rows * codes.groups()));
  if (format.hasOffsets) codes.offsets.resize(codes.scales.size());
  eachRow(weights, threads, [&](int64_t row) {
    for (int64_t g = 0; g < codes.groups(); ++g) {
      const int64_t begin = g * codes.group(), end = std::min(codes.k, begin + codes.group()), i = row * codes.groups() + g;
      const Fit found = fit(format, std::span(weights.values).subspan(size_t(row * codes.k + begin), size_t(end - begin)));
      codes.scales[size_t(i)] = found.scale;
      if (format.hasOffsets) codes.offsets[size_t(i)] = storedOffset(found.offset, format.scales);
    }
  });
  // Rows that share a scale have their largest one.
  for (int64_t first = 0; first < codes.rows; first += format.rowsOfScale)
    for (int64_t g = 0; g < codes.groups(); ++g) {
      const int64_t end = std::min(codes.rows, first + format.rowsOfScale);
      float scale = codes.scales[size_t(first * codes.groups() + g)];
      for (int64_t row = first + 1; row < end; ++row) scale = std::max(scale, codes.scales[size_t(row * codes.groups() + g)]);
      for (int64_t row = first; row < end; ++row) codes.scales[size_t(row * codes.groups() + g)] = stored(scale, format.scales);
    }
  if (format.hasDoubleScales) quantizeScales(codes);
  return codes;
}

void roundToNearest(WeightCodes &codes, const WeightRows &weights, unsigned threads) {
  const WeightFormat format = codes.format;
  eachRow(weights, threads, [&](int64_t row) {
    for (int64_t g = 0; g < codes.groups(); ++g) {
      const int64_t begin = row * codes.k + g * codes.group(), end = std::min((row + 1) * codes.k, begin + codes.group());
      const size_t i = size_t(row * codes.groups() + g);
      const float scale = codes.scales[i];
      const float offset = format.hasOffsets ? codes.offsets[i] : 0;
      for (int64_t e = begin; e < end; ++e) codes.codes[size_t(e)] = encode(format, weights.values[size_t(e)], scale, offset);
    }
  });
}

WeightRows decode(const WeightCodes &codes) {
  const std::array<float, 256> levels = levelsOf(codes.format);
  WeightRows weights{codes.rows, codes.k, std::vector<float>(codes.codes.size())};
  for (int64_t row = 0; row < codes.rows; ++row)
    for (int64_t column = 0; column < codes.k; ++column) {
      const size_t e = size_t(row * codes.k + column), i = size_t(codes.scaleOf(row, column));
      weights.values[e] = levels[codes.codes[e]] * codes.scales[i] + (codes.format.hasOffsets ? codes.offsets[i] : 0);
    }
  return weights;
}

double relativeError(const WeightRows &weights, const WeightCodes &codes) {
  const WeightRows rounded = decode(codes);
  double signal = 0, noise = 0;
  for (size_t i = 0; i < weights.values.size(); ++i) {
    const double w = weights.values[i], e = w - rounded.values[i];
    signal += w * w;
    noise += e * e;
  }
  return noise == 0 ? 0 : noise / signal;
}

}  // namespace jinx::passes
