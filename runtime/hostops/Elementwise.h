// Maps over one or two tensors, for the families whose ops are formulas of single elements.
//
//   Status sqrtOp(HostOpCall &call) { return mapFloat(call, [](double x) { return std::sqrt(x); }); }
//
// The formula is compiled into a loop per kind of element (Elements.h); it is called with double, int64_t or uint64_t.
#pragma once

#include "runtime/hostops/Broadcast.h"
#include "runtime/hostops/Elements.h"
#include "runtime/hostops/HostOp.h"

namespace jinx {

/// The element types an operand may have.
enum class Kind { kFloat, kInteger, kNumber, kBool, kNumberOrBool };

inline bool isOfKind(DType type, Kind kind) {
  switch (kind) {
  case Kind::kFloat:
    return isFloat(type);
  case Kind::kInteger:
    return isInteger(type);
  case Kind::kNumber:
    return isFloat(type) || isInteger(type);
  case Kind::kBool:
    return type == DType::kBool;
  case Kind::kNumberOrBool:
    return isFloat(type) || isInteger(type) || type == DType::kBool;
  }
  return false;
}

/// Input `i` as a tensor of the given kind.
inline Expected<Tensor> operand(const HostOpCall& call, size_t i, Kind kind) {
  constexpr const char* kNames[] = {"a float", "an integer", "a number", "bool", "a number or bool"};
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  if (!isOfKind(t.dtype(), kind))
    return call.error("input " + std::to_string(i) + " is " + t.describe() + ", expected " +
                      kNames[static_cast<int>(kind)] + " type");
  return t;
}

/// Input `i` of exactly the given type, which is that of input 0.
inline Expected<Tensor> operandLike(const HostOpCall& call, size_t i, DType type) {
  JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
  if (t.dtype() != type)
    return call.error("input " + std::to_string(i) + " is " + t.describe() + ", expected " + std::string(name(type)) +
                      " (the element type of input 0)");
  return t;
}

/// y = op(x), same type and shape.
template <typename Op>
Status mapFloat(HostOpCall& call, Op op) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kFloat));
  Tensor y = Tensor::make(x.dtype(), x.shape());
  withFloat(x.dtype(), [&](auto access) {
    const void* from = x.data();
    void* to = y.data();
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      access.store(to, i, op(access.load(from, i)));
  });
  call.outputs[0] = y;
  return Status::ok();
}

template <typename Op>
Status mapNumber(HostOpCall& call, Kind kind, Op op) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, kind));
  Tensor y = Tensor::make(x.dtype(), x.shape());
  withNumber(x.dtype(), [&](auto access) {
    const void* from = x.data();
    void* to = y.data();
    for (int64_t i = 0, n = x.size(); i < n; ++i)
      access.store(to, i, op(access.load(from, i)));
  });
  call.outputs[0] = y;
  return Status::ok();
}

/// Before opset 7 an operand B broadcast only on demand, placed at `axis`: B's shape, padded behind, so that numpy's
/// rule fits.
inline Tensor placedAtAxis(const HostOpCall& call, const Tensor& a, const Tensor& b) {
  if (call.opset >= 7 || !call.attributes->getInt("broadcast", 0) || !call.attributes->has("axis")) return b;
  int64_t axis = call.attributes->getInt("axis", 0);
  if (axis < 0) axis += a.rank();
  Shape shape = b.shape();
  for (int64_t d = axis + b.rank(); d < a.rank(); ++d)
    shape.push_back(1);
  return b.reshaped(shape);
}

/// y = op(a, b) broadcast; `load` reads both operands, `store` writes the result.
template <typename Load, typename Store, typename Op>
void mapPair(const Tensor& a, const Tensor& b, Tensor& y, Load load, Store store, Op op) {
  const void *pa = a.data(), *pb = b.data();
  void* py = y.data();
  broadcastWalk(y.shape(), a.shape(), b.shape()).forEachRow([&](int64_t at, auto from, int64_t count, auto step) {
    const int64_t ia = from[0], ib = from[1];
    if (step[0] == 1 && step[1] == 1) {
      for (int64_t i = 0; i < count; ++i)
        store.store(py, at + i, op(load.load(pa, ia + i), load.load(pb, ib + i)));
    } else {
      for (int64_t i = 0; i < count; ++i)
        store.store(py, at + i, op(load.load(pa, ia + i * step[0]), load.load(pb, ib + i * step[1])));
    }
  });
}

/// The result tensor of a broadcasting op on inputs 0 and 1.
inline Expected<Tensor> broadcastResult(const HostOpCall& call, const Tensor& a, const Tensor& b, DType type) {
  auto shape = broadcastShapes(a.shape(), b.shape());
  if (!shape) return call.error(shape.status().message());
  return Tensor::make(type, *shape);
}

/// y = op(a, b), all of one type.
template <typename Op>
Status mapBinary(HostOpCall& call, Kind kind, Op op) {
  JINX_TRY_ASSIGN(Tensor a, operand(call, 0, kind));
  JINX_TRY_ASSIGN(Tensor b, operandLike(call, 1, a.dtype()));
  b = placedAtAxis(call, a, b);
  JINX_TRY_ASSIGN(Tensor y, broadcastResult(call, a, b, a.dtype()));
  withNumber(a.dtype(), [&](auto access) { mapPair(a, b, y, access, access, op); });
  call.outputs[0] = y;
  return Status::ok();
}

struct BoolStore {
  static void store(void* data, int64_t i, bool value) { static_cast<uint8_t*>(data)[i] = value; }
};

/// y = op(a, b) as bool, a and b of one type.
template <typename Op>
Status mapCompare(HostOpCall& call, Kind kind, Op op) {
  JINX_TRY_ASSIGN(Tensor a, operand(call, 0, kind));
  JINX_TRY_ASSIGN(Tensor b, operandLike(call, 1, a.dtype()));
  b = placedAtAxis(call, a, b);
  JINX_TRY_ASSIGN(Tensor y, broadcastResult(call, a, b, DType::kBool));
  withNumber(a.dtype(), [&](auto access) { mapPair(a, b, y, access, BoolStore{}, op); });
  call.outputs[0] = y;
  return Status::ok();
}

/// The dimension that attribute or input `axis` means, in [0, rank); kInvalidArgument when out of range.
inline Expected<int64_t> normalizedAxis(const HostOpCall& call, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return call.error("axis is " + std::to_string(axis) + ", expected [" + std::to_string(-rank) + ", " +
                      std::to_string(rank - 1) + "] for an input of rank " + std::to_string(rank));
  return axis < 0 ? axis + rank : axis;
}

} // namespace jinx
