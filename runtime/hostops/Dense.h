// Dense double-precision building blocks of the heavy operator families (Matmul, Conv, Pool, Norm, Rnn, Attention):
// elements in and out of double buffers, and one matrix product.
//
// An operator converts its operands once, works on contiguous doubles, and rounds once into the output type. Products
// of 8-bit integers are exact here too: |sum| < 2^16 * K stays below 2^53 for every K < 2^37.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/base/Tensor.h"
#include "runtime/hostops/Operands.h"

namespace jinx::dense {

using Doubles = std::vector<double>;

/// All elements, in row-major order. Not for strings and complex.
Doubles toDoubles(const Tensor& t);
/// `count` elements from element `first` on.
void load(const Tensor& t, int64_t first, int64_t count, double* out);
/// Writes `count` elements from element `first` on, each rounded to the type of `t`.
void store(Tensor& t, int64_t first, int64_t count, const double* values);
Tensor fromDoubles(DType type, Shape shape, const Doubles& values);
/// `value` as the type holds it: round to nearest even. f64 and integers give `value` back.
double rounded(DType type, double value);
void roundAll(DType type, Doubles& values);

/// A matrix in a buffer: element (i, j) lies at data[i * rowStride + j * colStride]; a transpose swaps the strides.
struct Mat {
  const double* data;
  int64_t rowStride;
  int64_t colStride;
};
inline Mat rowMajor(const double* data, int64_t cols) { return {data, cols, 1}; }
inline Mat transposed(const double* data, int64_t rows) { return {data, 1, rows}; } ///< stored as [cols][rows]

/// c[m][n] += a[m][k] * b[k][n]; `c` is row-major with `ldc` doubles a row. Packs panels of a and b; AVX2 where the CPU
/// has it.
void gemm(int64_t m, int64_t n, int64_t k, Mat a, Mat b, double* c, int64_t ldc);
/// The same on 64-bit integers modulo 2^64: exact for every integer type once truncated to its width.
void gemmInt(int64_t m, int64_t n, int64_t k, const uint64_t* a, const uint64_t* b, uint64_t* c);

/// Copies `x` with its axes in the order `perm`.
template <typename T>
std::vector<T> permuted(const std::vector<T>& x, const Shape& shape, const std::vector<int64_t>& perm);

/// The numpy broadcast of two shapes; false when they do not fit. operands::broadcast is the one that explains itself.
bool broadcastShapes(const Shape& a, const Shape& b, Shape& out);
using operands::broadcastStrides;
/// Fails for a negative extent or a size that no memory holds: a shape that comes from attributes or data.
inline Status checkShapeSize(const HostOpCall& call, const Shape& shape, std::string_view what) {
  return operands::checkSize(call, DType::kF64, shape, what);
}

/// Fails unless 1 <= heads <= 2^20: what an attribute may say about heads.
inline Status checkHeads(const HostOpCall& call, const char* name, int64_t heads) {
  if (heads >= 1 && heads <= 1 << 20) return Status::ok();
  return call.error("attribute " + std::string(name) + " is " + std::to_string(heads) + ", expected 1 to 1048576");
}

/// Steps `index` to the next row-major position of `shape`; false after the last.
bool nextIndex(std::vector<int64_t>& index, const Shape& shape);

/// axis in [0, rank) from ONNX's [-rank, rank); -1 when out of range.
int64_t normalizeAxis(int64_t axis, int64_t rank);
int64_t product(const Shape& shape, int64_t first, int64_t last);

/// Output `i` is asked for.
inline bool wants(const HostOpCall& call, size_t i) { return i < call.outputs.size(); }
inline void give(HostOpCall& call, size_t i, Tensor t) {
  if (wants(call, i)) call.outputs[i] = std::move(t);
}
inline std::string str(int64_t v) { return std::to_string(v); }

/// Dynamic asymmetric u8 quantization as ONNX DynamicQuantizeLinear defines it, over all of x, in f32 arithmetic.
struct QuantParams {
  float scale = 1;
  int32_t zeroPoint = 0;
};
QuantParams dynamicQuantParams(std::span<const double> x);
/// round-half-even(x / scale) + zeroPoint, saturated to u8.
int32_t quantizeU8(float x, QuantParams q);

// ---- inline and template definitions ----

template <typename T>
std::vector<T> permuted(const std::vector<T>& x, const Shape& shape, const std::vector<int64_t>& perm) {
  const size_t rank = perm.size();
  Shape strides = rowMajorStrides(shape), outShape(rank), inStride(rank);
  for (size_t i = 0; i < rank; ++i) {
    outShape[i] = shape[perm[i]];
    inStride[i] = strides[perm[i]];
  }
  std::vector<T> out(x.size());
  if (x.empty()) return out;
  if (rank == 0) return x;
  const int64_t inner = outShape[rank - 1], step = inStride[rank - 1];
  Shape outer(outShape.begin(), outShape.end() - 1);
  std::vector<int64_t> index(rank - 1, 0);
  T* dst = out.data();
  do {
    int64_t at = 0;
    for (size_t i = 0; i + 1 < rank; ++i)
      at += index[i] * inStride[i];
    const T* src = x.data() + at;
    for (int64_t j = 0; j < inner; ++j)
      dst[j] = src[j * step];
    dst += inner;
  } while (nextIndex(index, outer));
  return out;
}

} // namespace jinx::dense
