// Reductions over axes, ArgMax and ArgMin, running sums and products.
//
// A reduction is three formulas: what an element contributes (`lift`), how contributions join (`join`, from `start`),
// and what becomes of the total (`finish`). They run in double for floats and exactly, modulo 2^64, for integers. When
// no axis is reduced (noop_with_empty_axes) `lift` and `finish` still apply: ReduceSumSquare then gives squares.
#include <cmath>
#include <limits>
#include <type_traits>

#include "runtime/hostops/Elementwise.h"
#include "runtime/hostops/Lanes.h"

namespace jinx {
namespace {

/// Which dimensions are reduced, and the shapes with these as extent 1 and with them as the op asks.
struct Axes {
  std::vector<bool> reduced;
  Shape kept;
  Shape out;
  int64_t count = 1; ///< elements that join into one
};

Expected<Axes> resolveAxes(const HostOpCall& call, const Tensor& x, const std::vector<int64_t>& listed) {
  Axes axes;
  const bool all = listed.empty() && !call.attributes->getInt("noop_with_empty_axes", 0);
  axes.reduced.assign(static_cast<size_t>(x.rank()), all);
  for (int64_t axis : listed) {
    JINX_TRY_ASSIGN(int64_t d, normalizedAxis(call, axis, x.rank()));
    axes.reduced[d] = true;
  }
  const bool keep = call.attributes->getInt("keepdims", 1);
  for (int64_t d = 0; d < x.rank(); ++d) {
    if (axes.reduced[d]) axes.count *= x.dim(d);
    axes.kept.push_back(axes.reduced[d] ? 1 : x.dim(d));
    if (!axes.reduced[d] || keep) axes.out.push_back(axes.kept.back());
  }
  return axes;
}

/// Axes come from the attribute or, newer, from input 1: whichever the node has.
Expected<Axes> axesOf(const HostOpCall& call, const Tensor& x) {
  if (!call.has(1)) return resolveAxes(call, x, call.attributes->getInts("axes"));
  JINX_TRY_ASSIGN(Tensor listed, call.tensor(1));
  if (!isInteger(listed.dtype())) return call.error("axes is " + listed.describe() + ", expected i64");
  return resolveAxes(call, x, listed.toInts());
}

/// Calls `f(index in x, index in the result)` for every element of x.
template <typename F>
void forEachContribution(const Tensor& x, const Axes& axes, F f) {
  broadcastWalk(x.shape(), axes.kept).forEach([&](int64_t at, auto to) { f(at, to[0]); });
}

/// Formula: start<T>(DType) -> T, lift(T) -> T, join(T, T) -> T, finish(T, count) -> T, for T = double, int64_t,
/// uint64_t.
template <typename Formula>
Status reduce(HostOpCall& call, Kind kind, Formula formula) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, kind));
  JINX_TRY_ASSIGN(Axes axes, axesOf(call, x));
  Tensor y = Tensor::make(x.dtype(), axes.out);
  withNumber(x.dtype(), [&](auto access) {
    using T = typename decltype(access)::Compute;
    std::vector<T> total(static_cast<size_t>(y.size()), formula.template start<T>(x.dtype()));
    const void* data = x.data();
    forEachContribution(x, axes, [&](int64_t from, int64_t to) {
      total[to] = formula.join(total[to], formula.lift(access.load(data, from)));
    });
    for (int64_t i = 0; i < y.size(); ++i)
      access.store(y.data(), i, formula.finish(total[i], axes.count));
  });
  call.outputs[0] = y;
  return Status::ok();
}

double plus(double a, double b) { return a + b; }
int64_t plus(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }
uint64_t plus(uint64_t a, uint64_t b) { return a + b; }
double times(double a, double b) { return a * b; }
int64_t times(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
uint64_t times(uint64_t a, uint64_t b) { return a * b; }

struct Sum {
  template <typename T>
  T start(DType) const {
    return T(0);
  }
  template <typename T>
  T lift(T x) const {
    return x;
  }
  template <typename T>
  T join(T a, T b) const {
    return plus(a, b);
  }
  template <typename T>
  T finish(T total, int64_t) const {
    return total;
  }
};
struct Mean : Sum {
  double finish(double total, int64_t count) const { return total / static_cast<double>(count); }
  template <typename T>
  T finish(T total, int64_t count) const {
    return count == 0 ? T(0) : total / static_cast<T>(count);
  }
};
struct SumSquare : Sum {
  template <typename T>
  T lift(T x) const {
    return times(x, x);
  }
};
struct L1 : Sum {
  template <typename T>
  T lift(T x) const {
    return x < T(0) ? plus(static_cast<T>(~static_cast<uint64_t>(x)), T(1)) : x;
  }
  double lift(double x) const { return std::fabs(x); }
};
struct L2 : SumSquare {
  template <typename T>
  T finish(T total, int64_t) const {
    return static_cast<T>(std::sqrt(static_cast<double>(total)));
  }
};
struct LogSum : Sum {
  double finish(double total, int64_t) const { return std::log(total); }
  template <typename T>
  T finish(T total, int64_t) const {
    return total == 0 ? std::numeric_limits<T>::min() : static_cast<T>(std::log(static_cast<double>(total)));
  }
};
struct Prod : Sum {
  template <typename T>
  T start(DType) const {
    return T(1);
  }
  template <typename T>
  T join(T a, T b) const {
    return times(a, b);
  }
};

/// The ends of an integer type's range; bool counts as 0 to 1.
int64_t lowestOf(DType type) { return isSigned(type) ? -(int64_t{1} << (bitWidth(type) - 2)) * 2 : 0; }
uint64_t highestOf(DType type) {
  if (type == DType::kBool) return 1;
  const int bits = bitWidth(type) - isSigned(type);
  return ~uint64_t{0} >> (64 - bits);
}

/// NaN wins; nothing at all gives the lowest (highest) value of the type, -inf (inf) for floats.
struct Largest : Sum {
  template <typename T>
  T start(DType type) const {
    if constexpr (std::is_same_v<T, double>)
      return -std::numeric_limits<double>::infinity();
    else
      return static_cast<T>(lowestOf(type));
  }
  template <typename T>
  T join(T a, T b) const {
    return a != a || a > b ? a : b;
  }
};
struct Smallest : Sum {
  template <typename T>
  T start(DType type) const {
    if constexpr (std::is_same_v<T, double>)
      return std::numeric_limits<double>::infinity();
    else
      return static_cast<T>(highestOf(type));
  }
  template <typename T>
  T join(T a, T b) const {
    return a != a || a < b ? a : b;
  }
};

Status reduceSumOp(HostOpCall& call) { return reduce(call, Kind::kNumber, Sum()); }
Status reduceMeanOp(HostOpCall& call) { return reduce(call, Kind::kNumber, Mean()); }
Status reduceProdOp(HostOpCall& call) { return reduce(call, Kind::kNumber, Prod()); }
Status reduceL1Op(HostOpCall& call) { return reduce(call, Kind::kNumber, L1()); }
Status reduceL2Op(HostOpCall& call) { return reduce(call, Kind::kNumber, L2()); }
Status reduceSumSquareOp(HostOpCall& call) { return reduce(call, Kind::kNumber, SumSquare()); }
Status reduceLogSumOp(HostOpCall& call) { return reduce(call, Kind::kNumber, LogSum()); }
Status reduceMaxOp(HostOpCall& call) { return reduce(call, Kind::kNumberOrBool, Largest()); }
Status reduceMinOp(HostOpCall& call) { return reduce(call, Kind::kNumberOrBool, Smallest()); }

/// log(sum(exp(x))) with the largest element taken out of the sum first.
Status reduceLogSumExpOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kNumber));
  JINX_TRY_ASSIGN(Axes axes, axesOf(call, x));
  Tensor y = Tensor::make(x.dtype(), axes.out);
  const size_t size = static_cast<size_t>(y.size());
  std::vector<double> top(size, -std::numeric_limits<double>::infinity()), sum(size, 0);
  forEachContribution(x, axes, [&](int64_t from, int64_t to) { top[to] = Largest().join(top[to], x.getDouble(from)); });
  for (double& t : top)
    if (std::isinf(t)) t = 0; // inf - inf would be NaN
  forEachContribution(x, axes, [&](int64_t from, int64_t to) { sum[to] += std::exp(x.getDouble(from) - top[to]); });
  for (int64_t i = 0; i < y.size(); ++i)
    y.setDouble(i, std::log(sum[i]) + top[i]);
  call.outputs[0] = y;
  return Status::ok();
}

/// The index of the first (or last) best element of each lane; the first NaN is better than any number, as in numpy.
template <typename Better>
Status argBest(HostOpCall& call, Better better) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kNumber));
  Shape shape = x.rank() == 0 ? Shape{1} : x.shape();
  JINX_TRY_ASSIGN(int64_t axis,
                  normalizedAxis(call, call.attributes->getInt("axis", 0), static_cast<int64_t>(shape.size())));
  const bool last = call.attributes->getInt("select_last_index", 0);
  Shape out = x.shape();
  if (x.rank() > 0) {
    if (shape[axis] == 0 &&
        numElements(Shape(out.begin(), out.begin() + axis)) * numElements(Shape(out.begin() + axis + 1, out.end())) > 0)
      return call.error("dimension " + std::to_string(axis) + " of input 0 is 0, expected at least 1");
    if (call.attributes->getInt("keepdims", 1))
      out[axis] = 1;
    else
      out.erase(out.begin() + axis);
  }
  Tensor y = Tensor::make(DType::kI64, out);
  int64_t next = 0;
  withNumber(x.dtype(), [&](auto access) {
    forEachLane(shape, axis, [&](int64_t start, int64_t stride, int64_t count) {
      int64_t best = 0;
      auto bestValue = access.load(x.data(), start);
      for (int64_t i = 1; i < count; ++i) {
        const auto value = access.load(x.data(), start + i * stride);
        const bool isNan = value != value, bestIsNan = bestValue != bestValue;
        const bool wins = bestIsNan || isNan ? isNan && (!bestIsNan || last)
                                             : better(value, bestValue) || (last && value == bestValue);
        if (wins) best = i, bestValue = value;
      }
      y.setInt(next++, best);
    });
  });
  call.outputs[0] = y;
  return Status::ok();
}

Status argMaxOp(HostOpCall& call) {
  return argBest(call, [](auto a, auto b) { return a > b; });
}
Status argMinOp(HostOpCall& call) {
  return argBest(call, [](auto a, auto b) { return a < b; });
}

/// Running totals along an axis, from either end, with or without the element itself.
template <typename Formula>
Status cumulate(HostOpCall& call, Formula formula) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kNumber));
  JINX_TRY_ASSIGN(Tensor axisTensor, operand(call, 1, Kind::kInteger));
  if (axisTensor.size() != 1) return call.error("axis is " + axisTensor.describe() + ", expected a scalar");
  JINX_TRY_ASSIGN(int64_t axis, normalizedAxis(call, axisTensor.getInt(0), x.rank()));
  const bool exclusive = call.attributes->getInt("exclusive", 0), reverse = call.attributes->getInt("reverse", 0);
  Tensor y = Tensor::make(x.dtype(), x.shape());
  withNumber(x.dtype(), [&](auto access) {
    using T = typename decltype(access)::Compute;
    forEachLane(x.shape(), axis, [&](int64_t start, int64_t stride, int64_t count) {
      T total = formula.template start<T>(x.dtype());
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = start + (reverse ? count - 1 - i : i) * stride;
        const T value = access.load(x.data(), at);
        const T joined = formula.join(total, value);
        access.store(y.data(), at, exclusive ? total : joined);
        total = joined;
      }
    });
  });
  call.outputs[0] = y;
  return Status::ok();
}

Status cumSumOp(HostOpCall& call) { return cumulate(call, Sum()); }
Status cumProdOp(HostOpCall& call) { return cumulate(call, Prod()); }

constexpr HostOpEntry kRows[] = {
    {"", "ReduceSum", 1, reduceSumOp},
    {"", "ReduceMean", 1, reduceMeanOp},
    {"", "ReduceProd", 1, reduceProdOp},
    {"", "ReduceL1", 1, reduceL1Op},
    {"", "ReduceL2", 1, reduceL2Op},
    {"", "ReduceSumSquare", 1, reduceSumSquareOp},
    {"", "ReduceLogSum", 1, reduceLogSumOp},
    {"", "ReduceLogSumExp", 1, reduceLogSumExpOp},
    {"", "ReduceMax", 1, reduceMaxOp},
    {"", "ReduceMin", 1, reduceMinOp},
    {"", "ArgMax", 1, argMaxOp},
    {"", "ArgMin", 1, argMinOp},
    {"", "CumSum", 11, cumSumOp},
    {"", "CumProd", 26, cumProdOp},
};

} // namespace

std::span<const HostOpEntry> reduceHostOps() { return kRows; }

} // namespace jinx
