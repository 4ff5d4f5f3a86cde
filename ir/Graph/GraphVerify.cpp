// Verifiers and folders: what ODS cannot say about one operator, and the rewrites that always pay.
#include "ir/Graph/Verify.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

LogicalResult graph::verifyFormulas(Operation *op, ArrayRef<Attribute> formulas) {
  for (Attribute text : formulas)
    if (auto parsed = SizeExpr::parse(cast<StringAttr>(text).getValue()); !parsed)
      return op->emitOpError("formula ") << text << ": " << parsed.status().message();
  return success();
}

LogicalResult graph::verifyShape(Operation *op, StringRef name, Value value, ArrayRef<SizeExpr> expected) {
  Sizes got = sizesOf(value.getType());
  bool same = got.size() == expected.size();
  for (size_t d = 0; same && d < got.size(); ++d) same = !surelyDifferent(got[d], expected[d]);
  return same ? success() : op->emitOpError() << name << " is " << describe(got) << ", expected " << describe(expected);
}

namespace {
LogicalResult verifySameRank(Operation *op, Value x, Value y) {
  int64_t in = cast<RankedTensorType>(x.getType()).getRank(), out = cast<RankedTensorType>(y.getType()).getRank();
  return in == out ? success() : op->emitOpError("result has rank ") << out << ", expected " << in << " (rank of x)";
}
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
  return verifyFormulas(*this, getExprs().getValue());
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
  if (failed(verifyFormulas(*this, getStarts().getValue())) || failed(verifySameRank(*this, getX(), getY()))) return failure();
  Sizes in = sizesOf(getX().getType()), out = sizesOf(getY().getType());
  if (llvm::any_of(out, [](const SizeExpr &size) { return size.isConstant(0); })) return success();
  for (size_t d = 0; d < rank; ++d) {
    SizeExpr first = parseSize(cast<StringAttr>(getStarts()[d]).getValue()), last = first + (out[d] - 1) * SizeExpr(getSteps()[d]);
    for (const SizeExpr &at : {first, last})
      if (at.constant() && (*at.constant() < 0 || (in[d].constant() && *at.constant() >= *in[d].constant())))
        return emitOpError("reads element ") << *at.constant() << " of dimension " << d << " of x, expected 0.." << (in[d] - 1).str();
  }
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
  if (failed(verifyFormulas(*this, getLow().getValue())) || failed(verifySameRank(*this, getX(), getY()))) return failure();
  Value value = getValue();
  if (value && volume(sizesOf(value.getType())).constant().value_or(1) != 1)
    return emitOpError("value is ") << value.getType() << ", expected one element";
  return success();
}

LogicalResult IotaOp::verify() {
  auto type = cast<RankedTensorType>(getY().getType());
  int64_t axis = getAxis();
  if (axis < 0 || axis >= type.getRank()) return emitOpError("axis is ") << axis << ", expected 0.." << type.getRank() - 1;
  if (!type.getElementType().isIntOrIndexOrFloat()) return emitOpError("result is ") << type << ", expected numbers";
  return success();
}
