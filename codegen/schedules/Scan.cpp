// The scan schedule.
//
// All values of the group have the shape of the sums. The lanes run along the innermost dimension that is not 1. What is carried along
// the axis depends on whether the lanes walk it:
//
//   lanes beside the axis     a program owns one tile of lanes and walks the axis; the carried value is a tile of totals
//   lanes along the axis      a program owns one row and walks its tiles; tile.scan sums a tile, and one total is carried
//
// x = [1 2 3 4 | 5 6 7], tiles of 4 lanes, along the axis:
//
//   [1 2 3 4]   scan: [1 3 6 10]    + carried 0:  [1 3 6 10]     carry 10
//   [5 6 7 .]         [5 11 18 .]   + carried 10: [15 21 28 .]
//
// In reverse tiles are walked from the last one, and lanes are summed from the last. An exclusive sum is one lane, or one step, behind.
// What computes x and what reads the sums is evaluated around each tile: it fuses like the operands and readers of a reduction.
//
// CUDA: a row of up to kWarpRow elements is one tile of a warp, kWarps rows to a block; a longer one, or one of a length that is not known,
// belongs to a block of kThreads threads with kEach elements each, so that the totals of all warps fit the slots that they exchange. Beside
// the axis a program is one warp with 4 bytes a thread, as where rows are reduced (Rows.cpp), and loads go kAhead steps ahead. Sums are
// added in one order, whatever the number of rows.
#include "codegen/schedules/Scan.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

// CUDA: see above.
constexpr int64_t kWarp = 32, kWarps = 8, kWarpRow = 512;
constexpr int64_t kThreads = 256, kEach = 4;
constexpr int64_t kAhead = 8;

class ScanSchedule {
 public:
  ScanSchedule(GroupOp group, StringRef name, const Target &target, OpBuilder &builder)
      : group_(group), target_(target), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front())
      if (auto o = dyn_cast<CumsumOp>(op)) scan_ = o;
    if (!scan_) return group_.emitOpError("has no cumsum to schedule");
    space_ = sizesOf(scan_.getX().getType());
    axis_ = scan_.getAxis();
    chooseLanes();
    emitProgram();
    SizeExpr vectors = 1;
    for (size_t d = 0; d < space_.size(); ++d) vectors = vectors * (int64_t(d) == lane_ ? ceilDiv(space_[d], 16) : space_[d]);
    int64_t each = lane_ == axis_ ? 16 : 4;
    for ([[maybe_unused]] Operation &op : group_.getBody().front()) each += 2;
    Scheduled scheduled = kb_.finish(programs_, 0, vectors * SizeExpr(each));
    if (target_.cuda) sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }

  void chooseLanes() {
    lane_ = int64_t(space_.size()) - 1;
    while (lane_ > 0 && space_[lane_].isConstant(1)) --lane_;
    width_ = target_.cuda ? chooseCudaWidth() : lane_ == axis_ ? 16 : 32;
    if (auto extent = space_[lane_].constant(); extent && !target_.cuda)
      while (width_ > 1 && width_ / 2 >= *extent) width_ /= 2;
    for (int64_t d = 0; d < int64_t(space_.size()); ++d)
      if (d != axis_ && d != lane_) outer_.push_back(d);
    for (int64_t d : outer_) programs_ = programs_ * space_[d];
    if (lane_ != axis_) programs_ = programs_ * ceilDiv(space_[lane_], width_);
    if (!target_.cuda) return;
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(threads_));
    // Few rows: each in a block of its own, so that they spread over the multiprocessors.
    auto count = programs_.constant();
    if (lane_ == axis_ && threads_ == kWarp && !(count && *count < 132 * kWarps)) perBlock_ = kWarps;
    if (perBlock_ > 1) kb_.kernel()->setAttr("programs_per_block", b().getI64IntegerAttr(perBlock_));
  }
  /// Sets threads_ too.
  int64_t chooseCudaWidth() {
    threads_ = kWarp;
    auto bytes = std::max<int64_t>(1, cast<RankedTensorType>(scan_.getX().getType()).getElementType().getIntOrFloatBitWidth() / 8);
    if (lane_ != axis_) return kWarp * std::max<int64_t>(1, 4 / bytes);
    auto extent = space_[axis_].constant();
    if (extent && *extent <= kWarpRow) return std::max<int64_t>(kWarp, int64_t(llvm::PowerOf2Ceil(uint64_t(*extent))));
    threads_ = kThreads;
    return kThreads * kEach;
  }

  void emitProgram() {
    Type graphElement = cast<RankedTensorType>(scan_.getX().getType()).getElementType();
    element_ = registerType(graphElement);
    isHalf_ = isa<FloatType>(element_) && element_.getIntOrFloatBitWidth() < 32;
    accumulator_ = VectorType::get({width_}, isHalf_ ? Type(b().getF32Type()) : element_);
    zero_ = arith::ConstantOp::create(b(), loc(), accumulator_, b().getZeroAttr(accumulator_));
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    if (perBlock_ > 1 && programs_.constant().value_or(1) % perBlock_ != 0) {
      // The last block may have warps to spare.
      Value is = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, id, kb_.size(programs_));
      auto branch = scf::IfOp::create(b(), loc(), TypeRange(), is, /*withElse=*/false);
      b().setInsertionPointToStart(branch.thenBlock());
    }
    SmallVector<SizeExpr> extents;
    for (int64_t d : outer_) extents.push_back(space_[d]);
    if (lane_ != axis_) extents.push_back(ceilDiv(space_[lane_], width_));
    auto parts = kb_.delinearize(id, extents);
    at_.assign(space_.size(), Coordinate{c(0), 0, {}});
    for (auto [d, part] : llvm::zip(outer_, parts)) at_[d] = {part, 0, {}};
    emitter_.emplace(kb_, width_);
    lane_ == axis_ ? alongAxis() : besideAxis(parts.back());
  }

  // ---- lanes beside the axis ----------------------------------------------------------------------------------------------------
  void besideAxis(Value tile) {
    Value begin = kb_.mul(tile, c(width_)), rest = kb_.sub(kb_.size(space_[lane_]), begin);
    at_[lane_] = {begin, 1, {}};
    wholeOrPart(rest, space_[lane_], [&](Value limit) {
      forAxis(kb_.size(space_[axis_]), zero_, [&](Value step, Value total) {
        at_[axis_] = {step, 0, {}};
        emitter_->setLimit(limit);
        Value next = sum(total, wide(emitter_->evaluate(scan_.getX(), at_)));
        store(scan_.getExclusive() ? total : next);
        return next;
      });
    });
  }

  // ---- lanes along the axis -----------------------------------------------------------------------------------------------------
  void alongAxis() {
    const SizeExpr &extent = space_[axis_];
    SizeExpr tiles = ceilDiv(extent, width_);
    if (tiles.isConstant(1)) {
      at_[axis_] = {c(0), 1, {}};
      oneTile(extent.isConstant(width_) ? Value() : kb_.size(extent), Value());
      return;
    }
    Type element = accumulator_.getElementType();
    Value zero = arith::ConstantOp::create(b(), loc(), element, b().getZeroAttr(element));
    if (target_.cuda) return tilesAhead(kb_.size(tiles), zero);
    forAxis(kb_.size(tiles), zero, [&](Value tile, Value total) {
      Value begin = kb_.mul(tile, c(width_)), rest = kb_.sub(kb_.size(extent), begin);
      at_[axis_] = {begin, 1, {}};
      return wholeOrPart(rest, extent, [&](Value limit) { return oneTile(limit, total); });
    });
  }
  /// \param total  of the tiles before; null: there are none
  Value oneTile(Value limit, Value total) {
    return scanned(read(limit), total);
  }
  /// The tile of x at `at_`, zeros from the limit on.
  Value read(Value limit) {
    emitter_->setLimit(limit);
    Value x = wide(emitter_->evaluate(scan_.getX(), at_));
    if (!limit) return x;
    Value lanes = vector::StepOp::create(b(), loc(), VectorType::get({width_}, b().getIndexType()));
    Value valid = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, lanes, kb_.splat(limit, width_));
    return arith::SelectOp::create(b(), loc(), valid, x, zero_);  // lanes beyond the end hold anything
  }
  /// Sums x, the tile at `at_`, and stores there; gives the total with it.
  Value scanned(Value x, Value total) {
    auto sums = tile::ScanOp::create(b(), loc(), accumulator_, accumulator_.getElementType(), x, scan_.getExclusive(), scan_.getReverse());
    store(total ? sum(kb_.splat(total, width_), sums.getSums()) : sums.getSums());
    return total ? sum(total, sums.getTotal()) : Value();
  }
  /// A tile is read while the one before it is summed: a block that waited for each would wait most of the time.
  void tilesAhead(Value count, Value zero) {
    const SizeExpr &extent = space_[axis_];
    const bool isWhole = extent.constant().value_or(1) % width_ == 0 && !extent.isConstant(0);
    Value last = kb_.max(kb_.sub(count, c(1)), c(0)), limit;
    auto moveTo = [&](Value step) {
      Value begin = kb_.mul(scan_.getReverse() ? kb_.sub(last, step) : step, c(width_));
      at_[axis_] = {begin, 1, {}};
      limit = isWhole ? Value() : kb_.sub(kb_.size(extent), begin);
    };
    moveTo(c(0));
    auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(1), ValueRange{zero, read(limit)});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value step = loop.getInductionVar();
    moveTo(kb_.min(kb_.add(step, c(1)), last));
    Value next = read(limit);
    moveTo(step);
    emitter_->setLimit(limit);
    Value total = scanned(loop.getRegionIterArg(1), loop.getRegionIterArg(0));
    emitter_->clearCache();
    scf::YieldOp::create(b(), loc(), ValueRange{total, next});
  }

  // ---- loops --------------------------------------------------------------------------------------------------------------------
  void forAxis(Value count, Value init, function_ref<Value(Value, Value)> body) {
    auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(1), ValueRange{init});
    if (target_.cuda && lane_ != axis_) loop->setAttr("unroll", b().getI64IntegerAttr(kAhead));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value i = loop.getInductionVar();
    if (scan_.getReverse()) i = kb_.sub(kb_.sub(count, c(1)), i);
    Value next = body(i, loop.getRegionIterArg(0));
    emitter_->clearCache();
    scf::YieldOp::create(b(), loc(), next);
  }
  /// Emits `body` without a limit for whole tiles, with one for the last tile, whichever can be; gives what it gives.
  template <typename Body>
  Value wholeOrPart(Value rest, const SizeExpr &extent, Body body) {
    constexpr bool kGives = std::is_same_v<decltype(body(Value())), Value>;
    auto run = [&](Value limit) -> Value {
      emitter_->clearCache();
      if constexpr (kGives) return body(limit);
      body(limit);
      return {};
    };
    if (auto constant = extent.constant()) {
      if (*constant % width_ == 0) return run({});
      if (*constant < width_) return run(rest);
    }
    Value whole = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, rest, c(width_));
    auto branch = scf::IfOp::create(b(), loc(), kGives ? TypeRange{accumulator_.getElementType()} : TypeRange{}, whole, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b());
    for (auto [block, limit] : {std::pair(branch.thenBlock(), Value()), std::pair(branch.elseBlock(), rest)}) {
      b().setInsertionPointToStart(block);
      Value given = run(limit);
      if (kGives) scf::YieldOp::create(b(), loc(), given);
    }
    emitter_->clearCache();
    return kGives ? branch.getResult(0) : Value();
  }

  // ---- values -------------------------------------------------------------------------------------------------------------------
  Value sum(Value x, Value y) {
    return isa<FloatType>(getElementTypeOrSelf(x.getType())) ? Value(arith::AddFOp::create(b(), loc(), x, y)) : arith::AddIOp::create(b(), loc(), x, y);
  }
  Value wide(Value x) { return isHalf_ ? Value(arith::ExtFOp::create(b(), loc(), accumulator_, x)) : x; }
  /// The sums at `at_` are known: stores all results there.
  void store(Value sums) {
    if (isHalf_) sums = arith::TruncFOp::create(b(), loc(), VectorType::get({width_}, element_), sums);
    emitter_->define(scan_.getY(), sums);
    for (auto [i, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) emitter_->store(i, emitter_->evaluate(v, at_), at_);
    emitter_->undefine(scan_.getY());
  }

  GroupOp group_;
  Target target_;
  KernelBuilder kb_;
  CumsumOp scan_;
  std::optional<ExpressionEmitter> emitter_;
  Sizes space_;
  SmallVector<int64_t> outer_;
  int64_t axis_ = 0, lane_ = 0, width_ = 1;
  int64_t threads_ = 0, perBlock_ = 1;  // CUDA
  SizeExpr programs_ = 1;
  Type element_;
  VectorType accumulator_;
  bool isHalf_ = false;
  Value zero_;
  Coordinates at_;
};

}  // namespace

FailureOr<Scheduled> scheduleScan(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  return ScanSchedule(group, name, target, builder).run();
}

}  // namespace jinx::schedules
