// Blocks of elements are held in the accumulator's type while all inputs are gone through; what is written was read before.
#include "runtime/comm/Reduce.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <type_traits>

namespace jinx::comm {
namespace {

constexpr int64_t kBlock = 256;

// ---- formats: how an element is read, in what it is added, how it is written ----

template <typename T>
struct Plain {
  using Sum = T;
  static Sum load(const void* data, int64_t i) { return static_cast<const T*>(data)[i]; }
  static void store(void* data, int64_t i, Sum value) { static_cast<T*>(data)[i] = value; }
};

template <float (*kToFloat)(uint16_t), uint16_t (*kFromFloat)(float)>
struct Narrow {
  using Sum = float;
  static Sum load(const void* data, int64_t i) { return kToFloat(static_cast<const uint16_t*>(data)[i]); }
  static void store(void* data, int64_t i, Sum value) { static_cast<uint16_t*>(data)[i] = kFromFloat(value); }
};
using Half = Narrow<halfToFloat, floatToHalf>;
using BFloat16 = Narrow<bfloat16ToFloat, floatToBFloat16>;

struct Bool {
  using Sum = uint8_t;
  static Sum load(const void* data, int64_t i) { return static_cast<const uint8_t*>(data)[i] != 0; }
  static void store(void* data, int64_t i, Sum value) { static_cast<uint8_t*>(data)[i] = value; }
};

template <DType kType>
struct Packed {
  using Sum = int64_t;
  static Sum load(const void* data, int64_t i) { return loadAsInt(kType, data, i); }
  static void store(void* data, int64_t i, Sum value) { storeFromInt(kType, data, i, value); }
};

// ---- reductions ----

/// Integers wrap: unsigned arithmetic, of 64 bits where a product of narrow ones would not fit an int.
struct Add {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
    else
      return a + b;
  }
};
struct Multiply {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    else
      return a * b;
  }
};
struct Largest {
  template <typename T>
  static T apply(T a, T b) {
    return a != a || a >= b ? a : b;
  } // b too where b is NaN
};
struct Smallest {
  template <typename T>
  static T apply(T a, T b) {
    return a != a || a <= b ? a : b;
  }
};

template <typename Format, typename Combine>
void reduceAs(std::span<const void* const> inputs, void* out, int64_t count) {
  typename Format::Sum sums[kBlock];
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t length = std::min(kBlock, count - first);
    for (int64_t i = 0; i < length; ++i)
      sums[i] = Format::load(inputs[0], first + i);
    for (const void* input : inputs.subspan(1))
      for (int64_t i = 0; i < length; ++i)
        sums[i] = Combine::apply(sums[i], Format::load(input, first + i));
    for (int64_t i = 0; i < length; ++i)
      Format::store(out, first + i, sums[i]);
  }
}

template <typename Format>
void reduceBy(Reduction reduction, std::span<const void* const> inputs, void* out, int64_t count) {
  switch (reduction) {
  case Reduction::kSum:
    return reduceAs<Format, Add>(inputs, out, count);
  case Reduction::kProd:
    return reduceAs<Format, Multiply>(inputs, out, count);
  case Reduction::kMax:
    return reduceAs<Format, Largest>(inputs, out, count);
  case Reduction::kMin:
    return reduceAs<Format, Smallest>(inputs, out, count);
  }
}

} // namespace

Status checkReduction(Reduction reduction, DType dtype) {
  const std::string what = std::string(nameOf(reduction)) + " of " + std::string(name(dtype));
  if (dtype == DType::kBool && (reduction == Reduction::kSum || reduction == Reduction::kProd))
    return invalidArgument("there is no " + what + "; take max for or, min for and, or cast to i32 to count");
  if (isFloat(dtype) && bitWidth(dtype) <= 8) return invalidArgument("there is no " + what + ", which would need a scale; cast to bf16, f16 or f32 first");
  if (isComplex(dtype)) return invalidArgument("there is no " + what + "; reduce its two parts as floats of twice the count");
  if (!isFloat(dtype) && !isInteger(dtype) && dtype != DType::kBool) return invalidArgument("there is no " + what + "; expected numbers");
  return Status::ok();
}

void reduce(Reduction reduction, DType dtype, std::span<const void* const> inputs, void* out, int64_t count) {
  if (count == 0) return;
  if (inputs.size() == 1) {
    if (inputs[0] != out) std::memcpy(out, inputs[0], static_cast<size_t>(packedBytes(dtype, count)));
    return;
  }
  switch (dtype) {
  case DType::kF64:
    return reduceBy<Plain<double>>(reduction, inputs, out, count);
  case DType::kF32:
    return reduceBy<Plain<float>>(reduction, inputs, out, count);
  case DType::kF16:
    return reduceBy<Half>(reduction, inputs, out, count);
  case DType::kBF16:
    return reduceBy<BFloat16>(reduction, inputs, out, count);
  case DType::kI8:
    return reduceBy<Plain<int8_t>>(reduction, inputs, out, count);
  case DType::kI16:
    return reduceBy<Plain<int16_t>>(reduction, inputs, out, count);
  case DType::kI32:
    return reduceBy<Plain<int32_t>>(reduction, inputs, out, count);
  case DType::kI64:
    return reduceBy<Plain<int64_t>>(reduction, inputs, out, count);
  case DType::kU8:
    return reduceBy<Plain<uint8_t>>(reduction, inputs, out, count);
  case DType::kU16:
    return reduceBy<Plain<uint16_t>>(reduction, inputs, out, count);
  case DType::kU32:
    return reduceBy<Plain<uint32_t>>(reduction, inputs, out, count);
  case DType::kU64:
    return reduceBy<Plain<uint64_t>>(reduction, inputs, out, count);
  case DType::kBool:
    return reduceBy<Bool>(reduction, inputs, out, count);
  case DType::kI4:
    return reduceBy<Packed<DType::kI4>>(reduction, inputs, out, count);
  case DType::kU4:
    return reduceBy<Packed<DType::kU4>>(reduction, inputs, out, count);
  case DType::kI2:
    return reduceBy<Packed<DType::kI2>>(reduction, inputs, out, count);
  case DType::kU2:
    return reduceBy<Packed<DType::kU2>>(reduction, inputs, out, count);
  default:
    return; // refused by checkReduction
  }
}

} // namespace jinx::comm
