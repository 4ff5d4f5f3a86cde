// How a host op reads and writes elements: floats compute in double, signed integers in int64, unsigned ones and bool
// in uint64.
//
// `withNumber(type, f)` calls `f` with an accessor chosen by the element type. The accessor says what to compute in
// (`Compute`) and loads and stores single elements; for f32, f64, i32, i64 and u64 it is a plain typed access that
// compilers see through, for the rest it asks DType.h for each element.
//
//   withNumber(x.dtype(), [&](auto access) {
//     for (int64_t i = 0; i < x.size(); ++i) access.store(y.data(), i, -access.load(x.data(), i));
//   });
#pragma once

#include "runtime/base/DType.h"

namespace jinx {

template <typename Stored, typename ComputeType>
struct PlainAccess {
  using Compute = ComputeType;
  static Compute load(const void* data, int64_t i) { return static_cast<Compute>(static_cast<const Stored*>(data)[i]); }
  static void store(void* data, int64_t i, Compute value) {
    static_cast<Stored*>(data)[i] = static_cast<Stored>(value);
  }
};

struct AnyFloatAccess {
  using Compute = double;
  DType type;
  double load(const void* data, int64_t i) const { return loadAsDouble(type, data, i); }
  void store(void* data, int64_t i, double value) const { storeFromDouble(type, data, i, value); }
};

template <typename ComputeType>
struct AnyIntegerAccess {
  using Compute = ComputeType;
  DType type;
  Compute load(const void* data, int64_t i) const { return static_cast<Compute>(loadAsInt(type, data, i)); }
  void store(void* data, int64_t i, Compute value) const { storeFromInt(type, data, i, static_cast<int64_t>(value)); }
};

template <typename F>
decltype(auto) withFloat(DType type, F&& f) {
  switch (type) {
  case DType::kF32:
    return f(PlainAccess<float, double>{});
  case DType::kF64:
    return f(PlainAccess<double, double>{});
  default:
    return f(AnyFloatAccess{type});
  }
}

/// Integers and bool.
template <typename F>
decltype(auto) withInteger(DType type, F&& f) {
  switch (type) {
  case DType::kI64:
    return f(PlainAccess<int64_t, int64_t>{});
  case DType::kI32:
    return f(PlainAccess<int32_t, int64_t>{});
  case DType::kU64:
    return f(PlainAccess<uint64_t, uint64_t>{});
  default:
    break;
  }
  if (isSigned(type)) return f(AnyIntegerAccess<int64_t>{type});
  return f(AnyIntegerAccess<uint64_t>{type});
}

template <typename F>
decltype(auto) withNumber(DType type, F&& f) {
  if (isFloat(type)) return withFloat(type, f);
  return withInteger(type, f);
}

} // namespace jinx
