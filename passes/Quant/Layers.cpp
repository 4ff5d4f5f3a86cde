#include "passes/Quant/Layers.h"

#include <algorithm>
#include <cmath>

#include "ir/Graph/Constants.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
namespace {

std::string nodeName(Operation *op) {
  std::string name;
  op->getLoc()->walk([&](Location inner) {
    auto named = dyn_cast<NameLoc>(inner);
    if (named) name = named.getName().str();
    return named ? WalkResult::interrupt() : WalkResult::advance();
  });
  return name;
}

std::string text(Type type) {
  std::string s;
  llvm::raw_string_ostream(s) << type;
  return s;
}

bool isWide(Type element) { return element.isF32() || element.isF16() || element.isBF16(); }

/// Whether `v` is dequantized, through what only moves elements.
bool isDequantized(Value v) {
  while (Operation *def = v.getDefiningOp()) {
    if (isa<DequantizeOp>(def)) return true;
    if (!isa<TransposeOp, ReshapeOp, CastOp>(def)) return false;
    v = def->getOperand(0);
  }
  return false;
}

/// Says what `layer`'s weights are, or why it stays float.
std::string readLayer(Layer &layer, func::FuncOp main, Scheme scheme, int64_t leastWeights) {
  if (layer.op->getBlock() != &main.getBody().front()) return "is inside of a branch or a loop";
  if (isa<GroupedMatmulOp>(layer.op)) return "products of groups have no narrow kernels";
  if (isa<LstmOp, GruOp>(layer.op)) return "recurrences are not quantized";
  Type element = cast<RankedTensorType>(layer.input().getType()).getElementType();
  if (!isWide(element)) return "is of " + text(element) + ", expected f32, f16 or bf16";
  Value w = layer.op->getOperand(1);
  if (isDequantized(w)) return "is quantized already";
  layer.weights = w.getDefiningOp<ConstantOp>();
  if (!layer.weights) return layer.input().getDefiningOp<ConstantOp>() ? "weights are the left operand, expected the right one" : "weights are not constant";
  auto type = cast<RankedTensorType>(w.getType());
  layer.isConvolution = isa<ConvOp>(layer.op);
  if (!layer.isConvolution && type.getRank() != 2) return "weights have rank " + std::to_string(type.getRank()) + ", expected 2";
  if (layer.isConvolution && !quantizesActivations(scheme)) return "kernels of convolutions read no codes beside floats; int8 and fp8 quantize both operands";
  if (layer.isConvolution && scheme == Scheme::kFp8Block) return "scales of blocks along k are for products; fp8 has one for each output channel";
  layer.isTransposed = !layer.isConvolution && cast<MatmulOp>(layer.op).getTransposeB();
  layer.rows = type.getDimSize(layer.isConvolution || layer.isTransposed ? 0 : 1);
  const int64_t count = type.getNumElements();
  if (count == 0 || count < leastWeights) return "has " + std::to_string(count) + " weights, fewer than " + std::to_string(leastWeights);
  layer.k = count / layer.rows;
  return "";
}

}  // namespace

std::vector<Layer> layersOf(func::FuncOp main, Scheme scheme, int64_t leastWeights) {
  std::vector<Layer> layers;
  main.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (!isa<MatmulOp, ConvOp, GroupedMatmulOp, LstmOp, GruOp>(op)) return;
    auto result = dyn_cast<RankedTensorType>(op->getOperand(0).getType());
    if (!result || !isa<FloatType>(result.getElementType())) return;  // of integers: nothing to make narrower
    Layer layer;
    layer.op = op;
    layer.node = nodeName(op);
    if (layer.node.empty()) layer.node = kindOf(op) + "." + std::to_string(layers.size());
    layer.whyNot = readLayer(layer, main, scheme, leastWeights);
    layers.push_back(std::move(layer));
  });
  return layers;
}

Expected<WeightRows> readWeights(const Layer &layer) {
  JINX_TRY_ASSIGN(Tensor tensor, graph::tensorOf(graph::ConstantOp(layer.weights).getValue()), "the weights of " + layer.node);
  WeightRows weights{layer.rows, layer.k, std::vector<float>(size_t(layer.rows * layer.k))};
  std::vector<float> flat(weights.values.size());
  if (tensor.dtype() == DType::kF32)
    std::copy_n(tensor.as<float>(), flat.size(), flat.begin());
  else
    for (size_t i = 0; i < flat.size(); ++i) flat[i] = float(tensor.getDouble(int64_t(i)));
  for (size_t i = 0; i < flat.size(); ++i)
    if (!std::isfinite(flat[i])) return invalidArgument("weight " + std::to_string(i) + " of '" + layer.node + "' is " + std::to_string(flat[i]) + ", expected finite weights; --keep it");
  if (layer.isConvolution || layer.isTransposed) {
    weights.values = std::move(flat);
    return weights;
  }
  constexpr int64_t kTile = 32;  // both sides of the transpose stay in the cache
  for (int64_t k0 = 0; k0 < layer.k; k0 += kTile)
    for (int64_t row = 0; row < layer.rows; ++row)
      for (int64_t k = k0; k < std::min(layer.k, k0 + kTile); ++k) weights.values[size_t(row * layer.k + k)] = flat[size_t(k * layer.rows + row)];
  return weights;
}

}  // namespace jinx::passes
