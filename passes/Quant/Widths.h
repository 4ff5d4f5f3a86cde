// Which layers take codes of 8 bits, so that the others can have 4?
//
// Four bits of a weight cost a model up to a hundred times as much in one layer as in another (docs/benchmarks/quantization.md), and 8 bits cost
// next to nothing. So a mean of bits a weight is spent, scales counted, where it saves most: layers come in order of
//
//   damage / bits that 8 bits take more
//
// and one that no longer fits is passed over. The damage of a layer is measured, in units that layers share:
//
//   with samples     the noise in the model's outputs when this layer alone has its codes (tools/driver/Budget.h)
//   without          the relative squared error of its weights. It is much the same for all, so this spends bits on the layers that are small:
//                    the keys' and values' projections of attention before those of its feed-forward part
#pragma once

#include "passes/Quant/Layers.h"

namespace jinx::passes {

/// What 4-bit codes of a layer do.
struct LayerDamage {
  size_t layer = 0;    ///< its number in the recipe
  double damage = 0;
  std::string reason;  ///< of what was measured, for people: "alone it gives 31.2 dB"
};

/// Mean bits of the weights of quantized layers, with scales and offsets; 0 where there are none.
double meanBits(const std::vector<Layer> &layers, const Recipe &recipe);

/// Of layers that have 4-bit codes: the relative squared error of their weights.
Expected<std::vector<LayerDamage>> damageOfWeights(const std::vector<Layer> &layers, const Recipe &recipe);

/// Makes layers wide while the mean stays at most `bits`.
void widenLayers(const std::vector<Layer> &layers, std::vector<LayerDamage> damages, double bits, Recipe &recipe);

}  // namespace jinx::passes
