#include "tools/driver/ChooseWidths.h"

#include <cmath>
#include <cstdio>

#include "tools/driver/Budget.h"

namespace jinx::driver {
namespace {

std::string aloneText(double db) {
  char text[64];
  std::snprintf(text, sizeof text, "with 4 bits alone it gives outputs of %.1f dB", db);
  return text;
}

bool hasFloatOutputs(ModelModule& model) {
  return llvm::any_of(model.main().getResultTypes(), [](mlir::Type type) {
    auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
    return tensor && mlir::isa<mlir::FloatType>(tensor.getElementType());
  });
}

} // namespace

Expected<std::vector<std::optional<double>>> chooseWidths(ModelModule& model, const std::vector<passes::Layer>& layers, const Samples& samples, int64_t minWeights, double bits,
                                                          passes::Recipe& recipe) {
  std::vector<std::optional<double>> alone;
  if (passes::meanBits(layers, recipe) >= bits) return alone; // there is nothing to spend
  std::vector<passes::LayerDamage> damages;
  if (samples.inputs.empty() || !hasFloatOutputs(model)) {
    JINX_TRY_ASSIGN(damages, passes::damageOfWeights(layers, recipe));
  } else {
    JINX_TRY_ASSIGN(Damage damage, findDamage(model, recipe, minWeights, samples, kNumbersForWidths, std::nullopt), "measuring what each layer does");
    alone.resize(layers.size());
    for (size_t i = 0; i < damage.order.size(); ++i) {
      const size_t layer = damage.order[i];
      alone[layer] = damage.alone[i];
      if (recipe.layers[layer].wide.empty()) damages.push_back({layer, std::pow(10, -damage.alone[i] / 10), aloneText(damage.alone[i])});
    }
  }
  passes::widenLayers(layers, std::move(damages), bits, recipe);
  return alone;
}

} // namespace jinx::driver
