// Rounding that makes up for itself: an error in one weight is spread over the weights after it, so that the layer's outputs, not its
// weights, are near (Frantar et al. 2023).
//
// With H = XᵀX of the layer's inputs X and U upper triangular, UᵀU = H⁻¹, columns are rounded one after the other, those whose inputs are
// largest first:
//
//   e = (w[i] - rounded(w[i])) / U[i, i]        w[j] -= e * U[i, j]    for j > i
//
// A hundredth of H's mean diagonal is added to it. All in f64. Scales are those of the weights as they were (WeightCodes.h).
#pragma once

#include "passes/Quant/WeightCodes.h"
#include "runtime/base/Status.h"

namespace jinx::passes {

/// Sums over a layer's inputs x, each k numbers, of x[i] * x[j].
class SecondMoments {
 public:
  explicit SecondMoments(int64_t k) : k_(k), sums_(size_t(k * k)) {}
  /// \param x  `rows` rows of k numbers
  void add(std::span<const float> x, int64_t rows, unsigned threads);
  int64_t k() const { return k_; }
  double at(int64_t i, int64_t j) const { return i <= j ? sums_[size_t(i * k_ + j)] : sums_[size_t(j * k_ + i)]; }

 private:
  int64_t k_;
  std::vector<double> sums_;  ///< the upper triangle
};

/// Gives `codes`, whose scales are there, codes. kInvalidArgument where the inputs are no basis for it (infinite).
Status roundGptq(WeightCodes &codes, const WeightRows &weights, const SecondMoments &moments, unsigned threads);

}  // namespace jinx::passes
