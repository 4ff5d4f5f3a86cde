// Factor rules of recurrences, of gradients of attention, and of pages of keys and values.
//
// Heads of queries are [g, s]: each of g heads of keys is read by s neighbouring ones of queries, so a device that has a part of g has all that its queries
// read. The depth of attention is whole: an exponential stands over the sum along it.
#include "ir/Graph/FactorRules.h"
#include "ir/Graph/Pages.h"

using namespace mlir;

namespace jinx::graph {

namespace {

/// Sequences are free, unless a step is quantized over all of them. Time and units depend on each other.
FactorRule lstm(LstmOp op) {
  RuleWriter rule(op);
  Sizes ys = sizesOf(op.getYs().getType());
  const int64_t t = rule.whole("t", ys[0]), n = op.getRScale() ? rule.whole("n", ys[1]) : rule.free("n", ys[1]), h = rule.whole("h", ys[2]);
  const int64_t gates = rule.whole("gates", op.getXw(), 2);
  Dims r;
  for (size_t d = 0; d < sizesOf(op.getR().getType()).size(); ++d) r.push_back({rule.whole("r" + Twine(d), op.getR(), d)});
  rule.operand("xw", op.getXw(), {{t}, {n}, {gates}});
  rule.operand("r", op.getR(), r);
  rule.operand("h0", op.getH0(), {{n}, {h}});
  rule.operand("c0", op.getC0(), {{n}, {h}});
  rule.operand("r_scale", op.getRScale(), {{gates}});
  rule.result("ys", op.getYs(), {{t}, {n}, {h}});
  rule.result("hn", op.getHn(), {{n}, {h}});
  rule.result("cn", op.getCn(), {{n}, {h}});
  return rule.take();
}

FactorRule gru(GruOp op) {
  RuleWriter rule(op);
  Sizes ys = sizesOf(op.getYs().getType());
  const int64_t t = rule.whole("t", ys[0]), n = rule.free("n", ys[1]), h = rule.whole("h", ys[2]), gates = rule.whole("gates", op.getXw(), 2);
  Dims r;
  for (size_t d = 0; d < sizesOf(op.getR().getType()).size(); ++d) r.push_back({rule.whole("r" + Twine(d), op.getR(), d)});
  rule.operand("xw", op.getXw(), {{t}, {n}, {gates}});
  rule.operand("r", op.getR(), r);
  rule.operand("rb", op.getRb(), {{gates}});
  rule.operand("h0", op.getH0(), {{n}, {h}});
  rule.result("ys", op.getYs(), {{t}, {n}, {h}});
  rule.result("hn", op.getHn(), {{n}, {h}});
  return rule.take();
}

/// Rows, columns and heads that share keys are reduced: an index of one gradient, and the other gradients are sums over it. With `causal` a row's number says
/// what it sees, so rows and columns are whole; so are rows whose logarithms are filled up. All gradients are linear in dy and delta together.
FactorRule attentionGrad(AttentionGradOp op) {
  RuleWriter rule(op);
  Sizes q = sizesOf(op.getQ().getType()), k = sizesOf(op.getK().getType());
  Sizes lse = sizesOf(op.getLse().getType()), delta = sizesOf(op.getDelta().getType());
  const bool isFilled = !(lse[2] == q[2] && delta[2] == q[2]), isWhole = op.getCausal() || isFilled;
  const int64_t b = rule.free("b", q[0]), g = rule.free("g", k[1]), s = rule.reduced("s", floorDiv(q[1], k[1])), d = rule.whole("d", q[3]);
  const int64_t n = isWhole ? rule.whole("n", q[2]) : rule.reduced("n", q[2]), m = op.getCausal() ? rule.whole("m", k[2]) : rule.reduced("m", k[2]);
  const Dims rows = {{b}, {g, s}, {n}, {d}}, columns = {{b}, {g}, {m}, {d}};
  rule.operand("q", op.getQ(), rows);
  rule.operand("k", op.getK(), columns);
  rule.operand("v", op.getV(), columns);
  rule.operand("dy", op.getDy(), rows);
  rule.operand("lse", op.getLse(), {{b}, {g, s}, {lse[2] == q[2] ? n : rule.whole("nl", lse[2])}});
  rule.operand("delta", op.getDelta(), {{b}, {g, s}, {delta[2] == q[2] ? n : rule.whole("nd", delta[2])}});
  rule.result("dq", op.getDq(), rows);
  rule.result("dk", op.getDk(), columns);
  rule.result("dv", op.getDv(), columns);
  rule.partial({"dy", "delta"}, kSums);
  return rule.take();
}

/// A pool [pages, heads, rows, depth] and its scales. Where an element lies in a page is the target's: rows and depth are whole.
struct Pool {
  Loops page, head, row, depth;
  Dims dims() const { return {page, head, row, depth}; }
  Dims scales() const { return {page, head, row}; }
};
Pool poolOf(RuleWriter &rule, Value pool, StringRef depth) {
  Sizes sizes = sizesOf(pool.getType());
  return {{rule.whole("page", sizes[0])}, {rule.free("g", sizes[1])}, {rule.whole("row", sizes[2])}, {rule.whole(depth, sizes[3])}};
}

FactorRule writePages(WritePagesOp op) {
  RuleWriter rule(op);
  const Pool pool = poolOf(rule, op.getPool(), "d");
  const int64_t t = rule.whole("t", op.getRows(), 0);
  rule.operand("pool", op.getPool(), pool.dims());
  rule.operand("rows", op.getRows(), {{t}, pool.head, pool.depth});
  rule.operand("slots", op.getSlots(), {{t}});
  rule.operand("scales", op.getScales(), pool.scales());
  rule.result("pages", op.getPages(), pool.dims());
  rule.result("page_scales", op.getPageScales(), pool.scales());
  return rule.take();
}

/// A token looks at the pages of its sequence, and at no other token of the step.
FactorRule pagedAttention(PagedAttentionOp op) {
  RuleWriter rule(op);
  Sizes q = sizesOf(op.getQ().getType());
  const Pool keys = poolOf(rule, op.getKeys(), "d");
  Pool values = keys;
  values.depth = {rule.whole("e", op.getValues(), 3)};
  const int64_t t = rule.free("t", q[0]), s = rule.free("s", floorDiv(q[1], sizesOf(op.getKeys().getType())[1]));
  const Loops heads = {keys.head[0], s};
  rule.operand("q", op.getQ(), {{t}, heads, keys.depth});
  rule.operand("keys", op.getKeys(), keys.dims());
  rule.operand("values", op.getValues(), values.dims());
  rule.operand("table", op.getTable(), {{rule.whole("sequences", op.getTable(), 0)}, {rule.whole("entries", op.getTable(), 1)}});
  rule.operand("sequence", op.getSequence(), {{t}});
  rule.operand("position", op.getPosition(), {{t}});
  rule.operand("key_scales", op.getKeyScales(), keys.scales());
  rule.operand("value_scales", op.getValueScales(), values.scales());
  rule.result("y", op.getY(), {{t}, heads, values.depth});
  return rule.take();
}

constexpr FactorRow kRows[] = {
    row<LstmOp, lstm>(),
    row<GruOp, gru>(),
    row<AttentionGradOp, attentionGrad>(),
    row<WritePagesOp, writePages>(),
    row<PagedAttentionOp, pagedAttention>(),
};

}  // namespace

ArrayRef<FactorRow> sequenceFactors() { return kRows; }

}  // namespace jinx::graph
