// What is to become of each layer of a model? The decisions, apart from what takes them (tools/driver/Quantize.cpp, or the options of
// jinx-quantize) and from what carries them out (QuantizeModel.h).
//
// A layer is a product or a convolution; the n-th entry is about the n-th layer of the function, in program order.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "passes/Quant/Gptq.h"
#include "passes/Quant/WeightCodes.h"

namespace jinx::passes {

/// docs/spec/quantization.md has a table of them.
enum class Scheme { kInt8, kInt8Dynamic, kInt4, kInt8Weights, kNf4, kFp8, kFp8Block };

/// "int8-dynamic"; the inverse, nullopt for another name.
const char *nameOf(Scheme scheme);
std::optional<Scheme> schemeNamed(const std::string &name);
/// "int8, int8-dynamic, …"
std::string schemeNames();
/// Whether activations get codes, too, and whether their range must be known before.
bool quantizesActivations(Scheme scheme);
bool needsRanges(Scheme scheme);
/// Whether weights have codes of 4 bits, so that some layers may take 8 instead.
bool hasFourBits(Scheme scheme);

/// What values an activation takes, those that rarely happen left out.
struct Range {
  double low = 0, high = 0;
};

struct LayerRecipe {
  std::string keep;            ///< why it stays float; empty: it is quantized
  std::string wide;            ///< why its codes have 8 bits where the scheme's have 4 (int8-weights); empty: they have 4
  std::optional<Range> input;  ///< for schemes that need it
  std::shared_ptr<const SecondMoments> moments;  ///< of its inputs: rounding by GPTQ; null: to nearest
};

struct Recipe {
  Scheme scheme = Scheme::kInt8Weights;
  int64_t group = 0;           ///< along k; 0: what the scheme usually has
  bool isAsymmetric = false;   ///< int4: offsets
  bool hasDoubleScales = false;  ///< int4 without offsets, nf4: scales are codes themselves
  bool hasSwitches = false;    ///< each layer can be float or not when the model runs, see switchLayers
  unsigned threads = 1;
  std::vector<LayerRecipe> layers;

  Scheme schemeOf(const LayerRecipe &entry) const { return entry.wide.empty() ? scheme : Scheme::kInt8Weights; }
  WeightFormat formatOf(const LayerRecipe &entry) const;
};

}  // namespace jinx::passes
