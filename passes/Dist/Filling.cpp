#include "passes/Dist/Filling.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

void Filling::keep(Value from, Value to) {
  for (int64_t d = 0; d < cast<RankedTensorType>(to.getType()).getRank(); ++d)
    if (isZero(from, d)) setZero(to, d);
}

/// 0 of nothing but 0.
static bool keepsZeros(Operation *op) {
  if (auto reduce = dyn_cast<ReduceOp>(op)) return reduce.getKind() == ReduceKind::sum;
  return isa<AbsOp, NegOp, ReluOp, SqrtOp, SinOp, TanhOp, AtanOp, ErfOp, FloorOp, CeilOp, RoundOp, CastOp, TransposeOp, ReshapeOp, BroadcastOp, ConcatOp,
             SliceOp, AddOp, SubOp, MulOp, MaxOp, MinOp>(op);
}

void Filling::keepThrough(Operation *op, const FactorRule &rule, ValueRange operands, ValueRange results) {
  if (!keepsZeros(op)) return;
  auto zeroAlong = [&](int64_t factor) {
    return llvm::all_of(llvm::zip_equal(operands, rule.operands), [&](auto pair) {
      auto [value, factored] = pair;
      for (auto [d, loops] : llvm::enumerate(factored.dims))
        if (loops == Loops{factor}) return isZero(value, int64_t(d));
      return false;  // it has no such dimension, and is what it is beside the filling
    });
  };
  for (auto [value, factored] : llvm::zip_equal(results, rule.results))
    for (auto [d, loops] : llvm::enumerate(factored.dims))
      if (loops.size() == 1 && zeroAlong(loops[0])) setZero(value, int64_t(d));
}

namespace {
/// Operands that are not only computed with. Each is named as the rule names it.
struct CleanOperand {
  StringLiteral op, operand;
  int64_t filling;
  bool onlyIntegers = false;
};
constexpr CleanOperand kClean[] = {{"jinx.gather", "indices", 0},          {"jinx.gather_elements", "indices", 0}, {"jinx.gather_nd", "indices", 0},
                                   {"jinx.scatter_elements", "indices", 0}, {"jinx.scatter_nd", "indices", 0},      {"jinx.paged_attention", "sequence", 0},
                                   {"jinx.paged_attention", "position", 0}, {"jinx.div", "b", 1, true},             {"jinx.mod", "b", 1, true},
                                   {"jinx.resize", "x", 0}};  // a neighbour counts with weight 0

TypedAttr neededAlong(Operation *op, const FactorRule &rule, size_t operand, const Factor &factor) {
  Type element = cast<RankedTensorType>(op->getOperand(operand).getType()).getElementType();
  if (factor.kind == FactorKind::kReduced) return neutralOf(factor.reduction, element);
  for (const CleanOperand &clean : kClean)
    if (clean.op == op->getName().getStringRef() && clean.operand == rule.operands[operand].name && (!clean.onlyIntegers || element.isInteger()))
      return isa<FloatType>(element) ? TypedAttr(FloatAttr::get(element, double(clean.filling))) : IntegerAttr::get(element, clean.filling);
  return {};
}
}  // namespace

TypedAttr neededFilling(Operation *op, const FactorRule &rule, const dist::FactorAxes &axes, dist::MeshOp mesh, size_t operand, size_t dim) {
  const Loops &loops = rule.operands[operand].dims[dim];
  if (loops.size() != 1 || axes[loops[0]].empty()) return {};  // factors with others behind them divide
  const Factor &factor = rule.factors[loops[0]];
  return factor.size.exactDivide(ranksOf(axes[loops[0]], mesh)) ? TypedAttr() : neededAlong(op, rule, operand, factor);
}

bool needsFilling(Operation *op, const FactorRule &rule, const dist::FactorAxes &axes, dist::MeshOp mesh, size_t operand) {
  return llvm::any_of(llvm::seq<size_t>(0, rule.operands[operand].dims.size()), [&](size_t dim) { return bool(neededFilling(op, rule, axes, mesh, operand, dim)); });
}

}  // namespace jinx::passes
