#include "runtime/hostops/MlScores.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/hostops/Operands.h"

namespace jinx::ml {
namespace {

void softmax(std::vector<double>* scores) {
  const double top = *std::max_element(scores->begin(), scores->end());
  double sum = 0;
  for (double& s : *scores)
    sum += s = std::exp(s - top);
  for (double& s : *scores)
    s /= sum;
}

/// Softmax in which a score of zero stays zero.
void softmaxZero(std::vector<double>* scores) {
  constexpr double kZero = 1e-7;
  const double top = *std::max_element(scores->begin(), scores->end());
  double sum = 0;
  for (double& s : *scores)
    sum += s = std::fabs(s) > kZero ? std::exp(s - top) : s * std::exp(-top);
  for (double& s : *scores)
    s = sum == 0 ? 0.5 : s / sum;
}

/// The quantile function of the standard normal distribution: Winitzki's approximation of the inverse error function,
/// then Newton's steps until nothing changes.
double probit(double p) {
  const double y = 2 * p - 1;
  if (!(std::fabs(y) < 1)) return y == 1 ? INFINITY : y == -1 ? -INFINITY : std::numeric_limits<double>::quiet_NaN();
  constexpr double kA = 0.147;
  const double logTerm = std::log1p(-y * y), v = 2 / (M_PI * kA) + logTerm / 2;
  double x = std::copysign(std::sqrt(std::sqrt(v * v - logTerm / kA) - v), y);
  for (int i = 0; i < 4; ++i)
    x -= (std::erf(x) - y) * std::sqrt(M_PI) / 2 * std::exp(x * x);
  return M_SQRT2 * x;
}

} // namespace

Expected<Features> features(const HostOpCall& call, size_t i) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(i));
  if (x.rank() < 1 || x.rank() > 2 || !(isFloat(x.dtype()) || isInteger(x.dtype())))
    return call.error("'X' is " + x.describe() + ", expected numbers of shape [N,F] or [F]");
  return Features{x.rank() == 2 ? x.dim(0) : 1, x.dim(-1), operands::toDoubles(x)};
}

Expected<Transform> transformOf(const HostOpCall& call) {
  const std::string name = call.attributes->getString("post_transform", "NONE");
  static constexpr std::pair<std::string_view, Transform> kNames[] = {{"NONE", Transform::kNone},
                                                                      {"SOFTMAX", Transform::kSoftmax},
                                                                      {"LOGISTIC", Transform::kLogistic},
                                                                      {"SOFTMAX_ZERO", Transform::kSoftmaxZero},
                                                                      {"PROBIT", Transform::kProbit}};
  for (const auto& [known, transform] : kNames)
    if (name == known) return transform;
  return call.error("'post_transform' is '" + name + "', expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT");
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

void apply(Transform transform, std::vector<double>* scores) {
  if (scores->empty()) return;
  switch (transform) {
  case Transform::kNone:
    break;
  case Transform::kSoftmax:
    softmax(scores);
    break;
  case Transform::kSoftmaxZero:
    softmaxZero(scores);
    break;
  case Transform::kLogistic:
    std::transform(scores->begin(), scores->end(), scores->begin(), logistic);
    break;
  case Transform::kProbit:
    std::transform(scores->begin(), scores->end(), scores->begin(), probit);
    break;
  }
}

std::vector<double> twoScores(Transform transform, SecondClass second, double s) {
  if (transform == Transform::kProbit) return {probit(s)};
  if (transform == Transform::kLogistic) return {logistic(-s), logistic(s)};
  return {second == SecondClass::kComplement ? 1 - s : -s, s};
}

Labels::Labels(const HostOpCall& call, const std::string& intsName, const std::string& stringsName)
    : ofStrings_(call.attributes->has(stringsName) && !call.attributes->getStrings(stringsName).empty()),
      ints_(call.attributes->getInts(intsName)), strings_(call.attributes->getStrings(stringsName)) {}

void Labels::write(Tensor* y, int64_t row, int64_t i) const {
  if (ofStrings_)
    y->setString(row, strings_[static_cast<size_t>(i)]);
  else
    y->setInt(row, ints_.empty() ? i : ints_[static_cast<size_t>(i)]);
}

std::vector<double> floatsOrTensor(const Attributes& attributes, const std::string& name) {
  const Tensor t = attributes.getTensor(name + "_as_tensor");
  return t.valid() && operands::isReal(t.dtype()) ? operands::toDoubles(t) : attributes.getFloats(name);
}

int64_t argMax(const std::vector<double>& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

} // namespace jinx::ml
