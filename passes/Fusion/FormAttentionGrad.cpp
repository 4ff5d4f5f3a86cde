// A gradient of attention on CUDA is two kernels, so it becomes two groups of the same operator, of which one gives dk and dv and the
// other dq:
//
//   %dq, %dk, %dv = jinx.attention_grad %q, …    ->    %l = jinx.pad(select(lse == -inf, +inf, lse)), %d = jinx.pad(…)
//                                                      %dk, %dv = jinx.group "attention_grad"(%q, …, %l, %d) { … jinx.yield %dk, %dv }
//                                                      %dq = jinx.group "attention_grad"(%q, …, %l, %d) { … jinx.yield %dq }
//
// After the last common-subexpression elimination: that would make one operator of both again.
#include <limits>

#include "codegen/schedules/cuda/CudaAttentionGrad.h"
#include "codegen/schedules/cuda/GroupAttentionGrad.h"
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
      sizes[2] = ceilDiv(sizesOf(op.getQ().getType())[2], schedules::kAttentionGradRows) * schedules::kAttentionGradRows;
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
