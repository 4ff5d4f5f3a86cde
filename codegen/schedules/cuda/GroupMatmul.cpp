// Which matrices does a group multiply, and where do its other values lie beside the result?
//
// y[line, row, column] = epilogue(sum_k a(row, k) * b(k, column)). The grid is groups x lines x tiles of one matrix:
//
//   packed_matmul   a line is one matrix of the batch. With a b that has no batch the matrices of a are one, row under row, as far as the
//                   other operands of the group follow (GroupEpilogue.h): a bias [n] does, a value [batch, 1, n] does not
//                   By rows (b [n, k]) warps multiply on tensor cores, else scalar units do
//   packed_conv     an implicit product: a line is one output row (or column, when that is longer) of an image, its pixels are the rows.
//                   The sum over the window's positions is a sum of products ("taps"), each a shifted view of the image; positions that
//                   lie side by side in memory are one. Padded images come padded (jinx-pack with pad-images)
//
// [508, 1, 256] * 5x1 -> [508, 512]:   508 rows, 5 taps of depth 256
#include "codegen/schedules/cuda/GroupMatmul.h"

#include "codegen/schedules/cuda/CudaMatmul.h"
#include "codegen/schedules/cuda/GpuOf.h"
#include "codegen/schedules/cuda/GroupEpilogue.h"
#include "codegen/schedules/cuda/GroupWgmma.h"
#include "codegen/schedules/cuda/GroupedMatmul.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kPanel = 16;
constexpr int64_t kSlice = 64;  // channels that weights by rows are filled up to a multiple of

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
/// Rows of both operands of a product by rows are multiples of 16 bytes.
bool areRowsAligned(PackedMatmulOp op) {
  constexpr int64_t kRowBytes = 16;
  const int64_t each = kRowBytes * 8 / elementOf(op.getA()).getIntOrFloatBitWidth();
  return sizesOf(op.getA().getType()).back().exactDivide(each) && sizesOf(op.getB().getType()).back().exactDivide(each);
}

class GroupMatmul {
 public:
  GroupMatmul(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    if (failed(findProblem())) return failure();
    matmul_ ? describeMatmul() : describeConv();
    emitProgram();
    SizeExpr work = rows_ * volume(lines_) * ceilDiv(columns_, kPanel) * SizeExpr(groups_ * taps()) * depth_;
    Scheduled scheduled = kb_.finish(programs_, 0, work);
    if (byRows_) sayMultiples(scheduled.kernel, scheduled.sizes);  // rows that are filled up are fetched 16 bytes at a time
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Block &body() { return group_.getBody().front(); }

  // ---- the problem --------------------------------------------------------------------------------------------------------------
  LogicalResult findProblem() {
    for (Operation &op : body()) {
      if (auto o = dyn_cast<PackedMatmulOp>(op)) matmul_ = o;
      if (auto o = dyn_cast<PackedConvOp>(op)) conv_ = o;
    }
    Operation *anchor = matmul_ ? matmul_.getOperation() : conv_.getOperation();
    if (!anchor) return group_.emitOpError("has no packed product to schedule");
    anchor_ = anchor->getResult(0);
    a_ = dyn_cast<BlockArgument>(anchor->getOperand(0));
    b_ = dyn_cast<BlockArgument>(anchor->getOperand(1));
    if (!a_ || !b_) return group_.emitOpError("operands of the product must be inputs of the group");
    byRows_ = anchor->hasAttr("by_rows");
    if (byRows_ && !areMultiplied(elementOf(a_), elementOf(b_)))
      return group_.emitOpError("multiplies ") << elementOf(a_) << " with " << elementOf(b_) << " by warps, expected one type of 16-bit floats, or bytes";
    if (!byRows_ && (!elementOf(anchor_).isF32() || !elementOf(a_).isF32()))
      return group_.emitOpError("multiplies ") << elementOf(a_) << ", the SIMT product on CUDA takes f32";
    if (conv_ && llvm::any_of(conv_.getPads(), [](int64_t p) { return p != 0; }))
      return group_.emitOpError("is a convolution with padding; expected a padded image (jinx-pack with pad-images)");
    out_ = sizesOf(anchor_.getType());
    epilogue_.emplace(kb_, group_, anchor);
    return success();
  }

  static bool areMultiplied(Type a, Type b) { return a.isF16() || a.isBF16() ? a == b : a.isInteger(8) && b.isInteger(8); }
  /// Dimensions of b that are no batch: panels have three.
  int64_t innerOfB() const { return byRows_ ? 2 : 3; }

  void describeMatmul() {
    Sizes a = sizesOf(a_.getType()), b = sizesOf(b_.getType());
    depth_ = a.back();
    columns_ = out_.back();
    size_t end = out_.size() - 1, begin = end - 1;
    bool bHasBatch = llvm::any_of(ArrayRef(b).drop_back(innerOfB()), [](const SizeExpr &s) { return !s.isConstant(1); });
    if (!bHasBatch && volume(ArrayRef(a).drop_back(2)) == volume(ArrayRef(out_).drop_back(2))) begin = epilogue_->firstRowDim(end);
    setRows(begin, end);
  }
  void setRows(size_t begin, size_t end) {
    epilogue_->setRows(begin, end);
    rows_ = volume(ArrayRef(out_).slice(begin, end - begin));
    for (size_t d = 0; d + 1 < out_.size(); ++d) lines_.push_back(d >= begin && d < end ? SizeExpr(1) : out_[d]);
  }

  void describeConv() {
    Sizes x = sizesOf(a_.getType());
    groups_ = conv_.getGroup();
    channels_ = x[3];
    columns_ = *out_[3].exactDivide(groups_);
    int64_t kh = conv_.getKernel()[0], kw = conv_.getKernel()[1];
    bool run = groups_ == 1 && (kw == 1 || conv_.getDilations()[1] == 1);  // kw and c are contiguous
    if (byRows_ && !conv_.getRuns()) run = run && channels_.exactDivide(kSlice);  // so they must be in the weights
    tapsH_ = kh;
    tapsW_ = run ? 1 : kw;
    depth_ = run ? SizeExpr(kw) * channels_ : *channels_.exactDivide(groups_);
    tapOfB_ = conv_.getRuns() ? SizeExpr(kSlice) : ceilDiv(depth_, kSlice) * SizeExpr(kSlice);
    auto height = out_[1].constant(), width = out_[2].constant();
    rowDim_ = width && (*width == 1 || (height && *height > *width)) ? 1 : 2;
    setRows(rowDim_, rowDim_ + 1);
  }
  int64_t taps() const { return tapsH_ * tapsW_; }

  // ---- the program --------------------------------------------------------------------------------------------------------------
  /// The grid: groups x lines x tiles of this size. Gives the tile.
  Value walk(int64_t tileM, int64_t tileN) {
    SizeExpr tiles = ceilDiv(rows_, tileM) * ceilDiv(columns_, tileN);
    programs_ = SizeExpr(groups_) * volume(lines_) * tiles;
    SmallVector<SizeExpr> extents = {groups_};
    llvm::append_range(extents, lines_);
    extents.push_back(tiles);
    auto parts = kb_.delinearize(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), extents);
    groupId_ = parts[0];
    line_.assign(parts.begin() + 1, parts.end() - 1);
    firstColumn_ = kb_.mul(groupId_, kb_.size(columns_));
    return parts.back();
  }
  EpilogueHole hole() {
    return [this](OpBuilder &, Location, Value acc, const TilePlace &at) -> Value {
      Value rows = kb_.sub(kb_.size(rows_), at.row), columns = kb_.sub(kb_.size(columns_), at.column);
      GroupEpilogue::Tile place{line_, at.row, kb_.add(firstColumn_, at.column), rows, columns};
      for (auto [i, tile] : llvm::enumerate(epilogue_->evaluate(acc, place))) epilogue_->store(i, tile, place);
      return {};
    };
  }
  void emitProgram() { byRows_ ? emitMma() : emitSimt(); }

  void emitMma() {
    MmaTile tile = chooseMmaTile(rows_.constant().value_or(0), columns_.constant().value_or(0), volume(lines_).constant().value_or(1),
                                 conv_ || areRowsAligned(matmul_), gpuOf(group_));
    MmaMatmul p;
    p.tile = walk(tile.m, tile.n);
    p.a = kb_.input(a_), p.b = kb_.input(b_), p.c = kb_.output(0);
    p.m = kb_.size(rows_), p.n = kb_.size(columns_), p.k = kb_.size(depth_);
    p.elementA = elementOf(a_), p.elementB = elementOf(b_);
    p.bRowStride = kb_.size(sizesOf(b_.getType()).back());  // b's rows may be filled up
    if (conv_) {
      p.bTap = kb_.size(tapOfB_);
      placePixels(p);
    } else {
      p.aOffset = batchOffset(sizesOf(a_.getType()), 2), p.bOffset = batchOffset(sizesOf(b_.getType()), 2);
      p.aRowStride = p.k;
    }
    p.aColumnStride = p.bColumnStride = kb_.constant(1);
    p.cRowStride = kb_.size(columns_);
    emitMmaMatmul(b(), kb_.kernel(), p, tile, hole());
  }

  void emitSimt() {
    SimtTile tile = chooseSimtTile(rows_.constant().value_or(0), columns_.constant().value_or(0));
    SimtMatmul p;
    p.tile = walk(tile.m, tile.n);
    p.a = kb_.input(a_);
    p.b = kb_.input(b_);
    p.c = kb_.output(0);
    p.m = kb_.size(rows_);
    p.n = kb_.size(columns_);
    p.k = kb_.size(depth_);
    p.aColumnStride = kb_.constant(1);
    p.cRowStride = kb_.size(columns_);
    matmul_ ? placeMatmul(p) : placeConv(p, groupId_);
    emitSimtMatmul(b(), loc(), p, tile, hole());
  }

  void placeMatmul(SimtMatmul &p) {
    p.aRowStride = kb_.size(depth_);
    p.aOffset = batchOffset(sizesOf(a_.getType()), 2);
    p.bOffset = batchOffset(sizesOf(b_.getType()), 3);
    p.bPanel = kb_.size(depth_ * kPanel);
  }
  /// Where this line's matrix begins in an operand whose matrices have `inner` dimensions; batch dimensions are aligned on the right.
  Value batchOffset(const Sizes &sizes, int64_t inner) {
    auto strides = kb_.strides(sizes);
    Value offset = kb_.constant(0);
    const size_t batch = out_.size() - 2;
    for (size_t i = 0; i < batch; ++i) {
      int64_t d = int64_t(sizes.size()) - inner - int64_t(batch) + int64_t(i);
      if (d >= 0 && !sizes[d].isConstant(1)) offset = kb_.add(offset, kb_.mul(line_[i], kb_.size(strides[d])));
    }
    return offset;
  }

  void placeConv(SimtMatmul &p, Value groupId) {
    SizeExpr panel = SizeExpr(taps()) * depth_ * kPanel;
    placePixels(p);
    p.aOffset = kb_.add(p.aOffset, kb_.mul(groupId, kb_.size(depth_)));
    p.bOffset = kb_.mul(groupId, kb_.size(panel * ceilDiv(columns_, kPanel)));
    p.bPanel = kb_.size(panel);
  }
  /// The pixels of a line, and how far on the taps of the window read them.
  template <typename Problem>
  void placePixels(Problem &p) {
    auto x = kb_.strides(sizesOf(a_.getType()));
    int64_t sh = conv_.getStrides()[0], sw = conv_.getStrides()[1], dh = conv_.getDilations()[0], dw = conv_.getDilations()[1];
    p.aRowStride = kb_.size(rowDim_ == 1 ? x[1] * SizeExpr(sh) : x[2] * SizeExpr(sw));
    p.aOffset = kb_.mul(line_[0], kb_.size(x[0]));
    p.aOffset = kb_.add(p.aOffset, kb_.mul(line_[1], kb_.size(x[1] * SizeExpr(sh))));
    p.aOffset = kb_.add(p.aOffset, kb_.mul(line_[2], kb_.size(x[2] * SizeExpr(sw))));
    p.taps = taps();
    Value down = kb_.size(x[1] * SizeExpr(dh)), right = kb_.size(x[2] * SizeExpr(dw));
    p.tapOffset = [this, down, right](OpBuilder &, Location, Value tap) {
      Value across = kb_.constant(tapsW_);
      return kb_.add(kb_.mul(kb_.floorDiv(tap, across), down), kb_.mul(kb_.rem(tap, across), right));
    };
  }

  GroupOp group_;
  KernelBuilder kb_;
  PackedMatmulOp matmul_;
  PackedConvOp conv_;
  Value anchor_;
  BlockArgument a_, b_;
  Sizes out_;
  size_t rowDim_ = 0;            ///< of a convolution
  std::optional<GroupEpilogue> epilogue_;
  SizeExpr rows_, columns_, depth_, channels_, programs_, tapOfB_;  ///< tapOfB_: elements from a tap's weights to the next one's, by rows
  SmallVector<SizeExpr> lines_;  ///< extents of the result's dimensions that the grid walks; 1 where it does not
  SmallVector<Value> line_;      ///< this program's place in them
  int64_t groups_ = 1, tapsH_ = 1, tapsW_ = 1;
  Value groupId_, firstColumn_;
  bool byRows_ = false;
};

}  // namespace

/// Windows by rows are such as the copy engine reads: the verifier has seen to it.
static bool isForCopyEngine(Operation *product) {
  auto matmul = dyn_cast<PackedMatmulOp>(product);
  return !matmul || areRowsAligned(matmul);
}

/// The product that goes through the copy engine to tensor cores; null where there is none.
static Operation *productForCopyEngine(GroupOp group) {
  if (!gpuOf(group).hasCopyEngine()) return nullptr;
  for (Operation &op : group.getBody().front())
    if ((isa<ScaledMatmulOp>(op) || (isa<PackedMatmulOp, PackedConvOp>(op) && op.hasAttr("by_rows"))) && isForCopyEngine(&op)) return &op;
  return nullptr;
}

std::optional<RowRanges> rowRangesOf(GroupOp group) {
  constexpr int64_t kBounds[] = {8, 32, 60, 256};  // up to 60 rows a product is computed transposed (GroupWgmma.cpp)
  if (group.getSchedule() == "grouped") return groupedRowRangesOf(group);
  Operation *product = group.getSchedule() == "matmul" ? productForCopyEngine(group) : nullptr;
  if (!product || !isa<PackedMatmulOp, ScaledMatmulOp>(product)) return std::nullopt;
  const Sizes sizes = sizesOf(product->getResult(0).getType());
  return sizes.size() == 2 && !sizes[0].constant() ? std::optional(RowRanges{sizes[0], llvm::to_vector(ArrayRef(kBounds))}) : std::nullopt;
}

FailureOr<Scheduled> scheduleCudaMatmul(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  if (Operation *product = productForCopyEngine(group)) return scheduleWgmma(group, product, name, target, builder);
  return GroupMatmul(group, name, builder).run();
}

}  // namespace jinx::schedules
