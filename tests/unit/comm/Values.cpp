// Inputs, and the naive loops that say what must come of them.
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/comm/Reduce.h"
#include "tests/unit/comm/Cases.h"

namespace jinx::comm::test {

uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15u + b + 0x632be59bd9b4e019u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

std::vector<std::byte> valuesOf(DType dtype, int64_t count, Values values, uint64_t seed) {
  std::vector<std::byte> data(static_cast<size_t>(packedBytes(dtype, count)));
  if (values == Values::kBits) {
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<std::byte>(mix(seed, i));
    return data;
  }
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t drawn = mix(seed, static_cast<uint64_t>(i));
    const int64_t small = values == Values::kUnit ? static_cast<int64_t>(drawn % 2) * 2 - 1 : static_cast<int64_t>(drawn % 7) - 3;
    if (values != Values::kAny)
      storeFromInt(dtype, data.data(), i, small);
    else if (isFloat(dtype))
      storeFromDouble(dtype, data.data(), i, std::ldexp(static_cast<double>(static_cast<int64_t>(drawn)), -63 + static_cast<int>(drawn % 9) - 4));
    else
      storeFromInt(dtype, data.data(), i, static_cast<int64_t>(drawn));
  }
  return data;
}

namespace {

template <typename T>
T combine(Reduction reduction, T a, T b) {
  switch (reduction) {
  case Reduction::kSum:
    return a + b;
  case Reduction::kProd:
    return a * b;
  case Reduction::kMax:
    return a != a ? a : b != b ? b : a > b ? a : b;
  case Reduction::kMin:
    return a != a ? a : b != b ? b : a < b ? a : b;
  }
  return a;
}

template <typename T, typename Load>
T loop(Reduction reduction, size_t n, Load load) {
  T sum = static_cast<T>(load(0));
  for (size_t rank = 1; rank < n; ++rank)
    sum = combine(reduction, sum, static_cast<T>(load(rank)));
  return sum;
}

} // namespace

std::vector<std::byte> reduced(Reduction reduction, DType dtype, const std::vector<std::vector<std::byte>>& inputs, int64_t count) {
  std::vector<std::byte> out(static_cast<size_t>(packedBytes(dtype, count)));
  const bool ordered = reduction == Reduction::kMax || reduction == Reduction::kMin;
  for (int64_t i = 0; i < count; ++i) {
    auto real = [&](size_t rank) { return loadAsDouble(dtype, inputs[rank].data(), i); };
    auto whole = [&](size_t rank) { return loadAsInt(dtype, inputs[rank].data(), i); };
    if (dtype == DType::kF64)
      storeFromDouble(dtype, out.data(), i, loop<double>(reduction, inputs.size(), real));
    else if (isFloat(dtype))
      storeFromDouble(dtype, out.data(), i, loop<float>(reduction, inputs.size(), real));
    else if (dtype == DType::kU64 || !ordered)
      storeFromInt(dtype, out.data(), i, static_cast<int64_t>(loop<uint64_t>(reduction, inputs.size(), whole)));
    else
      storeFromInt(dtype, out.data(), i, loop<int64_t>(reduction, inputs.size(), whole));
  }
  return out;
}

std::string compare(DType dtype, std::span<const std::byte> got, std::span<const std::byte> expected, int64_t count) {
  if (got.size() != expected.size()) return "got " + std::to_string(got.size()) + " bytes, expected " + std::to_string(expected.size());
  if (got.empty() || std::memcmp(got.data(), expected.data(), got.size()) == 0) return "";
  for (int64_t i = 0; i < count; ++i) {
    const double a = loadAsDouble(dtype, got.data(), i), b = loadAsDouble(dtype, expected.data(), i);
    const bool bits = bitWidth(dtype) < 8 ||
                      std::memcmp(got.data() + packedBytes(dtype, i), expected.data() + packedBytes(dtype, i), static_cast<size_t>(packedBytes(dtype, 1))) == 0;
    if ((std::isnan(a) && std::isnan(b)) || (a == b && bits)) continue;
    return "element " + std::to_string(i) + " of " + std::to_string(count) + " " + std::string(name(dtype)) + " is " + std::to_string(a) + ", expected " +
           std::to_string(b);
  }
  return "";
}

std::vector<DType> typesOf(Reduction reduction) {
  std::vector<DType> types;
  for (int type = 1; type < kNumDTypes; ++type)
    if (checkReduction(reduction, static_cast<DType>(type)).isOk()) types.push_back(static_cast<DType>(type));
  return types;
}

} // namespace jinx::comm::test
