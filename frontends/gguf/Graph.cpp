#include "frontends/gguf/Graph.h"

#include "ir/Graph/Constants.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::gguf {

Value Graph::constant(const Tensor& elements) { return ConstantOp::create(builder, loc_, elementsOf(elements, builder.getContext())); }

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

Value Graph::silu(Value x) { return mul(x, SigmoidOp::create(builder, loc_, x)); }

Value Graph::geluTanh(Value x) {
  Value cubic = mul(mul(mul(x, x), x), 0.044715);
  Value t = TanhOp::create(builder, loc_, mul(add(x, cubic), 0.79788456080286535588));
  return mul(mul(x, 0.5), add(t, number(1)));
}

} // namespace jinx::frontends::gguf
