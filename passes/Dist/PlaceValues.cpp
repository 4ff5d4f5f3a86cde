// From wishes to a placed function: every type says what ranks have of the value, and dist.reshard stands wherever that changes.
//
// Propagation finds what each value would like to be. Then, operator by operator: its factors get the axes of the operands and results that have them; where those differ, what most
// bytes have is taken. Operands that are something else are resharded in front, results that propagation wants otherwise (sums of parts, above all) behind.
#include "mlir/IR/Builders.h"
#include "mlir/Transforms/RegionUtils.h"
#include "passes/Dist/Propagation.h"
#include "passes/Dist/ReshardPath.h"
#include "passes/Dist/DistPasses.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_PLACEVALUES
#include "passes/Dist/DistPasses.h.inc"

namespace {

class Placer {
 public:
  Placer(func::FuncOp function, MeshOp mesh, const Propagation &wanted) : function_(function), mesh_(mesh), wanted_(wanted), builder_(function) {}

  int64_t run() {
    Block &body = function_.getBody().front();
    SmallVector<Operation *> ops;
    for (Operation &op : body) ops.push_back(&op);
    // Types first: what a value is wanted to be is asked by the types that it has before.
    SmallVector<std::pair<Value, RankedTensorType>> arguments;
    for (BlockArgument argument : body.getArguments())
      if (isa<RankedTensorType>(argument.getType())) arguments.push_back({argument, wanted_.typeOf(argument)});
    for (auto [argument, type] : arguments) argument.setType(type);
    for (Operation *op : ops) place(op);
    joinReshards(body);
    placeSignature();
    return numReshards_;
  }

 private:
  void place(Operation *op) {
    builder_.setInsertionPoint(op);
    if (auto constrain = dyn_cast<ConstrainOp>(op)) return placeConstrain(constrain);
    if (op->hasTrait<OpTrait::IsTerminator>()) return placeReturn(op);
    auto rule = graph::factorRule(op);
    rule ? placeByRule(op, *rule) : placeWhole(op);
  }

  /// `value` with the states of `type`; the same reshard for all who ask.
  Value as(Value value, RankedTensorType type) {
    if (value.getType() == type) return value;
    Value &made = reshards_[{value, type}];
    if (!made) {
      OpBuilder::InsertionGuard guard(builder_);
      builder_.setInsertionPointAfterValue(value);
      made = ReshardOp::create(builder_, value.getLoc(), type, value);
      ++numReshards_;
    }
    return made;
  }
  RankedTensorType wholeType(Value value) { return withoutStates(cast<RankedTensorType>(value.getType())); }

  void placeConstrain(ConstrainOp op) {
    RankedTensorType type = wanted_.typeOf(op.getY());
    op.getY().replaceAllUsesWith(as(op.getX(), type));
    op.erase();
  }

  /// Callers get whole tensors where nobody wished something else.
  void placeReturn(Operation *op) {
    for (auto [i, operand] : llvm::enumerate(op->getOpOperands())) {
      if (!isa<RankedTensorType>(operand.get().getType())) continue;
      auto sharding = function_.getResultAttrOfType<ShardingAttr>(i, kSharding);
      operand.set(as(operand.get(), withStates(wholeType(operand.get()), sharding ? statesOf(sharding, operand.get()) : States())));
    }
  }
  /// As it was wished; where a dimension is open to more, as the value is.
  States statesOf(ShardingAttr sharding, Value value) {
    States states;
    llvm::SmallDenseSet<StringAttr> used;
    for (DimShardingAttr dim : sharding.getPerDim()) used.insert(dim.getAxes().begin(), dim.getAxes().end());
    for (auto [d, dim] : llvm::enumerate(sharding.getPerDim())) {
      SmallVector<StringAttr> axes(dim.getAxes()), has = axesOf(value.getType(), d);
      if (dim.getOpen() && has.size() > axes.size() && std::equal(axes.begin(), axes.end(), has.begin()))
        for (StringAttr more : ArrayRef(has).drop_front(axes.size())) {
          if (!used.insert(more).second) break;
          axes.push_back(more);
        }
      for (StringAttr axis : axes) states.push_back(AxisState::shard(axis, d));
    }
    return states;
  }

  void placeWhole(Operation *op) {
    for (OpOperand &operand : op->getOpOperands())
      if (isa<RankedTensorType>(operand.get().getType())) operand.set(as(operand.get(), wholeType(operand.get())));
    if (op->getNumRegions() == 0) return;
    llvm::SetVector<Value> used;
    getUsedValuesDefinedAbove(op->getRegions(), used);
    for (Value value : used) {
      if (!isa<RankedTensorType>(value.getType()) || value.getType() == wholeType(value)) continue;
      Value whole = as(value, wholeType(value));
      for (Region &region : op->getRegions()) replaceAllUsesInRegionWith(value, whole, region);
    }
  }

  void placeByRule(Operation *op, const graph::FactorRule &rule) {
    FactorAxes axes = chooseAxes(op, rule);
    for (auto [operand, factored] : llvm::zip_equal(op->getOpOperands(), rule.operands))
      operand.set(as(operand.get(), typeBy(operand.get(), factored, rule, axes, /*partial=*/false)));
    for (auto [result, factored] : llvm::zip_equal(op->getResults(), rule.results)) {
      RankedTensorType made = typeBy(result, factored, rule, axes, /*partial=*/true), wanted = wanted_.typeOf(result);
      result.setType(made);
      if (made == wanted || result.use_empty()) continue;
      SmallVector<OpOperand *> uses;
      for (OpOperand &use : result.getUses()) uses.push_back(&use);
      Value settled = as(result, wanted);
      for (OpOperand *use : uses) use->set(settled);
    }
  }

  /// What nobody sees between two reshards need not be there: partial, then replicated, then a shard is partial, then a shard.
  void joinReshards(Block &body) {
    for (Operation &op : llvm::make_early_inc_range(body)) {
      auto outer = dyn_cast<ReshardOp>(op);
      auto inner = outer ? outer.getX().getDefiningOp<ReshardOp>() : ReshardOp();
      if (!inner || !inner->hasOneUse()) continue;
      outer.getXMutable().assign(inner.getX());
      inner.erase();
      --numReshards_;
      if (outer.getX().getType() != outer.getY().getType()) continue;
      outer.getY().replaceAllUsesWith(outer.getX());
      outer.erase();
      --numReshards_;
    }
  }

  /// Why no part of a factor can be computed by itself; empty where it can (Partition.cpp).
  static StringRef whyWhole(Operation *op, const graph::Factor &factor) {
    if (op->hasTrait<OpTrait::ConstantLike>() || isa<graph::SizesOp>(op)) return "every rank has it, and a slice costs nothing";
    if (factor.kind == graph::FactorKind::kWhole) return "it needs all of it";
    if (factor.kind == graph::FactorKind::kGathered && !isa<graph::GatherOp, graph::ExpertsOp>(op))
      return "only gather and experts read a part of what data name";
    return "";
  }
  /// The same, by how many parts there would be.
  StringRef whyNotInParts(Operation *op, const graph::Factor &factor, const Axes &axes) {
    bool uneven = !factor.size.exactDivide(ranksOf(axes, mesh_));
    if (uneven && factor.kind == graph::FactorKind::kReduced && isa<graph::AttentionGradOp>(op) && factor.name == "m")
      return "a key that is filled up has a weight, exp(-lse)";
    return "";
  }
  bool maySplit(Operation *op, const graph::Factor &factor, const Axes &axes) {
    StringRef why = whyWhole(op, factor);
    if (why.empty()) why = whyNotInParts(op, factor, axes);
    if (!why.empty() && !op->hasTrait<OpTrait::ConstantLike>())
      say(missed(op, "jinx-place-values", "KeptWhole"),
          [&] { return factor.name + " of " + kindOf(op) + " is not split by " + textOf(axes) + ": " + why.str(); });
    return why.empty();
  }

  /// For each factor the axes that most bytes are split by already; an axis that two factors want goes to the one with more.
  FactorAxes chooseAxes(Operation *op, const graph::FactorRule &rule) {
    SmallVector<SmallVector<std::pair<Axes, double>>> votes(rule.factors.size());
    auto vote = [&](Value value, RankedTensorType type, const graph::FactoredValue &factored) {
      double bytes = ownBytes(wholeType(value), mesh_, MeshCosts::symbol());
      for (auto [d, loops] : llvm::enumerate(factored.dims)) {
        std::string reason;
        auto parts = distribute(axesOf(type, d), loops, rule, mesh_, reason);
        if (!parts) continue;
        for (auto [f, part] : llvm::zip_equal(loops, *parts)) {
          if (part.empty() || !maySplit(op, rule.factors[f], part)) continue;
          auto *same = llvm::find_if(votes[f], [&](auto &vote) { return vote.first == part; });
          if (same == votes[f].end()) votes[f].push_back({part, bytes});
          else same->second += bytes;
        }
      }
    };
    for (auto [value, factored] : llvm::zip_equal(op->getOperands(), rule.operands)) vote(value, cast<RankedTensorType>(value.getType()), factored);
    for (auto [value, factored] : llvm::zip_equal(op->getResults(), rule.results)) vote(value, wanted_.typeOf(value), factored);
    FactorAxes axes(rule.factors.size());
    SmallVector<double> weight(rule.factors.size(), -1);
    for (auto [f, candidates] : llvm::enumerate(votes))
      for (auto &candidate : candidates)
        if (candidate.second > weight[f]) std::tie(axes[f], weight[f]) = candidate;
    dropSecondUses(rule, weight, axes);
    return dropUncollectable(rule, axes);
  }

  static void dropSecondUses(const graph::FactorRule &rule, ArrayRef<double> weight, FactorAxes &axes) {
    SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, rule.factors.size()));
    llvm::stable_sort(order, [&](int64_t a, int64_t b) { return weight[a] > weight[b]; });
    llvm::SmallDenseSet<StringAttr> used;
    for (int64_t f : order)
      for (size_t i = 0; i < axes[f].size(); ++i)
        if (!used.insert(axes[f][i]).second) {
          axes[f].truncate(i);
          break;
        }
  }

  /// Factors whose parts would not be neighbours in some dimension stay whole.
  FactorAxes dropUncollectable(const graph::FactorRule &rule, FactorAxes axes) {
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto *values : {&rule.operands, &rule.results})
        for (const graph::FactoredValue &value : *values)
          for (const graph::Loops &loops : value.dims) {
            if (collect(loops, axes, rule, mesh_)) continue;
            // The last factor that is split goes first.
            int64_t last = -1;
            for (int64_t f : loops)
              if (!axes[f].empty()) last = f;
            axes[last].clear();
            changed = true;
          }
    }
    return axes;
  }

  RankedTensorType typeBy(Value value, const graph::FactoredValue &factored, const graph::FactorRule &rule, const FactorAxes &axes, bool partial) {
    States states;
    SmallVector<bool> has(rule.factors.size());
    for (auto [d, loops] : llvm::enumerate(factored.dims)) {
      const std::optional<Axes> split = collect(loops, axes, rule, mesh_);  // a name of its own: what a range-for reads of a temporary is gone
      for (StringAttr axis : *split) states.push_back(AxisState::shard(axis, d));
      for (int64_t f : loops) has[f] = true;
    }
    for (StringAttr axis : mesh_.getAxes().getAsRange<StringAttr>())
      for (auto [f, factor] : llvm::enumerate(rule.factors)) {
        if (!partial || has[f] || !llvm::is_contained(axes[f], axis)) continue;
        if (factor.kind == graph::FactorKind::kReduced) states.push_back(AxisState::partial(axis, factor.reduction));
        if (factor.kind == graph::FactorKind::kGathered) states.push_back(AxisState::partial(axis, graph::ReduceKind::sum));
      }
    return withStates(cast<RankedTensorType>(value.getType()), states);
  }

  void placeSignature() {
    Block &body = function_.getBody().front();
    function_.setType(FunctionType::get(function_.getContext(), body.getArgumentTypes(), body.getTerminator()->getOperandTypes()));
    for (unsigned i = 0; i < function_.getNumArguments(); ++i) function_.removeArgAttr(i, kSharding);
    for (unsigned i = 0; i < function_.getNumResults(); ++i) function_.removeResultAttr(i, builder_.getStringAttr(kSharding));
    function_->setAttr(kPlaced, function_->getAttr(kAnnotated));
    function_->removeAttr(kAnnotated);
  }

  func::FuncOp function_;
  MeshOp mesh_;
  const Propagation &wanted_;
  OpBuilder builder_;
  llvm::MapVector<std::pair<Value, Type>, Value> reshards_;
  int64_t numReshards_ = 0;
};

struct PlaceValues : impl::PlaceValuesBase<PlaceValues> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kAnnotated);
    if (!mesh || function.isExternal()) return;
    Propagation propagation(function, mesh);
    propagation.run();
    numTaken += propagation.numTaken();
    numReshards += Placer(function, mesh, propagation).run();
  }
};

}  // namespace
}  // namespace jinx::passes
