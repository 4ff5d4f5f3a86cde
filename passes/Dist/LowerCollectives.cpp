// Collectives as the wire has them: what goes to one rank, or comes from one, lies together.
//
// A communicator gathers, scatters and exchanges parts that are neighbours in memory (the table in runtime/comm/Communicator.h). An operator
// of the dialect cuts any dimension. Between the two are graph operators, which fuse with what is around them:
//
//   %y = dist.all_gather %x dim 1 over ["tp"] : tensor<8x16xf32> -> tensor<8x64xf32>            on 4 ranks
//
//   %a = jinx.reshape %x : tensor<8x16xf32> -> tensor<1x8x16xf32>
//   %b = dist.all_gather %a dim 0 over ["tp"] : tensor<1x8x16xf32> -> tensor<4x8x16xf32>        one rank behind the other
//   %c = jinx.transpose %b, [1, 0, 2] : tensor<4x8x16xf32> -> tensor<8x4x16xf32>
//   %y = jinx.reshape %c : tensor<8x4x16xf32> -> tensor<8x64xf32>
//
// Scatters go the other way, an exchange goes both ways. Where only ones stand in front of the dimension, the parts are neighbours already and the
// transposes are left out. What was started is rearranged behind its wait.
#include "passes/Dist/DistPasses.h"
#include "passes/Dist/Rearrange.h"

using namespace mlir;
using namespace jinx::dist;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_LOWERCOLLECTIVES
#include "passes/Dist/DistPasses.h.inc"

namespace {

/// Puts one collective of `ranks` in the place of another, with what rearranges around it.
class Replacement {
 public:
  Replacement(Operation *op, int64_t ranks) : op_(op), builder_(op), ranks_(ranks) {}

  Rearranger around() { return Rearranger(builder_, op_->getLoc(), ranks_); }
  OpBuilder &builder() { return builder_; }
  Location loc() const { return op_->getLoc(); }
  SizeExpr ranks() const { return SizeExpr(ranks_); }

  /// The type that the collective's result has now: pending, where it is one that starts.
  Type resultType(const Sizes &sizes, Value x) {
    RankedTensorType type = tensorOf(sizes, llvm::cast<RankedTensorType>(x.getType()).getElementType());
    return isa<PendingType>(op_->getResult(0).getType()) ? Type(PendingType::get(type.getContext(), type)) : Type(type);
  }

  /// `made` stands for the collective; `after` makes of its result what the old one was.
  void replace(Value made, function_ref<Value(Value)> after) {
    Value old = op_->getResult(0);
    if (isa<PendingType>(old.getType())) {
      auto wait = llvm::cast<WaitOp>(*old.user_begin());
      builder_.setInsertionPoint(wait);
      made = WaitOp::create(builder_, wait.getLoc(), llvm::cast<PendingType>(made.getType()).getValue(), made);
      wait.getY().replaceAllUsesWith(as(after(made), wait.getY().getType()));
      wait.erase();
    } else {
      old.replaceAllUsesWith(as(after(made), old.getType()));
    }
    op_->erase();
  }

 private:
  /// Formulas of one size may be written in two ways.
  Value as(Value x, Type type) { return x.getType() == type ? x : ReshapeOp::create(builder_, loc(), type, x).getY(); }

  Operation *op_;
  OpBuilder builder_;
  int64_t ranks_;
};

void lower(AllGatherOp op, int64_t ranks) {
  Replacement r(op, ranks);
  const int64_t dim = op.getDim();
  Sizes part = sizesOf(op.getX().getType());
  part.insert(part.begin(), SizeExpr(1));
  Value x = r.around().reshape(op.getX(), part);
  part[0] = r.ranks();
  r.replace(AllGatherOp::create(r.builder(), r.loc(), r.resultType(part, x), x, 0, op.getAxes()), [&](Value all) { return r.around().joined(all, dim); });
}

void lower(ReduceScatterOp op, int64_t ranks) {
  Replacement r(op, ranks);
  Value parts = r.around().apart(op.getX(), op.getDim());
  Sizes own = sizesOf(parts.getType());
  own[0] = SizeExpr(1);
  r.replace(ReduceScatterOp::create(r.builder(), r.loc(), r.resultType(own, parts), op.getKind(), parts, 0, op.getAxes()), [&](Value part) {
    own.erase(own.begin());
    return r.around().reshape(part, own);
  });
}

void lower(AllToAllOp op, int64_t ranks) {
  Replacement r(op, ranks);
  const int64_t concat = op.getConcat();
  Value parts = r.around().apart(op.getX(), op.getSplit());
  r.replace(AllToAllOp::create(r.builder(), r.loc(), r.resultType(sizesOf(parts.getType()), parts), parts, 0, 0, op.getAxes()),
            [&](Value all) { return r.around().joined(all, concat); });
}

/// Its parts are neighbours in memory.
bool isOfRows(Operation *op) {
  if (auto gather = dyn_cast<AllGatherOp>(op)) return gather.getDim() == 0;
  if (auto scatter = dyn_cast<ReduceScatterOp>(op)) return scatter.getDim() == 0;
  if (auto exchange = dyn_cast<AllToAllOp>(op)) return exchange.getSplit() == 0 && exchange.getConcat() == 0;
  return true;
}

struct LowerCollectives : impl::LowerCollectivesBase<LowerCollectives> {
  using LowerCollectivesBase::LowerCollectivesBase;

  void runOnOperation() override {
    MeshOp mesh = meshOf(getOperation(), kRanked);
    if (!mesh || getOperation().isExternal()) return;
    SmallVector<Collective> collectives;
    getOperation().getBody().walk([&](Collective op) { collectives.push_back(op); });
    for (Collective op : collectives) {
      if (isOfRows(op)) continue;
      ++numRearranged;
      const int64_t ranks = *groupSize(op, op.getAxes(), mesh);  // the verifier has seen its axes
      if (auto gather = dyn_cast<AllGatherOp>(op.getOperation())) lower(gather, ranks);
      else if (auto scatter = dyn_cast<ReduceScatterOp>(op.getOperation())) lower(scatter, ranks);
      else if (auto exchange = dyn_cast<AllToAllOp>(op.getOperation())) lower(exchange, ranks);
    }
  }
};

}  // namespace
}  // namespace jinx::passes
