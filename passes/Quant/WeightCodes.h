// Weights as codes: which scale does each group get, and which code each weight?
//
// A layer's weights are rows, one for each output channel, k numbers long. A row is cut into groups; a weight is level(code) * scale + offset, with
// the scale and offset of its group. Two steps, so that rounding may be by anything that knows the scales (Gptq.h):
//
//   fitScales        int8     largest size / 127                                    one group a row, codes -127…127
//                    int4     the scale with the least squared error of 44, around -m/8 and m/7 for the weight m of largest size; each is refined to
//                             what is best for the codes it gives. Errors of large weights count more: h = sqrt(w² + mean of w²) times
//                    int4, with an offset        (highest - lowest) / 15, the offset being the lowest (GGUF's Q4_1). A zero point, a whole
//                             number of codes, would move every weight that the file of a model has such a grid for
//                    nf4      the same of 22, around m and -m; levels of runtime/base/CodeLevels.h
//                    fp8      largest size / 448; fp8-block: of 128 rows of a group of 128
//   with double scales       those are codes, too (Dettmers et al. 2023, section 3): 8 bits, around the mean of all, a unit for each 256 of
//                             them; positive, since those of both signs have no mean to be around
//   roundToNearest   each weight its nearest level
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/Tensor.h"

namespace jinx::passes {

struct WeightRows {
  int64_t rows = 0, k = 0;
  std::vector<float> values;  ///< rows * k
};

struct WeightFormat {
  DType codes = DType::kI8;       ///< kI8, kI4, kU4 (with offsets, or levels) or kF8E4M3FN
  int64_t group = 0;              ///< neighbours along k that share a scale; 0: the row does
  std::span<const float> levels;  ///< what 4-bit codes stand for; empty: themselves
  bool hasOffsets = false;
  DType scales = DType::kF32;     ///< scales and offsets are rounded to it
  int64_t rowsOfScale = 1;        ///< neighbouring rows that share a group's scale (fp8)
  bool hasDoubleScales = false;   ///< scales are codes of 8 bits themselves
};

/// Bytes of codes, scales and offsets as they are stored.
int64_t sizeBytes(const WeightFormat &format, int64_t rows, int64_t k);

inline constexpr int64_t kScalesOfUnit = 256;  ///< double scales

struct WeightCodes {
  WeightFormat format;
  int64_t rows = 0, k = 0;
  std::vector<uint8_t> codes;    ///< rows * k; a code's bits, one a byte
  std::vector<float> scales;     ///< rows * groups(), those that rows share in each of them
  std::vector<float> offsets;    ///< the same; empty where there are none
  std::vector<int8_t> scaleCodes;  ///< double scales: scales[i] is scaleCodes[i] * scaleUnits[i / 256] + scaleMean, rounded to f32 twice, then to format.scales
  std::vector<float> scaleUnits;
  float scaleMean = 0;

  int64_t group() const { return format.group > 0 && format.group < k ? format.group : k; }
  int64_t groups() const { return k == 0 ? 0 : (k + group() - 1) / group(); }
  /// Number of the scale of a weight.
  int64_t scaleOf(int64_t row, int64_t column) const { return row * groups() + column / group(); }
  int64_t sizeBytes() const { return jinx::passes::sizeBytes(format, rows, k); }
};

/// The values of all 256 bytes as codes of a format (a 4-bit code has its upper bits 0).
std::array<float, 256> levelsOf(const WeightFormat &format);

WeightCodes fitScales(const WeightRows &weights, const WeightFormat &format, unsigned threads);
void roundToNearest(WeightCodes &codes, const WeightRows &weights, unsigned threads);
/// The code of one weight, beside the scale and offset (0 where there is none) of its group.
uint8_t encode(const WeightFormat &format, float weight, float scale, float offset);
/// What the codes stand for.
WeightRows decode(const WeightCodes &codes);
/// Squares of the differences between weights and what codes stand for, over squares of weights; 0 where all are 0.
double relativeError(const WeightRows &weights, const WeightCodes &codes);

}  // namespace jinx::passes
