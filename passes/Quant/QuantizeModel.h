// Carries a recipe out: weights become dequantized codes, activations are quantized and dequantized at once.
//
//   matmul(x, w)  ->  matmul(x', dequantize(codes, scales))          codes and scales are constants
//
//   int4, int8-weights, nf4    x' = x
//   int8, fp8                  x' = dequantize(quantize(x, s), s)    s a constant, from x's range; one for all layers that read x
//   int8-dynamic               the same, s = the largest size of each row / 127, found when the model runs
//   fp8-block                  the same, s = the largest size of 128 neighbours along k / 448
//
// Other passes find products of codes in that (FormDequantMatmul.cpp, FormScaledMatmul.cpp, NarrowProducts.cpp).
#pragma once

#include "passes/Quant/Layers.h"

namespace jinx::passes {

/// What became of a layer.
struct LayerOutcome {
  std::string node, kind, keep;  ///< kind: "matmul"; keep: why it stays float, empty: it does not
  std::string wide;              ///< why its codes have 8 bits where the scheme's have 4; empty: they have not
  mlir::Value input, output;     ///< of the layer as it was found; still there
  Scheme scheme{};               ///< of a quantized layer
  int64_t weights = 0, weightBytes = 0, codeBytes = 0;
  double weightsDb = 0;          ///< signal to noise of the weights
};

/// \param layers  of `main`, as `layersOf` gives them; as many as the recipe has
/// \returns kInvalidArgument for weights that are not finite
Expected<std::vector<LayerOutcome>> quantizeLayers(mlir::func::FuncOp main, std::vector<Layer> layers, const Recipe &recipe);

/// Names of the inputs that `Recipe::hasSwitches` adds, one for each quantized layer, in order: a bool, true for codes.
std::string switchName(size_t layer);

}  // namespace jinx::passes
