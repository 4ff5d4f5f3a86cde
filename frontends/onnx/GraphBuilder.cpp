#include "frontends/onnx/GraphBuilder.h"

#include "frontends/onnx/OnnxConstants.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {

Value ConstantPool::get(ElementsAttr value, Location loc) {
  Value &known = values_[value];
  if (!known) {
    OpBuilder builder(marker_);
    known = ConstantOp::create(builder, loc, value);
  }
  return known;
}

// ---- failure ----------------------------------------------------------------------------------------------------------------

Value GraphBuilder::fail(std::string reason) {
  if (reason_.empty()) reason_ = std::move(reason);
  return {};
}

bool GraphBuilder::check(ValueRange operands) {
  for (Value operand : operands) {
    if (!operand) {
      fail("an operand is missing");
      return false;
    }
    if (!isRanked(operand)) {
      fail("the rank of an operand is not known");
      return false;
    }
  }
  return true;
}

bool GraphBuilder::check(ArrayRef<SizeExpr> sizes) {
  for (const SizeExpr &size : sizes) {
    if (!size.isInvalid() && size.constant().value_or(0) >= 0) continue;
    fail("a size is negative or beyond all bounds: " + size.str());
    return false;
  }
  return true;
}

bool GraphBuilder::inferType(llvm::function_ref<LogicalResult(SmallVectorImpl<Type> &)> inference, Type &type) {
  std::string message;
  ScopedDiagnosticHandler handler(context(), [&](Diagnostic &diagnostic) {
    message = diagnostic.str();
    return success();
  });
  SmallVector<Type, 1> types;
  if (failed(inference(types))) {
    fail(message.empty() ? "operands do not fit" : message);
    return false;
  }
  type = types[0];
  return check(sizesOf(type));
}

Value GraphBuilder::finish(OperationState &state) {
  if (!check(sizesOf(state.types[0]))) return {};
  return builder_.create(state)->getResult(0);
}

// ---- constants --------------------------------------------------------------------------------------------------------------

Value GraphBuilder::scalar(Type element, double value) { return filled({}, element, value); }

Value GraphBuilder::filled(ArrayRef<SizeExpr> sizes, Type element, double value) {
  if (!check(sizes)) return {};
  auto type = tensorOf(sizes, element);
  if (!type.hasStaticShape()) return broadcast(scalar(element, value), sizes);
  if (auto floatType = dyn_cast<FloatType>(element)) return constant(DenseElementsAttr::get(type, builder_.getFloatAttr(floatType, value)));
  if (element.isInteger(1)) return constant(DenseElementsAttr::get(type, value != 0));
  if (!isa<IntegerType>(element)) return fail("no number has the element type of the operand");
  llvm::APInt integer(element.getIntOrFloatBitWidth(), uint64_t(int64_t(value)), /*isSigned=*/true, /*implicitTrunc=*/true);
  return constant(DenseElementsAttr::get(type, integer));
}

Value GraphBuilder::integers(ArrayRef<int64_t> values, Type element) {
  auto type = RankedTensorType::get({int64_t(values.size())}, element ? element : i64());
  if (type.getElementType().isInteger(64)) return constant(DenseElementsAttr::get(type, values));
  SmallVector<llvm::APInt> narrow;
  for (int64_t value : values)
    narrow.emplace_back(type.getElementTypeBitWidth(), uint64_t(value), /*isSigned=*/true, /*implicitTrunc=*/true);
  return constant(DenseElementsAttr::get(type, narrow));
}

Value GraphBuilder::sizeTensor(ArrayRef<SizeExpr> values, RankedTensorType type) {
  SmallVector<llvm::APInt> numbers;
  SmallVector<Attribute> formulas;
  for (const SizeExpr &value : values) {
    if (value.isInvalid()) return fail("a size is beyond all bounds");
    if (auto number = value.constant())
      numbers.emplace_back(type.getElementTypeBitWidth(), uint64_t(*number), /*isSigned=*/true, /*implicitTrunc=*/true);
    formulas.push_back(builder_.getStringAttr(value.str()));
  }
  if (numbers.size() == values.size()) return constant(DenseElementsAttr::get(type, numbers));
  return SizesOp::create(builder_, loc_, type, builder_.getArrayAttr(formulas));
}

Value GraphBuilder::sizeScalar(const SizeExpr &value, Type element) {
  if (auto number = value.constant()) return scalar(element, double(*number));
  return cast(sizeTensor({value}, RankedTensorType::get({}, i64())), element);
}

// ---- equal sizes ------------------------------------------------------------------------------------------------------------

Value GraphBuilder::retype(Value v, ArrayRef<SizeExpr> target) {
  auto type = tensorOf(target, element(v));
  return type == v.getType() ? v : ReshapeOp::create(builder_, loc_, type, v).getResult();
}

std::optional<SizeExpr> GraphBuilder::require(const SizeExpr &a, const SizeExpr &b, const char *what) {
  auto size = facts_.unify(a, b, /*strict=*/true, loc_);
  if (!size) fail(std::string(what) + ": sizes " + a.str() + " and " + b.str() + " are not equal");
  return size;
}

static SizeExpr lesser(const SizeExpr &a, const SizeExpr &b) { return min(a, b); } // members of that name make operators

bool GraphBuilder::takeAtMost(const SizeExpr &a, const SizeExpr &b) {
  return (b - a).isAtLeast(0) || facts_.unify(a, lesser(a, b), /*strict=*/true, loc_).has_value();
}

std::optional<Sizes> GraphBuilder::joinSizes(ArrayRef<SizeExpr> a, ArrayRef<SizeExpr> b) {
  if (a.size() < b.size()) std::swap(a, b);
  Sizes result(a.begin(), a.end());
  for (size_t i = 0; i < b.size(); ++i) {
    SizeExpr &x = result[a.size() - b.size() + i];
    if (x == b[i] || b[i].isConstant(1)) continue;
    auto size = x.isConstant(1) ? std::optional(b[i]) : facts_.unify(x, b[i], /*strict=*/false, loc_);
    if (!size) {
      fail("shapes " + describe(a) + " and " + describe(b) + " do not surely broadcast together");
      return std::nullopt;
    }
    x = *size;
  }
  return result;
}

bool GraphBuilder::broadcastTogether(MutableArrayRef<Value> operands, size_t kept) {
  if (!check(ValueRange(ArrayRef<Value>(operands)))) return false;
  auto leading = [&](Value v) {
    Sizes all = sizes(v);
    return Sizes(all.begin(), all.end() - std::min(kept, all.size()));
  };
  Sizes joined;
  for (Value operand : operands) {
    auto next = joinSizes(joined, leading(operand));
    if (!next) return false;
    joined = *next;
  }
  for (Value &operand : operands) {
    Sizes target = sizes(operand);
    size_t count = target.size() - std::min(kept, target.size());
    for (size_t i = 0; i < count; ++i)
      if (!target[i].isConstant(1)) target[i] = joined[joined.size() - count + i];
    operand = retype(operand, target);
  }
  return true;
}

Value GraphBuilder::withSizes(Value v, ArrayRef<SizeExpr> target) {
  if (!check(ValueRange(v)) || !check(target)) return {};
  Sizes own = sizes(v);
  if (own.size() != target.size()) return fail("operand is " + describe(own) + ", expected " + describe(target));
  for (size_t i = 0; i < own.size(); ++i)
    if (!require(own[i], target[i], "an operand has the wrong shape")) return {};
  return retype(v, target);
}

// ---- elementwise ------------------------------------------------------------------------------------------------------------

Value GraphBuilder::compare(ComparePredicate predicate, Value a, Value b) {
  return elementwise<CompareOp>({a, b}, [&](CompareOp::Properties &p) { p.predicate = ComparePredicateAttr::get(context(), predicate); });
}

Value GraphBuilder::cast(Value x, Type elementType) {
  if (!x) return {};
  if (element(x) == elementType) return x;
  if (!isRanked(x)) return fail("the rank of an operand is not known");
  return CastOp::create(builder_, loc_, withElementType(mlir::cast<RankedTensorType>(x.getType()), elementType), x);
}

// ---- movement ---------------------------------------------------------------------------------------------------------------

Value GraphBuilder::reshape(Value x, ArrayRef<SizeExpr> target) {
  if (!check(ValueRange(x)) || !check(target)) return {};
  auto type = tensorOf(target, element(x));
  if (type == x.getType()) return x;
  if (!require(volume(sizes(x)), volume(target), "numbers of elements differ")) return {};
  if (auto source = x.getDefiningOp<ConstantOp>(); source && type.hasStaticShape()) {
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(source.getValue()))
      return pool_.get(DenseResourceElementsAttr::get(type, resource.getRawHandle()), source.getLoc());
    if (auto dense = dyn_cast<DenseElementsAttr>(source.getValue())) return pool_.get(dense.reshape(type), source.getLoc());
  }
  return ReshapeOp::create(builder_, loc_, type, x);
}

Value GraphBuilder::transpose(Value x, ArrayRef<int64_t> perm) {
  if (x && llvm::is_sorted(perm) && int64_t(perm.size()) == rank(x)) return x;
  return infer<TransposeOp>({x}, [&](TransposeOp::Properties &p) { p.perm = builder_.getDenseI64ArrayAttr(perm); });
}

Value GraphBuilder::broadcast(Value x, ArrayRef<SizeExpr> target) {
  if (!check(ValueRange(x)) || !check(target)) return {};
  auto type = tensorOf(target, element(x));
  if (type == x.getType()) return x;
  auto joined = joinSizes(sizes(x), target);
  if (!joined) return {};
  if (joined->size() != target.size()) return fail("shape " + describe(sizes(x)) + " does not broadcast to " + describe(target));
  Sizes own = sizes(x);
  for (size_t i = 0; i < own.size(); ++i)
    if (!own[i].isConstant(1)) own[i] = target[target.size() - own.size() + i];
  x = retype(x, own);
  return type == x.getType() ? x : BroadcastOp::create(builder_, loc_, type, x).getResult();
}

Value GraphBuilder::slice(Value x, ArrayRef<SizeExpr> starts, ArrayRef<SizeExpr> target, ArrayRef<int64_t> steps) {
  if (!check(ValueRange(x)) || !check(target)) return {};
  auto type = tensorOf(target, element(x));
  bool whole = type == x.getType() && llvm::all_of(steps, [](int64_t step) { return step == 1; });
  if (whole) return x;
  SmallVector<Attribute> formulas;
  for (const SizeExpr &start : starts) formulas.push_back(builder_.getStringAttr(start.str()));
  return SliceOp::create(builder_, loc_, type, x, builder_.getArrayAttr(formulas), builder_.getDenseI64ArrayAttr(steps));
}

Value GraphBuilder::sliceAxis(Value x, int64_t axis, const SizeExpr &start, const SizeExpr &size) {
  if (!check(ValueRange(x))) return {};
  Sizes target = sizes(x), starts(target.size(), SizeExpr(0));
  starts[axis] = start;
  target[axis] = size;
  return slice(x, starts, target, SmallVector<int64_t>(target.size(), 1));
}

Value GraphBuilder::concat(ValueRange xs, int64_t axis) {
  if (xs.size() == 1 && xs[0]) return xs[0];
  if (!check(xs)) return {};
  Sizes common = sizes(xs[0]);
  for (Value x : xs.drop_front()) {
    if (rank(x) != int64_t(common.size())) return fail("operands have different ranks");
    for (int64_t d = 0; d < rank(x); ++d) {
      if (d == axis) continue;
      auto size = require(common[d], GraphBuilder::size(x, d), "operands do not join");
      if (!size) return {};
      common[d] = *size;
    }
  }
  SmallVector<Value> aligned;
  for (Value x : xs) {
    Sizes target = common;
    if (axis >= 0 && axis < rank(x)) target[axis] = size(x, axis);
    aligned.push_back(retype(x, target));
  }
  return infer<ConcatOp>(ValueRange(aligned), [&](ConcatOp::Properties &p) { p.axis = builder_.getI64IntegerAttr(axis); });
}

Value GraphBuilder::pad(Value x, ArrayRef<SizeExpr> low, ArrayRef<SizeExpr> target, PadMode mode, Value value) {
  if (!check(ValueRange(x)) || !check(target)) return {};
  auto type = tensorOf(target, element(x));
  bool none = type == x.getType() && llvm::all_of(low, [](const SizeExpr &l) { return l.isConstant(0); });
  if (none) return x;
  SmallVector<Attribute> formulas;
  for (const SizeExpr &l : low) formulas.push_back(builder_.getStringAttr(l.str()));
  return PadOp::create(builder_, loc_, type, x, value, builder_.getArrayAttr(formulas), mode);
}

Value GraphBuilder::gather(Value x, Value indices, int64_t axis) {
  return infer<GatherOp>({x, indices}, [&](GatherOp::Properties &p) { p.axis = builder_.getI64IntegerAttr(axis); });
}

Value GraphBuilder::iota(ArrayRef<SizeExpr> target, Type elementType, int64_t axis, int64_t start, int64_t step) {
  if (!check(target)) return {};
  return IotaOp::create(builder_, loc_, tensorOf(target, elementType), axis, start, step);
}

Value GraphBuilder::alongAxis(Value x, int64_t axis, int64_t toRank) {
  if (!check(ValueRange(x))) return {};
  if (rank(x) == 0) return x;
  if (rank(x) != 1) return fail("operand is " + describe(sizes(x)) + ", expected a vector");
  Sizes target(toRank, SizeExpr(1));
  target[axis] = size(x, 0);
  return reshape(x, target);
}

// ---- contraction, reduction -------------------------------------------------------------------------------------------------

Value GraphBuilder::matmul(Value a, Value b, bool transposeB) {
  SmallVector<Value, 2> operands = {a, b};
  if (!check(ValueRange(operands))) return {};
  if (rank(a) < 2 || rank(b) < 2) return fail("expected matrices");
  if (!broadcastTogether(operands, 2)) return {};
  Sizes left = sizes(operands[0]), right = sizes(operands[1]);
  SizeExpr &ka = left.back(), &kb = right[right.size() - (transposeB ? 1 : 2)];
  auto k = require(ka, kb, "the contracted dimensions differ");
  if (!k) return {};
  ka = kb = *k;
  return infer<MatmulOp>({retype(operands[0], left), retype(operands[1], right)}, [&](MatmulOp::Properties &p) {
    if (transposeB) p.transpose_b = builder_.getUnitAttr();
  });
}

Value GraphBuilder::conv(Value x, Value w, const ConvGeometry &geometry) {
  if (!check(ValueRange(ArrayRef<Value>{x, w}))) return {};
  if (rank(x) < 3 || rank(w) != rank(x)) return fail("expected an image and weights of its rank");
  Sizes image = sizes(x);
  auto channels = require(image[1], size(w, 1) * SizeExpr(geometry.group), "the weights are for other channels");
  if (!channels) return {};
  image[1] = *channels;
  x = retype(x, image);
  return infer<ConvOp>({x, w}, [&](ConvOp::Properties &p) {
    p.strides = builder_.getDenseI64ArrayAttr(geometry.strides);
    p.pads = builder_.getDenseI64ArrayAttr(geometry.pads);
    p.dilations = builder_.getDenseI64ArrayAttr(geometry.dilations);
    p.group = builder_.getI64IntegerAttr(geometry.group);
  });
}

Value GraphBuilder::pool(PoolKind kind, Value x, ArrayRef<int64_t> kernel, const ConvGeometry &geometry,
                         ArrayRef<SizeExpr> spatialSizes) {
  if (!check(ValueRange(x))) return {};
  Sizes target = sizes(x);
  target.resize(2);
  llvm::append_range(target, spatialSizes);
  if (!check(target)) return {};
  return PoolOp::create(builder_, loc_, tensorOf(target, element(x)), kind, x, kernel, geometry.strides, geometry.pads,
                        geometry.dilations, /*channels_last=*/false);
}

Value GraphBuilder::reduce(ReduceKind kind, Value x, ArrayRef<int64_t> axes) {
  if (axes.empty()) return x;
  return infer<ReduceOp>({x}, [&](ReduceOp::Properties &p) {
    p.kind = ReduceKindAttr::get(context(), kind);
    p.axes = builder_.getDenseI64ArrayAttr(axes);
  });
}

Value GraphBuilder::mean(Value x, ArrayRef<int64_t> axes) {
  if (!check(ValueRange(x))) return {};
  SizeExpr count = 1;
  for (int64_t axis : axes) {
    if (axis >= rank(x)) return fail("axis " + std::to_string(axis) + " is out of range");
    count = count * size(x, axis);
  }
  // The sum may be out of a half float's range where the mean is not.
  Type own = element(x), wide = own.isF16() || own.isBF16() ? f32() : own;
  return cast(div(sum(cast(x, wide), axes), sizeScalar(count, wide)), own);
}

} // namespace jinx::frontends
