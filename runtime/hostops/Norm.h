// Row normalization, shared by the ONNX norms (Norm.cpp) and com.microsoft's fused ones (NormSkip.cpp).
#pragma once

#include "runtime/hostops/Dense.h"

namespace jinx::dense {

/// Moments of each row of a [rows][cols] array, and the rows normalized in place.
struct RowStats {
  Doubles mean;   ///< 0 where the norm does not center
  Doubles invStd; ///< 1 / sqrt(variance + epsilon); without centering 1 / sqrt(mean square + epsilon)
};
RowStats normalizeRows(Doubles& values, int64_t rows, int64_t cols, double epsilon, bool center);
/// values = values * factor, or + term, where `operand` broadcasts to `shape`.
void scaleBroadcast(Doubles& values, const Shape& shape, const Tensor& operand);
void addBroadcast(Doubles& values, const Shape& shape, const Tensor& operand);

// NormSkip.cpp
Status skipLayerNormalization(HostOpCall& call);
Status skipSimplifiedLayerNormalization(HostOpCall& call);
Status embedLayerNormalization(HostOpCall& call);

} // namespace jinx::dense
