#include "passes/Dist/RingSteps.h"

#include "ir/Dist/Forms.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
Type elementOf(Value value) { return typeOf(value).getElementType(); }
SmallVector<StringAttr> axesOf(const RingKeys &ring) { return llvm::to_vector(ring.over.getAsRange<StringAttr>()); }

/// Values of rows, [batch…, queries, 1]: types follow from the first operand.
class Rows {
 public:
  Rows(OwnBuilder &own, Location loc) : own_(own), b_(own.builder()), loc_(loc) {}
  template <typename Op>
  Value binary(Value x, Value y) { return Op::create(b_, loc_, x.getType(), x, y); }
  Value exp(Value x) { return ExpOp::create(b_, loc_, x.getType(), x); }
  Value scalar(double number, Value like) { return own_.scalar(loc_, FloatAttr::get(elementOf(like), number), elementOf(like)); }
  /// Rows that have seen no key.
  Value areEmpty(Value m) {
    Value least = own_.scalar(loc_, neutralOf(ReduceKind::max, elementOf(m)), elementOf(m));
    return CompareOp::create(b_, loc_, withElementType(typeOf(m), b_.getI1Type()), ComparePredicate::eq, m, least);
  }
  Value where(Value condition, double number, Value x) { return SelectOp::create(b_, loc_, x.getType(), condition, scalar(number, x), x); }
  Value cast(Value x, Type element) { return elementOf(x) == element ? x : CastOp::create(b_, loc_, withElementType(typeOf(x), element), x).getResult(); }

 private:
  OwnBuilder &own_;
  OpBuilder &b_;
  Location loc_;
};

}  // namespace

RankedTensorType RingSteps::ofColumns(Value value, const RingKeys &ring) {
  RankedTensorType type = typeOf(value);
  return own_.varyingOn(resized(type, type.getRank() - 1, ring.own), axesOf(ring));
}

Value RingSteps::cloneWith(Operation *op, ArrayRef<Value> operands, RankedTensorType type) {
  Operation *copy = b_.clone(*op);
  copy->setOperands(operands);
  copy->getResult(0).setType(type);
  return copy->getResult(0);
}

Value RingSteps::columnsOf(Value value, const RingKeys &ring, const SizeExpr &block, Columns &known) {
  RankedTensorType type = typeOf(value);
  if (type.getRank() == 0 || sizesOf(type).back().isConstant(1)) return value;
  if (Value made = known.lookup(value)) return made;
  Value made = makeColumns(value, ring, block, known);
  known[value] = made;
  return made;
}

Value RingSteps::makeColumns(Value value, const RingKeys &ring, const SizeExpr &block, Columns &known) {
  Operation *op = value.getDefiningOp();
  const int64_t last = typeOf(value).getRank() - 1;
  if (auto iota = dyn_cast_or_null<IotaOp>(op)) {
    RankedTensorType type = resized(typeOf(value), last, ring.own);
    Value first = cloneWith(op, {}, type);
    if (iota.getAxis() != last) return first;
    Value from = own_.number(op->getLoc(), ring.own * block * SizeExpr(iota.getStep()), last + 1);
    from = Rows(own_, op->getLoc()).cast(from, type.getElementType());
    return AddOp::create(b_, op->getLoc(), own_.varyingOn(type, axesOf(ring)), first, from);
  }
  if (op && (op->hasTrait<Elementwise>() || isa<BroadcastOp>(op))) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) operands.push_back(columnsOf(operand, ring, block, known));
    return cloneWith(op, operands, ofColumns(value, ring));
  }
  Location loc = value.getLoc();
  Value filled = own_.padTo(loc, value, last, ring.own * SizeExpr(ring.ranks));
  return own_.slice(loc, filled, last, ring.own * block, ring.own, axesOf(ring));
}

RingState RingSteps::take(const SoftmaxAttention &attention, const RingKeys &ring, int64_t step, Value keys, Value values) {
  const SizeExpr place = own_.place(axesOf(ring)), block = step == 0 ? place : mod(place + SizeExpr(ring.ranks - step), ring.ranks);
  const bool isUneven = !(ring.own * SizeExpr(ring.ranks) == ring.whole);
  const SizeExpr end = ring.whole - ring.own * block;
  Columns &known = columns_[{ring.over.getAsOpaquePointer(), ring.own.str(), ring.whole.str(), step, attention.context->getAttr(dist::kStage).getAsOpaquePointer()}];

  // What is of this attention alone goes by its own map, that of others beside it.
  llvm::DenseMap<Value, Value> made;
  auto columns = [&](Value value) {
    Value own = made.lookup(value);
    return own ? own : columnsOf(value, ring, block, known);
  };
  auto copy = [&](Operation *op, RankedTensorType type) {
    SmallVector<Value> operands = llvm::map_to_vector(op->getOperands(), columns);
    return made[op->getResult(0)] = cloneWith(op, operands, type);
  };
  MatmulOp scores = attention.scores, context = attention.context;
  made[scores.getY()] = cloneWith(scores, {scores.getA(), keys}, ofColumns(scores.getY(), ring));
  for (Operation *op : attention.ofScores) copy(op, ofColumns(op->getResult(0), ring));
  Value logits = made[attention.logits];
  if (isUneven) {
    Type element = elementOf(logits);
    logits = made[attention.logits] = own_.maskFrom(attention.shifted->getLoc(), logits, typeOf(logits).getRank() - 1, end, neutralOf(ReduceKind::max, element));
    values = own_.maskFrom(context.getLoc(), values, ring.valueDim, end, neutralOf(ReduceKind::sum, elementOf(values)));
  }
  Value m = copy(attention.max, typeOf(attention.max->getResult(0)));
  copy(attention.shifted, ofColumns(attention.logits, ring));
  copy(attention.exps, ofColumns(attention.logits, ring));
  Value l = copy(attention.sum, typeOf(attention.sum->getResult(0)));
  copy(attention.weights, ofColumns(attention.logits, ring));
  for (Operation *op : attention.views) {
    if (op != attention.rowSelect) {
      copy(op, ofColumns(op->getResult(0), ring));
      continue;
    }
    Value weights = made.lookup(op->getOperand(1));  // rows are set to 0 at the end
    made[op->getResult(0)] = weights ? weights : made.lookup(op->getOperand(2));
  }
  Rows rows(own_, context.getLoc());
  Value o = cloneWith(context, {made[context.getA()], values}, typeOf(context.getY()));
  const Type number = elementOf(m).getIntOrFloatBitWidth() < 32 ? b_.getF32Type() : elementOf(m);  // halves would be rounded n times
  o = rows.cast(o, number), m = rows.cast(m, number), l = rows.cast(l, number);
  Value empty = rows.areEmpty(m);
  return {rows.where(spread(context.getLoc(), empty, o), 0, o), m, rows.where(empty, 0, l)};
}

/// A value of rows as it stands beside `like`, whose batch may be another view of theirs.
Value RingSteps::spread(Location loc, Value ofRows, Value like) {
  Sizes sizes = sizesOf(like.getType());
  sizes.back() = 1;
  if (typeOf(ofRows).getRank() == int64_t(sizes.size())) return ofRows;
  return ReshapeOp::create(b_, loc, dist::withStates(tensorOf(sizes, elementOf(ofRows)), dist::statesOf(ofRows.getType())), ofRows);
}

RingState RingSteps::join(Location loc, const RingState &first, const RingState &second, bool isLast) {
  Rows rows(own_, loc);
  RingState both;
  both.m = rows.binary<MaxOp>(first.m, second.m);
  Value empty = rows.areEmpty(both.m), shift = rows.where(empty, 0, both.m);
  auto shareOf = [&](const RingState &state) { return rows.binary<MulOp>(state.l, rows.exp(rows.binary<SubOp>(state.m, shift))); };
  Value a = shareOf(first), b = shareOf(second);
  both.l = rows.binary<AddOp>(a, b);
  Value whole = isLast ? both.l : rows.where(empty, 1, both.l);
  auto part = [&](const RingState &state, Value share) { return rows.binary<MulOp>(state.o, spread(loc, rows.binary<DivOp>(share, whole), state.o)); };
  Value ofFirst = part(first, a), ofSecond = part(second, b);
  both.o = rows.binary<AddOp>(ofFirst, ofSecond);
  return both;
}

Value RingSteps::finish(const SoftmaxAttention &attention, const RingState &all) {
  MatmulOp context = attention.context;
  Rows rows(own_, context.getLoc());
  Value y = rows.cast(all.o, elementOf(context.getY()));
  if (!attention.rowSelect) return y;
  SelectOp select = attention.rowSelect;
  Value condition = select.getCondition(), zero = rows.scalar(0, y);
  const bool zeroFirst = select.getA().getType() != select.getY().getType();
  return SelectOp::create(b_, select.getLoc(), y.getType(), condition, zeroFirst ? zero : y, zeroFirst ? y : zero);
}

}  // namespace jinx::passes
