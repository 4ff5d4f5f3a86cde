// The rows schedule.
//
// All values of the group live on one iteration shape D (the largest), some with reduced dimensions of extent 1. The dimensions of D
// split into kept ones (K) and reduced ones (R, empty for a plain map). The lanes run along the innermost dimension that is not 1.
//
//   programs:  one per position of the outer kept dimensions (and per chunk of the lane dimension, when that is kept and long)
//   phase i:   the reductions that need no result of phase i or later, in one loop over R: evaluate their operands, combine; lanes are
//              combined at the end when the lane dimension is reduced. The results are then known values to all that follows.
//              A result of full shape is stored by the first loop that can compute it.
//   last:      results of reduced shape are stored once; results of full shape that need the last phase in one more loop over R.
//
// softmax(x) over the last dimension, W lanes:
//
//   program = row:   m = max over chunks of x;  s = sum over chunks of exp(x - m);  for each chunk: store exp(x - m) / s
//
// CUDA: a program is a block, or a warp where rows are short, and tiles live in registers. What fits them is read once: where the lanes are
// reduced and their extent is a constant of at most kResidentRow, the tile is as wide as the row, the phases stand one after the other
// without loops, and a value that several need is one tile.
//
//   softmax, CUDA:   x = the row;  m = max x;  e = exp(x - m);  s = sum e;  store e / s
//
// Where the model does not say how long a row is, the kernel asks: a multiple of 16 bytes that fits kAnyRow is read once, one that does not
// in tiles of as many elements, and any other by single elements (emitAnyLength).
//
// How many threads, from the bytes that must be in flight: memory at 3.3 to 4.8 TB/s and some 700 ns away wants 18 to 26 KB on its way to
// each of 132 multiprocessors, which hold 2,048 threads, or 1,024 of 64 registers. So a thread of a long row has 16 elements (32 or 64
// bytes, two to four loads of 16 bytes, all before the first use); a row of up to kWarpRow elements belongs to one warp, kWarps rows to a
// block, and meets no block barrier; a thread of a map has one load of 16 bytes of each input: blocks come and go quickly, and a copy reaches
// 4.02 TB/s so, 3.89 with two loads, 3.79 with four. Where lanes are kept, a result is a sum of one
// order, so that what can be parallel is lanes and what can overlap is rows: a program is one warp with 4 bytes a thread, and the loop
// over rows is unrolled (kRowsAhead: the loads go ahead, the additions stay in order). The shape depends on the row alone, never on how
// many rows there are: results do not change with the batch. Sums over many rows are blocks that share them (cuda/ColumnStrips.h). What rows
// share, a scale or a bias, is read with the row (loadAhead).
//
// CPU: a tile of exp(x - m) is wanted twice: what is costly and used by a later phase is kept in scratch by the first phase that computes it,
// if it is known to fit the caches.
#include "codegen/schedules/Rows.h"

#include <cmath>
#include <numeric>

#include "codegen/schedules/Collapse.h"
#include "codegen/schedules/Expression.h"
#include "codegen/schedules/LaneBreaks.h"
#include "codegen/schedules/ScalarOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kMapChunk = 4096;  // elements a program handles when the lane dimension is kept
constexpr int64_t kVectorWork = 4;   // of addresses, loads and stores, in vector operations

// CUDA: see above.
constexpr int64_t kWarp = 32;
constexpr int64_t kWarps = 8;              // of a block whose programs are warps
constexpr int64_t kWarpRow = 1024;         // elements of a row that one warp holds
constexpr int64_t kResidentRow = 16384;    // elements of a row that a block holds
constexpr int64_t kAnyRow = 4096;          // elements of a row that a block of 128 threads holds, where its length is known late
constexpr int64_t kRowElements = 16;       // of a thread, in a row of a block
constexpr int64_t kSharedAhead = 64;       // bytes of what rows share that a thread reads with its row
constexpr int64_t kMapThreads = 256;
constexpr int64_t kRowsAhead = 32;         // rows of one element a thread whose loads overlap
constexpr int64_t kManyOperators = 24;     // of a loop that is not repeated as often

class RowsSchedule {
 public:
  RowsSchedule(GroupOp group, StringRef name, const Target &target, OpBuilder &builder)
      : group_(group), target_(target), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    if (failed(findIterationSpace())) return failure();
    findPhases();
    chooseLanes();
    if (target_.cuda) {
      chooseThreads();
    } else {
      findKept();
      findBreaks();
    }
    emitProgram();
    Scheduled scheduled = kb_.finish(programs_, scratch_, work());
    if (target_.cuda) sayMultiples(kb_.kernel(), scheduled.sizes);
    scheduled.question = std::move(question_);
    return scheduled;
  }

 private:
  Block &body() { return group_.getBody().front(); }
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  ValueRange yielded() { return body().getTerminator()->getOperands(); }

  // The iteration shape is that of the first reduction's operand, or of the results.
  LogicalResult findIterationSpace() {
    for (Operation &op : body())
      if (auto reduce = dyn_cast<ReduceOp>(op)) reduces_.push_back(reduce);
    Value widest = reduces_.empty() ? yielded()[0] : reduces_[0].getX();
    space_ = sizesOf(widest.getType());
    reduced_.assign(space_.size(), false);
    if (!reduces_.empty())
      for (int64_t axis : reduces_[0].getAxes()) reduced_[axis] = true;
    for (ReduceOp reduce : reduces_)
      if (sizesOf(reduce.getX().getType()) != space_ || reduce.getAxes() != reduces_[0].getAxes())
        return group_.emitOpError("reductions of a rows group must have one operand shape and one set of axes");
    for (Value v : yielded()) {
      Sizes sizes = sizesOf(v.getType());
      if (sizes.size() != space_.size()) return group_.emitOpError("results of a rows group must have one rank");
    }
    return success();
  }

  /// Phase of the first loop that can compute v: one more than that of the reductions it needs.
  int64_t readyPhase(Value v) {
    Operation *op = v.getDefiningOp();
    if (!op) return 0;
    auto known = ready_.find(v);
    if (known != ready_.end()) return known->second;
    int64_t phase = 0;
    for (Value operand : op->getOperands()) phase = std::max(phase, readyPhase(operand));
    return ready_[v] = phase + isa<ReduceOp>(op);
  }
  void findPhases() {
    for (ReduceOp reduce : reduces_) {
      size_t phase = readyPhase(reduce.getX());
      if (phases_.size() <= phase) phases_.resize(phase + 1);
      phases_[phase].push_back(reduce);
    }
  }

  void chooseLanes() {
    lane_ = -1;
    for (int64_t d = space_.size() - 1; d >= 0 && lane_ < 0; --d)
      if (!space_[d].isConstant(1)) lane_ = d;
    if (lane_ < 0) lane_ = int64_t(space_.size()) - 1;  // -1 for a scalar
    laneReduced_ = lane_ >= 0 && reduced_[lane_];
    width_ = target_.cuda ? chooseCudaShape() : 32;
    if (lane_ >= 0 && !target_.cuda)
      if (auto extent = space_[lane_].constant())
        while (width_ > 1 && width_ / 2 >= *extent) width_ /= 2;
    if (lane_ < 0) width_ = 1;
    // Programs: kept dimensions other than the lanes', then chunks of the lanes.
    for (size_t d = 0; d < space_.size(); ++d)
      if (!reduced_[d] && int64_t(d) != lane_) outer_.push_back(d);
    for (int64_t d : outer_) programs_ = programs_ * space_[d];
    if (lane_ >= 0 && !laneReduced_) {
      chunk_ = std::max<int64_t>(width_, reduces_.empty() && !target_.cuda ? kMapChunk : width_);
      chunks_ = ceilDiv(space_[lane_], chunk_);
      programs_ = programs_ * chunks_;
    }
  }

  /// How often the loop over rows is unrolled: its loads lie in registers.
  int64_t rowsAhead() {
    int64_t operators = std::distance(body().begin(), body().end());
    int64_t loads = llvm::divideCeil(width_, threads_) * std::max<int64_t>(1, group_.getInputs().size());
    return std::clamp<int64_t>(kRowsAhead / loads, 1, operators > kManyOperators ? 4 : kRowsAhead);
  }

  // ---- CUDA: threads and tiles --------------------------------------------------------------------------------------------------
  /// How many lanes a thread may take at once: 16 bytes of the narrowest type, a divisor of a row that others follow.
  int64_t widestRun() {
    int64_t bytes = 4;
    auto visit = [&](Value v) {
      if (!sizesOf(v.getType()).empty() && !sizesOf(v.getType()).back().isConstant(1))
        bytes = std::min<int64_t>(bytes, std::max(1u, memoryType(cast<RankedTensorType>(v.getType()).getElementType()).getIntOrFloatBitWidth() / 8));
    };
    for (Value v : body().getArguments()) visit(v);
    for (Value v : yielded()) visit(v);
    // Windows over what is joined or gathered: an address for every element, and loops around it. One element leaves registers for them.
    auto holds = [&](auto is) { return llvm::any_of(body(), is); };
    if (holds([](Operation &op) { return isa<PoolOp, DepthwiseConvOp>(op); }) &&
        holds([](Operation &op) { return isa<ConcatOp, PadOp, GatherOp, GatherElementsOp, GatherNdOp>(op); }))
      return 1;
    return std::min<int64_t>(8, 16 / bytes);
  }

  /// Sets threads_ and the rest of the shape; gives the width of a tile.
  int64_t chooseCudaShape() {
    threads_ = kWarp;
    if (lane_ < 0) return 1;
    int64_t run = widestRun();
    auto extent = space_[lane_].constant();
    auto spread = [&](int64_t lanes) {  // all threads have some of few lanes, and no row begins inside a run
      while (run > 1 && (lanes < kWarp * run || lanes % run)) run /= 2;
    };
    /// As many threads as hold `lanes` at `each` elements, in whole runs.
    auto hold = [&](int64_t lanes, int64_t each, int64_t most) {
      int64_t runs = llvm::divideCeil(lanes, run);
      threads_ = std::clamp<int64_t>(llvm::alignTo(llvm::divideCeil(lanes, each), kWarp), kWarp, most);
      return threads_ * run * llvm::divideCeil(runs, threads_);
    };
    if (!reduces_.empty() && !laneReduced_) return kWarp * std::max<int64_t>(1, std::min<int64_t>(4, run / 4));
    if (laneReduced_) {
      if (!extent) {
        threads_ = 128;
        bool onlyLanes = true;
        for (size_t d = 0; d < space_.size(); ++d) onlyLanes &= !reduced_[d] || int64_t(d) == lane_;
        if (onlyLanes && !space_[lane_].exactDivide(run)) anyRun_ = run;
        return threads_ * 4;
      }
      if (*extent > kResidentRow) {
        threads_ = 512;
        return threads_ * kRowElements;
      }
      spread(*extent);
      int64_t width = hold(*extent, chooseElements(*extent), 1024);
      if (threads_ == kWarp) perBlock_ = kWarps;
      return width;
    }
    if (extent && *extent < kMapThreads * run) {
      spread(*extent);
      int64_t width = hold(*extent, run, kMapThreads);
      if (threads_ == kWarp) perBlock_ = kWarps;
      return width;
    }
    threads_ = kMapThreads;
    return threads_ * run;
  }
  /// Elements of a row that a thread has. The more, the fewer threads meet at the block's barriers, and the fewer loads are under way together.
  int64_t chooseElements(int64_t extent) {
    const int64_t usual = extent <= kWarpRow ? kWarpRow / kWarp : kRowElements;
    Choice<int64_t> choice;
    auto add = [&](int64_t each, double cost) { choice.add(each, "elements=" + std::to_string(each), cost); };
    add(usual, 0);
    for (int64_t each : {8, 16, 32})
      if (each != usual && each * 1024 >= extent && each * kWarp <= int64_t(llvm::PowerOf2Ceil(extent))) add(each, std::abs(std::log2(double(each) / usual)));
    std::string problem = "rows";
    llvm::raw_string_ostream out(problem);
    for (BlockArgument arg : body().getArguments()) out << " " << cast<RankedTensorType>(arg.getType()).getElementType();
    out << " ->";
    for (Value v : yielded()) out << " " << cast<RankedTensorType>(v.getType()).getElementType();
    out << ", lanes=" << extent << " rows=" << textOf(exactRows()) << " reductions=" << reduces_.size() << " operators=" << std::distance(body().begin(), body().end()) - 1;
    return choice.take(problem, target_.measured, question_);
  }
  SizeExpr exactRows() const {
    SizeExpr rows = 1;
    for (size_t d = 0; d < space_.size(); ++d)
      if (int64_t(d) != lane_) rows = rows * space_[d];
    return rows;
  }
  void chooseThreads() {
    // Few rows: each in a block of its own, so that they spread over the multiprocessors.
    if (auto count = programs_.constant(); count && *count < 132 * kWarps) perBlock_ = 1;
    resident_ = laneReduced_ && space_[lane_].constant().value_or(kResidentRow + 1) <= kResidentRow;
    for (size_t d = 0; d < space_.size(); ++d) resident_ &= !reduced_[d] || int64_t(d) == lane_;
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(threads_));
    if (perBlock_ > 1) kb_.kernel()->setAttr("programs_per_block", b().getI64IntegerAttr(perBlock_));
  }

  /// Vectors of 16 lanes, times what is done to each.
  SizeExpr work() {
    SizeExpr vectors = 1;
    for (size_t d = 0; d < space_.size(); ++d) vectors = vectors * (int64_t(d) == lane_ ? ceilDiv(space_[d], 16) : space_[d]);
    int64_t each = kVectorWork;
    for (Operation &op : body()) each += workOf(&op);
    return vectors * SizeExpr(each);
  }
  static int64_t workOf(Operation *op) {
    auto product = [](ArrayRef<int64_t> extents) { return std::accumulate(extents.begin(), extents.end(), int64_t(1), std::multiplies<>()); };
    if (auto o = dyn_cast<DepthwiseConvOp>(op)) return 2 * product(cast<RankedTensorType>(o.getW().getType()).getShape().drop_back());
    if (auto o = dyn_cast<PoolOp>(op)) return 2 * product(o.getKernel());
    return isCostly(op) || isa<GatherOp, GatherElementsOp, GatherNdOp, ResizeOp>(op) ? 16 : 1;
  }

  // ---- loops --------------------------------------------------------------------------------------------------------------------
  using LaneBody = function_ref<SmallVector<Value>(const Coordinate &lane, Value limit, ValueRange carried)>;

  /// Walks lanes [begin, end) of the lane dimension, one part after the other where it is cut (LaneBreaks.h).
  SmallVector<Value> forLanes(Value begin, Value end, ValueRange inits, LaneBody emit) {
    if (target_.cuda && !laneReduced_) return oneTile(begin, emit);
    if (breaks_.empty()) return forPart(begin, end, std::nullopt, inits, emit);
    SmallVector<Value> carried(inits);
    SizeExpr low = 0;
    for (size_t i = 0; i <= breaks_.size(); ++i) {
      SizeExpr high = i < breaks_.size() ? breaks_[i] : space_[lane_];
      Value from = kb_.max(begin, kb_.size(low)), to = kb_.max(from, kb_.min(end, kb_.size(high)));
      carried = forPart(from, to, Coordinate::Range{low, high}, carried, emit);
      low = high;
    }
    return carried;
  }

  /// CUDA: a program that keeps the lanes has one tile of them. Whether it is whole is decided once.
  SmallVector<Value> oneTile(Value begin, LaneBody emit) {
    auto extent = space_[lane_].constant();
    Coordinate lane{begin, 1, {}};
    if (extent && *extent % width_ == 0) return emit(lane, Value(), {});
    Value rest = kb_.sub(kb_.size(space_[lane_]), begin);
    if (extent && *extent < width_) return emit(lane, rest, {});
    Value whole = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, rest, kb_.constant(width_));
    auto branch = scf::IfOp::create(b(), loc(), TypeRange(), whole, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    emit(lane, Value(), {});
    b().setInsertionPointToStart(branch.elseBlock());
    emit(lane, rest, {});
    return {};
  }

  /// Whole tiles first, then one masked tile.
  SmallVector<Value> forPart(Value begin, Value end, const std::optional<Coordinate::Range> &range, ValueRange inits, LaneBody emit) {
    Value width = kb_.constant(width_), length = kb_.sub(end, begin);
    Value whole = kb_.mul(kb_.floorDiv(length, width), width), wholeEnd = kb_.add(begin, whole);
    auto constantLength = getConstantIntValue(length);
    SmallVector<Value> carried(inits);
    if (target_.cuda && constantLength && *constantLength <= width_)  // no loop around one tile
      return emit({begin, 1, {}, range}, *constantLength == width_ ? Value() : length, carried);
    if (!constantLength || *constantLength >= width_) {
      auto loop = scf::ForOp::create(b(), loc(), begin, wholeEnd, width, carried);
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      auto next = emit({loop.getInductionVar(), 1, {}, range}, Value(), loop.getRegionIterArgs());
      if (!next.empty()) scf::YieldOp::create(b(), loc(), next);
      carried.assign(loop.getResults().begin(), loop.getResults().end());
    }
    if (constantLength && *constantLength % width_ == 0) return carried;
    Value rest = kb_.sub(length, whole);
    Coordinate lane{wholeEnd, 1, {}, range};
    if (constantLength && inits.empty()) {
      emit(lane, rest, {});
      return carried;
    }
    if (constantLength) return emit(lane, rest, carried);
    Value any = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sgt, rest, kb_.constant(0));
    auto branch = scf::IfOp::create(b(), loc(), ValueRange(carried).getTypes(), any, /*withElse=*/!carried.empty());
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    auto next = emit(lane, rest, carried);
    if (!next.empty()) {
      scf::YieldOp::create(b(), loc(), next);
      b().setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b(), loc(), carried);
    }
    return SmallVector<Value>(branch.getResults());
  }

  using SpaceBody = function_ref<SmallVector<Value>(ArrayRef<Coordinate> at, Value limit, ValueRange carried)>;
  /// Walks the reduced dimensions (and the lanes, when they are reduced) of this program.
  SmallVector<Value> forReduced(ValueRange inits, SpaceBody emit) {
    SmallVector<int64_t> dims;
    for (size_t d = 0; d < space_.size(); ++d)
      if (reduced_[d] && int64_t(d) != lane_) dims.push_back(d);
    Coordinates at(position_);
    std::function<SmallVector<Value>(size_t, ValueRange)> nest = [&](size_t i, ValueRange carried) -> SmallVector<Value> {
      if (i < dims.size()) {
        auto loop = scf::ForOp::create(b(), loc(), kb_.constant(0), kb_.size(space_[dims[i]]), kb_.constant(1), carried);
        if (target_.cuda && i + 1 == dims.size()) loop->setAttr("unroll", b().getI64IntegerAttr(rowsAhead()));
        OpBuilder::InsertionGuard guard(b());
        b().setInsertionPointToStart(loop.getBody());
        at[dims[i]] = {loop.getInductionVar(), 0, {}};
        auto next = nest(i + 1, loop.getRegionIterArgs());
        if (!next.empty()) scf::YieldOp::create(b(), loc(), next);
        return SmallVector<Value>(loop.getResults());
      }
      if (!laneReduced_) return emit(at, laneLimit_, carried);
      if (resident_ && !space_[lane_].constant()) {  // one tile, of which some lanes are the row
        at[lane_] = {kb_.constant(0), 1, {}};
        return emit(at, kb_.size(space_[lane_]), carried);
      }
      return forLanes(kb_.constant(0), kb_.size(space_[lane_]), carried, [&](const Coordinate &lane, Value limit, ValueRange c) {
        at[lane_] = lane;
        return emit(at, limit, c);
      });
    };
    return nest(0, inits);
  }

  // ---- program ------------------------------------------------------------------------------------------------------------------
  void emitProgram() {
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    SmallVector<SizeExpr> extents;
    for (int64_t d : outer_) extents.push_back(space_[d]);
    if (perBlock_ > 1 && programs_.constant().value_or(1) % perBlock_ != 0) {
      // The last block may have warps to spare.
      Value is = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, id, kb_.size(programs_));
      auto branch = scf::IfOp::create(b(), loc(), TypeRange(), is, /*withElse=*/false);
      b().setInsertionPointToStart(branch.thenBlock());
    }
    bool chunked = lane_ >= 0 && !laneReduced_;
    if (chunked) extents.push_back(chunks_);
    auto parts = kb_.delinearize(id, extents);
    position_.assign(space_.size(), Coordinate{kb_.constant(0), 0, {}});
    for (auto [d, part] : llvm::zip(outer_, parts)) position_[d] = {part, 0, {}};
    emitter_.emplace(kb_, width_);
    single_.emplace(kb_, 1);
    if (!chunked) {
      anyRun_ > 1 ? emitAnyLength() : phases();
      return;
    }
    Value begin = kb_.mul(parts.back(), kb_.constant(chunk_));
    Value end = kb_.min(kb_.add(begin, kb_.constant(chunk_)), kb_.size(space_[lane_]));
    if (chunks_.isConstant(1)) end = kb_.size(space_[lane_]);
    forLanes(begin, end, {}, [&](const Coordinate &lane, Value limit, ValueRange) -> SmallVector<Value> {
      position_[lane_] = lane;
      laneLimit_ = limit;
      phases();
      return {};
    });
  }

  /// A row whose length is known when it is read.
  void emitAnyLength() {
    auto branch = [&](Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
      auto op = scf::IfOp::create(b(), loc(), TypeRange(), condition, /*withElse=*/true);
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(op.thenBlock());
      then();
      b().setInsertionPointToStart(op.elseBlock());
      otherwise();
    };
    auto tiles = [&](int64_t width, bool resident) {
      width_ = width, resident_ = resident;
      emitter_.emplace(kb_, width_);
      single_.emplace(kb_, 1);
      phases();
    };
    const int64_t single = width_;
    Value length = kb_.size(space_[lane_]), zero = kb_.constant(0);
    Value isMultiple = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, kb_.rem(length, kb_.constant(anyRun_)), zero);
    branch(isMultiple, [&] {
      kb_.assumeMultiple(space_[lane_], anyRun_);
      Value fits = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sle, length, kb_.constant(kAnyRow));
      branch(fits, [&] { tiles(kAnyRow, true); }, [&] { tiles(kAnyRow / 2, false); });
      kb_.assumeMultiple(1, 1);
    }, [&] { tiles(single, false); });
  }

  /// Where parts of the lanes read different operands. Kept values lie in whole tiles: there the lanes stay in one part.
  void findBreaks() {
    if (!kept_.empty()) return;
    SmallVector<Value> roots;
    for (ReduceOp reduce : reduces_) roots.push_back(reduce.getX());
    for (Value v : yielded())
      if (!isReducedShape(v)) roots.push_back(v);
    breaks_ = laneBreaks(roots, lane_);
  }

  // ---- values kept between phases -----------------------------------------------------------------------------------------------
  struct Kept {
    Value value;
    int64_t firstPhase;
    SizeExpr offset;  ///< bytes in scratch
  };

  static bool isCostly(Operation *op) {
    return isa<ExpOp, Expm1Op, LogOp, Log1pOp, SinOp, CosOp, TanhOp, AtanOp, ErfOp, SigmoidOp, PowOp>(op);
  }

  /// Costly values of full shape that two or more phases need: the first to need one writes it to scratch.
  void findKept() {
    if (reduces_.empty()) return;
    llvm::MapVector<Value, SmallVector<int64_t>> phasesOf;
    auto visit = [&](Value root, int64_t phase) {
      SmallVector<Value> work = {root};
      llvm::DenseSet<Value> seen;
      while (!work.empty()) {
        Value v = work.pop_back_val();
        Operation *op = v.getDefiningOp();
        if (!op || isa<ReduceOp>(op) || !seen.insert(v).second) continue;
        if (isCostly(op) && sizesOf(v.getType()) == space_) {
          if (!llvm::is_contained(phasesOf[v], phase)) phasesOf[v].push_back(phase);
        }
        llvm::append_range(work, op->getOperands());
      }
    };
    for (auto [i, phase] : llvm::enumerate(phases_))
      for (ReduceOp reduce : phase) visit(reduce.getX(), i);
    for (Value v : yielded())
      if (!isReducedShape(v)) visit(v, readyPhase(v));
    SizeExpr elements = width_;
    for (size_t d = 0; d < space_.size(); ++d)
      if (reduced_[d]) elements = int64_t(d) == lane_ ? elements * ceilDiv(space_[d], width_) : elements * space_[d];
    if (!fitsCaches()) return;
    for (auto &[v, phases] : phasesOf) {
      if (phases.size() < 2 || kept_.size() == 2) continue;
      llvm::sort(phases);
      int64_t bytes = std::max<int64_t>(1, cast<RankedTensorType>(v.getType()).getElementType().getIntOrFloatBitWidth() / 8);
      kept_.push_back({v, phases[0], scratch_});
      scratch_ = scratch_ + elements * SizeExpr(bytes) + 64;
    }
  }

  /// A row of constant length up to 64 Ki elements, or of one dynamic extent (a sequence), is worth keeping; more is computed again.
  bool fitsCaches() {
    int64_t elements = 1, dynamic = 0;
    for (size_t d = 0; d < space_.size(); ++d) {
      if (!reduced_[d]) continue;
      auto extent = space_[d].constant();
      extent ? elements *= *extent : ++dynamic;
    }
    return dynamic == 0 ? elements <= (1 << 16) : dynamic == 1 && elements <= 64;
  }

  Value keptAddress(const Kept &kept, ArrayRef<Coordinate> at, Value &offset) {
    offset = kb_.constant(0);
    SizeExpr stride = width_;
    for (int64_t d = int64_t(space_.size()) - 1; d >= 0; --d) {
      if (!reduced_[d]) continue;
      if (d == lane_) {
        offset = kb_.add(offset, at[d].base);
        stride = ceilDiv(space_[d], width_) * SizeExpr(width_);
        continue;
      }
      offset = kb_.add(offset, kb_.mul(at[d].base, kb_.size(stride)));
      stride = stride * space_[d];
    }
    Type element = registerType(cast<RankedTensorType>(kept.value.getType()).getElementType());
    // Offsets of kept values are multiples of 64 only when sizes are; element alignment is all that is needed.
    return tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), element), kb_.size(kept.offset));
  }
  void loadKept(int64_t phase, ArrayRef<Coordinate> at) {
    for (const Kept &kept : kept_) {
      if (kept.firstPhase >= phase) continue;
      Value offset, ptr = keptAddress(kept, at, offset);
      auto type = VectorType::get({width_}, registerType(cast<RankedTensorType>(kept.value.getType()).getElementType()));
      emitter_->define(kept.value, tile::LoadOp::create(b(), loc(), type, ptr, offset, ValueRange{kb_.constant(1)}, ValueRange()));
    }
  }
  void storeKept(int64_t phase, ArrayRef<Coordinate> at) {
    for (const Kept &kept : kept_) {
      if (kept.firstPhase != phase) continue;
      Value offset, ptr = keptAddress(kept, at, offset);
      tile::StoreOp::create(b(), loc(), emitter_->evaluate(kept.value, at), ptr, offset, ValueRange{kb_.constant(1)}, ValueRange());
    }
  }

  void phases() {
    for (size_t i = 0; i < phases_.size(); ++i) emitPhase(i);
    if (resident_) storeFull(phases_.size(), residentAt_);
    emitter_->setLimit(laneReduced_ ? Value() : laneLimit_);
    bool anyFull = false;
    for (auto [i, v] : llvm::enumerate(yielded())) {
      if (!isReducedShape(v)) {
        anyFull |= isLast(readyPhase(v));
        continue;
      }
      storeReduced(i, v);
    }
    if (anyFull && !resident_) {
      forReduced({}, [&](ArrayRef<Coordinate> at, Value limit, ValueRange) -> SmallVector<Value> {
        emitter_->setLimit(limit);
        loadKept(phases_.size(), at);
        storeFull(phases_.size(), at);
        return {};
      });
    }
    for (ReduceOp reduce : reduces_) emitter_->undefine(reduce.getY());
    for (const Kept &kept : kept_) emitter_->undefine(kept.value);
    emitter_->clearCache();
  }

  bool isReducedShape(Value v) {
    if (reduces_.empty()) return false;
    Sizes sizes = sizesOf(v.getType());
    for (size_t d = 0; d < sizes.size(); ++d)
      if (reduced_[d] && !sizes[d].isConstant(1)) return false;
    // A shape without reduced extent may still be the full one, when those extents are 1: both readings agree.
    return true;
  }

  bool isLast(int64_t phase) { return phase >= int64_t(phases_.size()); }
  /// Stores the results of full shape that the loop of this phase is the first to know.
  void storeFull(int64_t phase, ArrayRef<Coordinate> at) {
    for (auto [i, v] : llvm::enumerate(yielded()))
      if (!isReducedShape(v) && readyPhase(v) == phase) emitter_->store(i, emitter_->evaluate(v, at), at);
  }

  /// What a reduction accumulates in, and how its operand gets there.
  struct Accumulator {
    ReduceOp reduce;
    Type element, accElement;
    bool isUnsigned, isHalf;  // f16 and bf16 accumulate in f32
    Value neutral;
  };
  Accumulator accumulatorOf(ReduceOp reduce) {
    Type graphElement = cast<RankedTensorType>(reduce.getX().getType()).getElementType(), element = registerType(graphElement);
    bool isHalf = isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32;
    Accumulator acc{reduce, element, isHalf ? b().getF32Type() : element, graphElement.isUnsignedInteger(), isHalf, {}};
    auto type = VectorType::get({width_}, acc.accElement);
    auto neutral = neutralElement(b(), reduce.getKind(), acc.accElement, acc.isUnsigned);
    acc.neutral = arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(type, Attribute(neutral)));
    return acc;
  }
  Value combined(const Accumulator &acc, Value carried, ArrayRef<Coordinate> at, Value limit) {
    Value x = emitter_->evaluate(ReduceOp(acc.reduce).getX(), at);
    if (acc.isHalf) x = arith::ExtFOp::create(b(), loc(), acc.neutral.getType(), x);
    if (limit && laneReduced_) {
      Value lanes = vector::StepOp::create(b(), loc(), VectorType::get({width_}, b().getIndexType()));
      Value valid = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, lanes, kb_.splat(limit, width_));
      x = arith::SelectOp::create(b(), loc(), valid, x, acc.neutral);
    }
    if (resident_) return x;
    return buildCombine(b(), loc(), ReduceOp(acc.reduce).getKind(), carried, x, acc.isUnsigned);
  }

  /// What rows share (a scale, a bias) is read beside the row: behind the reduction every thread would wait for it. A second operand of
  /// full shape leaves no registers for that, and has bytes in flight enough.
  void loadAhead(ArrayRef<Coordinate> at) {
    SmallVector<BlockArgument> shared;
    int64_t rows = 0, bytes = 0;
    for (BlockArgument arg : body().getArguments()) {
      Sizes sizes = sizesOf(arg.getType());
      if (sizes.empty() || !(sizes.back() == space_[lane_])) continue;
      bool isRow = sizes.size() == space_.size() && llvm::any_of(outer_, [&](int64_t d) { return !sizes[d].isConstant(1); });
      bool inPlace = llvm::all_of(arg.getUsers(), [](Operation *user) { return isElementwiseSupported(user); });
      rows += isRow;
      if (isRow || !inPlace) continue;
      shared.push_back(arg);
      bytes += width_ / threads_ * std::max(1u, memoryType(cast<RankedTensorType>(arg.getType()).getElementType()).getIntOrFloatBitWidth() / 8);
    }
    if (rows > 1 || bytes > kSharedAhead) return;
    for (BlockArgument arg : body().getArguments())
      if (sizesOf(arg.getType()) == space_ && llvm::all_of(arg.getUsers(), [](Operation *user) { return isElementwiseSupported(user); }))
        emitter_->evaluate(arg, at);
    for (BlockArgument arg : shared) emitter_->evaluate(arg, emitter_->broadcastCoordinates(arg, at));
  }

  void emitPhase(int64_t phase) {
    SmallVector<Accumulator> accumulators;
    SmallVector<Value> neutrals;
    for (ReduceOp reduce : phases_[phase]) {
      accumulators.push_back(accumulatorOf(reduce));
      neutrals.push_back(accumulators.back().neutral);
    }
    auto results = forReduced(neutrals, [&](ArrayRef<Coordinate> at, Value limit, ValueRange carried) -> SmallVector<Value> {
      if (resident_) {  // the tile is the row: what was evaluated stays
        if (phase == 0) emitter_->setLimit(limit);
        residentAt_.assign(at.begin(), at.end());
        if (phase == 0) loadAhead(at);
      } else {
        emitter_->setLimit(limit);
      }
      loadKept(phase, at);
      SmallVector<Value> next;
      for (auto [acc, sofar] : llvm::zip(accumulators, carried)) next.push_back(combined(acc, sofar, at, limit));
      storeKept(phase, at);
      storeFull(phase, at);
      return next;
    });
    if (!resident_) emitter_->clearCache();
    for (const Kept &kept : kept_) emitter_->undefine(kept.value);
    for (auto [acc, result] : llvm::zip(accumulators, results)) define(acc, result);
  }
  void define(const Accumulator &acc, Value result) {
    ReduceOp reduce = acc.reduce;
    if (laneReduced_) result = tile::ReduceOp::create(b(), loc(), acc.accElement, tile::ReduceKind(int(reduce.getKind())), result);
    if (acc.isHalf) {
      Type narrow = laneReduced_ ? acc.element : Type(VectorType::get({width_}, acc.element));
      result = arith::TruncFOp::create(b(), loc(), narrow, result);
    }
    emitter_->define(reduce.getY(), result);
    if (laneReduced_) single_->define(reduce.getY(), result);
  }

  void storeReduced(int64_t index, Value v) {
    Coordinates at(position_);
    if (laneReduced_) at[lane_] = {kb_.constant(0), 0, {}};
    if (laneReduced_ && target_.cuda) {  // one value, and one thread that writes it
      single_->clearCache();
      single_->store(index, single_->evaluate(v, at), at);
      return;
    }
    emitter_->store(index, emitter_->evaluate(v, at), at);
    emitter_->clearCache();
  }

  GroupOp group_;
  Target target_;
  KernelBuilder kb_;
  std::optional<ExpressionEmitter> emitter_, single_;  // tiles; single elements
  SmallVector<ReduceOp> reduces_;
  SmallVector<SmallVector<ReduceOp>> phases_;
  llvm::DenseMap<Value, int64_t> ready_;
  SmallVector<Kept> kept_;
  Sizes space_;
  SmallVector<bool> reduced_;
  SmallVector<int64_t> outer_;
  int64_t lane_ = -1, width_ = 1, chunk_ = 1;
  SizeExpr chunks_ = 1, programs_ = 1, scratch_ = 0;
  bool laneReduced_ = false;
  std::optional<Question> question_;
  int64_t threads_ = 0, perBlock_ = 1;  // CUDA
  int64_t anyRun_ = 1;                  // CUDA: elements of an access where a row of unknown length is a multiple of them
  bool resident_ = false;               // CUDA: a tile is the row
  Coordinates residentAt_;
  SmallVector<SizeExpr> breaks_;  // of the lane dimension
  Coordinates position_;
  Value laneLimit_;
};

}  // namespace

FailureOr<Scheduled> scheduleRows(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  GroupOp collapsed = collapseDimensions(group);
  auto scheduled = RowsSchedule(collapsed, name, target, builder).run();
  eraseCollapsed(collapsed, group);
  return scheduled;
}

}  // namespace jinx::schedules
