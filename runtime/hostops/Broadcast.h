// Numpy broadcasting: which shape several operands have together, and the walk over it.
//
// A walk visits the elements of the result in row-major order and tells where each operand's element lies. Neighbouring
// dimensions that every operand passes through alike are merged first, so operands of equal shape make a single row,
// and so do a tensor and a scalar:
//
//   out 2x3x4, a 2x3x4, b 4  ->  extents [6, 4], strides of a [4, 1], of b [0, 1]: six rows of four elements
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "runtime/base/Tensor.h"

namespace jinx {

/// kInvalidArgument, naming both shapes, when an extent differs and neither is 1.
inline Expected<Shape> broadcastShapes(std::span<const int64_t> a, std::span<const int64_t> b) {
  Shape out(std::max(a.size(), b.size()));
  for (size_t back = 1; back <= out.size(); ++back) {
    const int64_t x = back <= a.size() ? a[a.size() - back] : 1;
    const int64_t y = back <= b.size() ? b[b.size() - back] : 1;
    if (x != y && x != 1 && y != 1)
      return invalidArgument("shapes " + toString(a) + " and " + toString(b) + " do not broadcast: dimension -" +
                             std::to_string(back) + " is " + std::to_string(x) + " and " + std::to_string(y));
    out[out.size() - back] = x == 1 ? y : x;
  }
  return out;
}

/// Strides, in elements, with which an operand of `shape` is read along the dimensions of `out`: 0 where it is
/// repeated.
inline Shape broadcastStrides(std::span<const int64_t> shape, std::span<const int64_t> out) {
  Shape strides(out.size(), 0);
  int64_t stride = 1;
  for (size_t back = 1; back <= shape.size(); ++back) {
    const int64_t extent = shape[shape.size() - back];
    if (extent != 1) strides[out.size() - back] = stride;
    stride *= extent;
  }
  return strides;
}

template <size_t N>
class BroadcastWalk {
 public:
  using Offsets = std::array<int64_t, N>;

  /// `strides[k]` has one entry a dimension of `out`.
  BroadcastWalk(std::span<const int64_t> out, const std::array<Shape, N>& strides) {
    total_ = numElements(out);
    for (size_t d = 0; d < out.size(); ++d) {
      if (out[d] == 1) continue;
      Offsets step;
      for (size_t k = 0; k < N; ++k)
        step[k] = strides[k][d];
      bool merges = !extents_.empty();
      for (size_t k = 0; k < N && merges; ++k)
        merges = steps_.back()[k] == step[k] * out[d];
      if (merges) {
        extents_.back() *= out[d];
        steps_.back() = step;
      } else {
        extents_.push_back(out[d]);
        steps_.push_back(step);
      }
    }
  }

  /// Calls `f(at, from, count, step)` for each row: result elements `at` to `at + count - 1`, operand k at `from[k]`,
  /// `from[k] + step[k]`, ….
  template <typename F>
  void forEachRow(F f) const {
    if (total_ == 0) return;
    if (extents_.empty()) return f(int64_t{0}, Offsets{}, int64_t{1}, Offsets{});
    const size_t outer = extents_.size() - 1;
    const int64_t count = extents_[outer];
    std::vector<int64_t> index(outer, 0);
    Offsets from{};
    for (int64_t at = 0; at < total_; at += count) {
      f(at, from, count, steps_[outer]);
      for (size_t d = outer; d-- > 0;) {
        for (size_t k = 0; k < N; ++k)
          from[k] += steps_[d][k];
        if (++index[d] < extents_[d]) break;
        for (size_t k = 0; k < N; ++k)
          from[k] -= steps_[d][k] * extents_[d];
        index[d] = 0;
      }
    }
  }

  /// Calls `f(at, from)` for each element of the result.
  template <typename F>
  void forEach(F f) const {
    forEachRow([&](int64_t at, Offsets from, int64_t count, Offsets step) {
      for (int64_t i = 0; i < count; ++i) {
        f(at + i, from);
        for (size_t k = 0; k < N; ++k)
          from[k] += step[k];
      }
    });
  }

 private:
  int64_t total_ = 0;
  std::vector<int64_t> extents_;
  std::vector<Offsets> steps_;
};

/// The walk over `out` for operands of the given shapes.
template <typename... Shapes>
auto broadcastWalk(const Shape& out, const Shapes&... shapes) {
  return BroadcastWalk<sizeof...(Shapes)>(out, {broadcastStrides(shapes, out)...});
}

} // namespace jinx
