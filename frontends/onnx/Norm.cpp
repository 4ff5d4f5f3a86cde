// Normalizations, written out: fusion puts them back into one kernel.
#include <cmath>

#include "frontends/onnx/Norm.h"
#include "frontends/onnx/OnnxConstants.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {

Normalized standardize(Node &n, Value x, ArrayRef<int64_t> axes, double epsilon, bool centred) {
  Normalized result;
  if (centred) {
    result.mean = n.mean(x, axes);
    x = n.sub(x, result.mean);
  }
  result.inverseDeviation = n.rsqrt(n.add(n.mean(n.square(x), axes), epsilon));
  result.y = n.mul(x, result.inverseDeviation);
  return result;
}

namespace {

SmallVector<int64_t> axesFrom(int64_t first, int64_t rank) { return llvm::to_vector(llvm::seq<int64_t>(first, rank)); }
bool isHalf(Type type) { return type.isF16() || type.isBF16(); }

// ---- BatchNormalization -----------------------------------------------------------------------------------------------------

std::optional<SmallVector<double>> constantVector(Value v) {
  auto constant = v ? v.getDefiningOp<ConstantOp>() : nullptr;
  return constant ? readNumbers(constant.getValue(), 1 << 16) : std::nullopt;
}

/// A constant vector [c] as [1, c, 1, …] of `element`.
Value channelConstant(Node &n, ArrayRef<double> values, Type element, int64_t rank) {
  SmallVector<llvm::APFloat> numbers;
  bool lossy;
  for (double value : values) {
    numbers.emplace_back(value);
    numbers.back().convert(cast<FloatType>(element).getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lossy);
  }
  auto type = RankedTensorType::get({int64_t(values.size())}, element);
  return n.alongAxis(n.constant(DenseElementsAttr::get(type, numbers)), 1, rank);
}

/// y = x*scale' + bias', scale' = scale / sqrt(var + eps), bias' = bias - mean*scale'. Computed now when all four are constants.
bool batchNormalization(Node &n) {
  Value x = n.in(0);
  if (!n.isFloat(x)) return n.decline("operands are no floats");
  if (n.attrInt("training_mode", 0) || (n.opset >= 7 && n.opset < 9 && !n.attrInt("spatial", 1)))
    return n.decline("kernels normalize with given statistics, per channel");
  if (n.wants(1)) return n.decline("running statistics are asked for");
  int64_t rank = n.rank(x);
  if (rank < 2) return n.decline("expected rank 2 or more");
  double epsilon = n.attrFloat("epsilon", 1e-5);
  auto scale = constantVector(n.in(1)), bias = constantVector(n.in(2)), mean = constantVector(n.in(3)), var = constantVector(n.in(4));
  if (scale && bias && mean && var && scale->size() == bias->size() && bias->size() == mean->size() && mean->size() == var->size()) {
    for (size_t c = 0; c < scale->size(); ++c) {
      (*scale)[c] /= std::sqrt((*var)[c] + epsilon);
      (*bias)[c] -= (*mean)[c] * (*scale)[c];
    }
    return n.give(n.add(n.mul(x, channelConstant(n, *scale, n.element(x), rank)), channelConstant(n, *bias, n.element(x), rank)));
  }
  Type wide = isHalf(n.element(x)) ? n.f32() : n.element(x);
  auto operand = [&](size_t i) { return n.has(i) ? n.cast(n.in(i), wide) : n.fail("a statistic is missing"); };
  Value factor = n.mul(operand(1), n.rsqrt(n.add(operand(4), epsilon)));
  Value offset = n.sub(operand(2), n.mul(operand(3), factor));
  Value y = n.add(n.mul(n.cast(x, wide), n.alongAxis(factor, 1, rank)), n.alongAxis(offset, 1, rank));
  return n.give(n.cast(y, n.element(x)));
}

// ---- Layer, RMS, Instance, Group, MeanVariance ------------------------------------------------------------------------------

/// Statistics in `stash_type` (float), as the specification has it.
bool layerNormalization(Node &n) {
  Value x = n.in(0), scale = n.in(1), bias = n.in(2);
  auto axis = n.axisOf(n.attrInt("axis", -1), n.rank(x));
  if (!axis || !n.isFloat(x)) return n.decline("axis is out of range, or operands are no floats");
  Type own = n.element(x), stash = elementTypeFromOnnx(n.context(), n.attrInt("stash_type", 1));
  if (!stash || !isa<FloatType>(stash) || !isKernelElement(stash)) return n.decline("stash_type is no float");
  if (own.isF64()) stash = own;
  Normalized normal = standardize(n, n.cast(x, stash), axesFrom(*axis, n.rank(x)), n.attrFloat("epsilon", 1e-5));
  Value y = n.cast(normal.y, own);
  if (scale) y = n.mul(y, n.cast(scale, own));
  if (bias) y = n.add(y, n.cast(bias, own));
  if (n.wants(1)) n.set(1, normal.mean);
  if (n.wants(2)) n.set(2, normal.inverseDeviation);
  return n.give(y);
}
bool rmsNormalization(Node &n) {
  Value x = n.in(0), scale = n.in(1);
  auto axis = n.axisOf(n.attrInt("axis", -1), n.rank(x));
  if (!axis || !scale || !n.isFloat(x)) return n.decline("axis is out of range, or operands are no floats");
  Type own = n.element(x), stash = own.isF64() ? own : n.f32();
  if (n.attrInt("stash_type", 1) != 1) return n.decline("stash_type is not float");
  Normalized normal = standardize(n, n.cast(x, stash), axesFrom(*axis, n.rank(x)), n.attrFloat("epsilon", 1e-5), false);
  return n.give(n.mul(n.cast(normal.y, own), n.cast(scale, own)));
}

bool instanceNormalization(Node &n) {
  Value x = n.in(0);
  if (!n.isFloat(x) || n.rank(x) < 3) return n.decline("expected floats of rank 3 or more");
  Type own = n.element(x), wide = isHalf(own) ? n.f32() : own;
  Normalized normal = standardize(n, n.cast(x, wide), axesFrom(2, n.rank(x)), n.attrFloat("epsilon", 1e-5));
  Value y = n.mul(n.cast(normal.y, own), n.alongAxis(n.in(1), 1, n.rank(x)));
  return n.give(n.add(y, n.alongAxis(n.in(2), 1, n.rank(x))));
}

/// x as [n, group, c/group, spatial…]. Scale and bias are per group in opset 18, per channel from 21 on.
bool groupNormalization(Node &n) {
  Value x = n.in(0);
  int64_t groups = n.attrInt("num_groups", 0), rank = n.rank(x);
  if (!n.isFloat(x) || rank < 2 || groups < 1) return n.decline("expected floats of rank 2 or more and a number of groups");
  Sizes sizes = n.sizes(x), split = {sizes[0], SizeExpr(groups)};
  auto perGroup = sizes[1].exactDivide(SizeExpr(groups));
  if (!perGroup) return n.decline("channels do not divide by groups");
  split.push_back(*perGroup);
  split.append(sizes.begin() + 2, sizes.end());
  Type own = n.element(x), wide = isHalf(own) ? n.f32() : own;
  Normalized normal = standardize(n, n.cast(n.reshape(x, split), wide), axesFrom(2, rank + 1), n.attrFloat("epsilon", 1e-5));
  Value y = n.cast(normal.y, own);
  if (n.opset < 21)
    y = n.add(n.mul(y, n.alongAxis(n.in(1), 1, rank + 1)), n.alongAxis(n.in(2), 1, rank + 1));
  y = n.reshape(y, sizes);
  if (n.opset >= 21) y = n.add(n.mul(y, n.alongAxis(n.in(1), 1, rank)), n.alongAxis(n.in(2), 1, rank));
  return n.give(y);
}

bool meanVarianceNormalization(Node &n) {
  Value x = n.in(0);
  auto axes = n.axesOf(n.attrInts("axes").value_or(SmallVector<int64_t>{0, 2, 3}), n.rank(x));
  if (!axes || !n.isFloat(x)) return n.decline("an axis is out of range, or operands are no floats");
  Value centred = n.sub(x, n.mean(x, *axes));
  return n.give(n.div(centred, n.add(n.sqrt(n.mean(n.square(centred), *axes)), 1e-9)));
}

/// x / norm, where a norm of 0 leaves zeros.
bool lpNormalization(Node &n) {
  Value x = n.in(0);
  auto axis = n.axisOf(n.attrInt("axis", -1), n.rank(x));
  int64_t p = n.attrInt("p", 2);
  if (!axis || !n.isFloat(x) || (p != 1 && p != 2)) return n.decline("axis is out of range, or p is neither 1 nor 2");
  Value norm = p == 1 ? n.sum(n.abs(x), {*axis}) : n.sqrt(n.sum(n.square(x), {*axis}));
  Value isZero = n.compare(ComparePredicate::eq, norm, 0.0);
  return n.give(n.div(x, n.select(isZero, n.scalarLike(x, 1), norm)));
}

/// Sums over the window of `size` channels around each: of shifted copies while these are few (they fuse, and are neighbours of x in any
/// layout), else a pool over [n, 1, c, rest].
Value sumOverChannels(Node &n, Value x, int64_t size) {
  constexpr int64_t kMaxCopies = 16;
  int64_t low = (size - 1) / 2, high = size / 2;
  Sizes sizes = n.sizes(x);
  if (size <= kMaxCopies) {
    Sizes before(sizes.size(), SizeExpr(0)), padded = sizes;
    before[1] = low;
    padded[1] = sizes[1] + SizeExpr(low + high);
    Value wide = n.pad(x, before, padded, PadMode::constant, n.scalarLike(x, 0)), sum;
    for (int64_t i = 0; i < size; ++i) {
      Value shifted = n.sliceAxis(wide, 1, i, sizes[1]);
      sum = sum ? n.add(sum, shifted) : shifted;
    }
    return sum;
  }
  Sizes flat = {sizes[0], SizeExpr(1), sizes[1], volume(ArrayRef(sizes).drop_front(2))};
  GraphBuilder::ConvGeometry geometry{{1, 1}, {low, 0, high, 0}, {1, 1}, 1};
  // Divides by the whole window, pads included.
  Value mean = n.pool(PoolKind::average_include_pad, n.reshape(x, flat), {size, 1}, geometry, {flat[2], flat[3]});
  return n.mul(n.reshape(mean, sizes), double(size));
}

/// x / (bias + alpha / size * sum of squares over a window of channels)^beta
bool localResponseNormalization(Node &n) {
  Value x = n.in(0);
  int64_t size = n.attrInt("size", 0), rank = n.rank(x);
  if (!n.isFloat(x) || rank < 3 || size < 1) return n.decline("expected floats of rank 3 or more and a window");
  Value sum = sumOverChannels(n, n.square(x), size);
  Value base = n.add(n.mul(sum, n.attrFloat("alpha", 1e-4) / double(size)), n.attrFloat("bias", 1));
  return n.give(n.div(x, n.pow(base, n.attrFloat("beta", 0.75))));
}

constexpr HandlerRow kRows[] = {
    {"", "BatchNormalization", 7, kAnyOpset, batchNormalization},
    {"", "LayerNormalization", 1, kAnyOpset, layerNormalization}, // standard from 17 on, exported before
    {"", "SimplifiedLayerNormalization", 1, kAnyOpset, rmsNormalization},
    {"", "RMSNormalization", 23, kAnyOpset, rmsNormalization},
    {"", "InstanceNormalization", 1, kAnyOpset, instanceNormalization},
    {"", "GroupNormalization", 18, kAnyOpset, groupNormalization},
    {"", "MeanVarianceNormalization", 9, kAnyOpset, meanVarianceNormalization},
    {"", "LpNormalization", 1, kAnyOpset, lpNormalization},
    {"", "LRN", 1, kAnyOpset, localResponseNormalization},
};

} // namespace

std::span<const HandlerRow> normHandlers() { return kRows; }

} // namespace jinx::frontends
