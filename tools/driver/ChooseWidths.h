// Which layers of a 4-bit scheme take 8 bits? From what is measured (passes/Quant/Widths.h), up to a mean of bits a weight.
#pragma once

#include "passes/Quant/Widths.h"
#include "tools/driver/Dataset.h"
#include "tools/driver/ModelModule.h"

namespace jinx::driver {

/// Makes layers wide. Those that already are, by name, count.
/// \param samples  those of a data set; without, and of models without outputs of floats, weights alone are measured
/// \returns of each layer, what the outputs' signal to noise is when it alone has its 4-bit codes; empty where nothing was measured
Expected<std::vector<std::optional<double>>> chooseWidths(ModelModule& model, const std::vector<passes::Layer>& layers, const Samples& samples, int64_t minWeights, double bits,
                                                          passes::Recipe& recipe);

} // namespace jinx::driver
