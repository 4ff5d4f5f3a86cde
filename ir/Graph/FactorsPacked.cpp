// Factor rules of operands in panels, and of the products that read them.
//
//   packed_matmul   a [4, 8], b [2, 8, 16] -> y [4, 32]     a[m, k] b[n, k, nr] -> y[m, n*nr]; k sums; whole: nr
//
// What lies in pieces is said by Pieces (FactorRules.h).
#include "ir/Graph/FactorRules.h"

using namespace mlir;

namespace jinx::graph {

namespace {

constexpr int64_t kPanel = 16;

Pieces columnsOf(RuleWriter &rule, const SizeExpr &n) { return piecesOf(rule, "n", n, kPanel, FactorKind::kFree); }
/// Rows of panels, of which `interleave` lie side by side.
Pieces rowsOf(RuleWriter &rule, const SizeExpr &k, int64_t interleave, FactorKind kind) { return piecesOf(rule, "k", k, interleave, kind); }

/// [p, k, 16 * interleave]
Dims panelsOf(const Pieces &columns, const Pieces &rows) {
  Loops row = columns.piece;
  row.append(rows.piece);
  return {columns.count, rows.count, row};
}
int64_t interleaveOf(Value panels) { return sizesOf(panels.getType()).back().constant().value_or(kPanel) / kPanel; }

FactorRule pack(PackOp op) {
  RuleWriter rule(op);
  Sizes b = sizesOf(op.getB().getType());
  Dims batch = rule.each("b", ArrayRef(b).drop_back(2));
  Pieces columns = columnsOf(rule, b[b.size() - (op.getTranspose() ? 2 : 1)]);
  Pieces rows = rowsOf(rule, b[b.size() - (op.getTranspose() ? 1 : 2)], op.getInterleave(), FactorKind::kFree);
  rule.operand("b", op.getB(), with(batch, op.getTranspose() ? Dims{columns.dim, rows.dim} : Dims{rows.dim, columns.dim}));
  rule.result("y", op.getY(), with(batch, panelsOf(columns, rows)));
  rule.partial({"b"}, kAny);
  return rule.take();
}

/// b by rows may be filled up along k: then its rows are another factor than a's, and both are whole.
std::pair<Loops, Loops> rowsBeside(RuleWriter &rule, const SizeExpr &k, const SizeExpr &filled) {
  if (k == filled) {
    const int64_t shared = rule.reduced("k", k);
    return {{shared}, {shared}};
  }
  return {{rule.whole("kx", k)}, {rule.whole("kp", filled)}};
}

FactorRule packedMatmul(PackedMatmulOp op) {
  RuleWriter rule(op);
  Sizes a = sizesOf(op.getA().getType()), b = sizesOf(op.getB().getType()), y = sizesOf(op.getY().getType());
  const size_t batchOfA = a.size() - 2, batchOfB = b.size() - (op.getByRows() ? 2 : 3);
  Dims batch = rule.each("b", ArrayRef(y).drop_back(2));
  const int64_t m = rule.free("m", y[y.size() - 2]);
  if (op.getByRows()) {
    const int64_t n = rule.free("n", y.back());
    auto [left, right] = rowsBeside(rule, a.back(), b.back());
    rule.operand("a", op.getA(), with(lastOf(batch, batchOfA), {{m}, left}));
    rule.operand("b", op.getB(), with(lastOf(batch, batchOfB), {{n}, right}));
    rule.result("y", op.getY(), with(batch, {{m}, {n}}));
  } else {
    Pieces columns = columnsOf(rule, y.back()), rows = rowsOf(rule, a.back(), interleaveOf(op.getB()), FactorKind::kReduced);
    rule.operand("a", op.getA(), with(lastOf(batch, batchOfA), {{m}, rows.dim}));
    rule.operand("b", op.getB(), with(lastOf(batch, batchOfB), panelsOf(columns, rows)));
    rule.result("y", op.getY(), with(batch, {{m}, columns.dim}));
  }
  linearInBoth(rule, op.getA(), op.getY(), "a", "b");
  return rule.take();
}

/// Rows and groups as in grouped_matmul (FactorsContraction.cpp).
FactorRule packedGroupedMatmul(PackedGroupedMatmulOp op) {
  RuleWriter rule(op);
  Sizes x = sizesOf(op.getX().getType()), y = sizesOf(op.getY().getType());
  const int64_t t = rule.whole("t", x[0]), k = rule.reduced("k", x[1]), g = rule.whole("g", op.getW(), 0);
  const int64_t n = rule.free("n", y[1]);
  Pieces columns = op.getByRows() ? Pieces{{n}, {n}, {}} : columnsOf(rule, y[1]);
  rule.operand("x", op.getX(), {{t}, {k}});
  rule.operand("w", op.getW(), op.getByRows() ? Dims{{g}, {n}, {k}} : Dims{{g}, columns.count, {k}, columns.piece});
  rule.operand("ends", op.getEnds(), {{g}});
  rule.result("y", op.getY(), {{t}, columns.dim});
  linearInBoth(rule, op.getX(), op.getY(), "x", "w");
  return rule.take();
}

/// x [n, h, w, g*c], w [g, panels, taps*c, 16]. By rows, and of bytes, channels are filled up within a row of w: c and the row are whole.
FactorRule packedConv(PackedConvOp op) {
  RuleWriter rule(op);
  Sizes x = sizesOf(op.getX().getType()), y = sizesOf(op.getY().getType());
  const SizeExpr group = int64_t(op.getGroup()), channels = floorDiv(x[3], group), columns = floorDiv(y[3], group);
  const SizeExpr taps = op.getKernel()[0] * op.getKernel()[1];
  const int64_t n = rule.free("n", x[0]), g = rule.free("g", group);
  Dims in, out;
  for (int64_t d : {0, 1}) in.push_back({rule.whole("x" + Twine(d), x[1 + d])}), out.push_back({rule.whole("y" + Twine(d), y[1 + d])});
  const bool isFilled = op.getByRows() || interleaveOf(op.getW()) != 1;
  const int64_t c = isFilled ? rule.whole("c", channels) : rule.reduced("c", channels);
  rule.operand("x", op.getX(), with(with({{n}}, in), {{g, c}}));
  if (op.getByRows()) {
    const int64_t o = rule.free("o", y[3]);
    rule.operand("w", op.getW(), {{o}, {rule.whole("row", op.getW(), 1)}});
    rule.result("y", op.getY(), with(with({{n}}, out), {{o}}));
  } else {
    Pieces panels = piecesOf(rule, "o", columns, kPanel, FactorKind::kFree);
    Loops row = isFilled ? Loops{rule.whole("row", op.getW(), 2)} : Loops{rule.whole("taps", taps), c}, last = panels.piece;
    if (isFilled) last.push_back(rule.whole("i", interleaveOf(op.getW())));
    Loops columnsOfY = panels.dim;
    columnsOfY.insert(columnsOfY.begin(), g);
    rule.operand("w", op.getW(), {{g}, panels.count, row, last});
    rule.result("y", op.getY(), with(with({{n}}, out), {columnsOfY}));
  }
  linearInBoth(rule, op.getX(), op.getY(), "x", "w");
  return rule.take();
}

constexpr FactorRow kRows[] = {
    row<PackOp, pack>(),
    row<PackedMatmulOp, packedMatmul>(),
    row<PackedGroupedMatmulOp, packedGroupedMatmul>(),
    row<PackedConvOp, packedConv>(),
};

}  // namespace

ArrayRef<FactorRow> packedFactors() { return kRows; }

}  // namespace jinx::graph
