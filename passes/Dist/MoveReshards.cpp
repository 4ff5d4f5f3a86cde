// Fewer and cheaper collectives: reshards wait until somebody needs them.
//
// Down: what is linear takes parts of sums, so the sum may be made behind it. Where two parts meet, one collective is left; where the reshard meets one to a shard, a reduce_scatter:
//
//   %s = dist.reshard %p : partial -> replicated         %u = jinx.add %p, %q : partial, partial -> partial
//   %t = dist.reshard %q : partial -> replicated         %v = jinx.transpose %u, [1, 0] : partial -> partial
//   %u = jinx.add %s, %t                                 %w = dist.reshard %v : partial -> shard 0
//   %v = jinx.transpose %u, [1, 0]
//   %w = dist.reshard %v : replicated -> shard 0
//
//   two all_reduce and a slice                           a reduce_scatter
//
// Joined: of two reshards one behind the other there is one. Shared: what several reshards make of one value they make of each other where that is cheaper: of a value that is gathered
// for somebody a part is a slice. All of this by the costs of ReshardPath.h; what costs the same moves, since it may meet another.
#include "ir/Dist/FactorAxes.h"
#include "ir/Dist/Forms.h"
#include "mlir/IR/Builders.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Dist/Filling.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_MOVERESHARDS
#include "passes/Dist/DistPasses.h.inc"

namespace {

constexpr StringLiteral kPass = "jinx-move-reshards";

class ReshardMover {
 public:
  ReshardMover(func::FuncOp function, MeshOp mesh, MeshCosts costs) : body_(function.getBody().front()), mesh_(mesh), costs_(std::move(costs)), builder_(function) {}

  void run() {
    for (Operation *op : operators()) moveBehind(op);
    for (Operation *op : operators())
      if (auto reshard = dyn_cast<ReshardOp>(op)) join(reshard);
    SmallVector<Value> values(body_.getArguments());
    for (Operation *op : operators())
      if (!isa<ReshardOp>(op)) llvm::append_range(values, op->getResults());
    for (Value value : values) share(value);
  }

  int64_t numMoved = 0, numJoined = 0, numShared = 0;

 private:
  SmallVector<Operation *> operators() {
    SmallVector<Operation *> ops;
    for (Operation &op : body_) ops.push_back(&op);
    return ops;
  }

  /// Seconds of the path between two types; nullopt where none leads there.
  std::optional<double> costOf(Type from, Type to) {
    auto seconds = secondsBetween(from, to, mesh_, costs_);
    return seconds ? std::optional(*seconds) : std::nullopt;
  }
  double bytesOf(RankedTensorType type) { return ownBytes(type, mesh_, costs_.symbol()); }
  /// `type` that is partial on these axes, whatever it is there now.
  RankedTensorType partialOn(Type type, ArrayRef<AxisState> partial) {
    States states(partial);
    for (const AxisState &state : statesOf(type))
      if (llvm::none_of(partial, [&](const AxisState &other) { return other.axis == state.axis; })) states.push_back(state);
    return withStates(cast<RankedTensorType>(type), inMeshOrder(states, mesh_));
  }

  // ---- down ----

  /// Replicated, or the minor axis of a dimension: what is left when the axis goes are parts still.
  static bool isOnTop(Type type, StringAttr axis) {
    AxisState state = stateOf(type, axis);
    return state.kind == StateKind::replicate || (state.kind == StateKind::shard && axesOf(type, state.dim).back() == axis);
  }
  static bool isShard(Type type, StringAttr axis) { return stateOf(type, axis).kind == StateKind::shard; }

  /// The parts that reshards in front of an operator join and that it would take as they are.
  States partsThrough(Operation *op) {
    States through;
    for (StringAttr axis : mesh_.getAxes().getAsRange<StringAttr>()) {
      auto onTop = [&](Type type) { return isOnTop(type, axis); };
      auto shard = [&](Type type) { return isShard(type, axis); };
      if (!llvm::all_of(op->getOperandTypes(), onTop) || !llvm::all_of(op->getResultTypes(), onTop)) continue;
      if (llvm::any_of(op->getOperandTypes(), shard) != llvm::all_of(op->getResultTypes(), shard)) continue;
      SmallVector<std::optional<graph::ReduceKind>> parts;
      bool any = false, others = false;
      for (Value operand : op->getOperands()) {
        auto reshard = operand.getDefiningOp<ReshardOp>();
        AxisState before = reshard ? stateOf(reshard.getX().getType(), axis) : AxisState{axis};
        const bool isPart = before.kind == StateKind::partial;
        parts.push_back(isPart ? std::optional(before.reduction) : std::nullopt);
        any |= isPart;
        others |= !isPart && shard(operand.getType());
      }
      if (!any || others) continue;
      if (auto kind = partialResult(op, parts)) through.push_back(AxisState::partial(axis, *kind));
    }
    return through;
  }

  void moveBehind(Operation *op) {
    if (op->getNumOperands() == 0 || op->getNumRegions() || isa<ReshardOp>(op) || op->hasTrait<OpTrait::IsTerminator>()) return;
    if (llvm::none_of(op->getOperands(), [](Value operand) { return operand.getDefiningOp<ReshardOp>(); })) return;
    auto rule = graph::factorRule(op);
    States through = rule ? partsThrough(op) : States();
    if (through.empty()) return;
    auto types = typesOfParts(op, *rule, through);
    if (!types || !pays(op, through, *types)) return;
    move(op, through, *types);
    say(passed(op, kPass, "Moved"), [&] { return "parts go through " + kindOf(op) + ", and are joined behind it: " + describe(through); });
    ++numMoved;
  }

  /// What each operand would be: as it is (null), or partial where its reshard joins parts. Nothing where partitioning writes something that is no part of a sum.
  std::optional<SmallVector<RankedTensorType>> typesOfParts(Operation *op, const graph::FactorRule &rule, ArrayRef<AxisState> through) {
    FactorAxes axes = axesOfFactors(op, rule, mesh_);
    for (Axes &walked : axes)
      llvm::erase_if(walked, [&](StringAttr axis) { return llvm::any_of(through, [&](const AxisState &state) { return state.axis == axis; }); });
    // Of a table in parts a rank gives what lies in its part, and 0 beside it.
    if (isa<graph::GatherOp>(op) && isGathered(rule, axes)) return std::nullopt;
    SmallVector<RankedTensorType> types;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      auto reshard = operand.getDefiningOp<ReshardOp>();
      States mine;
      for (const AxisState &state : through)
        if (reshard && stateOf(reshard.getX().getType(), state.axis) == state) mine.push_back(state);
      if (!mine.empty() && needsFilling(op, rule, axes, mesh_, i)) return std::nullopt;
      types.push_back(mine.empty() ? RankedTensorType() : partialOn(operand.getType(), mine));
    }
    return types;
  }

  bool pays(Operation *op, ArrayRef<AxisState> through, ArrayRef<RankedTensorType> types) {
    double before = 0, after = 0;
    llvm::SmallPtrSet<Operation *, 4> counted;
    for (auto [operand, type] : llvm::zip_equal(op->getOperands(), types)) {
      auto reshard = operand.getDefiningOp<ReshardOp>();
      if (!type || !counted.insert(reshard).second) continue;
      bool onlyHere = llvm::all_of(operand.getUsers(), [&](Operation *user) { return user == op; });
      auto now = costOf(reshard.getX().getType(), operand.getType()), then = costOf(reshard.getX().getType(), type);
      if (!now || !then) return false;
      before += onlyHere ? *now : 0;
      after += *then;
    }
    for (Value result : op->getResults()) {
      if (result.use_empty()) continue;
      auto type = cast<RankedTensorType>(result.getType());
      RankedTensorType partial = partialOn(type, through);
      auto behind = costOf(partial, type);
      if (!behind) return false;
      // Of parts of a shard the operator computes more.
      after += *behind + costs_.secondsOfBytes(bytesOf(partial) - bytesOf(type));
    }
    return after <= before * (1 + 1e-9);
  }

  void move(Operation *op, ArrayRef<AxisState> through, ArrayRef<RankedTensorType> types) {
    for (auto [operand, type] : llvm::zip_equal(op->getOpOperands(), types)) {
      if (!type) continue;
      auto reshard = operand.get().getDefiningOp<ReshardOp>();
      operand.set(resharded(reshard.getX(), type, op));
      if (reshard->use_empty()) reshard.erase();
    }
    for (Value result : op->getResults()) {
      Type type = result.getType();
      result.setType(partialOn(type, through));
      if (result.use_empty()) continue;
      builder_.setInsertionPointAfter(op);
      auto reshard = ReshardOp::create(builder_, op->getLoc(), type, result);
      result.replaceAllUsesExcept(reshard.getY(), reshard);
    }
  }
  Value resharded(Value value, RankedTensorType type, Operation *before) {
    if (value.getType() == type) return value;
    builder_.setInsertionPoint(before);
    return ReshardOp::create(builder_, value.getLoc(), type, value);
  }

  // ---- joined and shared ----

  /// Two, one behind the other. Where somebody else sees the value between them, `share` decides whether it is made of that after all.
  void join(ReshardOp outer) {
    auto inner = outer.getX().getDefiningOp<ReshardOp>();
    if (!inner || !costOf(inner.getX().getType(), outer.getY().getType())) return;
    outer.getXMutable().assign(inner.getX());
    if (inner->use_empty()) {
      say(passed(outer, kPass, "Joined"),
          [&] { return "two reshards are one, from " + describe(statesOf(inner.getX().getType())) + " to " + describe(statesOf(outer.getY().getType())); });
      inner.erase();
      ++numJoined;
    }
    if (outer.getX().getType() != outer.getY().getType()) return;
    outer.getY().replaceAllUsesWith(outer.getX());
    outer.erase();
  }

  /// In which order reshards of one value are made, and of what: -1 is the value, others are places in the list.
  struct Plan {
    SmallVector<std::pair<size_t, int64_t>> steps;
    double seconds = 0;
  };
  /// The one that is named first, then always what costs least.
  std::optional<Plan> planFrom(size_t first, Value value, MutableArrayRef<ReshardOp> reshards) {
    Plan plan;
    SmallVector<bool> isMade(reshards.size());
    while (plan.steps.size() < reshards.size()) {
      std::optional<double> least;
      std::pair<size_t, int64_t> step;
      for (size_t i = 0; i < reshards.size(); ++i) {
        if (isMade[i] || (plan.steps.empty() && i != first)) continue;
        for (int64_t from = -1; from < int64_t(reshards.size()); ++from) {
          if (from >= 0 && !isMade[from]) continue;
          auto cost = costOf(from < 0 ? value.getType() : reshards[from].getY().getType(), reshards[i].getY().getType());
          if (cost && (!least || *cost < *least)) least = cost, step = {i, from};
        }
      }
      if (!least) return std::nullopt;
      isMade[step.first] = true;
      plan.steps.push_back(step);
      plan.seconds += *least;
    }
    return plan;
  }

  /// Reshards of one value: of each other where that is cheaper.
  void share(Value value) {
    SmallVector<ReshardOp> reshards;
    for (Operation *user : value.getUsers())
      if (auto reshard = dyn_cast<ReshardOp>(user)) reshards.push_back(reshard);
    if (reshards.size() < 2) return;
    llvm::sort(reshards, [](ReshardOp a, ReshardOp b) { return a->isBeforeInBlock(b); });
    std::optional<Plan> best;
    for (size_t first = 0; first < reshards.size(); ++first)
      if (auto plan = planFrom(first, value, reshards); plan && (!best || plan->seconds < best->seconds)) best = plan;
    if (!best) return;
    builder_.setInsertionPointAfterValue(value);
    Operation *last = nullptr;
    for (auto [place, from] : best->steps) {
      ReshardOp reshard = reshards[place];
      last ? reshard->moveAfter(last) : reshard->moveBefore(&*builder_.getInsertionPoint());
      last = reshard;
      if (from < 0) continue;
      Value source = reshards[from].getY();
      reshard.getXMutable().assign(source);
      ++numShared;
      say(passed(reshard, kPass, "Shared"),
          [&] { return describe(statesOf(reshard.getY().getType())) + " is made of " + describe(statesOf(source.getType())) + ", which is there already"; });
    }
    for (ReshardOp reshard : reshards)
      if (reshard.getX().getType() == reshard.getY().getType()) {
        reshard.getY().replaceAllUsesWith(reshard.getX());
        reshard.erase();
      }
  }

  Block &body_;
  MeshOp mesh_;
  MeshCosts costs_;
  OpBuilder builder_;
};

struct MoveReshards : impl::MoveReshardsBase<MoveReshards> {
  using MoveReshardsBase::MoveReshardsBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kPlaced);
    if (!mesh || function.isExternal()) return;
    auto costs = costsOf(function, network);
    if (failed(costs)) return signalPassFailure();
    ReshardMover mover(function, mesh, *costs);
    mover.run();
    numMoved += mover.numMoved;
    numJoined += mover.numJoined;
    numShared += mover.numShared;
  }
};

}  // namespace
}  // namespace jinx::passes
