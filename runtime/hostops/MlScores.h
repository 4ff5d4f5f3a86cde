// What the ai.onnx.ml models share: rows of features in, and scores of classes or targets out.
#pragma once

#include <string>
#include <vector>

#include "runtime/hostops/HostOp.h"

namespace jinx::ml {

/// A feature matrix: [N,F], or [F] seen as one row.
struct Features {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;
  const double* row(int64_t n) const { return values.data() + n * columns; }
};
Expected<Features> features(const HostOpCall& call, size_t i);

enum class Transform { kNone, kSoftmax, kLogistic, kSoftmaxZero, kProbit }; ///< in the order of TreeEnsemble's numbers
/// Attribute `post_transform` as a name.
Expected<Transform> transformOf(const HostOpCall& call);
void apply(Transform transform, std::vector<double>* scores);
double logistic(double x);

/// How a classifier that computes one score s for two classes makes a second one: 1-s or -s.
enum class SecondClass { kComplement, kNegated };
/// The two scores. Logistic gives its values at -s and s, probit stays alone; other transforms do not act on a lone
/// score. The specification is silent here; this is what onnxruntime does, on which exporters rely.
std::vector<double> twoScores(Transform transform, SecondClass second, double s);

/// The labels of a classifier, from the two attributes of which a model sets one.
class Labels {
 public:
  Labels(const HostOpCall& call, const std::string& intsName, const std::string& stringsName);
  int64_t size() const { return static_cast<int64_t>(ofStrings_ ? strings_.size() : ints_.size()); }
  bool ofStrings() const { return ofStrings_; }
  int64_t number(int64_t i) const { return ints_[static_cast<size_t>(i)]; }
  /// A label tensor of `rows` entries.
  Tensor make(int64_t rows) const { return Tensor::make(ofStrings_ ? DType::kString : DType::kI64, {rows}); }
  /// Writes label `i`; without labels, `i` itself.
  void write(Tensor* y, int64_t row, int64_t i) const;

 private:
  bool ofStrings_;
  std::vector<int64_t> ints_;
  std::vector<std::string> strings_;
};

/// An attribute that may be a list of floats `name` or a tensor `name`_as_tensor.
std::vector<double> floatsOrTensor(const Attributes& attributes, const std::string& name);

/// Index of the first largest element.
int64_t argMax(const std::vector<double>& values);

} // namespace jinx::ml
