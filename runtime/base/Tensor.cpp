#include "runtime/base/Tensor.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace jinx {
namespace {

constexpr size_t kAlignment = 64;

/// Zeroed memory; calloc leaves untouched pages of a large tensor unmapped. Throws std::bad_alloc, caught where a plan
/// is called.
std::shared_ptr<void> allocateZeroed(int64_t sizeBytes, void** data) {
  void* base = std::calloc(1, static_cast<size_t>(sizeBytes) + kAlignment);
  if (!base) throw std::bad_alloc();
  const auto address = reinterpret_cast<uintptr_t>(base);
  *data = reinterpret_cast<void*>((address + kAlignment - 1) / kAlignment * kAlignment);
  return {base, std::free};
}

} // namespace

int64_t numElements(std::span<const int64_t> shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

std::string toString(std::span<const int64_t> shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (int64_t extent : shape) {
    if (!text.empty()) text += 'x';
    text += std::to_string(extent);
  }
  return text;
}

Shape rowMajorStrides(std::span<const int64_t> shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

Tensor Tensor::make(DType type, Shape shape) {
  assert(type != DType::kInvalid && "a tensor needs an element type");
  Tensor t;
  t.dtype_ = type;
  t.shape_ = std::move(shape);
  const int64_t count = t.size();
  assert(count >= 0 && "a tensor needs extents >= 0");
  if (type == DType::kString) {
    auto strings = std::make_shared<std::vector<std::string>>(static_cast<size_t>(count));
    t.data_ = strings->data();
    t.storage_ = std::move(strings);
  } else {
    t.storage_ = allocateZeroed(packedBytes(type, count), &t.data_);
  }
  return t;
}

Tensor Tensor::wrap(DType type, Shape shape, void* data, std::shared_ptr<void> owner) {
  Tensor t;
  t.dtype_ = type;
  t.shape_ = std::move(shape);
  t.data_ = data;
  t.storage_ = std::move(owner);
  return t;
}

Tensor Tensor::fromInts(std::span<const int64_t> values) {
  Tensor t = make(DType::kI64, {static_cast<int64_t>(values.size())});
  if (!values.empty()) std::memcpy(t.data(), values.data(), values.size_bytes());
  return t;
}

Tensor Tensor::scalarInt(int64_t value, DType type) {
  Tensor t = make(type, {});
  t.setInt(0, value);
  return t;
}

Tensor Tensor::scalarDouble(double value, DType type) {
  Tensor t = make(type, {});
  t.setDouble(0, value);
  return t;
}

std::vector<int64_t> Tensor::toInts() const {
  std::vector<int64_t> values(static_cast<size_t>(size()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = getInt(static_cast<int64_t>(i));
  return values;
}

Tensor Tensor::reshaped(Shape shape) const {
  assert(numElements(shape) == size() && "reshaped() keeps the number of elements");
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

Tensor Tensor::clone() const {
  if (!valid()) return {};
  Tensor t = make(dtype_, shape_);
  if (dtype_ == DType::kString) {
    for (int64_t i = 0; i < size(); ++i)
      t.setString(i, getString(i));
  } else if (sizeBytes() > 0) {
    std::memcpy(t.data(), data_, static_cast<size_t>(sizeBytes()));
  }
  return t;
}

std::string Tensor::describe() const {
  std::string text(name(dtype_));
  text += '[';
  for (size_t i = 0; i < shape_.size(); ++i) {
    if (i) text += 'x';
    text += std::to_string(shape_[i]);
  }
  return text + ']';
}

} // namespace jinx
