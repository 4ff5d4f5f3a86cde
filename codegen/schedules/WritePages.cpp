// The schedule of jinx.write_pages: a program has a token, and writes its row of each head, 16 columns at a time. On CUDA a program is a thread that has a
// run of a head's row, or the same run of each of the pieces that the row is made of (cuda/Pieces.h); with scales it is a warp that has the row, all of it in registers. Rows are an operand, or what the group makes of its operands (rotated keys), evaluated where they are written.
//
// With scales a row is walked twice, for its largest magnitude and for its codes:
//
//   i8, row 0.5 -2 1 …, largest magnitude 2     scale = 2 / 127     codes = round(row / scale) = 32 -127 64 …
#include "codegen/schedules/WritePages.h"

#include <limits>

#include "codegen/schedules/PageLayout.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/Pieces.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kWarp = 32, kWarpsOfBlock = 4;

class WritePagesSchedule {
 public:
  WritePagesSchedule(GroupOp group, WritePagesOp write, StringRef name, const Target &target, OpBuilder &builder)
      : op_(write), kb_(builder, group.getLoc(), name, group), layout_(PageLayout::of(write.getPool(), write.getKind(), target.cuda)),
        from_(elementOf(write.getRows())), to_(elementOf(write.getPool())), width_(target.cuda ? layout_.depth : kPageColumns) {}

  Scheduled run() {
    if (!layout_.isRows) return byTokens();
    auto pieces = op_.getScales() ? std::nullopt : piecesOf(op_.getRows());
    return pieces ? byThreads(*pieces) : byWarps();
  }

 private:
  Scheduled byTokens() {
    const SizeExpr tokens = sizesOf(op_.getRows().getType())[0];
    Value token = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    ifWritten(token, [&](Value page, Value row) {
      forRange(c(layout_.heads), 1, [&](Value h) { writeRow(token, page, row, h); });
    });
    return kb_.finish(tokens, SizeExpr(0), tokens * SizeExpr(layout_.heads * layout_.depth));
  }
  Scheduled byThreads(const Pieces &pieces) {
    const SizeExpr tokens = sizesOf(op_.getRows().getType())[0];
    const SmallVector<SizeExpr> extents = {tokens, SizeExpr(layout_.heads), SizeExpr(pieces.threads())};
    const SizeExpr programs = volume(extents);
    Value program = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    when(arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, program, kb_.size(programs)), [&] {
      auto at = kb_.delinearize(program, extents);
      Value slot = kb_.loadIndex(input(op_.getSlots()), at[0]);
      SmallVector<std::pair<Value, Value>> tiles;  // and their columns: read beside the slot, which is as far away
      ExpressionEmitter emitter(kb_, pieces.run);
      forPieces(kb_, emitter, pieces, op_.getRows(), {Coordinate{at[0]}, Coordinate{at[1]}, Coordinate{}}, at[2], [&](Value tile, const Coordinates &place) {
        Value y = from_ == to_ ? tile : buildCast(b(), loc(), buildCast(b(), loc(), tile, from_, b().getF32Type()), b().getF32Type(), to_);
        tiles.push_back({y, place.back().base});
      });
      ifSlot(slot, [&](Value page, Value row) {
        Value to = kb_.add(layout_.head(kb_, page, at[1]), layout_.row(kb_, row));
        for (auto [tile, column] : tiles)
          tile::StoreOp::create(b(), loc(), tile, kb_.output(0), kb_.add(to, column), ValueRange{c(1)}, ValueRange())->setAttr("whole", b().getUnitAttr());
      });
    });
    sayThreads(kb_.kernel());
    Scheduled scheduled = kb_.finish(programs, SizeExpr(0), tokens * SizeExpr(layout_.heads * layout_.depth));
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }
  Scheduled byWarps() {
    const SizeExpr tokens = sizesOf(op_.getRows().getType())[0], programs = tokens * SizeExpr(layout_.heads);
    Value program = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    when(arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, program, kb_.size(programs)), [&] {
      auto at = kb_.delinearize(program, {tokens, SizeExpr(layout_.heads)});
      ifWritten(at[0], [&](Value page, Value row) { writeRow(at[0], page, row, at[1]); });
    });
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(kWarp));
    kb_.kernel()->setAttr("programs_per_block", b().getI64IntegerAttr(kWarpsOfBlock));
    return kb_.finish(programs, SizeExpr(0), tokens * SizeExpr(layout_.heads * layout_.depth));
  }

  static Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }
  Value input(Value v) { return kb_.input(cast<BlockArgument>(v)); }
  VectorType columns(Type element) { return VectorType::get({width_}, element); }
  Value number(double v) { return arith::ConstantOp::create(b(), loc(), b().getF32FloatAttr(float(v))); }
  Value splat(Value scalar) { return kb_.splat(scalar, width_); }

  void when(Value condition, function_ref<void()> then) {
    auto branch = scf::IfOp::create(b(), loc(), condition, /*withElse=*/false);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    then();
  }
  void ifWritten(Value token, function_ref<void(Value page, Value row)> write) { ifSlot(kb_.loadIndex(input(op_.getSlots()), token), write); }
  void ifSlot(Value slot, function_ref<void(Value page, Value row)> write) {
    when(arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, slot, c(0)), [&] { write(kb_.floorDiv(slot, c(kPageRows)), kb_.rem(slot, c(kPageRows))); });
  }
  void forRange(Value end, int64_t step, function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(b(), loc(), c(0), end, c(step));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }

  void writeRow(Value token, Value page, Value row, Value h) {
    Value from = kb_.mul(kb_.add(kb_.mul(token, c(layout_.heads)), h), c(layout_.depth));
    auto load = [&](Value at) {
      Value tile = isa<BlockArgument>(op_.getRows())
                       ? tile::LoadOp::create(b(), loc(), columns(memoryType(from_)), input(op_.getRows()), kb_.add(from, at), ValueRange{c(1)}, ValueRange()).getTile()
                       : ExpressionEmitter(kb_, width_).evaluate(op_.getRows(), {Coordinate{token}, Coordinate{h}, Coordinate{at, 1}});
      return buildCast(b(), loc(), tile, from_, b().getF32Type());
    };
    Value whole = layout_.isRows ? load(c(0)) : Value();
    auto part = [&](Value at) { return whole ? whole : load(at); };
    Value scale, isCounted;
    if (op_.getScales()) std::tie(scale, isCounted) = scaleOf(part, kb_.add(kb_.mul(kb_.add(kb_.mul(page, c(layout_.heads)), h), c(kPageRows)), row));
    Value to = kb_.add(layout_.head(kb_, page, h), layout_.row(kb_, row));
    auto write = [&](Value at) {
      Value x = part(at);
      if (scale) x = quotient(x, scale, isCounted);
      Value y = buildCast(b(), loc(), x, b().getF32Type(), to_);
      Value place = kb_.add(to, kb_.mul(kb_.floorDiv(at, c(kPageColumns)), c(layout_.strideOfColumns())));
      tile::StoreOp::create(b(), loc(), y, kb_.output(0), place, ValueRange{c(layout_.strideOfColumn())}, ValueRange());
    };
    whole ? write(c(0)) : forRange(c(layout_.depth), kPageColumns, write);
  }

  /// The largest magnitude of the columns that each lane has.
  Value magnitudes(function_ref<Value(Value)> part) {
    if (layout_.isRows) return math::AbsFOp::create(b(), loc(), part(c(0)));
    auto loop = scf::ForOp::create(b(), loc(), c(0), c(layout_.depth), c(kPageColumns), ValueRange{splat(number(0))});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value magnitude = math::AbsFOp::create(b(), loc(), part(loop.getInductionVar()));
    scf::YieldOp::create(b(), loc(), ValueRange{arith::MaximumFOp::create(b(), loc(), loop.getRegionIterArg(0), magnitude)});
    return loop.getResult(0);
  }
  /// A row's scale, which it stores at `place`, and whether there is anything to divide: no code is made of zeros, infinities and NaN.
  std::pair<Value, Value> scaleOf(function_ref<Value(Value)> part, Value place) {
    Value magnitude = tile::ReduceOp::create(b(), loc(), b().getF32Type(), tile::ReduceKind::max, magnitudes(part));
    // Ordered comparisons: false of NaN.
    Value isFinite = compare(arith::CmpFPredicate::OLT, magnitude, number(std::numeric_limits<double>::infinity()));
    Value counts = arith::AndIOp::create(b(), loc(), isFinite, compare(arith::CmpFPredicate::OGE, magnitude, number(kLeastMagnitude)));
    Value scale = arith::DivFOp::create(b(), loc(), magnitude, number(largestCode(op_.getPool())));
    scale = select(counts, scale, select(isFinite, number(0), number(std::numeric_limits<double>::quiet_NaN())));
    tile::StoreOp::create(b(), loc(), vector::BroadcastOp::create(b(), loc(), VectorType::get({1}, b().getF32Type()), scale), kb_.output(1), place, ValueRange{c(1)}, ValueRange());
    return {scale, counts};
  }
  /// What becomes a code: for integers rounded to one already.
  Value quotient(Value x, Value scale, Value isCounted) {
    Value one = select(isCounted, scale, number(1));
    x = arith::SelectOp::create(b(), loc(), splat(isCounted), arith::DivFOp::create(b(), loc(), x, splat(one)), splat(number(0)));
    return to_.isInteger(8) ? Value(math::RoundEvenOp::create(b(), loc(), x)) : x;
  }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(b(), loc(), predicate, x, y); }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b(), loc(), condition, x, y); }

  WritePagesOp op_;
  KernelBuilder kb_;
  PageLayout layout_;
  Type from_, to_;
  int64_t width_;  ///< columns at a time
};

}  // namespace

FailureOr<Scheduled> scheduleWritePages(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  auto writes = group.getBody().front().getOps<WritePagesOp>();
  WritePagesOp write = llvm::hasSingleElement(writes) ? *writes.begin() : WritePagesOp();
  if (!write || !llvm::all_of(write->getOperands(), [&](Value v) { return v == write.getRows() || isa<BlockArgument>(v); })) return group.emitOpError("has no write_pages, or one whose pages, slots or scales are no inputs of the group");
  return WritePagesSchedule(group, write, name, target, builder).run();
}

}  // namespace jinx::schedules
