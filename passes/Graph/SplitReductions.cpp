// A reduction to a few values, cut in two:
//
//   max(x[1, s, t, 512], axes 1 2 3)   ->   max(max(x, axes 2 3), axes 1)
//
// The first part has s independent positions, which threads share; the second reads s values. Outer dimensions are taken until there
// are enough positions to share; the innermost reduced dimension stays with the first part.
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_SPLITREDUCTIONS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-split-reductions";
constexpr int64_t kEnoughPositions = 16;
constexpr int64_t kLikelyExtent = 4;  // of a symbolic dimension: a batch may be 1

/// The extent when it is known; a symbolic one counts as `otherwise`.
int64_t extentOr(const SizeExpr &size, int64_t otherwise) { return size.constant().value_or(otherwise); }

struct SplitReductionsPass : impl::SplitReductionsBase<SplitReductionsPass> {
  using SplitReductionsBase::SplitReductionsBase;
  void runOnOperation() override {
    SmallVector<ReduceOp> reduces;
    getOperation().walk([&](ReduceOp op) { reduces.push_back(op); });
    for (ReduceOp op : reduces) visit(op);
  }

  /// Outer axes that give enough positions and leave at least one axis of more than one element; none when there is nothing to gain.
  SmallVector<int64_t> outerAxes(ReduceOp op, const Sizes &x) {
    SmallVector<int64_t> real;  // reduced dimensions that have more than one element, or may have
    for (int64_t axis : op.getAxes())
      if (!x[axis].isConstant(1)) real.push_back(axis);
    SmallVector<int64_t> outer;
    int64_t positions = 1;
    for (size_t i = 0; i + 1 < real.size() && positions < kEnoughPositions; ++i) {
      outer.push_back(real[i]);
      positions *= extentOr(x[real[i]], kLikelyExtent);
    }
    return outer;
  }

  void visit(ReduceOp op) {
    Sizes x = sizesOf(op.getX().getType()), y = sizesOf(op.getY().getType());
    int64_t results = 1, elements = 1;
    for (const SizeExpr &s : y) results *= extentOr(s, maxResults + 1);
    for (const SizeExpr &s : x) elements *= extentOr(s, 256);
    SmallVector<int64_t> outer = outerAxes(op, x);
    if (results > maxResults || elements < minElements || outer.empty()) return;
    SmallVector<int64_t> inner;
    for (int64_t axis : op.getAxes())
      if (!llvm::is_contained(outer, axis)) inner.push_back(axis);
    OpBuilder b(op);
    auto first = ReduceOp::create(b, op.getLoc(), op.getKind(), op.getX(), inner);
    auto second = ReduceOp::create(b, op.getLoc(), op.getKind(), first.getY(), outer);
    ++numSplit;
    say(passed(op, kArgument, "Split"), [&] {
      return "reduce of " + std::to_string(op.getAxes().size()) + " dimensions to " + std::to_string(results) + " values: the outer " +
             std::to_string(outer.size()) + " by themselves";
    });
    op.getY().replaceAllUsesWith(second.getY());
    op.erase();
  }
};

}  // namespace
}  // namespace jinx::passes
