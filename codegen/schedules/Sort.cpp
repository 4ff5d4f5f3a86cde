// The sort schedule: top_k, and with as many elements as there are, a sort.
//
// A program owns one row. Its elements become keys (SortKeys.h). Comparing and exchanging two tiles of keys is a minimum and a maximum.
//
// Keys are collected in scratch, `capacity` of them; a tile joins them when one of its keys is less than the k-th so far. When the buffer
// is full, and at the end, it is sorted, and only the first k count on. For a whole sort the buffer holds the row and is sorted once.
//
// Sorting: Batcher's bitonic network in the form where every exchange puts the lesser key first. Sorted runs of m become runs of 2m by
// one step that compares run a with run b backwards, then steps over halves, quarters, … of each run. Steps over 16 keys and more work
// on tiles in memory, the rest inside tiles. Keys beyond the end would be greater than all others, and stay where they are: exchanges
// with them are left out, so that any number of tiles is sorted.
//
//   a: 1 4 | b: 2 3    backwards: (1, 3) (4, 2) -> 1 2 | 3 4
#include "codegen/schedules/Sort.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/SortKeys.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kTile = 16;     // keys: two vector registers of 64 bytes
constexpr int64_t kPending = 64;  // keys that are collected, at least, before a sort

class SortSchedule {
 public:
  SortSchedule(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group), emitter_(kb_, kTile) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front())
      if (auto o = dyn_cast<TopKOp>(op)) top_ = o;
    if (!top_) return group_.emitOpError("has no top_k to schedule");
    Sizes space = sizesOf(top_.getX().getType());
    axis_ = top_.getAxis();
    length_ = space[axis_];
    count_ = sizesOf(top_.getValues().getType())[axis_];
    SizeExpr rows = 1, wanted = ceilDiv(count_, kTile) * SizeExpr(kTile);
    capacity_ = min(ceilDiv(length_, kTile) * SizeExpr(kTile), wanted + max(wanted, kPending));
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    SmallVector<SizeExpr> extents;
    for (size_t d = 0; d < space.size(); ++d) {
      extents.push_back(int64_t(d) == axis_ ? SizeExpr(1) : space[d]);
      rows = rows * extents.back();
    }
    for (Value part : kb_.delinearize(id, extents)) at_.push_back({part, 0, {}});
    keyTile_ = VectorType::get({kTile}, b().getI64Type());
    keys_ = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), b().getI64Type()), c(0));
    collect();
    writeRow();
    // A sort of n tiles takes some log2(n)^2 / 2 steps over them: 32 for the rows of real models.
    return kb_.finish(rows, capacity_ * SizeExpr(8) + 64, rows * ceilDiv(length_, kTile) * SizeExpr(32));
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }

  // ---- keys ---------------------------------------------------------------------------------------------------------------------
  /// Keys of the tile of x at `begin`; lanes beyond the end are greater than any.
  Value keysAt(Value begin, Value limit) {
    Coordinates at(at_);
    at[axis_] = {begin, 1, {}};
    emitter_.setLimit(limit);
    Type element = cast<RankedTensorType>(top_.getX().getType()).getElementType();
    return sortKeys(kb_, emitter_.evaluate(top_.getX(), at), element, top_.getAscending(), begin, limit);
  }
  Value load(Value offset) { return tile::LoadOp::create(b(), loc(), keyTile_, keys_, offset, ValueRange{c(1)}, ValueRange()); }
  void store(Value keys, Value offset) { tile::StoreOp::create(b(), loc(), keys, keys_, offset, ValueRange{c(1)}, ValueRange()); }

  // ---- collecting ---------------------------------------------------------------------------------------------------------------
  /// Walks the row; leaves the first k keys in the buffer, sorted.
  void collect() {
    Value tiles = kb_.size(ceilDiv(length_, kTile)), last = kb_.sub(tiles, c(1));
    Value most = arith::ConstantOp::create(b(), loc(), b().getI64IntegerAttr(INT64_MAX));
    auto loop = scf::ForOp::create(b(), loc(), c(0), tiles, c(1), ValueRange{c(0), most});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value tile = loop.getInductionVar(), used = loop.getRegionIterArg(0), bound = loop.getRegionIterArg(1);
    Value begin = kb_.mul(tile, c(kTile)), rest = kb_.sub(kb_.size(length_), begin);
    bool isWhole = length_.constant() && *length_.constant() % kTile == 0;
    Value keys = isWhole ? keysAt(begin, {}) : wholeOrPart(begin, rest);
    Value least = tile::ReduceOp::create(b(), loc(), b().getI64Type(), tile::ReduceKind::min, keys);
    Value joins = compare(arith::CmpIPredicate::slt, least, bound);
    used = either(joins, b().getIndexType(), [&] {
      store(keys, used);
      return kb_.add(used, c(kTile));
    }, [&] { return used; });
    Value isFull = compare(arith::CmpIPredicate::sge, used, kb_.size(capacity_)), isLast = compare(arith::CmpIPredicate::eq, tile, last);
    auto sorted = scf::IfOp::create(b(), loc(), TypeRange{b().getIndexType(), b().getI64Type()}, arith::OrIOp::create(b(), loc(), isFull, isLast).getResult(), true);
    {
      OpBuilder::InsertionGuard inner(b());
      b().setInsertionPointToStart(sorted.thenBlock());
      sort(used);
      Value kept = kb_.min(used, kb_.size(ceilDiv(count_, kTile) * SizeExpr(kTile)));
      scf::YieldOp::create(b(), loc(), ValueRange{kept, lastOf(kept)});
      b().setInsertionPointToStart(sorted.elseBlock());
      scf::YieldOp::create(b(), loc(), ValueRange{used, bound});
    }
    scf::YieldOp::create(b(), loc(), sorted.getResults());
  }
  Value wholeOrPart(Value begin, Value rest) {
    return either(compare(arith::CmpIPredicate::sge, rest, c(kTile)), keyTile_, [&] { return keysAt(begin, {}); }, [&] { return keysAt(begin, rest); });
  }
  /// The k-th of the sorted keys; when there are fewer, every key may join.
  Value lastOf(Value kept) {
    Value enough = compare(arith::CmpIPredicate::sge, kept, kb_.size(count_));
    auto one = VectorType::get({1}, b().getI64Type());
    Value at = kb_.max(kb_.sub(kb_.min(kb_.size(count_), kept), c(1)), c(0));
    Value key = vector::ExtractOp::create(b(), loc(), tile::LoadOp::create(b(), loc(), one, keys_, at, ValueRange{c(1)}, ValueRange()), 0);
    Value most = arith::ConstantOp::create(b(), loc(), b().getI64IntegerAttr(INT64_MAX));
    return arith::SelectOp::create(b(), loc(), enough, key, most);
  }

  // ---- sorting ------------------------------------------------------------------------------------------------------------------
  /// Sorts the first `used` keys, whole tiles.
  void sort(Value used) {
    forRange(c(0), used, c(kTile), [&](Value at) {
      Value keys = load(at);
      for (int64_t run = 2; run <= kTile; run *= 2) {
        keys = exchanged(keys, [&](int64_t lane) { return lane / run * run + (run - 1 - lane % run); });
        keys = halved(keys, run / 4);
      }
      store(keys, at);
    });
    // Runs of `run` keys become runs of twice as many, until one run has all.
    auto runs = scf::ForOp::create(b(), loc(), c(0), kb_.size(steps()), c(1), ValueRange{c(kTile)});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(runs.getBody());
    Value run = runs.getRegionIterArg(0), twice = kb_.add(run, run);
    onlyIf(compare(arith::CmpIPredicate::slt, run, used), [&] { merge(run, twice, used); });
    scf::YieldOp::create(b(), loc(), twice);
  }
  void merge(Value run, Value twice, Value used) {
    forRange(c(0), used, twice, [&](Value begin) {
      Value end = kb_.add(begin, twice);
      // The tile at begin + t meets the one at end - 16 - t, when that is there.
      Value first = kb_.max(kb_.sub(end, used), c(0));
      forRange(first, run, c(kTile), [&](Value t) {
        Value low = kb_.add(begin, t), high = kb_.sub(kb_.sub(end, c(kTile)), t);
        Value a = load(low), z = reversed(load(high));
        store(arith::MinSIOp::create(b(), loc(), a, z), low);
        store(reversed(arith::MaxSIOp::create(b(), loc(), a, z)), high);
      });
    });
    // Halves of each run, down to those of two tiles. `half` is run, run/2, …, 16 after `run` itself; the count is bounded, as loops must be.
    auto halves = scf::ForOp::create(b(), loc(), c(0), kb_.size(steps()), c(1), ValueRange{kb_.floorDiv(run, c(2))});
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(halves.getBody());
      Value half = halves.getRegionIterArg(0);
      onlyIf(compare(arith::CmpIPredicate::sge, half, c(kTile)), [&] {
        forRange(c(0), used, kb_.add(half, half), [&](Value begin) {
          Value middle = kb_.add(begin, half), there = kb_.min(half, kb_.max(kb_.sub(used, middle), c(0)));
          forRange(c(0), there, c(kTile), [&](Value t) {
            Value low = kb_.add(begin, t), high = kb_.add(middle, t);
            Value a = load(low), z = load(high);
            store(arith::MinSIOp::create(b(), loc(), a, z), low);
            store(arith::MaxSIOp::create(b(), loc(), a, z), high);
          });
        });
      });
      scf::YieldOp::create(b(), loc(), kb_.floorDiv(half, c(2)));
    }
    forRange(c(0), used, c(kTile), [&](Value at) { store(halved(load(at), kTile / 2), at); });
  }
  /// A bound on the doublings from one tile to the capacity.
  SizeExpr steps() {
    if (auto constant = capacity_.constant()) {
      int64_t count = 0;
      while ((kTile << count) < *constant) ++count;
      return count;
    }
    return 40;
  }

  Value reversed(Value keys) {
    SmallVector<int64_t> from;
    for (int64_t lane = kTile; lane-- > 0;) from.push_back(lane);
    return vector::ShuffleOp::create(b(), loc(), keys, keys, from);
  }
  /// Each lane meets its partner: the lower of the two takes the lesser key.
  Value exchanged(Value keys, function_ref<int64_t(int64_t)> partnerOf) {
    SmallVector<int64_t> partners;
    SmallVector<bool> isLower;
    for (int64_t lane = 0; lane < kTile; ++lane) {
      partners.push_back(partnerOf(lane));
      isLower.push_back(lane < partners.back());
    }
    Value other = vector::ShuffleOp::create(b(), loc(), keys, keys, partners);
    Value lower = arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(VectorType::get({kTile}, b().getI1Type()), isLower));
    return arith::SelectOp::create(b(), loc(), lower, arith::MinSIOp::create(b(), loc(), keys, other), arith::MaxSIOp::create(b(), loc(), keys, other));
  }
  /// Exchanges over `distance`, half of it, …, 1.
  Value halved(Value keys, int64_t distance) {
    for (; distance > 0; distance /= 2) keys = exchanged(keys, [&](int64_t lane) { return lane ^ distance; });
    return keys;
  }

  // ---- results ------------------------------------------------------------------------------------------------------------------
  void writeRow() {
    auto results = group_.getBody().front().getTerminator()->getOperands();
    // Never more than there are: whoever asks for more gets nothing there (the importer has that checked before).
    Value count = (length_ - count_).isAtLeast(0) ? kb_.size(count_) : kb_.min(kb_.size(count_), kb_.size(length_));
    forRange(c(0), count, c(kTile), [&](Value begin) {
      Value keys = load(begin), rest = kb_.sub(count, begin);
      // Lanes past the end may hold keys of none: their position is 2^32 - 1, and nothing is read or stored for them.
      Value positions = positionsOf(kb_, keys);
      Coordinates to(at_), from(at_);
      to[axis_] = {begin, 1, {}};
      from[axis_] = {{}, 0, arith::IndexCastOp::create(b(), loc(), VectorType::get({kTile}, b().getIndexType()), positions)};
      emitter_.setLimit(rest);
      for (auto [i, v] : llvm::enumerate(results)) emitter_.store(i, v == top_.getIndices() ? positions : emitter_.evaluate(top_.getX(), from), to);
    });
  }

  // ---- loops and conditions -----------------------------------------------------------------------------------------------------
  void forRange(Value begin, Value end, Value step, function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(b(), loc(), begin, end, step);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
    emitter_.clearCache();
  }
  void onlyIf(Value condition, function_ref<void()> body) {
    auto branch = scf::IfOp::create(b(), loc(), condition, /*withElse=*/false);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    body();
  }
  Value either(Value condition, Type type, function_ref<Value()> then, function_ref<Value()> otherwise) {
    auto branch = scf::IfOp::create(b(), loc(), TypeRange{type}, condition, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b(), loc(), then());
    b().setInsertionPointToStart(branch.elseBlock());
    emitter_.clearCache();
    scf::YieldOp::create(b(), loc(), otherwise());
    emitter_.clearCache();
    return branch.getResult(0);
  }
  Value compare(arith::CmpIPredicate p, Value x, Value y) { return arith::CmpIOp::create(b(), loc(), p, x, y); }

  GroupOp group_;
  KernelBuilder kb_;
  ExpressionEmitter emitter_;
  TopKOp top_;
  int64_t axis_ = 0;
  SizeExpr length_ = 1, count_ = 1, capacity_ = 1;
  Coordinates at_;
  VectorType keyTile_;
  Value keys_;
};

}  // namespace

FailureOr<Scheduled> scheduleSort(GroupOp group, StringRef name, const Target &, OpBuilder &builder) {
  return SortSchedule(group, name, builder).run();
}

}  // namespace jinx::schedules
