#include "frontends/gguf/Rope.h"

#include <cmath>

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::gguf {
namespace {

constexpr int64_t kFine = 256; ///< rows of the fine table

/// cos or sin of row * step * frequency.
Tensor table(const std::vector<double>& frequencies, int64_t rows, int64_t step, double (*function)(double)) {
  const int64_t columns = int64_t(frequencies.size());
  Tensor values = Tensor::make(DType::kF32, Shape{rows, columns});
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < columns; ++i)
      values.as<float>()[row * columns + i] = float(function(double(row * step) * frequencies[size_t(i)]));
  return values;
}

Value integer(Graph& g, int64_t value) { return g.constant(Tensor::scalarInt(value, DType::kI32)); }

} // namespace

std::vector<double> ropeFrequencies(int64_t depth, double base, double scale, const std::vector<float>& factors) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < depth / 2; ++i)
    frequencies.push_back(std::pow(base, -2.0 * double(i) / double(depth)) / scale / (factors.empty() ? 1.0 : double(factors[size_t(i)])));
  return frequencies;
}

Rotation rotationOf(Graph& g, Value position, const std::vector<double>& frequencies, int64_t context) {
  Value coarse = DivOp::create(g.builder, g.loc(), position, integer(g, kFine));
  Value fine = ModOp::create(g.builder, g.loc(), position, integer(g, kFine));
  const int64_t rows = (context + kFine - 1) / kFine;
  auto lookUp = [&](Value row, int64_t count, int64_t step, double (*function)(double)) {
    return g.gatherRows(g.constant(table(frequencies, count, step, function)), row);
  };
  Value ca = lookUp(coarse, rows, kFine, std::cos), sa = lookUp(coarse, rows, kFine, std::sin);
  Value cb = lookUp(fine, kFine, 1, std::cos), sb = lookUp(fine, kFine, 1, std::sin);
  Sizes sizes = {sizesOf(position.getType())[0], SizeExpr(1), SizeExpr(int64_t(frequencies.size()))};
  return {g.reshape(g.sub(g.mul(ca, cb), g.mul(sa, sb)), sizes), g.reshape(g.add(g.mul(sa, cb), g.mul(ca, sb)), sizes)};
}

Value rotate(Graph& g, Value x, const Rotation& by) {
  const int64_t half = *sizesOf(x.getType()).back().constant() / 2;
  Value a = g.sliceLast(x, 0, half), b = g.sliceLast(x, half, half);
  return g.concatLast({g.sub(g.mul(a, by.cos), g.mul(b, by.sin)), g.add(g.mul(b, by.cos), g.mul(a, by.sin))});
}

} // namespace jinx::frontends::gguf
