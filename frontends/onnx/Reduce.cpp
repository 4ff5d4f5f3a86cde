// Reductions along axes.
#include "frontends/onnx/Handlers.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

/// The axes to reduce; empty: none. nullopt after declining.
std::optional<SmallVector<int64_t>> axesToReduce(Node &n) {
  Value x = n.in(0);
  bool known;
  auto axes = n.attrOrInput("axes", 1, &known);
  if (!known) {
    if (n.attrInt("keepdims", 1)) n.expectRank(0, n.rank(x), n.element(x));
    n.decline("the axes depend on data");
    return std::nullopt;
  }
  if (!axes || axes->empty()) {
    if (n.attrInt("noop_with_empty_axes", 0)) return SmallVector<int64_t>();
    return llvm::to_vector(llvm::seq<int64_t>(0, n.rank(x)));
  }
  auto normal = n.axesOf(*axes, n.rank(x));
  if (!normal) n.decline("an axis is out of range");
  return normal;
}

/// Drops the reduced dimensions unless the node keeps them.
bool giveReduced(Node &n, Value y, ArrayRef<int64_t> axes) {
  if (!y || n.attrInt("keepdims", 1)) return n.give(y);
  Sizes kept;
  for (auto [d, size] : llvm::enumerate(n.sizes(y)))
    if (!llvm::is_contained(axes, int64_t(d))) kept.push_back(size);
  return n.give(n.reshape(y, kept));
}

bool isOneBit(Node &n) { return n.element(n.in(0)).isInteger(1); }

template <ReduceKind kKind>
bool reduce(Node &n) {
  if (isOneBit(n)) return n.decline("elements are bool");
  auto axes = axesToReduce(n);
  return axes && giveReduced(n, n.reduce(kKind, n.in(0), *axes), *axes);
}

/// `Before` maps elements, then they are summed, then `After` maps sums.
template <typename Before, typename After>
bool summed(Node &n, Before before, After after) {
  auto axes = axesToReduce(n);
  return axes && giveReduced(n, after(n.sum(before(n.in(0)), *axes)), *axes);
}
bool onlyFloats(Node &n) { return n.isFloat(n.in(0)) ? true : n.decline("elements are integers"); }

bool reduceMean(Node &n) {
  auto axes = onlyFloats(n) ? axesToReduce(n) : std::nullopt;
  return axes && giveReduced(n, n.mean(n.in(0), *axes), *axes);
}
bool reduceL1(Node &n) {
  return summed(n, [&](Value x) { return n.abs(x); }, [](Value s) { return s; });
}
bool reduceL2(Node &n) {
  return onlyFloats(n) && summed(n, [&](Value x) { return n.square(x); }, [&](Value s) { return n.sqrt(s); });
}
bool reduceSumSquare(Node &n) {
  return summed(n, [&](Value x) { return n.square(x); }, [](Value s) { return s; });
}
bool reduceLogSum(Node &n) {
  return onlyFloats(n) && summed(n, [](Value x) { return x; }, [&](Value s) { return n.log(s); });
}

/// m + log(sum(exp(x - m))) with m the maximum, or 0 where that is infinite.
bool reduceLogSumExp(Node &n) {
  auto axes = onlyFloats(n) ? axesToReduce(n) : std::nullopt;
  if (!axes) return false;
  Value x = n.in(0), m = n.reduce(ReduceKind::max, x, *axes);
  Value isInfinite = n.compare(ComparePredicate::eq, n.abs(m), std::numeric_limits<double>::infinity());
  m = n.select(isInfinite, n.scalarLike(x, 0), m);
  return giveReduced(n, n.add(m, n.log(n.sum(n.exp(n.sub(x, m)), *axes))), *axes);
}

constexpr HandlerRow kRows[] = {
    {"", "ReduceSum", 1, kAnyOpset, reduce<ReduceKind::sum>},
    {"", "ReduceMax", 1, kAnyOpset, reduce<ReduceKind::max>},
    {"", "ReduceMin", 1, kAnyOpset, reduce<ReduceKind::min>},
    {"", "ReduceProd", 1, kAnyOpset, reduce<ReduceKind::prod>},
    {"", "ReduceMean", 1, kAnyOpset, reduceMean},
    {"", "ReduceL1", 1, kAnyOpset, reduceL1},
    {"", "ReduceL2", 1, kAnyOpset, reduceL2},
    {"", "ReduceSumSquare", 1, kAnyOpset, reduceSumSquare},
    {"", "ReduceLogSum", 1, kAnyOpset, reduceLogSum},
    {"", "ReduceLogSumExp", 1, kAnyOpset, reduceLogSumExp},
};

} // namespace

std::span<const HandlerRow> reduceHandlers() { return kRows; }

} // namespace jinx::frontends
