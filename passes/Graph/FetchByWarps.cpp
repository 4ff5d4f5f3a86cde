// Which products read their operands as they lie, and not filled up to rows of 16 bytes?
//
//   packed_matmul(pad(a), b) by_rows     packed_matmul(a, b) by_rows     b's rows may stay filled up: constants are, at no cost
//
// A pad is a kernel that reads and writes all of a. Products of rows that begin anywhere are fetched by warps, a few elements at a time, and slower by
// far (MmaMatmul.cpp). So all but small ones keep it.
#include "ir/Graph/Constants.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_FETCHBYWARPS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-fetch-by-warps";
// Seconds on an H200: a launch, a byte of a pad (read and written), and what a multiplication of rows at any place loses.
constexpr double kLaunch = 3e-6, kByte = 2 / 3.5e12, kLost = 2.5e-14;
constexpr int64_t kRowBytes = 16;
constexpr double kUnknown = 2048;  // extents that are known only when the model runs

double known(const SizeExpr &size) { return size.constant() ? double(*size.constant()) : kUnknown; }

/// What is filled up with zeros to rows of 16 bytes, and nothing else.
Value filledUp(Value v) {
  auto pad = v.getDefiningOp<PadOp>();
  if (!pad || pad.getMode() != PadMode::constant || pad.getValue()) return {};
  if (!llvm::all_of(pad.getLow().getAsValueRange<StringAttr>(), [](StringRef low) { return low == "0"; })) return {};
  const int64_t alignment = kRowBytes * 8 / cast<RankedTensorType>(pad.getType()).getElementTypeBitWidth();
  Sizes filled = sizesOf(pad.getX().getType());
  filled.back() = ceilDiv(filled.back(), alignment) * SizeExpr(alignment);
  return filled == sizesOf(pad.getType()) ? pad.getX() : Value();
}

struct FetchByWarpsPass : impl::FetchByWarpsBase<FetchByWarpsPass> {
  using FetchByWarpsBase::FetchByWarpsBase;

  void runOnOperation() override {
    SmallVector<PackedMatmulOp> products;
    getOperation().walk([&](PackedMatmulOp op) {
      if (op.getByRows() && !isa<GroupOp>(op->getParentOp())) products.push_back(op);
    });
    for (PackedMatmulOp op : products) unpad(op);
  }

  /// Whether a copy of `a` takes less time than warps lose.
  bool pays(PackedMatmulOp op, Value a) const {
    double count = 1;
    for (const SizeExpr &size : sizesOf(op.getY().getType())) count *= known(size);
    Sizes sizes = sizesOf(a.getType());
    double bytes = double(cast<RankedTensorType>(a.getType()).getElementTypeBitWidth() / 8);
    for (const SizeExpr &size : sizes) bytes *= known(size);
    return count * known(sizes.back()) * kLost > kLaunch + bytes * kByte;
  }

  void unpad(PackedMatmulOp op) {
    Value a = filledUp(op.getA()), b = filledUp(op.getB());
    auto element = cast<RankedTensorType>(op.getA().getType()).getElementType();
    const bool isForWarps = element.isF16() || element.isBF16() || element.isInteger(8);
    if (!a || !isForWarps) return;
    const std::string depth = sizesOf(a.getType()).back().str();
    if (pays(op, a) || !op.getA().hasOneUse())
      return say(missed(op, kArgument, "Kept"), [&] { return "packed_matmul: rows of " + depth + " elements are filled up to a multiple of 16 bytes, which costs less than it saves"; });
    say(passed(op, kArgument, "Fetched"), [&] {
      return "packed_matmul: warps fetch rows of " + depth + " elements as they are: no multiple of 16 bytes, and filling them up would cost more than it saves";
    });
    ++numFetched;
    auto replace = [](OpOperand &operand, Value by) {
      Operation *pad = operand.get().getDefiningOp();
      operand.set(by);
      if (pad->use_empty()) pad->erase();
    };
    replace(op.getAMutable(), a);
    // What is transposed is written anyway, and filled up by the same kernel.
    if (b && !b.getDefiningOp<TransposeOp>()) replace(op.getBMutable(), b);
  }
};

}  // namespace
}  // namespace jinx::passes
