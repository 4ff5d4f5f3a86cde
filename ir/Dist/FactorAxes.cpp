#include "ir/Dist/FactorAxes.h"

using namespace mlir;

namespace jinx::dist {

static std::string notDivided(StringAttr axis, const graph::Factor &factor, MeshOp mesh) {
  return "axis \"" + axis.str() + "\" of " + std::to_string(mesh.sizeOf(axis)) + " ranks does not divide " + factor.name + ", which is " + factor.size.str() +
         " and has others beside it";
}

std::optional<SmallVector<Axes, 2>> distribute(ArrayRef<StringAttr> axes, const graph::Loops &loops, const graph::FactorRule &rule, MeshOp mesh,
                                               std::string &why) {
  SmallVector<Axes, 2> parts(loops.size());
  size_t next = 0;
  for (size_t i = 0; i < loops.size() && next < axes.size(); ++i) {
    const graph::Factor &factor = rule.factors[loops[i]];
    bool alone = i + 1 == loops.size() && next == 0;  // nothing behind it, and nothing of what is in front of it is split
    SizeExpr left = factor.size;                      // what of the factor no axis walks yet
    while (next < axes.size() && !left.isConstant(1)) {
      int64_t ranks = mesh.sizeOf(axes[next]);
      auto rest = left.exactDivide(ranks);
      if (!rest && !alone) {
        why = notDivided(axes[next], factor, mesh);
        return std::nullopt;
      }
      left = rest ? *rest : ceilDiv(left, ranks);
      parts[i].push_back(axes[next++]);
    }
  }
  if (next == axes.size()) return parts;
  why = "axis \"" + axes[next].str() + "\" finds nothing left to split";
  return std::nullopt;
}

std::optional<Axes> collect(const graph::Loops &loops, const FactorAxes &axes, const graph::FactorRule &rule, MeshOp mesh, std::string *uneven) {
  Axes all;
  bool more = true;  // the factors so far are split to the last element
  for (auto [i, f] : llvm::enumerate(loops)) {
    if (axes[f].empty()) {
      more = false;
      continue;
    }
    if (!more) return std::nullopt;
    SizeExpr left = rule.factors[f].size;
    const bool alone = i + 1 == loops.size() && all.empty();
    for (StringAttr axis : axes[f]) {
      auto rest = left.exactDivide(mesh.sizeOf(axis));
      if (!rest && !alone) {
        if (uneven) *uneven = notDivided(axis, rule.factors[f], mesh);
        return std::nullopt;
      }
      left = rest ? *rest : ceilDiv(left, mesh.sizeOf(axis));
      all.push_back(axis);
    }
    more = left.isConstant(1);
  }
  return all;
}

FactorAxes axesOfFactors(Operation *op, const graph::FactorRule &rule, MeshOp mesh) {
  FactorAxes axes(rule.factors.size());
  auto take = [&](Value value, const graph::FactoredValue &factored) {
    for (auto [d, loops] : llvm::enumerate(factored.dims)) {
      std::string why;
      auto parts = distribute(axesOf(value.getType(), d), loops, rule, mesh, why);
      if (!parts) continue;
      for (auto [f, part] : llvm::zip_equal(loops, *parts))
        if (!part.empty()) axes[f] = part;
    }
  };
  for (auto [value, factored] : llvm::zip_equal(op->getOperands(), rule.operands)) take(value, factored);
  for (auto [value, factored] : llvm::zip_equal(op->getResults(), rule.results)) take(value, factored);
  return axes;
}

bool isGathered(const graph::FactorRule &rule, const FactorAxes &axes) {
  return llvm::any_of(llvm::zip_equal(rule.factors, axes), [](auto pair) {
    auto &[factor, walked] = pair;
    return factor.kind == graph::FactorKind::kGathered && !walked.empty();
  });
}

Expected<graph::ReduceKind> partialResult(Operation *op, ArrayRef<std::optional<graph::ReduceKind>> operands) {
  auto rule = graph::factorRule(op);
  if (!rule) {
    StringRef reason = graph::whyNoFactorRule(op->getName().getStringRef());
    return invalidArgument(op->getName().getStringRef().str() + " needs whole operands" + (reason.empty() ? "" : ": it " + reason.str()));
  }
  SmallVector<int64_t> given;
  std::optional<graph::ReduceKind> kind;
  for (auto [i, operand] : llvm::enumerate(operands)) {
    if (!operand) continue;
    given.push_back(int64_t(i));
    if (kind && *kind != *operand)
      return invalidArgument("operands are partial " + graph::stringifyReduceKind(*kind).str() + " and partial " + graph::stringifyReduceKind(*operand).str());
    kind = operand;
  }
  for (const graph::PartialRule &partial : rule->partials)
    if (ArrayRef<int64_t>(partial.operands) == ArrayRef<int64_t>(given) && llvm::is_contained(partial.reductions, *kind))
      return *kind;
  std::string names;
  for (int64_t i : given) names += (names.empty() ? "" : " and ") + rule->operands[i].name;
  std::string allowed = graph::describe(*rule);
  size_t at = allowed.find("partial: ");
  return invalidArgument(op->getName().stripDialect().str() + " does not go with parts of a " + graph::stringifyReduceKind(*kind).str() + " in " + names +
                         (at == std::string::npos ? ": it takes whole values only" : ": it takes " + allowed.substr(at)));
}

}  // namespace jinx::dist
