// The layers of a model as quantization sees them: products and convolutions, what their weights are, and why some cannot be quantized.
#pragma once

#include <string>
#include <vector>

#include "ir/Graph/Graph.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Quant/Recipe.h"

namespace jinx::passes {

struct Layer {
  mlir::Operation *op = nullptr;
  std::string node;              ///< of its location; "matmul.3", with its number, where that has none
  std::string whyNot;            ///< why it has to stay float; empty: nothing follows but where this is
  graph::ConstantOp weights;
  bool isConvolution = false;
  bool isTransposed = false;     ///< a product whose weights are [n, k]
  int64_t rows = 0, k = 0;       ///< output channels, and weights of each

  mlir::Value input() const { return op->getOperand(0); }
  mlir::Value output() const { return op->getResult(0); }
  /// The dimension of the weights that groups lie along.
  int64_t groupAxis() const { return isConvolution || isTransposed ? 1 : 0; }
};

/// All products and convolutions of a function, in program order: a recipe counts them so.
/// \param leastWeights  layers with fewer stay float
std::vector<Layer> layersOf(mlir::func::FuncOp main, Scheme scheme, int64_t leastWeights);

/// A row for each output channel.
Expected<WeightRows> readWeights(const Layer &layer);

}  // namespace jinx::passes
