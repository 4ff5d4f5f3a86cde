// Whole values and what ranks have of them: do an operator's operands and results agree with its factor rule?
//
//   %y = jinx.matmul %x, %w : tensor<8x64xf32, #dist.on<"tp" = shard 1>>, tensor<64x16xf32, #dist.on<"tp" = shard 0>> -> tensor<8x16xf32>
//
// a[m, k] b[k, n] -> y[m, n]; k sums. On tp, k is split: y is a sum of parts there, "tp" = partial sum, and the type says that it is replicated: an error. Called
// partial, y must be resharded before an operator takes it that wants whole values.
#include "ir/Dist/FactorAxes.h"
#include "ir/Dist/Forms.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::dist;

namespace {

class PlacedVerifier {
 public:
  PlacedVerifier(FunctionOpInterface function, MeshOp mesh) : function_(function), mesh_(mesh) {}

  LogicalResult verify() {
    for (Type type : function_.getArgumentTypes())
      if (failed(wholeStates(function_, type))) return failure();
    WalkResult walk = function_.getFunctionBody().walk([&](Operation *op) { return failed(verifyOp(op)) ? WalkResult::interrupt() : WalkResult::advance(); });
    return failure(walk.wasInterrupted());
  }

 private:
  static LogicalResult wholeStates(Operation *op, Type type) {
    for (const AxisState &state : statesOf(type))
      if (state.kind == StateKind::varying || state.kind == StateKind::invariant)
        return op->emitOpError("has ") << type << " in a placed function, whose values are replicated, shards or partial";
    return success();
  }

  LogicalResult verifyOp(Operation *op) {
    for (Type type : op->getResultTypes())
      if (failed(wholeStates(op, type))) return failure();
    if (isa<Collective, RecvOp, SendOp, WaitOp>(op)) return op->emitOpError("is of a rank's own values: a placed function has dist.reshard");
    if (isa<ConstrainOp>(op)) return op->emitOpError("is a wish, which propagation takes away");
    if (isa<ReshardOp>(op) || op->hasTrait<OpTrait::IsTerminator>()) return verifyPassing(op);
    auto rule = graph::factorRule(op);
    return rule ? verifyRule(op, *rule) : verifyWhole(op);
  }

  /// A return hands on what it gets.
  LogicalResult verifyPassing(Operation *op) {
    if (op->getParentOp() != function_ || !op->hasTrait<OpTrait::IsTerminator>()) return success();
    for (auto [i, operand, result] : llvm::enumerate(op->getOperandTypes(), function_.getResultTypes()))
      if (statesOf(operand) != statesOf(result)) return op->emitOpError("operand ") << i << " is " << describe(statesOf(operand)) << ", expected the function's result, " << describe(statesOf(result));
    return success();
  }

  /// Nothing of it is split, nor what its regions read.
  LogicalResult verifyWhole(Operation *op) {
    WalkResult walk = op->walk([&](Operation *inner) {
      for (Type type : llvm::concat<Type>(llvm::to_vector(inner->getOperandTypes()), llvm::to_vector(inner->getResultTypes())))
        if (!statesOf(type).empty()) {
          InFlightDiagnostic error = inner->emitOpError("has ") << type << ", expected replicated values: ";
          inner == op ? error << "it" : error << "'" << op->getName() << "' around it";
          error << " has no factor rule";
          if (StringRef reason = graph::whyNoFactorRule(op->getName().getStringRef()); !reason.empty()) error << ", since it " << reason;
          return WalkResult::interrupt();
        }
      return WalkResult::advance();
    });
    return failure(walk.wasInterrupted());
  }

  LogicalResult verifyRule(Operation *op, const graph::FactorRule &rule) {
    FactorAxes axes(rule.factors.size());
    SmallVector<std::string> from(rule.factors.size());  // whose word a factor's axes are
    auto take = [&](Value value, const graph::FactoredValue &factored) { return takeAxes(op, rule, value, factored, axes, from); };
    for (auto [value, factored] : llvm::zip_equal(op->getOperands(), rule.operands))
      if (failed(take(value, factored))) return failure();
    for (auto [value, factored] : llvm::zip_equal(op->getResults(), rule.results))
      if (failed(take(value, factored))) return failure();
    if (failed(verifyUses(op, rule, axes))) return failure();
    return verifyPartial(op, rule, axes);
  }

  /// Adds a value's axes to those of the factors; an error where two values differ.
  LogicalResult takeAxes(Operation *op, const graph::FactorRule &rule, Value value, const graph::FactoredValue &factored, FactorAxes &axes, SmallVectorImpl<std::string> &from) {
    for (auto [dim, loops] : llvm::enumerate(factored.dims)) {
      std::string why;
      auto parts = distribute(axesOf(value.getType(), dim), loops, rule, mesh_, why);
      if (!parts) return op->emitOpError() << factored.name << " is " << describe(statesOf(value.getType())) << ": dimension " << dim << ": " << why;
      for (auto [f, part] : llvm::zip_equal(loops, *parts)) {
        const graph::Factor &factor = rule.factors[f];
        if (!part.empty() && factor.kind == graph::FactorKind::kWhole)
          return op->emitOpError() << factored.name << " is " << describe(statesOf(value.getType())) << ", which splits " << factor.name << ": it needs all of it (" << graph::describe(rule) << ")";
        if (from[f].empty()) {
          axes[f] = part;
          from[f] = factored.name;
        } else if (axes[f] != part) {
          return op->emitOpError() << factored.name << " has " << text(part) << " on " << factor.name << ", and " << from[f] << " has " << text(axes[f]) << ": reshard one of them ("
                                   << graph::describe(rule) << ")";
        }
      }
    }
    return success();
  }

  static std::string text(const Axes &axes) {
    if (axes.empty()) return "no axis";
    std::string text;
    for (StringAttr axis : axes) text += (text.empty() ? "\"" : ", \"") + axis.str() + "\"";
    return text;
  }

  /// One axis walks one factor.
  LogicalResult verifyUses(Operation *op, const graph::FactorRule &rule, const FactorAxes &axes) {
    llvm::SmallDenseMap<StringAttr, int64_t> user;
    for (auto [f, walked] : llvm::enumerate(axes))
      for (StringAttr axis : walked)
        if (auto [entry, isNew] = user.try_emplace(axis, f); !isNew)
          return op->emitOpError("axis ") << axis << " splits both " << rule.factors[entry->second].name << " and " << rule.factors[f].name << " (" << graph::describe(rule) << ")";
    return success();
  }

  LogicalResult verifyPartial(Operation *op, const graph::FactorRule &rule, const FactorAxes &axes) {
    for (StringAttr axis : mesh_.getAxes().getAsRange<StringAttr>()) {
      for (auto [result, factored] : llvm::zip_equal(op->getResults(), rule.results)) {
        FailureOr<AxisState> made = partialMade(op, rule, axes, axis, factored);
        if (failed(made)) return failure();
        AxisState declared = stateOf(result.getType(), axis);
        if ((declared.kind == StateKind::partial || made->kind == StateKind::partial) && !(declared == *made))
          return op->emitOpError() << factored.name << " is called " << describe(declared) << " on " << axis << " and is " << describe(*made)
                                   << (made->kind == StateKind::partial ? ": a dist.reshard is missing" : "") << " (" << graph::describe(rule) << ")";
      }
    }
    return success();
  }

  /// partial, where operands are or where the axis walks a factor that the result has not, since it is reduced; else replicate.
  FailureOr<AxisState> partialMade(Operation *op, const graph::FactorRule &rule, const FactorAxes &axes, StringAttr axis, const graph::FactoredValue &result) {
    SmallVector<std::optional<graph::ReduceKind>> parts;
    bool given = false;
    for (Value operand : op->getOperands()) {
      AxisState state = stateOf(operand.getType(), axis);
      given |= state.kind == StateKind::partial;
      parts.push_back(state.kind == StateKind::partial ? std::optional(state.reduction) : std::nullopt);
    }
    AxisState made{axis};
    for (auto [f, factor] : llvm::enumerate(rule.factors)) {
      if (!llvm::is_contained(axes[f], axis)) continue;
      if (given) return op->emitOpError("axis ") << axis << " splits " << factor.name << ", and an operand is partial on it: reshard it";
      if (llvm::any_of(result.dims, [&](const graph::Loops &loops) { return llvm::is_contained(loops, int64_t(f)); })) continue;
      if (factor.kind == graph::FactorKind::kReduced) made = AxisState::partial(axis, factor.reduction);
      if (factor.kind == graph::FactorKind::kGathered) made = AxisState::partial(axis, graph::ReduceKind::sum);
    }
    if (!given) return made;
    Expected<graph::ReduceKind> through = partialResult(op, parts);
    if (!through) return op->emitOpError("takes what is partial on ") << axis << ": " << through.status().message();
    return AxisState::partial(axis, *through);
  }

  FunctionOpInterface function_;
  MeshOp mesh_;
};

}  // namespace

LogicalResult dist::verifyPlaced(FunctionOpInterface function, MeshOp mesh) { return PlacedVerifier(function, mesh).verify(); }
