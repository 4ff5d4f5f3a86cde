// Elementwise functions of one operand: roots, exponentials, trigonometry, rounding, signs, bits and float
// classification.
#include <cmath>

#include "runtime/hostops/Elementwise.h"
#include "runtime/hostops/Math.h"

namespace jinx {
namespace {

struct Negate {
  double operator()(double x) const { return -x; }
  int64_t operator()(int64_t x) const { return static_cast<int64_t>(0 - static_cast<uint64_t>(x)); }
  uint64_t operator()(uint64_t x) const { return 0 - x; }
};

struct Absolute {
  double operator()(double x) const { return std::fabs(x); }
  int64_t operator()(int64_t x) const { return x < 0 ? Negate()(x) : x; }
  uint64_t operator()(uint64_t x) const { return x; }
};

struct Sign {
  template <typename T>
  T operator()(T x) const {
    if (x > T(0)) return T(1);
    return x < T(0) ? static_cast<T>(-1) : x; // 0 stays 0 (or -0), NaN stays NaN
  }
};

Status absOp(HostOpCall& call) { return mapNumber(call, Kind::kNumber, Absolute()); }
Status negOp(HostOpCall& call) { return mapNumber(call, Kind::kNumber, Negate()); }
Status signOp(HostOpCall& call) { return mapNumber(call, Kind::kNumber, Sign()); }

Status reciprocalOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return 1.0 / x; });
}
Status sqrtOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::sqrt(x); });
}
Status expOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::exp(x); });
}
Status logOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::log(x); });
}
Status erfOp(HostOpCall& call) { // the one such function whose ONNX types include integers
  return mapNumber(call, Kind::kNumber,
                   [](auto x) { return static_cast<decltype(x)>(std::erf(static_cast<double>(x))); });
}

Status ceilOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::ceil(x); });
}
Status floorOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::floor(x); });
}
Status roundOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::nearbyint(x); });
} // half to even

Status sinOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::sin(x); });
}
Status cosOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::cos(x); });
}
Status tanOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::tan(x); });
}
Status asinOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::asin(x); });
}
Status acosOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::acos(x); });
}
Status atanOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::atan(x); });
}
Status sinhOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::sinh(x); });
}
Status coshOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::cosh(x); });
}
Status asinhOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::asinh(x); });
}
Status acoshOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::acosh(x); });
}
Status atanhOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::atanh(x); });
}

struct BitwiseNot {
  template <typename T>
  T operator()(T x) const {
    return static_cast<T>(~static_cast<uint64_t>(x));
  }
};

Status bitwiseNotOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kInteger));
  Tensor y = Tensor::make(x.dtype(), x.shape());
  withInteger(x.dtype(), [&](auto access) {
    for (int64_t i = 0; i < x.size(); ++i)
      access.store(y.data(), i, BitwiseNot()(access.load(x.data(), i)));
  });
  call.outputs[0] = y;
  return Status::ok();
}

/// bool y = test(x) of a float or bool x.
template <typename Test>
Status classify(HostOpCall& call, Kind kind, Test test) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, kind));
  Tensor y = Tensor::make(DType::kBool, x.shape());
  withNumber(x.dtype(), [&](auto access) {
    for (int64_t i = 0; i < x.size(); ++i)
      y.as<uint8_t>()[i] = test(static_cast<double>(access.load(x.data(), i)));
  });
  call.outputs[0] = y;
  return Status::ok();
}

Status notOp(HostOpCall& call) {
  return classify(call, Kind::kBool, [](double x) { return x == 0; });
}
Status isNanOp(HostOpCall& call) {
  return classify(call, Kind::kFloat, [](double x) { return std::isnan(x); });
}
Status isInfOp(HostOpCall& call) {
  const bool positive = call.attributes->getInt("detect_positive", 1);
  const bool negative = call.attributes->getInt("detect_negative", 1);
  return classify(call, Kind::kFloat, [=](double x) { return std::isinf(x) && (x > 0 ? positive : negative); });
}

constexpr HostOpEntry kRows[] = {
    {"", "Abs", 1, absOp},      {"", "Neg", 1, negOp},
    {"", "Sign", 9, signOp},    {"", "Reciprocal", 1, reciprocalOp},
    {"", "Sqrt", 1, sqrtOp},    {"", "Exp", 1, expOp},
    {"", "Log", 1, logOp},      {"", "Erf", 9, erfOp},
    {"", "Ceil", 1, ceilOp},    {"", "Floor", 1, floorOp},
    {"", "Round", 11, roundOp}, {"", "Sin", 7, sinOp},
    {"", "Cos", 7, cosOp},      {"", "Tan", 7, tanOp},
    {"", "Asin", 7, asinOp},    {"", "Acos", 7, acosOp},
    {"", "Atan", 7, atanOp},    {"", "Sinh", 9, sinhOp},
    {"", "Cosh", 9, coshOp},    {"", "Asinh", 9, asinhOp},
    {"", "Acosh", 9, acoshOp},  {"", "Atanh", 9, atanhOp},
    {"", "Not", 1, notOp},      {"", "BitwiseNot", 18, bitwiseNotOp},
    {"", "IsNaN", 9, isNanOp},  {"", "IsInf", 10, isInfOp},
};

} // namespace

std::span<const HostOpEntry> unaryMathRows() { return kRows; }

} // namespace jinx
