// Factor rules of operators that move, view or make data. Reshapes: FactorsReshape.cpp.
//
// A dimension that is as long behind the operator as in front of it, and of which every element keeps its place, is free. Where a slice or a pad changes a
// dimension, its extent in x and that in y are two factors, both whole: an element of a part would come from another part.
//
//   slice   x [4, 8] starts ["0", "2"] steps [1, 1] -> y [4, 3]       x[d0, x1] -> y[d0, y1]; whole: x1, y1
#include "ir/Graph/FactorRules.h"

using namespace mlir;

namespace jinx::graph {

namespace {

/// A free factor where `isKept(d)`, else a whole one each.
template <typename IsKept>
std::pair<Dims, Dims> keptOrWhole(RuleWriter &rule, Value x, Value y, IsKept isKept) {
  Sizes in = sizesOf(x.getType()), out = sizesOf(y.getType());
  Dims xs, ys;
  for (size_t d = 0; d < in.size(); ++d) {
    const bool kept = in[d] == out[d] && isKept(d);
    xs.push_back({kept ? rule.free("d" + Twine(d), in[d]) : rule.whole("x" + Twine(d), in[d])});
    ys.push_back(kept ? xs.back() : Loops{rule.whole("y" + Twine(d), out[d])});
  }
  return {xs, ys};
}

/// A device holds its part of a constant.
FactorRule constant(ConstantOp op) {
  RuleWriter rule(op);
  rule.result("y", op.getY(), rule.each("d", op.getY()));
  return rule.take();
}

/// Formulas, of which there are few.
FactorRule sizes(SizesOp op) {
  RuleWriter rule(op);
  Dims dims;
  for (int64_t d = 0; d < int64_t(sizesOf(op.getY().getType()).size()); ++d) dims.push_back({rule.whole("y" + Twine(d), op.getY(), d)});
  rule.result("y", op.getY(), dims);
  return rule.take();
}

/// A part of the axis would begin at another number.
FactorRule iota(IotaOp op) {
  RuleWriter rule(op);
  Dims dims = rule.each("d", op.getY());
  dims[op.getAxis()] = {rule.whole("axis", op.getY(), op.getAxis())};
  rule.result("y", op.getY(), dims);
  return rule.take();
}

FactorRule transpose(TransposeOp op) {
  RuleWriter rule(op);
  Dims from = rule.each("d", op.getX()), to;
  for (int64_t p : op.getPerm()) to.push_back(from[p]);
  rule.operand("x", op.getX(), from);
  rule.result("y", op.getY(), to);
  rule.partial({"x"}, kAny);
  return rule.take();
}

/// What is repeated is a factor of y alone. A size that may be 1 or y's, which no formula says, is whole.
FactorRule broadcast(BroadcastOp op) {
  RuleWriter rule(op);
  Sizes in = sizesOf(op.getX().getType()), out = sizesOf(op.getY().getType());
  Dims xs, ys;
  for (size_t d = 0; d < out.size(); ++d) {
    const SizeExpr from = d + in.size() < out.size() ? SizeExpr(1) : in[d + in.size() - out.size()];
    const bool isKnown = from.isConstant(1) || from == out[d];
    ys.push_back({isKnown ? rule.free("d" + Twine(d), out[d]) : rule.whole("y" + Twine(d), out[d])});
    xs.push_back(isKnown ? ys.back() : Loops{rule.whole("x" + Twine(d), from)});
  }
  rule.operand("x", op.getX(), lastOf(xs, in.size()));
  rule.result("y", op.getY(), ys);
  rule.partial({"x"}, kAny);
  return rule.take();
}

FactorRule slice(SliceOp op) {
  RuleWriter rule(op);
  auto [xs, ys] = keptOrWhole(rule, op.getX(), op.getY(), [&](size_t d) {
    return op.getSteps()[d] == 1 && parseSize(cast<StringAttr>(op.getStarts()[d]).getValue()).isConstant(0);
  });
  rule.operand("x", op.getX(), xs);
  rule.result("y", op.getY(), ys);
  rule.partial({"x"}, kAny);
  return rule.take();
}

FactorRule concat(ConcatOp op) {
  RuleWriter rule(op);
  const int64_t axis = op.getAxis();
  Dims dims = rule.each("d", op.getY());
  SmallVector<std::string> names;
  for (auto [i, x] : llvm::enumerate(op.getXs())) {
    names.push_back("xs" + std::to_string(i));
    dims[axis] = {rule.whole("axis" + Twine(i), x, axis)};
    rule.operand(names.back(), x, dims);
  }
  dims[axis] = {rule.whole("axis", op.getY(), axis)};
  rule.result("y", op.getY(), dims);
  rule.partial(SmallVector<StringRef>(names.begin(), names.end()), kAny);
  return rule.take();
}

/// Does the pad put 0 around x?
bool isOfZeros(PadOp op) {
  if (op.getMode() != PadMode::constant) return false;
  auto constant = op.getValue() ? op.getValue().getDefiningOp<ConstantOp>() : ConstantOp();
  auto value = constant ? dyn_cast<SplatElementsAttr>(constant.getValue()) : SplatElementsAttr();
  if (!value) return !op.getValue();
  auto number = dyn_cast<FloatAttr>(value.getSplatValue<Attribute>());
  return number ? number.getValue().isZero() : cast<IntegerAttr>(value.getSplatValue<Attribute>()).getValue().isZero();
}

/// What lies around x is counted on each device: no sum has it, but zeros, and the largest does not change by it. Edges and images are x's own.
FactorRule pad(PadOp op) {
  RuleWriter rule(op);
  auto [xs, ys] =
      keptOrWhole(rule, op.getX(), op.getY(), [&](size_t d) { return parseSize(cast<StringAttr>(op.getLow()[d]).getValue()).isConstant(0); });
  rule.operand("x", op.getX(), xs);
  if (op.getValue()) rule.operand("value", op.getValue(), Dims(sizesOf(op.getValue().getType()).size()));
  rule.result("y", op.getY(), ys);
  if (op.getMode() != PadMode::constant) {
    rule.partial({"x"}, kAny);
    return rule.take();
  }
  if (isOfZeros(op)) rule.partial({"x"}, kSums);
  rule.partial({"x"}, kExtrema);
  if (op.getValue()) rule.partial({"x", "value"}, kAny);
  return rule.take();
}

constexpr FactorRow kRows[] = {
    row<ConstantOp, constant>(), row<SizesOp, sizes>(), row<IotaOp, iota>(),     row<TransposeOp, transpose>(),
    row<BroadcastOp, broadcast>(), row<SliceOp, slice>(), row<ConcatOp, concat>(), row<PadOp, pad>(),
};

}  // namespace

ArrayRef<FactorRow> shapeFactors() { return kRows; }

}  // namespace jinx::graph
