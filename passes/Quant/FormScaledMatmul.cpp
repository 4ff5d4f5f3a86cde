// Which products are of 8-bit floats whose scales vary along k, and multiply as they are?
//
//   matmul(dequantize(a, s, block 128), dequantize(w, t, block 128))  ->  scaled_matmul(a, w scales s, t)          blocks along k
//
// A tensor core's sums of 128 products are multiplied by both scales before they add up; no epilogue could. Scales that stand still along k are left
// to jinx-narrow-products, if both operands' do; if one's do, they are repeated. Rows of w that share scales (Repeat.h) are read as few
// numbers as there are: those of 128 x 128 blocks are one for a tile.
#include "codegen/schedules/cuda/GpuOf.h"
#include "passes/Passes.h"
#include "passes/Quant/Repeat.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_FORMSCALEDMATMUL
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-form-scaled-matmul";
constexpr int64_t kBlock = 128;        // of k, that a kernel adds up before it scales
constexpr int64_t kRowBytes = 16;      // that rows are filled up to a multiple of
constexpr int64_t kRowsOfProduct = 64; // of a tensor core's product

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
std::string text(Type type) {
  std::string s;
  llvm::raw_string_ostream(s) << type;
  return s;
}

/// An operand of a product, with k along dimension `k`.
struct Operand {
  DequantizeOp dequantize;
  int64_t k;

  Sizes sizes() const { return sizesOf(DequantizeOp(dequantize).getQ().getType()); }
  bool hasBlocks() {
    Sizes scale = sizesOf(dequantize.getScale().getType());
    return dequantize.getBlock() > 0 && int64_t(dequantize.getAxis()) == k && !scale.empty() && !scale[k].isConstant(1);
  }
};

class Former {
 public:
  Former(MatmulOp op, Operand a, Operand w) : b_(op), loc_(op.getLoc()), op_(op), a_(a), w_(w) {}

  /// Why the product stays as it is; empty where nothing speaks against it.
  std::string whyNot() {
    for (Operand *operand : {&a_, &w_}) {
      DequantizeOp dequantize = operand->dequantize;
      if (!isByteFloat(elementOf(dequantize.getQ()))) return "scales of blocks are beside " + text(elementOf(dequantize.getQ())) + ", kernels read 8-bit floats with them";
      if (dequantize.getZero() || dequantize.getOffset()) return "an operand has zero points or offsets, expected scales alone";
      if (operand->hasBlocks() && int64_t(dequantize.getBlock()) != kBlock)
        return "scales are of blocks of " + std::to_string(dequantize.getBlock()) + " along k, expected " + std::to_string(kBlock);
      if (dequantize.getBlock() > 0 && int64_t(dequantize.getAxis()) != operand->k) return "scales are of blocks beside k, expected blocks along k";
    }
    if (w_.sizes().size() != 2) return "the right operand has " + std::to_string(w_.sizes().size()) + " dimensions, expected a matrix";
    auto module = op_->getParentOfType<ModuleOp>();
    if (!module || !module->hasAttr(schedules::kGpuAttribute)) return "the processor multiplies no 8-bit floats";
    if (!schedules::gpuOf(op_).hasCopyEngine()) return std::string(schedules::gpuOf(op_).name) + " has no kernel that multiplies 8-bit floats, sm_90a has";
    return "";
  }

  void run() {
    Sizes a = a_.sizes(), w = w_.sizes(), aScales = a;
    const SizeExpr blocks = ceilDiv(a.back(), kBlock), columns = w[1 - w_.k];
    aScales.back() = blocks;
    Value scalesA = broadcast(asF32(a_.dequantize.getScale()), aScales);
    auto [scalesW, shared] = scalesOfColumns(columns);
    Sizes wScales = {ceilDiv(columns, shared), blocks};
    if (w_.k == 0) std::swap(wScales[0], wScales[1]);
    scalesW = broadcast(asF32(scalesW), wScales);
    Value rows = w_.dequantize.getQ();
    if (w_.k == 0) rows = transposed(rows), scalesW = transposed(scalesW);
    Value y = ScaledMatmulOp::create(b_, loc_, tensorOf(sizesOf(op_.getY().getType()), b_.getF32Type()), filledUp(a_.dequantize.getQ()), filledUp(rows),
                                     scalesA, scalesW, shared);
    Type result = elementOf(op_.getY());
    op_.getY().replaceAllUsesWith(result.isF32() ? y : Value(CastOp::create(b_, loc_, op_.getY().getType(), y)));
    what_ = shared == 1 ? "a row of weights" : std::to_string(shared) + " rows of weights";
  }
  const std::string &what() const { return what_; }

 private:
  /// Those of the weights before they are repeated along columns, and how often they are.
  std::pair<Value, int64_t> scalesOfColumns(const SizeExpr &columns) {
    Value scale = w_.dequantize.getScale();
    Sizes sizes = sizesOf(scale.getType());
    if (sizes.empty() || (sizes[1 - w_.k].isConstant(1) && !columns.isConstant(1))) return {scale, kBlock};
    auto repetition = repetitionOf(scale, 1 - w_.k);
    if (repetition && repetition->times % kRowsOfProduct == 0 && repetition->times > 0) return {repetition->of, repetition->times};
    return {scale, 1};
  }
  Value asF32(Value v) {
    return elementOf(v).isF32() ? v : Value(CastOp::create(b_, loc_, tensorOf(sizesOf(v.getType()), b_.getF32Type()), v));
  }
  Value broadcast(Value v, const Sizes &sizes) {
    return sizesOf(v.getType()) == sizes ? v : Value(BroadcastOp::create(b_, loc_, tensorOf(sizes, elementOf(v)), v));
  }
  Value transposed(Value v) { return TransposeOp::create(b_, loc_, v, ArrayRef<int64_t>{1, 0}); }
  /// Rows with zeros behind them, as the copy engine reads them.
  Value filledUp(Value v) {
    Sizes sizes = sizesOf(v.getType());
    if (sizes.back().exactDivide(kRowBytes)) return v;
    SmallVector<StringRef> low(sizes.size(), "0");
    sizes.back() = ceilDiv(sizes.back(), kRowBytes) * SizeExpr(kRowBytes);
    return PadOp::create(b_, loc_, tensorOf(sizes, elementOf(v)), v, Value(), b_.getStrArrayAttr(low), PadMode::constant);
  }

  OpBuilder b_;
  Location loc_;
  MatmulOp op_;
  Operand a_, w_;
  std::string what_;
};

struct FormScaledMatmulPass : impl::FormScaledMatmulBase<FormScaledMatmulPass> {
  using FormScaledMatmulBase::FormScaledMatmulBase;

  void runOnOperation() override {
    SmallVector<MatmulOp> matmuls;
    getOperation().walk([&](MatmulOp op) { matmuls.push_back(op); });
    for (MatmulOp op : matmuls) form(op);
  }

  void form(MatmulOp op) {
    Value w = op.getB();
    bool isTransposed = op.getTransposeB();
    if (auto transpose = w.getDefiningOp<TransposeOp>(); transpose && transpose.getPerm() == ArrayRef<int64_t>{1, 0}) w = transpose.getX(), isTransposed = !isTransposed;
    Operand a{op.getA().getDefiningOp<DequantizeOp>(), 0}, b{w.getDefiningOp<DequantizeOp>(), 0};
    if (!a.dequantize || !b.dequantize) return;
    const int64_t rank = int64_t(b.sizes().size());
    a.k = int64_t(a.sizes().size()) - 1, b.k = isTransposed ? rank - 1 : rank - 2;
    if (rank < 2 || (!a.hasBlocks() && !b.hasBlocks())) return;
    Former former(op, a, b);
    if (std::string why = former.whyNot(); !why.empty()) {
      ++numKept;
      return say(missed(op, kArgument, "Kept"), [&] { return "matmul: its operands are dequantized before: " + why; });
    }
    former.run();
    say(passed(op, kArgument, "Formed"), [&] { return "matmul: of 8-bit floats, each " + std::to_string(kBlock) + " along k with a scale for a row and one for " + former.what(); });
    op.erase();
    ++numFormed;
  }
};

}  // namespace
}  // namespace jinx::passes
