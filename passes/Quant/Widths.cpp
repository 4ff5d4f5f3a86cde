#include "passes/Quant/Widths.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace jinx::passes {
namespace {

bool isQuantized(const Layer &layer, const LayerRecipe &entry) { return layer.whyNot.empty() && entry.keep.empty(); }

int64_t bitsOf(const Layer &layer, const LayerRecipe &entry, const Recipe &recipe) { return 8 * sizeBytes(recipe.formatOf(entry), layer.rows, layer.k); }

struct Sum {
  int64_t weights = 0, bits = 0;
};
Sum sumOf(const std::vector<Layer> &layers, const Recipe &recipe) {
  Sum sum;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!isQuantized(layers[i], recipe.layers[i])) continue;
    sum.weights += layers[i].rows * layers[i].k;
    sum.bits += bitsOf(layers[i], recipe.layers[i], recipe);
  }
  return sum;
}

std::string decibels(double relative) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f dB", -10 * std::log10(relative));
  return text;
}

}  // namespace

double meanBits(const std::vector<Layer> &layers, const Recipe &recipe) {
  const Sum sum = sumOf(layers, recipe);
  return sum.weights > 0 ? double(sum.bits) / double(sum.weights) : 0;
}

Expected<std::vector<LayerDamage>> damageOfWeights(const std::vector<Layer> &layers, const Recipe &recipe) {
  std::vector<LayerDamage> damages;
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerRecipe &entry = recipe.layers[i];
    if (!isQuantized(layers[i], entry) || !entry.wide.empty()) continue;
    JINX_TRY_ASSIGN(WeightRows weights, readWeights(layers[i]));
    WeightCodes codes = fitScales(weights, recipe.formatOf(entry), recipe.threads);
    roundToNearest(codes, weights, recipe.threads);
    const double error = relativeError(weights, codes);
    damages.push_back({i, error, std::string("its weights have ") + nameOf(recipe.scheme) + " at " + decibels(error)});
  }
  return damages;
}

void widenLayers(const std::vector<Layer> &layers, std::vector<LayerDamage> damages, double bits, Recipe &recipe) {
  struct Choice {
    const LayerDamage *damage;
    int64_t more;
  };
  LayerRecipe wide;
  wide.wide = "is measured";
  std::vector<Choice> choices;
  for (const LayerDamage &damage : damages) {
    const Layer &layer = layers[damage.layer];
    choices.push_back({&damage, std::max<int64_t>(1, bitsOf(layer, wide, recipe) - bitsOf(layer, recipe.layers[damage.layer], recipe))});
  }
  std::sort(choices.begin(), choices.end(), [](const Choice &a, const Choice &b) {
    const double x = a.damage->damage * double(b.more), y = b.damage->damage * double(a.more);
    return x != y ? x > y : a.damage->layer < b.damage->layer;
  });
  Sum sum = sumOf(layers, recipe);
  const double most = bits * double(sum.weights);
  for (const Choice &choice : choices) {
    if (choice.damage->damage <= 0 || double(sum.bits + choice.more) > most) continue;
    sum.bits += choice.more;
    recipe.layers[choice.damage->layer].wide = choice.damage->reason;
  }
}

}  // namespace jinx::passes
