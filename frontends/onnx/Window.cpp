#include "frontends/onnx/Window.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

bool allIn(ArrayRef<int64_t> values, int64_t low) {
  return llvm::all_of(values, [&](int64_t v) { return v >= low && v < (int64_t(1) << 31); });
}

/// auto_pad SAME: the result has ceil(extent / stride) windows; an odd pad is larger at the end (upper) or the beginning (lower).
void padSame(Window &w, size_t i, const SizeExpr &extent, bool isUpper) {
  int64_t stride = w.geometry.strides[i], span = (w.kernel[i] - 1) * w.geometry.dilations[i] + 1;
  w.sizes.push_back(ceilDiv(extent, stride));
  SizeExpr total = (w.sizes.back() - 1) * SizeExpr(stride) + SizeExpr(span) - extent;
  if (!total.isAtLeast(0, 1)) total = max(total, 0);
  if (!total.constant() && isUpper && span <= 2) { // 0 or 1, which goes to the end: a window may reach over it either way
    w.low.push_back(0);
    w.high.push_back(span - 1);
    w.isExact = false;
    return;
  }
  SizeExpr half = floorDiv(total, 2);
  w.low.push_back(isUpper ? half : total - half);
  w.high.push_back(total - w.low.back());
}

void padExplicitly(Window &w, size_t i, const SizeExpr &extent, int64_t low, int64_t high, bool isCeil) {
  int64_t stride = w.geometry.strides[i], span = (w.kernel[i] - 1) * w.geometry.dilations[i] + 1;
  w.low.push_back(low);
  w.high.push_back(high);
  SizeExpr room = extent + SizeExpr(low) + SizeExpr(high) - SizeExpr(span);
  SizeExpr count = floorDiv(room, stride) + 1;
  if (isCeil && stride > 1) {
    count = ceilDiv(room, stride) + 1;
    // A window must not begin beyond x and its low pad.
    SizeExpr most = ceilDiv(extent + SizeExpr(low), stride);
    if (!(most - count).isAtLeast(0, 1)) count = min(count, most);
  }
  if (auto number = count.constant(); number && *number < 0) count = 0;
  w.sizes.push_back(count);
}

} // namespace

std::optional<Window> readWindow(Node &n, ArrayRef<SizeExpr> spatial, std::optional<SmallVector<int64_t>> kernel) {
  size_t rank = spatial.size();
  auto fail = [&](const char *why) {
    n.decline(why);
    return std::nullopt;
  };
  Window w;
  if (auto given = n.attrInts("kernel_shape")) kernel = given;
  if (!kernel || kernel->size() != rank) return fail("the window's size is not known");
  w.kernel = *kernel;
  w.geometry.strides = n.attrInts("strides").value_or(SmallVector<int64_t>(rank, 1));
  w.geometry.dilations = n.attrInts("dilations").value_or(SmallVector<int64_t>(rank, 1));
  SmallVector<int64_t> pads = n.attrInts("pads").value_or(SmallVector<int64_t>(2 * rank, 0));
  if (w.geometry.strides.empty()) w.geometry.strides.assign(rank, 1);
  if (w.geometry.dilations.empty()) w.geometry.dilations.assign(rank, 1);
  if (pads.empty()) pads.assign(2 * rank, 0);
  if (w.geometry.strides.size() != rank || w.geometry.dilations.size() != rank || pads.size() != 2 * rank)
    return fail("strides, dilations or pads have not one entry a dimension");
  if (!allIn(w.kernel, 1) || !allIn(w.geometry.strides, 1) || !allIn(w.geometry.dilations, 1)) return fail("the window is empty");
  std::string mode = n.attrString("auto_pad", "NOTSET");
  if (mode != "NOTSET" && !mode.empty()) pads.assign(2 * rank, 0);
  bool isCeil = n.attrInt("ceil_mode", 0) != 0;
  for (size_t i = 0; i < rank; ++i) {
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER")
      padSame(w, i, spatial[i], mode == "SAME_UPPER");
    else
      padExplicitly(w, i, spatial[i], pads[i], pads[i + rank], isCeil);
  }
  for (const Sizes &side : {w.low, w.high})
    for (const SizeExpr &size : side) {
      w.hasConstantPads &= size.constant().has_value();
      w.geometry.pads.push_back(size.constant().value_or(0));
    }
  return w;
}

Value padDynamically(Node &n, Value x, Window &window, Value fill) {
  Sizes sizes = n.sizes(x), low = {0, 0}, padded = {sizes[0], sizes[1]};
  for (size_t i = 0; i < window.low.size(); ++i) {
    low.push_back(window.low[i]);
    padded.push_back(sizes[2 + i] + window.low[i] + window.high[i]);
  }
  window.geometry.pads.assign(2 * window.low.size(), 0);
  return n.pad(x, low, padded, PadMode::constant, fill);
}

Value convolve(Node &n, Value x, Value w, Value bias, Value outside) {
  if (!x || !w || n.rank(x) < 3 || n.rank(w) != n.rank(x)) return n.fail("expected an operand of rank 3 or more and weights of that rank");
  Sizes weights = n.sizes(w), sizes = n.sizes(x);
  SmallVector<int64_t> kernel;
  for (const SizeExpr &size : ArrayRef(weights).drop_front(2)) {
    if (!size.constant()) return n.fail("the kernel's size is not known");
    kernel.push_back(*size.constant());
  }
  if (auto given = n.attrInts("kernel_shape"); given && *given != kernel) return n.fail("kernel_shape is not the weights' shape");
  auto window = readWindow(n, ArrayRef(sizes).drop_front(2), kernel);
  if (!window) return {};
  window->geometry.group = n.attrInt("group", 1);
  if (!window->hasConstantPads || outside) x = padDynamically(n, x, *window, outside ? outside : n.scalarLike(x, 0));
  Value y = n.conv(x, w, window->geometry);
  return bias ? n.add(y, n.alongAxis(bias, 1, n.rank(x))) : y;
}

} // namespace jinx::frontends
