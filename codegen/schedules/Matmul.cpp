// The matmul schedule.
//
// y[rows, n] = epilogue(sum_k a[rows, k] * b[k, n]) with b packed in panels of 16 columns. A program owns one line of rows and one block
// of columns; programs of one column block are neighbours, so that its panels stay in the second-level cache while the rows pass.
//
// Products of bytes (tile.dot) differ in the types: sums are i32, and the rows of a panel are filled up to a multiple of four.
//
//   packed_matmul   a line is one tile of at most kMR rows; with a b that has no batch, the batch is part of the rows
//   packed_conv     a line is one output row (n, oh): its pixels are the rows. Pixel ow reads x[n, oh*sh+kh, ow*sw.., :], a contiguous run
//                   of kw*c elements per kh: the product's depth is cut into kh segments. With padding the kh input rows are first
//                   copied into scratch with their margins of zeros; a row outside the image is skipped.
//
// A line is cut into tiles of kMR rows, each computed for every pair of panels of the block: acc = dot(...); epilogue per row; store.
// Rows past the end repeat the last valid one (tile.dot) and are not stored. Small remainders take a smaller tile. A long epilogue is a
// loop over the tile's rows.
//
// Rows whose distance is a multiple of 2 KiB fall into the same few sets of the first-level cache and evict each other; such a tile of
// a is first copied into scratch at a distance that is not (measured at 1024^3: 76% of the multipliers' peak without, see
// docs/benchmarks/gemm-cpu.md).
#include "codegen/schedules/Matmul.h"

#include <cmath>

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kPanel = 16;
constexpr int64_t kByteInterleave = 4;      // rows of a panel of bytes that come together
constexpr int64_t kBlockBytes = 512 << 10;  // panels of a column block that should stay in the second-level cache

class MatmulSchedule {
 public:
  MatmulSchedule(GroupOp group, StringRef name, const Target &target, OpBuilder &builder)
      : group_(group), target_(target), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front()) {
      if (auto o = dyn_cast<PackedMatmulOp>(op)) matmul_ = o;
      if (auto o = dyn_cast<PackedConvOp>(op)) conv_ = o;
    }
    Operation *anchor = matmul_ ? matmul_.getOperation() : conv_.getOperation();
    if (!anchor) return group_.emitOpError("has no packed product to schedule");
    anchor_ = anchor->getResult(0);
    a_ = anchor->getOperand(0);
    b_ = anchor->getOperand(1);
    if (!isa<BlockArgument>(a_) || !isa<BlockArgument>(b_)) return group_.emitOpError("operands of the product must be inputs of the group");
    out_ = sizesOf(anchor_.getType());
    element_ = registerType(cast<RankedTensorType>(anchor_.getType()).getElementType());
    aElement_ = registerType(cast<RankedTensorType>(a_.getType()).getElementType());
    matmul_ ? describeMatmul() : describeConv();
    chooseTile();
    emitProgram();
    Scheduled scheduled = kb_.finish(programs_, scratchBytes_, work_);
    scheduled.question = std::move(question_);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }

  // ---- the problem --------------------------------------------------------------------------------------------------------------
  void describeMatmul() {
    Sizes a = sizesOf(a_.getType()), b = sizesOf(b_.getType());
    depth_ = a.back();
    columns_ = out_.back();
    bool bHasBatch = llvm::any_of(ArrayRef(b).drop_back(3), [](const SizeExpr &s) { return !s.isConstant(1); });
    // Rows: all of y's leading dimensions when b has no batch and a is as large as y; otherwise the last but one.
    bool whole = !bHasBatch && volume(ArrayRef(a).drop_back(2)) == volume(ArrayRef(out_).drop_back(2));
    if (whole) {
      rows_ = volume(ArrayRef(out_).drop_back(1));
      rowDims_ = out_.size() - 1;
    } else {
      rows_ = out_[out_.size() - 2];
      rowDims_ = 1;
      for (const SizeExpr &s : ArrayRef(out_).drop_back(2)) lines_.push_back(s);
    }
    segments_ = 1;
    work_ = rows_ * volume(lines_) * ceilDiv(columns_, kPanel) * ceilDiv(depth_, SizeExpr(bytes() / operandBytes()));
    auto depth = depth_.constant(), columns = columns_.constant(), rows = rows_.constant();
    copyA_ = depth && *depth * operandBytes() % 2048 == 0 && (!columns || *columns >= 4 * kPanel) && (!rows || *rows > 4);
    copyStride_ = depth ? *depth + 64 / operandBytes() : 0;
  }

  void describeConv() {
    Sizes x = sizesOf(a_.getType());
    lines_ = {out_[0], out_[1]};
    rows_ = out_[2];
    rowDims_ = 1;
    groups_ = conv_.getGroup();
    channels_ = x[3];
    groupChannels_ = *x[3].exactDivide(groups_);
    columns_ = *out_[3].exactDivide(groups_);
    bool merged = groups_ == 1 && conv_.getDilations()[1] == 1;  // kw and c form one contiguous run
    segments_ = merged ? 1 : conv_.getKernel()[1];
    depth_ = merged ? SizeExpr(conv_.getKernel()[1]) * channels_ : groupChannels_;
    padded_ = llvm::any_of(conv_.getPads(), [](int64_t p) { return p != 0; });
    width_ = x[2] + conv_.getPads()[1] + conv_.getPads()[3];
    if (padded_) scratchBytes_ = SizeExpr(conv_.getKernel()[0]) * width_ * channels_ * SizeExpr(operandBytes()) + 64;
    work_ = rows_ * volume(lines_) * ceilDiv(columns_, kPanel) * SizeExpr(conv_.getKernel()[0] * segments_ * groups_) * ceilDiv(depth_, SizeExpr(bytes() / operandBytes()));
  }
  int64_t bytes() { return element_.getIntOrFloatBitWidth() / 8; }           // of a sum
  int64_t operandBytes() { return aElement_.getIntOrFloatBitWidth() / 8; }  // of an element of a or b
  /// Rows of a panel beside a run of `depth` elements of a.
  SizeExpr panelRows(const SizeExpr &depth) {
    const int64_t interleave = operandBytes() == 1 ? kByteInterleave : 1;
    return ceilDiv(depth, interleave) * SizeExpr(interleave);
  }

  void chooseTile() {
    SizeExpr rowStride = matmul_ ? depth_ : channels_ * SizeExpr(conv_.getStrides()[1]);
    bool constantStride = rowStride.constant().has_value();
    int64_t full = target_.rowsOfTile();
    if (!constantStride) full = std::min<int64_t>(full, 8);  // every row needs an address register
    bool wide = target_.vectorBytes >= 64 && columns_.constant() && *columns_.constant() > kPanel;
    panels_ = wide ? 2 : 1;
    tileRows_ = full;
    if (auto rows = rows_.constant()) {
      int64_t tiles = std::max<int64_t>(1, (*rows + full - 1) / full);
      tileRows_ = std::max<int64_t>(1, (*rows + tiles - 1) / tiles);
    }
    // Column block.
    int64_t blockColumns = 128;
    SizeExpr totalDepth = depth_ * SizeExpr(segments_ * (conv_ ? conv_.getKernel()[0] : 1));
    if (auto depth = totalDepth.constant()) blockColumns = std::max<int64_t>(1, kBlockBytes / (std::max<int64_t>(1, *depth) * operandBytes() * 32)) * 32;
    if (auto rows = rows_.constant(); matmul_ && (!rows || *rows < 2 * full)) blockColumns = std::min<int64_t>(blockColumns, 128);
    if (conv_ && lines_[1].isConstant(1)) blockColumns = 32;  // one line an image: columns are all that threads can share
    if (auto columns = columns_.constant()) blockColumns = std::min<int64_t>(blockColumns, std::max<int64_t>(1, (*columns + 31) / 32) * 32);
    chooseAmong(full, blockColumns);
    blockPanels_ = blockColumns / kPanel;
    blocks_ = ceilDiv(columns_, blockColumns);
    if (copyA_) scratchBytes_ = tileRows_ * copyStride_ * operandBytes() + 64;
    sumsOffset_ = scratchBytes_;
    if (isLongEpilogue()) scratchBytes_ = scratchBytes_ + SizeExpr(tileRows_ * panels_ * kPanel * bytes());
    rowTiles_ = matmul_ ? ceilDiv(rows_, tileRows_) : SizeExpr(1);
    programs_ = SizeExpr(groups_) * blocks_ * volume(lines_) * rowTiles_;
  }

  /// Takes what the rules say, or what is known to be faster: fewer rows a tile, a block of more or fewer columns.
  void chooseAmong(int64_t full, int64_t &blockColumns) {
    struct TileSizes {
      int64_t rows, columns;
    };
    Choice<TileSizes> choice;
    const TileSizes usual = {tileRows_, blockColumns};
    const int64_t most = columns_.constant() ? (*columns_.constant() + 31) / 32 * 32 : 4 * blockColumns;
    auto add = [&](int64_t rows, int64_t columns) {  // no estimate: the less it differs the earlier
      double cost = std::abs(std::log2(double(rows) / usual.rows)) + std::abs(std::log2(double(columns) / usual.columns));
      choice.add({rows, columns}, "rows=" + std::to_string(rows) + " columns=" + std::to_string(columns), cost);
    };
    add(usual.rows, usual.columns);
    for (int64_t rows : {usual.rows, full, full - 2, (full + 1) / 2})
      for (int64_t columns : {usual.columns, usual.columns * 2, usual.columns / 2, usual.columns * 4, usual.columns / 4})
        if (rows > 0 && rows <= rows_.constant().value_or(rows) && columns > 0 && columns <= most) add(rows, (columns + 31) / 32 * 32);
    TileSizes taken = choice.take(problem(), target_.measured, question_);
    tileRows_ = taken.rows, blockColumns = taken.columns;
  }
  std::string problem() {
    std::string text = matmul_ ? "matmul " : "matmul window ";
    llvm::raw_string_ostream out(text);
    auto element = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
    out << element(a_) << " x " << element(b_) << " ->";
    for (Value result : group_.getResults()) out << " " << element(result);
    out << ", m=" << textOf(rows_) << " n=" << textOf(columns_) << " k=" << textOf(depth_ * SizeExpr(segments_ * (conv_ ? conv_.getKernel()[0] : 1)))
        << " lines=" << textOf(volume(lines_)) << " groups=" << groups_ << " operators=" << std::distance(group_.getBody().front().begin(), group_.getBody().front().end()) - 1
        << " vector=" << target_.vectorBytes;
    return text;
  }

  // ---- the program --------------------------------------------------------------------------------------------------------------
  void emitProgram() {
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    SmallVector<SizeExpr> extents = {groups_, blocks_};
    llvm::append_range(extents, lines_);
    extents.push_back(rowTiles_);
    auto parts = kb_.delinearize(id, extents);
    group_id_ = parts[0];
    block_ = parts[1];
    line_.assign(parts.begin() + 2, parts.end() - 1);
    Value firstRow = matmul_ ? kb_.mul(parts.back(), c(tileRows_)) : c(0);
    Value endRow = matmul_ ? kb_.min(kb_.add(firstRow, c(tileRows_)), kb_.size(rows_)) : kb_.size(rows_);
    if (auto rows = rows_.constant(); matmul_ && rows && *rows % tileRows_ == 0) endRow = kb_.add(firstRow, c(tileRows_));
    if (conv_ && padded_) copyRows();
    emitLine(firstRow, endRow);
  }

  /// Tiles of one line: whole ones in a loop, then the remainder by ever smaller tiles.
  void emitLine(Value firstRow, Value endRow) {
    auto rows = rows_.constant();
    if (matmul_ && rows && *rows % tileRows_ == 0) return emitTile(firstRow, tileRows_, Value());
    if (!matmul_) {
      int64_t whole = rows ? *rows / tileRows_ * tileRows_ : -1;
      Value wholeEnd = rows ? c(whole) : kb_.mul(kb_.floorDiv(kb_.size(rows_), c(tileRows_)), c(tileRows_));
      if (whole != 0) {
        auto loop = scf::ForOp::create(b(), loc(), c(0), wholeEnd, c(tileRows_));
        OpBuilder::InsertionGuard guard(b());
        b().setInsertionPointToStart(loop.getBody());
        emitTile(loop.getInductionVar(), tileRows_, Value());
      }
      if (rows && whole == *rows) return;
      firstRow = wholeEnd;
    }
    Value count = kb_.sub(endRow, firstRow);
    if (auto known = getConstantIntValue(count)) return emitTile(firstRow, *known, Value());
    SmallVector<int64_t> sizes;
    if (matmul_) sizes.push_back(tileRows_);
    for (int64_t s : {6, 1})  // every size is code to compile; one row alone is what a decoder multiplies
      if (s < tileRows_ && (matmul_ || s > 1)) sizes.push_back(s);
    if (sizes.empty()) sizes.push_back(tileRows_);
    emitRemainder(firstRow, count, sizes);
  }

  /// `count` rows (maybe none) with the smallest of `sizes` (descending) that holds them all.
  void emitRemainder(Value firstRow, Value count, ArrayRef<int64_t> sizes) {
    OpBuilder::InsertionGuard guard(b());
    int64_t size = sizes.front();
    bool largestIsWhole = matmul_ && size == tileRows_;
    int64_t smaller = sizes.size() > 1 ? sizes[1] : 0;
    Value big = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sgt, count, c(smaller));
    auto branch = scf::IfOp::create(b(), loc(), big, /*withElse=*/sizes.size() > 1);
    b().setInsertionPointToStart(branch.thenBlock());
    if (largestIsWhole) {
      Value whole = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, count, c(size));
      auto inner = scf::IfOp::create(b(), loc(), whole, /*withElse=*/true);
      OpBuilder::InsertionGuard innerGuard(b());
      b().setInsertionPointToStart(inner.thenBlock());
      emitTile(firstRow, size, Value());
      b().setInsertionPointToStart(inner.elseBlock());
      emitTile(firstRow, size, count);
    } else {
      // A conv remainder may exceed the small tile: then the full tile, clipped.
      if (!matmul_ && size < tileRows_ - 1) {
        Value fits = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sle, count, c(size));
        auto inner = scf::IfOp::create(b(), loc(), fits, /*withElse=*/true);
        OpBuilder::InsertionGuard innerGuard(b());
        b().setInsertionPointToStart(inner.thenBlock());
        emitTile(firstRow, size, count);
        b().setInsertionPointToStart(inner.elseBlock());
        emitTile(firstRow, tileRows_, count);
      } else {
        emitTile(firstRow, size, size == 1 ? Value() : count);
      }
    }
    if (sizes.size() > 1) {
      b().setInsertionPointToStart(branch.elseBlock());
      emitRemainder(firstRow, count, sizes.drop_front());
    }
  }

  /// One tile of rows against every panel of the column block.
  void emitTile(Value firstRow, int64_t rows, Value validRows) {
    OpBuilder::InsertionGuard guard(b());
    if (copyA_) copyTile(firstRow, validRows ? validRows : c(rows));
    auto columns = columns_.constant();
    Value firstPanel = kb_.mul(block_, c(blockPanels_));
    Value allPanels = kb_.size(ceilDiv(columns_, kPanel));
    Value endPanel = blocks_.isConstant(1) ? allPanels : kb_.min(kb_.add(firstPanel, c(blockPanels_)), allPanels);
    TileRows tile{firstRow, rows, validRows};
    int64_t total = columns ? (*columns + kPanel - 1) / kPanel : 0, last = lastPanelLanes();
    if (panels_ == 1) return panelLoop(firstPanel, endPanel, tile, total == 1 ? last : kPanel);
    if (total == 2) return panelLoop(firstPanel, endPanel, tile, kPanel + last);
    if (total % 2 == 0) return panelLoop(firstPanel, endPanel, tile, 2 * kPanel);
    // An odd number of panels: pairs, then the single last one in the last block.
    Value pairsEnd = kb_.add(firstPanel, kb_.mul(kb_.floorDiv(kb_.sub(endPanel, firstPanel), c(2)), c(2)));
    panelLoop(firstPanel, pairsEnd, tile, 2 * kPanel, /*isWhole=*/true);
    panelLoop(pairsEnd, endPanel, tile, last);
  }

  /// Lanes of the last panel that are worth computing: half of them where the other half is padding, so that half a register (or half
  /// as many registers) is multiplied.
  int64_t lastPanelLanes() {
    auto columns = columns_.constant();
    int64_t valid = columns ? *columns % kPanel : 0;
    return valid != 0 && valid <= kPanel / 2 ? kPanel / 2 : kPanel;
  }

  struct TileRows {
    Value first;
    int64_t count;
    Value valid;  ///< null: all of them
  };
  /// \param lanes    columns of one step: up to two panels
  /// \param isWhole  no step reaches past the last column
  void panelLoop(Value begin, Value end, const TileRows &tile, int64_t lanes, bool isWhole = false) {
    OpBuilder::InsertionGuard guard(b());
    auto loop = scf::ForOp::create(b(), loc(), begin, end, c((lanes + kPanel - 1) / kPanel));
    b().setInsertionPointToStart(loop.getBody());
    Value panel = loop.getInductionVar();
    auto type = VectorType::get({tile.count, lanes}, element_);
    Value acc = arith::ConstantOp::create(b(), loc(), type, b().getZeroAttr(type));
    acc = matmul_ ? productMatmul(acc, panel, tile.first, tile.valid) : productConv(acc, panel, tile.first, tile.valid);
    epilogue(acc, panel, tile, isWhole);
  }

  Value dot(Value acc, Value a, Value aOffset, Value aStride, Value validRows, Value bOffset, Value bPanel, Value depth) {
    Value b = kb_.input(cast<BlockArgument>(b_));
    return tile::DotOp::create(this->b(), loc(), acc.getType(), acc, a, aOffset, aStride, validRows, b, bOffset, bPanel, depth);
  }

  /// Element offset of this line's matrix in an operand whose matrices have `inner` dimensions, plus `within` rows of the depth's length.
  /// Batch dimensions are aligned on the right; one of extent 1 stays at 0.
  Value productOffset(const Sizes &sizes, int64_t inner, Value within) {
    auto strides = kb_.strides(sizes);
    Value offset = kb_.mul(within, kb_.size(inner == 2 ? depth_ : panelRows(depth_) * kPanel));
    for (size_t i = 0; i < lines_.size(); ++i) {
      int64_t d = int64_t(sizes.size()) - inner - int64_t(lines_.size()) + int64_t(i);
      if (d >= 0 && !sizes[d].isConstant(1)) offset = kb_.add(offset, kb_.mul(line_[i], kb_.size(strides[d])));
    }
    return offset;
  }

  Value productMatmul(Value acc, Value panel, Value firstRow, Value validRows) {
    Value bOffset = productOffset(sizesOf(b_.getType()), 3, panel), bPanel = kb_.size(panelRows(depth_) * kPanel), depth = kb_.size(depth_);
    if (copyA_) return dot(acc, scratch_, c(0), c(copyStride_), validRows, bOffset, bPanel, depth);
    Value aOffset = productOffset(sizesOf(a_.getType()), 2, firstRow);
    return dot(acc, kb_.input(cast<BlockArgument>(a_)), aOffset, depth, validRows, bOffset, bPanel, depth);
  }

  Value productConv(Value acc, Value panel, Value firstRow, Value validRows) {
    Sizes x = sizesOf(a_.getType());
    Value channels = kb_.size(channels_);
    SizeExpr runSize = panelRows(depth_) * kPanel, panelSize = SizeExpr(conv_.getKernel()[0] * segments_) * runSize;  // of b
    Value panelStride = kb_.size(panelSize);
    Value bBase = kb_.add(kb_.mul(panel, panelStride), kb_.mul(group_id_, kb_.size(panelSize * ceilDiv(columns_, kPanel))));
    Value rowStart = kb_.add(kb_.mul(kb_.mul(firstRow, c(conv_.getStrides()[1])), channels), kb_.mul(group_id_, kb_.size(groupChannels_)));
    Value stride = kb_.size(channels_ * SizeExpr(conv_.getStrides()[1]));
    auto [low, high] = rowRange();
    auto loop = scf::ForOp::create(b(), loc(), low, high, c(1), ValueRange{acc});
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      Value k = loop.getInductionVar(), sum = loop.getRegionIterArg(0);
      Value line, source = scratch_;
      if (padded_) {
        line = kb_.mul(k, kb_.size(width_ * channels_));
      } else {
        source = kb_.input(cast<BlockArgument>(a_));
        Value row = kb_.add(kb_.mul(line_[1], c(conv_.getStrides()[0])), kb_.mul(k, c(conv_.getDilations()[0])));
        line = kb_.add(kb_.mul(line_[0], kb_.size(x[1] * x[2] * x[3])), kb_.mul(row, kb_.size(x[2] * x[3])));
      }
      Value aOffset = kb_.add(line, rowStart);
      Value bOffset = kb_.add(bBase, kb_.mul(k, kb_.size(SizeExpr(segments_) * runSize)));
      // A loop: written out, the segments of a wide kernel would be most of the code that portable objects have.
      auto segment = [&](Value s, Value acc) {
        Value aAt = kb_.add(aOffset, kb_.mul(kb_.mul(s, c(conv_.getDilations()[1])), channels));
        Value bAt = kb_.add(bOffset, kb_.mul(s, kb_.size(runSize)));
        return dot(acc, source, aAt, stride, validRows, bAt, panelStride, kb_.size(depth_));
      };
      if (segments_ == 1) {
        sum = segment(c(0), sum);
      } else {
        auto inner = scf::ForOp::create(b(), loc(), c(0), c(segments_), c(1), ValueRange{sum});
        OpBuilder::InsertionGuard innerGuard(b());
        b().setInsertionPointToStart(inner.getBody());
        scf::YieldOp::create(b(), loc(), segment(inner.getInductionVar(), inner.getRegionIterArg(0)));
        sum = inner.getResult(0);
      }
      scf::YieldOp::create(b(), loc(), sum);
    }
    return loop.getResult(0);
  }

  /// Rows of a into scratch, copyStride_ apart.
  void copyTile(Value firstRow, Value count) {
    scratch_ = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), aElement_), c(0));
    Value base = productOffset(sizesOf(a_.getType()), 2, firstRow);
    auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(1));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value row = loop.getInductionVar();
    run(kb_.input(cast<BlockArgument>(a_)), kb_.add(base, kb_.mul(row, kb_.size(depth_))), kb_.mul(row, c(copyStride_)), kb_.size(depth_));
  }

  /// Kernel rows that lie inside the image for this output row.
  std::pair<Value, Value> rowRange() {
    int64_t kh = conv_.getKernel()[0], dilation = conv_.getDilations()[0], padTop = conv_.getPads()[0];
    Value low = c(0), high = c(kh);
    if (!padded_ || (padTop == 0 && conv_.getPads()[2] == 0)) return {low, high};
    Value first = kb_.sub(kb_.mul(line_[1], c(conv_.getStrides()[0])), c(padTop));
    auto ceil = [&](Value v) -> Value { return dilation == 1 ? v : Value(arith::CeilDivSIOp::create(b(), loc(), v, c(dilation))); };
    low = kb_.min(kb_.max(low, ceil(kb_.sub(c(0), first))), high);
    high = kb_.max(low, kb_.min(high, ceil(kb_.sub(kb_.size(sizesOf(a_.getType())[1]), first))));
    return {low, high};
  }

  /// The kh input rows of this output row, with margins of zeros, into scratch: [kh][width][channels].
  void copyRows() {
    Sizes x = sizesOf(a_.getType());
    Type ptr = tile::PtrType::get(b().getContext(), aElement_);
    scratch_ = tile::ScratchOp::create(b(), loc(), ptr, c(0));
    auto [low, high] = rowRange();
    auto loop = scf::ForOp::create(b(), loc(), low, high, c(1));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value k = loop.getInductionVar();
    Value row = kb_.sub(kb_.add(kb_.mul(line_[1], c(conv_.getStrides()[0])), kb_.mul(k, c(conv_.getDilations()[0]))), c(conv_.getPads()[0]));
    Value source = kb_.add(kb_.mul(line_[0], kb_.size(x[1] * x[2] * x[3])), kb_.mul(row, kb_.size(x[2] * x[3])));
    Value target = kb_.mul(k, kb_.size(width_ * channels_));
    Value left = kb_.size(SizeExpr(conv_.getPads()[1]) * channels_), length = kb_.size(x[2] * channels_);
    Value right = kb_.size(SizeExpr(conv_.getPads()[3]) * channels_);
    run(Value(), Value(), target, left);
    run(kb_.input(cast<BlockArgument>(a_)), source, kb_.add(target, left), length);
    run(Value(), Value(), kb_.add(target, kb_.add(left, length)), right);
  }

  /// Copies `length` elements into scratch, or writes zeros when there is no source.
  void run(Value source, Value sourceOffset, Value targetOffset, Value length) {
    if (getConstantIntValue(length) == 0) return;
    constexpr int64_t kWide = 64, kNarrow = 16;
    auto step = [&](Value at, int64_t width, Value limit) {
      auto type = VectorType::get({width}, aElement_);
      Value v = arith::ConstantOp::create(b(), loc(), type, b().getZeroAttr(type));
      ValueRange limits = limit ? ValueRange(limit) : ValueRange();
      if (source) v = tile::LoadOp::create(b(), loc(), type, source, kb_.add(sourceOffset, at), ValueRange{c(1)}, limits);
      tile::StoreOp::create(b(), loc(), v, scratch_, kb_.add(targetOffset, at), ValueRange{c(1)}, limits);
    };
    Value wideEnd = kb_.mul(kb_.floorDiv(length, c(kWide)), c(kWide));
    auto constantLength = getConstantIntValue(length);
    if (!constantLength || *constantLength >= kWide) {
      auto loop = scf::ForOp::create(b(), loc(), c(0), wideEnd, c(kWide));
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      step(loop.getInductionVar(), kWide, Value());
    }
    if (constantLength && *constantLength % kWide == 0) return;
    auto loop = scf::ForOp::create(b(), loc(), wideEnd, length, c(kNarrow));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    step(loop.getInductionVar(), kNarrow, kb_.sub(length, loop.getInductionVar()));
  }

  // ---- epilogue -----------------------------------------------------------------------------------------------------------------
  void epilogue(Value acc, Value panel, const TileRows &tile, bool isWhole) {
    int64_t lanes = cast<VectorType>(acc.getType()).getDimSize(1);
    ExpressionEmitter emitter(kb_, lanes);
    Value column = kb_.mul(panel, c(kPanel)), limit;
    auto columns = columns_.constant();
    isWhole |= columns && *columns % lanes == 0;
    if (!isWhole) limit = kb_.sub(kb_.size(columns_), column);
    if (conv_ && groups_ > 1) column = kb_.add(column, kb_.mul(group_id_, kb_.size(columns_)));
    emitter.setLimit(limit);
    auto storeRow = [&](Value sum, Value row) {
      emitter.define(anchor_, sum);
      Coordinates at = coordinates(row, {column, 1, {}});
      for (auto [r, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands()))
        emitter.store(r, emitter.evaluate(v, at), at);
    };
    if (isLongEpilogue() && tile.count > 1) return rowLoop(acc, tile.first, tile.valid ? tile.valid : c(tile.count), storeRow);
    for (int64_t i = 0; i < tile.count; ++i) {
      OpBuilder::InsertionGuard guard(b());
      if (tile.valid && i > 0) {
        Value valid = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, c(i), tile.valid);
        b().setInsertionPointToStart(scf::IfOp::create(b(), loc(), valid, /*withElse=*/false).thenBlock());
      }
      storeRow(vector::ExtractOp::create(b(), loc(), acc, i), kb_.add(tile.first, c(i)));
    }
  }

  /// A long epilogue written out for every row is most of the code of a kernel, and of the time to compile it: the sums go through
  /// scratch instead and a loop takes them row by row.
  bool isLongEpilogue() {
    return llvm::count_if(group_.getBody().front().without_terminator(), [](Operation &op) { return !isa<ConstantOp, ReshapeOp, BroadcastOp>(op); }) > 3;
  }
  void rowLoop(Value acc, Value firstRow, Value count, function_ref<void(Value sum, Value row)> storeRow) {
    auto type = cast<VectorType>(acc.getType());
    Value lanes = c(type.getDimSize(1));
    Value sums = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), element_), kb_.size(sumsOffset_));
    tile::StoreOp::create(b(), loc(), acc, sums, c(0), ValueRange{lanes, c(1)}, ValueRange());
    auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(1));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value i = loop.getInductionVar();
    auto rowType = VectorType::get({type.getDimSize(1)}, element_);
    storeRow(tile::LoadOp::create(b(), loc(), rowType, sums, kb_.mul(i, lanes), ValueRange{c(1)}, ValueRange()), kb_.add(firstRow, i));
  }

  Coordinates coordinates(Value row, Coordinate lane) {
    Coordinates at;
    for (Value v : line_) at.push_back({v, 0, {}});
    auto rowExtents = ArrayRef(out_).drop_back(1).take_back(rowDims_);
    for (Value v : kb_.delinearize(row, rowExtents)) at.push_back({v, 0, {}});
    at.push_back(lane);
    return at;
  }

  GroupOp group_;
  Target target_;
  KernelBuilder kb_;
  PackedMatmulOp matmul_;
  PackedConvOp conv_;
  Value anchor_, a_, b_;
  Type element_, aElement_;  // of the sums and of the left operand
  Sizes out_, lines_;  // lines_: outer dimensions that a program has one position of
  SizeExpr rows_ = 1, columns_ = 1, depth_ = 1, channels_ = 1, groupChannels_ = 1, width_ = 1;
  int64_t rowDims_ = 1, groups_ = 1, segments_ = 1, tileRows_ = 1, panels_ = 1, blockPanels_ = 1;
  SizeExpr blocks_ = 1, rowTiles_ = 1, programs_ = 1, scratchBytes_ = 0, sumsOffset_ = 0, work_ = 1;
  bool padded_ = false, copyA_ = false;
  int64_t copyStride_ = 0;
  Value group_id_, block_, scratch_;
  SmallVector<Value> line_;
  std::optional<Question> question_;
};

}  // namespace

FailureOr<Scheduled> scheduleMatmul(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  return MatmulSchedule(group, name, target, builder).run();
}

}  // namespace jinx::schedules
