#include "runtime/executor/TensorSlices.h"

#include <algorithm>
#include <cstring>

namespace jinx {
namespace {

/// Elements before, and from behind, an axis: the tensor is [outer, extent, inner].
struct AxisSplit {
  int64_t outer = 1, extent = 1, inner = 1;
};

AxisSplit splitAt(const Shape& shape, int64_t axis) {
  AxisSplit split;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    int64_t& part = i < axis ? split.outer : i == axis ? split.extent : split.inner;
    part *= shape[static_cast<size_t>(i)];
  }
  return split;
}

/// One element narrower than a byte, as its bits.
uint8_t loadBits(const uint8_t* data, int64_t index, int width) {
  int64_t bit = index * width;
  return static_cast<uint8_t>(data[bit / 8] >> (bit % 8)) & static_cast<uint8_t>((1 << width) - 1);
}
void storeBits(uint8_t* data, int64_t index, int width, uint8_t value) {
  int64_t bit = index * width;
  uint8_t mask = static_cast<uint8_t>(((1 << width) - 1) << (bit % 8));
  data[bit / 8] = static_cast<uint8_t>((data[bit / 8] & ~mask) | (value << (bit % 8)));
}

} // namespace

void copyElements(DType type, void* target, int64_t targetIndex, const void* source, int64_t sourceIndex,
                  int64_t count) {
  if (count <= 0) return;
  if (type == DType::kString) {
    const std::string* from = static_cast<const std::string*>(source) + sourceIndex;
    std::copy(from, from + count, static_cast<std::string*>(target) + targetIndex);
    return;
  }
  int width = bitWidth(type);
  if (width >= 8) {
    int64_t bytes = width / 8;
    std::memcpy(static_cast<char*>(target) + targetIndex * bytes,
                static_cast<const char*>(source) + sourceIndex * bytes, static_cast<size_t>(count * bytes));
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    storeBits(static_cast<uint8_t*>(target), targetIndex + i, width,
              loadBits(static_cast<const uint8_t*>(source), sourceIndex + i, width));
}

Tensor sliceAlong(const Tensor& t, int64_t axis, int64_t index) {
  if (axis < 0) axis += t.rank();
  AxisSplit split = splitAt(t.shape(), axis);
  Shape shape = t.shape();
  shape.erase(shape.begin() + axis);
  Tensor slice = Tensor::make(t.dtype(), std::move(shape));
  for (int64_t o = 0; o < split.outer; ++o)
    copyElements(t.dtype(), slice.data(), o * split.inner, t.data(), (o * split.extent + index) * split.inner,
                 split.inner);
  return slice;
}

Expected<Tensor> stackAlong(std::span<const Tensor> slices, int64_t axis, bool reverse) {
  const Tensor& first = slices.front();
  for (const Tensor& s : slices)
    if (s.dtype() != first.dtype() || s.shape() != first.shape())
      return invalidArgument("iterations yield " + first.describe() + " and " + s.describe() + ", which do not stack");
  if (axis < 0) axis += first.rank() + 1;
  if (axis < 0 || axis > first.rank())
    return invalidArgument("cannot stack " + first.describe() + " along axis " + std::to_string(axis));
  Shape shape = first.shape();
  int64_t extent = static_cast<int64_t>(slices.size());
  shape.insert(shape.begin() + axis, extent);
  AxisSplit split = splitAt(shape, axis);
  Tensor stacked = Tensor::make(first.dtype(), std::move(shape));
  for (int64_t i = 0; i < extent; ++i) {
    const Tensor& slice = slices[static_cast<size_t>(reverse ? extent - 1 - i : i)];
    for (int64_t o = 0; o < split.outer; ++o)
      copyElements(first.dtype(), stacked.data(), (o * extent + i) * split.inner, slice.data(), o * split.inner,
                   split.inner);
  }
  return stacked;
}

} // namespace jinx
