// Mixtures of experts as grouped products of rows that are sorted by expert (docs/decisions/0026, 0051).
//
// Two tokens with two of three experts each, chosen as [[2, 0], [0, 1]]:
//
//   pairs     (0, 2) (0, 0) (1, 0) (1, 1)         a token and its expert, token by token
//   sorted    (0, 0) (1, 0) (1, 1) (0, 2)         order 1 2 3 0, ends 2 3 4
//   back      3 0 1 2                             where each pair's row lies, to sum them token by token
//
// A row's place among those sorted is the number of pairs that lie before it: those of experts before its own, and those of its own that were chosen earlier. No
// sort, which would be a step of the host where there are many pairs, but sums of a table:
//
//   CPU     a row for each pair and a column for each expert, running sums down the columns: the least work
//   CUDA    a row for each pair and a column for each pair, true where the column's lies before the row's: every place is found alone. Running sums wait for each other,
//           and a step of one token is launches: here are three, which read no more than the pairs
//
// A rank that has experts 1 and 2 only counts from its first one, [[1, -1], [-1, 0]]. Its pairs lie in front, and rows behind the last end are 0 (that is what
// a grouped product says), so the last row is one of them wherever a pair is elsewhere. Such pairs lie behind all rows, where nobody looks for them, and a gather
// reads the last row.
//
//   sorted    (1, 1) (0, 2) - -                   ends 1 2
//   back      1 ∞ ∞ 0
//
// A rank all of whose experts nobody has chosen multiplies nothing, and gives 0. The order of a token's additions is that of its experts as they were chosen:
// nothing else in the step changes it.
#include "passes/Dist/ValueNames.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_EXPANDEXPERTS
#include "passes/Passes.h.inc"

namespace {

constexpr int32_t kNowhere = 1 << 30;  ///< a place behind all rows, of which there are fewer

class Expansion {
 public:
  /// \param isByPairs  places are found by looking at all pairs; else by running sums
  Expansion(ExpertsOp op, bool isByPairs) : op_(op), isByPairs_(isByPairs), b_(op), loc_(op.getLoc()), i32_(b_.getI32Type()), f32_(b_.getF32Type()) {
    Sizes chosen = sizesOf(op.getChosen().getType()), down = sizesOf(op.getDown().getType());
    tokens_ = chosen[0], used_ = chosen[1], count_ = down[0], width_ = down[1];
    pairs_ = tokens_ * used_;
  }

  void run() {
    at(".route");
    isByPairs_ ? lookAtPairs() : sumUpExperts();
    Value rows = GatherOp::create(b_, loc_, op_.getX(), div(order_, used_), 0);
    Value gate = product(".gate", rows, op_.getGate()), up = product(".up", rows, op_.getUp());
    Value gated = cast(mul(activate(cast(gate, f32_)), cast(up, f32_)), elementOf(op_.getX()));
    Value down = product(".down", gated, op_.getDown());
    at(".merge");
    op_.getY().replaceAllUsesWith(merged(down));
    op_.erase();
  }

 private:
  /// Operators from here on are this part of the mixture's node.
  void at(StringRef part) {
    StringRef name = nodeName(op_.getLoc());
    if (!name.empty()) loc_ = NameLoc::get(b_.getStringAttr(name + part));
  }

  void sumUpExperts() {
    Value chosen = reshape(op_.getChosen(), {pairs_, 1}), experts = cast(numbers({1, count_}, 1), elementOf(op_.getChosen()));
    Value isChosen = cast(compare(ComparePredicate::eq, chosen, experts), i32_);
    Value sizes = sum(isChosen, 0), ends = runningSum(sizes, 1), nowhere = integer(kNowhere);
    Value place = sub(add(runningSum(isChosen, 0), sub(ends, sizes)), integer(1));
    // The one column of a pair's row that is 1 says where it lies.
    back_ = reshape(add(sum(mul(isChosen, sub(place, nowhere)), 1), nowhere), {pairs_});
    // The pair that lies at each place: what `back` says, turned around. Places without one have some pair; nobody multiplies it.
    Value pair = numbers({pairs_}, 0);
    order_ = ScatterElementsOp::create(b_, loc_, ScatterKind::set, pair, back_, pair, 0);
    ends_ = reshape(ends, {count_});
  }

  /// Every operand of a table has all of its shape or one column, so that one kernel makes it and counts.
  void lookAtPairs() {
    const SmallVector<SizeExpr> pairs = {pairs_, pairs_}, experts = {count_, pairs_};
    Value own = reshape(op_.getChosen(), {pairs_, 1}), none = like(own, 0);
    auto other = [&](ArrayRef<SizeExpr> table) { return broadcast(reshape(op_.getChosen(), {1, pairs_}), table); };
    auto isThere = [&](ArrayRef<SizeExpr> table) { return compare(ComparePredicate::ge, other(table), none); };
    Value isEarlier = compare(ComparePredicate::lt, numbers(pairs, 1), numbers(pairs, 0)), end = SelectOp::create(b_, loc_, isEarlier, add(own, like(own, 1)), own);
    Value place = count(both(isThere(pairs), compare(ComparePredicate::lt, other(pairs), end)));
    Value hasRow = both(compare(ComparePredicate::ge, own, none), compare(ComparePredicate::lt, own, like(own, *count_.constant())));
    back_ = reshape(SelectOp::create(b_, loc_, hasRow, place, integer(kNowhere)), {pairs_});
    Value isUpTo = compare(ComparePredicate::le, other(experts), cast(numbers(experts, 0), elementOf(own)));
    ends_ = reshape(count(both(isThere(experts), isUpTo)), {count_});
    // Places without a pair have the first one.
    Value liesHere = compare(ComparePredicate::eq, broadcast(reshape(back_, {1, pairs_}), pairs), numbers(pairs, 0));
    order_ = reshape(sum(SelectOp::create(b_, loc_, liesHere, numbers(pairs, 1), integer(0)), 1), {pairs_});
  }

  /// Sums of the rows of each token, in the order of its experts.
  Value merged(Value down) {
    constexpr int64_t kMostTerms = 16;  // that are written out: each reads its rows where they lie
    const auto used = used_.constant();
    if (!used || *used > kMostTerms) {
      Value pairs = reshape(cast(GatherOp::create(b_, loc_, down, back_, 0), f32_), {tokens_, used_, width_});
      return reshape(sum(mul(pairs, reshape(op_.getWeights(), {tokens_, used_, 1})), 1), {tokens_, width_});
    }
    Value result;
    for (int64_t i = 0; i < *used; ++i) {
      Value own = slice(back_, {i}, {*used}, {tokens_}), weight = slice(op_.getWeights(), {0, i}, {1, 1}, {tokens_, 1});
      Value term = mul(cast(GatherOp::create(b_, loc_, down, own, 0), f32_), weight);
      result = result ? add(result, term) : term;
    }
    return result;
  }

  Value product(StringRef part, Value rows, Value w) {
    at(part);
    return GroupedMatmulOp::create(b_, loc_, rows, w, ends_, /*transpose_w=*/true);
  }

  Value activate(Value x) {
    switch (op_.getKind()) {
      case GateKind::silu: return mul(x, SigmoidOp::create(b_, loc_, x));
      case GateKind::gelu: return mul(mul(x, number(0.5)), add(ErfOp::create(b_, loc_, mul(x, number(0.70710678118654752440))), number(1)));
      case GateKind::gelu_tanh: break;
    }
    Value cubic = mul(mul(mul(x, x), x), number(0.044715));
    Value t = TanhOp::create(b_, loc_, mul(add(x, cubic), number(0.79788456080286535588)));
    return mul(mul(x, number(0.5)), add(t, number(1)));
  }

  static Type elementOf(Value v) { return mlir::cast<RankedTensorType>(v.getType()).getElementType(); }
  Value cast(Value x, Type element) { return elementOf(x) == element ? x : CastOp::create(b_, loc_, tensorOf(sizesOf(x.getType()), element), x).getResult(); }
  Value reshape(Value x, ArrayRef<SizeExpr> sizes) { return ReshapeOp::create(b_, loc_, tensorOf(sizes, elementOf(x)), x); }
  Value broadcast(Value x, ArrayRef<SizeExpr> sizes) { return BroadcastOp::create(b_, loc_, tensorOf(sizes, elementOf(x)), x); }
  Value slice(Value x, ArrayRef<int64_t> from, ArrayRef<int64_t> steps, ArrayRef<SizeExpr> sizes) {
    SmallVector<Attribute> starts;
    for (int64_t start : from) starts.push_back(b_.getStringAttr(std::to_string(start)));
    return SliceOp::create(b_, loc_, tensorOf(sizes, elementOf(x)), x, b_.getArrayAttr(starts), steps);
  }
  Value compare(ComparePredicate how, Value x, Value y) { return CompareOp::create(b_, loc_, how, x, y); }
  Value both(Value x, Value y) { return AndOp::create(b_, loc_, x, y); }
  /// How many of each row are true.
  Value count(Value x) { return sum(cast(x, i32_), 1); }
  Value sum(Value x, int64_t axis) { return ReduceOp::create(b_, loc_, ReduceKind::sum, x, ArrayRef<int64_t>{axis}); }
  Value runningSum(Value x, int64_t axis) { return CumsumOp::create(b_, loc_, x, axis, /*exclusive=*/false, /*reverse=*/false); }
  /// How far along an axis each place is.
  Value numbers(ArrayRef<SizeExpr> sizes, uint64_t axis) { return IotaOp::create(b_, loc_, tensorOf(sizes, i32_), axis, 0, 1); }
  Value add(Value x, Value y) { return AddOp::create(b_, loc_, x, y); }
  Value sub(Value x, Value y) { return SubOp::create(b_, loc_, x, y); }
  Value mul(Value x, Value y) { return MulOp::create(b_, loc_, x, y); }
  Value div(Value x, const SizeExpr &by) {
    return DivOp::create(b_, loc_, x, by.constant() ? integer(*by.constant()) : reshape(size(by), {}));
  }
  /// A formula, i32 [1, 1].
  Value size(const SizeExpr &formula) {
    return cast(SizesOp::create(b_, loc_, RankedTensorType::get({1, 1}, b_.getI64Type()), b_.getStrArrayAttr({StringRef(formula.str())})), i32_);
  }
  Value scalar(TypedAttr value) { return ConstantOp::create(b_, loc_, DenseElementsAttr::get(RankedTensorType::get({}, value.getType()), Attribute(value))); }
  /// A number of an operand's type, integers.
  Value like(Value x, int64_t value) { return scalar(b_.getIntegerAttr(elementOf(x), value)); }
  Value number(double value) { return scalar(b_.getF32FloatAttr(float(value))); }
  Value integer(int64_t value) { return scalar(b_.getI32IntegerAttr(int32_t(value))); }

  ExpertsOp op_;
  bool isByPairs_;
  OpBuilder b_;
  Location loc_;
  Type i32_, f32_;
  SizeExpr tokens_, used_, pairs_, count_, width_;
  Value order_, ends_, back_;  ///< [pairs], [experts], [pairs], i32
};

struct ExpandExperts : impl::ExpandExpertsBase<ExpandExperts> {
  using ExpandExpertsBase::ExpandExpertsBase;
  void runOnOperation() override {
    SmallVector<ExpertsOp> found;
    getOperation().walk([&](ExpertsOp op) { found.push_back(op); });
    for (ExpertsOp op : found) Expansion(op, cuda && sizesOf(op.getDown().getType())[0].constant()).run();
    numExpanded += int64_t(found.size());
  }
};

}  // namespace
}  // namespace jinx::passes
