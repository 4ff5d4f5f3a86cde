#include "passes/Dist/Propagation.h"

#include "mlir/IR/Builders.h"
#include "passes/Dist/ReshardPath.h"
#include "passes/Remarks.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {

namespace {
constexpr StringLiteral kPass = "jinx-place-values";

bool begins(const Axes &list, const Axes &with) { return with.size() <= list.size() && std::equal(with.begin(), with.end(), list.begin()); }

std::string nameOf(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) return "argument " + std::to_string(argument.getArgNumber());
  return kindOf(value.getDefiningOp()) + (value.getDefiningOp()->getNumResults() > 1 ? "#" + std::to_string(cast<OpResult>(value).getResultNumber()) : "");
}

/// Only hands on: no factor is summed, gathered or whole.
bool handsOn(const graph::FactorRule &rule) {
  return llvm::all_of(rule.factors, [](const graph::Factor &factor) { return factor.kind == graph::FactorKind::kFree; });
}

}  // namespace

std::string textOf(const Axes &axes) {
  std::string text;
  for (StringAttr axis : axes) text += (text.empty() ? "" : ", ") + axis.str();
  return text.empty() ? "no axis" : text;
}

void Propagation::remark(Operation *op, bool done, StringRef name, const std::string &text) {
  if (!done && !said_.insert(name.str() + text + std::to_string(reinterpret_cast<uintptr_t>(op))).second) return;
  say(done ? passed(op, kPass, name) : missed(op, kPass, name), [&] { return text; });
}

const graph::FactorRule *Propagation::ruleOf(Operation *op) {
  auto [entry, isNew] = rules_.try_emplace(op);
  if (isNew) entry->second = graph::factorRule(op);
  return entry->second ? &*entry->second : nullptr;
}

void Propagation::wish(Value value, ShardingAttr sharding) {
  Sharding &dims = shardings_[value];
  dims.clear();
  for (DimShardingAttr dim : sharding.getPerDim()) {
    DimAxes axes{{}, dim.getOpen(), dim.getPriority()};
    axes.axes.assign(dim.getAxes().begin(), dim.getAxes().end());
    dims.push_back(axes);
  }
}

void Propagation::closeWhole(Value value) {
  for (DimAxes &dim : shardings_[value]) dim.open = false;
}

void Propagation::takeWishes() {
  auto add = [&](Value value) {
    if (auto tensor = dyn_cast<RankedTensorType>(value.getType())) shardings_[value] = Sharding(tensor.getRank());
  };
  Block &body = function_.getFunctionBody().front();
  for (BlockArgument argument : body.getArguments()) {
    add(argument);
    auto sharding = function_.getArgAttrOfType<ShardingAttr>(argument.getArgNumber(), kSharding);
    // Callers give and get whole tensors where nobody wished something else.
    if (sharding) wish(argument, sharding);
    else if (shardings_.count(argument)) closeWhole(argument);
  }
  for (Operation &op : body) {
    for (Value result : op.getResults()) add(result);
    if (auto constrain = dyn_cast<ConstrainOp>(op)) wish(constrain.getY(), constrain.getSharding());
    // What has no rule gives whole values.
    if (!isa<ConstrainOp>(op) && !ruleOf(&op))
      for (Value result : op.getResults())
        if (shardings_.count(result)) closeWhole(result);
  }
}

void Propagation::run() {
  takeWishes();
  std::set<int64_t> levels;
  for (auto &[value, dims] : shardings_)
    for (DimAxes &dim : dims) levels.insert(dim.priority);
  for (unsigned i = 0; i < function_.getNumResults(); ++i)
    if (auto sharding = dyn_cast_or_null<ShardingAttr>(function_.getResultAttr(i, kSharding)))
      for (DimShardingAttr dim : sharding.getPerDim()) levels.insert(dim.getPriority());
  for (int64_t level : levels) {
    level_ = level;
    for (bool handingOnOnly : {true, false})
      for (bool changed = true; changed;) {
        changed = sweep(/*forward=*/true, handingOnOnly);
        changed |= sweep(/*forward=*/false, handingOnOnly);
      }
  }
}

bool Propagation::sweep(bool forward, bool handingOnOnly) {
  bool changed = false;
  auto at = [&](Operation &op) {
    if (auto constrain = dyn_cast<ConstrainOp>(op)) {
      changed |= hand(&op, constrain.getX(), constrain.getY());
      changed |= hand(&op, constrain.getY(), constrain.getX());
    } else if (op.hasTrait<OpTrait::IsTerminator>()) {
      changed |= takeResultWishes(&op);
    } else if (const graph::FactorRule *rule = ruleOf(&op); rule && (!handingOnOnly || handsOn(*rule))) {
      changed |= visit(&op, *rule);
    }
  };
  Block &body = function_.getFunctionBody().front();
  if (forward)
    for (Operation &op : body) at(op);
  else
    for (Operation &op : llvm::reverse(body)) at(op);
  return changed;
}

/// A constrained value and the value behind it, where axes of one continue those of the other.
bool Propagation::hand(Operation *op, Value from, Value to) {
  bool changed = false;
  Sharding &source = shardings_[from];
  for (auto [d, dim] : llvm::enumerate(source))
    if (dim.priority <= level_ && !dim.axes.empty()) changed |= extendDim(op, to, d, dim.axes, "constrain");
  return changed;
}

/// What is returned would like to be what the function's results are wished to be.
bool Propagation::takeResultWishes(Operation *op) {
  bool changed = false;
  for (auto [i, value] : llvm::enumerate(op->getOperands())) {
    auto sharding = dyn_cast_or_null<ShardingAttr>(function_.getResultAttr(i, kSharding));
    if (!sharding) continue;
    for (auto [d, dim] : llvm::enumerate(sharding.getPerDim()))
      if (dim.getPriority() <= level_ && !dim.getAxes().empty()) changed |= extendDim(op, value, d, Axes(dim.getAxes()), "result " + std::to_string(i));
  }
  return changed;
}

bool Propagation::visit(Operation *op, const graph::FactorRule &rule) {
  SmallVector<SmallVector<Candidate>> candidates(rule.factors.size());
  auto collectFrom = [&](Value value, const graph::FactoredValue &factored) {
    auto found = shardings_.find(value);
    if (found == shardings_.end()) return;
    for (auto [dim, loops] : llvm::zip_equal(found->second, factored.dims)) {
      if (dim.axes.empty() || dim.priority > level_) continue;
      std::string why;
      auto parts = distribute(dim.axes, loops, rule, mesh_, why);
      if (!parts) {
        remark(op, false, "NotDivided", factored.name + " of " + kindOf(op) + ": " + why);
        continue;
      }
      for (auto [f, part] : llvm::zip_equal(loops, *parts))
        if (!part.empty()) candidates[f].push_back({part, value});
    }
  };
  for (auto [value, factored] : llvm::zip_equal(op->getOperands(), rule.operands)) collectFrom(value, factored);
  for (auto [value, factored] : llvm::zip_equal(op->getResults(), rule.results)) collectFrom(value, factored);

  FactorAxes axes(rule.factors.size());
  bool any = false;
  for (auto [f, factor] : llvm::enumerate(rule.factors)) {
    if (factor.kind == graph::FactorKind::kWhole || factor.kind == graph::FactorKind::kGathered || candidates[f].empty()) continue;
    axes[f] = agreed(op, rule, f, candidates[f]);
    any |= !axes[f].empty();
  }
  if (!any) return false;
  bool changed = false;
  for (auto [value, factored] : llvm::zip_equal(op->getOperands(), rule.operands)) changed |= extend(op, rule, value, factored, axes);
  for (auto [value, factored] : llvm::zip_equal(op->getResults(), rule.results)) changed |= extend(op, rule, value, factored, axes);
  return changed;
}

/// The longest list that all candidates begin; where two go different ways, what they have in common.
Axes Propagation::agreed(Operation *op, const graph::FactorRule &rule, int64_t factor, ArrayRef<Candidate> candidates) {
  Axes longest = candidates.front().axes;
  for (const Candidate &candidate : candidates) {
    if (begins(candidate.axes, longest)) longest = candidate.axes;
    if (begins(longest, candidate.axes)) continue;
    size_t common = 0;
    while (common < longest.size() && common < candidate.axes.size() && longest[common] == candidate.axes[common]) ++common;
    remark(op, false, "Conflict",
           rule.factors[factor].name + " of " + kindOf(op) + ": " + nameOf(candidates.front().value) + " has " + textOf(longest) + ", " +
               nameOf(candidate.value) + " has " + textOf(candidate.axes));
    longest.truncate(common);
  }
  return longest;
}

bool Propagation::extend(Operation *op, const graph::FactorRule &rule, Value value, const graph::FactoredValue &factored, const FactorAxes &axes) {
  auto found = shardings_.find(value);
  if (found == shardings_.end()) return false;
  bool changed = false;
  for (auto [d, loops] : llvm::enumerate(factored.dims)) {
    if (llvm::all_of(loops, [&](int64_t f) { return axes[f].empty(); })) continue;
    // What other factors of the dimension have by now stays.
    FactorAxes all = axes;
    std::string why;
    if (auto parts = distribute(found->second[d].axes, loops, rule, mesh_, why))
      for (auto [f, part] : llvm::zip_equal(loops, *parts))
        if (axes[f].size() < part.size()) all[f] = part;
    std::string uneven;
    std::optional<Axes> wanted = collect(loops, all, rule, mesh_, &uneven);
    if (!wanted) {
      const std::string what = factored.name + " of " + kindOf(op) + ": ";
      uneven.empty() ? remark(op, false, "NotNeighbours", what + "a minor factor of dimension " + std::to_string(d) + " is split and the one in front of it is not")
                     : remark(op, false, "NotDivided", what + uneven);
      continue;
    }
    changed |= extendDim(op, value, d, *wanted, rule.factors[loops.front()].name);
  }
  return changed;
}

bool Propagation::extendDim(Operation *op, Value value, size_t d, Axes wanted, const Twine &why) {
  Sharding &dims = shardings_[value];
  DimAxes &dim = dims[d];
  if (wanted.size() <= dim.axes.size() || !begins(wanted, dim.axes)) return false;
  std::string what = "dimension " + std::to_string(d) + " of " + nameOf(value);
  if (!dim.open) {
    remark(op, false, "Closed", what + " stays as it was wished, without " + textOf(wanted));
    return false;
  }
  auto isTaken = [&](StringAttr axis) {
    return llvm::any_of(llvm::enumerate(dims), [&](auto other) { return other.index() != d && llvm::is_contained(other.value().axes, axis); });
  };
  SizeExpr left = graph::sizesOf(value.getType())[d];
  Axes taken;
  for (StringAttr axis : wanted) {
    int64_t ranks = mesh_.sizeOf(axis);
    if (llvm::is_contained(taken, axis) || (isTaken(axis) && !llvm::is_contained(dim.axes, axis))) {
      remark(op, false, "AxisTaken", what + " does not take " + axis.str() + ", which splits another " + (isTaken(axis) ? "dimension" : "factor") + " of it");
      break;
    }
    if (left.constant() && *left.constant() < ranks && !llvm::is_contained(dim.axes, axis)) {
      remark(op, false, "TooShort", what + " has " + left.str() + " left for the " + std::to_string(ranks) + " ranks of " + axis.str());
      break;
    }
    left = ceilDiv(left, ranks);
    taken.push_back(axis);
  }
  if (taken.size() <= dim.axes.size()) return false;
  dim.axes = taken;
  ++numTaken_;
  remark(op, true, "Taken", what + " takes " + textOf(taken) + " (" + why.str() + " of " + kindOf(op) + ")");
  return true;
}

RankedTensorType Propagation::typeOf(Value value) const {
  auto type = cast<RankedTensorType>(value.getType());
  auto found = shardings_.find(value);
  if (found == shardings_.end()) return type;
  States states;
  for (auto [d, dim] : llvm::enumerate(found->second))
    for (StringAttr axis : dim.axes) states.push_back(AxisState::shard(axis, d));
  return withStates(type, states);
}

}  // namespace jinx::passes
