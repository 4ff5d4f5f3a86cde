#include "codegen/schedules/Collapse.h"

#include "codegen/schedules/ScalarOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

/// Sizes with leading 1s up to `rank`.
Sizes padded(Type type, size_t rank) {
  Sizes sizes = sizesOf(type);
  sizes.insert(sizes.begin(), rank - sizes.size(), SizeExpr(1));
  return sizes;
}

/// Every value of the group, or nothing when some operator forbids merging.
bool collect(GroupOp group, SmallVectorImpl<Value> &values, SmallVectorImpl<ReduceOp> &reduces) {
  Block &body = group.getBody().front();
  llvm::append_range(values, body.getArguments());
  for (Operation &op : body.without_terminator()) {
    auto reduce = dyn_cast<ReduceOp>(op);
    if (!reduce && !isa<ConstantOp>(op) && !isElementwiseSupported(&op)) return false;
    if (reduce) reduces.push_back(reduce);
    if (!isa<ConstantOp>(op)) llvm::append_range(values, op.getResults());
  }
  return true;
}

}  // namespace

GroupOp collapseDimensions(GroupOp group) {
  SmallVector<Value> values;
  SmallVector<ReduceOp> reduces;
  if (!collect(group, values, reduces)) return group;
  size_t rank = 0;
  Sizes space;
  for (Value v : values) rank = std::max<size_t>(rank, cast<RankedTensorType>(v.getType()).getRank());
  if (rank < 2) return group;
  for (ReduceOp reduce : reduces)
    if (cast<RankedTensorType>(reduce.getX().getType()).getRank() != int64_t(rank)) return group;
  space.assign(rank, SizeExpr(1));
  for (Value v : values) {
    Sizes sizes = padded(v.getType(), rank);
    for (size_t d = 0; d < rank; ++d)
      if (space[d].isConstant(1)) space[d] = sizes[d];
  }
  auto isReduced = [&](size_t d) { return llvm::any_of(reduces, [&](ReduceOp r) { return llvm::is_contained(r.getAxes(), int64_t(d)); }); };
  // May d join the run of dimensions that begins at `begin`? A dimension that is 1 everywhere goes along with any neighbour, so what
  // counts is the last one of the run that is not: [n, 1, 64] with a bias [1, 1, 64] must not become one dimension.
  auto joins = [&](size_t begin, size_t d) {
    if (isReduced(begin) != isReduced(d)) return false;
    size_t last = d;
    while (last > begin && space[last - 1].isConstant(1)) --last;
    if (last == begin || space[d].isConstant(1)) return true;
    return llvm::all_of(values, [&](Value v) {
      Sizes sizes = padded(v.getType(), rank);
      return sizes[last - 1].isConstant(1) == sizes[d].isConstant(1);
    });
  };
  SmallVector<size_t> runStart = {0};
  for (size_t d = 1; d < rank; ++d)
    if (!joins(runStart.back(), d)) runStart.push_back(d);
  if (runStart.size() == rank) return group;
  auto collapse = [&](Type type) -> Type {
    Sizes sizes = padded(type, rank), merged;
    for (size_t r = 0; r < runStart.size(); ++r) {
      size_t end = r + 1 < runStart.size() ? runStart[r + 1] : rank;
      merged.push_back(volume(ArrayRef(sizes).slice(runStart[r], end - runStart[r])));
    }
    return tensorOf(merged, cast<RankedTensorType>(type).getElementType());
  };
  OpBuilder b(group);
  SmallVector<Value> inputs;
  SmallVector<Type> results;
  for (Value v : group.getInputs()) inputs.push_back(ReshapeOp::create(b, v.getLoc(), collapse(v.getType()), v));
  for (Type type : group.getResultTypes()) results.push_back(collapse(type));
  auto copy = GroupOp::create(b, group.getLoc(), results, inputs, group.getSchedule());
  Block *body = b.createBlock(&copy.getBody());
  IRMapping mapping;
  for (auto [arg, input] : llvm::zip(group.getBody().front().getArguments(), inputs)) mapping.map(arg, body->addArgument(input.getType(), arg.getLoc()));
  b.setInsertionPointToStart(body);
  for (Operation &op : group.getBody().front()) {
    Operation *clone = b.clone(op, mapping);
    if (isa<ConstantOp>(op)) {
      auto constant = cast<ConstantOp>(clone);  // one value: a scalar serves every shape
      auto scalar = RankedTensorType::get({}, cast<RankedTensorType>(constant.getY().getType()).getElementType());
      constant.setValueAttr(cast<ElementsAttr>(cast<DenseElementsAttr>(constant.getValue()).resizeSplat(scalar)));
      constant.getY().setType(scalar);
      continue;
    }
    if (auto reduce = dyn_cast<ReduceOp>(clone)) {
      SmallVector<int64_t> axes;
      for (size_t r = 0; r < runStart.size(); ++r)
        if (isReduced(runStart[r])) axes.push_back(r);
      reduce.setAxes(axes);
    }
    for (OpResult r : clone->getResults()) r.setType(cast<RankedTensorType>(collapse(r.getType())));
  }
  return copy;
}

void eraseCollapsed(GroupOp collapsed, GroupOp original) {
  if (collapsed == original) return;
  SmallVector<Operation *> reshapes;
  for (Value v : collapsed.getInputs()) reshapes.push_back(v.getDefiningOp());
  collapsed.erase();
  for (Operation *op : reshapes) op->erase();
}

}  // namespace jinx::schedules
