// Activation functions that ai.onnx and com.microsoft share.
#pragma once

#include "frontends/onnx/Handlers.h"

namespace jinx::frontends {

/// x / 2 * (1 + erf(x / sqrt(2))), or by the approximation of Hendrycks & Gimpel 2016 with tanh.
Value geluOf(Node &n, Value x, bool byTanh = false);
Value leakyReluOf(Node &n, Value x, double alpha);
/// alpha * x + beta between 0 and 1.
Value hardSigmoidOf(Node &n, Value x, double alpha, double beta);

} // namespace jinx::frontends
