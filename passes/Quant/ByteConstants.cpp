#include "passes/Quant/ByteConstants.h"

#include "ir/Graph/Constants.h"
#include "ir/Graph/ValueInference.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

std::optional<ConstantIntegers> readConstant(Value v) {
  auto constant = v ? v.getDefiningOp<ConstantOp>() : ConstantOp();
  auto values = constant ? readIntegers(constant.getValue(), int64_t(1) << 28) : std::nullopt;
  if (!values) return std::nullopt;
  return ConstantIntegers{std::move(*values), SmallVector<int64_t>(cast<RankedTensorType>(v.getType()).getShape())};
}

Value writeConstant(OpBuilder &b, Location loc, ArrayRef<int64_t> shape, Type element, ArrayRef<int64_t> values) {
  Tensor tensor = Tensor::make(dtypeOf(element), Shape(shape.begin(), shape.end()));
  for (auto [i, v] : llvm::enumerate(values)) element.isF32() ? tensor.setDouble(int64_t(i), double(v)) : tensor.setInt(int64_t(i), v);
  return ConstantOp::create(b, loc, elementsOf(tensor, b.getContext()));
}

ConstantIntegers sumsAlong(const ConstantIntegers &integers, int64_t axis) {
  ConstantIntegers sums{{}, integers.shape};
  sums.shape[axis] = 1;
  int64_t inner = 1, outer = 1;
  for (auto [d, extent] : llvm::enumerate(integers.shape)) (int64_t(d) > axis ? inner : outer) *= int64_t(d) == axis ? 1 : extent;
  sums.values.assign(outer * inner, 0);
  const int64_t extent = integers.shape[axis];
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k = 0; k < extent; ++k)
      for (int64_t i = 0; i < inner; ++i) sums.values[o * inner + i] += integers.values[(o * extent + k) * inner + i];
  return sums;
}

Value withOtherSign(OpBuilder &b, Location loc, Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  const bool isSigned = !type.getElementType().isUnsignedInteger();
  Type other = IntegerType::get(b.getContext(), 8, isSigned ? IntegerType::Unsigned : IntegerType::Signless);
  const int64_t shift = isSigned ? 128 : -128;
  if (auto constant = readConstant(v)) {
    for (int64_t &value : constant->values) value += shift;
    return writeConstant(b, loc, constant->shape, other, constant->values);
  }
  Value wide = CastOp::create(b, loc, tensorOf(sizesOf(type), b.getI32Type()), v);
  wide = AddOp::create(b, loc, wide, writeConstant(b, loc, {}, b.getI32Type(), {shift}));
  return CastOp::create(b, loc, tensorOf(sizesOf(type), other), wide);
}

Value paddedImage(OpBuilder &b, Location loc, Value x, ArrayRef<int64_t> pads, bool channelsLast, Value value) {
  if (llvm::all_of(pads, [](int64_t p) { return p == 0; })) return x;
  Sizes sizes = sizesOf(x.getType());
  const int64_t spatial = int64_t(sizes.size()) - 2, first = channelsLast ? 1 : 2;
  SmallVector<std::string> low(sizes.size(), "0");
  for (int64_t d = 0; d < spatial; ++d) {
    low[first + d] = std::to_string(pads[d]);
    sizes[first + d] = sizes[first + d] + SizeExpr(pads[d] + pads[spatial + d]);
  }
  SmallVector<StringRef> texts(low.begin(), low.end());
  auto element = cast<RankedTensorType>(x.getType()).getElementType();
  return PadOp::create(b, loc, tensorOf(sizes, element), x, value, b.getStrArrayAttr(texts), PadMode::constant);
}

}  // namespace jinx::passes
