// Gradients of attention as products and what lies between them:
//
//   s = scale q·kᵀ   p = exp(s - lse), 0 where hidden   dv = pᵀ·dy   ds = p (dy·vᵀ - delta)   dq = scale ds·k   dk = scale dsᵀ·q
//
// in f32. Heads of q that share k and v are a dimension of their own, over which k and v are broadcast, and dk and dv summed.
#include <limits>

#include "codegen/schedules/cuda/GpuOf.h"
#include "codegen/schedules/cuda/GroupAttentionGrad.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_EXPANDATTENTIONGRAD
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-expand-attention-grad";

class Expansion {
 public:
  explicit Expansion(AttentionGradOp op) : op_(op), b_(op), loc_(op.getLoc()) {
    Type element = cast<RankedTensorType>(op.getQ().getType()).getElementType();
    type_ = element.isF64() ? element : Type(b_.getF32Type());
    Sizes q = sizesOf(op.getQ().getType()), k = sizesOf(op.getK().getType());
    queries_ = q[2], keys_ = k[2], headDim_ = q[3];
    batch_ = {q[0], k[1]};
    shared_ = batch_;
    batch_.push_back(floorDiv(q[1], k[1]));
    shared_.push_back(1);
  }

  void run() {
    Value q = matrices(op_.getQ(), batch_, queries_), dy = matrices(op_.getDy(), batch_, queries_);
    Value k = matrices(op_.getK(), shared_, keys_), v = matrices(op_.getV(), shared_, keys_);
    Value lse = rows(op_.getLse()), delta = rows(op_.getDelta()), scale = scalar(op_.getScale().convertToDouble());
    // A row that sees nothing has weights of 0, whatever its scores.
    Value nothing = CompareOp::create(b_, loc_, ComparePredicate::eq, lse, scalar(-std::numeric_limits<double>::infinity()));
    lse = SelectOp::create(b_, loc_, nothing, scalar(std::numeric_limits<double>::infinity()), lse);
    Value scores = MulOp::create(b_, loc_, product(q, k, queries_, keys_, true), scale);
    Value p = ExpOp::create(b_, loc_, SubOp::create(b_, loc_, scores, lse));
    if (op_.getCausal()) p = SelectOp::create(b_, loc_, seen(), p, scalar(0.0));
    if (!op_.getDv().use_empty()) give(op_.getDv(), overHeads(product(transposed(p), dy, keys_, headDim_, false)));
    if (!op_.getDq().use_empty() || !op_.getDk().use_empty()) {
      Value dp = product(dy, v, queries_, keys_, true);
      Value ds = MulOp::create(b_, loc_, MulOp::create(b_, loc_, p, SubOp::create(b_, loc_, dp, delta)), scale);
      if (!op_.getDq().use_empty()) give(op_.getDq(), product(ds, k, queries_, headDim_, false));
      if (!op_.getDk().use_empty()) give(op_.getDk(), overHeads(product(transposed(ds), q, keys_, headDim_, false)));
    }
    op_.erase();
  }

 private:
  static Sizes with(const Sizes &batch, const SizeExpr &rows, const SizeExpr &columns) {
    Sizes sizes = batch;
    sizes.append({rows, columns});
    return sizes;
  }
  Value scalar(double v) {
    Attribute value = FloatAttr::get(type_, v);
    return ConstantOp::create(b_, loc_, DenseElementsAttr::get(RankedTensorType::get({}, type_), value));
  }
  Value converted(Value v) { return CastOp::create(b_, loc_, tensorOf(sizesOf(v.getType()), type_), v); }
  /// [b, heads, rows, d] as [batch, rows, d].
  Value matrices(Value v, const Sizes &batch, const SizeExpr &rows) {
    return ReshapeOp::create(b_, loc_, tensorOf(with(batch, rows, headDim_), type_), converted(v));
  }
  /// lse or delta as columns [batch, rows, 1], without what fills them up.
  Value rows(Value v) {
    Sizes sizes = sizesOf(v.getType());
    if (!(sizes[2] == queries_)) {
      sizes[2] = queries_;
      v = SliceOp::create(b_, loc_, tensorOf(sizes, b_.getF32Type()), v, b_.getStrArrayAttr({"0", "0", "0"}), ArrayRef<int64_t>{1, 1, 1});
    }
    return ReshapeOp::create(b_, loc_, tensorOf(with(batch_, queries_, 1), type_), converted(v));
  }
  Value product(Value x, Value y, const SizeExpr &rows, const SizeExpr &columns, bool transposeB) {
    return MatmulOp::create(b_, loc_, tensorOf(with(batch_, rows, columns), type_), x, y, transposeB);
  }
  Value transposed(Value v) { return TransposeOp::create(b_, loc_, v, ArrayRef<int64_t>{0, 1, 2, 4, 3}); }
  Value overHeads(Value v) {
    return batch_[2].isConstant(1) ? v : Value(ReduceOp::create(b_, loc_, ReduceKind::sum, v, ArrayRef<int64_t>{2}));
  }
  /// Column j <= row i + keys - queries.
  Value seen() {
    Type i64 = b_.getI64Type();
    Value row = IotaOp::create(b_, loc_, tensorOf({queries_, SizeExpr(1)}, i64), 0), column = IotaOp::create(b_, loc_, tensorOf({SizeExpr(1), keys_}, i64), 1);
    Value offset = SizesOp::create(b_, loc_, RankedTensorType::get({1}, i64), b_.getStrArrayAttr({(keys_ - queries_).str()}));
    return CompareOp::create(b_, loc_, ComparePredicate::le, column, AddOp::create(b_, loc_, row, offset));
  }
  void give(Value result, Value v) {
    auto type = cast<RankedTensorType>(result.getType());
    v = ReshapeOp::create(b_, loc_, withElementType(type, type_), v);
    result.replaceAllUsesWith(CastOp::create(b_, loc_, type, v));
  }

  AttentionGradOp op_;
  OpBuilder b_;
  Location loc_;
  Type type_;
  SizeExpr queries_, keys_, headDim_;
  Sizes batch_, shared_;  ///< [b, heads of k, heads of q that share one], and with 1 for the last
};

struct ExpandAttentionGradPass : impl::ExpandAttentionGradBase<ExpandAttentionGradPass> {
  using ExpandAttentionGradBase::ExpandAttentionGradBase;

  void runOnOperation() override {
    SmallVector<AttentionGradOp> ops;
    getOperation().walk([&](AttentionGradOp op) { ops.push_back(op); });
    for (AttentionGradOp op : ops) {
      std::string why = keep && schedules::gpuOf(op).hasCopyEngine() ? schedules::whyNoCudaAttentionGrad(op) : std::string("there is a kernel on CUDA only, from sm_90 on");
      if (why.empty()) continue;
      ++numExpanded;
      say(passed(op, kArgument, "Expanded"), [&] { return "attention_grad is written as products: " + why; });
      Expansion(op).run();
    }
  }
};

}  // namespace
}  // namespace jinx::passes
