// What values does a tensor take, and which range of them is worth codes?
//
// A histogram has 2048 bins between -limit and limit, a power of two times the first tensor's largest size; where a later tensor needs it
// the limit doubles, and neighbours join, so that bins stay exact counts. From it a range (docs/guides/quantize.md says when to use which):
//
//   min-max     all that was seen
//   percentile  all but 0.005 % at either end
//   entropy     the clipping whose 128 codes are distributed as the values are (Kullback-Leibler, as TensorRT does it)
//   mse         the clipping with the least squared error, clipped values and steps between codes together
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "passes/Quant/Recipe.h"
#include "runtime/base/Tensor.h"

namespace jinx::driver {

enum class Method { kMinMax, kPercentile, kEntropy, kMse };
std::optional<Method> methodNamed(const std::string& name);

class Histogram {
 public:
  static constexpr int64_t kBins = 2048;

  /// kInvalidArgument for values that are not finite.
  Status add(const Tensor& tensor);
  /// What codes between `low` and `high` are to stand for. 8-bit floats (`isFloat`) have no even steps: percentile clips, others do not.
  passes::Range range(Method method, bool isFloat) const;
  bool empty() const { return counts_.empty(); }

 private:
  double center(int64_t bin) const { return (static_cast<double>(bin) + 0.5 - kBins / 2) * (2 * limit_ / kBins); }
  void grow();
  passes::Range percentile() const;
  double entropyLimit() const;
  double squaredErrorFactor() const;

  std::vector<uint64_t> counts_;
  uint64_t total_ = 0;
  double limit_ = 0, low_ = 0, high_ = 0;
};

} // namespace jinx::driver
