// Of many small collectives few.
//
// A collective takes L + S/b: below some size it is all L. Neighbours that need nothing of each other can share one L, for the price of copies:
//
//   %a = all_reduce %x : tensor<64xf32>        %r = concat reshape %x, reshape %y        : tensor<80xf32>
//   %b = all_reduce %y : tensor<4x4xf32>  ->   %s = all_reduce %r
//                                              %a = slice %s from 0     %b = reshape slice %s from 64
//
// Each all_gather has a row of what a rank has, and each reduce_scatter a row for each rank; rows lie side by side. It pays while what one call less saves, by the cost model of the network,
// is more than
//
//   copies       what goes in and what comes out is read and written once more
//   hiding       the first one could have run beside what is computed between the two, had it not to wait for the second
//
// Neighbours are taken in program order, each with the last of its kind that is still open; one that does not fit opens the next. Ranks have one program here, so they combine alike.
#include <algorithm>
#include <map>

#include "passes/Dist/BlockOrder.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Dist/MeshCosts.h"
#include "passes/Dist/OwnValues.h"
#include "passes/Dist/Rearrange.h"
#include "passes/Dist/ValueNames.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_COMBINECOLLECTIVES
#include "passes/Dist/DistPasses.h.inc"

namespace {

constexpr StringLiteral kPass = "jinx-combine-collectives";

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
SizeExpr volumeOf(Value value) { return graph::volume(graph::sizesOf(value.getType())); }

/// Collectives with equal ones can be combined.
using Kind = std::tuple<const void *, const void *, const void *, const void *, std::vector<std::string>>;
Kind kindFor(Operation *op) {
  auto states = [](Value value) { return describe(statesOf(value.getType())); };
  return {op->getName().getAsOpaquePointer(), op->getAttr("kind").getAsOpaquePointer(), op->getAttr("axes").getAsOpaquePointer(),
          typeOf(op->getOperand(0)).getElementType().getAsOpaquePointer(), {states(op->getOperand(0)), states(op->getResult(0))}};
}

/// What goes along together.
struct Bucket {
  SmallVector<Operation *> members;
  WireCall call;          ///< of all of them
  llvm::BitVector needs;  ///< buckets
};

class Combiner {
 public:
  Combiner(func::FuncOp function, MeshOp mesh, MeshCosts costs, int64_t maxBytes)
      : body_(function.getBody().front()), builder_(function), own_(builder_, mesh), mesh_(mesh), costs_(std::move(costs)), work_(mesh, {}, MeshCosts::symbol()), maxBytes_(maxBytes) {}

  void run() {
    for (Operation &op : llvm::make_early_inc_range(body_))
      if (auto slice = dyn_cast<graph::SliceOp>(op)) scatter(slice);
    fillBuckets();
    bool any = false;
    for (Bucket &bucket : buckets_) any |= combine(bucket);
    if (any) sortBlock(body_);
  }

  int64_t numCombined = 0, numScattered = 0;

 private:
  // ---- reduce_scatter ----

  /// An all_reduce of which each rank reads its part alone.
  void scatter(graph::SliceOp slice) {
    auto reduce = slice.getX().getDefiningOp<AllReduceOp>();
    if (!reduce || !reduce.getY().hasOneUse()) return;
    auto dim = partAlong(slice, reduce);
    if (!dim) return;
    builder_.setInsertionPoint(reduce);
    Value part = ReduceScatterOp::create(builder_, reduce.getLoc(), slice.getY().getType(), reduce.getKind(), reduce.getX(), *dim, reduce.getAxes());
    say(passed(reduce, kPass, "Scattered"), [&] { return "a rank reads its part of dimension " + std::to_string(*dim) + " alone: all_reduce and slice are a reduce_scatter"; });
    slice.getY().replaceAllUsesWith(part);
    slice.erase();
    reduce.erase();
    ++numScattered;
  }
  /// The dimension of which the slice is the rank's part, by the coordinates of the reduction's axes.
  std::optional<int64_t> partAlong(graph::SliceOp slice, AllReduceOp reduce) {
    if (!llvm::all_of(slice.getSteps(), [](int64_t step) { return step == 1; })) return std::nullopt;
    graph::Sizes whole = graph::sizesOf(slice.getX().getType()), part = graph::sizesOf(slice.getY().getType());
    SmallVector<StringAttr> axes(reduce.getAxes().getAsRange<StringAttr>());
    std::optional<int64_t> found;
    for (auto [d, text] : llvm::enumerate(slice.getStarts().getAsValueRange<StringAttr>())) {
      const SizeExpr start = graph::parseSize(text);
      if (start.isConstant(0) && whole[d] == part[d]) continue;
      if (found || start != part[d] * own_.place(axes) || whole[d] != part[d] * SizeExpr(ranksOf(axes, mesh_))) return std::nullopt;
      found = int64_t(d);
    }
    return found;
  }

  // ---- which ----

  void fillBuckets() {
    std::map<Kind, size_t> open;
    for (Operation &op : body_) {
      needs_[&op] = needsOf(&op);
      seconds_[&op] = isOnWire(&op) || work_.isOfConstants(&op) || op.hasTrait<OpTrait::IsTerminator>() ? 0 : costs_.secondsOf(work_.workOf(&op));
      if (isa<SendOp, RecvOp, BroadcastOp>(op)) open.clear();  // another stage's program would not see it
      if (!isMovable(&op) || !isa<AllReduceOp, AllGatherOp, ReduceScatterOp>(op)) continue;
      WireCall call = work_.callOf(&op);
      if (call.ranks == 1) continue;
      auto [entry, isNew] = open.try_emplace(kindFor(&op), buckets_.size());
      if (!isNew && joins(buckets_[entry->second], &op, call)) {
        bucketOf_[&op] = entry->second;
        growNeeds(&op);
        continue;
      }
      bucketOf_[&op] = entry->second = buckets_.size();
      buckets_.push_back({{&op}, call, needs_[&op]});
    }
  }

  bool joins(Bucket &bucket, Operation *op, const WireCall &call) {
    Operation *last = bucket.members.back();
    auto missed = [&](StringRef name, auto text) {
      say(passes::missed(op, kPass, name), [&] { return "stays apart from " + described(last) + ": " + text(); });
      return false;
    };
    if (needs(op, bucketOf_[last])) return missed("Dependent", [] { return std::string("it needs its result"); });
    WireCall both = call;
    both.bytes += bucket.call.bytes;
    if (maxBytes_ > 0 && both.bytes > double(maxBytes_))
      return missed("TooLarge", [&] { return llvm::formatv("together they have {0:f0} bytes, at most {1} are allowed", both.bytes, maxBytes_).str(); });
    const double saved = costs_.secondsOf(bucket.call) + costs_.secondsOf(call) - costs_.secondsOf(both), copies = copySeconds(bucket, op);
    if (saved <= copies) return missed("TooLarge", [&] { return "one call less saves " + microseconds(saved) + ", copies take " + microseconds(copies); });
    const double hidden = std::min(costs_.secondsOf(bucket.call), between(last, op, bucketOf_[last]));
    if (saved - copies <= hidden)
      return missed("Hidden", [&] { return "one call less saves " + microseconds(saved - copies) + ", what lies between hides " + microseconds(hidden); });
    bucket.members.push_back(op);
    bucket.call = both;
    say(passed(op, kPass, "Combined"),
        [&] { return "goes with " + described(last) + ": one call less saves " + microseconds(saved) + ", copies take " + microseconds(copies); });
    return true;
  }

  /// In and out, read and written; of the first member only where this is the second.
  double copySeconds(const Bucket &bucket, Operation *op) {
    auto bytesOf = [&](Operation *member) { return 2 * (work_.bytesOf(member->getOperand(0)) + work_.bytesOf(member->getResult(0))); };
    return costs_.secondsOfBytes(bytesOf(op) + (bucket.members.size() == 1 ? bytesOf(bucket.members.front()) : 0));
  }

  /// What is computed between two operators and needs nothing of the bucket.
  double between(Operation *first, Operation *last, size_t bucket) {
    double seconds = 0;
    for (Operation *op = first->getNextNode(); op != last; op = op->getNextNode())
      if (!needs(op, bucket)) seconds += seconds_[op];
    return seconds;
  }

  // ---- who needs whom ----

  /// Buckets that an operator needs, directly or not. What is combined comes at once, and needs what all of it needs.
  llvm::BitVector needsOf(Operation *op) {
    llvm::BitVector needs;
    for (Operation *needed : neededBy(op)) {
      needs |= needs_[needed];
      if (auto home = bucketOf_.find(needed); home != bucketOf_.end()) {
        needs.resize(std::max<size_t>(needs.size(), home->second + 1));
        needs.set(home->second);
        needs |= buckets_[home->second].needs;
      }
    }
    return needs;
  }
  bool needs(Operation *op, size_t bucket) {
    const llvm::BitVector &all = needs_[op];
    return bucket < all.size() && all.test(bucket);
  }
  /// A bucket that has grown needs more, and so do those that came between its members and read one of them.
  void growNeeds(Operation *last) {
    for (bool changed = true; changed;) {
      changed = false;
      for (Operation *op = &body_.front(); op != last->getNextNode(); op = op->getNextNode()) {
        llvm::BitVector needs = needsOf(op);
        if (auto home = bucketOf_.find(op); home != bucketOf_.end()) {
          llvm::BitVector &all = buckets_[home->second].needs;
          const size_t before = all.count();
          all |= needs;
          changed |= all.count() != before;
        }
        changed |= needs.count() != needs_[op].count();
        needs_[op] = std::move(needs);
      }
    }
  }

  // ---- how ----

  /// One collective where the last one stood.
  bool combine(Bucket &bucket) {
    if (bucket.members.size() < 2) return false;
    SmallVector<Location> locations;
    for (Operation *op : bucket.members) locations.push_back(op->getLoc());
    Location loc = FusedLoc::get(builder_.getContext(), locations);
    builder_.setInsertionPoint(bucket.members.back());
    SmallVector<Value> rows;
    for (Operation *op : bucket.members) rows.push_back(rowsOf(op, bucket.call.ranks));
    Value all = exchange(bucket.members.back(), loc, joined(loc, rows), bucket.call.ranks);
    const int64_t along = typeOf(all).getRank() - 1;
    SizeExpr start = 0;
    for (auto [op, row] : llvm::zip_equal(bucket.members, rows)) {
      const SizeExpr size = graph::sizesOf(row.getType()).back();
      Value mine = resultOf(op, own_.slice(op->getLoc(), all, along, start, size, {}), bucket.call.ranks);
      if (mine.getType() != op->getResult(0).getType()) mine = graph::ReshapeOp::create(builder_, op->getLoc(), op->getResult(0).getType(), mine);
      op->getResult(0).replaceAllUsesWith(mine);
      start = start + size;
    }
    for (Operation *op : bucket.members) op->erase();
    numCombined += int64_t(bucket.members.size());
    return true;
  }

  /// What a collective takes: in one row, or in a row for each rank.
  Value rowsOf(Operation *op, int64_t ranks) {
    Rearranger around(builder_, op->getLoc(), ranks);
    Value x = op->getOperand(0);
    if (auto scatter = dyn_cast<ReduceScatterOp>(op)) {
      const SizeExpr part = around.partOf(graph::sizesOf(x.getType())[scatter.getDim()]);
      graph::Sizes own = graph::sizesOf(x.getType());
      own[scatter.getDim()] = part;
      return around.reshape(around.apart(x, scatter.getDim()), {SizeExpr(ranks), graph::volume(own)});
    }
    if (isa<AllGatherOp>(op)) return around.reshape(x, {SizeExpr(1), volumeOf(x)});
    return around.reshape(x, {volumeOf(x)});
  }

  Value joined(Location loc, ArrayRef<Value> rows) {
    graph::Sizes sizes = graph::sizesOf(rows[0].getType());
    for (Value row : rows.drop_front()) sizes.back() = sizes.back() + graph::sizesOf(row.getType()).back();
    RankedTensorType type = withStates(graph::tensorOf(sizes, typeOf(rows[0]).getElementType()), statesOf(rows[0].getType()));
    return graph::ConcatOp::create(builder_, loc, type, rows, int64_t(sizes.size()) - 1);
  }

  Value exchange(Operation *op, Location loc, Value x, int64_t ranks) {
    graph::Sizes sizes = graph::sizesOf(x.getType());
    if (isa<AllGatherOp>(op)) sizes[0] = SizeExpr(ranks);
    if (isa<ReduceScatterOp>(op)) sizes[0] = SizeExpr(1);
    RankedTensorType type = withStates(graph::tensorOf(sizes, typeOf(x).getElementType()), statesOf(op->getResult(0).getType()));
    if (auto gather = dyn_cast<AllGatherOp>(op)) return AllGatherOp::create(builder_, loc, type, x, 0, gather.getAxes());
    if (auto scatter = dyn_cast<ReduceScatterOp>(op)) return ReduceScatterOp::create(builder_, loc, type, scatter.getKind(), x, 0, scatter.getAxes());
    auto reduce = cast<AllReduceOp>(op);
    return AllReduceOp::create(builder_, loc, type, reduce.getKind(), x, reduce.getAxes());
  }

  /// A collective's own result, of its row or rows.
  Value resultOf(Operation *op, Value rows, int64_t ranks) {
    Rearranger around(builder_, op->getLoc(), ranks);
    auto gather = dyn_cast<AllGatherOp>(op);
    if (!gather) return around.reshape(rows, graph::sizesOf(op->getResult(0).getType()));
    graph::Sizes parts = graph::sizesOf(gather.getX().getType());
    parts.insert(parts.begin(), SizeExpr(ranks));
    return around.joined(around.reshape(rows, parts), gather.getDim());
  }

  Block &body_;
  OpBuilder builder_;
  OwnBuilder own_;
  MeshOp mesh_;
  MeshCosts costs_;
  OperatorWork work_;
  int64_t maxBytes_;
  std::vector<Bucket> buckets_;
  llvm::DenseMap<Operation *, size_t> bucketOf_;
  llvm::DenseMap<Operation *, llvm::BitVector> needs_;
  llvm::DenseMap<Operation *, double> seconds_;
};

struct CombineCollectives : impl::CombineCollectivesBase<CombineCollectives> {
  using CombineCollectivesBase::CombineCollectivesBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kOwn);
    if (!mesh || function.isExternal()) return;
    auto costs = costsOf(function, network);
    if (failed(costs)) return signalPassFailure();
    Combiner combiner(function, mesh, *costs, maxBytes);
    combiner.run();
    numCombined += combiner.numCombined;
    numScattered += combiner.numScattered;
  }
};

}  // namespace
}  // namespace jinx::passes
