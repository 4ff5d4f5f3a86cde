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

/// A scale or zero point as it meets x: a scalar as it is, a vector along `axis`, blocks of x's rank.
Value parameterOf(Node &n, Value parameter, Value x, const Quantization &how) {
  if (!parameter || !x) return {};
  if (n.rank(parameter) == 0) return parameter;
  if (n.rank(parameter) == 1 && n.size(parameter, 0).isConstant(1) && how.block == 0) return n.reshape(parameter, {});
  auto axis = n.axisOf(how.axis, n.rank(x));
  if (!axis) return n.fail("axis is out of range");
  if (n.rank(parameter) == 1 && how.block == 0) return n.alongAxis(parameter, *axis, n.rank(x));
  if (n.rank(parameter) != n.rank(x)) return n.fail("the scale is neither a scalar, a vector nor blocks");
  return parameter;
}

/// A constant of zeros; 8-bit floats have no other zero points in practice.
bool isZeroConstant(Value zero) {
  auto constant = zero.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  return dense && dense.isSplat() && isa<FloatType>(dense.getElementType()) && dense.getSplatValue<APFloat>().isZero();
}

/// x, with the extents that a parameter of its rank tells of it.
Value withExtentsOf(Node &n, Value x, Value parameter, const Quantization &how) {
  if (!x || !parameter || n.rank(parameter) == 0 || how.block > 0) return x;
  auto joined = n.joinSizes(n.sizes(x), n.sizes(parameter));
  return joined ? n.withSizes(x, *joined) : n.fail("a scale is " + describe(n.sizes(parameter)) + ", x is " + describe(n.sizes(x)));
}

Quantization quantizationOf(Node &n) { return {n.in(1), n.in(2), n.attrInt("axis", 1), n.attrInt("block_size", 0)}; }
bool isConstant(Value v) { return v && v.getDefiningOp<ConstantOp>(); }

bool quantizeLinear(Node &n) {
  Value x = n.in(0);
  Quantization how = quantizationOf(n);
  if (!x || !how.scale || !n.isFloat(x) || !n.isFloat(how.scale)) return n.decline("expected floats");
  Type target = how.zero ? n.element(how.zero) : IntegerType::get(n.context(), 8, IntegerType::Unsigned);
  if (int64_t dtype = n.attrInt("output_dtype", 0); dtype && !how.zero) target = elementTypeFromOnnx(n.context(), dtype);
  const bool toFloat8 = target && isa<Float8E4M3FNType, Float8E5M2Type>(target);
  if (!target || (!target.isInteger(8) && !target.isInteger(16) && !toFloat8)) return n.decline("kernels quantize to 8 and 16 bits");
  if (toFloat8 && n.attrInt("saturate", 1) == 0) return n.decline("kernels saturate what is too large for an 8-bit float");
  if (n.attrInt("precision", 0) != 0 && elementTypeFromOnnx(n.context(), n.attrInt("precision", 0)) != n.element(how.scale))
    return n.decline("the division has a precision of its own");
  if (toFloat8 && n.element(how.scale).isF64()) return n.decline("8-bit floats of f64");
  if (toFloat8 && how.zero && !isZeroConstant(how.zero)) return n.decline("8-bit floats with a zero point that is not 0");
  if (toFloat8) how.zero = {};
  return n.give(quantizeTo(n, x, how, target));
}

bool dequantizeLinear(Node &n) {
  Value x = n.in(0);
  Quantization how = quantizationOf(n);
  const bool isNarrowFloat = x && n.isFloat(x) && n.element(x).getIntOrFloatBitWidth() <= 8;
  if (!x || !how.scale || (n.isFloat(x) && !isNarrowFloat) || !n.isFloat(how.scale)) return n.decline("expected narrow elements and a float scale");
  if (n.element(x).getIntOrFloatBitWidth() < 8 && !isConstant(x)) return n.decline("kernels read elements of whole bytes");
  if (isNarrowFloat && n.element(x).getIntOrFloatBitWidth() == 8 && !isa<Float8E4M3FNType, Float8E5M2Type>(n.element(x)) && !isConstant(x))
    return n.decline("kernels read 8-bit floats of two formats, f8E4M3FN and f8E5M2");
  if (isNarrowFloat && how.zero && isZeroConstant(how.zero)) how.zero = {};
  Type y = n.element(how.scale);
  if (int64_t dtype = n.attrInt("output_dtype", 0)) y = elementTypeFromOnnx(n.context(), dtype);
  return n.give(dequantizeTo(n, x, how, y));
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
  Value zero = n.cast(n.round(n.min(n.max(n.sub(n.scalar(n.f32(), 0), n.div(low, scale)), 0.0), 255.0)), byte);
  return {quantizeTo(n, x, {scale, zero}, byte), scale, zero};
}

Value quantizeTo(Node &n, Value x, const Quantization &how, Type element) {
  Value scale = parameterOf(n, how.scale, x, how), zero = parameterOf(n, how.zero, x, how);
  x = withExtentsOf(n, withExtentsOf(n, x, scale, how), zero, how);
  if (!x || !scale || (how.zero && !zero)) return {};
  SmallVector<Value> operands = {x, scale};
  if (zero) operands.push_back(zero);
  return n.make<QuantizeOp>(tensorOf(n.sizes(x), element), operands, [&](QuantizeOp::Properties &p) {
    p.block = n.builder().getI64IntegerAttr(how.block);
    p.axis = n.builder().getI64IntegerAttr(how.block > 0 ? *n.axisOf(how.axis, n.rank(x)) : 0);
  });
}

Value dequantizeTo(Node &n, Value q, const Quantization &how, Type element, ArrayRef<float> levels) {
  Value scale = parameterOf(n, how.scale, q, how), zero = parameterOf(n, how.zero, q, how);
  q = withExtentsOf(n, withExtentsOf(n, q, scale, how), zero, how);
  if (!q || !scale || (how.zero && !zero)) return {};
  SmallVector<Value> operands = {q, scale};
  if (zero) operands.push_back(zero);
  return n.make<DequantizeOp>(tensorOf(n.sizes(q), element), operands, [&](DequantizeOp::Properties &p) {
    p.operandSegmentSizes = {1, 1, zero ? 1 : 0, 0};
    p.block = n.builder().getI64IntegerAttr(how.block);
    p.axis = n.builder().getI64IntegerAttr(how.block > 0 ? *n.axisOf(how.axis, n.rank(q)) : 0);
    if (!levels.empty()) p.levels = n.builder().getDenseF32ArrayAttr(levels);
  });
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
