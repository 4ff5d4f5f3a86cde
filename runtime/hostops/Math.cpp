// Joins the math family and adds what takes more than two operands: Max, Min, Sum, Mean, Clip and Where.
#include "runtime/hostops/Math.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "runtime/hostops/Elementwise.h"

namespace jinx {
namespace {

/// All inputs, of one type, and the shape they broadcast to.
struct Variadic {
  std::vector<Tensor> inputs;
  Shape shape;
};

Expected<Variadic> variadicOperands(const HostOpCall& call) {
  Variadic all;
  JINX_TRY_ASSIGN(Tensor first, operand(call, 0, Kind::kNumber));
  all.shape = first.shape();
  all.inputs.push_back(first);
  for (size_t i = 1; i < call.inputs.size(); ++i) {
    JINX_TRY_ASSIGN(Tensor t, operandLike(call, i, first.dtype()));
    auto shape = broadcastShapes(all.shape, t.shape());
    if (!shape) return call.error("input " + std::to_string(i) + ": " + shape.status().message());
    all.shape = *shape;
    all.inputs.push_back(t);
  }
  return all;
}

/// Folds the inputs with `op` in the compute type, then applies `finish(value, number of inputs)`.
template <typename Op, typename Finish>
Status foldInputs(HostOpCall& call, Op op, Finish finish) {
  JINX_TRY_ASSIGN(Variadic all, variadicOperands(call));
  Tensor y = Tensor::make(all.inputs[0].dtype(), all.shape);
  withNumber(y.dtype(), [&](auto access) {
    std::vector<typename decltype(access)::Compute> folded(static_cast<size_t>(y.size()));
    bool first = true;
    for (const Tensor& t : all.inputs) {
      const void* data = t.data();
      broadcastWalk(all.shape, t.shape()).forEach([&](int64_t at, auto from) {
        const auto value = access.load(data, from[0]);
        folded[at] = first ? value : op(folded[at], value);
      });
      first = false;
    }
    for (int64_t i = 0; i < y.size(); ++i)
      access.store(y.data(), i, finish(folded[i], all.inputs.size()));
  });
  call.outputs[0] = y;
  return Status::ok();
}

template <typename T>
bool isNan(T x) {
  return x != x;
}

/// NaN wins, as in numpy.
struct Larger {
  template <typename T>
  T operator()(T a, T b) const {
    return isNan(a) || a > b ? a : b;
  }
};
struct Smaller {
  template <typename T>
  T operator()(T a, T b) const {
    return isNan(a) || a < b ? a : b;
  }
};
struct Plus {
  double operator()(double a, double b) const { return a + b; }
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};

constexpr auto kUnchanged = [](auto value, size_t) { return value; };

Status maxOp(HostOpCall& call) { return foldInputs(call, Larger(), kUnchanged); }
Status minOp(HostOpCall& call) { return foldInputs(call, Smaller(), kUnchanged); }
Status sumOp(HostOpCall& call) { return foldInputs(call, Plus(), kUnchanged); }
Status meanOp(HostOpCall& call) {
  return foldInputs(call, Plus(), [](auto sum, size_t count) { return sum / static_cast<decltype(sum)>(count); });
}

/// max(min(x, high), low) in effect, but high wins where low > high, and NaN stays.
template <typename Access, typename T>
void clipInto(Access access, const Tensor& x, Tensor& y, const T* low, const T* high) {
  for (int64_t i = 0; i < x.size(); ++i) {
    T value = access.load(x.data(), i);
    if (low && value < *low) value = *low;
    if (high && value > *high) value = *high;
    access.store(y.data(), i, value);
  }
}

/// Bounds as attributes, before opset 11.
Status clipAttributes(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kFloat));
  Tensor y = Tensor::make(x.dtype(), x.shape());
  const double low = call.attributes->getFloat("min", 0), high = call.attributes->getFloat("max", 0);
  withFloat(x.dtype(), [&](auto access) {
    clipInto(access, x, y, call.attributes->has("min") ? &low : nullptr, call.attributes->has("max") ? &high : nullptr);
  });
  call.outputs[0] = y;
  return Status::ok();
}

Status clipInputs(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kNumber));
  Tensor bounds[2];
  for (size_t i : {0, 1}) {
    if (!call.has(i + 1)) continue;
    JINX_TRY_ASSIGN(bounds[i], operandLike(call, i + 1, x.dtype()));
    if (bounds[i].size() != 1)
      return call.error(std::string(i ? "max" : "min") + " is " + bounds[i].describe() + ", expected a scalar");
  }
  Tensor y = Tensor::make(x.dtype(), x.shape());
  withNumber(x.dtype(), [&](auto access) {
    typename decltype(access)::Compute values[2] = {};
    for (size_t i : {0, 1})
      if (bounds[i].valid()) values[i] = access.load(bounds[i].data(), 0);
    clipInto(access, x, y, bounds[0].valid() ? &values[0] : nullptr, bounds[1].valid() ? &values[1] : nullptr);
  });
  call.outputs[0] = y;
  return Status::ok();
}

/// Whole elements of any type, so by their width only.
template <typename Element, typename Walk>
void select(const Tensor& condition, const Tensor& a, const Tensor& b, Tensor& y, const Walk& walk) {
  const uint8_t* pick = condition.as<uint8_t>();
  const Element *pa = a.as<Element>(), *pb = b.as<Element>();
  Element* py = y.as<Element>();
  walk.forEach([&](int64_t at, auto from) { py[at] = pick[from[0]] ? pa[from[1]] : pb[from[2]]; });
}

Status whereOp(HostOpCall& call) {
  struct Sixteen {
    uint64_t halves[2];
  };
  JINX_TRY_ASSIGN(Tensor condition, operand(call, 0, Kind::kBool));
  JINX_TRY_ASSIGN(Tensor a, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(2));
  if (a.dtype() != b.dtype())
    return call.error("input 2 is " + b.describe() + ", expected " + std::string(name(a.dtype())) +
                      " (the element type of input 1)");
  auto shape = broadcastShapes(a.shape(), b.shape());
  if (shape) shape = broadcastShapes(*shape, condition.shape());
  if (!shape) return call.error(shape.status().message());
  Tensor y = Tensor::make(a.dtype(), *shape);
  const auto walk = broadcastWalk(*shape, condition.shape(), a.shape(), b.shape());
  switch (a.dtype() == DType::kString ? 0 : bitWidth(a.dtype())) {
  case 0:
    select<std::string>(condition, a, b, y, walk);
    break;
  case 8:
    select<uint8_t>(condition, a, b, y, walk);
    break;
  case 16:
    select<uint16_t>(condition, a, b, y, walk);
    break;
  case 32:
    select<uint32_t>(condition, a, b, y, walk);
    break;
  case 64:
    select<uint64_t>(condition, a, b, y, walk);
    break;
  case 128:
    select<Sixteen>(condition, a, b, y, walk);
    break;
  default: // sub-byte types, through their codes
    if (isFloat(a.dtype())) {
      walk.forEach([&](int64_t at, auto from) {
        y.setDouble(at, condition.getInt(from[0]) ? a.getDouble(from[1]) : b.getDouble(from[2]));
      });
    } else {
      walk.forEach([&](int64_t at, auto from) {
        y.setInt(at, condition.getInt(from[0]) ? a.getInt(from[1]) : b.getInt(from[2]));
      });
    }
  }
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "Max", 1, maxOp},     {"", "Min", 1, minOp},           {"", "Sum", 1, sumOp},        {"", "Mean", 1, meanOp},
    {"", "Where", 9, whereOp}, {"", "Clip", 1, clipAttributes}, {"", "Clip", 11, clipInputs},
};

std::vector<HostOpEntry> joined() {
  std::vector<HostOpEntry> rows(std::begin(kRows), std::end(kRows));
  for (auto part : {unaryMathRows(), binaryMathRows()})
    rows.insert(rows.end(), part.begin(), part.end());
  return rows;
}

} // namespace

std::span<const HostOpEntry> mathHostOps() {
  static const std::vector<HostOpEntry> rows = joined();
  return rows;
}

} // namespace jinx
