// Moves what is hard to quantize from activations to weights (SmoothQuant, Xiao et al. 2023).
//
//   x·w = (x / s)·(s ∘ w)        s[j] = max|x[:, j]|^alpha / max|w[j, :]|^(1 - alpha), one for all layers that read x
//
// A column of x whose values are large makes its scale coarse for all others. The division goes into what x was scaled by, where that is a
// constant that nothing else sees (the gain and bias of a norm); else it is a product of its own.
#pragma once

#include "passes/Quant/Layers.h"

namespace jinx::passes {

/// Products that read one value, and the largest size of each of its columns.
struct SmoothedInput {
  std::vector<Layer> layers;
  std::vector<float> largest;  ///< k
};

/// Rewrites a float model; what it computes stays. \returns whether the division found a constant to go into
Expected<bool> smoothInput(const SmoothedInput &input, double alpha);

}  // namespace jinx::passes
