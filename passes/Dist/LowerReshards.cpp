#include "passes/Dist/LowerReshards.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {

Value ReshardLowering::take(Location loc, const ReshardStep &step, Value x) {
  Value &made = made_[{x, step.after}];
  if (!made) made = make(loc, step, x);
  return made;
}

/// Extended with zeros.
Value ReshardLowering::filledUp(Location loc, Value x, int64_t dim, const SizeExpr &size) {
  Value filled = own_.padTo(loc, x, dim, size);
  if (filled == x) return x;
  filling_.keep(x, filled);
  filling_.setZero(filled, dim);
  return filled;
}

Value ReshardLowering::make(Location loc, const ReshardStep &step, Value x) {
  OpBuilder &b = own_.builder();
  RankedTensorType after = own_.ownType(step.after);
  graph::Sizes own = graph::sizesOf(after), before = graph::sizesOf(x.getType());
  ArrayAttr over = b.getArrayAttr(SmallVector<Attribute>(step.axes.begin(), step.axes.end()));
  SizeExpr n = ranksOf(step.axes, mesh_);
  numCollectives += step.move != Move::kSlice;
  Value given = x, y;
  switch (step.move) {
    case Move::kSlice:
      given = filledUp(loc, x, step.dim, own[step.dim] * n);
      y = own_.slice(loc, given, step.dim, own[step.dim] * own_.place(step.axes), own[step.dim], step.axes);
      break;
    case Move::kAllGather:
      y = AllGatherOp::create(b, loc, resized(after, step.dim, before[step.dim] * n), x, step.dim, over);
      y = own_.slice(loc, y, step.dim, 0, own[step.dim], {});
      break;
    case Move::kAllToAll:
      given = filledUp(loc, x, step.toDim, own[step.toDim] * n);
      y = AllToAllOp::create(b, loc, resized(after, step.dim, before[step.dim] * n), given, step.toDim, step.dim, over);
      y = own_.slice(loc, y, step.dim, 0, own[step.dim], {});
      break;
    case Move::kReduceScatter:
      given = filledUp(loc, x, step.dim, own[step.dim] * n);
      y = ReduceScatterOp::create(b, loc, after, step.reduction, given, step.dim, over);
      break;
    case Move::kAllReduce: y = AllReduceOp::create(b, loc, after, step.reduction, x, over); break;
    case Move::kPermute: y = PermuteOp::create(b, loc, after, x, step.sources, over); break;
  }
  filling_.keep(given, y);
  return y;
}

}  // namespace jinx::passes
