#include "frontends/llm/Graph.h"

#include <numeric>

#include "ir/Graph/Constants.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {

Value Graph::constant(const Tensor& elements) { return ConstantOp::create(builder, loc_, elementsOf(elements, builder.getContext())); }

Value Graph::integer(int64_t value, DType type) { return constant(Tensor::scalarInt(value, type)); }

Value Graph::number(double value) { return constant(Tensor::scalarDouble(value)); }

Value Graph::reshape(Value x, ArrayRef<SizeExpr> sizes) {
  return ReshapeOp::create(builder, loc_, tensorOf(sizes, cast<RankedTensorType>(x.getType()).getElementType()), x);
}

Value Graph::sliceLast(Value x, int64_t first, int64_t count) {
  Sizes sizes = sizesOf(x.getType());
  sizes.back() = SizeExpr(count);
  SmallVector<Attribute> starts(sizes.size(), builder.getStringAttr("0"));
  starts.back() = builder.getStringAttr(std::to_string(first));
  auto type = tensorOf(sizes, cast<RankedTensorType>(x.getType()).getElementType());
  return SliceOp::create(builder, loc_, type, x, builder.getArrayAttr(starts), SmallVector<int64_t>(sizes.size(), 1));
}

Value Graph::concatLast(ValueRange xs) { return ConcatOp::create(builder, loc_, xs, sizesOf(xs[0].getType()).size() - 1); }

Value Graph::rmsNorm(Value x, Value gain, double epsilon) {
  const Sizes sizes = sizesOf(x.getType());
  Value squares = ReduceOp::create(builder, loc_, ReduceKind::sum, mul(x, x), ArrayRef<int64_t>{int64_t(sizes.size()) - 1});
  Value mean = mul(squares, 1.0 / double(*sizes.back().constant()));
  Value scale = RsqrtOp::create(builder, loc_, add(mean, number(epsilon)));
  return mul(mul(x, scale), gain);
}

Value Graph::layerNorm(Value x, Value gain, Value bias, double epsilon) {
  const Sizes sizes = sizesOf(x.getType());
  const double each = 1.0 / double(*sizes.back().constant());
  const int64_t last = int64_t(sizes.size()) - 1;
  Value centered = sub(x, mul(sum(x, last), each));
  Value scale = RsqrtOp::create(builder, loc_, add(mul(sum(mul(centered, centered), last), each), number(epsilon)));
  return add(mul(mul(centered, scale), gain), bias);
}

Value Graph::sum(Value x, int64_t axis) { return ReduceOp::create(builder, loc_, ReduceKind::sum, x, ArrayRef<int64_t>{axis}); }

TopKOp Graph::largest(Value x, SizeExpr count) {
  Sizes sizes = sizesOf(x.getType());
  sizes.back() = count;
  auto values = tensorOf(sizes, mlir::cast<RankedTensorType>(x.getType()).getElementType()), indices = tensorOf(sizes, builder.getI64Type());
  return TopKOp::create(builder, loc_, values, indices, x, sizes.size() - 1, /*ascending=*/false);
}

Value Graph::numbers(int64_t count) {
  Tensor values = Tensor::make(DType::kI32, {1, count});
  std::iota(values.as<int32_t>(), values.as<int32_t>() + count, 0);
  return constant(values);
}

Value Graph::softmax(Value x) {
  const int64_t last = int64_t(sizesOf(x.getType()).size()) - 1;
  Value largest = ReduceOp::create(builder, loc_, ReduceKind::max, x, ArrayRef<int64_t>{last});
  Value e = ExpOp::create(builder, loc_, sub(x, largest));
  return div(e, sum(e, last));
}

Value Graph::cast(Value x, Type element) {
  if (mlir::cast<RankedTensorType>(x.getType()).getElementType() == element) return x;
  return CastOp::create(builder, loc_, tensorOf(sizesOf(x.getType()), element), x);
}

Value Graph::gelu(Value x) {
  Value t = ErfOp::create(builder, loc_, mul(x, 0.70710678118654752440));
  return mul(mul(x, 0.5), add(t, number(1)));
}

Value Graph::activate(Value x, Activation by) {
  switch (by) {
  case Activation::kSilu: return silu(x);
  case Activation::kGeluTanh: return geluTanh(x);
  case Activation::kGelu: return gelu(x);
  }
  llvm_unreachable("no such activation");
}

Value Graph::silu(Value x) { return mul(x, SigmoidOp::create(builder, loc_, x)); }

Value Graph::geluTanh(Value x) {
  Value cubic = mul(mul(mul(x, x), x), 0.044715);
  Value t = TanhOp::create(builder, loc_, mul(add(x, cubic), 0.79788456080286535588));
  return mul(mul(x, 0.5), add(t, number(1)));
}

} // namespace jinx::frontends::llm
