// Quantized arithmetic shared by ai.onnx and com.microsoft.
#pragma once

#include "frontends/onnx/Handlers.h"

namespace jinx::frontends {

bool isByte(Value v);

/// What turns numbers into codes and back: a scalar, a vector along `axis`, or, with `block`, one for so many neighbours along it.
struct Quantization {
  Value scale, zero; ///< zero: null is 0
  int64_t axis = 0, block = 0;
};
/// saturate(round(x / scale) + zero) of that element type (jinx.quantize).
Value quantizeTo(Node &n, Value x, const Quantization &how, mlir::Type element);
/// (q - zero) * scale of that element type (jinx.dequantize). `levels`: what each 4-bit code stands for.
Value dequantizeTo(Node &n, Value q, const Quantization &how, mlir::Type element, llvm::ArrayRef<float> levels = {});
/// Clamps to the range of i8 or ui8 and converts.
Value saturateTo(Node &n, Value rounded, mlir::Type element);

struct DynamicQuantized {
  Value y, scale, zeroPoint;
};
/// x [any] f32 → ui8 with one scale and zero point over [min(x, 0), max(x, 0)].
DynamicQuantized quantizeDynamically(Node &n, Value x);

/// (a - zeroA)·(b - zeroB) in i32. The bytes are multiplied as they are; zero points correct the result by row and column sums:
///   a·b - zeroA * columnSums(b) - zeroB * rowSums(a) + k * zeroA * zeroB
/// which is exact, for i32 wraps around consistently. Constant weights' sums fold at compile time.
Value integerProduct(Node &n, Value a, Value b, Value zeroA, Value zeroB);

} // namespace jinx::frontends
