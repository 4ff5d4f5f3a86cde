// Activation functions. The elementwise ones are one formula each; the softmax family works on lanes (Softmax.cpp).
#include <cmath>

#include "runtime/hostops/Elementwise.h"
#include "runtime/hostops/Softmax.h"

namespace jinx {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752440;    // 1 / sqrt(2)
constexpr double kSqrt2OverPi = 0.79788456080286535588; // sqrt(2 / pi)

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
double softplus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }
double geluErf(double x) { return 0.5 * x * (1 + std::erf(x * kSqrtHalf)); }
double geluTanh(double x) { return 0.5 * x * (1 + std::tanh(kSqrt2OverPi * (x + 0.044715 * x * x * x))); }
double swish(double x, double alpha) { return x * sigmoid(alpha * x); }

double attribute(const HostOpCall& call, const char* name, float fallback) {
  return call.attributes->getFloat(name, fallback);
}

Status reluOp(HostOpCall& call) {
  return mapNumber(call, Kind::kNumber, [](auto x) { return x < 0 ? decltype(x)(0) : x; }); // NaN stays
}
Status leakyReluOp(HostOpCall& call) {
  const double alpha = attribute(call, "alpha", 0.01f);
  return mapFloat(call, [=](double x) { return x < 0 ? alpha * x : x; });
}
Status eluOp(HostOpCall& call) {
  const double alpha = attribute(call, "alpha", 1);
  return mapFloat(call, [=](double x) { return x < 0 ? alpha * std::expm1(x) : x; });
}
Status celuOp(HostOpCall& call) {
  const double alpha = attribute(call, "alpha", 1);
  return mapFloat(call, [=](double x) { return x < 0 ? alpha * std::expm1(x / alpha) : x; });
}
Status seluWith(HostOpCall& call, float defaultAlpha, float defaultGamma) {
  const double alpha = attribute(call, "alpha", defaultAlpha), gamma = attribute(call, "gamma", defaultGamma);
  return mapFloat(call, [=](double x) { return gamma * (x <= 0 ? alpha * std::expm1(x) : x); });
}
Status seluOp1(HostOpCall& call) { return seluWith(call, 1.6732f, 1.0507f); }
Status seluOp(HostOpCall& call) { return seluWith(call, 1.67326319217681884765625f, 1.05070102214813232421875f); }
Status thresholdedReluOp(HostOpCall& call) {
  const double alpha = attribute(call, "alpha", 1);
  return mapFloat(call, [=](double x) { return x > alpha || std::isnan(x) ? x : 0; });
}
double clampToUnit(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
Status hardSigmoidOp(HostOpCall& call) {
  const double alpha = attribute(call, "alpha", 0.2f), beta = attribute(call, "beta", 0.5f);
  return mapFloat(call, [=](double x) { return clampToUnit(alpha * x + beta); });
}
Status hardSwishOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return x * clampToUnit(x / 6 + 0.5); });
}
Status sigmoidOp(HostOpCall& call) { return mapFloat(call, sigmoid); }
Status tanhOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::tanh(x); });
}
Status softplusOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return std::isnan(x) ? x : softplus(x); });
}
Status softsignOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return x / (1 + std::fabs(x)); });
}
Status mishOp(HostOpCall& call) {
  return mapFloat(call, [](double x) { return x * std::tanh(softplus(x)); });
}
Status swishOp(HostOpCall& call) {
  const double alpha = attribute(call, "alpha", 1);
  return mapFloat(call, [=](double x) { return swish(x, alpha); });
}
/// x + by, exactly when both are whole; a fraction that is left is cut off.
double shifted(double x, double by) { return x + by; }
template <typename T>
T shifted(T x, double by) {
  if (by == std::trunc(by) && std::fabs(by) < 9007199254740992.0) // 2^53
    return static_cast<T>(static_cast<uint64_t>(x) + static_cast<uint64_t>(static_cast<int64_t>(by)));
  return static_cast<T>(static_cast<double>(x) + by);
}
Status shrinkOp(HostOpCall& call) {
  const double lambda = attribute(call, "lambd", 0.5f), bias = attribute(call, "bias", 0);
  return mapNumber(call, Kind::kNumber, [=](auto x) {
    if (static_cast<double>(x) < -lambda) return shifted(x, bias);
    if (static_cast<double>(x) > lambda) return shifted(x, -bias);
    return x != x ? x : decltype(x)(0);
  });
}

Status geluOp(HostOpCall& call) {
  const std::string approximate = call.attributes->getString("approximate", "none");
  if (approximate == "none") return mapFloat(call, geluErf);
  if (approximate == "tanh") return mapFloat(call, geluTanh);
  return call.error("attribute approximate is \"" + approximate + "\", expected none or tanh");
}

Status swiGluOp(HostOpCall& call) {
  const double alpha = attribute(call, "alpha", 1);
  JINX_TRY_ASSIGN(Tensor gate, operand(call, 0, Kind::kFloat));
  JINX_TRY_ASSIGN(Tensor value, operandLike(call, 1, gate.dtype()));
  if (gate.shape() != value.shape())
    return call.error("input 1 has shape " + toString(value.shape()) + ", expected " + toString(gate.shape()) +
                      " (that of input 0)");
  return mapBinary(call, Kind::kFloat,
                   [=](auto a, auto b) { return swish(static_cast<double>(a), alpha) * static_cast<double>(b); });
}

/// The slope broadcasts to x only; before opset 7 it is one value a channel (dimension 1).
Status preluOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kNumber));
  JINX_TRY_ASSIGN(Tensor slope, operandLike(call, 1, x.dtype()));
  if (call.opset < 7 && slope.rank() == 1 && slope.size() > 1) {
    Shape shape = slope.shape();
    for (int64_t d = 2; d < x.rank(); ++d)
      shape.push_back(1);
    slope = slope.reshaped(shape);
  }
  auto shape = broadcastShapes(x.shape(), slope.shape());
  if (!shape || *shape != x.shape())
    return call.error("slope has shape " + toString(slope.shape()) + ", expected one that broadcasts to " +
                      toString(x.shape()));
  Tensor y = Tensor::make(x.dtype(), x.shape());
  withNumber(x.dtype(), [&](auto access) {
    mapPair(x, slope, y, access, access, [](auto a, auto b) { return a < 0 ? a * b : a; });
  });
  call.outputs[0] = y;
  return Status::ok();
}

// com.microsoft

Status quickGeluOp(HostOpCall& call) {
  const double alpha = attribute(call, "alpha", 1.702f);
  return mapFloat(call, [=](double x) { return swish(x, alpha); });
}
Status contribGeluOp(HostOpCall& call) { return mapFloat(call, geluErf); }
/// y = gelu(x + bias), the bias along the last dimension.
Status biasGeluOp(HostOpCall& call) {
  return mapBinary(call, Kind::kFloat, [](auto x, auto bias) { return geluErf(static_cast<double>(x + bias)); });
}
Status fastGeluOp(HostOpCall& call) {
  if (!call.has(1)) return mapFloat(call, geluTanh);
  return mapBinary(call, Kind::kFloat, [](auto x, auto bias) { return geluTanh(static_cast<double>(x + bias)); });
}

constexpr HostOpEntry kRows[] = {
    {"", "Relu", 1, reluOp},
    {"", "LeakyRelu", 1, leakyReluOp},
    {"", "Elu", 1, eluOp},
    {"", "Celu", 12, celuOp},
    {"", "Selu", 1, seluOp1},
    {"", "Selu", 6, seluOp},
    {"", "ThresholdedRelu", 1, thresholdedReluOp},
    {"", "HardSigmoid", 1, hardSigmoidOp},
    {"", "HardSwish", 14, hardSwishOp},
    {"", "Sigmoid", 1, sigmoidOp},
    {"", "Tanh", 1, tanhOp},
    {"", "Softplus", 1, softplusOp},
    {"", "Softsign", 1, softsignOp},
    {"", "Mish", 18, mishOp},
    {"", "Swish", 24, swishOp},
    {"", "SwiGLU", 28, swiGluOp},
    {"", "Shrink", 9, shrinkOp},
    {"", "Gelu", 20, geluOp},
    {"", "PRelu", 1, preluOp},
    {"", "Softmax", 1, softmaxFlattened},
    {"", "Softmax", 13, softmaxOp},
    {"", "LogSoftmax", 1, logSoftmaxFlattened},
    {"", "LogSoftmax", 13, logSoftmaxOp},
    {"", "Hardmax", 1, hardmaxFlattened},
    {"", "Hardmax", 13, hardmaxOp},
    {"com.microsoft", "Gelu", 1, contribGeluOp},
    {"com.microsoft", "BiasGelu", 1, biasGeluOp},
    {"com.microsoft", "FastGelu", 1, fastGeluOp},
    {"com.microsoft", "QuickGelu", 1, quickGeluOp},
};

} // namespace

std::span<const HostOpEntry> activationHostOps() { return kRows; }

} // namespace jinx
