// Which codes and scales do GGUF's blocks hold?
//
//   decode_blocks(blocks)  ->  dequantize(codes [n, k], scales [n, k / group], zero, offsets) block group along 1
#include "ir/Graph/Constants.h"
#include "passes/Passes.h"
#include "runtime/base/BlockFormat.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_SPLITBLOCKS
#include "passes/Passes.h.inc"

namespace {

/// The parts of a matrix of blocks.
struct Parts {
  Tensor codes, scales, offsets;
};

Parts split(const BlockFormat &format, const Tensor &blocks) {
  const int64_t rows = blocks.dim(0), count = blocks.dim(1) / format.bytes, groups = format.elements / format.group;
  const DType parameter = format.hasHalfScales ? DType::kF16 : DType::kF32;
  Parts parts = {Tensor::make(format.hasWideCodes ? DType::kI8 : DType::kU4, Shape{rows, count * format.elements}), Tensor::make(parameter, Shape{rows, count * groups}),
                 format.hasOffsets ? Tensor::make(parameter, Shape{rows, count * groups}) : Tensor()};
  std::vector<uint8_t> codes(format.elements);
  std::vector<float> scales(groups), offsets(groups);
  for (int64_t b = 0; b < rows * count; ++b) {
    splitBlock(format, blocks.as<uint8_t>() + b * format.bytes, codes.data(), scales.data(), offsets.data());
    for (int64_t i = 0; i < format.elements; ++i) parts.codes.setInt(b * format.elements + i, format.hasWideCodes ? int8_t(codes[i]) : codes[i]);
    for (int64_t g = 0; g < groups; ++g) {
      parts.scales.setDouble(b * groups + g, scales[g]);
      if (format.hasOffsets) parts.offsets.setDouble(b * groups + g, offsets[g]);
    }
  }
  return parts;
}

struct SplitBlocksPass : impl::SplitBlocksBase<SplitBlocksPass> {
  using SplitBlocksBase::SplitBlocksBase;

  void runOnOperation() override {
    SmallVector<DecodeBlocksOp> ops;
    getOperation().walk([&](DecodeBlocksOp op) { ops.push_back(op); });
    for (DecodeBlocksOp op : ops)
      if (failed(take(op))) return signalPassFailure();
  }

  LogicalResult take(DecodeBlocksOp op) {
    auto constant = op.getBlocks().getDefiningOp<ConstantOp>();
    auto blocks = constant ? tensorOf(constant.getValue()) : Expected<Tensor>(Status::ok());
    if (!constant || !blocks) return op.emitOpError("has blocks that are no constant, expected the weights of a model");
    const BlockFormat &format = *findBlockFormat(op.getFormat().str());
    Parts parts = split(format, *blocks);
    OpBuilder b(op);
    auto constantOf = [&](const Tensor &tensor) -> Value { return ConstantOp::create(b, op.getLoc(), elementsOf(tensor, &getContext())); };
    Value zero, offsets;
    if (format.zero != 0) {
      Tensor value = Tensor::make(DType::kU4, Shape{});
      value.setInt(0, format.zero);
      zero = constantOf(value);
    }
    if (format.hasOffsets) offsets = constantOf(parts.offsets);
    Value y = DequantizeOp::create(b, op.getLoc(), op.getY().getType(), constantOf(parts.codes), constantOf(parts.scales), zero, offsets, DenseF32ArrayAttr(), format.group, 1);
    op.getY().replaceAllUsesWith(y);
    op.erase();
    ++numSplit;
    return success();
  }
};

}  // namespace
}  // namespace jinx::passes
