#include "tools/common/CollectiveValues.h"

#include <algorithm>

namespace jinx::tools {
namespace {

using comm::Op;

constexpr int64_t kMostValue = 100;

/// Up to here all whole numbers are in the type; 0 for types that are not measured.
int64_t exactUpTo(DType dtype) {
  switch (dtype) {
  case DType::kBF16:
    return 1 << 8;
  case DType::kF16:
    return 1 << 11;
  case DType::kF32:
  case DType::kF64:
  case DType::kI32:
  case DType::kI64:
    return 1 << 24;
  case DType::kI8:
    return 127;
  default:
    return 0;
  }
}

} // namespace

Expected<CollectiveValues> CollectiveValues::of(Op op, DType dtype, int64_t count, int place, int ranks) {
  constexpr Op kMeasured[] = {Op::kAllReduce, Op::kAllGather, Op::kReduceScatter,
                              Op::kAllToAll,  Op::kBroadcast, Op::kPermute};
  if (std::find(std::begin(kMeasured), std::end(kMeasured), op) == std::end(kMeasured))
    return invalidArgument("got " + std::string(nameOf(op)) +
                           ", expected a collective of all ranks with parts of one size");
  const int64_t most = std::min(kMostValue, exactUpTo(dtype) / ranks);
  if (most < 1)
    return invalidArgument("sums of " + std::to_string(ranks) + " ranks are not exact in " + std::string(name(dtype)) +
                           ", and cannot be checked; take a wider type");
  return CollectiveValues(op, dtype, count, place, ranks, static_cast<uint64_t>(most));
}

/// 0 to the most that may be; neighbours and ranks have nothing to do with each other (splitmix64).
int64_t CollectiveValues::value(int64_t rank, int64_t i) const {
  uint64_t x = static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(rank + 1) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return static_cast<int64_t>(((x >> 32) * numValues_) >> 32);
}

int64_t CollectiveValues::sum(int64_t i) const {
  int64_t sum = 0;
  for (int rank = 0; rank < ranks_; ++rank)
    sum += value(rank, i);
  return sum;
}

int64_t CollectiveValues::expected(int64_t i) const {
  const int64_t part = count_ > 0 ? i / count_ : 0, within = i - part * count_;
  switch (op_) {
  case Op::kAllReduce:
    return sum(i);
  case Op::kReduceScatter:
    return sum(place_ * count_ + i);
  case Op::kAllGather:
    return value(part, within);
  case Op::kAllToAll:
    return value(part, place_ * count_ + within);
  case Op::kPermute:
    return value((place_ + ranks_ - 1) % ranks_, i);
  default: // broadcast
    return value(0, i);
  }
}

std::vector<std::byte> CollectiveValues::input() const {
  const int64_t size = count_ * (op_ == Op::kReduceScatter || op_ == Op::kAllToAll ? ranks_ : 1);
  std::vector<std::byte> in(static_cast<size_t>(packedBytes(dtype_, size)));
  for (int64_t i = 0; i < size; ++i)
    storeFromInt(dtype_, in.data(), i, value(place_, i));
  return in;
}

std::optional<std::string> CollectiveValues::difference(const std::vector<std::byte>& out) const {
  const int64_t size = count_ * (op_ == Op::kAllGather || op_ == Op::kAllToAll ? ranks_ : 1);
  for (int64_t i = 0; i < size; ++i) {
    const double got = loadAsDouble(dtype_, out.data(), i);
    if (const int64_t right = expected(i); got != static_cast<double>(right))
      return "element " + std::to_string(i) + " of " + std::to_string(size) + " is " + std::to_string(got) +
             ", expected " + std::to_string(right);
  }
  return std::nullopt;
}

} // namespace jinx::tools
