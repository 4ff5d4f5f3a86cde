// What each collective makes of sizes and states. In words: docs/spec/dist.md.
#include "ir/Dist/Dist.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::dist;

namespace {

graph::Sizes sizesOfOperand(Value x) { return graph::sizesOf(x.getType()); }

Status checkDim(Value x, int64_t dim, StringRef what) {
  int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
  if (dim >= 0 && dim < rank) return Status::ok();
  return invalidArgument(what.str() + " is " + std::to_string(dim) + ", expected 0.." + std::to_string(rank - 1) + " (dimensions of x)");
}

/// `size` / n; an error where n surely does not divide it.
Expected<SizeExpr> partOf(const SizeExpr &size, int64_t ranks, int64_t dim) {
  if (auto part = size.exactDivide(ranks)) return *part;
  if (size.constant()) return invalidArgument("dimension " + std::to_string(dim) + " is " + size.str() + ", expected a multiple of the group's " + std::to_string(ranks) + " ranks");
  return floorDiv(size, ranks);
}

Expected<AxisState> needs(const AxisState &operand, StateKind kind, AxisState result) {
  if (operand.kind == kind) return result;
  return invalidArgument("operand is " + describe(operand) + " on \"" + operand.axis.str() + "\", expected " + stringifyStateKind(kind).str());
}
Expected<AxisState> needsPartial(const AxisState &operand, graph::ReduceKind kind, AxisState result) {
  if (operand.kind == StateKind::partial && operand.reduction == kind) return result;
  return invalidArgument("operand is " + describe(operand) + " on \"" + operand.axis.str() + "\", expected partial " + graph::stringifyReduceKind(kind).str());
}

AxisState replicated(const AxisState &operand) { return {operand.axis}; }
AxisState varying(const AxisState &operand) { return {operand.axis, StateKind::varying}; }

}  // namespace

Expected<graph::Sizes> AllReduceOp::expectedSizes(int64_t) { return sizesOfOperand(getX()); }
Expected<AxisState> AllReduceOp::resultState(const AxisState &x) { return needsPartial(x, getKind(), replicated(x)); }

Expected<graph::Sizes> AllGatherOp::expectedSizes(int64_t ranks) {
  JINX_TRY(checkDim(getX(), getDim(), "dim"), "");
  graph::Sizes sizes = sizesOfOperand(getX());
  sizes[getDim()] = sizes[getDim()] * SizeExpr(ranks);
  return sizes;
}
Expected<AxisState> AllGatherOp::resultState(const AxisState &x) { return needs(x, StateKind::varying, replicated(x)); }

Expected<graph::Sizes> ReduceScatterOp::expectedSizes(int64_t ranks) {
  JINX_TRY(checkDim(getX(), getDim(), "dim"), "");
  graph::Sizes sizes = sizesOfOperand(getX());
  JINX_TRY_ASSIGN(sizes[getDim()], partOf(sizes[getDim()], ranks, getDim()), "");
  return sizes;
}
Expected<AxisState> ReduceScatterOp::resultState(const AxisState &x) { return needsPartial(x, getKind(), varying(x)); }

Expected<graph::Sizes> AllToAllOp::expectedSizes(int64_t ranks) {
  JINX_TRY(checkDim(getX(), getSplit(), "split"), "");
  JINX_TRY(checkDim(getX(), getConcat(), "concat"), "");
  graph::Sizes sizes = sizesOfOperand(getX());
  JINX_TRY_ASSIGN(sizes[getSplit()], partOf(sizes[getSplit()], ranks, getSplit()), "");
  sizes[getConcat()] = sizes[getConcat()] * SizeExpr(ranks);
  return sizes;
}
Expected<AxisState> AllToAllOp::resultState(const AxisState &x) { return needs(x, StateKind::varying, varying(x)); }

/// As many rows as the result has room for.
Expected<graph::Sizes> AllToAllVOp::expectedSizes(int64_t ranks) {
  for (auto [counts, what] : {std::pair{getSends(), "sends"}, std::pair{getReceives(), "receives"}})
    if (graph::Sizes sizes = sizesOfOperand(counts); graph::surelyDifferent(sizes[0], SizeExpr(ranks)))
      return invalidArgument(std::string(what) + " has " + sizes[0].str() + " counts, expected " + std::to_string(ranks) + ", one for each rank of the group");
  graph::Sizes sizes = sizesOfOperand(getX());
  sizes[0] = graph::sizesOf(getY().getType())[0];
  return sizes;
}
Expected<AxisState> AllToAllVOp::resultState(const AxisState &x) { return needs(x, StateKind::varying, varying(x)); }

Expected<graph::Sizes> PermuteOp::expectedSizes(int64_t ranks) {
  if (int64_t(getSources().size()) != ranks)
    return invalidArgument("has " + std::to_string(getSources().size()) + " sources, expected " + std::to_string(ranks) + ", one for each rank of the group");
  for (int64_t source : getSources())
    if (source < -1 || source >= ranks) return invalidArgument("source " + std::to_string(source) + " is no rank of the group, expected -1.." + std::to_string(ranks - 1));
  return sizesOfOperand(getX());
}
Expected<AxisState> PermuteOp::resultState(const AxisState &x) { return needs(x, StateKind::varying, varying(x)); }

Expected<graph::Sizes> BroadcastOp::expectedSizes(int64_t ranks) {
  if (int64_t(getRoot()) < 0 || int64_t(getRoot()) >= ranks) return invalidArgument("root is " + std::to_string(getRoot()) + ", expected 0.." + std::to_string(ranks - 1));
  return sizesOfOperand(getX());
}
Expected<AxisState> BroadcastOp::resultState(const AxisState &x) {
  if (x.kind == StateKind::replicate) return x;  // a stage of a pipeline has it, or has room for it
  return needs(x, StateKind::varying, replicated(x));
}
