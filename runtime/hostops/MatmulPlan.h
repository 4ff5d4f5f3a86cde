// The shapes of a numpy-style matrix product, shared by the float, integer and quantized variants of MatMul.
#pragma once

#include "runtime/hostops/Dense.h"

namespace jinx::dense {

/// y[batch..., m, n] = a[batch..., m, k] * b[batch..., k, n], batch dimensions broadcast. A rank-1 operand is a row or
/// a column whose dimension the result drops.
struct MatMulPlan {
  Shape out;          ///< as MatMul gives it
  Shape batch;        ///< broadcast batch dimensions
  Shape full;         ///< batch + {m, n}: `out` before the dimensions of rank-1 operands are dropped
  Shape aFull, bFull; ///< the operands with rank >= 2
  int64_t m = 0, n = 0, k = 0;
};
Expected<MatMulPlan> planMatMul(const HostOpCall& call, const Shape& a, const Shape& b);

/// Runs the plan on the operands' row-major doubles.
Doubles runMatMul(const MatMulPlan& plan, const Doubles& a, const Doubles& b);

/// What a quantization parameter applies to: a scalar, one value a row (`perRow`) or column, or an array that
/// broadcasts.
Status checkParam(const HostOpCall& call, const Tensor& param, const Shape& shape, bool perRow, std::string_view name);

/// Calls fn(element, param) for each element of a row-major array of `shape`, with the index of its parameter.
template <typename Fn>
void forEachParam(const Shape& shape, const Tensor& param, bool perRow, Fn fn) {
  const int64_t total = numElements(shape);
  if (param.size() == 1) {
    for (int64_t i = 0; i < total; ++i)
      fn(i, 0);
    return;
  }
  Shape from = param.shape();
  if (from.size() == 1 && perRow) from.push_back(1);
  const Shape strides = broadcastStrides(from, shape);
  const int64_t cols = shape.back();
  Shape rows(shape.begin(), shape.end() - 1);
  if (total == 0) return;
  std::vector<int64_t> index(rows.size(), 0);
  int64_t element = 0;
  do {
    int64_t at = 0;
    for (size_t i = 0; i < index.size(); ++i)
      at += index[i] * strides[i];
    for (int64_t j = 0; j < cols; ++j)
      fn(element++, at + j * strides.back());
  } while (nextIndex(index, rows));
}

// MatmulQuant.cpp
Status matMulInteger(HostOpCall& call);
Status qLinearMatMul(HostOpCall& call);
Status matMulIntegerToFloat(HostOpCall& call);
Status dynamicQuantizeMatMul(HostOpCall& call);
Status matMulNBits(HostOpCall& call);
Status matMulBnb4(HostOpCall& call);

// Einsum.cpp
Status einsum(HostOpCall& call);

} // namespace jinx::dense
