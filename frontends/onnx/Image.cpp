// Resize and Upsample, nearest and linear.
#include <cmath>

#include "frontends/onnx/Handlers.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

/// floor(extent * scale). For a number as ONNX computes it, in float; for a formula only when the scale is a short binary fraction,
/// where float and exact arithmetic agree.
std::optional<SizeExpr> scaledSize(const SizeExpr &extent, double scale) {
  if (auto number = extent.constant()) return SizeExpr(int64_t(std::floor(float(*number) * float(scale))));
  double numerator = std::ldexp(scale, 8);
  if (numerator != std::floor(numerator) || numerator > 1e6) return std::nullopt;
  return floorDiv(extent * SizeExpr(int64_t(numerator)), 256);
}

struct ResizeAttributes {
  std::string mode = "nearest", coordinates = "half_pixel", rounding = "round_prefer_floor";
};

bool isKnown(const ResizeAttributes &a) {
  static constexpr const char *coordinates[] = {"half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"};
  static constexpr const char *roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  return (a.mode == "nearest" || a.mode == "linear") && llvm::is_contained(coordinates, a.coordinates) &&
         (a.mode == "linear" || llvm::is_contained(roundings, a.rounding));
}

bool makeResize(Node &n, Value x, ArrayRef<SizeExpr> sizes, ArrayRef<double> scales, const ResizeAttributes &a) {
  if (!isKnown(a)) return n.decline("kernels know no mode " + a.mode + " with " + a.coordinates + " coordinates");
  return n.give(n.make<ResizeOp>(tensorOf(sizes, n.element(x)), x, [&](ResizeOp::Properties &p) {
    p.mode = n.builder().getStringAttr(a.mode);
    p.coordinates = n.builder().getStringAttr(a.coordinates);
    p.rounding = n.builder().getStringAttr(a.rounding);
    p.scales = n.builder().getDenseF64ArrayAttr(scales);
  }));
}

std::optional<SmallVector<double>> constantScales(Value v) {
  auto constant = v ? v.getDefiningOp<ConstantOp>() : nullptr;
  return constant ? readNumbers(constant.getValue()) : std::nullopt;
}

/// One scale for each of x's dimensions, by which it is resized.
bool resizeByScales(Node &n, Value x, ArrayRef<double> scales, const ResizeAttributes &a) {
  Sizes sizes = n.sizes(x);
  if (scales.size() != sizes.size()) return n.decline("there are not as many scales as dimensions");
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (!(scales[d] > 0) || scales[d] > 1e6) return n.decline("a scale is not positive");
    auto size = scaledSize(sizes[d], scales[d]);
    if (!size) return n.decline("a dynamic size is scaled by " + std::to_string(scales[d]));
    sizes[d] = *size;
  }
  return makeResize(n, x, sizes, scales, a);
}

bool upsample(Node &n) {
  Value x = n.in(0);
  std::optional<SmallVector<double>> scales;
  if (n.opset >= 9) {
    scales = constantScales(n.in(1));
  } else if (const auto *attribute = n.find("scales")) {
    scales.emplace(attribute->floats().begin(), attribute->floats().end());
  } else if (n.opset < 7 && n.rank(x) == 4) {
    scales.emplace({1.0, 1.0, n.attrFloat("height_scale", 1), n.attrFloat("width_scale", 1)});
  }
  if (!scales) return n.decline("the scales depend on data");
  std::string mode = n.attrString("mode", "nearest");
  return resizeByScales(n, x, *scales, {mode == "bilinear" ? "linear" : mode, "asymmetric", "floor"});
}

bool resize10(Node &n) {
  auto scales = constantScales(n.in(1));
  if (!scales) return n.decline("the scales depend on data");
  return resizeByScales(n, n.in(0), *scales, {n.attrString("mode", "nearest"), "asymmetric", "floor"});
}

/// Opset 11 on: operands x, roi, scales, sizes; `axes` from 18 on.
bool resize(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  ResizeAttributes a{n.attrString("mode", "nearest"), n.attrString("coordinate_transformation_mode", "half_pixel"),
                     n.attrString("nearest_mode", "round_prefer_floor")};
  if (n.attrInt("antialias", 0)) return n.decline("kernels resize without antialias");
  auto axes = n.attrInts("axes").value_or(llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  for (int64_t &axis : axes) {
    auto normal = n.axisOf(axis, rank);
    if (!normal) return n.decline("axis is out of range");
    axis = *normal;
  }
  bool hasScales = n.has(2) && !(n.rank(n.in(2)) == 1 && n.size(n.in(2), 0).isConstant(0));
  n.expectRank(0, rank, n.element(x));
  if (hasScales && !n.has(3)) {
    auto scales = constantScales(n.in(2));
    if (!scales || scales->size() != axes.size()) return n.decline("the scales depend on data");
    SmallVector<double> all(rank, 1.0);
    for (auto [axis, scale] : llvm::zip(axes, *scales)) all[axis] = scale;
    return resizeByScales(n, x, all, a);
  }
  auto target = n.formulas(3);
  if (!target || target->size() != axes.size()) return n.decline("the sizes depend on data");
  if (n.attrString("keep_aspect_ratio_policy", "stretch") != "stretch") return n.decline("the aspect ratio is kept");
  Sizes sizes = n.sizes(x);
  SmallVector<double> scales(rank, 1.0);
  for (auto [axis, size] : llvm::zip(axes, *target)) {
    if (size == sizes[axis]) continue;
    sizes[axis] = size;
    scales[axis] = 0; // from the sizes
  }
  return makeResize(n, x, sizes, scales, a);
}

bool isFloatOrNearest(Node &n) { return n.isFloat(n.in(0)) || n.attrString("mode", "nearest") == "nearest"; }
template <Handler kHandler>
bool checked(Node &n) {
  if (!isFloatOrNearest(n)) return n.decline("integers are not interpolated by kernels");
  return kHandler(n);
}

constexpr HandlerRow kRows[] = {
    {"", "Upsample", 1, 9, checked<upsample>},
    {"", "Resize", 10, 10, checked<resize10>},
    {"", "Resize", 11, kAnyOpset, checked<resize>},
};

} // namespace

std::span<const HandlerRow> imageHandlers() { return kRows; }

} // namespace jinx::frontends
