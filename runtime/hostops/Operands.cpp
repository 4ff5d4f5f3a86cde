#include "runtime/hostops/Operands.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace jinx::operands {
namespace {

/// Beyond this a size cannot be meant: 256 TiB.
constexpr int64_t kMaxBytes = int64_t{1} << 48;

std::string quoted(std::string_view what) { return "'" + std::string(what) + "'"; }

} // namespace

void give(HostOpCall& call, size_t i, Tensor value) {
  if (i < call.outputs.size()) call.outputs[i] = std::move(value);
}

Expected<int64_t> axis(const HostOpCall& call, int64_t axis, int64_t rank, std::string_view what) {
  if (axis < -rank || axis >= rank)
    return call.error(quoted(what) + " is " + std::to_string(axis) + ", expected a value in [" + std::to_string(-rank) +
                      ", " + std::to_string(rank) + ")");
  return axis < 0 ? axis + rank : axis;
}

Expected<std::vector<int64_t>> axes(const HostOpCall& call, std::vector<int64_t> axes, int64_t rank,
                                    std::string_view what) {
  std::vector<bool> seen(static_cast<size_t>(rank), false);
  for (int64_t& a : axes) {
    JINX_TRY_ASSIGN(a, axis(call, a, rank, what));
    if (seen[static_cast<size_t>(a)]) return call.error(quoted(what) + " names axis " + std::to_string(a) + " twice");
    seen[static_cast<size_t>(a)] = true;
  }
  return axes;
}

Status checkParts(const HostOpCall& call, const std::vector<int64_t>& lengths, int64_t extent) {
  int64_t left = extent;
  for (int64_t length : lengths) {
    if (length < 0 || length > left)
      return call.error("'split' has a part of length " + std::to_string(length) + ", expected a value in [0, " +
                        std::to_string(left) + "]");
    left -= length;
  }
  if (left == 0) return Status::ok();
  return call.error("'split' sums to " + std::to_string(extent - left) + ", expected " + std::to_string(extent) +
                    ", the extent of the axis");
}

Expected<std::vector<int64_t>> ints(const HostOpCall& call, size_t i, std::string_view what) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(i));
  if (!isInteger(x.dtype())) return call.error(quoted(what) + " is " + x.describe() + ", expected integers");
  return x.toInts();
}

Expected<std::vector<int64_t>> optionalInts(const HostOpCall& call, size_t i, std::string_view what) {
  if (!call.has(i)) return std::vector<int64_t>();
  return ints(call, i, what);
}

Expected<int64_t> scalarInt(const HostOpCall& call, size_t i, std::string_view what) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(i));
  if (!isInteger(x.dtype()) || x.size() != 1)
    return call.error(quoted(what) + " is " + x.describe() + ", expected one integer");
  return x.getInt(0);
}

Expected<double> scalarDouble(const HostOpCall& call, size_t i, std::string_view what) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(i));
  if (!(isFloat(x.dtype()) || isInteger(x.dtype())) || x.size() != 1)
    return call.error(quoted(what) + " is " + x.describe() + ", expected one number");
  return x.getDouble(0);
}

Expected<std::optional<std::vector<int64_t>>> axesOperand(const HostOpCall& call, size_t i) {
  if (call.has(i)) {
    JINX_TRY_ASSIGN(std::vector<int64_t> list, ints(call, i, "axes"));
    return std::optional(std::move(list));
  }
  if (call.attributes->has("axes")) return std::optional(call.attributes->getInts("axes"));
  return std::optional<std::vector<int64_t>>();
}

bool isReal(DType type) { return isFloat(type) || isInteger(type) || type == DType::kBool; }

Status realNumbers(const HostOpCall& call, const Tensor& x, std::string_view what) {
  if (x.valid() && isReal(x.dtype())) return Status::ok();
  return call.error(quoted(what) + " is " + (x.valid() ? x.describe() : "no tensor") + ", expected real numbers");
}

Status sameType(const HostOpCall& call, const Tensor& a, std::string_view whatA, const Tensor& b,
                std::string_view whatB) {
  if (a.dtype() == b.dtype()) return Status::ok();
  return call.error(quoted(whatB) + " is " + b.describe() + ", expected the element type of " + quoted(whatA) + ", " +
                    std::string(name(a.dtype())));
}

Status checkSize(const HostOpCall& call, DType type, const Shape& shape, std::string_view what) {
  const int64_t elementBytes =
      type == DType::kString ? static_cast<int64_t>(sizeof(std::string)) : std::max(bitWidth(type) / 8, 1);
  int64_t room = kMaxBytes / elementBytes; // for an empty tensor too: strides multiply the extents that are not 0
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0)
      return call.error("extent " + std::to_string(i) + " of " + quoted(what) + " is " + std::to_string(shape[i]) +
                        ", expected a value >= 0");
    if (shape[i] > room)
      return call.error(quoted(what) + " would have the shape " + toString(shape) +
                        ", expected a size that fits in memory");
    room /= std::max<int64_t>(shape[i], 1);
  }
  return Status::ok();
}

Expected<Tensor> allocate(const HostOpCall& call, DType type, Shape shape, std::string_view what) {
  JINX_TRY(checkSize(call, type, shape, what));
  return Tensor::make(type, std::move(shape));
}

Expected<Shape> broadcast(const HostOpCall& call, const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (size_t k = 1; k <= out.size(); ++k) {
    const int64_t da = k <= a.size() ? a[a.size() - k] : 1;
    const int64_t db = k <= b.size() ? b[b.size() - k] : 1;
    if (da != db && da != 1 && db != 1)
      return call.error("shapes " + toString(a) + " and " + toString(b) + " do not broadcast, got extents " +
                        std::to_string(da) + " and " + std::to_string(db) + " in dimension " +
                        std::to_string(out.size() - k));
    out[out.size() - k] = da == 1 ? db : da;
  }
  return out;
}

Shape broadcastStrides(const Shape& from, const Shape& to) {
  const Shape own = rowMajorStrides(from);
  Shape strides(to.size(), 0);
  for (size_t k = 1; k <= from.size(); ++k)
    strides[to.size() - k] = from[from.size() - k] == 1 ? 0 : own[from.size() - k];
  return strides;
}

std::vector<double> toDoubles(const Tensor& x) {
  std::vector<double> values(static_cast<size_t>(x.size()));
  if (x.dtype() == DType::kF32) {
    std::copy_n(x.as<float>(), values.size(), values.begin());
  } else if (x.dtype() == DType::kF64) {
    std::copy_n(x.as<double>(), values.size(), values.begin());
  } else {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = x.getDouble(static_cast<int64_t>(i));
  }
  return values;
}

double roundAndClamp(double value, DType type) {
  if (type == DType::kBool) return value != 0;
  if (!isInteger(type)) return value;
  if (std::isnan(value)) return 0;
  const int bits = bitWidth(type);
  const double high = std::ldexp(1.0, isSigned(type) ? bits - 1 : bits); // one above the largest value
  const double low = isSigned(type) ? -high : 0;
  const double rounded = std::nearbyint(value);
  if (rounded < low) return low;
  // 2^63 and 2^64 are doubles, the integers just below them are not: the largest double below is the clamp for 64-bit
  // types.
  if (rounded >= high) return bits > 53 ? std::nextafter(high, 0) : high - 1;
  return rounded;
}

Tensor fromDoubles(const std::vector<double>& values, DType type, Shape shape, IntegerRounding rounding) {
  Tensor y = Tensor::make(type, std::move(shape));
  if (type == DType::kF32) {
    std::transform(values.begin(), values.end(), y.as<float>(), [](double v) { return static_cast<float>(v); });
    return y;
  }
  for (size_t i = 0; i < values.size(); ++i)
    y.setDouble(static_cast<int64_t>(i),
                rounding == IntegerRounding::kRoundAndClamp ? roundAndClamp(values[i], type) : values[i]);
  return y;
}

Tensor asRealPairs(const Tensor& x) {
  if (!isComplex(x.dtype())) return x;
  Shape shape = x.shape();
  shape.push_back(2);
  return Tensor::wrap(x.dtype() == DType::kC64 ? DType::kF32 : DType::kF64, std::move(shape),
                      const_cast<void*>(x.data()), x.storage());
}

} // namespace jinx::operands
