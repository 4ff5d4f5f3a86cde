// What microbatches cannot do: pass something on.
//
//   %s = jinx.reduce sum, %x axes [0] : tensor<8x4xf32, #dist.on<"micro" = shard 0>> -> tensor<1x4xf32, #dist…partial>
//   %y = dist.reshard %s : … -> tensor<1x4xf32>
//
//   error: jinx.reduce of node 'loss' sums over its factor d0, which "micro" cuts into 4 microbatches, …
//
// Along an axis in space a collective would make the sum whole. In time there is none: each microbatch goes through the
// stages as soon as it can, and what needs all of them would wait for the last.
#include "ir/Dist/FactorAxes.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Dist/ValueNames.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_VERIFYMICROBATCHES
#include "passes/Dist/DistPasses.h.inc"

namespace {

class MicrobatchVerifier {
 public:
  MicrobatchVerifier(MeshOp mesh, StringAttr axis) : mesh_(mesh), axis_(axis) {}

  /// A reshard that changes what was cut is a collective.
  LogicalResult verify(ReshardOp op) {
    const AxisState from = stateOf(op.getX().getType(), axis_), to = stateOf(op.getY().getType(), axis_);
    if (from == to || from.kind == StateKind::replicate) return success();
    return from.kind == StateKind::partial ? tellSum(op) : tellNeed(op, from.dim);
  }

 private:
  std::string pieces() const {
    return "\"" + axis_.str() + "\" cuts into " + std::to_string(MeshOp(mesh_).sizeOf(axis_)) + " microbatches";
  }
  static std::string nameOf(Operation* op) {
    StringRef node = nodeName(op->getLoc());
    return op->getName().getStringRef().str() + (node.empty() ? "" : " of node '" + node.str() + "'");
  }

  /// The operator whose result is a part of a sum; operators that only hand it on have no factor that the axis walks
  /// and that is summed.
  LogicalResult tellSum(ReshardOp op) {
    Operation* maker = op;
    std::string factor;
    for (Value value = op.getX(); factor.empty() && value.getDefiningOp();) {
      maker = value.getDefiningOp();
      factor = summedFactor(maker);
      Value next;
      for (Value operand : maker->getOperands())
        if (stateOf(operand.getType(), axis_).kind == StateKind::partial) next = operand;
      if (!next) break;
      value = next;
    }
    return maker->emitError()
           << nameOf(maker) << " sums over " << (factor.empty() ? "what" : "its factor " + factor + ", which") << " "
           << pieces() << ", and nothing is passed on between them; expected a model without sums over the batch";
  }
  std::string summedFactor(Operation* op) {
    auto rule = graph::factorRule(op);
    if (!rule) return "";
    FactorAxes axes = axesOfFactors(op, *rule, mesh_);
    for (auto [i, factor] : llvm::enumerate(rule->factors))
      if (factor.kind != graph::FactorKind::kFree && llvm::is_contained(axes[i], axis_)) return factor.name;
    return "";
  }

  /// The operator that reads what was made whole.
  LogicalResult tellNeed(ReshardOp op, int64_t dim) {
    if (op->use_empty()) return success();
    OpOperand& use = *op->use_begin();
    Operation* reader = use.getOwner();
    if (auto next = dyn_cast<ReshardOp>(reader)) return tellNeed(next, dim);
    if (reader->hasTrait<OpTrait::IsTerminator>())
      return op->emitError() << "output " << use.getOperandNumber() << " is wished whole, and " << pieces()
                             << " its dimension " << dim << "; expected a rule for it with \"" << axis_.getValue()
                             << "\" on that dimension";
    std::string factor;
    if (auto rule = graph::factorRule(reader))
      for (int64_t f : rule->operands[use.getOperandNumber()].dims[size_t(dim)])
        factor += (factor.empty() ? "" : ", ") + rule->factors[size_t(f)].name;
    return reader->emitError()
           << nameOf(reader) << " needs all of " << (factor.empty() ? "" : "its factor " + factor + ", ")
           << "dimension " << dim << " of operand " << use.getOperandNumber() << ", which " << pieces()
           << ", and nothing is passed on between them; expected a model in which rows of the batch do not meet";
  }

  MeshOp mesh_;
  StringAttr axis_;
};

struct VerifyMicrobatches : impl::VerifyMicrobatchesBase<VerifyMicrobatches> {
  using VerifyMicrobatchesBase::VerifyMicrobatchesBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kPlaced);
    if (!mesh || mesh.sizeOf(axis) < 2) return;
    MicrobatchVerifier verifier(mesh, StringAttr::get(function.getContext(), axis));
    bool fails = false;
    function.getBody().walk([&](ReshardOp op) {
      ++numVerified;
      fails |= failed(verifier.verify(op));
    });
    if (fails) signalPassFailure();
  }
};

} // namespace
} // namespace jinx::passes
