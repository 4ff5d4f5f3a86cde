#include "runtime/hostops/Dense.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace jinx::dense {
namespace {

// ---- the matrix product: panels of kRows x kDepth of a and kDepth x kCols of b, a kRows x kCols tile of c in
// registers ----

constexpr int64_t kRows = 4;
constexpr int64_t kCols = 8;
constexpr int64_t kDepth = 256; // of one pass over k: a packed panel of b is kDepth * kCols * 8 B = 16 KiB (half of L1)
constexpr int64_t kPanelCols = 512; // of b packed at a time: 1 MiB

typedef double Lane __attribute__((vector_size(32), aligned(8), may_alias));

/// tile[kRows][kCols] = sum over depth of a[p][kRows] * b[p][kCols].
__attribute__((always_inline)) inline void tileBody(int64_t depth, const double* a, const double* b, double* tile) {
  Lane acc[kRows][2] = {};
  for (int64_t p = 0; p < depth; ++p) {
    const Lane b0 = *reinterpret_cast<const Lane*>(b), b1 = *reinterpret_cast<const Lane*>(b + 4);
    for (int64_t i = 0; i < kRows; ++i) {
      acc[i][0] += a[i] * b0;
      acc[i][1] += a[i] * b1;
    }
    a += kRows;
    b += kCols;
  }
  for (int64_t i = 0; i < kRows; ++i) {
    *reinterpret_cast<Lane*>(tile + i * kCols) = acc[i][0];
    *reinterpret_cast<Lane*>(tile + i * kCols + 4) = acc[i][1];
  }
}

using TileFn = void (*)(int64_t, const double*, const double*, double*);

void tileBaseline(int64_t depth, const double* a, const double* b, double* tile) { tileBody(depth, a, b, tile); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void tileAvx2(int64_t depth, const double* a, const double* b, double* tile) {
  tileBody(depth, a, b, tile);
}
TileFn pickTile() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? tileAvx2 : tileBaseline; }
#else
TileFn pickTile() { return tileBaseline; }
#endif

/// Packs `count` rows (or columns) from `first` in panels of `width`, zero-filled: out[panel][p][width].
void pack(const double* data, int64_t stride, int64_t depthStride, int64_t count, int64_t depth, int64_t width,
          double* out) {
  for (int64_t first = 0; first < count; first += width) {
    const int64_t w = std::min(width, count - first);
    const double* src = data + first * stride;
    if (depthStride == 1) {
      for (int64_t i = 0; i < w; ++i)
        for (int64_t p = 0; p < depth; ++p)
          out[p * width + i] = src[i * stride + p];
    } else {
      for (int64_t p = 0; p < depth; ++p)
        for (int64_t i = 0; i < w; ++i)
          out[p * width + i] = src[p * depthStride + i * stride];
    }
    for (int64_t p = 0; p < depth; ++p)
      for (int64_t i = w; i < width; ++i)
        out[p * width + i] = 0;
    out += depth * width;
  }
}

/// Few rows: packing b would cost more than it saves.
void gemmThin(int64_t m, int64_t n, int64_t k, Mat a, Mat b, double* c, int64_t ldc) {
  for (int64_t i = 0; i < m; ++i) {
    double* row = c + i * ldc;
    if (b.colStride == 1) {
      for (int64_t p = 0; p < k; ++p) {
        const double scale = a.data[i * a.rowStride + p * a.colStride];
        const double* src = b.data + p * b.rowStride;
        for (int64_t j = 0; j < n; ++j)
          row[j] += scale * src[j];
      }
      continue;
    }
    Doubles left(k);
    for (int64_t p = 0; p < k; ++p)
      left[p] = a.data[i * a.rowStride + p * a.colStride];
    for (int64_t j = 0; j < n; ++j) {
      const double* src = b.data + j * b.colStride;
      double sum[4] = {0, 0, 0, 0};
      int64_t p = 0;
      if (b.rowStride == 1)
        for (; p + 4 <= k; p += 4)
          for (int l = 0; l < 4; ++l)
            sum[l] += left[p + l] * src[p + l];
      for (; p < k; ++p)
        sum[0] += left[p] * src[p * b.rowStride];
      row[j] += (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
  }
}

template <typename T>
void loadAs(const Tensor& t, int64_t first, int64_t count, double* out) {
  const T* src = t.as<T>() + first;
  for (int64_t i = 0; i < count; ++i)
    out[i] = static_cast<double>(src[i]);
}

} // namespace

void gemm(int64_t m, int64_t n, int64_t k, Mat a, Mat b, double* c, int64_t ldc) {
  if (m <= 0 || n <= 0 || k <= 0) return;
  if (m < kRows) return gemmThin(m, n, k, a, b, c, ldc);
  const TileFn tile = pickTile();
  const int64_t depthMax = std::min(k, kDepth), colsMax = std::min(n, kPanelCols);
  const int64_t rowPanels = (m + kRows - 1) / kRows;
  Doubles packedA(rowPanels * kRows * depthMax), packedB((colsMax + kCols - 1) / kCols * kCols * depthMax);
  double result[kRows * kCols];
  for (int64_t p0 = 0; p0 < k; p0 += kDepth) {
    const int64_t depth = std::min(kDepth, k - p0);
    pack(a.data + p0 * a.colStride, a.rowStride, a.colStride, m, depth, kRows, packedA.data());
    for (int64_t n0 = 0; n0 < n; n0 += kPanelCols) {
      const int64_t cols = std::min(kPanelCols, n - n0);
      pack(b.data + p0 * b.rowStride + n0 * b.colStride, b.colStride, b.rowStride, cols, depth, kCols, packedB.data());
      for (int64_t j = 0; j < cols; j += kCols) {
        const int64_t width = std::min(kCols, cols - j);
        for (int64_t panel = 0; panel < rowPanels; ++panel) {
          tile(depth, packedA.data() + panel * kRows * depth, packedB.data() + j * depth, result);
          const int64_t i0 = panel * kRows, height = std::min(kRows, m - i0);
          for (int64_t i = 0; i < height; ++i) {
            double* row = c + (i0 + i) * ldc + n0 + j;
            for (int64_t x = 0; x < width; ++x)
              row[x] += result[i * kCols + x];
          }
        }
      }
    }
  }
}

void gemmInt(int64_t m, int64_t n, int64_t k, const uint64_t* a, const uint64_t* b, uint64_t* c) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p) {
      const uint64_t scale = a[i * k + p];
      for (int64_t j = 0; j < n; ++j)
        c[i * n + j] += scale * b[p * n + j];
    }
}

void load(const Tensor& t, int64_t first, int64_t count, double* out) {
  switch (t.dtype()) {
  case DType::kF32:
    return loadAs<float>(t, first, count, out);
  case DType::kF64:
    return loadAs<double>(t, first, count, out);
  case DType::kI8:
    return loadAs<int8_t>(t, first, count, out);
  case DType::kU8:
    return loadAs<uint8_t>(t, first, count, out);
  case DType::kI32:
    return loadAs<int32_t>(t, first, count, out);
  case DType::kI64:
    return loadAs<int64_t>(t, first, count, out);
  case DType::kF16: {
    const uint16_t* src = t.as<uint16_t>() + first;
    for (int64_t i = 0; i < count; ++i)
      out[i] = halfToFloat(src[i]);
    return;
  }
  case DType::kBF16: {
    const uint16_t* src = t.as<uint16_t>() + first;
    for (int64_t i = 0; i < count; ++i)
      out[i] = bfloat16ToFloat(src[i]);
    return;
  }
  default:
    for (int64_t i = 0; i < count; ++i)
      out[i] = t.getDouble(first + i);
  }
}

Doubles toDoubles(const Tensor& t) {
  Doubles out(t.size());
  load(t, 0, t.size(), out.data());
  return out;
}

void store(Tensor& t, int64_t first, int64_t count, const double* values) {
  if (t.dtype() == DType::kF32) {
    float* dst = t.as<float>() + first;
    for (int64_t i = 0; i < count; ++i)
      dst[i] = static_cast<float>(values[i]);
  } else if (t.dtype() == DType::kF64) {
    if (count > 0) std::memcpy(t.as<double>() + first, values, count * sizeof(double));
  } else {
    for (int64_t i = 0; i < count; ++i)
      t.setDouble(first + i, values[i]);
  }
}

Tensor fromDoubles(DType type, Shape shape, const Doubles& values) {
  Tensor t = Tensor::make(type, std::move(shape));
  store(t, 0, t.size(), values.data());
  return t;
}

double rounded(DType type, double value) {
  switch (type) {
  case DType::kF32:
    return static_cast<float>(value);
  case DType::kF16:
    return halfToFloat(floatToHalf(static_cast<float>(value)));
  case DType::kBF16:
    return bfloat16ToFloat(floatToBFloat16(static_cast<float>(value)));
  default:
    return value;
  }
}

void roundAll(DType type, Doubles& values) {
  if (type == DType::kF64) return;
  for (double& v : values)
    v = rounded(type, v);
}

bool broadcastShapes(const Shape& a, const Shape& b, Shape& out) {
  const size_t rank = std::max(a.size(), b.size());
  out.assign(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return false;
    out[rank - 1 - i] = x == 1 ? y : x;
  }
  return true;
}

bool nextIndex(std::vector<int64_t>& index, const Shape& shape) {
  for (size_t i = shape.size(); i-- > 0;) {
    if (++index[i] < shape[i]) return true;
    index[i] = 0;
  }
  return false;
}

int64_t normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < 0) axis += rank;
  return axis >= 0 && axis < rank ? axis : -1;
}

int64_t product(const Shape& shape, int64_t first, int64_t last) {
  int64_t p = 1;
  for (int64_t i = first; i < last; ++i)
    p *= shape[i];
  return p;
}

QuantParams dynamicQuantParams(std::span<const double> x) {
  float lo = 0, hi = 0;
  for (double v : x) {
    lo = std::min(lo, static_cast<float>(v));
    hi = std::max(hi, static_cast<float>(v));
  }
  QuantParams q;
  q.scale = hi == lo ? 1.0f : (hi - lo) / 255.0f;
  const float zero = -lo / q.scale;
  q.zeroPoint = std::isnan(zero) ? 0 : static_cast<int32_t>(std::nearbyintf(std::clamp(zero, 0.0f, 255.0f)));
  return q;
}

int32_t quantizeU8(float x, QuantParams q) {
  const float steps = std::clamp(x / q.scale, static_cast<float>(-q.zeroPoint), static_cast<float>(255 - q.zeroPoint));
  if (std::isnan(steps)) return 0;
  return static_cast<int32_t>(std::nearbyintf(steps)) + q.zeroPoint;
}

} // namespace jinx::dense
