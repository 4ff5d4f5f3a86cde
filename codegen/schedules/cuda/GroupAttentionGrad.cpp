#include "codegen/schedules/cuda/GroupAttentionGrad.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/cuda/CudaAttentionGrad.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

class GroupAttentionGrad {
 public:
  GroupAttentionGrad(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    auto op = group_.getBody().front().getOps<AttentionGradOp>();
    if (!llvm::hasSingleElement(group_.getBody().front().without_terminator()) || op.empty())
      return group_.emitOpError("of schedule attention_grad holds one jinx.attention_grad, and nothing else");
    op_ = *op.begin();
    if (std::string why = whyNoCudaAttentionGrad(op_); !why.empty()) return group_.emitOpError("has no gradients that the CUDA schedule takes: ") << why;
    SmallVector<Value> results(group_.getBody().front().getTerminator()->getOperands());
    const bool ofKeys = results == SmallVector<Value>{op_.getDk(), op_.getDv()};
    if (!ofKeys && results != SmallVector<Value>{op_.getDq()}) return group_.emitOpError("gives neither dk and dv nor dq");
    for (Value v : op_->getOperands())
      if (!isa<BlockArgument>(v)) return group_.emitOpError("operands must be inputs of the group");
    Sizes q = sizesOf(op_.getQ().getType()), k = sizesOf(op_.getK().getType());
    if (!(sizesOf(op_.getLse().getType()).back() == ceilDiv(q[2], kAttentionGradRows) * kAttentionGradRows))
      return group_.emitOpError("lse and delta must be filled up to a multiple of ") << kAttentionGradRows << " rows";
    const GradOf what = ofKeys ? GradOf::keys : GradOf::queries;
    WgmmaAttentionGrad p;
    p.q = place(op_.getQ()), p.k = place(op_.getK()), p.v = place(op_.getV()), p.dy = place(op_.getDy());
    p.lse = buffer(op_.getLse()), p.delta = buffer(op_.getDelta());
    if (ofKeys) {
      p.dk = place(k, kb_.output(0)), p.dv = place(k, kb_.output(1));
    } else {
      p.dq = place(q, kb_.output(0));
    }
    p.batch = size(q[0]), p.heads = size(q[1]), p.queries = size(q[2]), p.keys = size(k[2]);
    p.headDim = *q[3].constant();
    p.group = *q[1].exactDivide(k[1])->constant();
    p.causal = op_.getCausal();
    p.scale = op_.getScale().convertToDouble();
    WgmmaAttentionGradTile tile = chooseWgmmaAttentionGradTile(what, p.headDim);
    emitWgmmaAttentionGrad(kb_.b(), kb_.kernel(), what, p, tile);
    const Sizes &owned = ofKeys ? k : q;
    SizeExpr programs = owned[0] * owned[1] * ceilDiv(owned[2], tile.rows);
    return kb_.finish(programs, 0, q[0] * q[1] * q[2] * k[2] * q[3]);
  }

 private:
  AttentionSize size(const SizeExpr &expr) { return {kb_.size(expr), kb_.formula(expr)}; }
  Value buffer(Value v) { return kb_.input(cast<BlockArgument>(v)); }
  /// [batch, heads, rows, headDim], as it lies in memory.
  AttentionTensor place(const Sizes &sizes, Value buffer) {
    return {buffer, size(sizes[1] * sizes[2] * sizes[3]), size(sizes[2] * sizes[3]), size(sizes[3])};
  }
  AttentionTensor place(Value v) { return place(sizesOf(v.getType()), buffer(v)); }

  GroupOp group_;
  KernelBuilder kb_;
  AttentionGradOp op_;
};

}  // namespace

std::string whyNoCudaAttentionGrad(AttentionGradOp op) {
  if (!elementOf(op.getQ()).isF16() && !elementOf(op.getQ()).isBF16()) return "the CUDA schedule takes 16-bit floats";
  Sizes q = sizesOf(op.getQ().getType()), k = sizesOf(op.getK().getType());
  auto headDim = q[3].constant();
  if (!headDim) return "the head dimension is known only when the model runs";
  auto group = k[1].isConstant(0) ? std::nullopt : q[1].exactDivide(k[1]);
  if (!group || !group->constant()) return "how many heads share keys is known only when the model runs";
  for (GradOf what : {GradOf::keys, GradOf::queries})
    if (std::string why = wgmmaAttentionGradInfeasible(what, chooseWgmmaAttentionGradTile(what, *headDim), *headDim); !why.empty()) return why;
  return "";
}

FailureOr<Scheduled> scheduleCudaAttentionGrad(GroupOp group, StringRef name, OpBuilder &builder) {
  return GroupAttentionGrad(group, name, builder).run();
}

}  // namespace jinx::schedules
