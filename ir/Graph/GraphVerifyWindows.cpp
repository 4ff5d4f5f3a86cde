// Verifiers of the operators that look at a neighbourhood or walk along time: what ODS cannot say about their shapes.
#include "ir/Graph/Verify.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

LogicalResult graph::verifyWindow(Operation *op, size_t spatial, ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations, ArrayRef<int64_t> pads) {
  if (strides.size() != spatial || dilations.size() != spatial || pads.size() != 2 * spatial)
    return op->emitOpError("strides, dilations and pads have ") << strides.size() << ", " << dilations.size() << " and " << pads.size() << " entries, expected "
                                                                << spatial << ", " << spatial << " and " << 2 * spatial;
  for (int64_t v : llvm::concat<const int64_t>(strides, dilations))
    if (v < 1) return op->emitOpError("a stride or dilation is ") << v << ", expected a positive number";
  return success();
}

LogicalResult PoolOp::verify() {
  Sizes x = sizesOf(getX().getType()), y = sizesOf(getY().getType());
  if (x.size() < 3 || y.size() != x.size())
    return emitOpError("x has rank ") << x.size() << " and y has rank " << y.size() << ", expected one rank of at least 3";
  size_t spatial = x.size() - 2;
  if (getKernel().size() != spatial) return emitOpError("kernel has ") << getKernel().size() << " entries, expected " << spatial;
  for (int64_t v : getKernel())
    if (v < 1) return emitOpError("a kernel entry is ") << v << ", expected a positive number";
  size_t channel = getChannelsLast() ? x.size() - 1 : 1;
  if (surelyDifferent(x[0], y[0]) || surelyDifferent(x[channel], y[channel]))
    return emitOpError("y is ") << describe(y) << " and x is " << describe(x) << ", expected the same batch and channels";
  return verifyWindow(*this, spatial, getStrides(), getDilations(), getPads());
}

LogicalResult DepthwiseConvOp::verify() {
  Sizes x = sizesOf(getX().getType()), w = sizesOf(getW().getType()), y = sizesOf(getY().getType());
  if (x.size() < 3 || w.size() != x.size() - 1 || y.size() != x.size())
    return emitOpError("x, w and y have ranks ") << x.size() << ", " << w.size() << " and " << y.size()
                                                 << ", expected r, r - 1 and r for one r of at least 3";
  for (const SizeExpr &extent : ArrayRef(w).drop_back())
    if (!extent.constant()) return emitOpError("a kernel extent is ") << extent.str() << ", expected a number";
  if (surelyDifferent(x[0], y[0]) || surelyDifferent(x.back(), y.back()) || surelyDifferent(x.back(), w.back()))
    return emitOpError("x is ") << describe(x) << ", w " << describe(w) << " and y " << describe(y) << ", expected the same batch and channels";
  return verifyWindow(*this, x.size() - 2, getStrides(), getDilations(), getPads());
}

LogicalResult ResizeOp::verify() {
  size_t in = sizesOf(getX().getType()).size(), out = sizesOf(getY().getType()).size();
  if (in != out || getScales().size() != in)
    return emitOpError("x and y have ranks ") << in << " and " << out << " and there are " << getScales().size()
                                              << " scales, expected one number for all three";
  for (double scale : getScales())
    if (!(scale >= 0)) return emitOpError("a scale is ") << scale << ", expected a positive number, or 0 for the sizes' quotient";
  if (getMode() != "nearest" && getMode() != "linear") return emitOpError("mode is '") << getMode() << "', expected nearest or linear";
  constexpr StringRef kCoordinates[] = {"half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"};
  if (!llvm::is_contained(kCoordinates, getCoordinates()))
    return emitOpError("coordinates are '") << getCoordinates() << "', expected half_pixel, pytorch_half_pixel, asymmetric or align_corners";
  return success();
}

namespace {

/// Shapes of a recurrence with `gates` gates a unit; `r` may be in panels (jinx.pack).
LogicalResult verifyRecurrence(Operation *op, int64_t gates, Value xw, Value r, Value h0, Value ys) {
  Sizes x = sizesOf(xw.getType()), state = sizesOf(h0.getType()), recurrence = sizesOf(r.getType());
  if (x.size() != 3 || state.size() != 2)
    return op->emitOpError("xw and h0 have ranks ") << x.size() << " and " << state.size() << ", expected 3 and 2";
  SizeExpr time = x[0], batch = x[1], units = state[1];
  if (!units.constant()) return op->emitOpError("has hidden size ") << units.str() << ", expected a number";
  if (failed(verifyShape(op, "xw", xw, {time, batch, SizeExpr(gates) * units})) || failed(verifyShape(op, "h0", h0, {batch, units})) ||
      failed(verifyShape(op, "ys", ys, {time, batch, units})))
    return failure();
  SizeExpr panels = ceilDiv(units, 16);
  bool interleaved = recurrence.size() == 4 && recurrence[3].isConstant(64);  // bytes, four rows at a time
  if (interleaved) return verifyShape(op, "r", r, {gates, panels, floorDiv(units, 4), 64});
  if (recurrence.size() == 4) return verifyShape(op, "r", r, {gates, panels, units, 16});
  return verifyShape(op, "r", r, {SizeExpr(gates) * units, units});
}

}  // namespace

LogicalResult LstmOp::verify() {
  if (failed(verifyRecurrence(*this, 4, getXw(), getR(), getH0(), getYs()))) return failure();
  Sizes state = sizesOf(getH0().getType());
  if (failed(verifyShape(*this, "c0", getC0(), state)) || failed(verifyShape(*this, "hn", getHn(), state)) ||
      failed(verifyShape(*this, "cn", getCn(), state)))
    return failure();
  return getRScale() ? verifyShape(*this, "r_scale", getRScale(), {SizeExpr(4) * state[1]}) : success();
}

LogicalResult GruOp::verify() {
  if (failed(verifyRecurrence(*this, 3, getXw(), getR(), getH0(), getYs()))) return failure();
  Sizes state = sizesOf(getH0().getType());
  if (failed(verifyShape(*this, "rb", getRb(), {SizeExpr(3) * state[1]}))) return failure();
  return verifyShape(*this, "hn", getHn(), state);
}
