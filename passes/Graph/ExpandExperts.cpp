// Mixtures of experts as grouped products of rows that are sorted by expert (docs/decisions/0026, 0051).
//
// Two tokens with two of three experts each, chosen as [[2, 0], [0, 1]]:
//
//   pairs     (0, 2) (0, 0) (1, 0) (1, 1)         a token and its expert, token by token
//   sorted    (0, 0) (1, 0) (1, 1) (0, 2)         order 1 2 3 0, ends 2 3 4
//   back      3 0 1 2                             where each pair's row lies, to sum them token by token
//
// A row's place among those sorted is the number of rows of experts before its own, and of rows of its own that come before it: sums of a table that has a row
// for each pair and a column for each expert. No sort, which would be a step of the host where there are many pairs.
//
// A rank that has experts 1 and 2 only counts from its first one, [[1, -1], [-1, 0]]. Its pairs lie in front, and rows behind the last end are 0 (that is what
// a grouped product says), so the last row is one of them wherever a pair is elsewhere. Such pairs lie behind all rows: a scatter leaves them out, and a gather
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
  explicit Expansion(ExpertsOp op) : op_(op), b_(op), loc_(op.getLoc()), i32_(b_.getI32Type()), f32_(b_.getF32Type()) {
    Sizes chosen = sizesOf(op.getChosen().getType()), down = sizesOf(op.getDown().getType());
    tokens_ = chosen[0], used_ = chosen[1], count_ = down[0], width_ = down[1];
    pairs_ = tokens_ * used_;
  }

  void run() {
    at(".route");
    route();
    Value rows = GatherOp::create(b_, loc_, op_.getX(), div(order_, used_), 0);
    Value gate = product(".gate", rows, op_.getGate()), up = product(".up", rows, op_.getUp());
    Value gated = cast(mul(activate(cast(gate, f32_)), cast(up, f32_)), elementOf(op_.getX()));
    Value down = cast(product(".down", gated, op_.getDown()), f32_);
    at(".merge");
    Value pairs = reshape(GatherOp::create(b_, loc_, down, back_, 0), {tokens_, used_, width_});
    Value weights = reshape(op_.getWeights(), {tokens_, used_, 1});
    op_.getY().replaceAllUsesWith(reshape(sum(mul(pairs, weights), 1), {tokens_, width_}));
    op_.erase();
  }

 private:
  /// Operators from here on are this part of the mixture's node.
  void at(StringRef part) {
    StringRef name = nodeName(op_.getLoc());
    if (!name.empty()) loc_ = NameLoc::get(b_.getStringAttr(name + part));
  }

  void route() {
    Value chosen = reshape(op_.getChosen(), {pairs_, 1}), experts = cast(numbers({1, count_}, 1), elementOf(op_.getChosen()));
    Value isChosen = cast(CompareOp::create(b_, loc_, ComparePredicate::eq, chosen, experts), i32_);
    Value sizes = sum(isChosen, 0), ends = runningSum(sizes, 1), nowhere = integer(kNowhere);
    Value place = sub(add(runningSum(isChosen, 0), sub(ends, sizes)), integer(1));
    // The one column of a pair's row that is 1 says where it lies.
    back_ = reshape(add(sum(mul(isChosen, sub(place, nowhere)), 1), nowhere), {pairs_});
    // The pair that lies at each place: what `back` says, turned around. Places without one have some pair; nobody multiplies it.
    Value pair = numbers({pairs_}, 0);
    order_ = ScatterElementsOp::create(b_, loc_, ScatterKind::set, pair, back_, pair, 0);
    ends_ = reshape(ends, {count_});
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
  Value sum(Value x, int64_t axis) { return ReduceOp::create(b_, loc_, ReduceKind::sum, x, ArrayRef<int64_t>{axis}); }
  Value runningSum(Value x, int64_t axis) { return CumsumOp::create(b_, loc_, x, axis, /*exclusive=*/false, /*reverse=*/false); }
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
  Value number(double value) { return scalar(b_.getF32FloatAttr(float(value))); }
  Value integer(int64_t value) { return scalar(b_.getI32IntegerAttr(int32_t(value))); }

  ExpertsOp op_;
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
    for (ExpertsOp op : found) Expansion(op).run();
    numExpanded += int64_t(found.size());
  }
};

}  // namespace
}  // namespace jinx::passes
