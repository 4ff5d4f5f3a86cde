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

States inMeshOrder(ArrayRef<AxisState> states, MeshOp mesh) {
  States shards, others;
  for (const AxisState &state : states) (state.kind == StateKind::shard ? shards : others).push_back(state);
  llvm::stable_sort(others, [&](const AxisState &a, const AxisState &b) { return mesh.placeOf(a.axis) < mesh.placeOf(b.axis); });
  shards.append(others);
  return shards;
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
  double bytes = bytesOfElement(type.getElementType());
  for (const SizeExpr &size : ownSizes(type, mesh)) bytes *= double(size.evaluate([&](std::string_view) { return std::optional(symbol); }).value_or(symbol));
  return bytes;
}

namespace {

constexpr double kSliceSeconds = 1e-7;  // of one however small

class PathFinder {
 public:
  PathFinder(RankedTensorType from, RankedTensorType to, MeshOp mesh, MeshCosts &costs) : mesh_(mesh), costs_(costs) {
    from_ = withStates(from, inMeshOrder(statesOf(from), mesh));
    to_ = withStates(to, inMeshOrder(statesOf(to), mesh));
  }

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
    return withStates(type, inMeshOrder(states, mesh_));
  }
  /// The axis that the goal has next on this dimension, behind those that are there; null where they are not the beginning of the goal's.
  StringAttr nextAxis(RankedTensorType at, int64_t dim) const {
    auto have = axesOf(at, dim), want = axesOf(to_, dim);
    if (have.size() >= want.size() || !std::equal(have.begin(), have.end(), want.begin())) return {};
    return want[have.size()];
  }
  /// Whether these axes are what the goal has next on the dimension, and may come there: one by one, or all together.
  bool isNext(RankedTensorType at, int64_t dim, ArrayRef<StringAttr> axes) const {
    auto have = axesOf(at, dim), want = axesOf(to_, dim);
    SmallVector<StringAttr> after(have);
    after.append(axes.begin(), axes.end());
    if (after.size() > want.size() || !std::equal(after.begin(), after.end(), want.begin())) return false;
    return oneByOne(dim, at, to_) || (have.empty() && after.size() == want.size() && mayFillUp(at));
  }
  /// Zeros fill up; parts of a product take none.
  static bool mayFillUp(RankedTensorType type) {
    return llvm::none_of(statesOf(type), [](const AxisState &state) { return state.kind == StateKind::partial && state.reduction == graph::ReduceKind::prod; });
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
    reductions(at, steps);
    return steps;
  }

  void slices(RankedTensorType at, int64_t dim, Steps &steps) const {
    if (!nextAxis(at, dim)) return;
    SmallVector<StringAttr> axes = axesOf(at, dim), want = axesOf(to_, dim);
    ReshardStep step{Move::kSlice, {}, dim};
    for (StringAttr axis : ArrayRef(want).drop_front(axes.size())) {
      if (stateOf(at, axis).kind != StateKind::replicate) break;
      step.axes.push_back(axis);
    }
    if (step.axes.empty() || !isNext(at, dim, step.axes)) return;
    axes.append(step.axes.begin(), step.axes.end());
    step.after = with(at, dim, axes, {});
    step.seconds = kSliceSeconds + costs_.secondsOfBytes(bytesOf(step.after));  // memory, not the wire
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
      addWire(step, comm::Op::kAllGather, bytesOf(at) * double(ranksOf(gone, mesh_)), steps);
      if (have.size() == 1) break;
    }
    for (size_t count : {size_t(1), have.size()}) {
      if (count == 1 && have.size() > 1 && !single) continue;
      for (int64_t other = 0; other < at.getRank(); ++other)
        if (other != dim) allToAll(at, dim, other, ArrayRef(have).take_back(count), steps);
      if (have.size() == 1) break;
    }
  }

  /// The minor axes of a dimension go to another one.
  void allToAll(RankedTensorType at, int64_t dim, int64_t other, ArrayRef<StringAttr> moved, Steps &steps) const {
    if (!isNext(at, other, moved)) return;
    SmallVector<StringAttr> left = axesOf(at, dim), target = axesOf(at, other);
    left.truncate(left.size() - moved.size());
    target.append(moved.begin(), moved.end());
    ReshardStep step{Move::kAllToAll, {}, dim, other};
    step.axes.assign(moved.begin(), moved.end());
    step.after = with(with(at, dim, left, moved), other, target, {});
    addWire(step, comm::Op::kAllToAll, bytesOf(at), steps);
  }

  /// An axis hands its parts to another of as many ranks, which has nothing of the value yet.
  void permutes(RankedTensorType at, int64_t dim, Steps &steps) const {
    SmallVector<StringAttr> have = axesOf(at, dim), want = axesOf(to_, dim);
    if (have.size() != want.size()) return;
    reorder(at, dim, have, want, steps);
    for (size_t i = 0; i < have.size(); ++i) {
      if (have[i] == want[i] || mesh_.sizeOf(have[i]) != mesh_.sizeOf(want[i]) || stateOf(at, want[i]).kind != StateKind::replicate) continue;
      SmallVector<StringAttr> axes = have;
      axes[i] = want[i];
      ReshardStep step{Move::kPermute, {have[i], want[i]}, dim};
      // Rank (i, j) has part i and gets part j: from rank (j, i).
      const int64_t n = mesh_.sizeOf(have[i]);
      for (int64_t place = 0; place < n * n; ++place) step.sources.push_back(place % n * n + place / n);
      step.after = with(at, dim, axes, {});
      addWire(step, comm::Op::kPermute, bytesOf(at), steps);
    }
  }

  /// The same axes in another order: with dp = 2, tp = 3 in front of dp, rank (1, 0) has part 3 of 6 and gets part 1, which rank (0, 1) has.
  void reorder(RankedTensorType at, int64_t dim, ArrayRef<StringAttr> have, ArrayRef<StringAttr> want, Steps &steps) const {
    if (have == want || !std::is_permutation(have.begin(), have.end(), want.begin())) return;
    ReshardStep step{Move::kPermute, {}, dim};
    step.axes.assign(have.begin(), have.end());
    for (int64_t place = 0; place < ranksOf(have, mesh_); ++place) {
      llvm::DenseMap<StringAttr, int64_t> coordinates;
      int64_t rest = place, part = 0;
      for (StringAttr axis : llvm::reverse(have)) {
        coordinates[axis] = rest % mesh_.sizeOf(axis);
        rest /= mesh_.sizeOf(axis);
      }
      for (StringAttr axis : want) part = part * mesh_.sizeOf(axis) + coordinates[axis];
      step.sources.push_back(part);
    }
    step.after = with(at, dim, want, {});
    addWire(step, comm::Op::kPermute, bytesOf(at), steps);
  }

  /// Parts of one kind are joined on all of their axes at once, or on those that the goal splits next.
  void reductions(RankedTensorType at, Steps &steps) const {
    double bytes = bytesOf(at);
    for (auto kind : {graph::ReduceKind::sum, graph::ReduceKind::prod, graph::ReduceKind::max, graph::ReduceKind::min}) {
      SmallVector<StringAttr> partial;
      for (const AxisState &state : statesOf(at))
        if (state.kind == StateKind::partial && state.reduction == kind) partial.push_back(state.axis);
      if (partial.empty()) continue;
      reduce(at, kind, partial, bytes, steps);
      for (StringAttr axis : partial)
        if (partial.size() > 1) reduce(at, kind, axis, bytes, steps);
      for (int64_t dim = 0; dim < at.getRank(); ++dim) {
        SmallVector<StringAttr> have = axesOf(at, dim), want = axesOf(to_, dim), next;
        for (size_t i = have.size(); i < want.size() && llvm::is_contained(partial, want[i]); ++i) {
          next.push_back(want[i]);
          reduceScatter(at, kind, dim, next, bytes, steps);
        }
      }
    }
  }
  void reduce(RankedTensorType at, graph::ReduceKind kind, ArrayRef<StringAttr> axes, double bytes, Steps &steps) const {
    ReshardStep step{Move::kAllReduce, {}};
    step.axes.assign(axes.begin(), axes.end());
    step.reduction = kind;
    step.after = with(at, -1, {}, axes);
    addWire(step, comm::Op::kAllReduce, bytes, steps);
  }
  void reduceScatter(RankedTensorType at, graph::ReduceKind kind, int64_t dim, ArrayRef<StringAttr> axes, double bytes, Steps &steps) const {
    if (!isNext(at, dim, axes)) return;
    SmallVector<StringAttr> all = axesOf(at, dim);
    all.append(axes.begin(), axes.end());
    ReshardStep step{Move::kReduceScatter, {}, dim};
    step.axes.assign(axes.begin(), axes.end());
    step.reduction = kind;
    step.after = with(with(at, -1, {}, axes), dim, all, {});
    addWire(step, comm::Op::kReduceScatter, bytes, steps);
  }

  /// \param bytes  the whole (CollectiveCost.h)
  void addWire(ReshardStep step, comm::Op op, double bytes, Steps &steps) const {
    step.seconds = costs_.secondsOf(WireCall{op, ranksOf(step.axes, mesh_), strideOf(step.axes, mesh_), bytes});
    steps.push_back(std::move(step));
  }
  double bytesOf(RankedTensorType type) const { return ownBytes(type, mesh_, costs_.symbol()); }

  RankedTensorType from_, to_;
  mutable MeshOp mesh_;  // a handle: asking it changes nothing
  MeshCosts &costs_;
};

}  // namespace

Expected<std::vector<ReshardStep>> cheapestPath(RankedTensorType from, RankedTensorType to, MeshOp mesh, MeshCosts &costs) {
  return PathFinder(from, to, mesh, costs).find();
}

Expected<double> secondsBetween(Type from, Type to, MeshOp mesh, MeshCosts &costs) {
  JINX_TRY_ASSIGN(const std::vector<ReshardStep> path, cheapestPath(cast<RankedTensorType>(from), cast<RankedTensorType>(to), mesh, costs));
  double seconds = 0;
  for (const ReshardStep &step : path) seconds += step.seconds;
  return seconds;
}

}  // namespace jinx::passes
