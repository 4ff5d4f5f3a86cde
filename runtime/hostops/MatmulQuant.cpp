// Matrix products on quantized operands: MatMulInteger, QLinearMatMul and com.microsoft's variants and blockwise weight
// formats.
//
// The integer products run in double: exact (Dense.h says why). Scales multiply the exact sum once, in double.
#include <algorithm>
#include <cmath>

#include "runtime/base/CodeLevels.h"
#include "runtime/hostops/MatmulPlan.h"

namespace jinx::dense {

Status checkParam(const HostOpCall& call, const Tensor& param, const Shape& shape, bool perRow, std::string_view name) {
  if (param.size() == 1) return Status::ok();
  Shape from = param.shape(), merged;
  if (from.size() == 1 && perRow) from.push_back(1);
  if (!broadcastShapes(from, shape, merged) || merged != shape)
    return call.error("operand " + std::string(name) + " is " + param.describe() +
                      ", expected a scalar or one value a " + (perRow ? "row" : "column") + " of the matrix " +
                      toString(shape));
  return Status::ok();
}

namespace {

/// The operand's values less their zero point (absent: 0).
Expected<Doubles> centered(HostOpCall& call, size_t i, const Tensor& x, const Shape& full, bool perRow,
                           std::string_view name) {
  Doubles values = toDoubles(x);
  if (!call.has(i)) return values;
  JINX_TRY_ASSIGN(Tensor zero, call.tensor(i));
  JINX_TRY(checkParam(call, zero, full, perRow, name));
  const Doubles zeros = toDoubles(zero);
  forEachParam(full, zero, perRow, [&](int64_t e, int64_t p) { values[e] -= zeros[p]; });
  return values;
}

Status scaleBy(HostOpCall& call, size_t i, const MatMulPlan& plan, bool perRow, std::string_view name,
               Doubles& values) {
  JINX_TRY_ASSIGN(Tensor scale, call.tensor(i));
  JINX_TRY(checkParam(call, scale, plan.full, perRow, name));
  const Doubles factors = toDoubles(scale);
  forEachParam(plan.full, scale, perRow, [&](int64_t e, int64_t p) { values[e] *= factors[p]; });
  return Status::ok();
}

Status addBias(HostOpCall& call, size_t i, int64_t n, Doubles& values) {
  if (!call.has(i)) return Status::ok();
  JINX_TRY_ASSIGN(Tensor bias, call.tensor(i));
  if (bias.size() != n)
    return call.error("operand bias is " + bias.describe() + ", expected " + str(n) + " values (columns of B)");
  const Doubles b = toDoubles(bias);
  for (size_t e = 0; e < values.size(); ++e)
    values[e] += b[e % n];
  return Status::ok();
}

} // namespace

Status matMulInteger(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  JINX_TRY_ASSIGN(MatMulPlan plan, planMatMul(call, a.shape(), b.shape()));
  JINX_TRY_ASSIGN(Doubles va, centered(call, 2, a, plan.aFull, true, "a_zero_point"));
  JINX_TRY_ASSIGN(Doubles vb, centered(call, 3, b, plan.bFull, false, "b_zero_point"));
  const Doubles y = runMatMul(plan, va, vb);
  Tensor out = Tensor::make(DType::kI32, plan.out);
  int32_t* to = out.as<int32_t>();
  for (size_t i = 0; i < y.size(); ++i)
    to[i] = static_cast<int32_t>(static_cast<int64_t>(y[i]));
  call.outputs[0] = out;
  return Status::ok();
}

Status qLinearMatMul(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(3));
  JINX_TRY_ASSIGN(Tensor yScale, call.tensor(6));
  JINX_TRY_ASSIGN(Tensor yZero, call.tensor(7));
  JINX_TRY_ASSIGN(MatMulPlan plan, planMatMul(call, a.shape(), b.shape()));
  JINX_TRY_ASSIGN(Doubles va, centered(call, 2, a, plan.aFull, true, "a_zero_point"));
  JINX_TRY_ASSIGN(Doubles vb, centered(call, 5, b, plan.bFull, false, "b_zero_point"));
  Doubles y = runMatMul(plan, va, vb);
  JINX_TRY(scaleBy(call, 1, plan, true, "a_scale", y));
  JINX_TRY(scaleBy(call, 4, plan, false, "b_scale", y));
  JINX_TRY(checkParam(call, yScale, plan.full, true, "y_scale"));
  JINX_TRY(checkParam(call, yZero, plan.full, true, "y_zero_point"));
  const Doubles scales = toDoubles(yScale), zeros = toDoubles(yZero);
  forEachParam(plan.full, yScale, true, [&](int64_t e, int64_t p) { y[e] /= scales[p]; });
  Tensor out = Tensor::make(yZero.dtype(), plan.out);
  const bool floats = isFloat(out.dtype());
  const double lo = out.dtype() == DType::kU8 ? 0 : -128, hi = out.dtype() == DType::kU8 ? 255 : 127;
  forEachParam(plan.full, yZero, true, [&](int64_t e, int64_t p) {
    if (floats)
      out.setDouble(e, y[e] + zeros[p]);
    else
      out.setInt(e, static_cast<int64_t>(std::clamp(std::nearbyint(y[e]) + zeros[p], lo, hi)));
  });
  call.outputs[0] = out;
  return Status::ok();
}

/// Inputs A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias.
Status matMulIntegerToFloat(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor aScale, call.tensor(2));
  JINX_TRY_ASSIGN(MatMulPlan plan, planMatMul(call, a.shape(), b.shape()));
  JINX_TRY_ASSIGN(Doubles va, centered(call, 4, a, plan.aFull, true, "a_zero_point"));
  JINX_TRY_ASSIGN(Doubles vb, centered(call, 5, b, plan.bFull, false, "b_zero_point"));
  Doubles y = runMatMul(plan, va, vb);
  JINX_TRY(scaleBy(call, 2, plan, true, "a_scale", y));
  JINX_TRY(scaleBy(call, 3, plan, false, "b_scale", y));
  JINX_TRY(addBias(call, 6, plan.n, y));
  call.outputs[0] = fromDoubles(aScale.dtype(), plan.out, y);
  return Status::ok();
}

/// A is quantized to u8 over the whole tensor, as DynamicQuantizeLinear does. Inputs A, B, b_scale, b_zero_point, bias.
Status dynamicQuantizeMatMul(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  JINX_TRY_ASSIGN(MatMulPlan plan, planMatMul(call, a.shape(), b.shape()));
  Doubles va = toDoubles(a);
  const QuantParams q = dynamicQuantParams(va);
  for (double& v : va)
    v = quantizeU8(static_cast<float>(v), q) - q.zeroPoint;
  JINX_TRY_ASSIGN(Doubles vb, centered(call, 3, b, plan.bFull, false, "b_zero_point"));
  Doubles y = runMatMul(plan, va, vb);
  for (double& v : y)
    v *= q.scale;
  JINX_TRY(scaleBy(call, 2, plan, false, "b_scale", y));
  JINX_TRY(addBias(call, 4, plan.n, y));
  call.outputs[0] = fromDoubles(a.dtype(), plan.out, y);
  return Status::ok();
}

namespace {

constexpr int64_t kMost = int64_t{1} << 30; // of K, N, block_size: their products stay in int64

/// Element `i` of a little-endian stream of `bits`-wide fields.
inline uint32_t bitField(const uint8_t* data, int64_t i, int64_t bits) {
  const int64_t first = i * bits, byte = first / 8, shift = first % 8;
  uint32_t word = data[byte];
  if (shift + bits > 8) word |= static_cast<uint32_t>(data[byte + 1]) << 8;
  return (word >> shift) & ((1u << bits) - 1);
}

/// y = a * w^T for a weight of `n` rows that `row(r, out)` dequantizes; a panel of rows at a time bounds the memory.
template <typename RowFn>
Doubles timesRows(const Doubles& a, int64_t m, int64_t n, int64_t k, RowFn row) {
  constexpr int64_t kPanel = 256;
  Doubles y(m * n, 0.0), panel(std::min(n, kPanel) * k);
  for (int64_t r0 = 0; r0 < n; r0 += kPanel) {
    const int64_t rows = std::min(kPanel, n - r0);
    for (int64_t r = 0; r < rows; ++r)
      row(r0 + r, panel.data() + r * k);
    gemm(m, rows, k, rowMajor(a.data(), k), transposed(panel.data(), k), y.data() + r0, n);
  }
  return y;
}

} // namespace

/// Weights [N][k_blocks][block_size * bits / 8] with a scale and a zero point a block; see onnxruntime's
/// ContribOperators.md.
Status matMulNBits(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor scale, call.tensor(2));
  const Attributes& at = *call.attributes;
  const int64_t k = at.getInt("K", 0), n = at.getInt("N", 0), bits = at.getInt("bits", 4),
                block = at.getInt("block_size", 0);
  if (k <= 0 || n <= 0 || k >= kMost || n >= kMost || bits < 2 || bits > 8 || block < 16 || block >= kMost ||
      (block & (block - 1)) != 0)
    return call.error("attributes K = " + str(k) + ", N = " + str(n) + ", bits = " + str(bits) + ", block_size = " +
                      str(block) + ", expected K, N > 0, bits in 2..8 and block_size a power of two >= 16");
  if (at.getInt("weight_prepacked", 0) != 0)
    return unimplemented(
        call.error("attribute weight_prepacked is not 0: the layout belongs to another runtime").message());
  if (a.rank() == 0 || a.dim(-1) != k)
    return call.error("operand A is " + a.describe() + ", expected " + str(k) + " columns (attribute K)");
  const int64_t blocks = (k + block - 1) / block, blob = block * bits / 8, m = a.size() / k;
  Shape shape = a.shape();
  shape.back() = n;
  JINX_TRY(checkShapeSize(call, shape, "output"));
  if (b.size() == 0) { // an omitted projection
    Doubles zero(m * n, 0.0);
    JINX_TRY(addBias(call, 5, n, zero));
    call.outputs[0] = fromDoubles(a.dtype(), shape, zero);
    return Status::ok();
  }
  if (b.dtype() != DType::kU8 || b.size() != n * blocks * blob)
    return call.error("operand B is " + b.describe() + ", expected u8[" + toString(Shape{n, blocks, blob}) + "]");
  if (scale.size() != n * blocks)
    return call.error("operand scales is " + scale.describe() + ", expected " + str(n * blocks) + " values");
  const Doubles scales = toDoubles(scale);
  Doubles zeros(n * blocks, static_cast<double>(int64_t{1} << (bits - 1)));
  if (call.has(3)) {
    JINX_TRY_ASSIGN(Tensor zero, call.tensor(3));
    const int64_t rowBytes = (blocks * bits + 7) / 8, expected = zero.dtype() == DType::kU8 ? n * rowBytes : n * blocks;
    if (zero.size() != expected)
      return call.error("operand zero_points is " + zero.describe() + ", expected " + str(expected) + " elements");
    if (zero.dtype() == DType::kU8) {
      for (int64_t r = 0; r < n; ++r)
        for (int64_t g = 0; g < blocks; ++g)
          zeros[r * blocks + g] = bitField(zero.as<uint8_t>() + r * rowBytes, g, bits);
    } else {
      zeros = toDoubles(zero);
    }
  }
  std::vector<int64_t> group(k);
  for (int64_t i = 0; i < k; ++i)
    group[i] = i / block;
  if (call.has(4)) {
    JINX_TRY_ASSIGN(Tensor groups, call.tensor(4));
    if (groups.size() < k)
      return call.error("operand g_idx is " + groups.describe() + ", expected " + str(k) + " values (attribute K)");
    for (int64_t i = 0; i < k; ++i) {
      group[i] = groups.getInt(i);
      if (group[i] < 0 || group[i] >= blocks)
        return call.error("operand g_idx holds " + str(group[i]) + ", expected 0 to " + str(blocks - 1));
    }
  }
  const uint8_t* packed = b.as<uint8_t>();
  Doubles y = timesRows(toDoubles(a), m, n, k, [&](int64_t r, double* out) {
    const uint8_t* row = packed + r * blocks * blob;
    for (int64_t i = 0; i < k; ++i)
      out[i] = (bitField(row + i / block * blob, i % block, bits) - zeros[r * blocks + group[i]]) *
               scales[r * blocks + group[i]];
  });
  JINX_TRY(addBias(call, 5, n, y));
  call.outputs[0] = fromDoubles(a.dtype(), shape, y);
  return Status::ok();
}

/// Weights as bitsandbytes stores them: 4-bit codes into a table of 16 values, high half of a byte first, `absmax` a
/// block.
Status matMulBnb4(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor absmax, call.tensor(2));
  const Attributes& at = *call.attributes;
  const int64_t k = at.getInt("K", 0), n = at.getInt("N", 0), block = at.getInt("block_size", 0),
                type = at.getInt("quant_type", 0);
  const bool transB = at.getInt("transB", 1) != 0;
  if (k <= 0 || n <= 0 || k >= kMost || n >= kMost || block <= 0 || block >= kMost || type < 0 || type > 1)
    return call.error("attributes K = " + str(k) + ", N = " + str(n) + ", block_size = " + str(block) +
                      ", quant_type = " + str(type) + ", expected positive sizes and quant_type 0 (FP4) or 1 (NF4)");
  const int64_t cols = transB ? k : n;
  if (a.rank() == 0 || a.dim(-1) != cols)
    return call.error("operand A is " + a.describe() + ", expected " + str(cols) + " columns");
  if (b.size() != (n * k + 1) / 2)
    return call.error("operand B is " + b.describe() + ", expected " + str((n * k + 1) / 2) + " bytes");
  if (absmax.size() != (n * k + block - 1) / block)
    return call.error("operand absmax is " + absmax.describe() + ", expected " + str((n * k + block - 1) / block) +
                      " values");
  const float* table = type == 0 ? kFp4Levels : kNf4Levels;
  const Doubles scales = toDoubles(absmax);
  const uint8_t* packed = b.as<uint8_t>();
  auto row = [&](int64_t r, double* out) {
    for (int64_t i = 0; i < k; ++i) {
      const int64_t e = r * k + i;
      out[i] = double{table[e % 2 == 0 ? packed[e / 2] >> 4 : packed[e / 2] & 15]} * scales[e / block];
    }
  };
  const int64_t m = a.size() / cols;
  Shape shape = a.shape();
  shape.back() = transB ? n : k;
  const Doubles va = toDoubles(a);
  if (transB) {
    call.outputs[0] = fromDoubles(a.dtype(), shape, timesRows(va, m, n, k, row));
    return Status::ok();
  }
  Doubles weight(n * k), y(m * k, 0.0);
  for (int64_t r = 0; r < n; ++r)
    row(r, weight.data() + r * k);
  gemm(m, k, n, rowMajor(va.data(), n), rowMajor(weight.data(), k), y.data(), k);
  call.outputs[0] = fromDoubles(a.dtype(), shape, y);
  return Status::ok();
}

} // namespace jinx::dense
