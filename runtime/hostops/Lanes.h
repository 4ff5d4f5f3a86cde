// Lanes: the one-dimensional slices of a tensor along an axis, for ops that treat each slice by itself (softmax,
// running sums).
#pragma once

#include "runtime/base/Tensor.h"

namespace jinx {

/// A lane's elements are `start`, `start + stride`, …, `count` of them.
template <typename F>
void forEachLane(std::span<const int64_t> shape, int64_t axis, F f) {
  const int64_t count = shape[axis];
  const int64_t outer = numElements(shape.first(static_cast<size_t>(axis)));
  const int64_t stride = numElements(shape.subspan(static_cast<size_t>(axis) + 1));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < stride; ++i)
      f(o * count * stride + i, stride, count);
}

} // namespace jinx
