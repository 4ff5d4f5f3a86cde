// Random functions with a mesh and wishes, as text: what jinx-place-values takes.
//
// Sizes are few, drawn once for a function, so that values fit each other: 0, 1, small numbers that no mesh divides, formulas over n. Data are integers, also in floats,
// and stay small (a bound is carried along; what grows is taken modulo 7), so that sums are exact in every order and results can be compared bit by bit.
//
//   dist.mesh @mesh <"a" = 2, "b" = 3>
//   func.func @main(%x0: tensor<5x?xf32, #jinx.dims<"5", "n">> {dist.sharding = #dist.sharding<[["b", ?], []]>}, …) attributes {dist.annotated = @mesh} {
//     %v1 = jinx.reduce sum, %x0 axes [0] : …
//
// Operators come one by one and in the chains that models have: softmax, attention, an embedding, a mixture of experts.
#pragma once

#include "tests/property/graph/RandomGraph.h"

namespace jinx::test {

class RandomProgram {
 public:
  /// Draws a function; to be called in a property.
  static RandomProgram draw(int maxOperators);
  /// A mixture whose experts and tokens are split by one axis, beside others that split tokens once more, or each expert inside. Gates are multiples of 128, of which silu is 0 or all.
  static RandomProgram drawMixture();

  const std::string& text() const { return text_; }
  int64_t n() const { return n_; }
  /// Whole arguments.
  std::vector<Tensor> drawArguments(uint64_t seed) const;

 private:
  friend class ProgramWriter;
  struct Argument {
    Dims dims;
    DType type;
    int64_t low, high;
  };
  std::vector<Argument> arguments_;
  int64_t n_ = 0;
  std::string text_;
};

} // namespace jinx::test
