// What a value is on the host: a tensor, and for control-flow models a sequence, an optional or a string tensor.
//
// A `Tensor` is always dense, row-major and packed. It shares its storage (copying one is cheap) and writes go to whoever
// holds that storage, so an op writes only tensors that it has just made.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/DType.h"
#include "runtime/base/Status.h"

namespace jinx {

using Shape = std::vector<int64_t>;

/// Product of the extents: 1 for a scalar.
int64_t numElements(std::span<const int64_t> shape);
/// "2x3x4", "scalar" for rank 0.
std::string toString(std::span<const int64_t> shape);
/// Row-major strides in elements.
Shape rowMajorStrides(std::span<const int64_t> shape);

class Tensor {
 public:
  Tensor() = default;
  /// Allocates, 64-byte aligned and zeroed. Strings start empty.
  static Tensor make(DType type, Shape shape);
  /// Wraps memory that `owner` keeps alive (or that outlives the tensor when `owner` is null). `data` holds packed elements.
  static Tensor wrap(DType type, Shape shape, void *data, std::shared_ptr<void> owner = nullptr);
  static Tensor fromInts(std::span<const int64_t> values);                 ///< rank 1, i64
  static Tensor scalarInt(int64_t value, DType type = DType::kI64);        ///< rank 0
  static Tensor scalarDouble(double value, DType type = DType::kF32);      ///< rank 0

  bool valid() const { return dtype_ != DType::kInvalid; }
  DType dtype() const { return dtype_; }
  const Shape &shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  int64_t dim(int64_t i) const { return shape_[i < 0 ? i + rank() : i]; }
  int64_t size() const { return numElements(shape_); }
  int64_t sizeBytes() const { return packedBytes(dtype_, size()); }
  const std::shared_ptr<void> &storage() const { return storage_; }

  void *data() { return data_; }
  const void *data() const { return data_; }
  template <typename T>
  T *as() {
    return static_cast<T *>(data_);
  }
  template <typename T>
  const T *as() const {
    return static_cast<const T *>(data_);
  }
  /// Element access through double or int64 for code where speed does not matter.
  double getDouble(int64_t i) const { return loadAsDouble(dtype_, data_, i); }
  int64_t getInt(int64_t i) const { return loadAsInt(dtype_, data_, i); }
  void setDouble(int64_t i, double v) { storeFromDouble(dtype_, data_, i, v); }
  void setInt(int64_t i, int64_t v) { storeFromInt(dtype_, data_, i, v); }
  const std::string &getString(int64_t i) const { return as<std::string>()[i]; }
  void setString(int64_t i, std::string v) { as<std::string>()[i] = std::move(v); }
  /// All elements as int64 (axes, shapes, sizes).
  std::vector<int64_t> toInts() const;

  /// The same elements under another shape of equal size.
  Tensor reshaped(Shape shape) const;
  /// A copy with storage of its own.
  Tensor clone() const;
  /// "f32[2x3]"
  std::string describe() const;

 private:
  DType dtype_ = DType::kInvalid;
  Shape shape_;
  void *data_ = nullptr;
  std::shared_ptr<void> storage_;
};

struct Sequence;
struct Optional;
/// What flows between host steps: nothing (an omitted optional operand), a tensor, a sequence or an optional.
using Value = std::variant<std::monostate, Tensor, std::shared_ptr<Sequence>, std::shared_ptr<Optional>>;

struct Sequence {
  DType elementType = DType::kInvalid;
  std::vector<Value> items;
};
struct Optional {
  Value item;  ///< std::monostate when empty
};

inline bool isPresent(const Value &v) { return !std::holds_alternative<std::monostate>(v); }
inline const Tensor *tensorOrNull(const Value &v) { return std::get_if<Tensor>(&v); }

}  // namespace jinx
