// How does a group around a product with codes become a program? Rows of the result are as many leading dimensions as can be taken as one (GroupEpilogue.h);
// the others are walked by the grid.
#include "codegen/schedules/cuda/GroupCodes.h"

#include "codegen/schedules/cuda/CodeMatmul.h"
#include "codegen/schedules/cuda/GpuOf.h"
#include "codegen/schedules/cuda/GroupEpilogue.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "ir/Graph/Codes.h"
#include "ir/Graph/StackedConstants.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

class GroupCodes {
 public:
  GroupCodes(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front())
      if (auto o = dyn_cast<DequantMatmulOp>(op)) product_ = o;
    if (!product_ || !areFragments(product_.getCodes().getType())) return group_.emitOpError("has no product with codes in the order of fragments (jinx-form-dequant-matmul)");
    if (!llvm::all_of(product_->getOperands(), llvm::IsaPred<BlockArgument>)) return group_.emitOpError("operands of the product must be inputs of the group");
    out_ = sizesOf(product_.getY().getType());
    depth_ = sizesOf(product_.getA().getType()).back(), columns_ = out_.back();
    epilogue_.emplace(kb_, group_, product_);
    const size_t end = out_.size() - 1, begin = epilogue_->firstRowDim(end);
    epilogue_->setRows(begin, end);
    rows_ = volume(ArrayRef(out_).slice(begin, end - begin));
    outer_.assign(out_.begin(), out_.begin() + begin);
    emitProgram();
    Scheduled scheduled = kb_.finish(volume(outer_) * codePrograms(tile_, rows_, columns_), 0, rows_ * volume(outer_) * columns_ * depth_);
    sayMultiples(scheduled.kernel, scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  bool isConstant(Value operand) { return graph::isConstant(group_.getInputs()[cast<BlockArgument>(operand).getArgNumber()]); }
  Value input(Value operand) { return kb_.input(cast<BlockArgument>(operand)); }

  void emitProgram() {
    const GpuArchitecture gpu = gpuOf(group_);
    const bool ofBytes = !product_.getLevels();
    tile_ = chooseCodeTile(rows_.constant().value_or(0) * volume(outer_).constant().value_or(0), columns_.constant().value_or(0), depth_.constant().value_or(0), bool(product_.getOffsets()), gpu);
    IndexBuilder ix{b(), kb_.loc()};
    Value number = ix.div(tile::ProgramIdOp::create(b(), kb_.loc(), b().getIndexType()), tile_.splits);
    SmallVector<SizeExpr> extents(outer_);
    extents.push_back(ceilDiv(rows_, tile_.rows) * ceilDiv(columns_, tile_.columns));
    SmallVector<Value> at = delinearizeSmall(kb_, number, extents);
    CodeMatmul p;
    p.tile = at.pop_back_val();
    p.a = input(product_.getA()), p.codes = input(product_.getCodes()), p.scales = input(product_.getScales());
    if (product_.getOffsets()) p.offsets = input(product_.getOffsets());
    p.c = kb_.output(0);
    p.m = kb_.size(rows_), p.n = p.cRowStride = kb_.size(columns_), p.k = p.aRowStride = kb_.size(depth_);
    Value matrix = kb_.constant(0);
    for (auto [i, extent] : llvm::enumerate(outer_)) matrix = kb_.add(kb_.mul(matrix, kb_.size(extent)), at[i]);
    p.aOffset = kb_.mul(matrix, kb_.size(rows_ * depth_));
    p.isConstant = isConstant(product_.getCodes()) && isConstant(product_.getScales()) && (!product_.getOffsets() || isConstant(product_.getOffsets()));
    p.bits = ofBytes ? 8 : 4;
    p.group = llvm::alignTo(product_.getGroup(), 32);  // that of a column has no end
    const Type codes = cast<RankedTensorType>(product_.getCodes().getType()).getElementType();
    if (codes.isUnsignedInteger(32)) p.zero = *zeroOfLevels(*product_.getLevels());
    if (codes.isUnsignedInteger(8)) p.levels.assign(product_.getLevels()->begin(), product_.getLevels()->end());
    emitCodeMatmul(b(), kb_.kernel(), p, tile_, [&](OpBuilder &, Location, Value acc, const TilePlace &place) -> Value {
      // Lanes past a tile's rows and columns hold nothing.
      auto type = cast<VectorType>(acc.getType());
      GroupEpilogue::Tile tile{at, place.row, place.column, kb_.min(kb_.constant(type.getDimSize(0)), kb_.sub(kb_.size(rows_), place.row)),
                               kb_.sub(kb_.size(columns_), place.column)};
      tile.outer.resize(out_.size() - 1);
      for (auto [i, result] : llvm::enumerate(epilogue_->evaluate(acc, tile))) epilogue_->store(i, result, tile);
      return {};
    });
  }

  GroupOp group_;
  KernelBuilder kb_;
  DequantMatmulOp product_;
  Sizes out_;
  SizeExpr depth_, columns_, rows_;
  SmallVector<SizeExpr> outer_;
  std::optional<GroupEpilogue> epilogue_;
  CodeTile tile_;
};

}  // namespace

FailureOr<Scheduled> scheduleCudaCodes(GroupOp group, StringRef name, OpBuilder &builder) { return GroupCodes(group, name, builder).run(); }

}  // namespace jinx::schedules
