#include "frontends/llm/Rope.h"

#include <cmath>

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {
namespace {

constexpr int64_t kFine = 256; ///< rows of the fine table

/// cos or sin of row * step * frequency, times `magnitude`.
Tensor table(const std::vector<double>& frequencies, int64_t rows, int64_t step, double (*function)(double), double magnitude) {
  const int64_t columns = int64_t(frequencies.size());
  Tensor values = Tensor::make(DType::kF32, Shape{rows, columns});
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < columns; ++i)
      values.as<float>()[row * columns + i] = float(function(double(row * step) * frequencies[size_t(i)]) * magnitude);
  return values;
}

} // namespace

std::vector<double> ropeFrequencies(int64_t depth, double base, double scale, const std::vector<float>& factors) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < depth / 2; ++i)
    frequencies.push_back(std::pow(base, -2.0 * double(i) / double(depth)) / scale / (factors.empty() ? 1.0 : double(factors[size_t(i)])));
  return frequencies;
}

Rotation rotationOf(Graph& g, Value position, const RopeShape& rope, int64_t context) {
  const std::vector<double>& frequencies = rope.frequencies;
  Value coarse = DivOp::create(g.builder, g.loc(), position, g.integer(kFine));
  Value fine = ModOp::create(g.builder, g.loc(), position, g.integer(kFine));
  const int64_t rows = (context + kFine - 1) / kFine;
  auto lookUp = [&](Value row, int64_t count, int64_t step, double (*function)(double), double magnitude) {
    return g.gatherRows(g.constant(table(frequencies, count, step, function, magnitude)), row);
  };
  // Sums of angles are linear in each factor: a magnitude in one is one in the sum.
  Value ca = lookUp(coarse, rows, kFine, std::cos, rope.magnitude), sa = lookUp(coarse, rows, kFine, std::sin, rope.magnitude);
  Value cb = lookUp(fine, kFine, 1, std::cos, 1), sb = lookUp(fine, kFine, 1, std::sin, 1);
  Sizes sizes = {sizesOf(position.getType())[0], SizeExpr(1), SizeExpr(int64_t(frequencies.size()))};
  return {g.reshape(g.sub(g.mul(ca, cb), g.mul(sa, sb)), sizes), g.reshape(g.add(g.mul(sa, cb), g.mul(ca, sb)), sizes)};
}

Value rotate(Graph& g, Value x, const Rotation& by) {
  const int64_t half = *sizesOf(x.getType()).back().constant() / 2;
  Value a = g.sliceLast(x, 0, half), b = g.sliceLast(x, half, half);
  return g.concatLast({g.sub(g.mul(a, by.cos), g.mul(b, by.sin)), g.add(g.mul(b, by.cos), g.mul(a, by.sin))});
}

} // namespace jinx::frontends::llm
