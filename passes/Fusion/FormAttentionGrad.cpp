// A gradient of attention on CUDA is two kernels, so it becomes two groups of the same operator, of which one gives dk and dv and the
// other dq:
//
//   %dq, %dk, %dv = jinx.attention_grad %q, …    ->    %l = jinx.pad(select(lse == -inf, +inf, lse)), %d = jinx.pad(…)
//                                                      %dk, %dv = jinx.group "attention_grad"(%q, …, %l, %d) { … jinx.yield %dk, %dv }
//                                                      %dq = jinx.group "attention_grad"(%q, …, %l, %d) { … jinx.yield %dq }
//
// After the last common-subexpression elimination: that would make one operator of both again.
//
// delta is a sum of rows, of the result times its gradient. What makes the rows is in its group too, as far as nothing else reads it: short
// rows leave lanes idle in the cost model's eyes, but here there are as many as fill a device, and the products are as large as q.
#include <limits>

#include "codegen/schedules/cuda/CudaAttentionGrad.h"
#include "codegen/schedules/cuda/GroupAttentionGrad.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_FORMATTENTIONGRAD
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-form-attention-grad";

struct FormAttentionGradPass : impl::FormAttentionGradBase<FormAttentionGradPass> {
  using FormAttentionGradBase::FormAttentionGradBase;

  void runOnOperation() override {
    SmallVector<AttentionGradOp> ops;
    getOperation().walk([&](AttentionGradOp op) {
      if (!isa<GroupOp>(op->getParentOp())) ops.push_back(op);
    });
    for (AttentionGradOp op : ops) {
      if (std::string why = schedules::whyNoCudaAttentionGrad(op); !why.empty()) {
        op.emitOpError("has no kernel: ") << why << "; expected jinx-expand-attention-grad to have written it as products";
        return signalPassFailure();
      }
      form(op);
    }
  }

  void form(AttentionGradOp op) {
    formRowSums(op.getDelta());
    OpBuilder b(op);
    Location loc = op.getLoc();
    auto scalar = [&](float v) -> Value {
      return ConstantOp::create(b, loc, DenseElementsAttr::get(RankedTensorType::get({}, b.getF32Type()), v));
    };
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    Value infinity = scalar(kInfinity), zero = scalar(0.0f);
    Value sees = CompareOp::create(b, loc, ComparePredicate::ne, op.getLse(), scalar(-kInfinity));
    auto filled = [&](Value rows, Value none) -> Value {
      Value shown = SelectOp::create(b, loc, sees, rows, none);
      Sizes sizes = sizesOf(rows.getType());
      SizeExpr whole = ceilDiv(sizesOf(op.getQ().getType())[2], schedules::kAttentionGradRows) * schedules::kAttentionGradRows;
      if (sizes[2] == whole) return shown;
      sizes[2] = whole;
      return PadOp::create(b, loc, tensorOf(sizes, b.getF32Type()), shown, none, b.getStrArrayAttr({"0", "0", "0"}), PadMode::constant);
    };
    SmallVector<Value> inputs(op->getOperands());
    inputs[4] = filled(op.getLse(), infinity);
    inputs[5] = filled(op.getDelta(), zero);
    group(b, op, inputs, {op.getDk(), op.getDv()});
    group(b, op, inputs, {op.getDq()});
    ++numFormed;
    say(passed(op, kArgument, "Formed"), [&] { return "gradients of an attention of shape " + describe(sizesOf(op.getQ().getType())) + ": two kernels"; });
    op.erase();
  }

  /// A group of the sum that `delta` is, with the elementwise operators that only it reads.
  static void formRowSums(Value delta) {
    while (auto reshape = delta.getDefiningOp<ReshapeOp>()) delta = reshape.getX();
    auto sum = delta.getDefiningOp<ReduceOp>();
    if (!sum || isa<GroupOp>(sum->getParentOp()) || sum.getKind() != ReduceKind::sum) return;
    llvm::SetVector<Operation *> members;
    members.insert(sum);
    for (size_t i = 0; i < members.size(); ++i)
      for (Value v : members[i]->getOperands()) {
        Operation *made = v.getDefiningOp();
        if (made && made->hasTrait<Elementwise>() && made->getBlock() == sum->getBlock() && sizesOf(v.getType()) == sizesOf(sum.getX().getType()) &&
            llvm::all_of(made->getUsers(), [&](Operation *user) { return members.contains(user); }))
          members.insert(made);
      }
    if (members.size() == 1) return;  // jinx-fuse sees to it
    SmallVector<Operation *> ordered(members.begin(), members.end());
    llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    llvm::SetVector<Value> inputs, constants;
    SmallVector<Location> locations;
    for (Operation *op : ordered) {
      locations.push_back(op->getLoc());
      for (Value v : op->getOperands()) {
        if (members.contains(v.getDefiningOp())) continue;
        (v.getDefiningOp<ConstantOp>() && schedules::isEmittable(v.getDefiningOp()) ? constants : inputs).insert(v);
      }
    }
    OpBuilder b(sum);
    auto group = GroupOp::create(b, FusedLoc::get(b.getContext(), locations), sum->getResultTypes(), inputs.getArrayRef(), "rows");
    Block *body = b.createBlock(&group.getBody());
    IRMapping mapping;
    for (Value v : inputs) mapping.map(v, body->addArgument(v.getType(), v.getLoc()));
    for (Value v : constants) b.clone(*v.getDefiningOp(), mapping);
    for (Operation *op : ordered) b.clone(*op, mapping);
    YieldOp::create(b, group.getLoc(), mapping.lookup(Value(sum)));
    sum->replaceAllUsesWith(group);
    for (Operation *op : llvm::reverse(ordered)) op->erase();
  }

  static void group(OpBuilder &b, AttentionGradOp op, ArrayRef<Value> inputs, ArrayRef<Value> results) {
    if (llvm::all_of(results, [](Value v) { return v.use_empty(); })) return;
    auto group = GroupOp::create(b, op.getLoc(), TypeRange(ValueRange(results)), inputs, "attention_grad");
    OpBuilder::InsertionGuard guard(b);
    Block *body = b.createBlock(&group.getBody());
    for (Value v : inputs) body->addArgument(v.getType(), op.getLoc());
    b.setInsertionPointToStart(body);
    Operation *inner = b.clone(*op);
    inner->setOperands(body->getArguments());
    auto given = llvm::map_to_vector(results, [&](Value v) -> Value { return inner->getResult(cast<OpResult>(v).getResultNumber()); });
    YieldOp::create(b, op.getLoc(), given);
    for (auto [from, to] : llvm::zip(results, group.getResults())) Value(from).replaceAllUsesWith(to);
  }
};

}  // namespace
}  // namespace jinx::passes
