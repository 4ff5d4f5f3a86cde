// Random numbers, and Dropout, which draws them in training mode.
//
// The generator is MT19937, seeded and read as numpy.random.RandomState does, so that a seed gives the numbers of
// ONNX's own reference implementation. Without a seed the numbers differ from call to call.
#include <cmath>
#include <random>

#include "runtime/hostops/Elementwise.h"
#include "runtime/hostops/OnnxTypes.h"

namespace jinx {
namespace {

class RandomState {
 public:
  explicit RandomState(const HostOpCall& call) : generator_(seedOf(*call.attributes)) {}

  /// In [0, 1), 53 random bits.
  double uniform() {
    const double high = generator_() >> 5, low = generator_() >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

  /// Mean 0, variance 1: Marsaglia's polar method, which makes two at a time.
  double normal() {
    if (hasSpare_) {
      hasSpare_ = false;
      return spare_;
    }
    double x, y, square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    const double factor = std::sqrt(-2 * std::log(square) / square);
    spare_ = factor * x;
    hasSpare_ = true;
    return factor * y;
  }

 private:
  static uint32_t seedOf(const Attributes& attributes) { // an integer for Dropout, a float for the others
    const double asFloat = attributes.getFloat("seed", static_cast<double>(attributes.getInt("seed", 0)));
    if (!attributes.has("seed") || std::isnan(asFloat)) return std::random_device{}();
    return static_cast<uint32_t>(static_cast<int64_t>(asFloat));
  }

  std::mt19937 generator_;
  double spare_ = 0;
  bool hasSpare_ = false;
};

/// The type that attribute dtype names, or `fallback`.
Expected<DType> outputType(const HostOpCall& call, DType fallback) {
  if (!call.attributes->has("dtype")) return fallback;
  const int64_t number = call.attributes->getInt("dtype", 0);
  const DType type = dtypeFromOnnx(number);
  if (type == DType::kInvalid || !isOfKind(type, Kind::kNumberOrBool))
    return call.error("attribute dtype is " + std::to_string(number) +
                      ", expected the number of a numeric element type");
  return type;
}

/// Fills a new tensor with `draw(state)`: its shape from attribute `shape`, or from input 0 for the Like operators.
template <typename Draw>
Status fill(HostOpCall& call, bool like, Draw draw) {
  Shape shape = call.attributes->getInts("shape");
  DType type = DType::kF32;
  if (like) {
    JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
    shape = x.shape();
    type = x.dtype();
  }
  JINX_TRY_ASSIGN(type, outputType(call, type));
  if (!isFloat(type))
    return call.error("output type is " + std::string(name(type)) + ", expected a float type (attribute dtype)");
  for (int64_t extent : shape)
    if (extent < 0) return call.error("attribute shape is " + toString(shape) + ", expected extents of at least 0");
  Tensor y = Tensor::make(type, shape);
  RandomState state(call);
  for (int64_t i = 0; i < y.size(); ++i)
    y.setDouble(i, draw(state));
  call.outputs[0] = y;
  return Status::ok();
}

Status normal(HostOpCall& call, bool like) {
  const double mean = call.attributes->getFloat("mean", 0), scale = call.attributes->getFloat("scale", 1);
  return fill(call, like, [=](RandomState& state) { return state.normal() * scale + mean; });
}
Status uniform(HostOpCall& call, bool like) {
  const double low = call.attributes->getFloat("low", 0), high = call.attributes->getFloat("high", 1);
  return fill(call, like, [=](RandomState& state) { return state.uniform() * (high - low) + low; });
}
Status randomNormalOp(HostOpCall& call) { return normal(call, false); }
Status randomNormalLikeOp(HostOpCall& call) { return normal(call, true); }
Status randomUniformOp(HostOpCall& call) { return uniform(call, false); }
Status randomUniformLikeOp(HostOpCall& call) { return uniform(call, true); }

/// 1 with probability x, by the same draw as numpy's binomial(1, x).
Status bernoulliOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kFloat));
  JINX_TRY_ASSIGN(DType type, outputType(call, x.dtype()));
  Tensor y = Tensor::make(type, x.shape());
  RandomState state(call);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double p = x.getDouble(i);
    if (!(p >= 0 && p <= 1))
      return call.error("element " + std::to_string(i) + " of input 0 is " + std::to_string(p) +
                        ", expected a probability");
    if (p == 0) continue;
    const double drawn = state.uniform();
    y.setInt(i, p <= 0.5 ? drawn > 1 - p : drawn <= p);
  }
  call.outputs[0] = y;
  return Status::ok();
}

/// `sample_size` class indices for each row of unnormalised log-probabilities [batch, classes].
Status multinomialOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kFloat));
  JINX_TRY_ASSIGN(DType type, outputType(call, DType::kI32));
  if (x.rank() != 2) return call.error("input 0 is " + x.describe() + ", expected [batch, classes]");
  const int64_t batch = x.dim(0), classes = x.dim(1), samples = call.attributes->getInt("sample_size", 1);
  if (classes == 0 || samples < 0) return call.error("input 0 is " + x.describe() + ", expected at least one class");
  Tensor y = Tensor::make(type, {batch, samples});
  RandomState state(call);
  std::vector<double> cumulative(static_cast<size_t>(classes));
  for (int64_t b = 0; b < batch; ++b) {
    double top = x.getDouble(b * classes), total = 0;
    for (int64_t c = 1; c < classes; ++c)
      top = std::fmax(top, x.getDouble(b * classes + c));
    for (int64_t c = 0; c < classes; ++c)
      cumulative[c] = total += std::exp(x.getDouble(b * classes + c) - top);
    for (int64_t s = 0; s < samples; ++s) {
      const double drawn = state.uniform() * total;
      int64_t chosen = 0;
      while (chosen + 1 < classes && cumulative[chosen] <= drawn)
        ++chosen;
      y.setInt(b * samples + s, chosen);
    }
  }
  call.outputs[0] = y;
  return Status::ok();
}

/// Drops each element with probability `ratio` and scales the rest, or copies. The mask is 1 where an element was kept.
Status dropout(HostOpCall& call, double ratio, bool training, bool boolMask) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kFloat));
  if (training && !(ratio >= 0 && ratio < 1))
    return call.error("ratio is " + std::to_string(ratio) + ", expected at least 0 and below 1");
  Tensor y = x;
  Tensor mask = Tensor::make(boolMask ? DType::kBool : x.dtype(), x.shape());
  const bool drops = training && ratio > 0;
  if (drops) y = Tensor::make(x.dtype(), x.shape());
  RandomState state(call);
  for (int64_t i = 0; i < x.size(); ++i) {
    const bool kept = !drops || state.uniform() >= ratio;
    mask.setInt(i, kept);
    if (drops) y.setDouble(i, kept ? x.getDouble(i) / (1 - ratio) : 0);
  }
  call.outputs[0] = y;
  if (call.outputs.size() > 1) call.outputs[1] = mask;
  return Status::ok();
}

/// Before opset 7 the mode was an attribute; then, until opset 12, the operator meant inference only.
Status dropoutAttributes(HostOpCall& call) {
  const bool training = call.opset < 7 && !call.attributes->getInt("is_test", 0);
  return dropout(call, call.attributes->getFloat("ratio", 0.5), training, call.opset >= 10);
}
Status dropoutInputs(HostOpCall& call) {
  double ratio = 0.5;
  bool training = false;
  if (call.has(1)) {
    JINX_TRY_ASSIGN(Tensor t, operand(call, 1, Kind::kFloat));
    if (t.size() != 1) return call.error("ratio is " + t.describe() + ", expected a scalar");
    ratio = t.getDouble(0);
  }
  if (call.has(2)) {
    JINX_TRY_ASSIGN(Tensor t, operand(call, 2, Kind::kBool));
    if (t.size() != 1) return call.error("training_mode is " + t.describe() + ", expected a scalar");
    training = t.getInt(0);
  }
  return dropout(call, ratio, training, true);
}

constexpr HostOpEntry kRows[] = {
    {"", "RandomNormal", 1, randomNormalOp},   {"", "RandomNormalLike", 1, randomNormalLikeOp},
    {"", "RandomUniform", 1, randomUniformOp}, {"", "RandomUniformLike", 1, randomUniformLikeOp},
    {"", "Bernoulli", 15, bernoulliOp},        {"", "Multinomial", 7, multinomialOp},
    {"", "Dropout", 1, dropoutAttributes},     {"", "Dropout", 12, dropoutInputs},
};

} // namespace

std::span<const HostOpEntry> randomHostOps() { return kRows; }

} // namespace jinx
