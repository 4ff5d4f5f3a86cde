#include "ir/Dist/States.h"

#include "ir/Dist/Dist.h"

using namespace mlir;

namespace jinx::dist {

std::string describe(const AxisState &state) {
  std::string text = stringifyStateKind(state.kind).str();
  if (state.kind == StateKind::shard) text += " " + std::to_string(state.dim);
  if (state.kind == StateKind::partial) text += " " + graph::stringifyReduceKind(state.reduction).str();
  return text;
}

std::string describe(ArrayRef<AxisState> states) {
  if (states.empty()) return "replicated";
  std::string text;
  for (const AxisState &state : states) text += (text.empty() ? "\"" : ", \"") + state.axis.str() + "\" = " + describe(state);
  return text;
}

ArrayRef<AxisState> statesOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  auto on = tensor ? dyn_cast_or_null<OnAttr>(tensor.getEncoding()) : OnAttr();
  return on ? on.getStates() : ArrayRef<AxisState>();
}

AxisState stateOf(Type type, StringAttr axis) {
  for (const AxisState &state : statesOf(type))
    if (state.axis == axis) return state;
  return {axis};
}

RankedTensorType withStates(RankedTensorType type, ArrayRef<AxisState> states) {
  States named;
  llvm::copy_if(states, std::back_inserter(named), [](const AxisState &state) { return state.kind != StateKind::replicate; });
  RankedTensorType plain = withoutStates(type);
  if (named.empty()) return plain;
  auto rank = [](const AxisState &state) { return state.kind == StateKind::shard ? state.dim : std::numeric_limits<int64_t>::max(); };
  llvm::stable_sort(named, [&](const AxisState &a, const AxisState &b) { return rank(a) < rank(b); });
  auto dims = dyn_cast_or_null<graph::DimsAttr>(plain.getEncoding());
  auto on = OnAttr::get(type.getContext(), named, dims ? dims.getExprs() : ArrayRef<StringAttr>());
  return RankedTensorType::get(type.getShape(), type.getElementType(), on);
}

RankedTensorType withoutStates(RankedTensorType type) {
  auto on = dyn_cast_or_null<OnAttr>(type.getEncoding());
  if (!on) return type;
  Attribute dims;
  if (!on.getFormulas().empty()) dims = graph::DimsAttr::get(type.getContext(), on.getFormulas());
  return RankedTensorType::get(type.getShape(), type.getElementType(), dims);
}

SmallVector<StringAttr> axesOf(Type type, int64_t dim) {
  SmallVector<StringAttr> axes;
  for (const AxisState &state : statesOf(type))
    if (state.kind == StateKind::shard && state.dim == dim) axes.push_back(state.axis);
  return axes;
}

std::string coordinateSymbol(StringRef axis) { return ("rank." + axis).str(); }

}  // namespace jinx::dist
