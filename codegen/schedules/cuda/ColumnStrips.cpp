// Reductions over rows: a block has a strip of columns, and its teams share the rows.
//
//   thread (c, g):   acc = the run of columns c, combined over the rows g, g + teams, …     a run is 16 bytes of a row
//                    scratch[g][run c] = acc
//   thread i:        column i = scratch[0][i] combined with scratch[1][i], …; then what follows from it
//
// A strip is 128 bytes wide: wider ones want more parts of the rows to keep a GPU busy, and whoever adds those up reads more. A thread has
// kBytesAhead on their way, and a multiprocessor four blocks. Left to itself ptxas holds three of eight loads and waits, so that more blocks
// would fit: the kernel says `one_block`. Measured on an H200, both kernels, in us, where a copy's speed is 32 and 24.5:
//
//   threads side by side            8       16      32      a warp a strip of 512 bytes, and no teams
//   bf16 [16384, 4096]              35.1    36.6    36.8    42.9
//   bf16 [200704, 256]              27.5    30.3    30.8    36.1
//
// The order is fixed by the shape: team by team, each its rows in order.
#include "codegen/schedules/cuda/ColumnStrips.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kThreads = 256;       // of a block
constexpr int64_t kWidest = 16;         // bytes of an access
constexpr int64_t kLanes = 8;           // threads side by side
constexpr int64_t kBytesAhead = 128;    // of a thread

Block &bodyOf(GroupOp group) { return group.getBody().front(); }
int64_t bytesOf(Value v) {
  return std::max(1u, memoryType(cast<RankedTensorType>(v.getType()).getElementType()).getIntOrFloatBitWidth() / 8);
}
SmallVector<ReduceOp> reducesOf(GroupOp group) { return llvm::to_vector(bodyOf(group).getOps<ReduceOp>()); }

/// The innermost dimension that is not 1.
int64_t laneOf(ArrayRef<SizeExpr> space) {
  int64_t lane = int64_t(space.size()) - 1;
  while (lane > 0 && space[lane].isConstant(1)) --lane;
  return lane;
}

class ColumnStrips {
 public:
  ColumnStrips(GroupOp group, StringRef name, const RowsOfParts &parts, OpBuilder &builder)
      : kb_(builder, group.getLoc(), name, group), group_(group), parts_(parts), reduces_(reducesOf(group)), space_(sizesOf(reduces_[0].getX().getType())),
        lane_(laneOf(space_)), shape_(stripShape(group)), runs_(kb_, shape_.run), single_(kb_, 1) {}

  Scheduled run() {
    if (parts_.dim >= 0) layOutParts();
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(1));
    kb_.kernel()->setAttr("programs_per_block", b().getI64IntegerAttr(kThreads));
    kb_.kernel()->setAttr("one_block", b().getUnitAttr());
    SmallVector<SizeExpr> extents;
    SmallVector<int64_t> outer;
    for (int64_t d = 0; d < int64_t(space_.size()); ++d)
      if (d != rowDim() && d != lane_) outer.push_back(d), extents.push_back(space_[d]);
    extents.push_back(ceilDiv(space_[lane_], shape_.columns()));
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    thread_ = kb_.rem(id, kb_.constant(kThreads));
    auto blocks = delinearizeSmall(kb_, kb_.floorDiv(id, kb_.constant(kThreads)), extents);
    at_.assign(space_.size(), Coordinate{kb_.constant(0), 0, {}});
    for (auto [d, position] : llvm::zip(outer, blocks)) at_[d] = {position, 0, {}};
    firstColumn_ = kb_.mul(blocks.back(), kb_.constant(shape_.columns()));
    emitRows();
    emitColumns();
    Scheduled scheduled = kb_.finish(volume(extents) * SizeExpr(kThreads), scratchBytes_, volume(space_));
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  /// f16 and bf16 accumulate in f32.
  struct Sum {
    ReduceOp reduce;
    Type element;    ///< of what is reduced
    Type wide;       ///< of the accumulator
    bool isUnsigned;
    Value scratch;   ///< a run of each thread
  };

  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  int64_t rowDim() {
    return *llvm::find_if(reduces_[0].getAxes(), [&](int64_t axis) { return !space_[axis].isConstant(1); });
  }

  /// What lies outside of the parts is as far apart as all rows together, which may be fewer than the parts could hold.
  void layOutParts() {
    for (BlockArgument arg : bodyOf(group_).getArguments()) {
      Sizes sizes = sizesOf(arg.getType());
      if (sizes.size() != space_.size() || sizes[parts_.dim].isConstant(1)) continue;
      auto strides = kb_.strides(sizes);
      SizeExpr outside = parts_.rows * strides[parts_.dim];
      for (int64_t d = parts_.dim - 2; d >= 0; --d) {
        strides[d] = outside;
        outside = outside * sizes[d];
      }
      kb_.setStrides(arg, strides);
    }
  }

  /// All, but in the last part.
  Value rowsHere() {
    Value rows = kb_.size(space_[rowDim()]);
    if (parts_.dim < 0 || parts_.rows.exactDivide(space_[rowDim()])) return rows;
    return kb_.min(rows, kb_.sub(kb_.size(parts_.rows), kb_.mul(at_[rowDim() - 1].base, rows)));
  }

  /// Columns from `column` of the strip on; null where a strip is always whole.
  Value limitFrom(Value column) {
    if (space_[lane_].exactDivide(shape_.columns())) return {};
    return kb_.sub(kb_.sub(kb_.size(space_[lane_]), firstColumn_), column);
  }

  int64_t rowsAhead() {
    int64_t bytes = 0;
    for (BlockArgument arg : bodyOf(group_).getArguments()) {
      Sizes sizes = sizesOf(arg.getType());
      bool hasRows = sizes.size() == space_.size() && !sizes[rowDim()].isConstant(1) && !sizes[lane_].isConstant(1);
      bytes += hasRows ? shape_.run * bytesOf(arg) : 0;
    }
    return std::clamp<int64_t>(kBytesAhead / std::max<int64_t>(1, bytes), 2, 16);
  }

  /// The thread's rows, to scratch.
  void emitRows() {
    SmallVector<Value> neutral;
    for (ReduceOp reduce : reduces_) {
      Type graphElement = cast<RankedTensorType>(reduce.getX().getType()).getElementType(), element = registerType(graphElement);
      bool isHalf = isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32;
      Type wide = isHalf ? Type(b().getF32Type()) : element;
      Value scratch = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), wide), kb_.constant(scratchBytes_));
      sums_.push_back({reduce, element, wide, graphElement.isUnsignedInteger(), scratch});
      scratchBytes_ += kThreads * shape_.run * wide.getIntOrFloatBitWidth() / 8;
      auto type = VectorType::get({shape_.run}, wide);
      Attribute value = neutralElement(b(), reduce.getKind(), wide, sums_.back().isUnsigned);
      neutral.push_back(arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(type, value)));
    }
    Value lane = kb_.rem(thread_, kb_.constant(shape_.lanes)), team = kb_.floorDiv(thread_, kb_.constant(shape_.lanes));
    Value column = kb_.mul(lane, kb_.constant(shape_.run)), teams = kb_.constant(shape_.teams), rows = rowsHere();
    auto count = space_[rowDim()].constant();
    const bool isEven = rows == kb_.size(space_[rowDim()]) && count && *count % shape_.teams == 0;  // as many rows for each team
    auto loop = isEven ? scf::ForOp::create(b(), loc(), kb_.constant(0), kb_.constant(*count / shape_.teams), kb_.constant(1), neutral)
                       : scf::ForOp::create(b(), loc(), team, rows, teams, neutral);
    loop->setAttr("unroll", b().getI64IntegerAttr(rowsAhead()));
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      Value step = loop.getInductionVar();
      Coordinates at(at_);
      at[rowDim()] = {isEven ? kb_.add(kb_.mul(step, teams), team) : step, 0, {}};
      at[lane_] = {kb_.add(firstColumn_, column), 1, {}};
      runs_.setLimit(limitFrom(column));
      SmallVector<Value> next;
      for (auto [sum, carried] : llvm::zip(sums_, loop.getRegionIterArgs())) {
        Value x = runs_.evaluate(sum.reduce.getX(), at);
        if (sum.wide != sum.element) x = arith::ExtFOp::create(b(), loc(), carried.getType(), x);
        next.push_back(buildCombine(b(), loc(), sum.reduce.getKind(), carried, x, sum.isUnsigned));
      }
      scf::YieldOp::create(b(), loc(), next);
      runs_.clearCache();
    }
    for (auto [sum, total] : llvm::zip(sums_, loop.getResults()))
      tile::StoreOp::create(b(), loc(), total, sum.scratch, kb_.mul(thread_, kb_.constant(shape_.run)), ValueRange{kb_.constant(1)}, ValueRange());
  }

  /// A column a thread, from scratch.
  void emitColumns() {
    Value here = kb_.constant(shape_.columns()), limit = limitFrom(kb_.constant(0));
    limit = kb_.sub(limit ? kb_.min(limit, here) : here, thread_);
    if (!limitFrom(thread_) && shape_.columns() == kThreads) limit = {};
    ValueRange limits = limit ? ValueRange(limit) : ValueRange();
    SmallVector<Value> first;
    auto held = [&](Sum &sum, Value team) -> Value {
      Value offset = kb_.add(kb_.mul(team, here), thread_);
      return tile::LoadOp::create(b(), loc(), VectorType::get({1}, sum.wide), sum.scratch, offset, ValueRange{kb_.constant(1)}, limits);
    };
    for (Sum &sum : sums_) first.push_back(held(sum, kb_.constant(0)));
    auto loop = scf::ForOp::create(b(), loc(), kb_.constant(1), kb_.constant(shape_.teams), kb_.constant(1), first);
    loop->setAttr("unroll", b().getI64IntegerAttr(shape_.teams));
    loop->setAttr("phase", b().getStringAttr("what the teams have, team by team"));
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      SmallVector<Value> next;
      for (auto [sum, carried] : llvm::zip(sums_, loop.getRegionIterArgs()))
        next.push_back(buildCombine(b(), loc(), sum.reduce.getKind(), carried, held(sum, loop.getInductionVar()), sum.isUnsigned));
      scf::YieldOp::create(b(), loc(), next);
    }
    for (auto [sum, total] : llvm::zip(sums_, loop.getResults())) {
      Value result = total;
      if (sum.wide != sum.element) result = arith::TruncFOp::create(b(), loc(), VectorType::get({1}, sum.element), result);
      single_.define(sum.reduce.getY(), result);
    }
    Coordinates at(at_);
    at[lane_] = {kb_.add(firstColumn_, thread_), 1, {}};
    single_.setLimit(limit);
    for (auto [i, v] : llvm::enumerate(bodyOf(group_).getTerminator()->getOperands())) single_.store(int64_t(i), single_.evaluate(v, at), at);
  }

  KernelBuilder kb_;
  GroupOp group_;
  RowsOfParts parts_;
  SmallVector<ReduceOp> reduces_;
  Sizes space_;
  int64_t lane_;
  StripShape shape_;
  ExpressionEmitter runs_, single_;
  SmallVector<Sum> sums_;
  int64_t scratchBytes_ = 0;
  Coordinates at_;
  Value thread_, firstColumn_;
};

}  // namespace

StripShape stripShape(GroupOp group) {
  const Sizes space = sizesOf(reducesOf(group)[0].getX().getType());
  const int64_t lane = laneOf(space);
  int64_t narrowest = 4;
  for (BlockArgument arg : bodyOf(group).getArguments())
    if (sizesOf(arg.getType()) == space) narrowest = std::min(narrowest, bytesOf(arg));
  StripShape shape;
  shape.run = std::min<int64_t>(8, kWidest / narrowest);
  while (shape.run > 1 && !space[lane].exactDivide(shape.run)) shape.run /= 2;
  shape.lanes = kLanes;
  if (auto columns = space[lane].constant())
    while (shape.lanes > 1 && shape.run * shape.lanes / 2 >= *columns) shape.lanes /= 2;
  shape.teams = kThreads / shape.lanes;
  return shape;
}

FailureOr<Scheduled> scheduleColumnStrips(GroupOp group, StringRef name, const RowsOfParts &parts, OpBuilder &builder) {
  return ColumnStrips(group, name, parts, builder).run();
}

}  // namespace jinx::schedules
