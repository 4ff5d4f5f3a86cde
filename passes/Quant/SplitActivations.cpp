// Which products with codes multiply bytes?
//
//   dequant_matmul(a, codes, scales)  ->  words, factors = split_digits(a);  dequant_matmul(words factors, codes, scales)
//
// Where an instruction adds four products of bytes, a weight of 4 bits takes a quarter of it for each digit of an activation, and no conversion: one digit
// is int8 activations, three digits are as exact as f32. Products that read the same activations in the same groups share their digits (CSE).
// Codes with a table of levels have digits themselves, two, and then activations need no more; where they shall have 24 bits, such products stay floats: they
// are as fast as digits by digits.
#include "ir/Graph/Codes.h"
#include "ir/Graph/ValueInference.h"
#include "passes/Passes.h"
#include "passes/Remarks.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_SPLITACTIVATIONS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-split-activations";
constexpr int64_t kDigitBits = 8, kMostGroup = 8192;  // of k: sums of a group stay below 2^31

struct SplitActivationsPass : impl::SplitActivationsBase<SplitActivationsPass> {
  using SplitActivationsBase::SplitActivationsBase;

  LogicalResult initialize(MLIRContext *context) override {
    if (bits == 0 || bits == 8 || bits == 16 || bits == 24) return success();
    return emitError(UnknownLoc::get(context)) << kArgument << " has bits " << bits << ", expected 8, 16, 24 or 0";
  }

  void runOnOperation() override {
    SmallVector<DequantMatmulOp> products;
    getOperation().walk([&](DequantMatmulOp op) { products.push_back(op); });
    for (DequantMatmulOp op : products) {
      if (std::string why = whyNot(op); !why.empty()) {
        ++numKept;
        say(missed(op, kArgument, "Kept"), [&] { return "dequant_matmul: its activations stay floats: " + why; });
        continue;
      }
      const int64_t of = bitsOf(op);
      say(passed(op, kArgument, "Split"), [&] { return "dequant_matmul: activations are " + std::to_string(of) + " bits, a unit for each " + std::to_string(op.getGroup()) + " along k"; });
      split(op, of);
      ++numSplit;
    }
  }

  static bool hasTable(DequantMatmulOp op) { return op.getLevels() && !zeroOfLevels(*op.getLevels()); }
  int64_t bitsOf(DequantMatmulOp op) { return bits != 0 ? int64_t(bits) : hasTable(op) ? 16 : 24; }

  std::string whyNot(DequantMatmulOp op) {
    if (op.getFactors() || areFragments(op.getCodes().getType())) return "its codes are not for this processor";
    if (op.getGroup() % kCodesOfWord || op.getGroup() > kMostGroup)
      return "scales are of groups of " + std::to_string(op.getGroup()) + ", expected a multiple of 8 up to " + std::to_string(kMostGroup);
    if (SizeExpr k = sizesOf(op.getA().getType()).back(); !k.exactDivide(kCodesOfWord)) return "k is " + k.str() + ", expected a multiple of 8";
    if (hasTable(op) && bitsOf(op) > 16) return "its codes have a table of levels, which has 16 bits beside digits";
    if (!op.getLevels() && !op.getCodes().getDefiningOp<PackOp>()) return "its codes are packed";
    return "";
  }

  void split(DequantMatmulOp op, int64_t bits) {
    OpBuilder b(op);
    Sizes a = sizesOf(op.getA().getType());
    const int64_t digits = bits / kDigitBits, zero = op.getLevels() ? zeroOfLevels(*op.getLevels()).value_or(kZeroOfBytes) : kZeroOfBytes;
    Sizes words(a.begin(), a.end() - 1);
    words.append({ceilDiv(a.back(), op.getGroup()), SizeExpr(wordsOfDigits(op.getGroup(), digits))});
    Sizes factors = words;
    factors.back() = 2;
    auto made = SplitDigitsOp::create(b, op.getLoc(), tensorOf(words, b.getI32Type()), tensorOf(factors, b.getF32Type()), op.getA(), op.getGroup(), digits, zero);
    Value codes = op.getLevels() ? op.getCodes() : bytesOf(b, op.getCodes().getDefiningOp<PackOp>());
    Value y = DequantMatmulOp::create(b, op.getLoc(), op.getY().getType(), made.getWords(), made.getFactors(), codes, op.getScales(), op.getOffsets(), op.getGroup(), op.getLevelsAttr());
    op.getY().replaceAllUsesWith(y);
    op.erase();
  }

  /// Packed signed codes as unsigned ones, 128 more, in panels of four k: of each eight the even ones, then the odd ones.
  static Value bytesOf(OpBuilder &b, PackOp pack) {
    Location loc = pack.getLoc();
    Type ui8 = b.getIntegerType(8, false);
    Sizes sizes = sizesOf(pack.getB().getType());
    Value v = CastOp::create(b, loc, tensorOf(sizes, ui8), pack.getB());
    v = AddOp::create(b, loc, v, ConstantOp::create(b, loc, DenseElementsAttr::get(RankedTensorType::get({}, ui8), Attribute(b.getIntegerAttr(ui8, kZeroOfBytes)))));
    const size_t k = pack.getTranspose() ? 1 : 0;
    Sizes eights = {*sizes[k].exactDivide(kCodesOfWord), SizeExpr(4), SizeExpr(2)}, halves = {eights[0], SizeExpr(2), SizeExpr(4)};
    eights.insert(k ? eights.begin() : eights.end(), sizes[1 - k]), halves.insert(k ? halves.begin() : halves.end(), sizes[1 - k]);
    v = ReshapeOp::create(b, loc, tensorOf(eights, ui8), v);
    v = TransposeOp::create(b, loc, tensorOf(halves, ui8), v, k ? ArrayRef<int64_t>{0, 1, 3, 2} : ArrayRef<int64_t>{0, 2, 1, 3});
    v = ReshapeOp::create(b, loc, tensorOf(sizes, ui8), v);
    Sizes out = {ceilDiv(sizes[1 - k], kCodePanel), *sizes[k].exactDivide(4), SizeExpr(4 * kCodePanel)};
    return PackOp::create(b, loc, tensorOf(out, ui8), v, pack.getTranspose(), 4);
  }
};

}  // namespace
}  // namespace jinx::passes
