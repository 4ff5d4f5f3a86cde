#include "passes/Fusion/CostModel.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "codegen/schedules/ScalarOps.h"
#include "ir/Graph/Pages.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "passes/Fusion/Legality.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

Machine Machine::cpu(int64_t vectorBytes) {
  Machine m;
  m.launchUs = 2.5;
  m.threads = 2;
  m.cyclesPerUs = 3000;
  m.lanes = m.vector = m.run = std::max<int64_t>(4, vectorBytes / 4);
  m.cyclesPerGather = 1.2;
  m.levels = {{24e3, 120e3}, {800e3, 50e3}, {12e6, 20e3}, {1e18, 9e3}};
  return m;
}
Machine Machine::gpu() {
  Machine m;
  m.launchUs = 2.5;
  m.threads = 1;
  m.cyclesPerUs = 1700;
  m.lanes = 132 * 128;
  m.vector = 32;
  m.run = 1024;
  m.cyclesPerGather = 4.0 / (132 * 128);
  m.flopsPerCycle = 132 * 4096 * 0.8;
  m.levels = {{30e6, 5.5e6}, {1e18, 2.9e6}};
  return m;
}

namespace {

constexpr double kParallelUs = 15;    // shorter work stays on one thread
constexpr double kAttentionRows = 14;   // queries of a program (codegen/schedules/Attention.cpp)
constexpr double kAttentionPasses = 6;  // over its scores: written and read as scores, as logits, as weights
constexpr int kIrregular = -2, kStill = -1;

/// Cycles that one vector operation keeps its unit busy.
double cyclesOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case<DivOp, SqrtOp, RsqrtOp, ModOp>([](auto) { return 10; })
      .Case<ExpOp, Expm1Op, LogOp, Log1pOp>([](auto) { return 14; })
      .Case<TanhOp, ErfOp, SigmoidOp, AtanOp>([](auto) { return 24; })
      .Case<SinOp, CosOp>([](auto) { return 30; })
      .Case<PowOp>([](auto) { return 60; })
      .Case<BroadcastOp, ReshapeOp, TransposeOp>([](auto) { return 0; })
      .Case<PadOp, ConcatOp, GatherOp, GatherElementsOp, GatherNdOp>([](auto) { return 3; })
      .Case<CumsumOp>([](auto) { return 8; })  // shifted additions, or one that waits for the last
      .Default([](Operation *) { return 1; });
}
bool isCostly(Operation *op) { return cyclesOf(op) >= 14; }

/// How often a value is evaluated, and along which of its dimensions neighbouring lanes lie.
struct Need {
  double inPlace = 0;  ///< by readers at the same coordinates: they share one evaluation
  double moved = 0;    ///< by readers at other coordinates
  int lane = kStill;   ///< a dimension, kStill: all lanes read one element, kIrregular: lanes anywhere
  double total() const { return inPlace + moved; }
};

class Estimator {
 public:
  Estimator(Shapes &shapes, const Machine &machine, ArrayRef<Operation *> members, ArrayRef<Value> results)
      : shapes_(shapes), machine_(machine), members_(members), results_(results), set_(members.begin(), members.end()) {}

  Cost run() {
    for (Operation *op : members_) {
      if (auto reduce = dyn_cast<ReduceOp>(op)) reduces_.push_back(reduce);
      if (isProduct(op) || isAlone(op)) anchors_.push_back(op);
    }
    anchor_ = anchors_.empty() ? nullptr : anchors_.front();
    Value space = anchor_ ? anchor_->getResult(0) : reduces_.empty() ? results_[0] : reduces_[0].getX();
    const ShapeInfo &sizes = shape(space);
    lane_ = sizes.rank() - 1;
    while (lane_ > 0 && sizes.isOne(lane_)) --lane_;
    // The tiles of a product have lanes enough; of other groups a short run leaves some of them idle, the more so where elements are moved.
    const int64_t run = anchor_ ? machine_.vector : llvm::any_of(members_, isMovement) ? machine_.lanes : machine_.run;
    efficiency_ = std::min<double>(run, contiguous(sizes)) / double(run);
    for (Operation *anchor : anchors_) product(anchor);
    isAttention() ? attention() : phases();
    for (Value v : results_) memory_ += elements(v) * elementBytes(v) / levelOf(elements(v) * elementBytes(v)).bytesPerUs;
    Cost cost;
    double computeUs = cycles_ / machine_.cyclesPerUs;
    double threads = std::max(memory_, computeUs) < kParallelUs ? 1 : std::min<double>(machine_.threads, programs(sizes));
    cost.launchUs = machine_.launchUs;
    cost.memoryUs = memory_ / threads;
    cost.computeUs = computeUs / threads;
    return cost;
  }

 private:
  const Machine::Level &levelOf(double bytes) const {
    for (const Machine::Level &level : machine_.levels)
      if (bytes <= level.bytes) return level;
    return machine_.levels.back();
  }
  const ShapeInfo &shape(Value v) { return shapes_.of(v); }
  double elements(Value v) { return shape(v).elements; }
  double elementBytes(Value v) { return shape(v).elementBytes; }
  bool inside(Value v) const { return v.getDefiningOp() && set_.contains(v.getDefiningOp()); }

  /// Length of the run of elements that lanes pass through: inner dimensions merge where no operator moves data and every value
  /// either has them all or none (codegen/schedules/Collapse.h).
  double contiguous(const ShapeInfo &sizes) {
    if (sizes.rank() == 0) return 1;
    double run = sizes.extents[lane_];
    if (anchor_ || llvm::any_of(members_, isMovement)) return run;
    auto reduced = [&](int d) { return !reduces_.empty() && llvm::is_contained(reduces_[0].getAxes(), int64_t(d)); };
    for (int d = lane_ - 1; d >= 0 && reduced(d) == reduced(lane_); --d) {
      bool alike = llvm::all_of(members_, [&](Operation *op) {
        return llvm::all_of(op->getOperands(), [&](Value v) {
          const ShapeInfo &s = shape(v);
          int shift = sizes.rank() - s.rank();
          auto isOne = [&](int i) { return i < shift || s.isOne(i - shift); };
          return isOne(d) == isOne(lane_);
        });
      });
      if (!alike) break;
      run *= sizes.extents[d];
    }
    return run;
  }

  double programs(const ShapeInfo &sizes) {
    if (isAttention()) return std::ceil(sizes.elements / sizes.extents.back() / kAttentionRows);
    if (anchor_) return isAlone(anchor_) && !isa<TopKOp, SplitDigitsOp, WritePagesOp, PagedAttentionOp>(anchor_) ? 1 : 64;
    if (reduces_.empty()) return 64;
    double count = 1;
    for (int d = 0; d < sizes.rank(); ++d)
      if (!llvm::is_contained(reduces_[0].getAxes(), int64_t(d))) count *= sizes.extents[d];
    return count;
  }

  /// Multiplications of an anchor: the same whatever its group holds besides.
  void product(Operation *anchor) {
    double perOutput = 2;
    if (isAlone(anchor) && !isRecurrent(anchor)) return indexed();
    if (isRecurrent(anchor)) {
      perOutput = 8 * shape(anchor->getResult(0)).extents.back();
    } else if (auto conv = dyn_cast<PackedConvOp>(anchor)) {
      perOutput = 2 * shape(conv.getX()).extents.back() / double(conv.getGroup());
      for (int64_t k : conv.getKernel()) perOutput *= double(k);
    } else if (auto codes = dyn_cast<DequantMatmulOp>(anchor); codes && codes.getFactors()) {
      const ShapeInfo &digits = shape(codes.getA());  // of groups of k
      perOutput = 2 * digits.extents[digits.rank() - 2] * double(codes.getGroup());
    } else {
      perOutput = 2 * shape(anchor->getOperand(0)).extents.back();
    }
    const bool onTensorCores = machine_.flopsPerCycle > 0 && anchor->hasAttr("by_rows");
    double rate = onTensorCores ? machine_.flopsPerCycle : 3.0 * machine_.lanes;
    if (onTensorCores && elementBytes(anchor->getOperand(0)) == 4) rate /= anchor->hasAttr("tf32") ? 2 : 6;  // TF32 is half as fast as 16 bits
    cycles_ += elements(anchor->getResult(0)) * perOutput / rate;
  }

  bool isAttention() const { return anchors_.size() == 2; }
  /// Everything once, from the results down; scores, logits and weights pass through the nearest level only.
  void attention() {
    walk(results_, 0);
    for (ReduceOp reduce : reduces_) cycles_ += elements(reduce.getX()) / (machine_.lanes * efficiency_);
    memory_ += kAttentionPasses * elements(anchor_->getResult(0)) * elementBytes(anchor_->getResult(0)) / machine_.levels[0].bytesPerUs;
  }

  /// Digits are a pass for the magnitude and one for them. A scatter copies x and takes some cycles an index; sorting compares an element some twenty times, by vectors of 64-bit keys.
  void indexed() {
    if (isa<WritePagesOp, PagedAttentionOp>(anchor_)) return paged();
    Value x = anchor_->getOperand(0);
    if (isa<TopKOp>(anchor_)) {
      cycles_ += elements(x) * 20 * 2 / machine_.lanes;
    } else if (isa<SplitDigitsOp>(anchor_)) {
      cycles_ += elements(x) * 10 / machine_.lanes;
    } else {
      cycles_ += elements(x) / machine_.lanes + elements(anchor_->getOperand(1)) * 4 + elements(anchor_->getOperand(2)) * 2 / machine_.lanes;
    }
    for (Value v : anchor_->getOperands()) memory_ += elements(v) * elementBytes(v) / levelOf(elements(v) * elementBytes(v)).bytesPerUs;
  }

  /// Of queries as often as a table has rows: a group of its own whatever it costs, nothing is weighed against it.
  void paged() {
    auto attention = dyn_cast<PagedAttentionOp>(anchor_);
    if (!attention) return;  // rows are walked as those of any group
    Value moved = attention.getQ();
    cycles_ += 2 * elements(moved) * shape(attention.getTable()).extents.back() * double(kPageRows) / machine_.lanes;
    memory_ += elements(moved) * elementBytes(moved) / levelOf(elements(moved) * elementBytes(moved)).bytesPerUs;
  }

  // ---- phases -------------------------------------------------------------------------------------------------------------------
  void phases() {
    SmallVector<SmallVector<Value>> roots;
    for (ReduceOp reduce : reduces_) roots.push_back({reduce.getX()});
    if (auto write = dyn_cast_or_null<WritePagesOp>(anchor_)) roots.push_back({write.getRows()});
    if (!anchor_ || !isAlone(anchor_)) roots.emplace_back(results_.begin(), results_.end());
    findKept(roots);
    for (auto [i, phase] : llvm::enumerate(roots)) walk(phase, i);
  }

  /// Costly values that several phases need are computed by the first and kept (codegen/schedules/Rows.cpp keeps two).
  void findKept(ArrayRef<SmallVector<Value>> roots) {
    if (reduces_.empty()) return;
    for (Operation *op : members_) {
      if (!isCostly(op) || kept_.size() == 2) continue;
      int phases = 0;
      for (const auto &phase : roots) phases += llvm::any_of(phase, [&](Value v) { return reaches(v, op); });
      if (phases > 1) kept_.insert(op);
    }
  }
  bool reaches(Value from, Operation *op) const {
    SmallVector<Value> work = {from};
    llvm::SmallPtrSet<Operation *, 16> seen;
    while (!work.empty()) {
      Value v = work.pop_back_val();
      Operation *def = v.getDefiningOp();
      if (!def || !set_.contains(def) || isa<ReduceOp>(def) || !seen.insert(def).second) continue;
      if (def == op) return true;
      llvm::append_range(work, def->getOperands());
    }
    return false;
  }

  /// Evaluates `roots` at every position of theirs; what other phases have computed is there already.
  void walk(ArrayRef<Value> roots, size_t phase) {
    needs_.clear();
    for (Value v : roots) {
      Operation *def = v.getDefiningOp();
      if (def && set_.contains(def) && isa<ReduceOp>(def)) continue;
      need(v, elements(v), std::min<int>(lane_, shape(v).rank() - 1), true);
    }
    for (Operation *op : llvm::reverse(members_)) {
      auto it = needs_.find(op->getResult(0));
      if (it == needs_.end()) continue;
      Need n = it->second;
      if (isa<ReduceOp>(op)) continue;  // its value is at hand
      if (kept_.contains(op) && computed_.contains(op)) {
        memory_ += n.total() * elementBytes(op->getResult(0)) / machine_.levels[0].bytesPerUs;
        continue;
      }
      computed_.insert(op);
      if (llvm::is_contained(anchors_, op)) {
        for (Value v : op->getOperands())
          if (isa<RankedTensorType>(v.getType())) need(v, elements(v), shape(v).rank() - 1, true);
        continue;
      }
      cycles_ += n.total() * cyclesOf(op) * taps(op) / (machine_.lanes * efficiency_);
      operands(op, n);
    }
    for (ReduceOp reduce : reduces_)
      if (roots[0] == reduce.getX()) cycles_ += elements(reduce.getX()) / (machine_.lanes * efficiency_);
    for (auto &[v, n] : needs_)
      if (!inside(v)) load(v, n, phase);
  }

  void need(Value v, double evaluations, int lane, bool inPlace) {
    if (!isa<RankedTensorType>(v.getType()) || (v.getDefiningOp() && isFree(v.getDefiningOp()))) return;
    auto [it, added] = needs_.insert({v, Need{}});
    Need &n = it->second;
    if (inPlace) {
      n.inPlace = std::max(n.inPlace, evaluations);
    } else {
      n.moved += evaluations;
    }
    if (n.lane == kStill || lane == kIrregular) n.lane = lane;
    if (lane != kStill && n.lane != lane) n.lane = kIrregular;
  }

  double taps(Operation *op) {
    double taps = 1;
    if (auto pool = dyn_cast<PoolOp>(op)) {
      for (int64_t k : pool.getKernel()) taps *= double(k);
    } else if (auto depthwise = dyn_cast<DepthwiseConvOp>(op)) {
      const ShapeInfo &w = shape(depthwise.getW());
      for (int d = 0; d + 1 < w.rank(); ++d) taps *= w.extents[d];
    } else if (auto resize = dyn_cast<ResizeOp>(op)) {
      const ShapeInfo &in = shape(resize.getX()), &out = shape(resize.getY());
      for (int d = 0; d < in.rank(); ++d)
        if (resize.getMode() != "nearest" && in.dims[d] != out.dims[d]) taps *= 2;
    }
    return taps;
  }

  /// What evaluating `op` as often as `n` says asks of its operands.
  void operands(Operation *op, const Need &n) {
    double e = n.total();
    if (!isMovement(op)) {
      for (Value v : op->getOperands()) broadcast(op, v, n);
      return;
    }
    auto x = [&](int64_t i = 0) { return op->getOperand(i); };
    auto rank = [&](Value v) { return shape(v).rank(); };
    auto sameExtent = [&](Value v, int d) { return d < 0 || shape(v).dims[d] == shape(op->getResult(0)).dims[d]; };
    llvm::TypeSwitch<Operation *>(op)
        .Case<BroadcastOp>([&](auto) { broadcast(op, x(), n); })
        .Case<TransposeOp>([&](TransposeOp o) { need(x(), e, n.lane < 0 ? n.lane : int(o.getPerm()[n.lane]), false); })
        .Case<ReshapeOp>([&](auto) { need(x(), e, n.lane == rank(op->getResult(0)) - 1 ? rank(x()) - 1 : n.lane < 0 ? n.lane : kIrregular, false); })
        .Case<ConcatOp>([&](ConcatOp o) {  // loops over lanes are cut where the next operand begins
          for (Value v : o.getXs()) need(v, e * elements(v) / elements(o.getY()), n.lane, false);
        })
        .Case<PadOp>([&](auto) { need(x(), e, n.lane, false); })
        .Case<GatherOp>([&](GatherOp o) {
          int axis = int(o.getAxis()), indexRank = rank(o.getIndices());
          bool after = n.lane >= axis + indexRank, before = n.lane >= 0 && n.lane < axis;
          double inner = 1;
          const ShapeInfo &sizes = shape(o.getY());
          for (int d = axis + indexRank; d < sizes.rank(); ++d) inner *= sizes.extents[d];
          need(o.getX(), e, after ? n.lane - indexRank + 1 : before ? n.lane : kIrregular, false);
          need(o.getIndices(), e / inner, after || before ? kStill : indexRank - 1, false);
        })
        .Case<GatherElementsOp>([&](GatherElementsOp o) {
          need(o.getX(), e, n.lane == int(o.getAxis()) || n.lane < 0 ? kIrregular : n.lane, false);
          need(o.getIndices(), e, n.lane, false);
        })
        .Case<GatherNdOp>([&](GatherNdOp o) {
          int rows = rank(o.getIndices()) - 1;
          const ShapeInfo &sizes = shape(o.getY());
          double inner = 1;
          for (int d = rows; d < sizes.rank(); ++d) inner *= sizes.extents[d];
          bool after = n.lane >= rows;
          need(o.getX(), e, after ? n.lane + rank(x()) - sizes.rank() : kIrregular, false);
          need(o.getIndices(), e / inner * shape(o.getIndices()).extents.back(), after ? kStill : kIrregular, false);
        })
        .Case<PackOp>([&](PackOp o) { need(x(), e, rank(x()) - (o.getTranspose() ? 2 : 1), false); })
        .Case<ResizeOp>([&](auto) { need(x(), e * taps(op), sameExtent(x(), n.lane) ? n.lane : kIrregular, false); })
        .Default([&](Operation *) {  // slice, pool, depthwise: lanes stay where they are, save along a window
          bool window = !isa<SliceOp>(op);
          need(x(), e * taps(op), window && !sameExtent(x(), n.lane) ? kIrregular : n.lane, false);
          if (isa<DepthwiseConvOp>(op)) need(x(1), e * taps(op), rank(x(1)) - 1, false);
        });
  }
  void broadcast(Operation *op, Value v, const Need &n) {
    if (!isa<RankedTensorType>(v.getType())) return;
    int lane = n.lane;
    if (lane >= 0) {
      const ShapeInfo &sizes = shape(v);
      lane -= shape(op->getResult(0)).rank() - sizes.rank();
      if (lane < 0 || sizes.isOne(lane)) lane = kStill;
    }
    // What no lane moves along is computed outside of the loop over lanes.
    double share = n.lane >= 0 && lane == kStill ? 1 / shape(op->getResult(0)).extents[n.lane] : 1;
    need(v, n.inPlace * share, lane, true);
    if (n.moved > 0) need(v, n.moved * share, lane, false);
  }

  /// Reading an input: its bytes once from where they are, repetitions from the nearest level; more for lanes that are apart.
  void load(Value v, const Need &n, size_t phase) {
    double size = elements(v) * elementBytes(v), read = n.total() * elementBytes(v);
    double once = std::min(size, read);
    const Machine::Level &level = phase == 0 || loaded_.insert(v).second ? levelOf(size) : levelOf(rowBytes());
    loaded_.insert(v);
    if (n.lane == kStill) read = once;
    memory_ += once / level.bytesPerUs + (read - once) / machine_.levels[0].bytesPerUs;
    bool apart = n.lane == kIrregular || (n.lane >= 0 && !isInnermost(v, n.lane));
    if (apart) cycles_ += n.total() * machine_.cyclesPerGather;
  }
  bool isInnermost(Value v, int d) {
    const ShapeInfo &sizes = shape(v);
    for (int i = d + 1; i < sizes.rank(); ++i)
      if (!sizes.isOne(i)) return false;
    return true;
  }
  /// What a program of a reduction reads again and again.
  double rowBytes() {
    double bytes = 4 * double(loaded_.size());
    for (int64_t axis : reduces_[0].getAxes()) bytes *= shape(reduces_[0].getX()).extents[axis];
    return bytes;
  }

  Shapes &shapes_;
  const Machine &machine_;
  ArrayRef<Operation *> members_;
  ArrayRef<Value> results_;
  llvm::SmallPtrSet<Operation *, 16> set_, kept_, computed_;
  llvm::SmallPtrSet<Value, 16> loaded_;
  SmallVector<ReduceOp> reduces_;
  SmallVector<Operation *, 2> anchors_;  // products, or the recurrence
  Operation *anchor_ = nullptr;          // the first of them
  llvm::MapVector<Value, Need> needs_;
  int lane_ = 0;
  double efficiency_ = 1, memory_ = 0, cycles_ = 0;
};

}  // namespace

Cost estimate(Shapes &shapes, const Machine &machine, ArrayRef<Operation *> members, ArrayRef<Value> results) {
  return Estimator(shapes, machine, members, results).run();
}

}  // namespace jinx::passes
