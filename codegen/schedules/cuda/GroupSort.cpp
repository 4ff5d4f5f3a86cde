// Sorts on CUDA. Elements become keys that all differ (SortKeys.h), so any way to order them gives one result. There are two ways:
//
//   select   where the k first fit a tile, k being a constant: a program, a block, owns a row. Its best keys so far lie sorted in a tile. Of
//            the next tile of the row those are wanted that are less than the k-th best; they are listed in shared memory. A tile of the
//            list is sorted the other way round: the lesser of each lane of both are the least of all, and are sorted again. (A k above
//            kListed has no list: each tile that holds a wanted key is sorted.)
//   rank     any other k: a program owns a tile of elements of a row and counts, for each, the keys of the row that are less than its own.
//            That is where it goes. Every length, no scratch, and the square of the length in comparisons.
//
//   best [1 4 6 9], next [2 3 5 8] as [8 5 3 2]:   the lesser [1 4 3 2], sorted [1 2 3 4]
#include "codegen/schedules/cuda/GroupSort.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/SortKeys.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kWarp = 32;
constexpr int64_t kMost = 4096;       // keys of a tile: 32 KB of shared memory while they are sorted
constexpr int64_t kTile = 1024;       // of a row longer than kMost, where k allows
constexpr int64_t kListed = 1024;     // keys of a tile whose lanes a running sum of the block can place
constexpr int64_t kEach = 4;          // lanes of a thread
constexpr int64_t kRankTile = 256;    // elements that are ranked by a program
constexpr int64_t kAhead = 8;         // keys of the row that are read ahead

class CudaSort {
 public:
  CudaSort(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front())
      if (auto o = dyn_cast<TopKOp>(op)) top_ = o;
    if (!top_) return group_.emitOpError("has no top_k to schedule");
    space_ = sizesOf(top_.getX().getType());
    axis_ = top_.getAxis();
    length_ = space_[axis_];
    element_ = cast<RankedTensorType>(top_.getX().getType()).getElementType();
    count_ = sizesOf(top_.getValues().getType())[axis_];
    bool selects = count_.constant() && *count_.constant() <= kMost;
    chooseTile(selects);
    Sizes extents;
    for (size_t d = 0; d < space_.size(); ++d) extents.push_back(int64_t(d) == axis_ ? SizeExpr(1) : space_[d]);
    SizeExpr rows = volume(extents), programs = rows;
    if (!selects) {
      extents.push_back(ceilDiv(length_, width_));
      programs = programs * extents.back();
    }
    SmallVector<Value> parts = kb_.delinearize(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), extents);
    for (size_t d = 0; d < space_.size(); ++d) at_.push_back({parts[d], 0, {}});
    // Never more than there are: whoever asks for more gets nothing there (the importer has that checked before).
    given_ = (length_ - count_).isAtLeast(0) ? kb_.size(count_) : kb_.min(kb_.size(count_), kb_.size(length_));
    selects ? select() : rank(parts.back());
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(std::max(kWarp, width_ / kEach)));
    Scheduled scheduled = kb_.finish(programs, scratchBytes_, rows * ceilDiv(length_, 16) * SizeExpr(32));
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }

  void chooseTile(bool selects) {
    if (!selects) {
      width_ = kRankTile;
    } else if (auto length = length_.constant(); length && *length <= kMost) {
      width_ = std::max<int64_t>(kWarp, int64_t(llvm::PowerOf2Ceil(uint64_t(*length))));
    } else {
      width_ = std::max<int64_t>(kTile, int64_t(llvm::PowerOf2Ceil(uint64_t(*count_.constant()))));
    }
    keyTile_ = VectorType::get({width_}, b().getI64Type());
    emitter_.emplace(kb_, width_);
    single_.emplace(kb_, 1);
  }
  ValueRange yielded() { return group_.getBody().front().getTerminator()->getOperands(); }
  /// Keys of the row from `begin` on; past the end they are greater than any.
  Value keysAt(ExpressionEmitter &emitter, Value begin, Value limit) {
    Coordinates at(at_);
    at[axis_] = {begin, emitter.width() == 1 ? 0 : 1, {}};
    emitter.setLimit(limit);
    return sortKeys(kb_, emitter.evaluate(top_.getX(), at), element_, top_.getAscending(), begin, limit);
  }

  // ---- select -------------------------------------------------------------------------------------------------------------------
  void select() {
    Value best;
    if (auto length = length_.constant(); length && *length <= width_) {
      best = sorted(keysAt(*emitter_, c(0), *length == width_ ? Value() : c(*length)), false);
    } else {
      best = width_ <= kListed ? selectByList() : selectByTiles();
    }
    Value positions = positionsOf(kb_, best);
    Coordinates to(at_), from(at_);
    to[axis_] = {c(0), 1, {}};
    from[axis_] = {{}, 0, arith::IndexCastOp::create(b(), loc(), VectorType::get({width_}, b().getIndexType()), positions)};
    emitter_->setLimit(count_.isConstant(width_) && (length_ - count_).isAtLeast(0) ? Value() : given_);
    for (auto [i, v] : llvm::enumerate(yielded())) emitter_->store(i, v == top_.getIndices() ? positions : emitter_->evaluate(top_.getX(), from), to);
  }
  Value selectByTiles() {
    Value most = arith::ConstantOp::create(b(), loc(), b().getI64IntegerAttr(INT64_MAX));
    Value none = arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(keyTile_, b().getI64IntegerAttr(INT64_MAX)));
    auto loop = scf::ForOp::create(b(), loc(), c(0), kb_.size(length_), c(width_), ValueRange{none, most});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value begin = loop.getInductionVar(), best = loop.getRegionIterArg(0), bound = loop.getRegionIterArg(1);
    Value keys = keysAt(*emitter_, begin, kb_.sub(kb_.size(length_), begin));
    Value least = tile::ReduceOp::create(b(), loc(), b().getI64Type(), tile::ReduceKind::min, keys);
    Value joins = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, least, bound);
    auto branch = scf::IfOp::create(b(), loc(), TypeRange{keyTile_, b().getI64Type()}, joins, /*withElse=*/true);
    {
      OpBuilder::InsertionGuard inner(b());
      b().setInsertionPointToStart(branch.thenBlock());
      Value both = merged(best, keys);
      scf::YieldOp::create(b(), loc(), ValueRange{both, lastOf(both)});
      b().setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b(), loc(), ValueRange{best, bound});
    }
    scf::YieldOp::create(b(), loc(), branch.getResults());
    emitter_->clearCache();
    return loop.getResult(0);
  }
  Value selectByList() {
    Type index = b().getIndexType(), i64 = b().getI64Type();
    auto lanes = VectorType::get({width_}, index), counts = VectorType::get({width_}, b().getI32Type());
    Value most = arith::ConstantOp::create(b(), loc(), b().getI64IntegerAttr(INT64_MAX)), width = c(width_), one = c(1);
    Value none = arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(keyTile_, b().getI64IntegerAttr(INT64_MAX)));
    Value list = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), i64), c(0));
    scratchBytes_ = 2 * width_ * 8;  // less than a tile, and a tile
    auto listed = [&](Value at, Value limit) -> Value {
      return tile::LoadOp::create(b(), loc(), keyTile_, list, at, ValueRange{one}, limit ? ValueRange(limit) : ValueRange());
    };
    auto loop = scf::ForOp::create(b(), loc(), c(0), kb_.size(length_), width, ValueRange{none, most, c(0)});
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      Value begin = loop.getInductionVar(), best = loop.getRegionIterArg(0), bound = loop.getRegionIterArg(1), used = loop.getRegionIterArg(2);
      Value keys = keysAt(*emitter_, begin, kb_.sub(kb_.size(length_), begin));
      Value joins = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, keys, kb_.splat(bound, width_));
      auto places = tile::ScanOp::create(b(), loc(), counts, b().getI32Type(), arith::ExtUIOp::create(b(), loc(), counts, joins), /*exclusive=*/true, /*reverse=*/false);
      Value at = arith::AddIOp::create(b(), loc(), arith::IndexCastOp::create(b(), loc(), lanes, places.getSums()), kb_.splat(used, width_));
      tile::ScatterOp::create(b(), loc(), keys, list, at, joins);
      used = kb_.add(used, arith::IndexCastOp::create(b(), loc(), index, places.getTotal()));
      Value isFull = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, used, width);
      auto branch = scf::IfOp::create(b(), loc(), TypeRange{keyTile_, i64, index}, isFull, /*withElse=*/true);
      {
        OpBuilder::InsertionGuard inner(b());
        b().setInsertionPointToStart(branch.thenBlock());
        Value both = merged(best, listed(c(0), {})), rest = kb_.sub(used, width);
        tile::StoreOp::create(b(), loc(), listed(width, rest), list, c(0), ValueRange{one}, ValueRange{rest});
        scf::YieldOp::create(b(), loc(), ValueRange{both, lastOf(both), rest});
        b().setInsertionPointToStart(branch.elseBlock());
        scf::YieldOp::create(b(), loc(), ValueRange{best, bound, used});
      }
      scf::YieldOp::create(b(), loc(), branch.getResults());
    }
    emitter_->clearCache();
    Value left = loop.getResult(2), lane = vector::StepOp::create(b(), loc(), lanes);
    Value isListed = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, lane, kb_.splat(left, width_));
    return merged(loop.getResult(0), arith::SelectOp::create(b(), loc(), isListed, listed(c(0), left), none));
  }
  /// The least keys of two tiles, the first of which is sorted.
  Value merged(Value best, Value keys) { return sorted(arith::MinSIOp::create(b(), loc(), best, sorted(keys, true)), false); }
  /// The k-th of sorted keys.
  Value lastOf(Value best) { return vector::ExtractOp::create(b(), loc(), best, std::max<int64_t>(*count_.constant(), 1) - 1); }
  Value sorted(Value keys, bool descending) { return tile::SortOp::create(b(), loc(), keyTile_, keys, descending); }

  // ---- rank ---------------------------------------------------------------------------------------------------------------------
  void rank(Value tile) {
    Value begin = kb_.mul(tile, c(width_)), rest = kb_.sub(kb_.size(length_), begin), keys = keysAt(*emitter_, begin, rest);
    Value none = arith::ConstantOp::create(b(), loc(), keyTile_, b().getZeroAttr(keyTile_));
    auto loop = scf::ForOp::create(b(), loc(), c(0), kb_.size(length_), c(1), ValueRange{none});
    loop->setAttr("unroll", b().getI64IntegerAttr(kAhead));
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      Value key = vector::ExtractOp::create(b(), loc(), keysAt(*single_, loop.getInductionVar(), {}), 0);
      Value less = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, kb_.splat(key, width_), keys);
      scf::YieldOp::create(b(), loc(), arith::AddIOp::create(b(), loc(), loop.getRegionIterArg(0), arith::ExtUIOp::create(b(), loc(), keyTile_, less)).getResult());
    }
    Value ranks = arith::IndexCastOp::create(b(), loc(), VectorType::get({width_}, b().getIndexType()), loop.getResult(0));
    Value lanes = vector::StepOp::create(b(), loc(), VectorType::get({width_}, b().getIndexType()));
    auto below = [&](Value x, Value limit) -> Value { return arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, x, kb_.splat(limit, width_)); };
    Value stored = arith::AndIOp::create(b(), loc(), below(lanes, rest), below(ranks, given_));
    auto strides = kb_.strides(sizesOf(top_.getValues().getType()));
    Value base = c(0);
    for (size_t d = 0; d < space_.size(); ++d)
      if (int64_t(d) != axis_) base = kb_.add(base, kb_.mul(at_[d].base, kb_.size(strides[d])));
    Value to = strides[axis_].isConstant(1) ? ranks : Value(arith::MulIOp::create(b(), loc(), ranks, kb_.splat(kb_.size(strides[axis_]), width_)));
    to = arith::AddIOp::create(b(), loc(), to, kb_.splat(base, width_));
    Coordinates at(at_);
    at[axis_] = {begin, 1, {}};
    emitter_->setLimit(rest);
    for (auto [i, v] : llvm::enumerate(yielded())) {
      Value result = v == top_.getIndices() ? positionsOf(kb_, keys) : emitter_->evaluate(top_.getX(), at);
      if (result.getType() == VectorType::get({width_}, b().getI1Type())) result = arith::ExtUIOp::create(b(), loc(), VectorType::get({width_}, b().getI8Type()), result);
      tile::ScatterOp::create(b(), loc(), result, kb_.output(i), to, stored);
    }
  }

  GroupOp group_;
  KernelBuilder kb_;
  std::optional<ExpressionEmitter> emitter_, single_;  // tiles; single elements
  TopKOp top_;
  Type element_;
  Sizes space_;
  int64_t axis_ = 0, width_ = kWarp, scratchBytes_ = 0;
  SizeExpr length_ = 1, count_ = 1;
  Value given_;
  Coordinates at_;
  VectorType keyTile_;
};

}  // namespace

FailureOr<Scheduled> scheduleCudaSort(GroupOp group, StringRef name, OpBuilder &builder) {
  return CudaSort(group, name, builder).run();
}

}  // namespace jinx::schedules
