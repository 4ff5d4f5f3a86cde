// Factor rules of codes of few bits, their scales, and the products that read them.
//
// A dimension in which neighbours share a scale is two factors: the groups, which the scales have too, and what is in a group. Codes lie in units besides
// (words of eight, fragments of 64); the larger of group and unit is what a part is made of, where it divides k:
//
//   dequantize      q [64, 8], scale [2, 8], block 32 along 0     q[q*i, d1] scale[q, d1] -> y[q*i, d1]
//   dequant_matmul  words of 8, group 32, k = 64                  a[m, k*ka] codes[n, k*kc, run] scales[n, k, nr] -> y[m, n*nr]; k sums; whole: all others
#include "ir/Graph/Codes.h"
#include "ir/Graph/FactorRules.h"
#include "runtime/base/BlockFormat.h"

using namespace mlir;

namespace jinx::graph {

namespace {

constexpr int64_t kScaledBlock = 128;  // of k, of a scaled product

/// Dimensions of x, and of a parameter that has x's extents, groups of `block` along `axis`, or nothing.
struct Grouped {
  Dims x, parameter;
};
Grouped groupedDims(RuleWriter &rule, Value x, int64_t block, int64_t axis) {
  Grouped dims;
  dims.x = dims.parameter = rule.each("d", x);
  if (block == 0) return dims;
  const SizeExpr size = sizesOf(x.getType())[axis];
  if (auto groups = size.exactDivide(block)) {
    const int64_t group = rule.free("q", *groups);
    dims.x[axis] = {group, rule.free("i", block)};
    dims.parameter[axis] = {group};
  } else {
    dims.x[axis] = {rule.whole("x" + Twine(axis), size)};
    dims.parameter[axis] = {rule.whole("q", ceilDiv(size, block))};
  }
  return dims;
}
/// A scalar has no dimensions.
Dims ofParameter(const Grouped &dims, Value v) { return v && sizesOf(v.getType()).empty() ? Dims() : dims.parameter; }

FactorRule quantize(QuantizeOp op) {
  RuleWriter rule(op);
  Grouped dims = groupedDims(rule, op.getX(), op.getBlock(), op.getAxis());
  rule.operand("x", op.getX(), dims.x);
  rule.operand("scale", op.getScale(), ofParameter(dims, op.getScale()));
  rule.operand("zero", op.getZero(), ofParameter(dims, op.getZero()));
  rule.result("y", op.getY(), dims.x);
  return rule.take();
}

FactorRule dequantize(DequantizeOp op) {
  RuleWriter rule(op);
  Grouped dims = groupedDims(rule, op.getQ(), op.getBlock(), op.getAxis());
  rule.operand("q", op.getQ(), dims.x);
  rule.operand("scale", op.getScale(), ofParameter(dims, op.getScale()));
  rule.operand("zero", op.getZero(), ofParameter(dims, op.getZero()));
  rule.operand("offset", op.getOffset(), ofParameter(dims, op.getOffset()));
  rule.result("y", op.getY(), dims.x);
  return rule.take();
}

FactorRule decodeBlocks(DecodeBlocksOp op) {
  RuleWriter rule(op);
  Sizes blocks = sizesOf(op.getBlocks().getType());
  const BlockFormat *format = findBlockFormat(op.getFormat().str());
  const int64_t n = rule.free("n", blocks[0]), k = rule.free("k", *blocks[1].exactDivide(format->bytes));
  rule.operand("blocks", op.getBlocks(), {{n}, {k, rule.whole("bytes", format->bytes)}});
  rule.result("y", op.getY(), {{n}, {k, rule.whole("elements", format->elements)}});
  return rule.take();
}

FactorRule packCodes(PackCodesOp op) {
  RuleWriter rule(op);
  Sizes codes = sizesOf(op.getCodes().getType());
  const bool inFragments = areFragments(op.getY().getType());
  Pieces rows = piecesOf(rule, "k", codes[op.getTranspose() ? 1 : 0], inFragments ? kCodeChunk : kCodesOfWord, FactorKind::kFree);
  Pieces columns = piecesOf(rule, "n", codes[op.getTranspose() ? 0 : 1], inFragments ? kCodeColumns : kCodePanel, FactorKind::kFree);
  rule.operand("codes", op.getCodes(), op.getTranspose() ? Dims{columns.dim, rows.dim} : Dims{rows.dim, columns.dim});
  rule.result("y", op.getY(), {columns.count, rows.count, inFragments ? Loops{rule.whole("run", op.getY(), 2)} : columns.piece});
  return rule.take();
}

FactorRule splitDigits(SplitDigitsOp op) {
  RuleWriter rule(op);
  Sizes a = sizesOf(op.getA().getType());
  Dims rows = rule.each("m", ArrayRef(a).drop_back());
  Pieces groups = piecesOf(rule, "k", a.back(), op.getGroup(), FactorKind::kFree);
  const int64_t last = int64_t(a.size());
  rule.operand("a", op.getA(), with(rows, {groups.dim}));
  rule.result("words", op.getWords(), with(rows, {groups.count, {rule.whole("w", op.getWords(), last)}}));
  rule.result("factors", op.getFactors(), with(rows, {groups.count, {rule.whole("f", op.getFactors(), last)}}));
  return rule.take();
}

/// How codes of a product lie: k of a row of codes, and columns of a panel.
struct Layout {
  int64_t rows, columns;
};
Layout layoutOf(DequantMatmulOp op) {
  Type codes = elementOf(op.getCodes());
  if (areFragments(op.getCodes().getType())) return {kCodeChunk, kCodeColumns};
  if (codes.isUnsignedInteger(32)) return {kCodesOfWord, kCodePanel};
  return {op.getFactors() ? 4 : 1, kCodePanel};
}

/// k of a product, as activations, codes and scales have it.
struct Depth {
  Loops a, codes, scales;
};
/// In parts of a group and of a row of codes, whichever is more. One group of all k is as long as the part, and scales have no dimension for it.
Depth depthOf(RuleWriter &rule, const SizeExpr &k, int64_t rows, int64_t group, bool isOneGroup) {
  const int64_t part = isOneGroup ? rows : std::max(rows, group), less = isOneGroup ? rows : std::min(rows, group);
  auto parts = part % less == 0 ? k.exactDivide(part) : std::nullopt;
  if (!parts) return {{rule.whole("ka", k)}, {rule.whole("kc", ceilDiv(k, rows))}, {rule.whole("ks", ceilDiv(k, group))}};
  const int64_t count = rule.reduced("k", *parts);
  Depth depth = {{count, rule.whole("ka", part)}, {count, rule.whole("kc", part / rows)}, {count}};
  if (!isOneGroup) depth.scales.push_back(rule.whole("ks", part / group));
  return depth;
}

FactorRule dequantMatmul(DequantMatmulOp op) {
  RuleWriter rule(op);
  const Layout layout = layoutOf(op);
  Sizes a = sizesOf(op.getA().getType()), y = sizesOf(op.getY().getType()), scales = sizesOf(op.getScales().getType());
  const bool ofDigits = bool(op.getFactors());
  const SizeExpr k = ofDigits ? sizesOf(op.getCodes().getType())[1] * SizeExpr(layout.rows) : a.back();
  // Digits have a unit for each group: a part is groups of them.
  const Depth depth = depthOf(rule, k, layout.rows, op.getGroup(), scales[1].isConstant(1) && !ofDigits);
  Pieces columns = piecesOf(rule, "n", y.back(), layout.columns, FactorKind::kFree);
  Loops panels = columns.count;
  if (layout.columns > kCodePanel) {
    if (y.back().exactDivide(layout.columns)) panels.push_back(rule.whole("ns", layout.columns / kCodePanel));
    else panels = {rule.whole("ns", op.getScales(), 0)};
  }
  const Dims ofScales = {panels, depth.scales, layout.columns > kCodePanel ? Loops{rule.whole("nr16", kCodePanel)} : columns.piece};
  const Dims rows = rule.each("m", ArrayRef(y).drop_back());
  const int64_t last = int64_t(a.size()) - 1;
  rule.operand("a", op.getA(), with(rows, ofDigits ? Dims{depth.scales, {rule.whole("w", op.getA(), last)}} : Dims{depth.a}));
  if (ofDigits) rule.operand("factors", op.getFactors(), with(rows, {depth.scales, {rule.whole("f", op.getFactors(), last)}}));
  rule.operand("codes", op.getCodes(), {columns.count, depth.codes, {rule.whole("run", op.getCodes(), 2)}});
  rule.operand("scales", op.getScales(), ofScales);
  rule.operand("offsets", op.getOffsets(), ofScales);
  rule.result("y", op.getY(), with(rows, {columns.dim}));
  if (!ofDigits && elementOf(op.getA()) == elementOf(op.getY())) rule.partial({"a"}, kSums);
  return rule.take();
}

/// Rows of b that share a scale stay together.
FactorRule scaledMatmul(ScaledMatmulOp op) {
  RuleWriter rule(op);
  Sizes a = sizesOf(op.getA().getType()), y = sizesOf(op.getY().getType());
  const Dims rows = rule.each("m", ArrayRef(y).drop_back());
  Pieces depth = piecesOf(rule, "k", a.back(), kScaledBlock, FactorKind::kReduced);
  Pieces columns = piecesOf(rule, "n", y.back(), op.getShared(), FactorKind::kFree);
  rule.operand("a", op.getA(), with(rows, {depth.dim}));
  rule.operand("b", op.getB(), {columns.dim, depth.dim});
  rule.operand("a_scales", op.getAScales(), with(rows, {depth.count}));
  rule.operand("b_scales", op.getBScales(), {columns.count, depth.count});
  rule.result("y", op.getY(), with(rows, {columns.dim}));
  return rule.take();
}

constexpr FactorRow kRows[] = {
    row<QuantizeOp, quantize>(),     row<DequantizeOp, dequantize>(),       row<DecodeBlocksOp, decodeBlocks>(), row<PackCodesOp, packCodes>(),
    row<SplitDigitsOp, splitDigits>(), row<DequantMatmulOp, dequantMatmul>(), row<ScaledMatmulOp, scaledMatmul>(),
};

}  // namespace

ArrayRef<FactorRow> quantFactors() { return kRows; }

}  // namespace jinx::graph
