// Standardization along axes, shared by the normalization operators.
#pragma once

#include "frontends/onnx/Handlers.h"

namespace jinx::frontends {

struct Normalized {
  Value y, mean, inverseDeviation;
};
/// (x - mean) / sqrt(variance + epsilon) over `axes`; without `centred`, x / sqrt(mean of squares + epsilon).
Normalized standardize(Node &n, Value x, llvm::ArrayRef<int64_t> axes, double epsilon, bool centred = true);

} // namespace jinx::frontends
