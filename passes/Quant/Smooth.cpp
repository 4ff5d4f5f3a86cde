#include "passes/Quant/Smooth.h"

#include <algorithm>
#include <cmath>

#include "ir/Graph/Constants.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
namespace {

constexpr double kLeast = 1e-5, kMost = 1e5;

/// s; 1 where a column or its weights are all 0.
Expected<std::vector<double>> factorsOf(const SmoothedInput &input, double alpha) {
  std::vector<double> ofWeights(input.largest.size(), 0), factors;
  for (const Layer &layer : input.layers) {
    JINX_TRY_ASSIGN(WeightRows weights, readWeights(layer));
    for (int64_t row = 0; row < weights.rows; ++row)
      for (int64_t k = 0; k < weights.k; ++k) ofWeights[size_t(k)] = std::max(ofWeights[size_t(k)], std::abs(double(weights.values[size_t(row * weights.k + k)])));
  }
  for (size_t k = 0; k < ofWeights.size(); ++k) {
    const bool hasBoth = ofWeights[k] > 0 && input.largest[k] > 0;
    factors.push_back(hasBoth ? std::clamp(std::pow(double(input.largest[k]), alpha) / std::pow(ofWeights[k], 1 - alpha), kLeast, kMost) : 1);
  }
  return factors;
}

/// Multiplies a constant that has k as `axis` by factors (or divides by them).
Expected<ElementsAttr> scaled(ConstantOp constant, int64_t axis, const std::vector<double> &factors, bool divides) {
  JINX_TRY_ASSIGN(Tensor from, graph::tensorOf(constant.getValue()));
  Tensor to = Tensor::make(from.dtype(), from.shape());
  int64_t inner = 1;
  for (int64_t d = axis + 1; d < from.rank(); ++d) inner *= from.dim(d);
  for (int64_t i = 0; i < from.size(); ++i) {
    const double factor = factors[size_t(i / inner % from.dim(axis))];
    to.setDouble(i, divides ? from.getDouble(i) / factor : from.getDouble(i) * factor);
  }
  return elementsOf(to, constant.getContext());
}

/// The operand of `op` that is a constant of k columns and nothing else but them.
std::optional<unsigned> columnConstant(Operation *op, int64_t k) {
  for (unsigned i : {1u, 0u}) {
    auto constant = op->getOperand(i).getDefiningOp<ConstantOp>();
    auto type = constant ? cast<RankedTensorType>(constant.getType()) : RankedTensorType();
    if (type && type.getRank() > 0 && type.getShape().back() == k && type.getNumElements() == k && cast<RankedTensorType>(op->getOperand(1 - i).getType()).getRank() >= type.getRank()) return i;
  }
  return std::nullopt;
}

Status divideConstant(Operation *op, unsigned operand, const std::vector<double> &factors) {
  auto constant = op->getOperand(operand).getDefiningOp<ConstantOp>();
  auto type = cast<RankedTensorType>(constant.getType());
  JINX_TRY_ASSIGN(ElementsAttr elements, scaled(constant, type.getRank() - 1, factors, /*divides=*/true));
  OpBuilder b(op);
  op->setOperand(operand, ConstantOp::create(b, constant.getLoc(), elements));
  return Status::ok();
}

/// x = n * gain, or n * gain + bias: divides these. False where x is neither, or others read it.
Expected<bool> divideNorm(Value x, const SmoothedInput &input, const std::vector<double> &factors) {
  const auto k = int64_t(factors.size());
  for (Operation *user : x.getUsers())
    if (llvm::none_of(input.layers, [&](const Layer &layer) { return layer.op == user; })) return false;
  Operation *bias = x.getDefiningOp<AddOp>(), *gain = x.getDefiningOp<MulOp>();
  std::optional<unsigned> ofBias;
  if (bias) {
    ofBias = columnConstant(bias, k);
    if (!ofBias) return false;
    Value product = bias->getOperand(1 - *ofBias);
    gain = product.getDefiningOp<MulOp>();
    if (!product.hasOneUse()) return false;
  }
  if (!gain) return false;
  auto ofGain = columnConstant(gain, k);
  if (!ofGain) return false;
  if (bias) JINX_TRY(divideConstant(bias, *ofBias, factors));
  JINX_TRY(divideConstant(gain, *ofGain, factors));
  return true;
}

}  // namespace

Expected<bool> smoothInput(const SmoothedInput &input, double alpha) {
  Value x = input.layers.front().input();
  JINX_TRY_ASSIGN(std::vector<double> factors, factorsOf(input, alpha));
  for (const Layer &layer : input.layers) {
    JINX_TRY_ASSIGN(ElementsAttr weights, scaled(layer.weights, layer.groupAxis(), factors, /*divides=*/false));
    OpBuilder b(layer.op);
    layer.op->setOperand(1, ConstantOp::create(b, layer.op->getLoc(), weights));
  }
  JINX_TRY_ASSIGN(bool isFolded, divideNorm(x, input, factors));
  if (isFolded) return true;
  OpBuilder b(input.layers.front().op);
  Tensor inverses = Tensor::make(dtypeOf(cast<RankedTensorType>(x.getType()).getElementType()), {int64_t(factors.size())});
  for (size_t k = 0; k < factors.size(); ++k) inverses.setDouble(int64_t(k), 1 / factors[k]);
  b.setInsertionPointAfterValue(x);
  Location loc = input.layers.front().op->getLoc();
  Value divided = MulOp::create(b, loc, x, ConstantOp::create(b, loc, elementsOf(inverses, x.getContext())));
  for (const Layer &layer : input.layers) layer.op->setOperand(0, divided);
  return false;
}

}  // namespace jinx::passes
