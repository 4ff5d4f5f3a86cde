// Operators that read or write at positions held in a tensor: Gather, Scatter and their kin. Operators that find
// positions (NonZero, TopK, Unique, …) are in IndexSelect.cpp.
#include <algorithm>
#include <cmath>
#include <complex>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/Operands.h"

namespace jinx {

std::span<const HostOpEntry> indexSelectHostOps(); // IndexSelect.cpp

namespace {

using datamove::copyRun;
using datamove::packed;
using datamove::unpacked;

/// The indices as int64, with negative ones counted from the end of an axis of `extent`. Fails on one out of range.
Expected<std::vector<int64_t>> indicesInto(const HostOpCall& call, const Tensor& indices, int64_t extent) {
  if (!isInteger(indices.dtype())) return call.error("'indices' is " + indices.describe() + ", expected integers");
  std::vector<int64_t> values = indices.toInts();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < -extent || values[i] >= extent)
      return call.error("'indices' holds " + std::to_string(values[i]) + " at position " + std::to_string(i) +
                        ", expected a value in [" + std::to_string(-extent) + ", " + std::to_string(extent) + ")");
    if (values[i] < 0) values[i] += extent;
  }
  return values;
}

int64_t product(std::span<const int64_t> extents) { return numElements(extents); }

Status gather(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor indices, call.tensor(1));
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", 0), data.rank()));
  const Tensor x = unpacked(data);
  JINX_TRY_ASSIGN(std::vector<int64_t> at, indicesInto(call, indices, data.dim(axis)));
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis)] = indices.size();
  JINX_TRY(operands::checkSize(call, x.dtype(), shape));
  call.outputs[0] = packed(datamove::taken(x, axis, at, indices.shape()), data.dtype());
  return Status::ok();
}

/// Calls `body(i, at)` for every element `i` of `indices`, with `at` the element of `data` that it names: the index
/// itself along `axis`, the element's own position along the others.
template <typename Body>
void forEachElementIndex(const Shape& data, const Shape& indices, int64_t axis, const std::vector<int64_t>& values,
                         Body body) {
  const Shape strides = rowMajorStrides(data);
  Shape position(indices.size(), 0);
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t at = 0;
    for (size_t k = 0; k < position.size(); ++k)
      at += strides[k] * (static_cast<int64_t>(k) == axis ? values[i] : position[k]);
    body(static_cast<int64_t>(i), at);
    for (size_t k = position.size(); k-- > 0;) {
      if (++position[k] < indices[k]) break;
      position[k] = 0;
    }
  }
}

/// Fails unless `indices` has the rank of `data` and fits into it in every dimension but `axis`.
Status checkElementIndices(const HostOpCall& call, const Tensor& data, const Tensor& indices, int64_t axis) {
  bool fits = indices.rank() == data.rank();
  for (int64_t k = 0; fits && k < data.rank(); ++k)
    fits = k == axis || indices.dim(k) <= data.dim(k);
  if (fits || indices.size() == 0) return Status::ok();
  return call.error("'indices' is " + indices.describe() + ", expected the rank of 'data' " + data.describe() +
                    " and no larger extents outside axis " + std::to_string(axis));
}

Status gatherElements(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor indices, call.tensor(1));
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", 0), data.rank()));
  JINX_TRY(checkElementIndices(call, data, indices, axis));
  JINX_TRY_ASSIGN(std::vector<int64_t> values, indicesInto(call, indices, data.dim(axis)));
  const Tensor x = unpacked(data);
  Tensor y = Tensor::make(x.dtype(), indices.shape());
  forEachElementIndex(x.shape(), indices.shape(), axis, values,
                      [&](int64_t i, int64_t at) { copyRun(x.dtype(), y.data(), i, x.data(), at, 1); });
  call.outputs[0] = packed(y, data.dtype());
  return Status::ok();
}

/// The rows of an `indices` operand whose last dimension indexes into dimensions [batch, batch + depth) of `data`:
/// where in `data` each row's slice starts, and how long a slice is.
struct SliceStarts {
  std::vector<int64_t> starts;
  int64_t length = 0;
};
Expected<SliceStarts> sliceStarts(const HostOpCall& call, const Tensor& data, const Tensor& indices, int64_t batch) {
  if (indices.rank() < 1 || !isInteger(indices.dtype()))
    return call.error("'indices' is " + indices.describe() + ", expected integers of rank >= 1");
  const int64_t depth = indices.dim(-1);
  if (batch < 0 || batch >= indices.rank() || batch + depth > data.rank())
    return call.error("'indices' is " + indices.describe() + " with " + std::to_string(batch) +
                      " batch dimensions, expected at most " + std::to_string(data.rank()) +
                      " dimensions indexed, the rank of 'data'");
  for (int64_t k = 0; k < batch; ++k)
    if (indices.dim(k) != data.dim(k))
      return call.error("'indices' is " + indices.describe() + ", expected extent " + std::to_string(data.dim(k)) +
                        " in batch dimension " + std::to_string(k) + " as in 'data'");
  const std::span<const int64_t> shape(data.shape()), indexShape(indices.shape());
  const int64_t batches = product(shape.first(static_cast<size_t>(batch)));
  const int64_t perBatch =
      product(indexShape.subspan(static_cast<size_t>(batch), static_cast<size_t>(indices.rank() - 1 - batch)));
  const Shape strides = rowMajorStrides(shape);
  const int64_t batchStride = product(shape.subspan(static_cast<size_t>(batch)));
  SliceStarts result;
  result.length = product(shape.subspan(static_cast<size_t>(batch + depth)));
  result.starts.reserve(static_cast<size_t>(batches * perBatch));
  int64_t next = 0;
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t row = 0; row < perBatch; ++row) {
      int64_t start = b * batchStride;
      for (int64_t k = 0; k < depth; ++k, ++next) {
        const int64_t extent = data.dim(batch + k), index = indices.getInt(next);
        if (index < -extent || index >= extent)
          return call.error("'indices' holds " + std::to_string(index) + " at position " + std::to_string(next) +
                            ", expected a value in [" + std::to_string(-extent) + ", " + std::to_string(extent) + ")");
        start += (index < 0 ? index + extent : index) * strides[static_cast<size_t>(batch + k)];
      }
      result.starts.push_back(start);
    }
  return result;
}

Status gatherNd(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor indices, call.tensor(1));
  const int64_t batch = call.attributes->getInt("batch_dims", 0);
  JINX_TRY_ASSIGN(SliceStarts slices, sliceStarts(call, data, indices, batch));
  Shape shape(indices.shape().begin(), indices.shape().end() - 1);
  shape.insert(shape.end(), data.shape().begin() + batch + indices.dim(-1), data.shape().end());
  const Tensor x = unpacked(data);
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, x.dtype(), shape));
  int64_t to = 0;
  for (int64_t start : slices.starts) {
    copyRun(x.dtype(), y.data(), to, x.data(), start, slices.length);
    to += slices.length;
  }
  call.outputs[0] = packed(y, data.dtype());
  return Status::ok();
}

enum class Reduction { kNone, kAdd, kMul, kMin, kMax };

Expected<Reduction> reductionOf(const HostOpCall& call, DType type) {
  const std::string name = call.attributes->getString("reduction", "none");
  static constexpr std::pair<std::string_view, Reduction> kNames[] = {{"none", Reduction::kNone},
                                                                      {"add", Reduction::kAdd},
                                                                      {"mul", Reduction::kMul},
                                                                      {"min", Reduction::kMin},
                                                                      {"max", Reduction::kMax}};
  for (const auto& [known, reduction] : kNames) {
    if (name != known) continue;
    const bool ordered = reduction == Reduction::kMin || reduction == Reduction::kMax;
    if (reduction != Reduction::kNone && (type == DType::kString || (ordered && isComplex(type))))
      return call.error("'reduction' is '" + name + "', which elements of type " + std::string(jinx::name(type)) +
                        " do not have");
    return reduction;
  }
  return call.error("'reduction' is '" + name + "', expected 'none', 'add', 'mul', 'min' or 'max'");
}

template <typename T>
bool isNan(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(value);
  return false;
}

template <typename T>
T combine(Reduction reduction, T a, T b) {
  switch (reduction) {
  case Reduction::kNone:
    return b;
  case Reduction::kAdd:
    return a + b;
  case Reduction::kMul:
    return a * b;
  case Reduction::kMin:
    return isNan(b) || b < a ? b : a; // NaN wins
  case Reduction::kMax:
    return isNan(b) || b > a ? b : a;
  }
  return b;
}
template <typename T>
std::complex<T> combine(Reduction reduction, std::complex<T> a, std::complex<T> b) {
  return reduction == Reduction::kMul ? a * b : a + b;
}

/// A copy of `data` that updates are written into. A reduction of narrow floats happens in double: rounded once, at the
/// end.
class Scatter {
 public:
  Scatter(const Tensor& data, const Tensor& updates, Reduction reduction)
      : type_(data.dtype()), reduction_(reduction), y_(unpacked(data)), u_(unpacked(updates)) {
    inDouble_ = reduction != Reduction::kNone && isFloat(type_);
    if (inDouble_) {
      sums_ = operands::toDoubles(data);
      updates_ = operands::toDoubles(updates);
      touched_.assign(sums_.size(), false);
      y_ = data.clone();
    } else if (reduction == Reduction::kNone) {
      if (y_.storage() == data.storage()) y_ = y_.clone();
    } else {
      y_ = data.clone();
      u_ = updates;
    }
  }

  /// Elements [to, to + count) take updates [from, from + count).
  void write(int64_t to, int64_t from, int64_t count) {
    if (reduction_ == Reduction::kNone) return copyRun(y_.dtype(), y_.data(), to, u_.data(), from, count);
    for (int64_t i = 0; i < count; ++i)
      reduceOne(to + i, from + i);
  }

  Tensor result() {
    for (size_t i = 0; inDouble_ && i < sums_.size(); ++i)
      if (touched_[i]) y_.setDouble(static_cast<int64_t>(i), sums_[i]);
    return reduction_ == Reduction::kNone ? packed(y_, type_) : y_;
  }

 private:
  void reduceOne(int64_t to, int64_t from) {
    if (inDouble_) {
      double& sum = sums_[static_cast<size_t>(to)];
      sum = combine(reduction_, sum, updates_[static_cast<size_t>(from)]);
      touched_[static_cast<size_t>(to)] = true;
    } else if (type_ == DType::kC64) {
      auto* z = y_.as<std::complex<float>>();
      z[to] = combine(reduction_, z[to], u_.as<std::complex<float>>()[from]);
    } else if (type_ == DType::kC128) {
      auto* z = y_.as<std::complex<double>>();
      z[to] = combine(reduction_, z[to], u_.as<std::complex<double>>()[from]);
    } else if (type_ == DType::kI64 || isSigned(type_)) {
      y_.setInt(to, integer<int64_t>(to, from));
    } else { // unsigned and bool
      y_.setInt(to, static_cast<int64_t>(integer<uint64_t>(to, from)));
    }
  }

  /// Sums and products wrap: they are formed as unsigned numbers.
  template <typename T>
  T integer(int64_t to, int64_t from) const {
    const T a = static_cast<T>(y_.getInt(to)), b = static_cast<T>(u_.getInt(from));
    if (reduction_ == Reduction::kMin || reduction_ == Reduction::kMax) return combine(reduction_, a, b);
    return static_cast<T>(combine(reduction_, static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  }

  DType type_;
  Reduction reduction_;
  bool inDouble_ = false;
  Tensor y_, u_;
  std::vector<double> sums_, updates_;
  std::vector<bool> touched_;
};

Status scatterElements(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor indices, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor updates, call.tensor(2));
  JINX_TRY(operands::sameType(call, data, "data", updates, "updates"));
  JINX_TRY_ASSIGN(Reduction reduction, reductionOf(call, data.dtype()));
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", 0), data.rank()));
  JINX_TRY(checkElementIndices(call, data, indices, axis));
  if (updates.shape() != indices.shape())
    return call.error("'updates' is " + updates.describe() + ", expected the shape of 'indices' " + indices.describe());
  JINX_TRY_ASSIGN(std::vector<int64_t> values, indicesInto(call, indices, data.dim(axis)));
  Scatter scatter(data, updates, reduction);
  forEachElementIndex(data.shape(), indices.shape(), axis, values,
                      [&](int64_t i, int64_t at) { scatter.write(at, i, 1); });
  call.outputs[0] = scatter.result();
  return Status::ok();
}

Status scatterNd(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor indices, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor updates, call.tensor(2));
  JINX_TRY(operands::sameType(call, data, "data", updates, "updates"));
  JINX_TRY_ASSIGN(Reduction reduction, reductionOf(call, data.dtype()));
  JINX_TRY_ASSIGN(SliceStarts slices, sliceStarts(call, data, indices, 0));
  Shape expected(indices.shape().begin(), indices.shape().end() - 1);
  expected.insert(expected.end(), data.shape().begin() + indices.dim(-1), data.shape().end());
  if (updates.shape() != expected)
    return call.error("'updates' is " + updates.describe() + ", expected the shape " + toString(expected));
  Scatter scatter(data, updates, reduction);
  int64_t from = 0;
  for (int64_t start : slices.starts) {
    scatter.write(start, from, slices.length);
    from += slices.length;
  }
  call.outputs[0] = scatter.result();
  return Status::ok();
}

/// What a kernel cannot refuse: operand 0, indices of a scatter into operand 1, when all are in range. Along `axis`, or
/// as rows of coordinates in the first dimensions.
Status checkIndices(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor indices, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor data, call.tensor(1));
  if (call.attributes->has("axis")) {
    const int64_t axis = call.attributes->getInt("axis", 0);
    JINX_TRY(checkElementIndices(call, data, indices, axis));
    JINX_TRY_ASSIGN([[maybe_unused]] const auto values, indicesInto(call, indices, data.dim(axis)));
  } else {
    JINX_TRY_ASSIGN([[maybe_unused]] const auto slices, sliceStarts(call, data, indices, 0));
  }
  call.outputs[0] = indices;
  return Status::ok();
}

Status tensorScatter(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor past, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor update, call.tensor(1));
  JINX_TRY(operands::sameType(call, past, "past_cache", update, "update"));
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", -2), past.rank()));
  if (axis == 0) return call.error("'axis' is 0, the batch dimension, expected another axis");
  const std::string mode = call.attributes->getString("mode", "linear");
  if (mode != "linear" && mode != "circular")
    return call.error("'mode' is '" + mode + "', expected 'linear' or 'circular'");
  Shape expected = past.shape();
  if (update.rank() == past.rank()) expected[static_cast<size_t>(axis)] = std::min(update.dim(axis), past.dim(axis));
  if (update.shape() != expected)
    return call.error("'update' is " + update.describe() + ", expected the shape of 'past_cache' " + past.describe() +
                      " with at most its extent in axis " + std::to_string(axis));
  std::vector<int64_t> writeAt(static_cast<size_t>(past.dim(0)), 0);
  if (call.has(2)) {
    JINX_TRY_ASSIGN(writeAt, operands::ints(call, 2, "write_indices"));
    if (static_cast<int64_t>(writeAt.size()) != past.dim(0))
      return call.error("'write_indices' has " + std::to_string(writeAt.size()) + " entries, expected " +
                        std::to_string(past.dim(0)) + ", the batch size");
  }
  const datamove::AxisView view(past.shape(), axis);
  const int64_t length = update.dim(axis);
  for (int64_t& start : writeAt) {
    if (mode == "circular" && view.extent > 0) start = (start % view.extent + view.extent) % view.extent;
    if (start < 0 || (mode == "linear" && start > view.extent - length))
      return call.error("'write_indices' holds " + std::to_string(start) + ", expected a value in [0, " +
                        std::to_string(view.extent - length) + "] for " + std::to_string(length) + " updates");
  }
  Scatter scatter(past, update, Reduction::kNone);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t s = 0; s < length; ++s) {
      const int64_t batch = o / (view.outer / past.dim(0));
      const int64_t at = (writeAt[static_cast<size_t>(batch)] + s) % view.extent;
      scatter.write((o * view.extent + at) * view.inner, (o * length + s) * view.inner, view.inner);
    }
  call.outputs[0] = scatter.result();
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "Gather", 1, gather},
    {"", "GatherElements", 11, gatherElements},
    {"", "GatherND", 11, gatherNd},
    {"", "Scatter", 9, scatterElements},
    {"", "ScatterElements", 11, scatterElements},
    {"", "ScatterND", 11, scatterNd},
    {"", "TensorScatter", 24, tensorScatter},
    {"jinx", "CheckIndices", 1, checkIndices},
};

} // namespace

std::span<const HostOpEntry> indexHostOps() {
  static const std::vector<HostOpEntry> rows = [] {
    std::vector<HostOpEntry> all(std::begin(kRows), std::end(kRows));
    const auto more = indexSelectHostOps();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

} // namespace jinx
