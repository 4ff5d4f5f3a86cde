// Losses, and one step of each optimiser of ai.onnx.preview.training.
#include <cmath>
#include <limits>
#include <optional>

#include "runtime/hostops/Elementwise.h"

namespace jinx {
namespace {

/// The operands that both losses share. Scores are [batch, classes, positions…], labels [batch, positions…].
struct LossOperands {
  Tensor scores, labels, weights; // weights: invalid when absent
  int64_t batch = 0, classes = 0, positions = 1;
  std::optional<int64_t> ignored;
  std::string reduction;

  int64_t scoreIndex(int64_t sample, int64_t c) const {
    return (sample / positions * classes + c) * positions + sample % positions;
  }
};

Expected<LossOperands> lossOperands(const HostOpCall& call) {
  LossOperands o;
  JINX_TRY_ASSIGN(o.scores, operand(call, 0, Kind::kFloat));
  JINX_TRY_ASSIGN(o.labels, operand(call, 1, Kind::kInteger));
  if (o.scores.rank() < 2) return call.error("input 0 is " + o.scores.describe() + ", expected [batch, classes, …]");
  o.batch = o.scores.dim(0);
  o.classes = o.scores.dim(1);
  Shape expected = o.scores.shape();
  expected.erase(expected.begin() + 1);
  if (o.labels.shape() != expected)
    return call.error("labels have shape " + toString(o.labels.shape()) + ", expected " + toString(expected) +
                      " (input 0 without classes)");
  for (int64_t d = 2; d < o.scores.rank(); ++d)
    o.positions *= o.scores.dim(d);
  if (call.has(2)) {
    JINX_TRY_ASSIGN(o.weights, operandLike(call, 2, o.scores.dtype()));
    if (o.weights.size() != o.classes)
      return call.error("weights are " + o.weights.describe() + ", expected one for each of " +
                        std::to_string(o.classes) + " classes");
  }
  if (call.attributes->has("ignore_index")) o.ignored = call.attributes->getInt("ignore_index", 0);
  o.reduction = call.attributes->getString("reduction", "mean");
  if (o.reduction != "none" && o.reduction != "sum" && o.reduction != "mean")
    return call.error("attribute reduction is \"" + o.reduction + "\", expected none, sum or mean");
  return o;
}

/// -weight * logProbability(of the label), reduced. `logProbability(sample, class)` reads what the operator starts
/// from.
template <typename LogProbability>
Expected<Tensor> likelihoodLoss(const HostOpCall& call, const LossOperands& o, LogProbability logProbability) {
  const DType type = o.scores.dtype();
  Tensor each = Tensor::make(type, o.labels.shape());
  double sum = 0, weightSum = 0;
  for (int64_t i = 0; i < o.labels.size(); ++i) {
    const int64_t label = o.labels.getInt(i);
    if (o.ignored && label == *o.ignored) continue;
    if (label < 0 || label >= o.classes)
      return call.error("label " + std::to_string(i) + " is " + std::to_string(label) + ", expected [0, " +
                        std::to_string(o.classes - 1) + "]");
    const double weight = o.weights.valid() ? o.weights.getDouble(label) : 1;
    const double loss = -logProbability(i, label) * weight;
    each.setDouble(i, loss);
    sum += loss;
    weightSum += weight;
  }
  if (o.reduction == "none") return each;
  return Tensor::scalarDouble(o.reduction == "sum" ? sum : sum / weightSum, type);
}

Status negativeLogLikelihoodLossOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(LossOperands o, lossOperands(call));
  JINX_TRY_ASSIGN(call.outputs[0], likelihoodLoss(call, o, [&](int64_t sample, int64_t c) {
                    return o.scores.getDouble(o.scoreIndex(sample, c));
                  }));
  return Status::ok();
}

Status softmaxCrossEntropyLossOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(LossOperands o, lossOperands(call));
  std::vector<double> logs(static_cast<size_t>(o.scores.size()));
  for (int64_t sample = 0; sample < o.labels.size(); ++sample) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t c = 0; c < o.classes; ++c)
      top = std::fmax(top, o.scores.getDouble(o.scoreIndex(sample, c)));
    for (int64_t c = 0; c < o.classes; ++c)
      sum += std::exp(o.scores.getDouble(o.scoreIndex(sample, c)) - top);
    for (int64_t c = 0; c < o.classes; ++c) {
      const int64_t at = o.scoreIndex(sample, c);
      logs[at] = o.scores.getDouble(at) - top - std::log(sum);
    }
  }
  JINX_TRY_ASSIGN(call.outputs[0],
                  likelihoodLoss(call, o, [&](int64_t sample, int64_t c) { return logs[o.scoreIndex(sample, c)]; }));
  if (call.outputs.size() > 1) {
    Tensor logProbabilities = Tensor::make(o.scores.dtype(), o.scores.shape());
    for (int64_t i = 0; i < logProbabilities.size(); ++i)
      logProbabilities.setDouble(i, logs[i]);
    call.outputs[1] = logProbabilities;
  }
  return Status::ok();
}

/// Optimisers take R, T, then n tensors X, their n gradients, and n of each state; they give n new X and n of each new
/// state. `step(r, t, values)` turns {x, gradient, states…} of one element into {new x, new states…} in place of x and
/// the states.
template <size_t kStates, typename Step>
Status optimize(HostOpCall& call, Step step) {
  JINX_TRY_ASSIGN(Tensor rate, operand(call, 0, Kind::kFloat));
  JINX_TRY_ASSIGN(Tensor count, operand(call, 1, Kind::kInteger));
  if (rate.size() != 1 || count.size() != 1)
    return call.error("inputs 0 and 1 are " + rate.describe() + " and " + count.describe() + ", expected scalars");
  constexpr size_t kGroups = 2 + kStates;
  const size_t tensors = (call.inputs.size() - 2) / kGroups;
  if (call.inputs.size() != 2 + tensors * kGroups || call.outputs.size() > tensors * (1 + kStates))
    return call.error("has " + std::to_string(call.inputs.size()) + " inputs and " +
                      std::to_string(call.outputs.size()) + " outputs, expected 2 + " + std::to_string(kGroups) +
                      "n inputs and " + std::to_string(1 + kStates) + "n outputs");
  for (size_t n = 0; n < tensors; ++n) {
    std::array<Tensor, kGroups> in;
    for (size_t g = 0; g < kGroups; ++g) {
      const size_t at = 2 + g * tensors + n;
      JINX_TRY_ASSIGN(in[g], operand(call, at, Kind::kFloat));
      if (in[g].describe() != in[0].describe())
        return call.error("input " + std::to_string(at) + " is " + in[g].describe() + ", expected " + in[0].describe());
    }
    std::array<Tensor, 1 + kStates> out;
    for (Tensor& t : out)
      t = Tensor::make(in[0].dtype(), in[0].shape());
    for (int64_t i = 0; i < in[0].size(); ++i) {
      std::array<double, kGroups> values;
      for (size_t g = 0; g < kGroups; ++g)
        values[g] = in[g].getDouble(i);
      step(rate.getDouble(0), count.getInt(0), values);
      out[0].setDouble(i, values[0]);
      for (size_t s = 0; s < kStates; ++s)
        out[1 + s].setDouble(i, values[2 + s]);
    }
    for (size_t g = 0; g < out.size(); ++g)
      if (g * tensors + n < call.outputs.size()) call.outputs[g * tensors + n] = out[g];
  }
  return Status::ok();
}

Status momentumOp(HostOpCall& call) {
  const Attributes& a = *call.attributes;
  const double alpha = a.getFloat("alpha", 0), beta = a.getFloat("beta", 0), norm = a.getFloat("norm_coefficient", 0);
  const std::string mode = a.getString("mode", "standard");
  if (mode != "standard" && mode != "nesterov")
    return call.error("attribute mode is \"" + mode + "\", expected standard or nesterov");
  return optimize<1>(call, [=](double r, int64_t t, std::array<double, 3>& values) {
    auto& [x, g, v] = values;
    const double regularized = norm * x + g;
    v = alpha * v + (t > 0 ? beta : 1) * regularized;
    x -= r * (mode == "nesterov" ? regularized + alpha * v : v);
  });
}

Status adagradOp(HostOpCall& call) {
  const Attributes& a = *call.attributes;
  const double decay = a.getFloat("decay_factor", 0), epsilon = a.getFloat("epsilon", 1e-6f),
               norm = a.getFloat("norm_coefficient", 0);
  return optimize<1>(call, [=](double r, int64_t t, std::array<double, 3>& values) {
    auto& [x, g, h] = values;
    const double regularized = norm * x + g;
    h += regularized * regularized;
    x -= r / (1 + static_cast<double>(t) * decay) * regularized / (std::sqrt(h) + epsilon);
  });
}

Status adamOp(HostOpCall& call) {
  const Attributes& a = *call.attributes;
  const double alpha = a.getFloat("alpha", 0.9f), beta = a.getFloat("beta", 0.999f),
               epsilon = a.getFloat("epsilon", 1e-6f);
  const double norm = a.getFloat("norm_coefficient", 0), normPost = a.getFloat("norm_coefficient_post", 0);
  return optimize<2>(call, [=](double r, int64_t t, std::array<double, 4>& values) {
    auto& [x, g, v, h] = values;
    const double regularized = norm * x + g;
    v = alpha * v + (1 - alpha) * regularized;
    h = beta * h + (1 - beta) * regularized * regularized;
    const double count = static_cast<double>(t);
    const double adjusted = t > 0 ? r * std::sqrt(1 - std::pow(beta, count)) / (1 - std::pow(alpha, count)) : r;
    x = (1 - normPost) * (x - adjusted * v / (std::sqrt(h) + epsilon));
  });
}

constexpr HostOpEntry kRows[] = {
    {"", "NegativeLogLikelihoodLoss", 12, negativeLogLikelihoodLossOp},
    {"", "SoftmaxCrossEntropyLoss", 12, softmaxCrossEntropyLossOp},
    {"ai.onnx.preview.training", "Momentum", 1, momentumOp},
    {"ai.onnx.preview.training", "Adagrad", 1, adagradOp},
    {"ai.onnx.preview.training", "Adam", 1, adamOp},
};

} // namespace

std::span<const HostOpEntry> trainingHostOps() { return kRows; }

} // namespace jinx
