// Which tables are read row by row, and can stay codes?
//
//   gather(dequantize(codes, scales), rows)  ->  dequantize(gather(codes, rows), gather(scales, rows))
//
// An embedding reads a few rows of a table that would be four to eight times as large in floats. Kernels address bytes: 4-bit codes become bytes,
// half as large as they could be. A table of levels stays as it is: its codes have 4 bits.
#include "ir/Graph/Constants.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_GATHERCODES
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-gather-codes";

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

class Mover {
 public:
  Mover(GatherOp op, DequantizeOp dequantize) : b_(op), loc_(op.getLoc()), op_(op), deq_(dequantize) {}

  /// Why the table is dequantized whole; empty where it need not be.
  std::string whyNot() {
    auto table = deq_.getQ().getDefiningOp<ConstantOp>();
    Sizes sizes = sizesOf(deq_.getQ().getType());
    if (!table) return "its codes are no constant";
    if (sizes.size() != 2 || op_.getAxis() != 0) return "it does not gather rows of a matrix";
    if (deq_.getLevels()) return "its codes of 4 bits stand for a table of levels";
    if (deq_.getBlock() > 0 && deq_.getAxis() == 0) return "rows share their scales in blocks";
    return "";
  }

  void run() {
    Value q = gather(bytes(deq_.getQ())), scale = gather(deq_.getScale());
    Value zero = deq_.getZero() ? gather(bytes(deq_.getZero())) : Value(), offset = deq_.getOffset() ? gather(deq_.getOffset()) : Value();
    const int64_t last = cast<RankedTensorType>(q.getType()).getRank() - 1;
    Value y = DequantizeOp::create(b_, loc_, op_.getY().getType(), q, scale, zero, offset, DenseF32ArrayAttr(), deq_.getBlock(), deq_.getBlock() > 0 ? last : 0);
    op_.getY().replaceAllUsesWith(y);
  }

 private:
  /// Constants of 4 and 2 bits as bytes.
  Value bytes(Value v) {
    Type element = elementOf(v);
    if (!element.isInteger() || element.getIntOrFloatBitWidth() >= 8) return v;
    auto wide = tensorOf(sizesOf(v.getType()), element.isUnsignedInteger() ? Type(b_.getIntegerType(8, false)) : Type(b_.getI8Type()));
    return CastOp::create(b_, loc_, wide, v);
  }
  /// Rows of a parameter, or of the codes: what is the same for all rows gets the dimensions of the indices only.
  Value gather(Value v) {
    Sizes sizes = sizesOf(v.getType()), indices = sizesOf(op_.getIndices().getType());
    if (sizes.empty()) return v;
    Sizes out = indices;
    out.push_back(sizes[1]);
    if (sizes[0].isConstant(1) && !sizesOf(deq_.getQ().getType())[0].isConstant(1)) {
      Sizes ones(indices.size(), SizeExpr(1));
      ones.push_back(sizes[1]);
      return ReshapeOp::create(b_, loc_, tensorOf(ones, elementOf(v)), v);
    }
    return GatherOp::create(b_, loc_, tensorOf(out, elementOf(v)), v, op_.getIndices(), 0);
  }

  OpBuilder b_;
  Location loc_;
  GatherOp op_;
  DequantizeOp deq_;
};

struct GatherCodesPass : impl::GatherCodesBase<GatherCodesPass> {
  using GatherCodesBase::GatherCodesBase;

  void runOnOperation() override {
    SmallVector<GatherOp> gathers;
    getOperation().walk([&](GatherOp op) {
      if (op.getX().getDefiningOp<DequantizeOp>()) gathers.push_back(op);
    });
    for (GatherOp op : gathers) {
      Mover mover(op, op.getX().getDefiningOp<DequantizeOp>());
      if (std::string why = mover.whyNot(); !why.empty()) {
        ++numKept;
        say(missed(op, kArgument, "Kept"), [&] { return "gather: the table is dequantized whole: " + why; });
        continue;
      }
      mover.run();
      say(passed(op, kArgument, "Moved"), [&] { return "gather: of codes, the rows are dequantized"; });
      op.erase();
      ++numMoved;
    }
  }
};

}  // namespace
}  // namespace jinx::passes
