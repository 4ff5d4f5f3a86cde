#include "passes/Dist/ReshardPath.h"

#include <queue>

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {

StringRef nameOf(Move move) {
  switch (move) {
    case Move::kSlice: return "slice";
    case Move::kAllGather: return "all_gather";
    case Move::kAllToAll: return "all_to_all";
    case Move::kReduceScatter: return "reduce_scatter";
    case Move::kAllReduce: return "all_reduce";
    case Move::kPermute: return "permute";
  }
  return "";
}

int64_t ranksOf(ArrayRef<StringAttr> axes, MeshOp mesh) {
  int64_t ranks = 1;
  for (StringAttr axis : axes) ranks *= mesh.sizeOf(axis);
  return ranks;
}

graph::Sizes ownSizes(RankedTensorType type, MeshOp mesh) {
  graph::Sizes sizes = graph::sizesOf(type);
  for (auto [d, size] : llvm::enumerate(sizes)) {
    int64_t ranks = ranksOf(axesOf(type, d), mesh);
    if (ranks > 1) size = ceilDiv(size, ranks);
  }
  return sizes;
}

double ownBytes(RankedTensorType type, MeshOp mesh, int64_t symbol) {
  double bytes = std::max(1u, type.getElementTypeBitWidth() / 8);
  for (const SizeExpr &size : ownSizes(type, mesh)) bytes *= double(size.evaluate([&](std::string_view) { return std::optional(symbol); }).value_or(symbol));
  return bytes;
}

namespace {

class PathFinder {
 public:
  PathFinder(RankedTensorType from, RankedTensorType to, MeshOp mesh, const WireCost &cost) : from_(from), to_(to), mesh_(mesh), cost_(cost) {}

  Expected<std::vector<ReshardStep>> find() {
    llvm::DenseMap<Type, double> best{{from_, 0}};
    llvm::DenseMap<Type, ReshardStep> cameBy;
    llvm::DenseMap<Type, Type> cameFrom;
    using Entry = std::pair<double, int64_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
    SmallVector<RankedTensorType> known{from_};  // by number, so that equal costs are taken in the order in which they were found
    open.push({0, 0});
    while (!open.empty()) {
      auto [seconds, number] = open.top();
      open.pop();
      RankedTensorType at = known[number];
      if (at == to_) return pathTo(cameBy, cameFrom);
      if (seconds > best.lookup(at)) continue;
      for (ReshardStep &step : movesFrom(at)) {
        double total = seconds + step.seconds;
        auto [entry, isNew] = best.try_emplace(step.after, total);
        if (!isNew && entry->second <= total) continue;
        entry->second = total;
        cameFrom[step.after] = at;
        cameBy[step.after] = step;
        known.push_back(step.after);
        open.push({total, int64_t(known.size()) - 1});
      }
    }
    return invalidArgument("no moves lead from " + describe(statesOf(from_)) + " to " + describe(statesOf(to_)));
  }

 private:
  using Steps = std::vector<ReshardStep>;

  Steps pathTo(const llvm::DenseMap<Type, ReshardStep> &cameBy, const llvm::DenseMap<Type, Type> &cameFrom) const {
    Steps path;
    for (Type at = to_; at != from_; at = cameFrom.lookup(at)) path.push_back(cameBy.lookup(at));
    return Steps(path.rbegin(), path.rend());
  }

  bool divides(int64_t dim, int64_t ranks) const { return graph::sizesOf(from_)[dim].exactDivide(ranks).has_value(); }

  /// `type` whose dimension `dim` is split by `axes`, and whose axis `gone` has no other state.
  RankedTensorType with(RankedTensorType type, int64_t dim, ArrayRef<StringAttr> axes, ArrayRef<StringAttr> gone) const {
    States states;
    for (const AxisState &state : statesOf(type))
      if (!(state.kind == StateKind::shard && state.dim == dim) && !llvm::is_contained(gone, state.axis)) states.push_back(state);
    if (dim >= 0)
      for (StringAttr axis : axes) states.push_back(AxisState::shard(axis, dim));
    return withStates(inMeshOrder(type, states), states);
  }
  /// States that are no shards come in the mesh's order.
  RankedTensorType inMeshOrder(RankedTensorType type, States &states) const {
    llvm::stable_sort(states, [&](const AxisState &a, const AxisState &b) {
      bool other = a.kind != StateKind::shard && b.kind != StateKind::shard;
      return other && mesh_.placeOf(a.axis) < mesh_.placeOf(b.axis);
    });
    return type;
  }

  /// The axis that the goal has next on this dimension, behind those that are there; null where they are not the beginning of the goal's.
  StringAttr nextAxis(RankedTensorType at, int64_t dim) const {
    auto have = axesOf(at, dim), want = axesOf(to_, dim);
    if (have.size() >= want.size() || !std::equal(have.begin(), have.end(), want.begin())) return {};
    return want[have.size()];
  }
  /// Whether axes may come and go one by one on a dimension, or only all together.
  bool oneByOne(int64_t dim, RankedTensorType a, RankedTensorType b) const {
    return divides(dim, std::max(ranksOf(axesOf(a, dim), mesh_), ranksOf(axesOf(b, dim), mesh_)));
  }

  Steps movesFrom(RankedTensorType at) const {
    Steps steps;
    for (int64_t dim = 0; dim < at.getRank(); ++dim) {
      slices(at, dim, steps);
      gathers(at, dim, steps);
      permutes(at, dim, steps);
    }
    for (const AxisState &state : statesOf(at))
      if (state.kind == StateKind::partial) reductions(at, state, steps);
    return steps;
  }

  void slices(RankedTensorType at, int64_t dim, Steps &steps) const {
    StringAttr next = nextAxis(at, dim);
    if (!next) return;
    SmallVector<StringAttr> have = axesOf(at, dim), added{next};
    if (!oneByOne(dim, at, to_)) {
      if (!have.empty()) return;
      added = axesOf(to_, dim);
    }
    for (StringAttr axis : added)
      if (stateOf(at, axis).kind != StateKind::replicate) return;
    SmallVector<StringAttr> axes = have;
    axes.append(added);
    ReshardStep step{Move::kSlice, {}, dim};
    step.axes.assign(added.begin(), added.end());
    step.after = with(at, dim, axes, {});
    step.seconds = cost_.latencySeconds / 100;  // memory, not the wire
    steps.push_back(step);
  }

  void gathers(RankedTensorType at, int64_t dim, Steps &steps) const {
    SmallVector<StringAttr> have = axesOf(at, dim);
    if (have.empty()) return;
    bool single = oneByOne(dim, at, at);
    for (size_t count : {size_t(1), have.size()}) {
      if (count == 1 && have.size() > 1 && !single) continue;
      SmallVector<StringAttr> left(have.begin(), have.end() - count), gone(have.end() - count, have.end());
      ReshardStep step{Move::kAllGather, {}, dim};
      step.axes.assign(gone.begin(), gone.end());
      step.after = with(at, dim, left, gone);
      double part = ownBytes(at, mesh_, cost_.symbol);
      addWire(step, part * double(ranksOf(gone, mesh_) - 1), steps);
      if (have.size() == 1) break;
    }
    if (have.size() > 1 && !single) return;
    // The minor axis may go to another dimension instead.
    StringAttr axis = have.back();
    for (int64_t other = 0; other < at.getRank(); ++other) {
      if (other == dim || nextAxis(at, other) != axis || (!axesOf(to_, other).empty() && axesOf(to_, other).size() > 1 && !oneByOne(other, at, to_))) continue;
      SmallVector<StringAttr> target = axesOf(at, other);
      target.push_back(axis);
      SmallVector<StringAttr> left(have.begin(), have.end() - 1);
      ReshardStep step{Move::kAllToAll, {axis}, dim, other};
      RankedTensorType gathered = with(at, dim, left, {axis});
      step.after = with(gathered, other, target, {});
      int64_t n = mesh_.sizeOf(axis);
      addWire(step, ownBytes(at, mesh_, cost_.symbol) * double(n - 1) / double(n), steps);
    }
  }

  /// An axis hands its parts to another of as many ranks, which has nothing of the value yet.
  void permutes(RankedTensorType at, int64_t dim, Steps &steps) const {
    SmallVector<StringAttr> have = axesOf(at, dim), want = axesOf(to_, dim);
    if (have.size() != want.size()) return;
    for (size_t i = 0; i < have.size(); ++i) {
      if (have[i] == want[i] || mesh_.sizeOf(have[i]) != mesh_.sizeOf(want[i]) || stateOf(at, want[i]).kind != StateKind::replicate) continue;
      SmallVector<StringAttr> axes = have;
      axes[i] = want[i];
      ReshardStep step{Move::kPermute, {have[i], want[i]}, dim};
      step.after = with(at, dim, axes, {});
      addWire(step, ownBytes(at, mesh_, cost_.symbol), steps);
    }
  }

  void reductions(RankedTensorType at, const AxisState &state, Steps &steps) const {
    int64_t n = mesh_.sizeOf(state.axis);
    double bytes = ownBytes(at, mesh_, cost_.symbol);
    ReshardStep reduce{Move::kAllReduce, {state.axis}};
    reduce.reduction = state.reduction;
    reduce.after = with(at, -1, {}, {state.axis});
    addWire(reduce, 2 * bytes * double(n - 1) / double(n), steps);
    for (int64_t dim = 0; dim < at.getRank(); ++dim) {
      if (nextAxis(at, dim) != state.axis || (axesOf(to_, dim).size() > 1 && !oneByOne(dim, at, to_))) continue;
      SmallVector<StringAttr> axes = axesOf(at, dim);
      axes.push_back(state.axis);
      ReshardStep step{Move::kReduceScatter, {state.axis}, dim};
      step.reduction = state.reduction;
      step.after = with(with(at, -1, {}, {state.axis}), dim, axes, {});
      addWire(step, bytes * double(n - 1) / double(n), steps);
    }
  }

  void addWire(ReshardStep step, double bytes, Steps &steps) const {
    step.bytes = bytes;
    step.seconds = cost_.latencySeconds + bytes / cost_.bytesPerSecond;
    steps.push_back(std::move(step));
  }

  RankedTensorType from_, to_;
  mutable MeshOp mesh_;  // a handle: asking it changes nothing
  WireCost cost_;
};

}  // namespace

Expected<std::vector<ReshardStep>> cheapestPath(RankedTensorType from, RankedTensorType to, MeshOp mesh, const WireCost &cost) {
  return PathFinder(from, to, mesh, cost).find();
}

}  // namespace jinx::passes
