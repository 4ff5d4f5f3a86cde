// How elements are moved without asking what they mean: by their width, so that one loop serves every element type.
//
// Two cases are special. A string is an object and is assigned, not copied bytewise. A sub-byte element has no address;
// an op unpacks such a tensor to one byte an element, moves bytes, and packs the result:
//
//   Tensor x = unpacked(data);                    // i4[2x3] -> u8[2x3], f32 stays f32
//   Tensor y = Tensor::make(x.dtype(), shape);
//   copyStrided(...);
//   call.outputs[0] = packed(y, data.dtype());    // u8 -> i4
//
// All offsets and strides count elements.
#pragma once

#include <span>
#include <vector>

#include "runtime/base/Tensor.h"

namespace jinx::datamove {

/// `x` with one byte an element when its type is narrower than a byte; otherwise `x` itself.
Tensor unpacked(const Tensor& x);
/// The inverse: `x` as elements of `type`, packed when `type` is narrower than a byte.
Tensor packed(const Tensor& x, DType type);

/// dst[to + i] = src[from + i] for i in [0, count). Ranges do not overlap.
void copyRun(DType type, void* dst, int64_t to, const void* src, int64_t from, int64_t count);
/// dst[to + i] = src[from] for i in [0, count).
void fillRun(DType type, void* dst, int64_t to, const void* src, int64_t from, int64_t count);

/// Where an index lands in memory: offset + sum of index[k] * strides[k]. Strides may be zero or negative.
struct Layout {
  int64_t offset = 0;
  std::span<const int64_t> strides;
};
/// dst at every index of `extents` = src at that index. Contiguous runs are found and moved with memcpy.
void copyStrided(DType type, std::span<const int64_t> extents, void* dst, const Layout& to, const void* src,
                 const Layout& from);

/// out[i0, i1, …] = src[maps[0][i0], maps[1][i1], …], or `fill[0]` where a map holds -1. `out` is row-major of the
/// maps' lengths.
void copyMapped(DType type, std::span<const std::vector<int64_t>> maps, void* out, const void* src,
                const Shape& srcShape, const void* fill);

/// A shape seen as outer x extent x inner, around one axis.
struct AxisView {
  int64_t outer, extent, inner;
  AxisView(const Shape& shape, int64_t axis);
};

// The following make a new tensor. Not for sub-byte types.

/// Slices indices[0], indices[1], … of `axis`, in that order; the axis gets the shape `indexShape`.
Tensor taken(const Tensor& x, int64_t axis, std::span<const int64_t> indices, std::span<const int64_t> indexShape);
/// Elements [start, start + count) of `axis`.
Tensor partOf(const Tensor& x, int64_t axis, int64_t start, int64_t count);
/// `parts`, equal in type and in every extent but that of `axis`, one after the other along it.
Tensor joined(std::span<const Tensor> parts, int64_t axis);
/// Row-major `x` with its dimensions reordered: out.dim(k) = x.dim(perm[k]).
Tensor transposed(const Tensor& x, std::span<const int64_t> perm);

} // namespace jinx::datamove
