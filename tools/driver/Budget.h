// Which layers must stay float for the model's outputs to be as near as they are to be?
//
// Each layer's own damage is the signal to noise of the outputs when it alone is quantized. The most damaging layers are kept, one after the
// other, until the whole reaches the budget. One plan serves all these models: a layer's switch says whether its codes or its floats count
// (Recipe::hasSwitches). At most 16 samples are looked at; what the caller builds from the answer is compared on all.
#pragma once

#include "passes/Quant/QuantizeModel.h"
#include "tools/driver/Dataset.h"
#include "tools/driver/ModelModule.h"

namespace jinx::driver {

struct Damage {
  std::vector<size_t> order;       ///< quantized layers, most damaging first
  std::vector<double> alone;       ///< dB of each, in that order
  size_t kept = 0;                 ///< how many of them must stay float
};

/// \returns kInvalidArgument where no layer can be quantized
Expected<Damage> findDamage(ModelModule& model, const passes::Recipe& recipe, int64_t minWeights, const Samples& samples, double budgetDb);

/// The least of all outputs.
double worstDb(const std::vector<std::pair<std::string, double>>& outputs);

} // namespace jinx::driver
