// Element types: what a code means, and which code is nearest to a number.
//
// The oracle writes each format's values down from the formula in its specification, (1 + m/2^M) * 2^(e - bias), and finds
// the nearest by search. It rounds no bits.
#include "runtime/base/DType.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tests/property/Property.h"

namespace jinx::test {
namespace {

/// What the format's largest codes mean.
enum class Top { kInfinityAndNan, kNan, kNegativeZeroIsNan, kFinite };

struct Format {
  DType type;
  int exponentBits, mantissaBits, bias;
  Top top;
};
constexpr Format kFormats[] = {
    {DType::kF16, 5, 10, 15, Top::kInfinityAndNan},     {DType::kBF16, 8, 7, 127, Top::kInfinityAndNan},
    {DType::kF8E4M3FN, 4, 3, 7, Top::kNan},             {DType::kF8E4M3FNUZ, 4, 3, 8, Top::kNegativeZeroIsNan},
    {DType::kF8E5M2, 5, 2, 15, Top::kInfinityAndNan},   {DType::kF8E5M2FNUZ, 5, 2, 16, Top::kNegativeZeroIsNan},
    {DType::kF4E2M1, 2, 1, 1, Top::kFinite},
};

int width(const Format& f) { return 1 + f.exponentBits + f.mantissaBits; }

/// The magnitude that a code without sign stands for, as if all were finite: one past the largest is where rounding overflows.
double magnitudeOf(const Format& f, uint32_t code) {
  int exponent = static_cast<int>(code >> f.mantissaBits);
  double fraction = (code & ((1u << f.mantissaBits) - 1)) * std::exp2(-f.mantissaBits);
  return exponent == 0 ? fraction * std::exp2(1 - f.bias) : (1 + fraction) * std::exp2(exponent - f.bias);
}

/// The code of the largest finite magnitude.
uint32_t largest(const Format& f) {
  uint32_t all = (1u << (width(f) - 1)) - 1;
  if (f.top == Top::kInfinityAndNan) return (((1u << f.exponentBits) - 1) << f.mantissaBits) - 1;
  return f.top == Top::kNan ? all - 1 : all;
}

struct Decoded {
  bool nan = false;
  double value = 0;
};

Decoded meaning(const Format& f, uint32_t code) {
  uint32_t sign = 1u << (width(f) - 1), magnitude = code & (sign - 1);
  if (f.top == Top::kNegativeZeroIsNan && code == sign) return {true, 0};
  double value;
  if (magnitude <= largest(f)) {
    value = magnitudeOf(f, magnitude);
  } else if (f.top == Top::kInfinityAndNan && magnitude == largest(f) + 1) {
    value = INFINITY;
  } else {
    return {true, 0};
  }
  return {false, code & sign ? -value : value};
}

uint32_t load(const Format& f, const void* data) {
  uint32_t code = 0;
  std::memcpy(&code, data, width(f) <= 8 ? 1 : 2);
  return code & ((1u << width(f)) - 1);
}

/// The code nearest to a number; of two equally near ones the even. `Real` is wide enough to tell.
template <typename Real>
uint32_t nearest(const Format& f, Real value, bool saturate) {
  bool negative = std::signbit(value);
  Real size = negative ? -value : value;
  uint32_t low = 0, high = largest(f) + 1; // magnitudeOf(low) <= size; size < magnitudeOf(high), or high is one too many
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    (static_cast<Real>(magnitudeOf(f, middle)) <= size ? low : high) = middle;
  }
  Real below = size - static_cast<Real>(magnitudeOf(f, low)), above = static_cast<Real>(magnitudeOf(f, high)) - size;
  uint32_t code = below < above || (below == above && low % 2 == 0) ? low : high;
  uint32_t sign = negative ? 1u << (width(f) - 1) : 0;
  if (code <= largest(f)) return f.top == Top::kNegativeZeroIsNan && code == 0 ? 0 : sign | code;
  if (saturate || f.top == Top::kFinite) return sign | largest(f);
  if (f.top == Top::kNegativeZeroIsNan) return 1u << (width(f) - 1);
  return sign | (largest(f) + 1); // infinity, or the one NaN
}

rc::Gen<Format> formats() { return rc::gen::elementOf(std::vector<Format>(std::begin(kFormats), std::end(kFormats))); }

TEST(DTypeLaws, EveryCodeMeansWhatItsFormatSays) {
  for (const Format& f : kFormats) {
    for (uint32_t code = 0; code < 1u << width(f); ++code) {
      Decoded want = meaning(f, code);
      double got = loadAsDouble(f.type, &code, 0);
      ASSERT_EQ(std::isnan(got), want.nan) << name(f.type) << " code " << code;
      if (want.nan) continue;
      ASSERT_EQ(std::bit_cast<uint64_t>(got), std::bit_cast<uint64_t>(want.value)) << name(f.type) << " code " << code;
      uint32_t back = 0;
      storeFromDouble(f.type, &back, 0, got, /*saturate=*/false);
      ASSERT_EQ(load(f, &back), code) << name(f.type) << ": a value is its own nearest";
    }
  }
}

JINX_PROPERTY(DTypeLaws, ANumberBecomesTheNearestCode, 20000) {
  Format f = *formats();
  bool saturate = *rc::gen::arbitrary<bool>();
  double value;
  if (*rc::gen::inRange(0, 3) == 0) {
    value = std::bit_cast<double>(*rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint64_t>()));
    if (*rc::gen::arbitrary<bool>()) value = std::copysign(std::exp2(std::fmod(std::log2(std::fabs(value)), 2 * f.bias + 20)), value);
    RC_PRE(!std::isnan(value));
  } else { // a value, or what lies halfway to the next, or just beside
    uint32_t code = *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<uint32_t>(0, largest(f) + 1));
    double low = magnitudeOf(f, code), high = magnitudeOf(f, code + 1);
    value = *rc::gen::element(low, (low + high) / 2);
    int nudge = *rc::gen::inRange(0, 3);
    if (nudge) value = std::nextafter(value, nudge == 1 ? 0 : INFINITY);
    if (*rc::gen::arbitrary<bool>()) value = -value;
  }
  RC_TAG(std::string(name(f.type)));
  uint32_t bits = 0;
  storeFromDouble(f.type, &bits, 0, value, saturate);
  // f16 and bf16 overflow to infinity however the cast is asked for.
  bool saturates = saturate && width(f) <= 8;
  uint32_t want = std::isinf(value) && f.top != Top::kFinite && !saturates ? nearest(f, std::copysign(1e308, value), false)
                                                                           : nearest(f, value, saturates);
  RC_ASSERT(load(f, &bits) == want);
}

JINX_PROPERTY(DTypeLaws, AnIntegerBecomesTheNearestCode, 10000) {
  static_assert(std::numeric_limits<long double>::digits >= 64, "the oracle holds every int64");
  Format f = *formats();
  int64_t value = *rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<int64_t>()) >> *rc::gen::inRange(0, 63);
  if (*rc::gen::arbitrary<bool>()) { // halfway between two codes, or 1 beside it: more bits than a double has
    value = (2 * *rc::gen::inRange<int64_t>(0, int64_t{1} << f.mantissaBits) + 1 + (int64_t{2} << f.mantissaBits))
            << *rc::gen::inRange(0, 61 - f.mantissaBits);
    value += *rc::gen::inRange(-1, 2);
  }
  uint32_t bits = 0;
  storeFromInt(f.type, &bits, 0, value);
  RC_ASSERT(load(f, &bits) == nearest(f, static_cast<long double>(value), width(f) <= 8));
}

JINX_PROPERTY(DTypeLaws, HalvesOfFloatsAreNearest, 20000) {
  float value = std::bit_cast<float>(*rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint32_t>()));
  RC_PRE(!std::isnan(value));
  if (std::isinf(value)) value = std::copysign(3e38f, value);
  RC_ASSERT(floatToHalf(value) == nearest(kFormats[0], static_cast<double>(value), false));
  RC_ASSERT(floatToBFloat16(value) == nearest(kFormats[1], static_cast<double>(value), false));
  uint16_t half = floatToHalf(value);
  RC_ASSERT(halfToFloat(half) == static_cast<float>(meaning(kFormats[0], half).value));
}

JINX_PROPERTY(DTypeLaws, PowersOfTwoRoundAsAsked, 5000) {
  double value = std::ldexp(1 + *rc::gen::inRange(0, 8) / 8.0, *rc::gen::inRange(-140, 140));
  if (*rc::gen::arbitrary<bool>()) value = -value;
  for (E8M0Round round : {E8M0Round::kNearest, E8M0Round::kUp, E8M0Round::kDown}) {
    // By search among all powers of two that have a code.
    double size = std::fabs(value);
    int want = 255;
    for (int code = 0; code < 255; ++code) {
      double low = std::exp2(code - 127), high = 2 * low;
      if (size < low || size >= high) continue;
      bool up = round == E8M0Round::kUp ? size > low : round == E8M0Round::kNearest ? size - low >= high - size : false;
      want = up ? code + 1 : code;
    }
    uint8_t strict = encodeE8M0(value, round, false), saturated = encodeE8M0(value, round, true);
    // Just below the least power rounding up may still reach it.
    if (size < std::exp2(-127)) {
      bool reaches = size > std::exp2(-128) && (round == E8M0Round::kUp || (round == E8M0Round::kNearest && size >= 1.5 * std::exp2(-128)));
      want = reaches ? 0 : 255;
      RC_ASSERT(static_cast<int>(saturated) == 0);
    } else {
      RC_ASSERT(static_cast<int>(saturated) == std::min(want, 254));
    }
    RC_ASSERT(static_cast<int>(strict) == want);
  }
}

JINX_PROPERTY(DTypeLaws, IntegersKeepTheirLowBits, 5000) {
  auto [type, bits, isSignedType] = *rc::gen::element(
      std::make_tuple(DType::kI2, 2, true), std::make_tuple(DType::kU2, 2, false), std::make_tuple(DType::kI4, 4, true),
      std::make_tuple(DType::kU4, 4, false), std::make_tuple(DType::kI8, 8, true), std::make_tuple(DType::kU8, 8, false),
      std::make_tuple(DType::kI16, 16, true), std::make_tuple(DType::kU16, 16, false), std::make_tuple(DType::kI32, 32, true),
      std::make_tuple(DType::kU32, 32, false), std::make_tuple(DType::kI64, 64, true));
  RC_ASSERT(bitWidth(type) == bits);
  RC_ASSERT(isSigned(type) == isSignedType);
  // A row of elements, written in any order: each keeps its own value, sub-byte neighbours included.
  std::vector<int64_t> values = *rc::gen::container<std::vector<int64_t>>(rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<int64_t>()));
  std::vector<uint8_t> data(static_cast<size_t>(packedBytes(type, static_cast<int64_t>(values.size()))), 0xA5);
  for (int64_t i : *permutations(static_cast<int64_t>(values.size())))
    storeFromInt(type, data.data(), i, values[static_cast<size_t>(i)]);
  for (size_t i = 0; i < values.size(); ++i) {
    __extension__ typedef __int128 Wide;
    Wide modulus = Wide{1} << bits, want = ((values[i] % modulus) + modulus) % modulus;
    if (isSignedType && want >= modulus / 2) want -= modulus;
    RC_ASSERT(loadAsInt(type, data.data(), static_cast<int64_t>(i)) == static_cast<int64_t>(want));
    if (bits < 64) RC_ASSERT(loadAsDouble(type, data.data(), static_cast<int64_t>(i)) == static_cast<double>(want));
  }
}

TEST(DTypeLaws, NamesAreReadBack) {
  for (int i = 1; i < kNumDTypes; ++i)
    EXPECT_EQ(dtypeFromName(name(static_cast<DType>(i))), static_cast<DType>(i));
}

} // namespace
} // namespace jinx::test
