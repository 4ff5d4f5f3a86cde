// From whole values to those of one rank: the same program for all ranks, with collectives, and the symbols rank.tp, … for a rank's coordinates.
//
//   %y = jinx.matmul %x, %w : tensor<8x64xf32, #dist.on<"tp" = shard 1>>, tensor<64x16xf32, #dist.on<"tp" = shard 0>> -> tensor<8x16xf32, #dist.on<"tp" = partial sum>>
//   %z = dist.reshard %y : … -> tensor<8x16xf32>
//
// becomes, on 4 ranks,
//
//   %y = jinx.matmul %x, %w : tensor<8x16xf32, #dist.on<"tp" = varying>>, tensor<16x16xf32, …> -> tensor<8x16xf32, #dist.on<"tp" = partial sum>>
//   %z = dist.all_reduce sum %y over ["tp"] : … -> tensor<8x16xf32>
//
// An operator keeps its attributes: what its factor rule lets be split does not stand in them, but for the few in `adapt`. Sums over parts that are filled up see neutral elements
// there; gathers from a part of a table read what lies in it and give 0 for the rest.
#include "mlir/IR/IRMapping.h"
#include "passes/Dist/OwnValues.h"
#include "passes/Dist/Propagation.h"
#include "passes/Dist/DistPasses.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_PARTITION
#include "passes/Dist/DistPasses.h.inc"

namespace {

constexpr StringLiteral kPass = "jinx-partition";

class Partitioner {
 public:
  Partitioner(func::FuncOp function, MeshOp mesh, WireCost cost) : function_(function), mesh_(mesh), cost_(cost), builder_(function), own_(builder_, mesh) {}

  LogicalResult run() {
    Block &body = function_.getBody().front();
    SmallVector<Operation *> ops;
    for (Operation &op : body) ops.push_back(&op);
    takeSignature(body);
    for (Operation *op : ops) {
      builder_.setInsertionPoint(op);
      if (failed(partition(op))) return failure();
    }
    for (Operation *op : llvm::reverse(ops))
      if (!op->hasTrait<OpTrait::IsTerminator>() && op->getBlock()) op->erase();
    function_.setType(FunctionType::get(function_.getContext(), body.getArgumentTypes(), body.getTerminator()->getOperandTypes()));
    function_->setAttr(kOwn, function_->getAttr(kPlaced));
    function_->removeAttr(kPlaced);
    return success();
  }

  int64_t numCollectives = 0, numMasks = 0;

 private:
  /// Arguments are what a rank has of them; what they are of stands beside them.
  void takeSignature(Block &body) {
    for (BlockArgument argument : body.getArguments()) {
      auto placed = dyn_cast<RankedTensorType>(argument.getType());
      if (!placed) continue;
      placedTypes_[argument] = placed;
      if (!statesOf(placed).empty()) function_.setArgAttr(argument.getArgNumber(), kWholeType, TypeAttr::get(placed));
      argument.setType(own_.ownType(placed));
    }
    for (auto [i, type] : llvm::enumerate(function_.getResultTypes()))
      if (!statesOf(type).empty()) function_.setResultAttr(i, kWholeType, TypeAttr::get(type));
  }

  /// The value of the rank's own program that stands for a placed one.
  Value ownOf(Value placed) {
    Value own = values_.lookup(placed);
    return own ? own : placed;
  }
  RankedTensorType placedType(Value value) {
    auto found = placedTypes_.find(value);
    return found == placedTypes_.end() ? cast<RankedTensorType>(value.getType()) : found->second;
  }

  LogicalResult partition(Operation *op) {
    if (op->hasTrait<OpTrait::IsTerminator>()) {
      for (OpOperand &operand : op->getOpOperands()) operand.set(ownOf(operand.get()));
      return success();
    }
    if (auto reshard = dyn_cast<ReshardOp>(op)) return lower(reshard);
    auto rule = graph::factorRule(op);
    if (!rule || isWhole(op)) {
      IRMapping mapping;
      for (auto [placed, own] : values_) mapping.map(placed, own);
      Operation *copy = builder_.clone(*op, mapping);
      for (auto [placed, own] : llvm::zip_equal(op->getResults(), copy->getResults())) values_[placed] = own;
      return success();
    }
    return split(op, *rule);
  }
  /// No axis splits anything of it.
  bool isWhole(Operation *op) {
    auto whole = [&](Value value) { return !isa<RankedTensorType>(value.getType()) || statesOf(placedType(value)).empty(); };
    return llvm::all_of(op->getOperands(), whole) && llvm::all_of(op->getResults(), whole);
  }

  LogicalResult split(Operation *op, const graph::FactorRule &rule) {
    FactorAxes axes = axesOfFactors(op, rule);
    SmallVector<Value> operands;
    for (auto [value, factored] : llvm::zip_equal(op->getOperands(), rule.operands)) operands.push_back(maskFilling(op, value, factored, rule, axes));
    SmallVector<Type> types;
    for (Value result : op->getResults()) types.push_back(own_.ownType(placedType(result)));
    SmallVector<Value> results;
    if (auto gather = dyn_cast<graph::GatherOp>(op); gather && isGathered(rule, axes)) {
      results.push_back(splitGather(gather, operands, cast<RankedTensorType>(types[0]), axes, rule));
    } else if (auto iota = dyn_cast<graph::IotaOp>(op)) {
      results.push_back(splitIota(iota, cast<RankedTensorType>(types[0])));
    } else {
      OperationState state(op->getLoc(), op->getName(), operands, types, op->getAttrs());
      state.propertiesAttr = op->getPropertiesAsAttribute();
      Operation *copy = builder_.create(state);
      adapt(copy, rule, axes);
      llvm::append_range(results, copy->getResults());
    }
    for (auto [placed, own] : llvm::zip_equal(op->getResults(), results)) values_[placed] = own;
    return success();
  }

  FactorAxes axesOfFactors(Operation *op, const graph::FactorRule &rule) {
    FactorAxes axes(rule.factors.size());
    auto take = [&](Value value, const graph::FactoredValue &factored) {
      for (auto [d, loops] : llvm::enumerate(factored.dims)) {
        std::string why;
        auto parts = distribute(axesOf(placedType(value), d), loops, rule, mesh_, why);
        for (auto [f, part] : llvm::zip_equal(loops, *parts))  // the verifier has seen that they go in
          if (!part.empty()) axes[f] = part;
      }
    };
    for (auto [value, factored] : llvm::zip_equal(op->getOperands(), rule.operands)) take(value, factored);
    for (auto [value, factored] : llvm::zip_equal(op->getResults(), rule.results)) take(value, factored);
    return axes;
  }

  /// What a rank has of an operand, with neutral elements where a sum would see the filling.
  Value maskFilling(Operation *op, Value value, const graph::FactoredValue &factored, const graph::FactorRule &rule, const FactorAxes &axes) {
    Value own = ownOf(value);
    for (auto [d, loops] : llvm::enumerate(factored.dims)) {
      if (loops.size() != 1 || axes[loops[0]].empty()) continue;  // factors with others behind them divide
      const graph::Factor &factor = rule.factors[loops[0]];
      if (factor.kind != graph::FactorKind::kReduced || factor.size.exactDivide(ranksOf(axes[loops[0]], mesh_))) continue;
      own = own_.mask(op->getLoc(), own, d, factor.size, axes[loops[0]], toReduceKind(factor.reduction));
      ++numMasks;
    }
    return own;
  }

  static bool isGathered(const graph::FactorRule &rule, const FactorAxes &axes) {
    return llvm::any_of(llvm::enumerate(rule.factors), [&](auto entry) { return entry.value().kind == graph::FactorKind::kGathered && !axes[entry.index()].empty(); });
  }

  /// y = x[index - first] where that lies in this rank's part of x, else 0: the sum over ranks is the gather.
  Value splitGather(graph::GatherOp op, ArrayRef<Value> operands, RankedTensorType type, const FactorAxes &axes, const graph::FactorRule &rule) {
    using namespace graph;
    Location loc = op.getLoc();
    auto gathered = llvm::find_if(llvm::enumerate(rule.factors), [](auto entry) { return entry.value().kind == FactorKind::kGathered; });
    const Axes &over = axes[(*gathered).index()];
    int64_t axis = op.getAxis();
    SizeExpr whole = sizesOf(op.getX().getType())[axis], part = sizesOf(operands[0].getType())[axis];
    auto indexType = cast<RankedTensorType>(operands[1].getType());
    RankedTensorType wide = withElementType(indexType, builder_.getI64Type()), local = own_.varyingOn(wide, over);
    int64_t rank = wide.getRank();
    Value index = indexType == wide ? operands[1] : CastOp::create(builder_, loc, wide, operands[1]).getResult();
    Value zero = own_.number(loc, 0, rank);
    RankedTensorType flags = withElementType(wide, builder_.getI1Type()), localFlags = own_.varyingOn(flags, over);
    // Negative indices count from the end of the whole.
    Value negative = CompareOp::create(builder_, loc, flags, ComparePredicate::lt, index, zero);
    Value fromEnd = AddOp::create(builder_, loc, wide, index, own_.number(loc, whole, rank));
    index = SelectOp::create(builder_, loc, wide, negative, fromEnd, index);
    Value inPart = SubOp::create(builder_, loc, local, index, own_.number(loc, part * own_.place(over), rank));
    Value low = CompareOp::create(builder_, loc, localFlags, ComparePredicate::ge, inPart, zero);
    Value high = CompareOp::create(builder_, loc, localFlags, ComparePredicate::lt, inPart, own_.number(loc, part, rank));
    Value inside = AndOp::create(builder_, loc, localFlags, low, high);
    Value safe = SelectOp::create(builder_, loc, local, inside, inPart, zero);
    RankedTensorType varying = varyingInstead(type, over);
    Value y = GatherOp::create(builder_, loc, varying, operands[0], safe, axis);
    // The flags stand at the dimensions of the indices: axis, axis + 1, …
    Sizes shape(type.getRank(), SizeExpr(1));
    Sizes indexSizes = sizesOf(wide);
    for (int64_t d = 0; d < rank; ++d) shape[axis + d] = indexSizes[d];
    RankedTensorType spread = withStates(tensorOf(shape, builder_.getI1Type()), statesOf(localFlags));
    Value at = ReshapeOp::create(builder_, loc, spread, inside);
    Value none = own_.scalar(loc, neutralOf(ReduceKind::sum, type.getElementType()), type.getElementType());
    return SelectOp::create(builder_, loc, type, at, y, none);
  }
  static RankedTensorType varyingInstead(RankedTensorType type, const Axes &axes) {
    States states(statesOf(type));
    for (AxisState &state : states)
      if (llvm::is_contained(axes, state.axis)) state = {state.axis, StateKind::varying};
    return withStates(type, states);
  }

  /// start + step * (first + i), first the place of the rank's part.
  Value splitIota(graph::IotaOp op, RankedTensorType type) {
    using namespace graph;
    Location loc = op.getLoc();
    auto axes = axesOf(placedType(op.getY()), op.getAxis());
    RankedTensorType plain = withoutStates(type), wide = withElementType(plain, builder_.getI64Type());
    if (axes.empty()) return IotaOp::create(builder_, loc, plain, op.getAxis(), op.getStart(), op.getStep());
    SizeExpr part = sizesOf(type)[op.getAxis()];
    Value here = IotaOp::create(builder_, loc, wide, op.getAxis(), op.getStart(), op.getStep());
    Value first = own_.number(loc, SizeExpr(op.getStep()) * part * own_.place(axes), type.getRank());
    RankedTensorType sum = own_.varyingOn(wide, axes);
    Value y = AddOp::create(builder_, loc, sum, here, first);
    return type == sum ? y : CastOp::create(builder_, loc, type, y).getResult();
  }

  /// Attributes that repeat a size.
  void adapt(Operation *op, const graph::FactorRule &rule, const FactorAxes &axes) {
    auto conv = dyn_cast<graph::ConvOp>(op);
    if (!conv || conv.getGroup() == 1) return;
    for (auto [f, factor] : llvm::enumerate(rule.factors))
      if (factor.name == "group") conv.setGroup(conv.getGroup() / ranksOf(axes[f], mesh_));
  }

  LogicalResult lower(ReshardOp op) {
    RankedTensorType from = placedType(op.getX()), to = placedType(op.getY());
    auto path = cheapestPath(from, to, mesh_, cost_);
    if (!path) return op.emitOpError(path.status().message());
    Value value = ownOf(op.getX());
    std::string moves;
    for (const ReshardStep &step : *path) {
      value = take(op, step, value);
      moves += (moves.empty() ? "" : ", then ") + nameOf(step.move).str();
    }
    values_[op.getY()] = value;
    say(passed(op, kPass, "Resharded"), [&] { return describe(statesOf(from)) + " to " + describe(statesOf(to)) + ": " + moves; });
    if (statesOf(to).empty() && !path->empty() && path->back().move == Move::kAllGather)
      say(missed(op, kPass, "GathersWhole"), [&] { return "every rank gets all of " + graph::describe(graph::sizesOf(to)) + ", which was " + describe(statesOf(from)); });
    return success();
  }

  /// One move, of a rank's own values.
  Value take(ReshardOp op, const ReshardStep &step, Value x) {
    Location loc = op.getLoc();
    RankedTensorType after = own_.ownType(step.after);
    graph::Sizes whole = graph::sizesOf(step.after), own = graph::sizesOf(after);
    ArrayAttr over = builder_.getArrayAttr(SmallVector<Attribute>(step.axes.begin(), step.axes.end()));
    int64_t n = ranksOf(step.axes, mesh_);
    numCollectives += step.move != Move::kSlice;
    switch (step.move) {
      case Move::kSlice: {
        Value filled = own_.padTo(loc, x, step.dim, own[step.dim] * SizeExpr(n));
        return own_.slice(loc, filled, step.dim, own[step.dim] * own_.place(step.axes), own[step.dim], step.axes);
      }
      case Move::kAllGather: {
        Value all = AllGatherOp::create(builder_, loc, resized(after, step.dim, graph::sizesOf(x.getType())[step.dim] * SizeExpr(n)), x, step.dim, over);
        return own_.slice(loc, all, step.dim, 0, own[step.dim], {});
      }
      case Move::kAllToAll: {
        Value filled = own_.padTo(loc, x, step.toDim, own[step.toDim] * SizeExpr(n));
        Value all = AllToAllOp::create(builder_, loc, resized(after, step.dim, graph::sizesOf(x.getType())[step.dim] * SizeExpr(n)), filled, step.toDim, step.dim, over);
        return own_.slice(loc, all, step.dim, 0, own[step.dim], {});
      }
      case Move::kReduceScatter: {
        Value filled = own_.padTo(loc, x, step.dim, own[step.dim] * SizeExpr(n));
        return ReduceScatterOp::create(builder_, loc, after, step.reduction, filled, step.dim, over);
      }
      case Move::kAllReduce: return AllReduceOp::create(builder_, loc, after, step.reduction, x, over);
      case Move::kPermute: return permute(loc, step, x, after, over);
    }
    return x;
  }
  static RankedTensorType resized(RankedTensorType type, int64_t dim, const SizeExpr &size) {
    graph::Sizes sizes = graph::sizesOf(type);
    sizes[dim] = size;
    return withStates(graph::tensorOf(sizes, type.getElementType()), statesOf(type));
  }
  /// Rank (i, j) has part i and gets part j: from rank (j, i).
  Value permute(Location loc, const ReshardStep &step, Value x, RankedTensorType after, ArrayAttr over) {
    int64_t n = mesh_.sizeOf(step.axes[0]);
    SmallVector<int64_t> sources;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) sources.push_back(j * n + i);
    // What is the same along an axis may be called varying there.
    RankedTensorType type = own_.varyingOn(after, step.axes);
    Value y = PermuteOp::create(builder_, loc, type, x, builder_.getDenseI64ArrayAttr(sources), over);
    return y;
  }

  func::FuncOp function_;
  MeshOp mesh_;
  WireCost cost_;
  OpBuilder builder_;
  OwnBuilder own_;
  llvm::MapVector<Value, Value> values_;
  llvm::DenseMap<Value, RankedTensorType> placedTypes_;
};

struct Partition : impl::PartitionBase<Partition> {
  using PartitionBase::PartitionBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kPlaced);
    if (!mesh || function.isExternal()) return;
    WireCost cost;
    cost.latencySeconds = latency * 1e-6;
    cost.bytesPerSecond = bandwidth * 1e9;
    Partitioner partitioner(function, mesh, cost);
    if (failed(partitioner.run())) return signalPassFailure();
    numCollectives += partitioner.numCollectives;
    numMasks += partitioner.numMasks;
  }
};

}  // namespace
}  // namespace jinx::passes
