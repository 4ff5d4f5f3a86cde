// Elementwise functions of two broadcast operands: arithmetic, powers, remainders, comparison, logic and bits.
//
// Integers wrap; a division by integer zero, which ONNX leaves undefined, gives 0.
#include <cmath>
#include <type_traits>

#include "runtime/hostops/Elementwise.h"
#include "runtime/hostops/Math.h"

namespace jinx {
namespace {

// Signed overflow is undefined in C++: integers take the way through uint64.
struct Add {
  double operator()(double a, double b) const { return a + b; }
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};
struct Sub {
  double operator()(double a, double b) const { return a - b; }
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  }
};
struct Mul {
  double operator()(double a, double b) const { return a * b; }
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};
struct Div {
  double operator()(double a, double b) const { return a / b; }
  int64_t operator()(int64_t a, int64_t b) const { // towards zero
    if (b == 0) return 0;
    return b == -1 ? Sub()(int64_t{0}, a) : a / b;
  }
  uint64_t operator()(uint64_t a, uint64_t b) const { return b == 0 ? 0 : a / b; }
};

/// a - floor(a / b) * b: the sign of b.
struct FloorMod {
  double operator()(double a, double b) const {
    const double rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(0.0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
  }
  int64_t operator()(int64_t a, int64_t b) const {
    if (b == 0 || b == -1) return 0;
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  uint64_t operator()(uint64_t a, uint64_t b) const { return b == 0 ? 0 : a % b; }
};
/// a - trunc(a / b) * b: the sign of a.
struct TruncMod {
  double operator()(double a, double b) const { return std::fmod(a, b); }
  int64_t operator()(int64_t a, int64_t b) const { return b == 0 || b == -1 ? 0 : a % b; }
  uint64_t operator()(uint64_t a, uint64_t b) const { return b == 0 ? 0 : a % b; }
};

Status addOp(HostOpCall& call) { return mapBinary(call, Kind::kNumber, Add()); }
Status subOp(HostOpCall& call) { return mapBinary(call, Kind::kNumber, Sub()); }
Status mulOp(HostOpCall& call) { return mapBinary(call, Kind::kNumber, Mul()); }
Status divOp(HostOpCall& call) { return mapBinary(call, Kind::kNumber, Div()); }
Status modOp(HostOpCall& call) {
  if (call.attributes->getInt("fmod", 0)) return mapBinary(call, Kind::kNumber, TruncMod());
  return mapBinary(call, Kind::kNumber, FloorMod());
}

/// By squaring, wrapping. A negative exponent gives the truncated value: 0 but for bases 1 and -1.
int64_t integerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    return base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  }
  uint64_t result = 1, square = static_cast<uint64_t>(base);
  for (uint64_t e = static_cast<uint64_t>(exponent); e; e >>= 1, square *= square)
    if (e & 1) result *= square;
  return static_cast<int64_t>(result);
}

/// The exponent has a type of its own (since opset 12); the result has the base's.
Status powOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor base, operand(call, 0, Kind::kNumber));
  JINX_TRY_ASSIGN(Tensor exponent, operand(call, 1, Kind::kNumber));
  exponent = placedAtAxis(call, base, exponent);
  JINX_TRY_ASSIGN(Tensor y, broadcastResult(call, base, exponent, base.dtype()));
  const auto walk = broadcastWalk(y.shape(), base.shape(), exponent.shape());
  if (isInteger(base.dtype()) && isInteger(exponent.dtype())) {
    walk.forEach(
        [&](int64_t at, auto from) { y.setInt(at, integerPower(base.getInt(from[0]), exponent.getInt(from[1]))); });
  } else {
    withNumber(base.dtype(), [&](auto access) {
      using T = typename decltype(access)::Compute;
      withNumber(exponent.dtype(), [&](auto exponentAccess) {
        walk.forEach([&](int64_t at, auto from) {
          const double power = std::pow(static_cast<double>(access.load(base.data(), from[0])),
                                        static_cast<double>(exponentAccess.load(exponent.data(), from[1])));
          if constexpr (std::is_same_v<T, double>)
            access.store(y.data(), at, power);
          else
            storeFromDouble(y.dtype(), y.data(), at, power);
        });
      });
    });
  }
  call.outputs[0] = y;
  return Status::ok();
}

Status greaterOp(HostOpCall& call) {
  return mapCompare(call, Kind::kNumber, [](auto a, auto b) { return a > b; });
}
Status lessOp(HostOpCall& call) {
  return mapCompare(call, Kind::kNumber, [](auto a, auto b) { return a < b; });
}
Status greaterOrEqualOp(HostOpCall& call) {
  return mapCompare(call, Kind::kNumber, [](auto a, auto b) { return a >= b; });
}
Status lessOrEqualOp(HostOpCall& call) {
  return mapCompare(call, Kind::kNumber, [](auto a, auto b) { return a <= b; });
}

Status equalOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  if (a.dtype() != DType::kString) return mapCompare(call, Kind::kNumberOrBool, [](auto x, auto y) { return x == y; });
  JINX_TRY_ASSIGN(Tensor b, operandLike(call, 1, DType::kString));
  JINX_TRY_ASSIGN(Tensor y, broadcastResult(call, a, b, DType::kBool));
  broadcastWalk(y.shape(), a.shape(), b.shape()).forEach([&](int64_t at, auto from) {
    y.setInt(at, a.getString(from[0]) == b.getString(from[1]));
  });
  call.outputs[0] = y;
  return Status::ok();
}

Status andOp(HostOpCall& call) {
  return mapCompare(call, Kind::kBool, [](auto a, auto b) { return a && b; });
}
Status orOp(HostOpCall& call) {
  return mapCompare(call, Kind::kBool, [](auto a, auto b) { return a || b; });
}
Status xorOp(HostOpCall& call) {
  return mapCompare(call, Kind::kBool, [](auto a, auto b) { return !a != !b; });
}

/// Like mapBinary, for ops that are defined on integers only.
template <typename Op>
Status mapInteger(HostOpCall& call, Op op) {
  JINX_TRY_ASSIGN(Tensor a, operand(call, 0, Kind::kInteger));
  JINX_TRY_ASSIGN(Tensor b, operandLike(call, 1, a.dtype()));
  JINX_TRY_ASSIGN(Tensor y, broadcastResult(call, a, b, a.dtype()));
  withInteger(a.dtype(), [&](auto access) { mapPair(a, b, y, access, access, op); });
  call.outputs[0] = y;
  return Status::ok();
}

Status bitwiseAndOp(HostOpCall& call) {
  return mapInteger(call, [](auto a, auto b) { return a & b; });
}
Status bitwiseOrOp(HostOpCall& call) {
  return mapInteger(call, [](auto a, auto b) { return a | b; });
}
Status bitwiseXorOp(HostOpCall& call) {
  return mapInteger(call, [](auto a, auto b) { return a ^ b; });
}

/// A shift by a negative amount or by the width and more leaves only copies of the sign bit (right) or zeros (left).
Status bitShiftOp(HostOpCall& call) {
  const std::string direction = call.attributes->getString("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return call.error("attribute direction is \"" + direction + "\", expected LEFT or RIGHT");
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kInteger));
  const uint64_t width = static_cast<uint64_t>(bitWidth(x.dtype()));
  if (direction == "LEFT")
    return mapInteger(call, [=](auto a, auto by) {
      const uint64_t amount = static_cast<uint64_t>(by); // a negative amount is a huge one
      return amount >= width ? decltype(a)(0) : static_cast<decltype(a)>(static_cast<uint64_t>(a) << amount);
    });
  return mapInteger(call, [=](auto a, auto by) {
    const uint64_t amount = static_cast<uint64_t>(by);
    if (amount >= width) return a < decltype(a)(0) ? static_cast<decltype(a)>(-1) : decltype(a)(0);
    return static_cast<decltype(a)>(a >> amount); // C++20: arithmetic for signed types
  });
}

constexpr HostOpEntry kRows[] = {
    {"", "Add", 1, addOp},
    {"", "Sub", 1, subOp},
    {"", "Mul", 1, mulOp},
    {"", "Div", 1, divOp},
    {"", "Mod", 10, modOp},
    {"", "Pow", 1, powOp},
    {"", "Greater", 1, greaterOp},
    {"", "Less", 1, lessOp},
    {"", "GreaterOrEqual", 12, greaterOrEqualOp},
    {"", "LessOrEqual", 12, lessOrEqualOp},
    {"", "Equal", 1, equalOp},
    {"", "And", 1, andOp},
    {"", "Or", 1, orOp},
    {"", "Xor", 1, xorOp},
    {"", "BitwiseAnd", 18, bitwiseAndOp},
    {"", "BitwiseOr", 18, bitwiseOrOp},
    {"", "BitwiseXor", 18, bitwiseXorOp},
    {"", "BitShift", 11, bitShiftOp},
};

} // namespace

std::span<const HostOpEntry> binaryMathRows() { return kRows; }

} // namespace jinx
