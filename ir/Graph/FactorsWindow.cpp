// Factor rules of operators that look at a neighbourhood: convolutions, pools, resizes.
//
// A window that slides reads beyond the edge of a part, from the next one: a halo, which no rule speaks of. So spatial dimensions are whole, but for a window
// of one element that stops at each, which does not slide. Channels of a grouped convolution are groups of channels:
//
//   conv, group 2    x[n, g*c, x0] w[g*o, c, w0] -> y[n, g*o, y0]; c sums      x [8, 6, 32], w [4, 3, 5]: g = 2, c = 3, o = 2
//
// A part of g is a convolution of fewer groups: its `group` is the size of the part. Averages of integers are rounded, and take no partial sums.
#include "ir/Graph/FactorRules.h"

using namespace mlir;

namespace jinx::graph {

namespace {

/// The spatial dimensions of x, of the filters and of y.
struct Window {
  Dims x, w, y;
};
/// `pads` are those in front, then those behind; sizes are in the order of the kernel's dimensions, and begin at `first` in x and y.
Window windowOf(RuleWriter &rule, Value x, Value y, size_t first, ArrayRef<SizeExpr> kernel, ArrayRef<int64_t> strides, ArrayRef<int64_t> pads) {
  Sizes in = sizesOf(x.getType()), out = sizesOf(y.getType());
  Window window;
  for (size_t d = 0; d < kernel.size(); ++d) {
    const bool slides = !kernel[d].isConstant(1) || strides[d] != 1 || pads[d] != 0 || pads[kernel.size() + d] != 0;
    window.x.push_back({slides ? rule.whole("x" + Twine(d), in[first + d]) : rule.free("s" + Twine(d), in[first + d])});
    window.y.push_back(slides ? Loops{rule.whole("y" + Twine(d), out[first + d])} : window.x.back());
    window.w.push_back({rule.whole("w" + Twine(d), kernel[d])});
  }
  return window;
}

/// [n, channel, spatial…] or [n, spatial…, channel]
Dims imageOf(int64_t n, const Dims &spatial, Loops channel, bool channelsLast) {
  return channelsLast ? with(with({{n}}, spatial), {channel}) : with({{n}, channel}, spatial);
}

FactorRule conv(ConvOp op) {
  RuleWriter rule(op);
  Sizes w = sizesOf(op.getW().getType());
  const bool last = op.getChannelsLast();
  const SizeExpr group = int64_t(op.getGroup());
  const int64_t n = rule.free("n", sizesOf(op.getX().getType())[0]), g = rule.free("g", group);
  const int64_t c = rule.reduced("c", w[1]), o = rule.free("o", floorDiv(w[0], group));
  auto [xs, ws, ys] = windowOf(rule, op.getX(), op.getY(), last ? 1 : 2, ArrayRef(w).drop_front(2), op.getStrides(), op.getPads());
  rule.operand("x", op.getX(), imageOf(n, xs, {g, c}, last));
  rule.operand("w", op.getW(), with({{g, o}, {c}}, ws));
  rule.result("y", op.getY(), imageOf(n, ys, {g, o}, last));
  linearInBoth(rule, op.getX(), op.getY(), "x", "w");
  return rule.take();
}

FactorRule depthwiseConv(DepthwiseConvOp op) {
  RuleWriter rule(op);
  Sizes x = sizesOf(op.getX().getType()), w = sizesOf(op.getW().getType());
  const int64_t n = rule.free("n", x[0]), c = rule.free("c", x.back());
  auto [xs, ws, ys] = windowOf(rule, op.getX(), op.getY(), 1, ArrayRef(w).drop_back(), op.getStrides(), op.getPads());
  rule.operand("x", op.getX(), imageOf(n, xs, {c}, true));
  rule.operand("w", op.getW(), with(ws, {{c}}));
  rule.result("y", op.getY(), imageOf(n, ys, {c}, true));
  linearInBoth(rule, op.getX(), op.getY(), "x", "w");
  return rule.take();
}

FactorRule pool(PoolOp op) {
  RuleWriter rule(op);
  Sizes x = sizesOf(op.getX().getType());
  const bool last = op.getChannelsLast();
  Sizes kernel(op.getKernel().begin(), op.getKernel().end());
  const int64_t n = rule.free("n", x[0]), c = rule.free("c", last ? x.back() : x[1]);
  Window window = windowOf(rule, op.getX(), op.getY(), last ? 1 : 2, kernel, op.getStrides(), op.getPads());
  rule.operand("x", op.getX(), imageOf(n, window.x, {c}, last));
  rule.result("y", op.getY(), imageOf(n, window.y, {c}, last));
  if (op.getKind() == PoolKind::max) rule.partial({"x"}, {ReduceKind::max});
  else if (isa<FloatType>(elementOf(op.getX()))) rule.partial({"x"}, kSums);
  return rule.take();
}

/// A dimension of the old extent, at the old places, is free.
FactorRule resize(ResizeOp op) {
  RuleWriter rule(op);
  Sizes in = sizesOf(op.getX().getType()), out = sizesOf(op.getY().getType());
  Dims xs, ys;
  for (size_t d = 0; d < in.size(); ++d) {
    const double scale = op.getScales()[d];  // 0: the sizes say it
    const bool isKept = in[d] == out[d] && (scale == 0 || scale == 1);
    xs.push_back({isKept ? rule.free("d" + Twine(d), in[d]) : rule.whole("x" + Twine(d), in[d])});
    ys.push_back(isKept ? xs.back() : Loops{rule.whole("y" + Twine(d), out[d])});
  }
  rule.operand("x", op.getX(), xs);
  rule.result("y", op.getY(), ys);
  if (op.getMode() == "nearest") rule.partial({"x"}, kAny);
  else if (isa<FloatType>(elementOf(op.getX()))) rule.partial({"x"}, kSums);
  return rule.take();
}

constexpr FactorRow kRows[] = {row<ConvOp, conv>(), row<DepthwiseConvOp, depthwiseConv>(), row<PoolOp, pool>(), row<ResizeOp, resize>()};

}  // namespace

ArrayRef<FactorRow> windowFactors() { return kRows; }

}  // namespace jinx::graph
