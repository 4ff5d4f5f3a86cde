// Linear quantization: y = saturate(round(x / scale) + zero point) and back, for a whole tensor, along an axis or in
// blocks.
//
// The quotient is rounded to the precision that ONNX names (the attribute `precision`, else the scale's type) before it
// is rounded to an integer, half to even: 0.15f / 0.1f is 1.5 in f32 and hence 2, though the exact quotient is just
// below 1.5.
#include <cmath>

#include "runtime/hostops/Elementwise.h"
#include "runtime/hostops/OnnxTypes.h"

namespace jinx {

std::span<const HostOpEntry> contribQuantRows(); // QuantContrib.cpp

namespace {

/// Which scale belongs to which element. The input is seen as [outer, along, inner]; `block` neighbours along share a
/// scale.
struct Granularity {
  int64_t outer = 1, along = 1, inner = 1;
  int64_t block = 1;
  bool perTensor = false, perAxis = false;

  /// Calls `f(index of the element, index of its scale)`.
  template <typename F>
  void forEach(F f) const {
    const int64_t blocks = (along + block - 1) / block;
    int64_t at = 0;
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t a = 0; a < along; ++a)
        for (int64_t i = 0; i < inner; ++i, ++at)
          f(at, perTensor ? 0 : perAxis ? a : (o * blocks + a / block) * inner + i);
  }
};

Expected<Granularity> granularity(const HostOpCall& call, const Tensor& x, const Tensor& scale) {
  Granularity g;
  if (scale.size() == 1 && (scale.rank() <= 1 || scale.rank() != x.rank())) {
    g.perTensor = true;
    g.inner = x.size();
    return g;
  }
  JINX_TRY_ASSIGN(int64_t axis, normalizedAxis(call, call.attributes->getInt("axis", 1), x.rank()));
  const std::span<const int64_t> shape(x.shape());
  g.outer = numElements(shape.first(static_cast<size_t>(axis)));
  g.along = shape[axis];
  g.inner = numElements(shape.subspan(static_cast<size_t>(axis) + 1));
  const int64_t blockSize = call.attributes->getInt("block_size", 0);
  Shape expected;
  if (blockSize == 0) {
    g.perAxis = true;
    expected = {g.along};
  } else {
    if (blockSize < 0)
      return call.error("attribute block_size is " + std::to_string(blockSize) + ", expected a positive number");
    g.block = blockSize;
    expected = x.shape();
    expected[axis] = (g.along + blockSize - 1) / blockSize;
  }
  if (scale.shape() != expected)
    return call.error("scale has shape " + toString(scale.shape()) + ", expected " + toString(expected) +
                      " for an input of shape " + toString(x.shape()) + " with axis " + std::to_string(axis) +
                      " and block size " + std::to_string(blockSize));
  return g;
}

/// The optional zero point (input 2): of the scale's size.
Expected<Tensor> zeroPoint(const HostOpCall& call, const Tensor& scale) {
  JINX_TRY_ASSIGN(Tensor zero, operand(call, 2, Kind::kNumber));
  if (zero.size() != scale.size())
    return call.error("zero point is " + zero.describe() + ", expected the scale's shape " + toString(scale.shape()));
  return zero;
}

double roundedTo(DType precision, double value) {
  if (precision == DType::kF32) return static_cast<float>(value);
  uint64_t element;
  storeFromDouble(precision, &element, 0, value);
  return loadAsDouble(precision, &element, 0);
}

bool isPrecision(DType type) {
  return type == DType::kF32 || type == DType::kF64 || type == DType::kF16 || type == DType::kBF16;
}

/// The float type in which x / scale is computed.
Expected<DType> quotientPrecision(const HostOpCall& call, DType x, DType scale) {
  if (const int64_t number = call.attributes->getInt("precision", 0)) {
    const DType named = dtypeFromOnnx(number);
    if (!isPrecision(named))
      return call.error("attribute precision is " + std::to_string(number) + ", expected f32, f16, bf16 or f64");
    return named;
  }
  if (isPrecision(scale)) return scale;
  return isPrecision(x) ? x : DType::kF32;
}

Expected<DType> quantizedType(const HostOpCall& call) {
  DType type = dtypeFromOnnx(call.attributes->getInt("output_dtype", 0));
  if (call.has(2)) {
    JINX_TRY_ASSIGN(Tensor zero, call.tensor(2));
    if (type != DType::kInvalid && type != zero.dtype())
      return call.error("zero point is " + zero.describe() + ", expected " + std::string(name(type)) +
                        " (attribute output_dtype)");
    type = zero.dtype();
  }
  if (type == DType::kInvalid) type = DType::kU8;
  if (!isInteger(type) && !(isFloat(type) && bitWidth(type) <= 8))
    return call.error("output type is " + std::string(name(type)) + ", expected an integer or 8- or 4-bit float type");
  return type;
}

/// Ends of an integer type's range, exact up to 32 bits.
double lowestOf(DType type) { return isSigned(type) ? -std::ldexp(1, bitWidth(type) - 1) : 0; }
double highestOf(DType type) { return std::ldexp(1, bitWidth(type) - isSigned(type)) - 1; }

/// NaN gives the lowest value.
double saturated(double value, double low, double high) { return value > low ? (value < high ? value : high) : low; }

Status quantizeLinearOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kNumber));
  JINX_TRY_ASSIGN(Tensor scale, operand(call, 1, Kind::kNumber));
  JINX_TRY_ASSIGN(DType type, quantizedType(call));
  JINX_TRY_ASSIGN(DType precision, quotientPrecision(call, x.dtype(), scale.dtype()));
  JINX_TRY_ASSIGN(Granularity grain, granularity(call, x, scale));
  Tensor zero;
  if (call.has(2)) {
    JINX_TRY_ASSIGN(zero, zeroPoint(call, scale));
  }
  const bool saturate = call.attributes->getInt("saturate", 1);
  const double low = lowestOf(type), high = highestOf(type);
  Tensor y = Tensor::make(type, x.shape());
  grain.forEach([&](int64_t at, int64_t s) {
    const double quotient = roundedTo(precision, x.getDouble(at) / scale.getDouble(s));
    const double offset = zero.valid() ? zero.getDouble(s) : 0;
    if (isFloat(type))
      storeFromDouble(type, y.data(), at, quotient + offset, saturate);
    else
      y.setDouble(at, saturated(std::nearbyint(quotient) + offset, low, high));
  });
  call.outputs[0] = y;
  return Status::ok();
}

Status dequantizeLinearOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kNumber));
  JINX_TRY_ASSIGN(Tensor scale, operand(call, 1, Kind::kFloat));
  JINX_TRY_ASSIGN(Granularity grain, granularity(call, x, scale));
  Tensor zero;
  if (call.has(2)) {
    JINX_TRY_ASSIGN(zero, zeroPoint(call, scale));
    if (zero.dtype() != x.dtype())
      return call.error("zero point is " + zero.describe() + ", expected " + std::string(name(x.dtype())) +
                        " (the element type of input 0)");
  }
  DType type = dtypeFromOnnx(call.attributes->getInt("output_dtype", 0));
  if (type == DType::kInvalid) type = scale.dtype();
  if (!isPrecision(type))
    return call.error("output type is " + std::string(name(type)) +
                      ", expected f32, f16, bf16 or f64 (attribute output_dtype)");
  Tensor y = Tensor::make(type, x.shape());
  grain.forEach([&](int64_t at, int64_t s) {
    const double offset = zero.valid() ? zero.getDouble(s) : 0;
    const double product = (x.getDouble(at) - offset) * scale.getDouble(s);
    y.setDouble(at, type == DType::kF64 ? product : static_cast<float>(product));
  });
  call.outputs[0] = y;
  return Status::ok();
}

/// Scale and zero point that fit the data and hold 0 exactly; the specification computes them in f32.
Status dynamicQuantizeLinearOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (x.dtype() != DType::kF32) return call.error("input 0 is " + x.describe() + ", expected f32");
  const float* values = x.as<float>();
  float low = 0, high = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    low = std::fmin(low, values[i]);
    high = std::fmax(high, values[i]);
  }
  const float scale = high == low ? 1.0f : (high - low) / 255.0f;  // all zeros: any scale will do
  const float zero = std::nearbyint(std::fmax(0.0f, std::fmin(255.0f, 0.0f - low / scale)));
  Tensor y = Tensor::make(DType::kU8, x.shape());
  for (int64_t i = 0; i < x.size(); ++i)
    y.as<uint8_t>()[i] = static_cast<uint8_t>(saturated(std::nearbyint(values[i] / scale) + zero, 0, 255));
  call.outputs[0] = y;
  if (call.outputs.size() > 1) call.outputs[1] = Tensor::scalarDouble(scale);
  if (call.outputs.size() > 2) call.outputs[2] = Tensor::scalarInt(static_cast<int64_t>(zero), DType::kU8);
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "QuantizeLinear", 10, quantizeLinearOp},
    {"", "DequantizeLinear", 10, dequantizeLinearOp},
    {"", "DynamicQuantizeLinear", 11, dynamicQuantizeLinearOp},
    {"com.microsoft", "QuantizeLinear", 1, quantizeLinearOp},
    {"com.microsoft", "DequantizeLinear", 1, dequantizeLinearOp},
};

} // namespace

std::span<const HostOpEntry> quantHostOps() {
  static const std::vector<HostOpEntry> rows = [] {
    std::vector<HostOpEntry> all(std::begin(kRows), std::end(kRows));
    const auto contrib = contribQuantRows();
    all.insert(all.end(), contrib.begin(), contrib.end());
    return all;
  }();
  return rows;
}

} // namespace jinx
