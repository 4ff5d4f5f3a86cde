// The encodings of the element types. Every float narrower than f32 goes through one pair of templates, `encode` and
// `decode`, that are told the format's exponent bits, mantissa bits, bias and what its largest codes mean.
#include "runtime/base/DType.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace jinx {
namespace {

struct TypeRow {
  std::string_view name;
  int bits;
};

constexpr TypeRow kTypes[kNumDTypes] = {
    {"invalid", 0},    {"f32", 32},   {"f64", 64},       {"f16", 16},      {"bf16", 16},  {"i8", 8},
    {"i16", 16},       {"i32", 32},   {"i64", 64},       {"u8", 8},        {"u16", 16},   {"u32", 32},
    {"u64", 64},       {"bool", 8},   {"string", 0},     {"c64", 64},      {"c128", 128}, {"f8e4m3fn", 8},
    {"f8e4m3fnuz", 8}, {"f8e5m2", 8}, {"f8e5m2fnuz", 8}, {"f8e8m0fnu", 8}, {"f4e2m1", 4}, {"i4", 4},
    {"u4", 4},         {"i2", 2},     {"u2", 2},
};

/// What the codes above the largest finite one mean.
enum class Top {
  kInfAndNan,  ///< IEEE: all-ones exponent is infinity, with a mantissa NaN (f16, bf16, f8e5m2)
  kNanOnly,    ///< FN: all-ones magnitude is NaN (f8e4m3fn)
  kNegZeroNan, ///< FNUZ: every magnitude is finite, the code of -0 is NaN
  kFinite,     ///< no NaN, no infinity (f4e2m1)
};

template <int kExponentBits, int kMantissaBits, int kBias, Top kTop>
struct SmallFloat {
  static constexpr int kBits = 1 + kExponentBits + kMantissaBits;
  static constexpr uint32_t kSignBit = 1u << (kBits - 1);
  static constexpr uint32_t kInfinity = ((1u << kExponentBits) - 1) << kMantissaBits; // kInfAndNan only
  static constexpr uint32_t kNan = kTop == Top::kInfAndNan ? kInfinity | (1u << (kMantissaBits - 1))
                                   : kTop == Top::kNanOnly ? kSignBit - 1
                                                           : kSignBit;
  static constexpr uint32_t kMaxFinite = kTop == Top::kInfAndNan ? kInfinity - 1
                                         : kTop == Top::kNanOnly ? kSignBit - 2
                                                                 : kSignBit - 1;

  /// Round to nearest even. Beyond the largest finite value: with `saturate` that value, else infinity or NaN.
  static uint32_t encode(double value, bool saturate) {
    const uint64_t bits = std::bit_cast<uint64_t>(value);
    const uint32_t sign = (bits >> 63) ? kSignBit : 0;
    const int exponent = static_cast<int>((bits >> 52) & 0x7ff) - 1023;
    const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
    if (exponent == 1024) {
      if (fraction != 0) return kTop == Top::kInfAndNan || kTop == Top::kNanOnly ? sign | kNan : kNan;
      return overflow(sign, saturate);
    }
    if (exponent == -1023) return signedZero(sign); // zero, or below 2^-1022

    // significand / 2^shift is the value in units of the last place of the target.
    const uint64_t significand = fraction | (uint64_t{1} << 52);
    const int lowest = 1 - kBias;
    const int e = exponent < lowest ? lowest : exponent;
    const int shift = 52 - kMantissaBits + (e - exponent);
    if (shift > 53) return signedZero(sign);
    uint64_t units = significand >> shift;
    const uint64_t rest = significand & ((uint64_t{1} << shift) - 1);
    const uint64_t half = uint64_t{1} << (shift - 1);
    if (rest > half || (rest == half && (units & 1))) ++units;
    // A normal has units in [2^m, 2^(m+1)]: adding the hidden bit and a carry into the exponent both come out right.
    const int64_t code = (static_cast<int64_t>(e + kBias - 1) << kMantissaBits) + static_cast<int64_t>(units);
    if (code > static_cast<int64_t>(kMaxFinite)) return overflow(sign, saturate);
    if (code == 0) return signedZero(sign);
    return sign | static_cast<uint32_t>(code);
  }

  static double decode(uint32_t code) {
    const uint32_t magnitude = code & (kSignBit - 1);
    const bool negative = code & kSignBit;
    if constexpr (kTop == Top::kInfAndNan) {
      if (magnitude > kInfinity) return std::copysign(std::numeric_limits<double>::quiet_NaN(), negative ? -1.0 : 1.0);
      if (magnitude == kInfinity) return negative ? -INFINITY : INFINITY;
    } else if constexpr (kTop == Top::kNanOnly) {
      if (magnitude == kNan) return std::copysign(std::numeric_limits<double>::quiet_NaN(), negative ? -1.0 : 1.0);
    } else if constexpr (kTop == Top::kNegZeroNan) {
      if (code == kNan) return std::numeric_limits<double>::quiet_NaN();
    }
    const uint32_t exponent = magnitude >> kMantissaBits;
    const uint32_t fraction = magnitude & ((1u << kMantissaBits) - 1);
    double value;
    if (exponent == 0) {
      value = std::ldexp(static_cast<double>(fraction), 1 - kBias - kMantissaBits);
    } else { // build the double's own bits: fast, and exact
      value = std::bit_cast<double>((static_cast<uint64_t>(exponent) - kBias + 1023) << 52 |
                                    static_cast<uint64_t>(fraction) << (52 - kMantissaBits));
    }
    return negative ? -value : value;
  }

 private:
  static uint32_t signedZero(uint32_t sign) { return kTop == Top::kNegZeroNan ? 0 : sign; }
  static uint32_t overflow(uint32_t sign, bool saturate) {
    if (saturate || kTop == Top::kFinite) return sign | kMaxFinite;
    if (kTop == Top::kInfAndNan) return sign | kInfinity;
    return kTop == Top::kNanOnly ? sign | kNan : kNan;
  }
};

using Half = SmallFloat<5, 10, 15, Top::kInfAndNan>;
using BFloat16 = SmallFloat<8, 7, 127, Top::kInfAndNan>;
using F8E4M3FN = SmallFloat<4, 3, 7, Top::kNanOnly>;
using F8E4M3FNUZ = SmallFloat<4, 3, 8, Top::kNegZeroNan>;
using F8E5M2 = SmallFloat<5, 2, 15, Top::kInfAndNan>;
using F8E5M2FNUZ = SmallFloat<5, 2, 16, Top::kNegZeroNan>;
using F4E2M1 = SmallFloat<2, 1, 1, Top::kFinite>;

template <typename T>
T read(const void* data, int64_t index) {
  return static_cast<const T*>(data)[index];
}
template <typename T>
void write(void* data, int64_t index, T value) {
  static_cast<T*>(data)[index] = value;
}

/// Element `index` of elements of `bits` bits, low bits first.
uint8_t readPacked(const void* data, int64_t index, int bits) {
  const int perByte = 8 / bits;
  const uint8_t byte = read<uint8_t>(data, index / perByte);
  return (byte >> (index % perByte * bits)) & ((1 << bits) - 1);
}
void writePacked(void* data, int64_t index, int bits, uint8_t value) {
  const int perByte = 8 / bits;
  const int at = static_cast<int>(index % perByte) * bits;
  const uint8_t mask = static_cast<uint8_t>(((1 << bits) - 1) << at);
  uint8_t& byte = static_cast<uint8_t*>(data)[index / perByte];
  byte = static_cast<uint8_t>((byte & ~mask) | ((value << at) & mask));
}
int64_t signExtend(uint8_t value, int bits) {
  const int64_t signBit = int64_t{1} << (bits - 1);
  return (value ^ signBit) - signBit;
}

double decodeE8M0(uint8_t code) {
  return code == 0xff ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, code - 127);
}

/// The truncated value modulo 2^64; NaN and infinities give the smallest int64, as x86 conversion does.
int64_t truncateToInt64(double value) {
  constexpr double k2To63 = 9223372036854775808.0;
  if (value >= -k2To63 && value < k2To63) return static_cast<int64_t>(value);
  if (value >= k2To63 && value < 2 * k2To63) return static_cast<int64_t>(static_cast<uint64_t>(value));
  return std::numeric_limits<int64_t>::min();
}

/// An int64 as a double that keeps, in its last bit, whether anything was lost: a second rounding then comes out right.
double toDoubleRoundToOdd(int64_t value) {
  double d = static_cast<double>(value);
  if (std::fabs(d) < 9007199254740992.0) return d; // 2^53
  const bool negative = value < 0;
  uint64_t magnitude = negative ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  const int drop = 64 - std::countl_zero(magnitude) - 53;
  if (drop <= 0) return d;
  const bool lost = magnitude & ((uint64_t{1} << drop) - 1);
  magnitude >>= drop;
  d = std::ldexp(static_cast<double>(magnitude | (lost ? 1 : 0)), drop);
  return negative ? -d : d;
}

} // namespace

int bitWidth(DType type) { return kTypes[static_cast<int>(type)].bits; }

std::string_view name(DType type) { return kTypes[static_cast<int>(type)].name; }

DType dtypeFromName(std::string_view name) {
  for (int i = 1; i < kNumDTypes; ++i)
    if (kTypes[i].name == name) return static_cast<DType>(i);
  return DType::kInvalid;
}

bool isFloat(DType type) {
  return (type >= DType::kF32 && type <= DType::kBF16) || (type >= DType::kF8E4M3FN && type <= DType::kF4E2M1);
}

bool isInteger(DType type) {
  return (type >= DType::kI8 && type <= DType::kU64) || (type >= DType::kI4 && type <= DType::kU2);
}

bool isSigned(DType type) {
  return (type >= DType::kI8 && type <= DType::kI64) || type == DType::kI4 || type == DType::kI2;
}

bool isComplex(DType type) { return type == DType::kC64 || type == DType::kC128; }

int64_t packedBytes(DType type, int64_t count) {
  const int bits = bitWidth(type);
  if (bits >= 8) return count * (bits / 8);
  return (count * bits + 7) / 8;
}

double loadAsDouble(DType type, const void* data, int64_t index) {
  switch (type) {
  case DType::kF32:
    return read<float>(data, index);
  case DType::kF64:
    return read<double>(data, index);
  case DType::kF16:
    return Half::decode(read<uint16_t>(data, index));
  case DType::kBF16:
    return bfloat16ToFloat(read<uint16_t>(data, index));
  case DType::kF8E4M3FN:
    return F8E4M3FN::decode(read<uint8_t>(data, index));
  case DType::kF8E4M3FNUZ:
    return F8E4M3FNUZ::decode(read<uint8_t>(data, index));
  case DType::kF8E5M2:
    return F8E5M2::decode(read<uint8_t>(data, index));
  case DType::kF8E5M2FNUZ:
    return F8E5M2FNUZ::decode(read<uint8_t>(data, index));
  case DType::kF8E8M0FNU:
    return decodeE8M0(read<uint8_t>(data, index));
  case DType::kF4E2M1:
    return F4E2M1::decode(readPacked(data, index, 4));
  case DType::kU64:
    return static_cast<double>(read<uint64_t>(data, index));
  default:
    return static_cast<double>(loadAsInt(type, data, index));
  }
}

int64_t loadAsInt(DType type, const void* data, int64_t index) {
  switch (type) {
  case DType::kI8:
    return read<int8_t>(data, index);
  case DType::kI16:
    return read<int16_t>(data, index);
  case DType::kI32:
    return read<int32_t>(data, index);
  case DType::kI64:
    return read<int64_t>(data, index);
  case DType::kU8:
    return read<uint8_t>(data, index);
  case DType::kU16:
    return read<uint16_t>(data, index);
  case DType::kU32:
    return read<uint32_t>(data, index);
  case DType::kU64:
    return static_cast<int64_t>(read<uint64_t>(data, index));
  case DType::kBool:
    return read<uint8_t>(data, index) != 0;
  case DType::kI4:
    return signExtend(readPacked(data, index, 4), 4);
  case DType::kU4:
    return readPacked(data, index, 4);
  case DType::kI2:
    return signExtend(readPacked(data, index, 2), 2);
  case DType::kU2:
    return readPacked(data, index, 2);
  case DType::kInvalid:
  case DType::kString:
  case DType::kC64:
  case DType::kC128:
    assert(false && "the element type has no value as a real number");
    return 0;
  default:
    return truncateToInt64(loadAsDouble(type, data, index));
  }
}

void storeFromDouble(DType type, void* data, int64_t index, double value, bool saturate) {
  switch (type) {
  case DType::kF32:
    return write(data, index, static_cast<float>(value));
  case DType::kF64:
    return write(data, index, value);
  case DType::kF16:
    return write(data, index, static_cast<uint16_t>(Half::encode(value, false)));
  case DType::kBF16:
    return write(data, index, static_cast<uint16_t>(BFloat16::encode(value, false)));
  case DType::kF8E4M3FN:
    return write(data, index, static_cast<uint8_t>(F8E4M3FN::encode(value, saturate)));
  case DType::kF8E4M3FNUZ:
    return write(data, index, static_cast<uint8_t>(F8E4M3FNUZ::encode(value, saturate)));
  case DType::kF8E5M2:
    return write(data, index, static_cast<uint8_t>(F8E5M2::encode(value, saturate)));
  case DType::kF8E5M2FNUZ:
    return write(data, index, static_cast<uint8_t>(F8E5M2FNUZ::encode(value, saturate)));
  case DType::kF8E8M0FNU:
    return write(data, index, encodeE8M0(value, E8M0Round::kNearest, saturate));
  case DType::kF4E2M1:
    return writePacked(data, index, 4, static_cast<uint8_t>(F4E2M1::encode(value, true)));
  case DType::kBool:
    return write<uint8_t>(data, index, value != 0);
  default:
    return storeFromInt(type, data, index, truncateToInt64(value));
  }
}

void storeFromInt(DType type, void* data, int64_t index, int64_t value) {
  switch (type) {
  case DType::kI8:
  case DType::kU8:
    return write(data, index, static_cast<uint8_t>(value));
  case DType::kI16:
  case DType::kU16:
    return write(data, index, static_cast<uint16_t>(value));
  case DType::kI32:
  case DType::kU32:
    return write(data, index, static_cast<uint32_t>(value));
  case DType::kI64:
  case DType::kU64:
    return write(data, index, value);
  case DType::kBool:
    return write<uint8_t>(data, index, value != 0);
  case DType::kI4:
  case DType::kU4:
    return writePacked(data, index, 4, static_cast<uint8_t>(value));
  case DType::kI2:
  case DType::kU2:
    return writePacked(data, index, 2, static_cast<uint8_t>(value));
  case DType::kF32:
    return write(data, index, static_cast<float>(value));
  case DType::kF64:
    return write(data, index, static_cast<double>(value));
  case DType::kInvalid:
  case DType::kString:
  case DType::kC64:
  case DType::kC128:
    assert(false && "the element type has no value as a real number");
    return;
  default:
    return storeFromDouble(type, data, index, toDoubleRoundToOdd(value));
  }
}

uint8_t encodeE8M0(double value, E8M0Round round, bool saturate) {
  constexpr uint8_t kNan = 0xff, kMax = 0xfe;
  if (std::isnan(value)) return kNan;
  const double magnitude = std::fabs(value);
  if (std::isinf(magnitude)) return saturate ? kMax : kNan;
  if (magnitude == 0) return saturate ? 0 : kNan;
  int exponent;
  const double fraction = std::frexp(magnitude, &exponent); // in [0.5, 1)
  --exponent;                                               // magnitude = 2 * fraction * 2^exponent
  if (round == E8M0Round::kUp && fraction > 0.5) ++exponent;
  if (round == E8M0Round::kNearest && fraction >= 0.75) ++exponent;
  const int code = exponent + 127;
  if (code < 0) return saturate ? 0 : kNan;
  if (code > kMax) return saturate ? kMax : kNan;
  return static_cast<uint8_t>(code);
}

uint16_t floatToHalf(float value) { return static_cast<uint16_t>(Half::encode(value, false)); }

float halfToFloat(uint16_t bits) { return static_cast<float>(Half::decode(bits)); }

uint16_t floatToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40); // keep NaN a (quiet) NaN
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

} // namespace jinx
