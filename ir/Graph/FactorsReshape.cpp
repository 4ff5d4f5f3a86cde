// The factor rule of a reshape: the common refinement of both shapes.
//
// Both are walked from the major end. Of the two extents at hand, what is common to them is a factor of both, and the rest of each remains at hand:
//
//   x [6, 4] -> y [2, 12]         at hand 6 and 2:    a factor 2, 3 remains of x's
//                                 at hand 3 and 12:   a factor 3, 4 remains of y's
//                                 at hand 4 and 4:    a factor 4              x[i0*i1, i2] -> y[i0, i1*i2]
//   x [b*s, 64] -> y [b, s, 64]   formulas that divide each other do the same
//
// Where nothing is common, dimensions are taken on both sides until there are as many elements: a group in which each dimension is whole. What was common
// in front of them still is a factor, the major one of their first dimensions, so that a merge or split of dimensions keeps it:
//
//   x [4, 6] -> y [6, 4]          a factor 2; then 2, 6 and 3, 4 have nothing in common:      x[i0*x0, x1] -> y[i0*y0, y1]
#include <numeric>

#include "ir/Graph/FactorRules.h"

using namespace mlir;

namespace jinx::graph {

namespace {

/// A size that divides both; 1 where none is known.
SizeExpr commonTo(const SizeExpr &a, const SizeExpr &b) {
  if (a == b || b.exactDivide(a)) return a;
  if (a.exactDivide(b)) return b;
  SizeExpr common = std::gcd(a.knownDivisor(), b.knownDivisor());
  for (const std::string &name : a.symbols()) {
    SizeExpr more = common * SizeExpr::symbol(name);
    if (a.exactDivide(more) && b.exactDivide(more)) common = more;
  }
  return a.exactDivide(common) && b.exactDivide(common) ? common : SizeExpr(1);
}

/// One shape on the way from its major end.
struct Side {
  StringRef prefix;
  Sizes sizes;
  Dims dims;          ///< the factors that are found
  size_t at = 0;      ///< the dimension at hand
  SizeExpr rest = 1;  ///< what remains of its extent

  Side(StringRef prefix, Value v) : prefix(prefix), sizes(sizesOf(v.getType())), dims(sizes.size()) { begin(); }
  bool isDone() const { return at == sizes.size(); }
  /// Goes on to a dimension of which something remains.
  void begin() {
    while (!isDone() && sizes[at].isConstant(1)) ++at;
    rest = isDone() ? SizeExpr(1) : sizes[at];
  }
  void next() {
    ++at;
    begin();
  }
  void give(int64_t factor, const SizeExpr &size) {
    dims[at].push_back(factor);
    rest = *rest.exactDivide(size);
    if (rest.isConstant(1)) next();
  }
  /// What remains of the dimension is whole; its size.
  SizeExpr giveWhole(RuleWriter &rule) {
    SizeExpr size = rest;
    dims[at].push_back(rule.whole(prefix + Twine(at), size));
    next();
    return size;
  }
};

/// Dimensions of both until there are as many elements; to the ends, when that is not seen.
void giveGroup(RuleWriter &rule, Side &x, Side &y) {
  SizeExpr inX = x.giveWhole(rule), inY = y.giveWhole(rule);
  while (!(inX == inY) && !(x.isDone() && y.isDone())) {
    const bool bothKnown = inX.constant() && inY.constant();
    const bool isMoreX = bothKnown ? *inX.constant() > *inY.constant() : inX.exactDivide(inY).has_value();
    const bool isMoreY = bothKnown ? *inY.constant() > *inX.constant() : inY.exactDivide(inX).has_value();
    if (!x.isDone() && !isMoreX) inX = inX * x.giveWhole(rule);
    if (!y.isDone() && !isMoreY) inY = inY * y.giveWhole(rule);
    if ((isMoreX && y.isDone()) || (isMoreY && x.isDone())) break;
  }
  if (inX == inY) return;
  while (!x.isDone()) x.giveWhole(rule);
  while (!y.isDone()) y.giveWhole(rule);
}

FactorRule reshape(ReshapeOp op) {
  RuleWriter rule(op);
  Side x("x", op.getX()), y("y", op.getY());
  for (int64_t found = 0; !x.isDone() && !y.isDone();) {
    const bool isEmpty = x.rest.isConstant(0) || y.rest.isConstant(0) || x.rest.isInvalid() || y.rest.isInvalid();
    SizeExpr common = isEmpty ? SizeExpr(1) : commonTo(x.rest, y.rest);
    if (common.isConstant(1)) {
      giveGroup(rule, x, y);
      continue;
    }
    int64_t factor = rule.free("i" + Twine(found++), common);
    x.give(factor, common);
    y.give(factor, common);
  }
  while (!x.isDone()) x.giveWhole(rule);
  while (!y.isDone()) y.giveWhole(rule);
  rule.operand("x", op.getX(), x.dims);
  rule.result("y", op.getY(), y.dims);
  rule.partial({"x"}, kAny);
  return rule.take();
}

constexpr FactorRow kRows[] = {row<ReshapeOp, reshape>()};

}  // namespace

ArrayRef<FactorRow> reshapeFactors() { return kRows; }

}  // namespace jinx::graph
