#include "passes/Dist/OwnValues.h"

using namespace mlir;
using namespace jinx::dist;
using namespace jinx::graph;

namespace jinx::passes {

TypedAttr neutralOf(ReduceKind reduction, Type element) {
  Builder b(element.getContext());
  if (auto floats = dyn_cast<FloatType>(element)) {
    const llvm::fltSemantics &semantics = floats.getFloatSemantics();
    switch (reduction) {
      case ReduceKind::sum: return FloatAttr::get(floats, llvm::APFloat::getZero(semantics));
      case ReduceKind::prod: return FloatAttr::get(floats, 1.0);
      case ReduceKind::max: return FloatAttr::get(floats, llvm::APFloat::getInf(semantics, /*Negative=*/true));
      case ReduceKind::min: return FloatAttr::get(floats, llvm::APFloat::getInf(semantics));
    }
  }
  unsigned width = element.getIntOrFloatBitWidth();
  bool isSigned = !element.isUnsignedInteger() && width > 1;
  switch (reduction) {
    case ReduceKind::sum: return IntegerAttr::get(element, APInt::getZero(width));
    case ReduceKind::prod: return IntegerAttr::get(element, APInt(width, 1));
    case ReduceKind::max: return IntegerAttr::get(element, isSigned ? APInt::getSignedMinValue(width) : APInt::getZero(width));
    case ReduceKind::min: return IntegerAttr::get(element, isSigned ? APInt::getSignedMaxValue(width) : APInt::getAllOnes(width));
  }
  return {};
}

bool writeCoordinates(Operation *op, const Coordinates &coordinates) {
  StringRef name = isa<SizesOp>(op) ? "exprs" : isa<SliceOp>(op) ? "starts" : isa<PadOp>(op) ? "low" : "";
  if (name.empty()) return false;
  SmallVector<Attribute> formulas;
  bool hasCoordinates = false;
  for (StringAttr text : op->getAttrOfType<ArrayAttr>(name).getAsRange<StringAttr>()) {
    SizeExpr formula = parseSize(text.getValue()).substitute([&](std::string_view symbol) -> std::optional<SizeExpr> {
      auto found = coordinates.find(std::string(symbol));
      hasCoordinates |= found != coordinates.end();
      return found == coordinates.end() ? std::nullopt : std::optional(SizeExpr(found->second));
    });
    formulas.push_back(StringAttr::get(op->getContext(), formula.str()));
  }
  op->setAttr(name, ArrayAttr::get(op->getContext(), formulas));
  return hasCoordinates;
}

SizeExpr OwnBuilder::place(ArrayRef<StringAttr> axes) const {
  SizeExpr place = 0;
  for (StringAttr axis : axes) place = place * SizeExpr(mesh_.sizeOf(axis)) + SizeExpr::symbol(coordinateSymbol(axis));
  return place;
}

RankedTensorType OwnBuilder::ownType(RankedTensorType placed) const {
  States states;
  for (const AxisState &state : statesOf(placed)) states.push_back(state.kind == StateKind::shard ? AxisState{state.axis, StateKind::varying} : state);
  llvm::stable_sort(states, [&](const AxisState &a, const AxisState &b) { return mesh_.placeOf(a.axis) < mesh_.placeOf(b.axis); });
  return withStates(tensorOf(ownSizes(placed, mesh_), placed.getElementType()), states);
}

RankedTensorType OwnBuilder::varyingOn(RankedTensorType type, ArrayRef<StringAttr> axes) const {
  States states(statesOf(type));
  for (StringAttr axis : axes)
    if (stateOf(type, axis).kind == StateKind::replicate) states.push_back({axis, StateKind::varying});
  llvm::stable_sort(states, [&](const AxisState &a, const AxisState &b) { return mesh_.placeOf(a.axis) < mesh_.placeOf(b.axis); });
  return withStates(type, states);
}

RankedTensorType resized(RankedTensorType type, int64_t dim, const SizeExpr &size) {
  Sizes sizes = sizesOf(type);
  sizes[dim] = size;
  return withStates(tensorOf(sizes, type.getElementType()), statesOf(type));
}

Value OwnBuilder::padTo(Location loc, Value x, int64_t dim, const SizeExpr &size) {
  auto type = cast<RankedTensorType>(x.getType());
  if (sizesOf(type)[dim] == size) return x;
  SmallVector<StringRef> low(type.getRank(), "0");
  Value zero = scalar(loc, neutralOf(ReduceKind::sum, type.getElementType()), type.getElementType());
  return PadOp::create(builder_, loc, resized(type, dim, size), x, zero, builder_.getStrArrayAttr(low), PadMode::constant);
}

Value OwnBuilder::slice(Location loc, Value x, int64_t dim, const SizeExpr &start, const SizeExpr &size, ArrayRef<StringAttr> axes) {
  auto type = cast<RankedTensorType>(x.getType());
  if (axes.empty() && start.isConstant(0) && sizesOf(type)[dim] == size) return x;
  SmallVector<Attribute> starts(type.getRank(), builder_.getStringAttr("0"));
  starts[dim] = builder_.getStringAttr(start.str());
  SmallVector<int64_t> steps(type.getRank(), 1);
  return SliceOp::create(builder_, loc, varyingOn(resized(type, dim, size), axes), x, builder_.getArrayAttr(starts), builder_.getDenseI64ArrayAttr(steps));
}

Value OwnBuilder::scalar(Location loc, Attribute value, Type element) {
  return ConstantOp::create(builder_, loc, DenseElementsAttr::get(RankedTensorType::get({}, element), value));
}

Value OwnBuilder::number(Location loc, const SizeExpr &formula, int64_t rank) {
  SmallVector<int64_t> ones(rank, 1);
  SmallVector<StringAttr> axes;
  for (StringAttr axis : mesh_.getAxes().getAsRange<StringAttr>())
    if (llvm::is_contained(formula.symbols(), coordinateSymbol(axis))) axes.push_back(axis);
  RankedTensorType type = varyingOn(RankedTensorType::get(ones, builder_.getI64Type()), axes);
  return SizesOp::create(builder_, loc, type, builder_.getStrArrayAttr({StringRef(formula.str())}));
}

Value OwnBuilder::mask(Location loc, Value x, int64_t dim, const SizeExpr &whole, ArrayRef<StringAttr> axes, TypedAttr filling) {
  return maskFrom(loc, x, dim, whole - sizesOf(x.getType())[dim] * place(axes), filling);
}

Value OwnBuilder::maskFrom(Location loc, Value x, int64_t dim, const SizeExpr &end, TypedAttr filling) {
  auto type = cast<RankedTensorType>(x.getType());
  Sizes line(type.getRank(), SizeExpr(1));
  line[dim] = sizesOf(type)[dim];
  RankedTensorType index = tensorOf(line, builder_.getI64Type());
  Value at = IotaOp::create(builder_, loc, index, dim, 0, 1);
  Value limit = number(loc, end, type.getRank());
  SmallVector<StringAttr> axes = llvm::map_to_vector(statesOf(limit.getType()), [](const AxisState &state) { return state.axis; });
  RankedTensorType flags = varyingOn(withElementType(index, builder_.getI1Type()), axes);
  Value inside = CompareOp::create(builder_, loc, flags, ComparePredicate::lt, at, limit);
  return SelectOp::create(builder_, loc, varyingOn(type, axes), inside, x, scalar(loc, filling, type.getElementType()));
}

}  // namespace jinx::passes
