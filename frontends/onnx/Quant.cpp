// Quantization: integers and scales in graph operators, bit for bit as the specification rounds.
#include "frontends/onnx/Quant.h"

#include "frontends/onnx/Contraction.h"
#include "frontends/onnx/Window.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {

bool isByte(Value v) { return v && GraphBuilder::element(v).isInteger(8); }

Value saturateTo(Node &n, Value rounded, Type element) {
  bool isUnsigned = element.isUnsignedInteger();
  return n.cast(n.min(n.max(rounded, isUnsigned ? 0.0 : -128.0), isUnsigned ? 255.0 : 127.0), element);
}

namespace {

/// A scale or zero point as it meets x: a scalar as it is, a vector along `axis`, blocks repeated `block` times.
Value spreadScale(Node &n, Value scale, Value x, int64_t axis, int64_t block) {
  if (!scale || !x) return {};
  if (n.rank(scale) == 0) return scale;
  if (n.rank(scale) == 1 && n.size(scale, 0).isConstant(1) && block == 0) return n.reshape(scale, {});
  auto normal = n.axisOf(axis, n.rank(x));
  if (!normal) return n.fail("axis is out of range");
  if (n.rank(scale) == 1 && block == 0) return n.alongAxis(scale, *normal, n.rank(x));
  if (n.rank(scale) != n.rank(x) || block < 1) return n.fail("the scale is neither a scalar, a vector nor blocks");
  Sizes sizes = n.sizes(scale), apart = sizes, wide, joined = sizes;
  apart.insert(apart.begin() + *normal + 1, SizeExpr(1));
  wide = apart;
  wide[*normal + 1] = block;
  joined[*normal] = sizes[*normal] * SizeExpr(block);
  if (!(joined[*normal] == n.size(x, *normal))) return n.fail("the last block is not whole");
  return n.reshape(n.broadcast(n.reshape(scale, apart), wide), joined);
}

/// A constant of zeros; 8-bit floats have no other zero points in practice.
bool isZeroConstant(Value zero) {
  auto constant = zero.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  return dense && dense.isSplat() && isa<FloatType>(dense.getElementType()) && dense.getSplatValue<APFloat>().isZero();
}

/// y = saturate(round(x / scale) + zero point). Division and sum are exact enough in the scale's type: |round| saturates at 255. To 8-bit floats
/// the conversion rounds.
bool quantizeLinear(Node &n) {
  Value x = n.in(0), scale = n.in(1), zero = n.in(2);
  if (!x || !scale || !n.isFloat(x) || !n.isFloat(scale)) return n.decline("expected floats");
  Type target = zero ? n.element(zero) : IntegerType::get(n.context(), 8, IntegerType::Unsigned);
  if (int64_t dtype = n.attrInt("output_dtype", 0); dtype && !zero) target = elementTypeFromOnnx(n.context(), dtype);
  const bool toFloat8 = target && isa<Float8E4M3FNType, Float8E5M2Type>(target);
  if (!target || (!target.isInteger(8) && !toFloat8)) return n.decline("kernels quantize to 8 bits");
  if (toFloat8 && n.attrInt("saturate", 1) == 0) return n.decline("kernels saturate what is too large for an 8-bit float");
  if (n.attrInt("precision", 0) != 0 && elementTypeFromOnnx(n.context(), n.attrInt("precision", 0)) != n.element(scale))
    return n.decline("the division has a precision of its own");
  int64_t axis = n.attrInt("axis", 1), block = n.attrInt("block_size", 0);
  Type own = n.element(scale);
  Value q = n.div(n.cast(x, own), spreadScale(n, scale, x, axis, block));
  if (toFloat8 && own.isF64()) return n.decline("8-bit floats of f64");
  if (toFloat8 && zero && !isZeroConstant(zero)) return n.decline("8-bit floats with a zero point that is not 0");
  if (toFloat8) return n.give(n.cast(q, target));
  q = n.round(q);
  if (!own.isF32() && !own.isF64()) q = n.cast(q, n.f32()); // bf16 holds no 255 + 128 exactly
  if (zero) q = n.add(q, n.cast(spreadScale(n, zero, x, axis, block), n.element(q ? q : x)));
  return q && n.give(saturateTo(n, q, target));
}

/// y = (x - zero point) * scale
bool dequantizeLinear(Node &n) {
  Value x = n.in(0), scale = n.in(1), zero = n.in(2);
  const bool fromFloat8 = x && isByteFloat(n.element(x));
  if (!x || !scale || (n.isFloat(x) && !fromFloat8) || !n.isFloat(scale)) return n.decline("expected narrow elements and a float scale");
  if (fromFloat8 && zero && isZeroConstant(zero)) zero = {};
  int64_t axis = n.attrInt("axis", 1), block = n.attrInt("block_size", 0);
  Type own = n.element(scale);
  if (int64_t dtype = n.attrInt("output_dtype", 0); dtype && elementTypeFromOnnx(n.context(), dtype) != own)
    return n.decline("the result has another type than the scale");
  bool isWide = !isByte(x) && !fromFloat8 && zero;
  Value centred = n.cast(x, isWide ? n.element(x) : n.f32()); // differences of bytes are exact in f32
  if (zero) centred = n.sub(centred, n.cast(spreadScale(n, zero, x, axis, block), n.element(centred)));
  Value y = n.mul(n.cast(centred, n.f32()), n.cast(spreadScale(n, scale, x, axis, block), n.f32()));
  return y && n.give(n.cast(y, own));
}

bool dynamicQuantizeLinear(Node &n) {
  DynamicQuantized q = quantizeDynamically(n, n.in(0));
  return n.set(1, q.scale) && n.set(2, q.zeroPoint) && n.give(q.y);
}

/// A zero point that is not there, or constant and 0.
bool isZero(Value zero) {
  if (!zero) return true;
  auto constant = zero.getDefiningOp<ConstantOp>();
  auto values = constant ? readIntegers(constant.getValue(), 1 << 16) : std::nullopt;
  return values && llvm::all_of(*values, [](int64_t v) { return v == 0; });
}

/// Whether w - zero is a signed byte everywhere, as far as constants tell: zeros are one for each slice of w's first dimension, or one.
bool isCentredByte(Value w, Value zero) {
  auto weights = w.getDefiningOp<ConstantOp>(), zeros = zero.getDefiningOp<ConstantOp>();
  if (!weights || !zeros) return false;
  auto values = readIntegers(weights.getValue(), int64_t(1) << 28), offsets = readIntegers(zeros.getValue(), 1 << 16);
  if (!values || !offsets || offsets->empty()) return false;
  const size_t slice = std::max<size_t>(1, values->size() / offsets->size());
  for (auto [i, v] : llvm::enumerate(*values))
    if (int64_t centred = v - (*offsets)[std::min(i / slice, offsets->size() - 1)]; centred < -128 || centred > 127) return false;
  return true;
}

/// conv(x - zeroX, w - zeroW) of bytes, in i32 and exact: conv(x, w) - zeroX * Σw, with x outside the image being its zero point. Weights with
/// a zero point are w - zeroW where that is a byte, else the sum of two that are.
Value integerConvolution(Node &n, Value x, Value w, Value zeroX, Value zeroW) {
  if (!isByte(x) || !isByte(w)) return n.fail("expected bytes");
  if (n.rank(x) > 4) return n.fail("kernels convolve bytes along 1 or 2 dimensions");
  Type i32 = n.i32(), i8 = IntegerType::get(n.context(), 8);
  SmallVector<Value> weights = {w};
  if (!isZero(zeroW)) {
    Value zero = n.rank(zeroW) == 1 && !n.size(zeroW, 0).isConstant(1) ? n.alongAxis(zeroW, 0, n.rank(w)) : n.reshape(zeroW, {});
    Value centred = n.sub(n.cast(w, i32), n.cast(zero, i32));
    weights = {centred};
    if (!isCentredByte(w, zeroW)) {
      Value first = n.min(n.max(centred, -128.0), 127.0);
      weights = {first, n.sub(centred, first)};
    }
    for (Value &part : weights) part = n.cast(part, i8);
  }
  Value zero = isZero(zeroX) ? Value() : n.reshape(zeroX, {}), y;
  for (Value part : weights) {
    Value sums = convolve(n, x, part, Value(), zero);
    if (zero && sums) {
      Value all = n.reshape(n.sum(n.cast(part, i32), llvm::to_vector(llvm::seq<int64_t>(1, n.rank(part)))), {n.size(part, 0)});
      sums = n.sub(sums, n.alongAxis(n.mul(all, n.cast(zero, i32)), 1, n.rank(x)));
    }
    y = y ? n.add(y, sums) : sums;
  }
  return y;
}

bool convInteger(Node &n) { return n.give(integerConvolution(n, n.in(0), n.in(1), n.in(2), n.in(3))); }

/// y = saturate(round((conv + bias) * (scale x * scale w / scale y)) + zero y). Operands: x, scale, zero, w, scale, zero, y's scale, zero, bias.
bool qlinearConv(Node &n) {
  if (n.numInputs() < 8 || !isByte(n.in(0)) || !isByte(n.in(7)) || !n.element(n.in(1)).isF32()) return n.decline("expected bytes with f32 scales");
  Value sums = integerConvolution(n, n.in(0), n.in(3), n.in(2), n.in(5));
  if (!sums) return n.give(sums);
  if (n.has(8)) sums = n.add(sums, n.alongAxis(n.in(8), 1, n.rank(sums)));
  auto scalar = [&](Value v) { return n.reshape(v, {}); };
  Value scaleW = n.in(4);
  scaleW = n.rank(scaleW) == 1 && !n.size(scaleW, 0).isConstant(1) ? n.alongAxis(scaleW, 1, n.rank(sums)) : scalar(scaleW);
  Value factor = n.div(n.mul(scalar(n.in(1)), scaleW), scalar(n.in(6)));
  Value y = n.add(n.round(n.mul(n.cast(sums, n.f32()), factor)), n.cast(scalar(n.in(7)), n.f32()));
  return y && n.give(saturateTo(n, y, n.element(n.in(7))));
}

bool matmulInteger(Node &n) { return n.give(integerProduct(n, n.in(0), n.in(1), n.in(2), n.in(3))); }

} // namespace

DynamicQuantized quantizeDynamically(Node &n, Value x) {
  if (!x || !n.element(x).isF32()) return {n.fail("expected f32"), {}, {}};
  SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, n.rank(x)));
  Value low = n.min(n.reshape(n.reduce(ReduceKind::min, x, all), {}), 0.0);
  Value high = n.max(n.reshape(n.reduce(ReduceKind::max, x, all), {}), 0.0);
  Value scale = n.div(n.sub(high, low), 255.0);
  // All zeros: any scale will do, 0 would divide by 0.
  scale = n.select(n.compare(ComparePredicate::eq, scale, 0.0), n.scalar(n.f32(), 1), scale);
  Type byte = IntegerType::get(n.context(), 8, IntegerType::Unsigned);
  // round(-low / scale) lies in [0, 255]: low <= 0, and -low is at most the range.
  Value zero = n.round(n.min(n.max(n.sub(n.scalar(n.f32(), 0), n.div(low, scale)), 0.0), 255.0));
  Value y = saturateTo(n, n.add(n.round(n.div(x, scale)), zero), byte);
  return {y, scale, n.cast(zero, byte)};
}

Value integerProduct(Node &n, Value a, Value b, Value zeroA, Value zeroB) {
  if (!isByte(a) || !isByte(b)) return n.fail("expected matrices of bytes");
  if (n.rank(a) < 2 || n.rank(b) < 2) return n.fail("expected matrices");
  // A vector of zero points goes along a's rows or b's columns.
  auto wide = [&](Value zero, bool isRow) {
    Value z = n.cast(zero, n.i32());
    if (z && n.rank(z) == 1 && n.size(z, 0).isConstant(1)) return n.reshape(z, {});
    if (z && n.rank(z) == 1 && isRow) return n.reshape(z, {n.size(z, 0), SizeExpr(1)});
    return z;
  };
  Value y = n.matmul(a, b); // i32
  int64_t rows = n.rank(b) - 2, columns = n.rank(a) - 1;
  Value za = isZero(zeroA) ? Value() : wide(zeroA, true), zb = isZero(zeroB) ? Value() : wide(zeroB, false);
  if (za) y = n.sub(y, n.mul(n.sum(n.cast(b, n.i32()), {rows}), za));
  if (zb) y = n.sub(y, n.mul(n.sum(n.cast(a, n.i32()), {columns}), zb));
  if (za && zb) y = n.add(y, n.mul(n.mul(za, zb), n.sizeScalar(n.size(a, columns), n.i32())));
  return y;
}

namespace {
/// y = saturate(round((a·b) * (scale a * scale b / scale y)) + zero y). Operands: a, scale, zero, b, scale, zero, y's scale, zero.
bool qlinearMatmul(Node &n) {
  if (n.numInputs() < 8 || !isByte(n.in(7)) || !n.element(n.in(1)).isF32()) return n.decline("expected bytes with f32 scales");
  for (size_t i : {1, 4, 6})
    if (!n.has(i) || n.rank(n.in(i)) > 1) return n.decline("scales are no scalars or vectors");
  auto row = [&](Value v) { return n.rank(v) == 1 && !n.size(v, 0).isConstant(1) ? n.reshape(v, {n.size(v, 0), SizeExpr(1)}) : v; };
  Value product = n.cast(integerProduct(n, n.in(0), n.in(3), n.in(2), n.in(5)), n.f32());
  Value factor = n.div(n.mul(row(n.in(1)), n.in(4)), row(n.in(6)));
  Value y = n.add(n.round(n.mul(product, factor)), n.cast(row(n.in(7)), n.f32()));
  return y && n.give(saturateTo(n, y, n.element(n.in(7))));
}

constexpr HandlerRow kRows[] = {
    {"", "QuantizeLinear", 10, kAnyOpset, quantizeLinear},
    {"", "DequantizeLinear", 10, kAnyOpset, dequantizeLinear},
    {"com.microsoft", "QuantizeLinear", 1, kAnyOpset, quantizeLinear},
    {"com.microsoft", "DequantizeLinear", 1, kAnyOpset, dequantizeLinear},
    {"", "QLinearMatMul", 10, kAnyOpset, qlinearMatmul},
    {"", "DynamicQuantizeLinear", 11, kAnyOpset, dynamicQuantizeLinear},
    {"", "MatMulInteger", 10, kAnyOpset, matmulInteger},
    {"", "ConvInteger", 10, kAnyOpset, convInteger},
    {"", "QLinearConv", 10, kAnyOpset, qlinearConv},
};
} // namespace

std::span<const HandlerRow> quantHandlers() { return kRows; }

} // namespace jinx::frontends
