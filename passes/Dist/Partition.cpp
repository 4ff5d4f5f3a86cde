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
// An operator keeps its attributes: what its factor rule lets be split does not stand in them, but for the few in AdaptAttributes.cpp. Sums over parts that are filled up see neutral elements
// there (Filling.h); gathers from a part of a table read what lies in it and give 0 for the rest, and of experts each rank computes its own:
//
//   %y = jinx.experts silu %x, %chosen, %weights, %gate, …      gate 5x8x4, "ep" = shard 0, on 2 ranks
//   %c = jinx.sub %chosen, "3*rank.ep"                          rank 1 has experts 3 and 4, which are 0 and 1 to it; expert 2 is -1, which is none
//   %y = jinx.experts silu %x, %c, %weights, %gate, …           gate 3x8x4; partial sum
//
// Where tokens are split by the same axes, they are gathered in front of that and the sum is scattered behind, or each goes only to the ranks that have one of its experts: ExchangeExperts.h.
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/FormatVariadic.h"
#include "passes/Dist/AdaptAttributes.h"
#include "passes/Dist/ExchangeExperts.h"
#include "passes/Dist/LowerReshards.h"
#include "passes/Remarks.h"
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
  Partitioner(func::FuncOp function, MeshOp mesh, MeshCosts costs, bool zeroFilledArguments, ExpertTokens expertTokens)
      : function_(function), mesh_(mesh), costs_(std::move(costs)), builder_(function), own_(builder_, mesh), reshards_(own_, mesh, filling_),
        zeroFilledArguments_(zeroFilledArguments), expertTokens_(expertTokens) {}

  LogicalResult run() {
    Block &body = function_.getBody().front();
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
      if (isa<ReshardOp>(op) && op.use_empty()) op.erase();
    SmallVector<Operation *> ops;
    for (Operation &op : body) ops.push_back(&op);
    for (Operation *op : ops)
      if (auto experts = dyn_cast<graph::ExpertsOp>(op)) chooseTokens(experts);
    const unsigned arguments = body.getNumArguments();
    takeSignature(body);
    for (Operation *op : ops) {
      builder_.setInsertionPoint(op);
      if (failed(partition(op))) return failure();
    }
    for (Operation *op : llvm::reverse(ops))
      if (!op->hasTrait<OpTrait::IsTerminator>()) op->erase();
    body.eraseArguments(0, arguments);
    function_.setType(FunctionType::get(function_.getContext(), body.getArgumentTypes(), body.getTerminator()->getOperandTypes()));
    function_->setAttr(kOwn, function_->getAttr(kPlaced));
    function_->removeAttr(kPlaced);
    return success();
  }

  int64_t numCollectives() const { return reshards_.numCollectives; }
  int64_t numMasks() const { return int64_t(masks_.size()); }
  int64_t numExchanges() const { return int64_t(exchanges_.size()); }

 private:
  /// Arguments are what a rank has of them; what they are of stands beside them. Those of the placed function stay until nothing asks for their types.
  void takeSignature(Block &body) {
    for (BlockArgument argument : llvm::to_vector(body.getArguments())) {
      auto placed = dyn_cast<RankedTensorType>(argument.getType());
      Value own = body.addArgument(placed ? own_.ownType(placed) : argument.getType(), argument.getLoc());
      values_.map(argument, own);
      if (!placed) continue;
      if (!statesOf(placed).empty()) function_.setArgAttr(argument.getArgNumber(), kWholeType, TypeAttr::get(placed));
      for (int64_t d = 0; zeroFilledArguments_ && d < placed.getRank(); ++d) filling_.setZero(own, d);
    }
    for (auto [i, type] : llvm::enumerate(function_.getResultTypes()))
      if (!statesOf(type).empty()) function_.setResultAttr(i, kWholeType, TypeAttr::get(type));
  }

  /// The value of the rank's own program that stands for a placed one.
  Value ownOf(Value placed) { return values_.lookup(placed); }

  LogicalResult partition(Operation *op) {
    if (op->hasTrait<OpTrait::IsTerminator>()) {
      for (OpOperand &operand : op->getOpOperands()) operand.set(ownOf(operand.get()));
      return success();
    }
    if (auto reshard = dyn_cast<ReshardOp>(op)) return isExchanged_.contains(op) ? success() : lower(reshard);
    if (auto found = exchanges_.find(op); found != exchanges_.end()) return exchange(found->second);
    auto rule = graph::factorRule(op);
    if (!rule || isWhole(op)) {
      builder_.clone(*op, values_);
      return success();
    }
    return split(op, *rule);
  }
  /// No axis splits anything of it.
  bool isWhole(Operation *op) {
    auto whole = [&](Value value) { return !isa<RankedTensorType>(value.getType()) || statesOf(value.getType()).empty(); };
    return llvm::all_of(op->getOperands(), whole) && llvm::all_of(op->getResults(), whole);
  }

  // ---- mixtures ----

  /// Whether a mixture's tokens are exchanged.
  void chooseTokens(graph::ExpertsOp op) {
    if (ranksOf(axesOf(op.getGate().getType(), 0), mesh_) == 1) return;
    Expected<Exchange> found = findExchange(op, mesh_, costs_);
    if (!found) return say(missed(op, kPass, "NoExchange"), [&] { return found.status().message(); });
    auto told = [&](StringRef what, double seconds, StringRef other, double others) {
      const int64_t ranks = ranksOf(found->over, mesh_);
      return llvm::formatv("{0}: {1:f1} us; {2} it would be {3:f1} us. In even use a token goes to {4:f2} of {5} ranks{6}", what, seconds * 1e6, other, others * 1e6, found->share * double(ranks), ranks,
                           expertTokens_ == ExpertTokens::kByCost ? "" : "; as asked for")
          .str();
    };
    if (expertTokens_ == ExpertTokens::kExchange || (expertTokens_ == ExpertTokens::kByCost && found->seconds < found->gatherSeconds)) {
      say(passed(op, kPass, "ExchangesTokens"), [&] { return told("tokens go to the ranks of their experts", found->seconds, "gathered and scattered", found->gatherSeconds); });
      for (ReshardOp gather : found->gathers)
        if (gather.getY().hasOneUse()) isExchanged_.insert(gather);
      for (ReshardOp scatter : found->scatters) isExchanged_.insert(scatter);
      exchanges_.insert({op, std::move(*found)});
      return;
    }
    say(missed(op, kPass, "GathersTokens"), [&] { return told("every rank gets all tokens", found->gatherSeconds, "by an exchange", found->seconds); });
  }

  LogicalResult exchange(const Exchange &exchange) {
    graph::ExpertsOp op = exchange.op;
    auto rule = graph::factorRule(op);
    FactorAxes axes = axesOfFactors(op, *rule, mesh_);
    SmallVector<Value> operands;
    for (auto [gather, tokens] : llvm::zip_equal(exchange.gathers, exchange.tokens)) {
      Value split = ReshardOp(gather).getX();
      auto value = reshard(op, ownOf(split), cast<RankedTensorType>(split.getType()), tokens);
      if (failed(value)) return failure();
      operands.push_back(*value);
    }
    for (size_t i = operands.size(); i < op->getNumOperands(); ++i) operands.push_back(maskFilling(op, i, *rule, axes));
    Value y = writeExchange(exchange, {operands[0], operands[1], operands[2], operands[3], operands[4], operands[5]}, own_, mesh_);
    for (ReshardOp scatter : exchange.scatters) {
      auto value = reshard(op, y, exchange.result, cast<RankedTensorType>(scatter.getY().getType()));
      if (failed(value)) return failure();
      values_.map(scatter.getY(), *value);
    }
    return success();
  }

  LogicalResult split(Operation *op, const graph::FactorRule &rule) {
    FactorAxes axes = axesOfFactors(op, rule, mesh_);
    SmallVector<Value> operands, results;
    for (size_t i = 0; i < op->getNumOperands(); ++i) operands.push_back(maskFilling(op, i, rule, axes));
    if (auto experts = dyn_cast<graph::ExpertsOp>(op); experts && isGathered(rule, axes)) countFromFirst(experts, operands, axes, rule);
    SmallVector<Type> types;
    for (Value result : op->getResults()) types.push_back(own_.ownType(cast<RankedTensorType>(result.getType())));
    if (auto gather = dyn_cast<graph::GatherOp>(op); gather && isGathered(rule, axes)) {
      results.push_back(splitGather(gather, operands, cast<RankedTensorType>(types[0]), axes, rule));
    } else {
      OperationState state(op->getLoc(), op->getName(), operands, types, op->getAttrs());
      state.propertiesAttr = op->getPropertiesAsAttribute();
      Operation *copy = builder_.create(state);
      adaptAttributes(copy, rule, axes, mesh_);
      llvm::append_range(results, copy->getResults());
      filling_.keepThrough(op, rule, operands, results);
    }
    values_.map(op->getResults(), results);
    return success();
  }

  /// What a rank has of an operand; where it is filled up, what the operator may see there.
  Value maskFilling(Operation *op, size_t operand, const graph::FactorRule &rule, const FactorAxes &axes) {
    Value own = ownOf(op->getOperand(operand));
    for (auto [d, loops] : llvm::enumerate(rule.operands[operand].dims)) {
      TypedAttr needed = neededFilling(op, rule, axes, mesh_, operand, d);
      if (!needed) continue;
      const bool isZero = needed == neutralOf(graph::ReduceKind::sum, needed.getType());
      if (isZero && filling_.isZero(own, d)) continue;
      Value &masked = masks_[{own, int64_t(d), needed}];
      if (!masked) {
        masked = own_.mask(op->getLoc(), own, d, rule.factors[loops[0]].size, axes[loops[0]], needed);
        filling_.keep(own, masked);
        if (!isZero) filling_.setAny(masked, int64_t(d));
      }
      own = masked;
    }
    return own;
  }

  /// The axes that split what data read.
  static const Axes &axesOfGathered(const graph::FactorRule &rule, const FactorAxes &axes) {
    return axes[(*llvm::find_if(llvm::enumerate(rule.factors), [](auto entry) { return entry.value().kind == graph::FactorKind::kGathered; })).index()];
  }

  /// Experts by their number among those of this rank. One of another rank has none: it adds nothing here, and the sum over ranks is the mixture.
  void countFromFirst(graph::ExpertsOp op, SmallVectorImpl<Value> &operands, const FactorAxes &axes, const graph::FactorRule &rule) {
    using namespace graph;
    Location loc = op.getLoc();
    const Axes &over = axesOfGathered(rule, axes);
    auto chosen = cast<RankedTensorType>(operands[1].getType());
    RankedTensorType wide = withElementType(chosen, builder_.getI64Type());
    Value number = chosen == wide ? operands[1] : CastOp::create(builder_, loc, wide, operands[1]).getResult();
    const SizeExpr count = sizesOf(op.getGate().getType())[0];
    if (!count.exactDivide(ranksOf(over, mesh_))) {  // behind the last expert lies what is filled up
      Value end = own_.number(loc, count, chosen.getRank());
      Value is = CompareOp::create(builder_, loc, withElementType(wide, builder_.getI1Type()), ComparePredicate::lt, number, end);
      number = SelectOp::create(builder_, loc, wide, is, number, own_.scalar(loc, builder_.getI64IntegerAttr(-1), builder_.getI64Type()));
    }
    const SizeExpr first = sizesOf(operands[3].getType())[0] * own_.place(over);
    operands[1] = SubOp::create(builder_, loc, own_.varyingOn(wide, over), number, own_.number(loc, first, chosen.getRank()));
  }

  /// y = x[index - first] where that lies in this rank's part of x, else 0: the sum over ranks is the gather.
  Value splitGather(graph::GatherOp op, ArrayRef<Value> operands, RankedTensorType type, const FactorAxes &axes, const graph::FactorRule &rule) {
    using namespace graph;
    Location loc = op.getLoc();
    const Axes &over = axesOfGathered(rule, axes);
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

  // ---- reshards ----

  LogicalResult lower(ReshardOp op) {
    FailureOr<Value> value = reshard(op, ownOf(op.getX()), cast<RankedTensorType>(op.getX().getType()), cast<RankedTensorType>(op.getY().getType()));
    if (failed(value)) return failure();
    values_.map(op.getY(), *value);
    return success();
  }

  /// What a rank has of a value as placed type `to` says, made of what it has as `from` does. \param op  for messages
  FailureOr<Value> reshard(Operation *op, Value value, RankedTensorType from, RankedTensorType to) {
    auto path = cheapestPath(from, to, mesh_, costs_);
    if (!path) return op->emitOpError(path.status().message());
    std::string moves;
    for (const ReshardStep &step : *path) {
      value = reshards_.take(op->getLoc(), step, value);
      moves += (moves.empty() ? "" : ", then ") + nameOf(step.move).str();
    }
    if (from == to) return value;
    say(passed(op, kPass, "Resharded"), [&] { return describe(statesOf(from)) + " to " + describe(statesOf(to)) + ": " + moves; });
    if (statesOf(to).empty() && !path->empty() && path->back().move == Move::kAllGather)
      say(missed(op, kPass, "GathersWhole"),
          [&] { return "every rank gets all of " + graph::describe(graph::sizesOf(to)) + ", which was " + describe(statesOf(from)); });
    return value;
  }

  func::FuncOp function_;
  MeshOp mesh_;
  MeshCosts costs_;
  OpBuilder builder_;
  OwnBuilder own_;
  Filling filling_;
  ReshardLowering reshards_;
  bool zeroFilledArguments_;
  ExpertTokens expertTokens_;
  llvm::MapVector<Operation *, Exchange> exchanges_;  ///< by mixture
  llvm::DenseSet<Operation *> isExchanged_;           ///< reshards that an exchange stands for
  IRMapping values_;                                 ///< own ones by placed ones
  llvm::DenseMap<std::tuple<Value, int64_t, Attribute>, Value> masks_;
};

struct Partition : impl::PartitionBase<Partition> {
  using PartitionBase::PartitionBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kPlaced);
    if (!mesh || function.isExternal()) return;
    auto costs = costsOf(function, network);
    if (failed(costs)) return signalPassFailure();
    auto tokens = expertTokensNamed(experts);
    if (!tokens) {
      function.emitError("experts ") << tokens.status().message();
      return signalPassFailure();
    }
    Partitioner partitioner(function, mesh, *costs, zeroFilledArguments, *tokens);
    if (failed(partitioner.run())) return signalPassFailure();
    numCollectives += partitioner.numCollectives();
    numMasks += partitioner.numMasks();
    numExchanges += partitioner.numExchanges();
  }
};

}  // namespace
}  // namespace jinx::passes
