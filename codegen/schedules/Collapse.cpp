#include "codegen/schedules/Collapse.h"

#include "codegen/schedules/ScalarOps.h"
#include "llvm/ADT/DenseSet.h"
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

/// What a group's dimensions are merged by. Where it transposes, a value is seen in front of the transpose or behind it; all is said of
/// dimensions behind it.
struct Merging {
  GroupOp group;
  SmallVector<Value> values;
  SmallVector<ReduceOp> reduces;
  TransposeOp transpose;            ///< null: none
  llvm::DenseSet<Value> inFront;    ///< of the transpose
  size_t rank = 0;
  SmallVector<size_t> runStart;     ///< the first dimension of each merged one

  size_t runEnd(size_t r) const { return r + 1 < runStart.size() ? runStart[r + 1] : rank; }
  /// Where dimension d lies in front of the transpose.
  size_t source(size_t d) const { return transpose ? size_t(TransposeOp(transpose).getPerm()[d]) : d; }
  Sizes behind(Value v) const {
    Sizes sizes = padded(v.getType(), rank);
    if (!inFront.contains(v)) return sizes;
    Sizes moved;
    for (size_t d = 0; d < rank; ++d) moved.push_back(sizes[source(d)]);
    return moved;
  }
  bool isReduced(size_t d) {
    return llvm::any_of(reduces, [&](ReduceOp r) { return llvm::is_contained(r.getAxes(), int64_t(d)); });
  }
  bool collect(bool mayTranspose);
  bool collectInFront();
  bool joins(size_t begin, size_t d, ArrayRef<SizeExpr> space);
  bool findRuns();
  /// The merged dimensions in front of the transpose, as dimensions behind it: the transpose's permutation, inverted.
  SmallVector<int64_t> order() const {
    SmallVector<int64_t> runs(runStart.size());
    for (auto [r, run] : llvm::enumerate(runs)) run = int64_t(r);
    llvm::sort(runs, [&](int64_t a, int64_t b) { return source(runStart[a]) < source(runStart[b]); });
    return runs;
  }
  Type merged(Value v, Type type) const {
    Sizes sizes = behind(v), result;
    for (size_t r = 0; r < runStart.size(); ++r) result.push_back(volume(ArrayRef(sizes).slice(runStart[r], runEnd(r) - runStart[r])));
    if (inFront.contains(v)) {
      Sizes moved;
      for (int64_t r : order()) moved.push_back(result[r]);
      result = moved;
    }
    return tensorOf(result, cast<RankedTensorType>(type).getElementType());
  }
};

/// Every value of the group; false when some operator forbids merging.
bool Merging::collect(bool mayTranspose) {
  Block &body = group.getBody().front();
  llvm::append_range(values, body.getArguments());
  for (Operation &op : body.without_terminator()) {
    auto reduce = dyn_cast<ReduceOp>(op);
    auto moves = dyn_cast<TransposeOp>(op);
    if (moves && (!mayTranspose || transpose)) return false;
    if (!reduce && !moves && !isa<ConstantOp>(op) && !isElementwiseSupported(&op)) return false;
    if (reduce) reduces.push_back(reduce);
    if (moves) transpose = moves;
    if (!isa<ConstantOp>(op)) llvm::append_range(values, op.getResults());
  }
  for (Value v : values) rank = std::max<size_t>(rank, cast<RankedTensorType>(v.getType()).getRank());
  for (ReduceOp reduce : reduces)
    if (cast<RankedTensorType>(reduce.getX().getType()).getRank() != int64_t(rank)) return false;
  return rank >= 2 && (!transpose || (reduces.empty() && collectInFront()));
}

/// What the transpose is made of; false where something else sees it too.
bool Merging::collectInFront() {
  if (transpose.getPerm().size() != rank) return false;
  SmallVector<Value> work = {transpose.getX()};
  while (!work.empty()) {
    Value v = work.pop_back_val();
    Operation *op = v.getDefiningOp();
    if (isa_and_nonnull<ConstantOp>(op) || !inFront.insert(v).second) continue;
    if (op) llvm::append_range(work, op->getOperands());
  }
  return llvm::all_of(inFront, [&](Value v) {
    return llvm::all_of(v.getUsers(), [&](Operation *user) { return user == transpose || (user->getNumResults() > 0 && inFront.contains(user->getResult(0))); });
  });
}

/// May d join the run of dimensions that begins at `begin`? A dimension that is 1 everywhere goes along with any neighbour, so what
/// counts is the last one of the run that is not: [n, 1, 64] with a bias [1, 1, 64] must not become one dimension.
bool Merging::joins(size_t begin, size_t d, ArrayRef<SizeExpr> space) {
  if (isReduced(begin) != isReduced(d) || source(d) != source(d - 1) + 1) return false;
  size_t last = d;
  while (last > begin && space[last - 1].isConstant(1)) --last;
  if (last == begin || space[d].isConstant(1)) return true;
  return llvm::all_of(values, [&](Value v) {
    Sizes sizes = behind(v);
    return sizes[last - 1].isConstant(1) == sizes[d].isConstant(1);
  });
}

/// False where nothing merges.
bool Merging::findRuns() {
  Sizes space(rank, SizeExpr(1));
  for (Value v : values) {
    Sizes sizes = behind(v);
    for (size_t d = 0; d < rank; ++d)
      if (space[d].isConstant(1)) space[d] = sizes[d];
  }
  runStart = {0};
  for (size_t d = 1; d < rank; ++d)
    if (!joins(runStart.back(), d, space)) runStart.push_back(d);
  return runStart.size() < rank;
}

GroupOp collapse(GroupOp group, bool mayTranspose) {
  Merging merging{group};
  if (!merging.collect(mayTranspose) || !merging.findRuns()) return group;
  Block &from = group.getBody().front();
  OpBuilder b(group);
  SmallVector<Value> inputs;
  SmallVector<Type> results;
  for (auto [v, arg] : llvm::zip(group.getInputs(), from.getArguments())) inputs.push_back(ReshapeOp::create(b, v.getLoc(), merging.merged(arg, v.getType()), v));
  for (auto [v, type] : llvm::zip(from.getTerminator()->getOperands(), group.getResultTypes())) results.push_back(merging.merged(v, type));
  auto copy = GroupOp::create(b, group.getLoc(), results, inputs, group.getSchedule());
  Block *body = b.createBlock(&copy.getBody());
  IRMapping mapping;
  for (auto [arg, input] : llvm::zip(from.getArguments(), inputs)) mapping.map(arg, body->addArgument(input.getType(), arg.getLoc()));
  b.setInsertionPointToStart(body);
  for (Operation &op : from) {
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
      for (size_t r = 0; r < merging.runStart.size(); ++r)
        if (merging.isReduced(merging.runStart[r])) axes.push_back(r);
      reduce.setAxes(axes);
    }
    if (auto transpose = dyn_cast<TransposeOp>(clone)) {
      SmallVector<int64_t> perm(merging.runStart.size());
      for (auto [i, r] : llvm::enumerate(merging.order())) perm[r] = int64_t(i);
      transpose.setPerm(perm);
    }
    for (auto [r, old] : llvm::zip(clone->getResults(), op.getResults())) r.setType(cast<RankedTensorType>(merging.merged(old, old.getType())));
  }
  return copy;
}

}  // namespace

GroupOp collapseDimensions(GroupOp group) { return collapse(group, /*mayTranspose=*/false); }
GroupOp collapseTransposed(GroupOp group) { return collapse(group, /*mayTranspose=*/true); }

void eraseCollapsed(GroupOp collapsed, GroupOp original) {
  if (collapsed == original) return;
  SmallVector<Operation *> reshapes;
  for (Value v : collapsed.getInputs()) reshapes.push_back(v.getDefiningOp());
  collapsed.erase();
  for (Operation *op : reshapes) op->erase();
}

}  // namespace jinx::schedules
