// Cutting tensors into slices along an axis and putting them together again: what Loop and Scan do around their bodies.
// Works for every element type: sub-byte elements (which a slice may start in the middle of a byte) and strings too.
#pragma once

#include <span>

#include "runtime/base/Status.h"
#include "runtime/base/Tensor.h"

namespace jinx {

/// Copies `count` elements of `type` between packed arrays that do not overlap.
void copyElements(DType type, void* target, int64_t targetIndex, const void* source, int64_t sourceIndex,
                  int64_t count);

/// The slice of `t` at `index` of `axis`; the axis is gone. `axis` in [-rank, rank).
Tensor sliceAlong(const Tensor& t, int64_t axis, int64_t index);

/// Tensors of one shape stacked along a new `axis` (in [-rank - 1, rank]); reversed when `reverse`. kInvalidArgument
/// when shapes or types differ. At least one tensor.
Expected<Tensor> stackAlong(std::span<const Tensor> slices, int64_t axis, bool reverse);

} // namespace jinx
