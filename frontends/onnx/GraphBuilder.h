// Makes graph operators without ever failing hard: what handlers build with.
//
// Every function gives a null Value when an operand is null or does not fit, and remembers the first reason. So a handler writes
// a decomposition straight down and looks at the end:
//
//   Value y = b.mul(x, b.sigmoid(b.mul(x, 1.702)));
//   return y;   // null: `b.reason()` says that shapes n and m do not broadcast together
//
// Constants lie at the head of the function, each attribute once.
#pragma once

#include "frontends/onnx/SizeFacts.h"

namespace jinx::frontends {

/// The constants of the function being imported.
class ConstantPool {
public:
  /// Constants go in front of `marker`.
  explicit ConstantPool(mlir::Operation *marker) : marker_(marker) {}
  Value get(mlir::ElementsAttr value, mlir::Location loc);

private:
  mlir::Operation *marker_;
  llvm::DenseMap<mlir::Attribute, Value> values_;
};

class GraphBuilder {
public:
  GraphBuilder(mlir::OpBuilder &builder, ConstantPool &pool, SizeFacts &facts, mlir::Location loc)
      : builder_(builder), pool_(pool), facts_(facts), loc_(loc) {}

  // ---- failure --------------------------------------------------------------------------------------------------------------
  Value fail(std::string reason);
  const std::string &reason() const { return reason_; }

  // ---- types ----------------------------------------------------------------------------------------------------------------
  mlir::MLIRContext *context() const { return builder_.getContext(); }
  mlir::OpBuilder &builder() { return builder_; }
  mlir::Location loc() const { return loc_; }
  mlir::Type f32() { return builder_.getF32Type(); }
  mlir::Type i64() { return builder_.getI64Type(); }
  mlir::Type i32() { return builder_.getI32Type(); }
  mlir::Type i1() { return builder_.getI1Type(); }
  // Of an omitted operand: no type, rank 0, and a size that is none.
  static mlir::Type element(Value v) { return v ? mlir::cast<mlir::TensorType>(v.getType()).getElementType() : mlir::Type(); }
  static bool isFloat(Value v) { return mlir::isa_and_nonnull<mlir::FloatType>(element(v)); }
  static bool isInteger(Value v) { return mlir::isa_and_nonnull<mlir::IntegerType>(element(v)); }
  static bool isRanked(Value v) { return v && mlir::isa<mlir::RankedTensorType>(v.getType()); }
  static int64_t rank(Value v) { return v ? mlir::cast<mlir::RankedTensorType>(v.getType()).getRank() : 0; }
  static Sizes sizes(Value v) { return v ? graph::sizesOf(v.getType()) : Sizes(); }
  static SizeExpr size(Value v, int64_t i) { return i >= 0 && i < rank(v) ? sizes(v)[i] : graph::parseSize(""); }

  // ---- constants ------------------------------------------------------------------------------------------------------------
  Value constant(mlir::ElementsAttr value) { return pool_.get(value, loc_); }
  Value scalar(mlir::Type element, double value); ///< rank 0
  Value scalarLike(Value v, double value) { return v ? scalar(element(v), value) : Value(); }
  Value integers(llvm::ArrayRef<int64_t> values, mlir::Type element = {}); ///< rank 1, i64 unless said otherwise
  Value filled(llvm::ArrayRef<SizeExpr> sizes, mlir::Type element, double value);
  /// Formulas as an integer tensor; a constant when all are numbers.
  Value sizeTensor(llvm::ArrayRef<SizeExpr> values, mlir::RankedTensorType type);
  Value sizeScalar(const SizeExpr &value, mlir::Type element); ///< rank 0, of any element type

  // ---- equal sizes ----------------------------------------------------------------------------------------------------------
  /// a is at most b from here on: surely, or by a condition that is written down (SizeFacts.h). False where it is neither.
  bool takeAtMost(const SizeExpr &a, const SizeExpr &b);
  /// numpy broadcasting; formulas over the same symbols may be taken to be equal (SizeFacts.h).
  std::optional<Sizes> joinSizes(llvm::ArrayRef<SizeExpr> a, llvm::ArrayRef<SizeExpr> b);
  /// `v` with these extents, which the operator requires it to have.
  Value withSizes(Value v, llvm::ArrayRef<SizeExpr> sizes);

  // ---- elementwise ----------------------------------------------------------------------------------------------------------
  template <typename Op>
  Value unary(Value x) {
    return infer<Op>({x});
  }
  template <typename Op>
  Value binary(Value a, Value b) {
    return elementwise<Op>({a, b}, [](auto &) {});
  }
  Value add(Value a, Value b) { return binary<graph::AddOp>(a, b); }
  Value sub(Value a, Value b) { return binary<graph::SubOp>(a, b); }
  Value mul(Value a, Value b) { return binary<graph::MulOp>(a, b); }
  Value div(Value a, Value b) { return binary<graph::DivOp>(a, b); }
  Value max(Value a, Value b) { return binary<graph::MaxOp>(a, b); }
  Value min(Value a, Value b) { return binary<graph::MinOp>(a, b); }
  Value pow(Value a, Value b) { return binary<graph::PowOp>(a, b); }
  Value add(Value a, double b) { return b == 0 ? a : add(a, scalarLike(a, b)); }
  Value sub(Value a, double b) { return b == 0 ? a : sub(a, scalarLike(a, b)); }
  Value mul(Value a, double b) { return b == 1 ? a : mul(a, scalarLike(a, b)); }
  Value div(Value a, double b) { return b == 1 ? a : div(a, scalarLike(a, b)); }
  Value max(Value a, double b) { return max(a, scalarLike(a, b)); }
  Value min(Value a, double b) { return min(a, scalarLike(a, b)); }
  Value pow(Value a, double b) { return pow(a, scalarLike(a, b)); }
  Value exp(Value x) { return unary<graph::ExpOp>(x); }
  Value log(Value x) { return unary<graph::LogOp>(x); }
  Value abs(Value x) { return unary<graph::AbsOp>(x); }
  Value neg(Value x) { return unary<graph::NegOp>(x); }
  Value sqrt(Value x) { return unary<graph::SqrtOp>(x); }
  Value rsqrt(Value x) { return unary<graph::RsqrtOp>(x); }
  Value tanh(Value x) { return unary<graph::TanhOp>(x); }
  Value erf(Value x) { return unary<graph::ErfOp>(x); }
  Value sigmoid(Value x) { return unary<graph::SigmoidOp>(x); }
  Value round(Value x) { return unary<graph::RoundOp>(x); }
  Value square(Value x) { return mul(x, x); }
  Value compare(graph::ComparePredicate predicate, Value a, Value b);
  Value compare(graph::ComparePredicate predicate, Value a, double b) { return compare(predicate, a, scalarLike(a, b)); }
  Value select(Value condition, Value a, Value b) { return elementwise<graph::SelectOp>({condition, a, b}, [](auto &) {}); }
  Value cast(Value x, mlir::Type element);

  // ---- movement -------------------------------------------------------------------------------------------------------------
  Value reshape(Value x, llvm::ArrayRef<SizeExpr> sizes);
  Value transpose(Value x, llvm::ArrayRef<int64_t> perm);
  Value broadcast(Value x, llvm::ArrayRef<SizeExpr> sizes); ///< x must broadcast to `sizes` provably
  Value slice(Value x, llvm::ArrayRef<SizeExpr> starts, llvm::ArrayRef<SizeExpr> sizes, llvm::ArrayRef<int64_t> steps);
  Value sliceAxis(Value x, int64_t axis, const SizeExpr &start, const SizeExpr &size);
  Value concat(ValueRange xs, int64_t axis);
  Value pad(Value x, llvm::ArrayRef<SizeExpr> low, llvm::ArrayRef<SizeExpr> sizes, graph::PadMode mode, Value value);
  Value gather(Value x, Value indices, int64_t axis);
  Value iota(llvm::ArrayRef<SizeExpr> sizes, mlir::Type element, int64_t axis, int64_t start = 0, int64_t step = 1);
  /// The vector `x` [c] as [1, …, c, …, 1] of rank `rank`, c at `axis`.
  Value alongAxis(Value x, int64_t axis, int64_t rank);

  // ---- contraction, reduction -----------------------------------------------------------------------------------------------
  Value matmul(Value a, Value b, bool transposeB = false);
  struct ConvGeometry {
    llvm::SmallVector<int64_t> strides, pads, dilations;
    int64_t group = 1;
  };
  Value conv(Value x, Value w, const ConvGeometry &geometry);
  Value pool(graph::PoolKind kind, Value x, llvm::ArrayRef<int64_t> kernel, const ConvGeometry &geometry,
             llvm::ArrayRef<SizeExpr> spatialSizes);
  Value reduce(graph::ReduceKind kind, Value x, llvm::ArrayRef<int64_t> axes); ///< keeps the axes with extent 1
  Value sum(Value x, llvm::ArrayRef<int64_t> axes) { return reduce(graph::ReduceKind::sum, x, axes); }
  Value mean(Value x, llvm::ArrayRef<int64_t> axes);

  /// An operator with inferred result type. `set` fills its properties.
  template <typename Op, typename Set>
  Value infer(std::initializer_list<Value> operands, Set set) {
    return infer<Op>(ValueRange(llvm::ArrayRef(operands.begin(), operands.size())), set);
  }
  template <typename Op>
  Value infer(std::initializer_list<Value> operands) {
    return infer<Op>(operands, [](auto &) {});
  }
  template <typename Op, typename Set>
  Value infer(ValueRange operands, Set set);
  /// An operator with a given result type.
  template <typename Op, typename Set>
  Value make(mlir::Type type, ValueRange operands, Set set);

private:
  /// An operator whose operands broadcast together.
  template <typename Op, typename Set>
  Value elementwise(llvm::SmallVector<Value, 3> operands, Set set) {
    return broadcastTogether(operands, 0) ? infer<Op>(ValueRange(operands), set) : Value();
  }
  /// Gives operands the extents that they are taken to have; the last `kept` dimensions are left out.
  bool broadcastTogether(llvm::MutableArrayRef<Value> operands, size_t kept);
  Value retype(Value v, llvm::ArrayRef<SizeExpr> sizes);
  std::optional<SizeExpr> require(const SizeExpr &a, const SizeExpr &b, const char *what);
  bool check(ValueRange operands);
  bool check(llvm::ArrayRef<SizeExpr> sizes);
  Value finish(mlir::OperationState &state);
  /// Runs type inference with its diagnostics turned into the reason.
  bool inferType(llvm::function_ref<mlir::LogicalResult(llvm::SmallVectorImpl<mlir::Type> &)> inference, mlir::Type &type);

  mlir::OpBuilder &builder_;
  ConstantPool &pool_;
  SizeFacts &facts_;
  mlir::Location loc_;
  std::string reason_;
};

template <typename Op, typename Set>
Value GraphBuilder::infer(ValueRange operands, Set set) {
  if (!check(operands)) return {};
  typename Op::Properties properties;
  set(properties);
  mlir::Type type;
  auto inference = [&](llvm::SmallVectorImpl<mlir::Type> &types) {
    return Op::inferReturnTypes(context(), loc_, operands, {}, mlir::OpaqueProperties(&properties), {}, types);
  };
  if (!inferType(inference, type)) return {};
  return make<Op>(type, operands, [&](typename Op::Properties &target) { target = properties; });
}

template <typename Op, typename Set>
Value GraphBuilder::make(mlir::Type type, ValueRange operands, Set set) {
  if (!check(operands)) return {};
  mlir::OperationState state(loc_, Op::getOperationName());
  state.addOperands(operands);
  state.addTypes(type);
  typename Op::Properties properties;
  set(properties);
  if constexpr (Op::hasProperties()) state.useProperties(properties);
  return finish(state);
}

} // namespace jinx::frontends
