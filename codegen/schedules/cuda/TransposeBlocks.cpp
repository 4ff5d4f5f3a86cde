// Transposes through shared memory by accesses of 16 bytes: a thread turns a small square in its registers.
//
// As in GroupTranspose.cpp x's innermost dimension is the line, the result's the lane. A run is what 16 bytes hold, 8 elements of 16 bits. A
// block has a tile of kSide x kSide squares of run x run elements, one for each of its threads, 128 x 128 elements of 16 bits:
//
//   first    thread (c, r) reads square c along the line, r along the lane: run accesses of 16 bytes. Turned, its lines go to scratch
//   then     thread (c, r) has lines r, r + kSide, … of the result, chunk c of each: one access to scratch, one to memory
//
//   scratch, in chunks of a run:    line l, chunk k lies at l * kSide + (k xor l / run)
//
// Threads that write have neighbouring c, and so the same k on lines of different squares; threads that read have neighbouring k on one
// line: with the xor neither meets a bank twice. Measured on an H200, 8192 x 8192 of bf16: 69.0 us, where a warp with tiles of 64 x 64 and
// accesses of 4 bytes took 75.2, and a copy takes 66.7. Tiles of a quarter took 71.4: they are for extents beyond which larger ones stick out.
#include "codegen/schedules/cuda/GroupTranspose.h"

#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kSide = 16, kSmallSide = 8;
constexpr int64_t kLikelyExtent = 1024;  // of a symbolic dimension

class TransposeBlocks {
 public:
  TransposeBlocks(GroupOp group, StringRef name, OpBuilder &builder, const TransposeForm &form)
      : group_(group), kb_(builder, group.getLoc(), name, group), form_(form), moved_(form_.transpose.getResult()),
        element_(registerType(cast<RankedTensorType>(moved_.getType()).getElementType())), space_(sizesOf(moved_.getType())),
        run_(transposeRun(form)), emitter_(kb_, run_) {}

  Scheduled run() {
    if (paddedTo(kSmallSide) < paddedTo(kSide)) side_ = kSmallSide;
    const int64_t threads = side_ * side_, tile = side_ * run_;
    SmallVector<SizeExpr> extents;
    SmallVector<int64_t> outer;
    for (int64_t d = 0; d < int64_t(space_.size()); ++d)
      if (d != form_.line && d != form_.lane) outer.push_back(d), extents.push_back(space_[d]);
    extents.push_back(ceilDiv(space_[form_.line], tile));
    extents.push_back(ceilDiv(space_[form_.lane], tile));
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    Value thread = kb_.rem(id, kb_.constant(threads));
    auto parts = delinearizeSmall(kb_, kb_.floorDiv(id, kb_.constant(threads)), extents);
    at_.assign(space_.size(), Coordinate{kb_.constant(0), 0, {}});
    for (auto [d, part] : llvm::zip(outer, parts)) at_[d] = {part, 0, {}};
    firstLine_ = kb_.mul(parts[outer.size()], kb_.constant(tile));
    firstLane_ = kb_.mul(parts[outer.size() + 1], kb_.constant(tile));
    column_ = kb_.rem(thread, kb_.constant(side_)), row_ = kb_.floorDiv(thread, kb_.constant(side_));
    scratch_ = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), element_), kb_.constant(0));
    emitTile(tile);
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(1));
    kb_.kernel()->setAttr("programs_per_block", b().getI64IntegerAttr(threads));
    Scheduled scheduled = kb_.finish(volume(extents) * SizeExpr(threads), tile * tile * element_.getIntOrFloatBitWidth() / 8, volume(space_));
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }

  /// Elements of tiles that cover the line and the lane, of squares `side` by `side`.
  int64_t paddedTo(int64_t side) {
    int64_t elements = 1;
    for (int64_t d : {form_.line, form_.lane}) elements *= llvm::alignTo(space_[d].constant().value_or(kLikelyExtent), side * run_);
    return elements;
  }

  /// Whether a tile is whole is decided once.
  void emitTile(int64_t tile) {
    Value lines = kb_.sub(kb_.size(space_[form_.line]), firstLine_), lanes = kb_.sub(kb_.size(space_[form_.lane]), firstLane_), whole;
    for (auto [d, rest] : {std::pair{form_.line, lines}, {form_.lane, lanes}}) {
      if (space_[d].exactDivide(tile)) continue;
      Value is = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, rest, kb_.constant(tile));
      whole = whole ? Value(arith::AndIOp::create(b(), loc(), whole, is)) : is;
    }
    if (!whole) return emitPhases({}, {});
    auto branch = scf::IfOp::create(b(), loc(), TypeRange(), whole, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    emitPhases({}, {});
    b().setInsertionPointToStart(branch.elseBlock());
    emitPhases(lines, lanes);
  }

  /// \param lines, lanes  how many are left from the tile's first on; null: a tile at least. Both are multiples of a run: a square is
  /// inside, or outside. One outside stores nothing, and reads operands that do not move with its lanes where the last one inside does.
  void emitPhases(Value lines, Value lanes) {
    Value ownLine = kb_.mul(column_, kb_.constant(run_)), ownLane = kb_.mul(row_, kb_.constant(run_));
    emitter_.setLimit(lines ? kb_.min(kb_.sub(lines, ownLine), kb_.sub(lanes, ownLane)) : Value());
    SmallVector<Value> read;
    Value lanesInside = lanes ? kb_.min(ownLane, kb_.sub(lanes, kb_.constant(run_))) : ownLane;
    for (int64_t i = 0; i < run_; ++i) {
      Coordinates at(at_);
      at[form_.line] = {kb_.add(firstLine_, ownLine), 1, {}};
      at[form_.lane] = {kb_.add(firstLane_, kb_.add(lanesInside, kb_.constant(i))), 0, {}};
      read.push_back(emitter_.evaluate(moved_, at));
    }
    Value one = kb_.constant(1), chunk = swizzled(row_, column_);
    auto type = VectorType::get({run_}, element_);
    for (int64_t j = 0; j < run_; ++j) {
      SmallVector<Value> turned;
      for (Value line : read) turned.push_back(vector::ExtractOp::create(b(), loc(), line, j));
      Value line = vector::FromElementsOp::create(b(), loc(), type, turned);
      tile::StoreOp::create(b(), loc(), line, scratch_, place(kb_.add(ownLine, kb_.constant(j)), chunk), ValueRange{one}, ValueRange());
    }
    auto loop = scf::ForOp::create(b(), loc(), kb_.constant(0), kb_.constant(run_), one);
    loop->setAttr("unroll", b().getI64IntegerAttr(run_));
    loop->setAttr("phase", b().getStringAttr("lines of the result, from scratch"));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value line = kb_.add(row_, kb_.mul(loop.getInductionVar(), kb_.constant(side_)));
    Coordinates at(at_);
    at[form_.line] = {kb_.add(firstLine_, lines ? kb_.min(line, kb_.sub(lines, kb_.constant(1))) : line), 0, {}};
    at[form_.lane] = {kb_.add(firstLane_, ownLine), 1, {}};
    Value limit;
    if (lines) {
      Value is = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, line, lines);
      limit = arith::SelectOp::create(b(), loc(), is, kb_.sub(lanes, ownLine), kb_.constant(0));
    }
    emitter_.setLimit(limit);
    Value from = place(line, swizzled(column_, kb_.floorDiv(line, kb_.constant(run_))));
    emitter_.define(moved_, tile::LoadOp::create(b(), loc(), type, scratch_, from, ValueRange{one}, ValueRange()));
    for (auto [i, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) emitter_.store(int64_t(i), emitter_.evaluate(v, at), at);
    emitter_.undefine(moved_);
    emitter_.clearCache();
  }

  Value swizzled(Value chunk, Value square) { return arith::XOrIOp::create(b(), loc(), chunk, square); }
  Value place(Value line, Value chunk) { return kb_.mul(kb_.add(kb_.mul(line, kb_.constant(side_)), chunk), kb_.constant(run_)); }

  GroupOp group_;
  KernelBuilder kb_;
  TransposeForm form_;
  Value moved_;  // the transpose's result
  Type element_;
  Sizes space_;
  int64_t run_, side_ = kSide;
  ExpressionEmitter emitter_;
  Coordinates at_;
  Value firstLine_, firstLane_, column_, row_, scratch_;
};

}  // namespace

int64_t transposeRun(const TransposeForm &form) {
  Sizes sizes = sizesOf(TransposeOp(form.transpose).getType());
  int64_t bits = cast<RankedTensorType>(TransposeOp(form.transpose).getType()).getElementType().getIntOrFloatBitWidth();
  int64_t run = std::min<int64_t>(8, 128 / bits);
  return sizes[form.line].exactDivide(run) && sizes[form.lane].exactDivide(run) ? run : 0;
}

Scheduled scheduleTransposeBlocks(GroupOp group, StringRef name, OpBuilder &builder, const TransposeForm &form) {
  return TransposeBlocks(group, name, builder, form).run();
}

}  // namespace jinx::schedules
