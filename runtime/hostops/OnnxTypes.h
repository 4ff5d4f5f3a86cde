// The numbers that ONNX gives to element types (TensorProto.DataType), as they appear in attributes such as Cast's
// `to`.
#pragma once

#include <array>

#include "runtime/base/DType.h"

namespace jinx {

/// Index: the ONNX number. f6e2m3 (27) and f6e3m2 (28) have no DType.
inline constexpr std::array<DType, 27> kOnnxTypes = {
    DType::kInvalid,    DType::kF32,    DType::kU8,         DType::kI8,   DType::kU16,  DType::kI16,
    DType::kI32,        DType::kI64,    DType::kString,     DType::kBool, DType::kF16,  DType::kF64,
    DType::kU32,        DType::kU64,    DType::kC64,        DType::kC128, DType::kBF16, DType::kF8E4M3FN,
    DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ, DType::kU4,   DType::kI4,   DType::kF4E2M1,
    DType::kF8E8M0FNU,  DType::kU2,     DType::kI2,
};

/// kInvalid for a number that is unknown.
constexpr DType dtypeFromOnnx(int64_t number) {
  return number > 0 && number < static_cast<int64_t>(kOnnxTypes.size()) ? kOnnxTypes[number] : DType::kInvalid;
}

/// 0 (UNDEFINED) for kInvalid.
constexpr int64_t onnxFromDType(DType type) {
  for (size_t i = 1; i < kOnnxTypes.size(); ++i)
    if (kOnnxTypes[i] == type) return static_cast<int64_t>(i);
  return 0;
}

} // namespace jinx
