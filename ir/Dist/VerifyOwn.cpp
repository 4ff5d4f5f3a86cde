// What a rank's own values may be called (decision 0047): the algebra of replicate, invariant, varying and partial.
//
//   %p = jinx.matmul %x, %w : …"tp" = varying… -> tensor<8x64xf32, #dist.on<"tp" = partial sum>>    what varies may be called a part of a sum
//   %q = jinx.relu %p                                                                                error: relu of a sum is not the sum of relus
//   %y = dist.all_reduce sum %p over ["tp"] : … -> tensor<8x64xf32>                                  from here on it is the same on all ranks
//
// The other way there is only a collective: a result that varies, or is partial, and is called replicated is a reduction that somebody forgot.
#include "ir/Dist/FactorAxes.h"
#include "ir/Dist/Forms.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::dist;

namespace {

/// What a value that varies, or is the same, may be called: itself, varying, or (where it varies) a part of something.
bool mayBeCalled(const AxisState &made, const AxisState &declared) {
  if (made == declared) return true;
  switch (made.kind) {
    case StateKind::replicate: return declared.kind == StateKind::varying;
    case StateKind::invariant: return declared.kind == StateKind::replicate || declared.kind == StateKind::varying;
    case StateKind::varying: return declared.kind == StateKind::partial;
    default: return false;
  }
}

/// The result has the sizes that the collective makes in a group of so many ranks.
LogicalResult verifyGroup(Collective op, MeshOp mesh) {
  FailureOr<int64_t> ranks = groupSize(op, op.getAxes(), mesh);
  if (failed(ranks)) return failure();
  Type result = op->getResult(0).getType();
  if (auto pending = dyn_cast<PendingType>(result)) result = pending.getValue();
  Expected<graph::Sizes> sizes = op.expectedSizes(*ranks);
  if (!sizes) return op->emitOpError(sizes.status().message());
  graph::Sizes got = graph::sizesOf(result);
  bool fits = got.size() == sizes->size() && llvm::none_of(llvm::zip_equal(got, *sizes), [](auto pair) { return graph::surelyDifferent(std::get<0>(pair), std::get<1>(pair)); });
  if (fits) return success();
  return op->emitOpError("result is ") << graph::describe(got) << ", expected " << graph::describe(*sizes);
}

/// Sends and receives are among ranks of a group, and what is started is waited for once: passes go from a start to its wait.
LogicalResult verifyWire(Operation *op, MeshOp mesh) {
  auto verifyPlace = [&](StringRef what, int64_t place, ArrayAttr axes) -> LogicalResult {
    FailureOr<int64_t> ranks = groupSize(op, axes, mesh);
    if (failed(ranks)) return failure();
    if (place >= 0 && place < *ranks) return success();
    return op->emitOpError(what) << " is " << place << ", expected 0.." << *ranks - 1;
  };
  if (auto send = dyn_cast<SendOp>(op); send && failed(verifyPlace("to", send.getTo(), send.getAxes()))) return failure();
  if (auto receive = dyn_cast<RecvOp>(op); receive && failed(verifyPlace("from", receive.getFrom(), receive.getAxes()))) return failure();
  for (Value result : op->getResults())
    if (isa<PendingType>(result.getType()) && !(result.hasOneUse() && isa<WaitOp>(*result.user_begin())))
      return op->emitOpError("is started, expected that one dist.wait takes it, and nothing else");
  return success();
}

class OwnVerifier {
 public:
  OwnVerifier(FunctionOpInterface function, MeshOp mesh) : function_(function), mesh_(mesh) {}

  LogicalResult verify() {
    for (Type type : function_.getArgumentTypes())
      if (failed(noShards(function_, type))) return failure();
    WalkResult walk = function_.getFunctionBody().walk([&](Operation *op) { return failed(verifyOp(op)) ? WalkResult::interrupt() : WalkResult::advance(); });
    return failure(walk.wasInterrupted());
  }

 private:
  static LogicalResult noShards(Operation *op, Type type) {
    for (const AxisState &state : statesOf(type))
      if (state.kind == StateKind::shard) return op->emitOpError("has ") << type << " in an own function, where parts are varying";
    return success();
  }

  LogicalResult verifyOp(Operation *op) {
    for (Type type : op->getResultTypes())
      if (failed(noShards(op, type))) return failure();
    if (op->hasTrait<OpTrait::IsTerminator>()) return verifyReturn(op);
    if (isa<ConstrainOp, ReshardOp>(op)) return op->emitOpError("is of whole values, which an own function has not");
    if (failed(verifyWire(op, mesh_))) return failure();
    if (auto collective = dyn_cast<Collective>(op)) return verifyCollective(collective);
    if (isa<RecvOp, SendOp, WaitOp>(op)) return success();
    for (Attribute axis : mesh_.getAxes())
      if (failed(verifyAxis(op, cast<StringAttr>(axis)))) return failure();
    return success();
  }

  LogicalResult verifyReturn(Operation *op) {
    if (op->getParentOp() != function_) return success();
    for (auto [i, pair] : llvm::enumerate(llvm::zip_equal(op->getOperandTypes(), function_.getResultTypes())))
      if (statesOf(std::get<0>(pair)) != statesOf(std::get<1>(pair)))
        return op->emitOpError("operand ") << i << " is " << describe(statesOf(std::get<0>(pair))) << ", expected the function's result, " << describe(statesOf(std::get<1>(pair)));
    return success();
  }

  LogicalResult verifyCollective(Collective op) {
    if (failed(verifyGroup(op, mesh_))) return failure();
    Type operand = op->getOperand(0).getType(), result = op->getResult(0).getType();
    if (auto pending = dyn_cast<PendingType>(result)) result = pending.getValue();
    for (StringAttr axis : mesh_.getAxes().getAsRange<StringAttr>()) {
      AxisState made = stateOf(operand, axis), declared = stateOf(result, axis);
      if (auto other = swappedWith(op, axis)) {
        made = stateOf(operand, *other);
        made.axis = axis;
      } else if (llvm::is_contained(op.getAxes(), axis)) {
        Expected<AxisState> state = op.resultState(made);
        if (!state) return op->emitOpError(state.status().message());
        made = *state;
      }  // on other axes parts stay parts: the sum of what is moved is the moved sum
      Expected<AxisState> counted = byCounts(op, axis, made);
      if (!counted) return op->emitOpError(counted.status().message());
      made = *counted;
      if (!mayBeCalled(made, declared)) return op->emitOpError("result is ") << describe(declared) << " on " << axis << ", expected " << describe(made);
    }
    return success();
  }

  /// Where ranks that are none of a group's have other counts, other rows move: what was the same is not, and no row is a part of one sum.
  Expected<AxisState> byCounts(Collective op, StringAttr axis, const AxisState &made) {
    for (Value counts : op->getOperands().drop_front()) {
      const StateKind kind = stateOf(counts.getType(), axis).kind;
      if (kind == StateKind::partial) return invalidArgument("counts are parts of a sum on \"" + axis.str() + "\", expected the sum: a collective is missing");
      if (kind != StateKind::varying || llvm::is_contained(op.getAxes(), axis)) continue;
      if (made.kind == StateKind::partial)
        return invalidArgument("counts are varying on \"" + axis.str() + "\", where rows are " + describe(made) + ", expected counts that are the same: parts of a sum move together");
      return AxisState{axis, StateKind::varying};
    }
    return made;
  }

  /// Where rank (i, j) gets what rank (j, i) has, the two axes change places.
  std::optional<StringAttr> swappedWith(Collective op, StringAttr axis) {
    auto permute = dyn_cast<PermuteOp>(op.getOperation());
    if (!permute || op.getAxes().size() != 2 || !llvm::is_contained(op.getAxes(), axis)) return std::nullopt;
    auto first = cast<StringAttr>(op.getAxes()[0]), second = cast<StringAttr>(op.getAxes()[1]);
    int64_t n = mesh_.sizeOf(first);
    for (auto [place, source] : llvm::enumerate(permute.getSources()))
      if (mesh_.sizeOf(second) != n || source != (int64_t(place) % n) * n + int64_t(place) / n) return std::nullopt;
    return axis == first ? second : first;
  }

  LogicalResult verifyAxis(Operation *op, StringAttr axis) {
    FailureOr<AxisState> made = stateMade(op, axis);
    if (failed(made)) return failure();
    for (OpResult result : op->getResults()) {
      AxisState declared = stateOf(result.getType(), axis);
      if (mayBeCalled(*made, declared)) continue;
      InFlightDiagnostic error = op->emitOpError("result ") << result.getResultNumber() << " is called " << describe(declared) << " on " << axis << " and is " << describe(*made);
      if (declared.kind == StateKind::replicate) error << ": a collective is missing";
      return error;
    }
    return success();
  }

  /// What the results of an operator are on an axis, by its operands and attributes, and by what its regions read.
  FailureOr<AxisState> stateMade(Operation *op, StringAttr axis) {
    bool varies = false, partial = false, same = op->getNumOperands() > 0;
    SmallVector<std::optional<graph::ReduceKind>> parts;
    op->walk([&](Operation *inner) {
      varies |= readsCoordinate(inner, axis);
      for (Value operand : inner->getOperands()) {
        AxisState state = stateOf(operand.getType(), axis);
        varies |= state.kind == StateKind::varying;
        same &= state.kind == StateKind::invariant;
        bool isPart = state.kind == StateKind::partial;
        partial |= isPart;
        if (inner == op) parts.push_back(isPart ? std::optional(state.reduction) : std::nullopt);
      }
    });
    if (partial) {
      Expected<graph::ReduceKind> through = partialResult(op, parts);
      if (!through) return op->emitOpError("takes what is partial on ") << axis << ": " << through.status().message();
      if (varies) return op->emitOpError("takes what is partial and what varies on ") << axis << ", expected the " << graph::stringifyReduceKind(*through) << ": a collective is missing";
      return AxisState::partial(axis, *through);
    }
    if (varies) return AxisState{axis, StateKind::varying};
    return AxisState{axis, same ? StateKind::invariant : StateKind::replicate};
  }

  FunctionOpInterface function_;
  MeshOp mesh_;
};

}  // namespace

LogicalResult dist::verifyOwn(FunctionOpInterface function, MeshOp mesh) { return OwnVerifier(function, mesh).verify(); }

LogicalResult dist::verifyRanked(FunctionOpInterface function, MeshOp mesh) {
  WalkResult walk = function.getFunctionBody().walk([&](Operation *op) {
    auto collective = dyn_cast<Collective>(op);
    return (collective && failed(verifyGroup(collective, mesh))) || failed(verifyWire(op, mesh)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}
