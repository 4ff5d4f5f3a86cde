// Random graphs in native IR, with what they compute and how far off a right answer may be.
//
// A graph has one element type and inputs whose sizes are numbers or formulas a*n + b over one symbol. Each operator that is drawn is
// written down as text for the compiler, and as a function of this file's own that calls ONNX's reference operators (runtime/hostops) in
// double, or in the integers themselves: nothing of the lowering is in it.
//
// The tolerance is a bound on the rounding error, carried along with the values. With u the unit roundoff, E and M the largest error and
// magnitude of an operand:
//
//   a + b       Ea + Eb + u*M                     a function with slope <= L    L*E + 8*u*max(1, M)
//   a * b       Ma*Eb + Mb*Ea + Ea*Eb + u*M       sum of k terms                k*E + (k + 2)*u*k*M
//   product     k*(Ma*Eb + Mb*Ea + Ea*Eb) + (k + 2)*u*k*Ma*Mb
//   copies      E
//
// Integers, and copies of inputs, are exact.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/property/Property.h"

namespace jinx::test {

/// a*n + b.
struct Dim {
  int64_t a = 0, b = 0;
  bool fixed() const { return a == 0; }
  int64_t at(int64_t n) const { return a * n + b; }
  std::string text() const;
  bool operator==(const Dim&) const = default;
};
using Dims = std::vector<Dim>;

/// What a value is for one n: exact up to double's own rounding, and how far the kernels may be off.
struct Answer {
  Tensor value;
  double error = 0;
};

class RandomGraph {
 public:
  /// Draws a graph; to be called in a property.
  static RandomGraph draw(int maxOperators);

  const std::string& text() const { return text_; }
  DType type() const { return type_; }
  size_t numInputs() const { return inputs_; }
  /// Names are x0, x1, …
  std::vector<Tensor> drawInputs(int64_t n, uint64_t seed) const;
  /// Names are y0, y1, …
  std::vector<Answer> answers(int64_t n, const std::vector<Tensor>& inputs) const;

 private:
  using Compute = std::function<Answer(int64_t n, const std::vector<Answer>& values)>;
  struct Node {
    Dims dims;
    Compute compute; ///< empty for an input
  };
  friend class GraphWriter;

  DType type_ = DType::kF32;
  size_t inputs_ = 0;
  std::vector<Node> nodes_; ///< inputs first; operands come before what reads them
  std::vector<size_t> results_;
  std::string text_;
};

} // namespace jinx::test
