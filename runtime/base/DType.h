// Which element types exist, how wide they are, and how one element becomes a double or an integer.
//
// Sub-byte types (i4, u4, i2, u2, f4e2m1) are packed little end first, as in ONNX: element 0 lies in the low bits of byte 0.
// In memory a `bool` is one byte, 0 or 1. Strings are held as std::string objects (runtime/base/Tensor.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/base/Status.h"

namespace jinx {

/// The values are part of the plan format: append, never renumber.
enum class DType : uint8_t {
  kInvalid = 0,
  kF32 = 1,
  kF64 = 2,
  kF16 = 3,
  kBF16 = 4,
  kI8 = 5,
  kI16 = 6,
  kI32 = 7,
  kI64 = 8,
  kU8 = 9,
  kU16 = 10,
  kU32 = 11,
  kU64 = 12,
  kBool = 13,
  kString = 14,
  kC64 = 15,   ///< complex of two f32
  kC128 = 16,  ///< complex of two f64
  kF8E4M3FN = 17,
  kF8E4M3FNUZ = 18,
  kF8E5M2 = 19,
  kF8E5M2FNUZ = 20,
  kF8E8M0FNU = 21,
  kF4E2M1 = 22,
  kI4 = 23,
  kU4 = 24,
  kI2 = 25,
  kU2 = 26,
};
inline constexpr int kNumDTypes = 27;

/// Width of an element in bits; 0 for kInvalid and kString.
int bitWidth(DType type);
/// "f32", "i64", "bool", …: the names of the native IR, of messages and of reports.
std::string_view name(DType type);
/// The inverse of `name`; kInvalid for an unknown name.
DType dtypeFromName(std::string_view name);

bool isFloat(DType type);    ///< f64, f32, f16, bf16, all 8- and 4-bit floats
bool isInteger(DType type);  ///< signed and unsigned, sub-byte included; not bool
bool isSigned(DType type);   ///< signed integers only
bool isComplex(DType type);

/// Bytes that `count` packed elements take.
int64_t packedBytes(DType type, int64_t count);

/// Reads element `index` of a packed array as a double: exact for every type but 64-bit integers. Not for strings, complex.
double loadAsDouble(DType type, const void *data, int64_t index);
/// Reads element `index` as an integer; floats are truncated towards zero.
int64_t loadAsInt(DType type, const void *data, int64_t index);
/// Writes element `index`: floats round to nearest even (`saturate` as in ONNX Cast, for 8-bit floats only; f4e2m1 always
/// saturates, f16 and bf16 overflow to infinity); integers are the truncated value modulo 2^width; bool is value != 0.
void storeFromDouble(DType type, void *data, int64_t index, double value, bool saturate = true);
void storeFromInt(DType type, void *data, int64_t index, int64_t value);

/// How a value becomes a power of two (f8e8m0fnu): `round_mode` of ONNX Cast. Nearest rounds ties up.
enum class E8M0Round { kNearest, kUp, kDown };
/// The sign is dropped. Without `saturate`, zero, infinity and all that is out of range give NaN (0xff); with it, the nearest end.
uint8_t encodeE8M0(double value, E8M0Round round, bool saturate);

/// Single conversions, round to nearest even.
uint16_t floatToHalf(float value);
float halfToFloat(uint16_t bits);
uint16_t floatToBFloat16(float value);
inline float bfloat16ToFloat(uint16_t bits) {
  union {
    uint32_t u;
    float f;
  } v{static_cast<uint32_t>(bits) << 16};
  return v.f;
}

}  // namespace jinx
