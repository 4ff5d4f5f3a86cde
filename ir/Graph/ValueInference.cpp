// Forward evaluation over the operators that shape arithmetic uses. See ValueInference.h for what and why.
//
// The evaluator walks from the asked value to its operands, element by element: `Number` is a formula over a power of two.
// Operators that only move elements are an index map from result to operand; the rest is arithmetic on Numbers.
#include "ir/Graph/ValueInference.h"

#include <cmath>

#include "ir/Graph/Constants.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace jinx::graph {
using mlir::Attribute;  // not the runtime's
using mlir::Value;

std::optional<bool> surelyLess(const SizeExpr &a, const SizeExpr &b) {
  SizeExpr difference = b - a;
  if (difference.isInvalid()) return std::nullopt;
  if (difference.isAtLeast(1, 1)) return true;
  if ((a - b).isAtLeast(0, 1)) return false;
  return std::nullopt;
}

std::optional<bool> surelyEqual(const SizeExpr &a, const SizeExpr &b) {
  SizeExpr difference = a - b;
  if (difference.isInvalid()) return std::nullopt;
  if (auto constant = difference.constant()) return *constant == 0;
  if (difference.isAtLeast(1, 1) || (b - a).isAtLeast(1, 1)) return false;
  return std::nullopt;
}

namespace {

/// The constant as a host tensor, when its elements are numbers and few.
std::optional<Tensor> smallTensor(Attribute attribute, int64_t limit) {
  auto elements = dyn_cast_or_null<ElementsAttr>(attribute);
  auto type = elements ? dyn_cast<RankedTensorType>(elements.getType()) : nullptr;
  if (!type || !type.hasStaticShape() || !type.getElementType().isIntOrFloat() || type.getNumElements() > limit) return std::nullopt;
  auto tensor = tensorOf(elements);
  return tensor ? std::optional<Tensor>(*tensor) : std::nullopt;
}

}  // namespace

std::optional<SmallVector<int64_t>> readIntegers(Attribute attribute, int64_t limit) {
  auto tensor = smallTensor(attribute, limit);
  if (!tensor || isFloat(tensor->dtype())) return std::nullopt;
  std::vector<int64_t> values = tensor->toInts();
  return SmallVector<int64_t>(values.begin(), values.end());
}

std::optional<SmallVector<double>> readNumbers(Attribute attribute, int64_t limit) {
  auto tensor = smallTensor(attribute, limit);
  if (!tensor) return std::nullopt;
  SmallVector<double> result;
  for (int64_t i = 0; i < tensor->size(); ++i) result.push_back(tensor->getDouble(i));
  return result;
}

std::optional<double> constantScalar(Value value) {
  auto constant = value ? value.getDefiningOp<ConstantOp>() : nullptr;
  if (!constant) return std::nullopt;
  auto numbers = readNumbers(constant.getValue(), 1);
  return numbers && numbers->size() == 1 ? std::optional<double>((*numbers)[0]) : std::nullopt;
}

namespace {

/// `value / 2^shift`: exact for sizes and the float factors that they meet in models.
struct Number {
  SizeExpr value;
  int shift = 0;
};
using Numbers = SmallVector<Number>;
using MaybeNumbers = std::optional<Numbers>;
constexpr int kMaxShift = 20;
constexpr int kMaxDepth = 64;

std::optional<Number> fromDouble(double value) {
  for (int shift = 0; shift <= kMaxShift; ++shift) {
    double scaled = std::ldexp(value, shift);
    if (std::abs(scaled) > double(int64_t(1) << 53)) return std::nullopt;
    if (scaled == std::floor(scaled)) return Number{SizeExpr(int64_t(scaled)), shift};
  }
  return std::nullopt;
}

SizeExpr power(int shift) { return int64_t(1) << shift; }

/// The two values over one denominator.
int align(Number &a, Number &b) {
  int shift = std::max(a.shift, b.shift);
  a = {a.value * power(shift - a.shift), shift};
  b = {b.value * power(shift - b.shift), shift};
  return shift;
}

Number floorOf(const Number &x) { return {floorDiv(x.value, power(x.shift)), 0}; }
Number ceilOf(const Number &x) { return {ceilDiv(x.value, power(x.shift)), 0}; }
Number negate(const Number &x) { return {SizeExpr(0) - x.value, x.shift}; }

std::optional<Number> truncate(const Number &x) {
  if (x.shift == 0 || x.value.isAtLeast(0, 1)) return floorOf(x);
  if ((SizeExpr(0) - x.value).isAtLeast(0, 1)) return ceilOf(x);
  return std::nullopt;
}

std::optional<Number> roundToEven(const Number &x) {
  if (x.shift == 0) return x;
  auto constant = x.value.constant();
  if (!constant) return std::nullopt;
  return Number{SizeExpr(int64_t(std::nearbyint(std::ldexp(double(*constant), -x.shift)))), 0};
}

std::optional<Number> divide(const Number &a, const Number &b, bool isFloat) {
  if (isFloat) {  // by a constant power of two, or exactly
    auto divisor = b.value.constant();
    if (!divisor || *divisor == 0) return std::nullopt;
    if (auto quotient = a.value.exactDivide(b.value); quotient && a.shift >= b.shift) return Number{*quotient, a.shift - b.shift};
    if (*divisor < 0 || !llvm::isPowerOf2_64(*divisor)) return std::nullopt;
    int shift = a.shift - b.shift + int(llvm::Log2_64(*divisor));
    if (shift < 0) return Number{a.value * power(-shift), 0};
    return shift <= kMaxShift ? std::optional(Number{a.value, shift}) : std::nullopt;
  }
  auto x = a.value.constant(), y = b.value.constant();
  if (y == 0) return std::nullopt;
  if (x && y) return Number{SizeExpr(*y == -1 ? -*x : *x / *y), 0};
  if (auto quotient = a.value.exactDivide(b.value)) return Number{*quotient, 0};
  if (a.value.isAtLeast(0, 1) && b.value.isAtLeast(1, 1)) return Number{floorDiv(a.value, b.value), 0};
  return std::nullopt;
}

class Evaluator {
 public:
  MaybeNumbers evaluate(Value value, int depth = 0);

 private:
  MaybeNumbers compute(Operation *op, int depth);
  MaybeNumbers move(Operation *op, RankedTensorType result, int depth);
  MaybeNumbers unary(Operation *op, int depth);
  MaybeNumbers binary(Operation *op, int depth);
  MaybeNumbers select(SelectOp op, int depth);
  MaybeNumbers reduce(ReduceOp op, int depth);
  MaybeNumbers cast(CastOp op, int depth);
  /// Operand values broadcast to the shape of `op`'s result.
  MaybeNumbers operand(Operation *op, unsigned index, int depth);

  llvm::DenseMap<Value, MaybeNumbers> known_;
};

RankedTensorType smallType(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() || !type.getElementType().isIntOrFloat()) return nullptr;
  int64_t count = 1;
  for (int64_t extent : type.getShape())
    if (__builtin_mul_overflow(count, extent, &count)) return nullptr;
  return count <= kMaxInferredElements ? type : nullptr;
}

SmallVector<int64_t> indexOf(int64_t linear, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = linear % shape[d];
    linear /= shape[d];
  }
  return index;
}
int64_t linearOf(ArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  int64_t linear = 0;
  for (size_t d = 0; d < shape.size(); ++d) linear = linear * shape[d] + index[d];
  return linear;
}

/// Builds a result from a map of its indices to linear positions in `from`; a position out of range gives up.
template <typename Map>
MaybeNumbers gatherBy(RankedTensorType result, const Numbers &from, Map map) {
  Numbers out;
  for (int64_t i = 0; i < result.getNumElements(); ++i) {
    int64_t at = map(indexOf(i, result.getShape()));
    if (at < 0 || at >= int64_t(from.size())) return std::nullopt;
    out.push_back(from[at]);
  }
  return out;
}

MaybeNumbers broadcastNumbers(const Numbers &from, RankedTensorType in, RankedTensorType out) {
  size_t offset = out.getRank() - in.getRank();
  return gatherBy(out, from, [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> source;
    for (int64_t d = 0; d < in.getRank(); ++d) source.push_back(in.getDimSize(d) == 1 ? 0 : index[offset + d]);
    return linearOf(source, in.getShape());
  });
}

MaybeNumbers Evaluator::evaluate(Value value, int depth) {
  if (depth > kMaxDepth || !smallType(value)) return std::nullopt;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumResults() != 1) return std::nullopt;
  if (auto it = known_.find(value); it != known_.end()) return it->second;
  MaybeNumbers result = compute(op, depth + 1);
  if (result)
    for (const Number &number : *result)
      if (number.value.isInvalid() || number.shift > kMaxShift) result.reset();
  return known_[value] = result;
}

MaybeNumbers Evaluator::compute(Operation *op, int depth) {
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    Numbers out;
    if (auto integers = readIntegers(constant.getValue())) {
      for (int64_t value : *integers) out.push_back({SizeExpr(value), 0});
      return out;
    }
    auto numbers = readNumbers(constant.getValue());
    if (!numbers) return std::nullopt;
    for (double value : *numbers) {
      auto number = fromDouble(value);
      if (!number) return std::nullopt;
      out.push_back(*number);
    }
    return out;
  }
  if (auto sizes = dyn_cast<SizesOp>(op)) {
    Numbers out;
    for (Attribute text : sizes.getExprs()) {
      auto expr = SizeExpr::parse(mlir::cast<StringAttr>(text).getValue());
      if (!expr) return std::nullopt;
      out.push_back({*expr, 0});
    }
    return out;
  }
  if (isa<ReshapeOp, TransposeOp, BroadcastOp, SliceOp, ConcatOp, GatherOp, IotaOp>(op))
    return move(op, mlir::cast<RankedTensorType>(op->getResult(0).getType()), depth);
  if (auto castOp = dyn_cast<CastOp>(op)) return cast(castOp, depth);
  if (auto selectOp = dyn_cast<SelectOp>(op)) return select(selectOp, depth);
  if (auto reduceOp = dyn_cast<ReduceOp>(op)) return reduce(reduceOp, depth);
  if (isa<AbsOp, NegOp, FloorOp, CeilOp, RoundOp, NotOp, ReluOp>(op)) return unary(op, depth);
  if (isa<AddOp, SubOp, MulOp, DivOp, ModOp, MaxOp, MinOp, AndOp, OrOp, XorOp, CompareOp>(op)) return binary(op, depth);
  return std::nullopt;
}

MaybeNumbers Evaluator::move(Operation *op, RankedTensorType result, int depth) {
  if (auto iota = dyn_cast<IotaOp>(op)) {
    Numbers out;
    for (int64_t i = 0; i < result.getNumElements(); ++i) {
      int64_t at = indexOf(i, result.getShape())[iota.getAxis()];
      out.push_back({SizeExpr(int64_t(iota.getStart())) + SizeExpr(int64_t(iota.getStep())) * SizeExpr(at), 0});
    }
    return out;
  }
  if (auto concat = dyn_cast<ConcatOp>(op)) {
    Numbers out(result.getNumElements());
    int64_t base = 0, axis = concat.getAxis();
    for (Value part : concat.getXs()) {
      auto numbers = evaluate(part, depth);
      if (!numbers) return std::nullopt;
      auto type = mlir::cast<RankedTensorType>(part.getType());
      for (size_t i = 0; i < numbers->size(); ++i) {
        SmallVector<int64_t> index = indexOf(i, type.getShape());
        index[axis] += base;
        out[linearOf(index, result.getShape())] = (*numbers)[i];
      }
      base += type.getDimSize(axis);
    }
    return out;
  }
  auto x = evaluate(op->getOperand(0), depth);
  if (!x) return std::nullopt;
  auto type = mlir::cast<RankedTensorType>(op->getOperand(0).getType());
  ArrayRef<int64_t> shape = type.getShape();
  if (isa<ReshapeOp>(op)) return x;
  if (isa<BroadcastOp>(op)) return broadcastNumbers(*x, type, result);
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return gatherBy(result, *x, [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> source(index.size());
      for (auto [i, p] : llvm::enumerate(transpose.getPerm())) source[p] = index[i];
      return linearOf(source, shape);
    });
  if (auto slice = dyn_cast<SliceOp>(op)) {
    SmallVector<int64_t> starts;
    for (Attribute text : slice.getStarts()) {
      auto expr = SizeExpr::parse(mlir::cast<StringAttr>(text).getValue());
      if (!expr || !expr->constant()) return std::nullopt;
      starts.push_back(*expr->constant());
    }
    return gatherBy(result, *x, [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> source;
      for (size_t d = 0; d < index.size(); ++d) source.push_back(starts[d] + index[d] * slice.getSteps()[d]);
      return linearOf(source, shape);
    });
  }
  auto gather = mlir::cast<GatherOp>(op);
  auto indices = evaluate(gather.getIndices(), depth);
  if (!indices) return std::nullopt;
  for (const Number &number : *indices)
    if (!number.value.constant()) return std::nullopt;
  auto indicesType = mlir::cast<RankedTensorType>(gather.getIndices().getType());
  size_t axis = gather.getAxis(), count = indicesType.getRank();
  return gatherBy(result, *x, [&](ArrayRef<int64_t> index) {
    int64_t at = *(*indices)[linearOf(index.slice(axis, count), indicesType.getShape())].value.constant();
    if (at < 0) at += shape[axis];
    if (at < 0 || at >= shape[axis]) return int64_t(-1);
    SmallVector<int64_t> source(index.take_front(axis));
    source.push_back(at);
    llvm::append_range(source, index.drop_front(axis + count));
    return linearOf(source, shape);
  });
}

MaybeNumbers Evaluator::cast(CastOp op, int depth) {
  auto x = evaluate(op.getX(), depth);
  if (!x) return std::nullopt;
  Type to = mlir::cast<RankedTensorType>(op.getY().getType()).getElementType();
  for (Number &number : *x) {
    if (isa<FloatType>(to)) continue;
    if (to.isInteger(1)) {
      auto zero = surelyEqual(number.value, 0);
      if (!zero) return std::nullopt;
      number = {SizeExpr(*zero ? 0 : 1), 0};
      continue;
    }
    auto integer = truncate(number);
    if (!integer) return std::nullopt;
    number = *integer;
  }
  return x;
}

MaybeNumbers Evaluator::unary(Operation *op, int depth) {
  auto x = evaluate(op->getOperand(0), depth);
  if (!x) return std::nullopt;
  bool isBool = mlir::cast<RankedTensorType>(op->getResult(0).getType()).getElementType().isInteger(1);
  Numbers out;
  for (const Number &number : *x) {
    std::optional<Number> y;
    bool positive = number.value.isAtLeast(0, 1), negative = (SizeExpr(0) - number.value).isAtLeast(0, 1);
    llvm::TypeSwitch<Operation *>(op)
        .Case<NegOp>([&](auto) { y = negate(number); })
        .Case<FloorOp>([&](auto) { y = floorOf(number); })
        .Case<CeilOp>([&](auto) { y = ceilOf(number); })
        .Case<RoundOp>([&](auto) { y = roundToEven(number); })
        .Case<AbsOp>([&](auto) {
          if (positive || negative) y = positive ? number : negate(number);
        })
        .Case<ReluOp>([&](auto) {
          if (positive || negative) y = positive ? number : Number{SizeExpr(0), 0};
        })
        .Case<NotOp>([&](auto) {
          if (isBool) y = Number{SizeExpr(1) - number.value, 0};
        });
    if (!y) return std::nullopt;
    out.push_back(*y);
  }
  return out;
}

MaybeNumbers Evaluator::operand(Operation *op, unsigned index, int depth) {
  auto x = evaluate(op->getOperand(index), depth);
  if (!x) return std::nullopt;
  auto in = mlir::cast<RankedTensorType>(op->getOperand(index).getType());
  auto out = mlir::cast<RankedTensorType>(op->getResult(0).getType());
  return in.getShape() == out.getShape() ? x : broadcastNumbers(*x, in, out);
}

std::optional<Number> compareNumbers(ComparePredicate predicate, const SizeExpr &a, const SizeExpr &b) {
  std::optional<bool> answer;
  switch (predicate) {
    case ComparePredicate::eq: answer = surelyEqual(a, b); break;
    case ComparePredicate::ne: answer = surelyEqual(a, b); break;
    case ComparePredicate::lt: answer = surelyLess(a, b); break;
    case ComparePredicate::ge: answer = surelyLess(a, b); break;
    case ComparePredicate::gt: answer = surelyLess(b, a); break;
    case ComparePredicate::le: answer = surelyLess(b, a); break;
  }
  if (!answer) return std::nullopt;
  bool flip = predicate == ComparePredicate::ne || predicate == ComparePredicate::ge || predicate == ComparePredicate::le;
  return Number{SizeExpr(*answer != flip), 0};
}

std::optional<Number> combine(Operation *op, Number a, Number b, bool isFloat, bool isBool) {
  if (isa<MulOp>(op)) return Number{a.value * b.value, a.shift + b.shift};
  if (isa<DivOp>(op)) return divide(a, b, isFloat);
  if (isa<AndOp, OrOp, XorOp>(op)) {
    auto x = a.value.constant(), y = b.value.constant();
    if (!isBool || !x || !y) return std::nullopt;
    return Number{SizeExpr(isa<AndOp>(op) ? (*x & *y) : isa<OrOp>(op) ? (*x | *y) : (*x ^ *y)), 0};
  }
  int shift = align(a, b);
  if (isa<AddOp>(op)) return Number{a.value + b.value, shift};
  if (isa<SubOp>(op)) return Number{a.value - b.value, shift};
  if (isa<MaxOp>(op)) return Number{max(a.value, b.value), shift};
  if (isa<MinOp>(op)) return Number{min(a.value, b.value), shift};
  if (auto compare = dyn_cast<CompareOp>(op)) return compareNumbers(compare.getPredicate(), a.value, b.value);
  // mod: the divisor's sign, which SizeExpr has for positive divisors
  if (isFloat || !b.value.isAtLeast(1, 1)) return std::nullopt;
  return Number{mod(a.value, b.value), 0};
}

MaybeNumbers Evaluator::binary(Operation *op, int depth) {
  auto a = operand(op, 0, depth);
  if (!a) return std::nullopt;
  auto b = operand(op, 1, depth);
  if (!b) return std::nullopt;
  Type element = mlir::cast<RankedTensorType>(op->getOperand(0).getType()).getElementType();
  Numbers out;
  for (auto [x, y] : llvm::zip(*a, *b)) {
    auto number = combine(op, x, y, isa<FloatType>(element), element.isInteger(1));
    if (!number) return std::nullopt;
    out.push_back(*number);
  }
  return out;
}

MaybeNumbers Evaluator::select(SelectOp op, int depth) {
  auto condition = operand(op, 0, depth);
  if (!condition) return std::nullopt;
  // Only the side that is taken has to be known.
  auto a = operand(op, 1, depth), b = operand(op, 2, depth);
  Numbers out;
  for (size_t i = 0; i < condition->size(); ++i) {
    auto taken = (*condition)[i].value.constant();
    if (!taken) return std::nullopt;
    const MaybeNumbers &side = *taken ? a : b;
    if (!side) return std::nullopt;
    out.push_back((*side)[i]);
  }
  return out;
}

MaybeNumbers Evaluator::reduce(ReduceOp op, int depth) {
  auto x = evaluate(op.getX(), depth);
  if (!x || x->empty()) return std::nullopt;
  auto in = mlir::cast<RankedTensorType>(op.getX().getType()), result = mlir::cast<RankedTensorType>(op.getY().getType());
  SmallVector<std::optional<Number>> out(result.getNumElements());
  for (size_t i = 0; i < x->size(); ++i) {
    SmallVector<int64_t> index = indexOf(i, in.getShape());
    for (int64_t axis : op.getAxes()) index[axis] = 0;
    std::optional<Number> &sum = out[linearOf(index, result.getShape())];
    Number next = (*x)[i];
    if (!sum) {
      sum = next;
      continue;
    }
    if (op.getKind() == ReduceKind::prod) {
      sum = Number{sum->value * next.value, sum->shift + next.shift};
      continue;
    }
    int shift = align(*sum, next);
    switch (op.getKind()) {
      case ReduceKind::sum: sum = Number{sum->value + next.value, shift}; break;
      case ReduceKind::max: sum = Number{max(sum->value, next.value), shift}; break;
      default: sum = Number{min(sum->value, next.value), shift}; break;
    }
  }
  Numbers numbers;
  for (auto &number : out) {
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

std::optional<SmallVector<SizeExpr>> inferIntegerValues(Value value) {
  if (!value || !smallType(value) || !isa<IntegerType>(smallType(value).getElementType())) return std::nullopt;
  auto numbers = Evaluator().evaluate(value);
  if (!numbers) return std::nullopt;
  SmallVector<SizeExpr> result;
  for (const Number &number : *numbers) {
    if (number.shift) return std::nullopt;
    result.push_back(number.value);
  }
  return result;
}

std::optional<SmallVector<int64_t>> inferConstantIntegers(Value value) {
  auto exprs = inferIntegerValues(value);
  if (!exprs) return std::nullopt;
  SmallVector<int64_t> result;
  for (const SizeExpr &expr : *exprs) {
    auto constant = expr.constant();
    if (!constant) return std::nullopt;
    result.push_back(*constant);
  }
  return result;
}

}  // namespace jinx::graph
