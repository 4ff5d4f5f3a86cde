// How far are two values apart, and is that too far?
#pragma once

#include <string>

#include "runtime/base/Tensor.h"

namespace jinx::tools {

struct Tolerance {
  double relative = 1e-3;
  double absolute = 1e-7;
  /// The relative part is taken of the larger of |expected| and the root mean square of the expected tensor, rather
  /// than of |expected| alone: for results of two different orders of summation, whose error does not shrink with the
  /// element.
  bool ofMagnitude = false;
  /// Off: only kinds, types and shapes are compared.
  bool values = true;
};

/// rtol and atol of a JSON object, as ONNX's test cases have them in tolerance.json; the defaults where there is no file.
Expected<Tolerance> readTolerance(const std::string& path);

struct Difference {
  int64_t elements = 0; ///< compared
  int64_t wrong = 0;    ///< beyond the tolerance
  int64_t firstWrong = 0;
  double maxAbsolute = 0; ///< over elements that are finite in both
  double maxRelative = 0; ///< of |expected|, over elements where that is not 0
  double signalToNoiseDb =
      0; ///< 10 log10 (sum of squares expected / sum of squares of differences); infinity when equal
};

/// Compares tensors of one type and shape. |got - expected| <= absolute + relative * |expected|, as numpy.allclose; NaN
/// equals NaN, infinities equal themselves; integers, booleans and strings are exact; bf16 gets two units in the last
/// place, as ONNX's own runner gives it.
Difference differenceOf(const Tensor& got, const Tensor& expected, const Tolerance& tolerance);

/// kInvalidArgument with the reason when two values differ: kind, type, shape, or the first element that is too far
/// off.
Status compareValues(const Value& got, const Value& expected, const Tolerance& tolerance);

} // namespace jinx::tools
