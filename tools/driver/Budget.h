// Which layers must stay float for the model's outputs to be as near as they are to be?
//
// Each layer's own damage is the signal to noise of the outputs when it alone is quantized. The most damaging layers are kept, one after the
// other, until the whole reaches the budget. One plan serves all these models: a layer's switch says whether its codes or its floats count
// (Recipe::hasSwitches). Only the first samples are looked at; what the caller builds from the answer is compared on all.
//
// The same measurement says which layers want 8 bits rather than 4 (passes/Quant/Widths.h): there is no budget to reach then.
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

/// How many samples are looked at: as many as have these outputs, and no more than 16.
constexpr int64_t kNumbersForBudget = int64_t(1) << 40, kNumbersForWidths = 4096;

/// \param numbers     of outputs that are enough to know a layer
/// \param budgetDb     none: nothing is kept
/// \returns kInvalidArgument where no layer can be quantized
Expected<Damage> findDamage(ModelModule& model, const passes::Recipe& recipe, int64_t minWeights, const Samples& samples, int64_t numbers, std::optional<double> budgetDb);

/// The least of all outputs.
double worstDb(const std::vector<std::pair<std::string, double>>& outputs);

} // namespace jinx::driver
