// Verifiers and folders: what ODS cannot say about one operator, and the rewrites that always pay.
#include "ir/Graph/Graph.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

namespace {
/// Only provable differences are errors: two formulas may be equal in ways that the normal form does not see.
bool surelyDifferent(const SizeExpr &a, const SizeExpr &b) { return a.constant() && b.constant() && !(a == b); }
}  // namespace

LogicalResult CastOp::verify() {
  Sizes in = sizesOf(getX().getType()), out = sizesOf(getY().getType());
  if (in.size() != out.size()) return emitOpError("result has rank ") << out.size() << ", expected " << in.size();
  return success();
}
OpFoldResult CastOp::fold(FoldAdaptor) { return getX().getType() == getY().getType() ? getX() : OpFoldResult(); }

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

LogicalResult SizesOp::verify() {
  if (int64_t(getExprs().size()) != cast<RankedTensorType>(getY().getType()).getNumElements())
    return emitOpError("has ") << getExprs().size() << " formulas, expected one per element of " << getY().getType();
  for (Attribute expr : getExprs())
    if (auto parsed = SizeExpr::parse(cast<StringAttr>(expr).getValue()); !parsed)
      return emitOpError("formula ") << expr << ": " << parsed.status().message();
  return success();
}

LogicalResult ReshapeOp::verify() {
  SizeExpr in = volume(sizesOf(getX().getType())), out = volume(sizesOf(getY().getType()));
  if (surelyDifferent(in, out)) return emitOpError("result has ") << out.str() << " elements, expected " << in.str();
  return success();
}
OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getX().getType() == getY().getType()) return getX();
  if (auto inner = getX().getDefiningOp<ReshapeOp>()) {  // reshape(reshape(x)) = reshape(x)
    getXMutable().assign(inner.getX());
    return getResult();
  }
  return {};
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  for (auto [i, p] : llvm::enumerate(getPerm()))
    if (int64_t(i) != p) return {};
  return getX();
}

namespace {
/// transpose(transpose(x, p), q) = transpose(x, p∘q)
struct ComposeTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<TransposeOp>();
    if (!inner) return rewriter.notifyMatchFailure(op, "operand is no transpose");
    SmallVector<int64_t> perm;
    for (int64_t p : op.getPerm()) perm.push_back(inner.getPerm()[p]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, inner.getX(), perm);
    return success();
  }
};
/// A transpose that moves only dimensions of extent 1 keeps the elements' order: it is a reshape.
struct TransposeToReshape : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto in = cast<RankedTensorType>(op.getX().getType());
    int64_t last = -1;
    for (int64_t p : op.getPerm()) {
      if (in.getDimSize(p) == 1) continue;
      if (p < last) return rewriter.notifyMatchFailure(op, "moves a dimension that is not 1");
      last = p;
    }
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getY().getType(), op.getX());
    return success();
  }
};
}  // namespace
void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ComposeTransposes, TransposeToReshape>(context);
}

LogicalResult BroadcastOp::verify() {
  Sizes in = sizesOf(getX().getType()), out = sizesOf(getY().getType());
  if (in.size() > out.size()) return emitOpError("operand has rank ") << in.size() << ", expected at most " << out.size();
  size_t offset = out.size() - in.size();
  for (size_t i = 0; i < in.size(); ++i)
    if (!in[i].isConstant(1) && surelyDifferent(in[i], out[offset + i]))
      return emitOpError("dimension ") << i << " of x is " << in[i].str() << ", expected 1 or " << out[offset + i].str();
  return success();
}
OpFoldResult BroadcastOp::fold(FoldAdaptor) { return getX().getType() == getY().getType() ? getX() : OpFoldResult(); }

LogicalResult SliceOp::verify() {
  size_t rank = cast<RankedTensorType>(getX().getType()).getRank();
  if (getStarts().size() != rank || getSteps().size() != rank)
    return emitOpError("has ") << getStarts().size() << " starts and " << getSteps().size() << " steps, expected " << rank
                               << " of each (rank of x)";
  if (llvm::is_contained(getSteps(), 0)) return emitOpError("a step is 0, expected a positive or negative number");
  return success();
}
OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (getX().getType() != getY().getType()) return {};
  for (int64_t step : getSteps())
    if (step != 1) return {};
  return getX();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) { return getXs().size() == 1 ? OpFoldResult(getXs()[0]) : OpFoldResult(); }

LogicalResult PadOp::verify() {
  size_t rank = cast<RankedTensorType>(getX().getType()).getRank();
  if (getLow().size() != rank) return emitOpError("has ") << getLow().size() << " low pads, expected " << rank << " (rank of x)";
  return success();
}

LogicalResult PoolOp::verify() {
  size_t spatial = cast<RankedTensorType>(getX().getType()).getRank() - 2;
  if (getKernel().size() != spatial || getStrides().size() != spatial || getDilations().size() != spatial || getPads().size() != 2 * spatial)
    return emitOpError("needs ") << spatial << " kernel, stride and dilation entries and " << 2 * spatial << " pads";
  return success();
}
