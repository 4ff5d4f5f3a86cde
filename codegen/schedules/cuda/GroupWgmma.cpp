// How does a group's product become a product of matrices for tensor cores?
//
// y[outer…, rows, n] = epilogue(sum_k a[…, rows, k] * b[…, n, k]): as many leading dimensions of the result as can are rows together
// (GroupEpilogue.h), the others count matrices.
//
//   packed_matmul   a and b are read as [matrices, rows, k]; one that has no batch, or part of one, stands still along it
//   scaled_matmul   the same, with scales of blocks along k for each row of a, and for rows of b that share them
//   packed_conv     an implicit product: a row is a pixel of the result, k runs over the taps of the window and, within one, over slices of
//                   128 bytes of channels. The copy engine walks the pixels of a tile as the convolution does, and fills in zeros for padding.
//                   With `runs` k runs over the rows of the window: a "pixel" is a row of it, of which the next one begins a step later
//
// A packed_matmul by two matrices behind each other, whose halves alone are read, each at the place of the other, is a pair: y = epilogue(a * b0^T, a * b1^T)
// has as many columns as one of them.
//
// A product of few rows (a decoder's) is computed transposed: y^T = b * a^T. Tensor cores take 64 rows at a time and as few as 8 columns.
#include "codegen/schedules/cuda/GroupWgmma.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/cuda/CudaMatmul.h"
#include "codegen/schedules/cuda/GroupEpilogue.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "ir/Graph/StackedConstants.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kSlotBytes = 128;      // of k in a slot
// Up to here the transposed product takes less time. Tiles of 64 rows fetch rows that are not there, too: 32 x 4096 x 4096 13.7 us, and so 16.7; 64
// rows 13.4 and 12.7.
constexpr int64_t kFewRows = 60;
constexpr int64_t kMostResiduals = 2;    // that come through shared memory
constexpr int64_t kUnknownRows = 2048, kUnknownSteps = 16;  // what tiles are chosen for when the extent is known only at run time

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
int64_t bytesOf(Value v) { return std::max<int64_t>(1, elementOf(v).getIntOrFloatBitWidth() / 8); }

class GroupWgmma {
 public:
  GroupWgmma(GroupOp group, Operation *product, StringRef name, const Target &target, OpBuilder &builder)
      : group_(group), product_(product), target_(target), kb_(builder, group.getLoc(), name, group), isPair_(isPairOfProducts(product)),
        out_(sizesOf(isPair_ ? group.getResult(0).getType() : product->getResult(0).getType())) {}

  FailureOr<Scheduled> run() {
    a_ = dyn_cast<BlockArgument>(product_->getOperand(0));
    b_ = dyn_cast<BlockArgument>(product_->getOperand(1));
    if (!llvm::all_of(product_->getOperands(), llvm::IsaPred<BlockArgument>)) return group_.emitOpError("operands of the product must be inputs of the group");
    if (!areMultiplied(elementOf(a_), elementOf(b_)))
      return group_.emitOpError("multiplies ") << elementOf(a_) << " with " << elementOf(b_)
                                               << " by rows, expected one type of 16-bit floats, f32, 8-bit floats, or bytes";
    epilogue_.emplace(kb_, group_, product_);
    chooseRows();
    emitProgram();
    Scheduled scheduled = kb_.finish(wgmmaPrograms(tile_, isTransposed_ ? columns_ : rows_, isTransposed_ ? rows_ : columns_, matrices_), 0,
                                     rows_ * columns_ * matrices_ * steps_ * SizeExpr(isPair_ ? 2 : 1));
    scheduled.question = std::move(question_);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }

  // ---- the problem --------------------------------------------------------------------------------------------------------------
  bool areMultiplied(Type a, Type b) const {
    auto isFloat8 = [](Type type) { return isa<Float8E4M3FNType, Float8E5M2Type>(type); };
    if (a.isF16() || a.isBF16() || a.isF32()) return a == b;
    return !isConv() && ((a.isInteger(8) && b.isInteger(8)) || (isFloat8(a) && isFloat8(b)));
  }
  void chooseRows() {
    size_t end = out_.size() - 1, begin = end - 1;
    if (isConv() || (standsStill(b_) && movesWithAll(a_, end))) begin = epilogue_->firstRowDim(end);
    rowBegin_ = begin;
    epilogue_->setRows(begin, end);
    rows_ = volume(ArrayRef(out_).slice(begin, end - begin));
    columns_ = out_.back();
    matrices_ = volume(ArrayRef(out_).take_front(begin));
    depth_ = sizesOf(a_.getType()).back();
    steps_ = ceilDiv(depth_, kSlotBytes / bytesOf(a_));
    if (auto conv = dyn_cast<PackedConvOp>(product_)) steps_ = steps_ * SizeExpr(conv.getKernel()[0] * (conv.getRuns() ? 1 : conv.getKernel()[1]));
    auto rows = rows_.constant();
    if (!rows && target_.mostRows) rows = std::min(target_.mostRows, kUnknownRows);
    isTransposed_ = rows && *rows <= kFewRows && !isConv();
    epilogue_->setTransposed(isTransposed_);
    int64_t m = rows.value_or(kUnknownRows), n = columns_.constant().value_or(kUnknownRows), steps = steps_.constant().value_or(kUnknownSteps);
    auto matmul = dyn_cast<PackedMatmulOp>(product_);
    tile_.highLow = elementOf(a_).isF32() && !product_->hasAttr("tf32");
    tile_.promotes = tile_.highLow || (isByteFloat(elementOf(a_)) && !(matmul && matmul.getFastSums()));
    if (auto scaled = dyn_cast<ScaledMatmulOp>(product_)) tile_.sharedColumns = isTransposed_ ? 1 : int64_t(scaled.getShared());
    tile_.storedBytes = bytesOf(group_.getResult(0)), tile_.elementBytes = bytesOf(a_);
    if (isPair_) tile_.pair = isTransposed_ ? WgmmaPair::rows : WgmmaPair::columns, n *= 2;
    if (storeBytes() && tile_.storedBytes > 1 && !tile_.highLow && !isPair_) residuals_ = epilogue_->residuals(tile_.storedBytes);
    if (residuals_.size() > kMostResiduals) residuals_.clear();
    tile_.residuals = int64_t(residuals_.size());
    int64_t matrices = matrices_.constant().value_or(1);
    // Where columns share scales, tiles grow along rows: a third consumer multiplies while the others scale.
    static constexpr WgmmaTile kOfThree[] = {{192, 128, 4, 2, 1, 3, 8, false}};
    const ArrayRef<WgmmaTile> more = tile_.sharedColumns > 1 ? ArrayRef<WgmmaTile>(kOfThree) : ArrayRef<WgmmaTile>();
    Choice<WgmmaTile> choice;
    auto candidates = isTransposed_ ? flatWgmmaCandidates(m, n, steps, matrices, tile_) : wgmmaCandidates(m, n, steps, matrices, epilogue_->operations() / (isPair_ ? 2 : 1), tile_, 132, more);
    for (WgmmaCandidate &candidate : candidates) {
      WgmmaTile &t = candidate.tile;
      if (isConv() && t.clusterN > 1) t.clusterN = 1, t.clusterM = 2;  // a run of pixels is no two runs
      choice.add(t, textOf(t), candidate.cost);
    }
    tile_ = choice.take(problem(), target_.measured, question_);
  }
  /// k of a convolution is its window's, in slices of channels.
  std::string problem() {
    std::string text = isConv() ? "wgmma window " : isTransposed_ ? "wgmma transposed " : "wgmma ";
    llvm::raw_string_ostream out(text);
    out << elementOf(a_) << " x " << elementOf(b_) << " ->";
    for (Value result : group_.getResults()) out << " " << elementOf(result);
    out << ", m=" << textOf(rows_) << " n=" << textOf(columns_) << " k=" << textOf(isConv() ? steps_ * SizeExpr(kSlotBytes / bytesOf(a_)) : depth_)
        << (rows_.constant() || !target_.mostRows ? "" : " up to " + std::to_string(target_.mostRows)) << " matrices=" << textOf(matrices_) << " epilogue=" << epilogue_->operations() << " operands=" << group_.getInputs().size();
    if (tile_.promotes) out << " promoted";
    if (tile_.sharedColumns) out << " scaled";
    if (isPair_) out << " paired";
    return text;
  }
  bool isConv() const { return isa<PackedConvOp>(product_); }
  /// The operand has no batch.
  static bool standsStill(BlockArgument arg) {
    return llvm::all_of(ArrayRef(sizesOf(arg.getType())).drop_back(2), [](const SizeExpr &s) { return s.isConstant(1); });
  }
  bool movesWithAll(BlockArgument arg, size_t end) const {
    Sizes sizes = sizesOf(arg.getType());
    return volume(ArrayRef(sizes).drop_back(1)) == volume(ArrayRef(out_).take_front(end));
  }

  // ---- operands -----------------------------------------------------------------------------------------------------------------
  /// \param rows  of one matrix
  WgmmaSource matrices(BlockArgument arg, const SizeExpr &rows, int64_t inner) {
    Value buffer = kb_.input(arg);
    Sizes sizes = sizesOf(arg.getType());
    SizeExpr own = volume(sizes);
    if (standsStill(arg) && inner == 2) return matrixSource(buffer, kb_.formula(rows), kb_.formula(sizes.back()));
    if (own == matrices_ * rows * sizes.back())
      return matrices_.isConstant(1) ? matrixSource(buffer, kb_.formula(rows), kb_.formula(sizes.back()))
                                     : matrixSource(buffer, kb_.formula(rows), kb_.formula(sizes.back()), kb_.formula(matrices_));
    // Part of the batch: this operand's matrix is worked out from the place in each dimension.
    SizeExpr count = volume(ArrayRef(sizes).drop_back(2));
    WgmmaSource source = matrixSource(buffer, kb_.formula(rows), kb_.formula(sizes.back()), kb_.formula(count));
    Sizes batch(sizes.begin(), sizes.end() - 2);
    source.begin = [this, batch](OpBuilder &, Value matrix, Value row) {
      auto strides = kb_.strides(batch);
      auto parts = kb_.delinearize(matrix, ArrayRef(out_).take_front(rowBegin_));
      Value own = kb_.constant(0);
      for (size_t d = 0; d < batch.size(); ++d)
        if (!batch[d].isConstant(1)) own = kb_.add(own, kb_.mul(parts[d + parts.size() - batch.size()], kb_.size(strides[d])));
      return SmallVector<Value>{own, row};
    };
    return source;
  }

  /// The pixels that the taps of a window read, as a walk of the copy engine.
  WgmmaSource pixels(PackedConvOp conv) {
    Sizes x = sizesOf(a_.getType());
    Value image = kb_.input(a_);
    const bool runs = conv.getRuns();
    ArrayRef<int64_t> kernel = conv.getKernel(), strides = conv.getStrides(), pads = conv.getPads(), dilations = conv.getDilations();
    // (c, w, h, n); of runs (kw*c, ow, h, n).
    const int64_t stepW = runs ? 1 : strides[1], lastW = runs ? 0 : pads[3] - (kernel[1] - 1) * dilations[1];
    SmallVector<std::string> dims = {kb_.formula(runs ? x[3] * SizeExpr(kernel[1]) : x[3]), kb_.formula(runs ? out_[2] : x[2]), kb_.formula(x[1]), kb_.formula(x[0])};
    SizeExpr pixel = x[3] * SizeExpr(bytesOf(a_)), row = pixel * x[2];
    SmallVector<std::string> bytes = {kb_.formula(runs ? pixel * SizeExpr(strides[1]) : pixel), kb_.formula(row), kb_.formula(row * x[1])};
    SmallVector<int64_t> window = {-pads[1], -pads[0], lastW, pads[2] - (kernel[0] - 1) * dilations[0], stepW, strides[0]};
    const int64_t channels = kSlotBytes / bytesOf(a_);  // in a slot
    WgmmaSource source;
    source.map = [=, this](OpBuilder &b, int64_t rows) -> Value {
      SmallVector<StringRef> extents(dims.begin(), dims.end()), strideTexts(bytes.begin(), bytes.end());
      return tile::TensorMapOp::create(b, kb_.loc(), tile::TensorMapType::get(b.getContext()), image, b.getStrArrayAttr(extents),
                                       b.getStrArrayAttr(strideTexts), DenseI64ArrayAttr::get(b.getContext(), {channels, rows}), b.getI64IntegerAttr(128),
                                       DenseI64ArrayAttr::get(b.getContext(), window));
    };
    source.begin = [=, this](OpBuilder &b, Value matrix, Value row) {
      IndexBuilder ix{b, kb_.loc()};
      // The result's coordinates of the first pixel: from the row, and from the matrix where an image has several.
      SmallVector<Value> at = delinearizeSmall(ix, row, ArrayRef(out_).slice(rowBegin_, 3 - rowBegin_));
      if (matrix) {
        auto outer = delinearizeSmall(ix, matrix, ArrayRef(out_).take_front(rowBegin_));
        at.insert(at.begin(), outer.begin(), outer.end());
      }
      Value w = ix.add(ix.mul(at[2], stepW), -pads[1]), h = ix.add(ix.mul(at[1], strides[0]), -pads[0]);
      return SmallVector<Value>{w, h, at[0]};
    };
    source.place = [=, this](OpBuilder &b, ValueRange begun, Value step) {
      IndexBuilder ix{b, kb_.loc()};
      if (runs) return WgmmaSource::Place{{ix.c(0), begun[0], begun[1], begun[2]}, {ix.c(0), ix.mul(step, dilations[0])}};
      Value slices = kb_.size(ceilDiv(depth_, channels)), tap = ix.div(step, slices), slice = ix.sub(step, ix.mul(tap, slices));
      Value down = ix.div(tap, kernel[1]), right = ix.sub(tap, ix.mul(down, kernel[1]));
      return WgmmaSource::Place{{ix.mul(slice, channels), begun[0], begun[1], begun[2]}, {ix.mul(right, dilations[1]), ix.mul(down, dilations[0])}};
    };
    return source;
  }
  /// As KernelBuilder::delinearize, at the builder's place and in 32 bits.
  SmallVector<Value> delinearizeSmall(IndexBuilder &ix, Value linear, ArrayRef<SizeExpr> extents) {
    SmallVector<Value> at(extents.size());
    for (size_t i = extents.size(); i-- > 1;) {
      Value extent = kb_.size(extents[i]), rest = ix.div(linear, extent);
      at[i] = ix.sub(linear, ix.mul(rest, extent));
      linear = rest;
    }
    if (!at.empty()) at[0] = linear;
    return at;
  }

  // ---- the program --------------------------------------------------------------------------------------------------------------
  void emitProgram() {
    WgmmaMatmul p;
    auto conv = dyn_cast<PackedConvOp>(product_);
    p.a = conv ? pixels(conv) : matrices(a_, rows_, 1);
    const bool isShared = !isTransposed_ && tile_.clusterM > 1;
    p.b = isPair_ ? pairSource(kb_.input(b_), kb_.formula(columns_), kb_.formula(depth_), isShared) : matrices(b_, columns_, 2);
    // Long products have better use for their time than to be some microseconds early.
    p.b.isEarly = !conv && standsStill(b_) && (isTransposed_ || tile_.splits > 1) && isConstant(group_.getInputs()[b_.getArgNumber()]);
    p.m = kb_.size(rows_);
    p.n = kb_.size(columns_);
    p.mText = kb_.formula(rows_), p.nText = kb_.formula(columns_), p.matricesText = kb_.formula(matrices_);
    p.steps = kb_.size(steps_);
    if (!matrices_.isConstant(1)) p.matrices = kb_.size(matrices_);
    p.elementA = elementOf(a_), p.elementB = elementOf(b_);
    if (storesInBulk()) p.d = kb_.output(0);
    if (tile_.residuals) {
      for (BlockArgument arg : residuals_) p.residuals.push_back(kb_.input(arg));
      epilogue_->takePieces(residuals_);
    }
    if (auto scaled = dyn_cast<ScaledMatmulOp>(product_)) {
      p.scalesA = BlockScales{kb_.input(cast<BlockArgument>(scaled.getAScales())), 1, /*hasBatch=*/true};
      p.scalesB = BlockScales{kb_.input(cast<BlockArgument>(scaled.getBScales())), int64_t(scaled.getShared())};
    }
    if (isTransposed_) std::swap(p.a, p.b), std::swap(p.m, p.n), std::swap(p.elementA, p.elementB), std::swap(p.scalesA, p.scalesB);
    constexpr int64_t kMostSums = 128;  // of a thread, that leave registers for values of columns
    const bool hasRegisters = !tile_.promotes && tile_.rows() * tile_.n / 128 <= kMostSums;
    if (hasRegisters && tile_.splits == 1 && !isTransposed_ && !isPair_ && epilogue_->readsColumns())
      p.begin = [this](OpBuilder &, Location, VectorType sums, const TilePlace &at) { epilogue_->loadColumns(sums, placeOf(at)); };
    emitWgmmaMatmul(b(), kb_.kernel(), p, tile_, [&](OpBuilder &, Location, Value acc, const TilePlace &at) -> Value {
      return epilogue(acc, at, bool(p.d));
    });
  }
  /// Of an element of the result, where it is stored in bulk.
  std::optional<int64_t> storeBytes() { return isTransposed_ ? std::nullopt : epilogue_->bulkStoreBytes(columns_); }
  bool storesInBulk() {
    auto bytes = storeBytes();
    return bytes && wgmmaStoreColumns(tile_.storedColumns(), *bytes);
  }

  GroupEpilogue::Tile placeOf(const TilePlace &at) {
    Value row = isTransposed_ ? at.column : at.row, column = isTransposed_ ? at.row : at.column;
    GroupEpilogue::Tile place{{}, row, column, kb_.sub(kb_.size(rows_), row), kb_.sub(kb_.size(columns_), column)};
    if (at.matrix) place.outer = kb_.delinearize(at.matrix, ArrayRef(out_).take_front(rowBegin_));
    place.outer.resize(out_.size() - 1);
    return place;
  }
  Value epilogue(Value acc, const TilePlace &at, bool isBulk) {
    GroupEpilogue::Tile place = placeOf(at);
    auto results = epilogue_->evaluate(acc, place);
    if (isBulk) return results[0];
    for (auto [i, tile] : llvm::enumerate(results)) epilogue_->store(i, tile, place);
    return {};
  }

  GroupOp group_;
  Operation *product_;
  const Target &target_;
  KernelBuilder kb_;
  bool isPair_;  ///< two products of one operand (isPairOfProducts)
  Sizes out_;    ///< of the group's results
  BlockArgument a_, b_;
  SmallVector<BlockArgument> residuals_;  ///< of the epilogue; in pieces if the tile has room for them
  std::optional<GroupEpilogue> epilogue_;
  size_t rowBegin_ = 0;
  SizeExpr rows_, columns_, matrices_, depth_, steps_;  ///< depth_: of a tap
  bool isTransposed_ = false;
  WgmmaTile tile_;
  std::optional<Question> question_;
};

}  // namespace

FailureOr<Scheduled> scheduleWgmma(GroupOp group, Operation *product, StringRef name, const Target &target, OpBuilder &builder) {
  return GroupWgmma(group, product, name, target, builder).run();
}

}  // namespace jinx::schedules
