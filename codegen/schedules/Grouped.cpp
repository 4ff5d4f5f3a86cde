// The grouped schedule: y[t, n] = epilogue(sum_k x[t, k] * w[g, k, n]), w in panels of 16 columns, g the group of row t.
//
// A program owns one group's rows and one block of columns. It looks up where the rows lie (GroupedRows.h) and walks them by tiles, so that the
// block's panels are read from memory once, however many rows there are, and wait in the second-level cache for the next tile. Programs of one
// group are neighbours. A tile takes what rows are left: a group of one row, as a decoder has many of, is a tile of one.
//
// The rows behind the last group are one group more, whose depth is 0.
#include "codegen/schedules/Grouped.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/GroupedRows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kPanel = 16;
constexpr int64_t kBlockBytes = 512 << 10;  // panels of a column block that should stay in the second-level cache

class GroupedSchedule {
 public:
  GroupedSchedule(GroupOp group, StringRef name, const Target &target, OpBuilder &builder)
      : group_(group), target_(target), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front())
      if (auto o = dyn_cast<PackedGroupedMatmulOp>(op)) product_ = o;
    if (!product_ || product_.getByRows()) return group_.emitOpError("has no grouped product in panels to schedule");
    if (!llvm::all_of(product_->getOperands(), llvm::IsaPred<BlockArgument>)) return group_.emitOpError("operands of the product must be inputs of the group");
    Sizes x = sizesOf(product_.getX().getType()), w = sizesOf(product_.getW().getType()), y = sizesOf(product_.getY().getType());
    depth_ = x[1], columns_ = y[1], panels_ = w[1];
    chooseTile();
    const SizeExpr blocks = ceilDiv(panels_, blockPanels_);
    auto at = kb_.delinearize(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), {w[0] + 1, blocks});
    emitProgram({kb_.input(cast<BlockArgument>(product_.getEnds())), kb_.size(w[0]), kb_.size(y[0])}, at[0], at[1]);
    return kb_.finish((w[0] + 1) * blocks, isAlone() ? 0 : tileRows_ * 2 * kPanel * 4, y[0] * panels_ * depth_);
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  bool isAlone() { return llvm::hasSingleElement(group_.getBody().front().without_terminator()); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }

  void chooseTile() {
    tileRows_ = target_.rowsOfTile();
    if (!depth_.constant()) tileRows_ = std::min<int64_t>(tileRows_, 8);  // every row needs an address register
    isWide_ = target_.vectorBytes >= 64;
    if (auto depth = depth_.constant()) blockPanels_ = std::max<int64_t>(1, kBlockBytes / (std::max<int64_t>(1, *depth) * 4 * 2 * kPanel)) * 2;
    blockPanels_ = std::min(blockPanels_, kMostPanels);
  }

  void emitProgram(const GroupedRows &rows, Value group, Value block) {
    auto scan = scf::ForOp::create(b(), loc(), c(0), kb_.add(group, c(1)), c(1), ValueRange{c(0), c(0)});
    inBody(scan, [&] {
      Value begin = scan.getRegionIterArg(1);
      scf::YieldOp::create(b(), loc(), ValueRange{begin, rows.end(b(), loc(), scan.getInductionVar(), begin)});
    });
    Value begin = scan.getResult(0), end = scan.getResult(1);
    firstPanel_ = kb_.mul(block, c(blockPanels_));
    endPanel_ = kb_.min(kb_.add(firstPanel_, c(blockPanels_)), kb_.size(panels_));
    groupPanel_ = kb_.mul(group, kb_.size(panels_));
    ownDepth_ = arith::SelectOp::create(b(), loc(), rows.multiplies(b(), loc(), group), kb_.size(depth_), c(0));
    auto tiles = scf::ForOp::create(b(), loc(), begin, end, c(tileRows_));
    SmallVector<int64_t> sizes = {tileRows_};
    for (int64_t fewer : {6, 1})
      if (fewer < tileRows_) sizes.push_back(fewer);
    inBody(tiles, [&] { emitRows(tiles.getInductionVar(), kb_.min(kb_.sub(end, tiles.getInductionVar()), c(tileRows_)), sizes); });
  }

  /// `count` rows with the smallest of `sizes` (descending) that holds them all.
  void emitRows(Value firstRow, Value count, ArrayRef<int64_t> sizes) {
    OpBuilder::InsertionGuard guard(b());
    if (sizes.size() == 1) return emitTile(firstRow, count, sizes[0]);
    Value isMore = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sgt, count, c(sizes[1]));
    auto branch = scf::IfOp::create(b(), loc(), isMore, /*withElse=*/true);
    b().setInsertionPointToStart(branch.thenBlock());
    emitTile(firstRow, count, sizes[0]);
    b().setInsertionPointToStart(branch.elseBlock());
    emitRows(firstRow, count, sizes.drop_front());
  }

  /// One tile of rows against every panel of the block: pairs, then the one that is left.
  void emitTile(Value firstRow, Value count, int64_t rows) {
    if (!isWide_) return emitPanels(firstPanel_, endPanel_, firstRow, count, rows, 1);
    Value pairs = kb_.mul(kb_.floorDiv(kb_.sub(endPanel_, firstPanel_), c(2)), c(2)), pairsEnd = kb_.add(firstPanel_, pairs);
    emitPanels(firstPanel_, pairsEnd, firstRow, count, rows, 2);
    if (!panels_.exactDivide(2)) emitPanels(pairsEnd, endPanel_, firstRow, count, rows, 1);
  }
  void emitPanels(Value from, Value to, Value firstRow, Value count, int64_t rows, int64_t panels) {
    auto loop = scf::ForOp::create(b(), loc(), from, to, c(panels));
    inBody(loop, [&] {
      auto type = VectorType::get({rows, panels * kPanel}, b().getF32Type());
      Value panel = loop.getInductionVar(), column = kb_.mul(panel, c(kPanel)), depth = kb_.size(depth_), panelStride = kb_.size(depth_ * kPanel);
      Value zeros = arith::ConstantOp::create(b(), loc(), type, b().getZeroAttr(type));
      Value sums = tile::DotOp::create(b(), loc(), type, zeros, input(product_.getX()), kb_.mul(firstRow, depth), depth, count, input(product_.getW()),
                                       kb_.mul(kb_.add(groupPanel_, panel), panelStride), panelStride, ownDepth_);
      Value columns = kb_.size(columns_);
      if (!isAlone()) return epilogue(sums, firstRow, count, column);
      tile::StoreOp::create(b(), loc(), sums, kb_.output(0), kb_.add(kb_.mul(firstRow, columns), column), ValueRange{columns, c(1)},
                            ValueRange{count, kb_.sub(columns, column)});
    });
  }
  /// Row by row, through scratch: written out for every row of every tile it would be most of the code.
  void epilogue(Value sums, Value firstRow, Value count, Value column) {
    const int64_t lanes = cast<VectorType>(sums.getType()).getDimSize(1);
    Value scratch = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), b().getF32Type()), c(0));
    tile::StoreOp::create(b(), loc(), sums, scratch, c(0), ValueRange{c(lanes), c(1)}, ValueRange());
    auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(1));
    inBody(loop, [&] {
      Value i = loop.getInductionVar();
      ExpressionEmitter emitter(kb_, lanes);
      emitter.setLimit(kb_.sub(kb_.size(columns_), column));
      emitter.define(product_.getY(), tile::LoadOp::create(b(), loc(), VectorType::get({lanes}, b().getF32Type()), scratch, kb_.mul(i, c(lanes)), ValueRange{c(1)}, ValueRange()));
      const Coordinate at[] = {{kb_.add(firstRow, i), 0, {}}, {column, 1, {}}};
      for (auto [r, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) emitter.store(r, emitter.evaluate(v, at), at);
    });
  }
  Value input(Value operand) { return kb_.input(cast<BlockArgument>(operand)); }
  void inBody(scf::ForOp loop, function_ref<void()> body) {
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    body();
  }

  static constexpr int64_t kMostPanels = 8;  // programs are what threads share

  GroupOp group_;
  Target target_;
  KernelBuilder kb_;
  PackedGroupedMatmulOp product_;
  SizeExpr depth_, columns_, panels_;
  int64_t tileRows_ = 1, blockPanels_ = kMostPanels;
  bool isWide_ = false;
  Value firstPanel_, endPanel_, groupPanel_, ownDepth_;
};

}  // namespace

FailureOr<Scheduled> scheduleGrouped(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  return GroupedSchedule(group, name, target, builder).run();
}

}  // namespace jinx::schedules
