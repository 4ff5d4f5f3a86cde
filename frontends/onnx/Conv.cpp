// Convolutions and pools.
#include "frontends/onnx/Window.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

bool conv(Node &n) {
  if (!n.isFloat(n.in(0))) return n.decline("operands are no floats");
  return n.give(convolve(n, n.in(0), n.in(1), n.in(2)));
}

// ---- ConvTranspose ----------------------------------------------------------------------------------------------------------

/// [.., d, ..] → [.., (d-1)*stride + 1, ..] with zeros between the elements.
Value interleaveZeros(Node &n, Value x, int64_t axis, int64_t stride) {
  if (stride == 1 || !x) return x;
  Sizes sizes = n.sizes(x), apart = sizes, low(sizes.size() + 1, SizeExpr(0));
  apart.insert(apart.begin() + axis + 1, SizeExpr(1));
  Sizes padded = apart, joined = sizes;
  padded[axis + 1] = stride;
  joined[axis] = sizes[axis] * SizeExpr(stride);
  Value spread = n.reshape(n.pad(n.reshape(x, apart), low, padded, PadMode::constant, n.scalarLike(x, 0)), joined);
  return n.sliceAxis(spread, axis, 0, (sizes[axis] - 1) * SizeExpr(stride) + 1);
}

/// [c, oc/g, k…] → [oc, c/g, k…], every spatial dimension reversed.
Value flipWeights(Node &n, Value w, int64_t group) {
  Sizes sizes = n.sizes(w), starts(sizes.size(), SizeExpr(0));
  SmallVector<int64_t> steps(sizes.size(), 1), perm;
  for (size_t d = 2; d < sizes.size(); ++d) {
    if (sizes[d].isConstant(1)) continue;
    starts[d] = sizes[d] - 1;
    steps[d] = -1;
  }
  Value flipped = n.slice(w, starts, sizes, steps);
  auto perGroup = sizes[0].exactDivide(SizeExpr(group));
  if (!perGroup) return n.fail("channels do not divide by group");
  // [g, c/g, oc/g, k…] → [g, oc/g, c/g, k…] → [oc, c/g, k…]
  Sizes split = {SizeExpr(group), *perGroup, sizes[1]}, out = {sizes[1] * SizeExpr(group), *perGroup};
  perm = {0, 2, 1};
  for (size_t d = 2; d < sizes.size(); ++d) {
    split.push_back(sizes[d]);
    out.push_back(sizes[d]);
    perm.push_back(int64_t(d) + 1);
  }
  return n.reshape(n.transpose(n.reshape(flipped, split), perm), out);
}

struct TransposedPads {
  SmallVector<SizeExpr> low, high; ///< cut from the full result; negative: added to it
};

/// ONNX: total = stride*(in-1) + output_padding + (k-1)*d + 1 - output_shape, split by auto_pad; or pads as given.
std::optional<TransposedPads> transposedPads(Node &n, ArrayRef<SizeExpr> in, ArrayRef<int64_t> kernel, ArrayRef<int64_t> strides,
                                             ArrayRef<int64_t> dilations, ArrayRef<int64_t> extra) {
  size_t rank = in.size();
  std::string mode = n.attrString("auto_pad", "NOTSET");
  auto target = n.attrInts("output_shape");
  auto pads = n.attrInts("pads").value_or(SmallVector<int64_t>(2 * rank, 0));
  if ((target && target->size() != rank) || pads.size() != 2 * rank) return std::nullopt;
  bool isSame = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  TransposedPads result;
  for (size_t i = 0; i < rank; ++i) {
    if (!target && !isSame) {
      bool isValid = mode == "VALID";
      result.low.push_back(isValid ? 0 : pads[i]);
      result.high.push_back(isValid ? 0 : pads[i + rank]);
      continue;
    }
    SizeExpr wanted = target ? SizeExpr((*target)[i]) : in[i] * SizeExpr(strides[i]);
    SizeExpr total = SizeExpr(strides[i]) * (in[i] - 1) + SizeExpr(extra[i]) + SizeExpr((kernel[i] - 1) * dilations[i] + 1) - wanted;
    if (!total.constant()) return std::nullopt;
    SizeExpr half = floorDiv(total, 2), rest = total - half;
    bool isUpper = mode == "SAME_UPPER";
    result.low.push_back(isUpper ? half : rest);
    result.high.push_back(isUpper ? rest : half);
  }
  return result;
}

/// Windows that tile the result: a matrix product gives each position its block, [n, oc, k…, in…] → [n, oc, in0, k0, in1, k1, …].
Value tileBlocks(Node &n, Value x, Value w) {
  Sizes sizes = n.sizes(x), weights = n.sizes(w), ones(weights.size(), SizeExpr(1));
  int64_t rank = int64_t(sizes.size()) - 2;
  // Channels of the product in the order kernel…, oc: the blocks of a pixel are then whole runs where channels are last.
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < rank; ++i) order.push_back(2 + i);
  order.append({1, 0});
  Sizes kernel1x1 = ones, apart = {sizes[0]}, out = {sizes[0], weights[1]};
  kernel1x1[0] = volume(ArrayRef(weights).drop_front(1));
  kernel1x1[1] = weights[0];
  GraphBuilder::ConvGeometry plain{SmallVector<int64_t>(rank, 1), SmallVector<int64_t>(2 * rank, 0), SmallVector<int64_t>(rank, 1), 1};
  Value blocks = n.conv(x, n.reshape(n.transpose(w, order), kernel1x1), plain);
  SmallVector<int64_t> perm = {0, 1 + rank};
  for (int64_t i = 0; i < rank; ++i) {
    apart.push_back(weights[2 + i]);
    out.push_back(sizes[2 + i] * weights[2 + i]);
    perm.append({2 + rank + i, 1 + i});
  }
  apart.push_back(weights[1]);
  apart.append(sizes.begin() + 2, sizes.end());
  return n.reshape(n.transpose(n.reshape(blocks, apart), perm), out);
}

/// A convolution of x with zeros between its elements by the flipped kernel, padded by (k-1)*d minus the node's pads.
bool convTranspose(Node &n) {
  Value x = n.in(0), w = n.in(1), bias = n.in(2);
  if (!w || !n.isFloat(x) || n.rank(x) < 3 || n.rank(w) != n.rank(x)) return n.decline("operands are no floats of rank 3 or more");
  Sizes sizes = n.sizes(x), weights = n.sizes(w);
  size_t rank = sizes.size() - 2;
  SmallVector<int64_t> kernel, ones(rank, 1), zeros(rank, 0);
  for (const SizeExpr &size : ArrayRef(weights).drop_front(2)) {
    if (!size.constant()) return n.decline("the kernel's size is not known");
    kernel.push_back(*size.constant());
  }
  auto strides = n.attrInts("strides").value_or(ones), dilations = n.attrInts("dilations").value_or(ones),
       extra = n.attrInts("output_padding").value_or(zeros);
  int64_t group = n.attrInt("group", 1);
  auto isPositive = [](int64_t v) { return v >= 1 && v < (1 << 30); };
  if (strides.size() != rank || dilations.size() != rank || extra.size() != rank || group < 1 || !llvm::all_of(strides, isPositive) ||
      !llvm::all_of(dilations, isPositive) || !llvm::all_of(kernel, isPositive))
    return n.decline("strides, dilations or output_padding do not fit");
  auto pads = transposedPads(n, ArrayRef(sizes).drop_front(2), kernel, strides, dilations, extra);
  if (!pads) return n.decline("the pads depend on dynamic sizes");
  auto isZero = [](const SizeExpr &size) { return size.isConstant(0); };
  auto withBias = [&](Value y) { return n.give(bias ? n.add(y, n.alongAxis(bias, 1, n.rank(x))) : y); };
  if (group == 1 && kernel == strides && extra == zeros && dilations == ones && llvm::all_of(pads->low, isZero) &&
      llvm::all_of(pads->high, isZero))
    return withBias(tileBlocks(n, x, w));
  GraphBuilder::ConvGeometry geometry{ones, SmallVector<int64_t>(2 * rank, 0), dilations, group};
  Value spread = x;
  for (size_t i = 0; i < rank; ++i) {
    spread = interleaveZeros(n, spread, int64_t(2 + i), strides[i]);
    int64_t reach = (kernel[i] - 1) * dilations[i];
    geometry.pads[i] = reach - *pads->low[i].constant();
    geometry.pads[rank + i] = reach - *pads->high[i].constant() + extra[i];
  }
  // Pads below zero cut x: rare enough to be a slice of the spread operand.
  for (size_t i = 0; spread && i < rank; ++i) {
    int64_t low = std::max<int64_t>(0, -geometry.pads[i]), high = std::max<int64_t>(0, -geometry.pads[rank + i]);
    if (low || high) spread = n.sliceAxis(spread, int64_t(2 + i), low, n.size(spread, int64_t(2 + i)) - SizeExpr(low + high));
    geometry.pads[i] += low;
    geometry.pads[rank + i] += high;
  }
  return withBias(n.conv(spread, flipWeights(n, w, group), geometry));
}

// ---- pools ------------------------------------------------------------------------------------------------------------------

bool pool(Node &n, PoolKind kind, bool needsFloat) {
  Value x = n.in(0);
  if (n.wants(1)) return n.decline("kernels give no indices of maxima");
  if (n.rank(x) < 3 || (needsFloat && !n.isFloat(x)) || n.element(x).isInteger(1)) return n.decline("expected floats of rank 3 or more");
  Sizes sizes = n.sizes(x);
  auto window = readWindow(n, ArrayRef(sizes).drop_front(2), std::nullopt);
  if (!window) return false;
  bool isMax = kind == PoolKind::max && n.isFloat(x);
  if (!window->isExact && kind == PoolKind::average_include_pad) return n.decline("pads depend on dynamic sizes");
  if (!window->hasConstantPads) {
    if (!isMax) return n.decline("pads depend on dynamic sizes");
    x = padDynamically(n, x, *window, n.scalarLike(x, -std::numeric_limits<double>::infinity()));
  }
  return n.give(n.pool(kind, x, window->kernel, window->geometry, window->sizes));
}
bool maxPool(Node &n) { return pool(n, PoolKind::max, false); }
bool averagePool(Node &n) {
  return pool(n, n.attrInt("count_include_pad", 0) ? PoolKind::average_include_pad : PoolKind::average, true);
}

SmallVector<int64_t> spatialAxes(Node &n) { return llvm::to_vector(llvm::seq<int64_t>(2, n.rank(n.in(0)))); }
bool globalAveragePool(Node &n) {
  if (!n.isFloat(n.in(0)) || n.rank(n.in(0)) < 3) return n.decline("expected floats of rank 3 or more");
  return n.give(n.mean(n.in(0), spatialAxes(n)));
}
bool globalMaxPool(Node &n) {
  if (n.rank(n.in(0)) < 3) return n.decline("expected rank 3 or more");
  return n.give(n.reduce(ReduceKind::max, n.in(0), spatialAxes(n)));
}

constexpr HandlerRow kRows[] = {
    {"", "Conv", 1, kAnyOpset, conv},
    {"", "ConvTranspose", 1, kAnyOpset, convTranspose},
    {"", "MaxPool", 1, kAnyOpset, maxPool},
    {"", "AveragePool", 1, kAnyOpset, averagePool},
    {"", "GlobalAveragePool", 1, kAnyOpset, globalAveragePool},
    {"", "GlobalMaxPool", 1, kAnyOpset, globalMaxPool},
};

} // namespace

std::span<const HandlerRow> convHandlers() { return kRows; }

} // namespace jinx::frontends
