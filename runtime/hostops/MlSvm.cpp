// ai.onnx.ml: support vector machines. A classifier of K classes has one machine for every pair of classes (libsvm's
// "one against one"); without support vectors it is a linear model with one row of coefficients a class.
#include <algorithm>
#include <cmath>

#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/MlScores.h"
#include "runtime/hostops/Operands.h"

namespace jinx {

std::span<const HostOpEntry> mlSvmHostOps();

namespace {

struct Kernel {
  enum class Type { kLinear, kPoly, kRbf, kSigmoid } type = Type::kLinear;
  double gamma = 0, coef0 = 0, degree = 0;

  double operator()(const double* a, const double* b, int64_t n) const {
    double sum = 0;
    for (int64_t k = 0; k < n; ++k)
      sum += type == Type::kRbf ? (a[k] - b[k]) * (a[k] - b[k]) : a[k] * b[k];
    switch (type) {
    case Type::kLinear:
      return sum;
    case Type::kPoly:
      return std::pow(gamma * sum + coef0, degree);
    case Type::kRbf:
      return std::exp(-gamma * sum);
    case Type::kSigmoid:
      return std::tanh(gamma * sum + coef0);
    }
    return sum;
  }
};

Expected<Kernel> kernelOf(const HostOpCall& call) {
  const std::string name = call.attributes->getString("kernel_type", "LINEAR");
  const std::vector<double> p = call.attributes->getFloats("kernel_params");
  Kernel kernel;
  if (p.size() >= 3) kernel = {.gamma = p[0], .coef0 = p[1], .degree = p[2]};
  if (name == "LINEAR")
    kernel.type = Kernel::Type::kLinear;
  else if (name == "POLY")
    kernel.type = Kernel::Type::kPoly;
  else if (name == "RBF")
    kernel.type = Kernel::Type::kRbf;
  else if (name == "SIGMOID")
    kernel.type = Kernel::Type::kSigmoid;
  else
    return call.error("'kernel_type' is '" + name + "', expected LINEAR, POLY, RBF or SIGMOID");
  return kernel;
}

Status checkLength(const HostOpCall& call, std::string_view what, size_t got, int64_t expected) {
  if (static_cast<int64_t>(got) == expected) return Status::ok();
  return call.error("'" + std::string(what) + "' has " + std::to_string(got) + " entries, expected " +
                    std::to_string(expected));
}

Status svmRegressor(HostOpCall& call) {
  JINX_TRY_ASSIGN(ml::Features x, ml::features(call, 0));
  JINX_TRY_ASSIGN(Kernel kernel, kernelOf(call));
  JINX_TRY_ASSIGN(ml::Transform transform, ml::transformOf(call));
  const Attributes& a = *call.attributes;
  const std::vector<double> coefficients = a.getFloats("coefficients"), vectors = a.getFloats("support_vectors"),
                            rho = a.getFloats("rho");
  const int64_t supports = a.getInt("n_supports", 0);
  if (rho.empty()) return call.error("'rho' is empty, expected one value");
  if (supports > (int64_t{1} << 31))
    return call.error("'n_supports' is " + std::to_string(supports) + ", expected a usable value");
  if (supports > 0) {
    JINX_TRY(checkLength(call, "coefficients", coefficients.size(), supports));
    JINX_TRY(checkLength(call, "support_vectors", vectors.size(), supports * x.columns));
  } else {
    JINX_TRY(checkLength(call, "coefficients", coefficients.size(), x.columns));
  }
  const bool oneClass = a.getInt("one_class", 0) != 0;
  Tensor y = Tensor::make(DType::kF32, {x.rows, 1});
  for (int64_t n = 0; n < x.rows; ++n) {
    double sum = rho[0];
    for (int64_t j = 0; j < supports; ++j)
      sum += coefficients[static_cast<size_t>(j)] * kernel(x.row(n), vectors.data() + j * x.columns, x.columns);
    if (supports <= 0) sum += Kernel()(x.row(n), coefficients.data(), x.columns);
    std::vector<double> score{oneClass ? (sum > 0 ? 1.0 : -1.0) : sum};
    ml::apply(transform, &score);
    y.setDouble(n, score[0]);
  }
  call.outputs[0] = y;
  return Status::ok();
}

/// The probabilities of K classes from those of every pair: Wu, Lin and Weng 2004, second method, as in libsvm.
/// `pairs[i][j]` is the probability of class i against class j.
std::vector<double> coupled(const std::vector<std::vector<double>>& pairs) {
  const size_t k = pairs.size();
  std::vector<std::vector<double>> q(k, std::vector<double>(k, 0));
  std::vector<double> p(k, 1.0 / static_cast<double>(k)), qp(k);
  for (size_t t = 0; t < k; ++t)
    for (size_t j = 0; j < k; ++j) {
      if (j == t) continue;
      q[t][t] += pairs[j][t] * pairs[j][t];
      q[t][j] = -pairs[j][t] * pairs[t][j];
    }
  const double tolerance = 0.005 / static_cast<double>(k);
  for (size_t iteration = 0; iteration < std::max<size_t>(100, k); ++iteration) {
    double pqp = 0, worst = 0;
    for (size_t t = 0; t < k; ++t) {
      qp[t] = 0;
      for (size_t j = 0; j < k; ++j)
        qp[t] += q[t][j] * p[j];
      pqp += p[t] * qp[t];
    }
    for (size_t t = 0; t < k; ++t)
      worst = std::max(worst, std::fabs(qp[t] - pqp));
    if (worst < tolerance) break;
    for (size_t t = 0; t < k; ++t) {
      const double step = (pqp - qp[t]) / q[t][t];
      p[t] += step;
      pqp = (pqp + step * (step * q[t][t] + 2 * qp[t])) / (1 + step) / (1 + step);
      for (size_t j = 0; j < k; ++j) {
        qp[j] = (qp[j] + step * q[t][j]) / (1 + step);
        p[j] /= 1 + step;
      }
    }
  }
  return p;
}

struct Machine {
  Kernel kernel;
  int64_t classes, features;
  std::vector<int64_t> perClass, firstOf; ///< support vectors of each class
  int64_t supports = 0;
  std::vector<double> coefficients, vectors, rho, probA, probB;

  /// The decision value of every pair (i, j), i < j, and how many pairs each class wins.
  std::vector<double> decisions(const double* row, std::vector<int64_t>* votes) const {
    std::vector<double> k(static_cast<size_t>(supports)), result;
    for (int64_t s = 0; s < supports; ++s)
      k[static_cast<size_t>(s)] = kernel(row, vectors.data() + s * features, features);
    votes->assign(static_cast<size_t>(classes), 0);
    const auto part = [&](int64_t coefficientRow, int64_t c) {
      double sum = 0;
      for (int64_t s = firstOf[static_cast<size_t>(c)];
           s < firstOf[static_cast<size_t>(c)] + perClass[static_cast<size_t>(c)]; ++s)
        sum += coefficients[static_cast<size_t>(coefficientRow * supports + s)] * k[static_cast<size_t>(s)];
      return sum;
    };
    for (int64_t i = 0; i < classes; ++i)
      for (int64_t j = i + 1; j < classes; ++j) {
        const double value = part(j - 1, i) + part(i, j) + rho[result.size()];
        ++(*votes)[static_cast<size_t>(value > 0 ? i : j)];
        result.push_back(value);
      }
    return result;
  }

  std::vector<double> probabilities(const std::vector<double>& decision) const {
    constexpr double kLeast = 1e-7;
    std::vector<std::vector<double>> pairs(static_cast<size_t>(classes),
                                           std::vector<double>(static_cast<size_t>(classes), 0));
    size_t pair = 0;
    for (size_t i = 0; i < pairs.size(); ++i)
      for (size_t j = i + 1; j < pairs.size(); ++j, ++pair) {
        const double p = 1 - ml::logistic(decision[pair] * probA[pair] + probB[pair]);
        pairs[i][j] = std::clamp(p, kLeast, 1 - kLeast);
        pairs[j][i] = 1 - pairs[i][j];
      }
    return coupled(pairs);
  }
};

Expected<Machine> readMachine(const HostOpCall& call, int64_t classes, int64_t features) {
  const Attributes& a = *call.attributes;
  JINX_TRY_ASSIGN(Kernel kernel, kernelOf(call));
  Machine m{.kernel = kernel,
            .classes = classes,
            .features = features,
            .perClass = a.getInts("vectors_per_class"),
            .firstOf = {},
            .supports = 0,
            .coefficients = a.getFloats("coefficients"),
            .vectors = a.getFloats("support_vectors"),
            .rho = a.getFloats("rho"),
            .probA = a.getFloats("prob_a"),
            .probB = a.getFloats("prob_b")};
  for (int64_t count : m.perClass) {
    if (count < 0 || count > (int64_t{1} << 31))
      return call.error("'vectors_per_class' holds " + std::to_string(count) + ", expected values >= 0");
    m.firstOf.push_back(m.supports);
    m.supports += count;
  }
  if (m.supports == 0) {
    m.kernel = Kernel();
    JINX_TRY(checkLength(call, "coefficients", m.coefficients.size(), classes * features));
    if (m.rho.empty()) return call.error("'rho' is empty, expected at least one value");
    return m;
  }
  if (classes < 2) return call.error("there are " + std::to_string(classes) + " class labels, expected at least 2");
  const int64_t pairs = classes * (classes - 1) / 2;
  JINX_TRY(checkLength(call, "vectors_per_class", m.perClass.size(), classes));
  JINX_TRY(checkLength(call, "support_vectors", m.vectors.size(), m.supports * features));
  JINX_TRY(checkLength(call, "coefficients", m.coefficients.size(), (classes - 1) * m.supports));
  JINX_TRY(checkLength(call, "rho", m.rho.size(), pairs));
  if (!m.probA.empty()) {
    JINX_TRY(checkLength(call, "prob_a", m.probA.size(), pairs));
    JINX_TRY(checkLength(call, "prob_b", m.probB.size(), pairs));
  }
  return m;
}

Status svmClassifier(HostOpCall& call) {
  JINX_TRY_ASSIGN(ml::Features x, ml::features(call, 0));
  JINX_TRY_ASSIGN(ml::Transform transform, ml::transformOf(call));
  const ml::Labels labels(call, "classlabels_ints", "classlabels_strings");
  const int64_t classes = std::max<int64_t>(labels.size(), 1);
  JINX_TRY_ASSIGN(Machine m, readMachine(call, classes, x.columns));
  const bool withProbabilities = m.supports > 0 && !m.probA.empty();

  Tensor y = labels.make(x.rows), z;
  for (int64_t n = 0; n < x.rows; ++n) {
    std::vector<double> scores;
    std::vector<int64_t> votes;
    if (m.supports > 0) {
      scores = m.decisions(x.row(n), &votes);
      if (withProbabilities) scores = m.probabilities(scores);
    } else {
      for (int64_t c = 0; c < classes; ++c)
        scores.push_back(m.rho[0] + m.kernel(x.row(n), m.coefficients.data() + c * x.columns, x.columns));
    }
    const int64_t best =
        votes.empty() ? ml::argMax(scores) : std::max_element(votes.begin(), votes.end()) - votes.begin();
    if (labels.size() < 2 && !labels.ofStrings())
      y.setInt(n, scores[0] > 0); // a lone class: belongs to it or not
    else
      labels.write(&y, n, best);
    const ml::SecondClass second =
        transform == ml::Transform::kNone ? ml::SecondClass::kNegated : ml::SecondClass::kComplement;
    if (scores.size() == 1 && labels.size() == 2)
      scores = ml::twoScores(transform, second, scores[0]);
    else
      ml::apply(transform, &scores);
    if (!z.valid()) z = Tensor::make(DType::kF32, {x.rows, static_cast<int64_t>(scores.size())});
    for (int64_t c = 0; c < z.dim(1); ++c)
      z.setDouble(n * z.dim(1) + c, scores[static_cast<size_t>(c)]);
  }
  if (!z.valid()) z = Tensor::make(DType::kF32, {0, classes});
  operands::give(call, 0, y);
  operands::give(call, 1, z);
  return Status::ok();
}

constexpr std::string_view kMl = "ai.onnx.ml";
constexpr HostOpEntry kRows[] = {
    {kMl, "SVMClassifier", 1, svmClassifier},
    {kMl, "SVMRegressor", 1, svmRegressor},
};

} // namespace

std::span<const HostOpEntry> mlSvmHostOps() { return kRows; }

} // namespace jinx
