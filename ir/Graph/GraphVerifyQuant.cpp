// Verifiers of quantization: quantize, dequantize, pack_codes, dequant_matmul, scaled_matmul.
#include "ir/Graph/Codes.h"
#include "ir/Graph/ValueInference.h"
#include "ir/Graph/Verify.h"
#include "llvm/ADT/SmallString.h"
#include "runtime/base/BlockFormat.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

namespace {

constexpr int64_t kPanel = kCodePanel, kLevels = 16;
constexpr int64_t kRowBytes = 16;      // that a tensor map's stride is a multiple of
constexpr int64_t kScaledBlock = 128;  // of k
constexpr int64_t kRowsOfProduct = 64; // of a tensor core's product: they share scales, or have one each

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
bool isByteFloatOrCode(Type type) { return isByteFloat(type) || isa<Float4E2M1FNType>(type); }
bool isInteger(Type type, unsigned widest) { return type.isInteger() && !type.isInteger(1) && type.getIntOrFloatBitWidth() <= widest; }
bool isWideFloat(Type type) { return isa<FloatType>(type) && type.getIntOrFloatBitWidth() >= 16; }

/// A scale, zero point or offset beside `x`: a scalar, or of its rank, an extent that differs being 1 or, along the blocks' dimension, their number.
LogicalResult verifyParameter(Operation *op, StringRef name, Value v, Value x, int64_t block, int64_t axis) {
  Sizes got = sizesOf(v.getType()), sizes = sizesOf(x.getType());
  if (got.empty()) return success();
  if (got.size() != sizes.size()) return op->emitOpError() << name << " has rank " << got.size() << ", expected 0 or " << sizes.size() << " (rank of the operand)";
  for (size_t d = 0; d < got.size(); ++d) {
    if (got[d].isConstant(1)) continue;
    SizeExpr expected = block > 0 && int64_t(d) == axis ? ceilDiv(sizes[d], block) : sizes[d];
    if (surelyDifferent(got[d], expected))
      return op->emitOpError() << name << " is " << describe(got) << ", expected " << expected.str() << " or 1 in dimension " << d;
  }
  return success();
}

LogicalResult verifyBlock(Operation *op, Value x, int64_t block, int64_t axis) {
  int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
  if (block < 0) return op->emitOpError("block is ") << block << ", expected a positive number, or 0 for none";
  if (block > 0 && (axis < 0 || axis >= rank)) return op->emitOpError("has blocks along ") << axis << ", expected a dimension below " << rank;
  return success();
}

/// A constant scale that no number may be divided by.
LogicalResult verifyDivisor(Operation *op, Value scale) {
  auto constant = scale.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseFPElementsAttr>(constant.getValue()) : DenseFPElementsAttr();
  if (!dense) return success();
  for (const APFloat &v : dense.getValues<APFloat>())
    if (v.isNaN() || v.isInfinity() || v.isZero() || v.isNegative()) {
      SmallString<16> text;
      v.toString(text);
      return op->emitOpError("has a scale of ") << text << ", expected a positive number";
    }
  return success();
}

LogicalResult verifyLevels(Operation *op, std::optional<ArrayRef<float>> levels, bool mayHave, StringRef beside) {
  if (levels && !mayHave) return op->emitOpError("has levels beside ") << beside << ", expected 4-bit codes";
  if (levels && int64_t(levels->size()) != kLevels) return op->emitOpError("has ") << levels->size() << " levels, expected " << kLevels;
  return success();
}

std::string nameOf(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

}  // namespace

LogicalResult QuantizeOp::verify() {
  Type x = elementOf(getX()), y = elementOf(getY());
  if (!isWideFloat(x)) return emitOpError("x has elements of ") << x << ", expected f64, f32, f16 or bf16";
  if (!isWideFloat(elementOf(getScale()))) return emitOpError("scale has elements of ") << elementOf(getScale()) << ", expected f64, f32, f16 or bf16";
  if (!isInteger(y, 16) && !isByteFloatOrCode(y)) return emitOpError("y has elements of ") << y << ", expected integers of at most 16 bits or 8-bit floats";
  if (getZero() && isByteFloatOrCode(y)) return emitOpError("has a zero point beside elements of ") << y << ", expected none";
  if (getZero() && elementOf(getZero()) != y) return emitOpError("zero has elements of ") << elementOf(getZero()) << ", expected " << y << " (as y)";
  if (failed(verifyBlock(*this, getX(), getBlock(), getAxis())) || failed(verifyShape(*this, "y", getY(), sizesOf(getX().getType()))) ||
      failed(verifyParameter(*this, "scale", getScale(), getX(), getBlock(), getAxis())))
    return failure();
  if (getZero() && failed(verifyParameter(*this, "zero", getZero(), getX(), getBlock(), getAxis()))) return failure();
  return verifyDivisor(*this, getScale());
}

LogicalResult DequantizeOp::verify() {
  Type q = elementOf(getQ()), y = elementOf(getY());
  if (!isInteger(q, 32) && !isByteFloatOrCode(q)) return emitOpError("q has elements of ") << q << ", expected integers of at most 32 bits or 8-bit floats";
  for (auto [name, v] : {std::pair("scale", getScale()), std::pair("offset", getOffset())})
    if (v && !isWideFloat(elementOf(v))) return emitOpError() << name << " has elements of " << elementOf(v) << ", expected f64, f32, f16 or bf16";
  if (!isWideFloat(y)) return emitOpError("y has elements of ") << y << ", expected f64, f32, f16 or bf16";
  if (getZero() && elementOf(getZero()) != q && !isWideFloat(elementOf(getZero())))
    return emitOpError("zero has elements of ") << elementOf(getZero()) << ", expected " << q << " (as q) or a float";
  if (failed(verifyBlock(*this, getQ(), getBlock(), getAxis())) || failed(verifyShape(*this, "y", getY(), sizesOf(getQ().getType())))) return failure();
  for (auto [name, v] : {std::pair("scale", getScale()), std::pair("zero", getZero()), std::pair("offset", getOffset())})
    if (v && failed(verifyParameter(*this, name, v, getQ(), getBlock(), getAxis()))) return failure();
  return verifyLevels(*this, getLevels(), q.isInteger(4), nameOf(q));
}

LogicalResult DecodeBlocksOp::verify() {
  const BlockFormat *format = findBlockFormat(getFormat().str());
  if (!format) {
    std::string names;
    for (const BlockFormat &f : blockFormats()) names += (names.empty() ? "" : ", ") + std::string(f.name);
    return emitOpError("has format '") << getFormat() << "', expected one of " << names;
  }
  Sizes blocks = sizesOf(getBlocks().getType());
  if (blocks.size() != 2) return emitOpError("blocks has rank ") << blocks.size() << ", expected 2";
  if (!elementOf(getBlocks()).isUnsignedInteger(8)) return emitOpError("blocks has elements of ") << elementOf(getBlocks()) << ", expected ui8";
  if (!elementOf(getY()).isF32()) return emitOpError("y has elements of ") << elementOf(getY()) << ", expected f32";
  auto count = blocks[1].exactDivide(format->bytes);
  if (!count) return emitOpError("blocks has rows of ") << blocks[1].str() << " bytes, expected a multiple of " << format->bytes << " (a block of " << getFormat() << ")";
  return verifyShape(*this, "y", getY(), {blocks[0], *count * SizeExpr(format->elements)});
}

LogicalResult PackCodesOp::verify() {
  Type element = elementOf(getCodes());
  const bool inFragments = areFragments(getY().getType());
  if (!element.isInteger(4) && !(inFragments && element.isSignlessInteger(8)))
    return emitOpError("codes has elements of ") << element << ", expected i4 or ui4" << (inFragments ? ", or i8" : "");
  Sizes codes = sizesOf(getCodes().getType());
  if (codes.size() != 2) return emitOpError("codes has rank ") << codes.size() << ", expected 2";
  SizeExpr rows = codes[getTranspose() ? 1 : 0], columns = codes[getTranspose() ? 0 : 1];
  auto words = rows.exactDivide(kCodesOfWord);
  if (!words) return emitOpError("codes has ") << rows.str() << " rows, expected a multiple of " << kCodesOfWord;
  if (inFragments) {
    Type y = elementOf(getY());
    if (element.isInteger(8) && !y.isSignlessInteger(8)) return emitOpError("y has elements of ") << y << ", expected i8 (fragments)";
    if (element.isInteger(4) && !y.isUnsignedInteger(32) && !y.isUnsignedInteger(8))
      return emitOpError("y has elements of ") << y << ", expected ui32 or ui8 (fragments)";
    return verifyShape(*this, "y", getY(), fragmentSizes(columns, rows, element.getIntOrFloatBitWidth(), y));
  }
  if (!elementOf(getY()).isUnsignedInteger(32)) return emitOpError("y has elements of ") << elementOf(getY()) << ", expected ui32";
  return verifyShape(*this, "y", getY(), {ceilDiv(columns, kPanel), *words, SizeExpr(kPanel)});
}

/// Codes in the order of fragments: what differs from panels.
static LogicalResult verifyFragments(DequantMatmulOp op) {
  Type codes = elementOf(op.getCodes()), a = elementOf(op.getA());
  const bool isNumber = codes.isUnsignedInteger(32), isBytes = codes.isSignlessInteger(8);
  if (!isNumber && !isBytes && !codes.isUnsignedInteger(8)) return op.emitOpError("codes has elements of ") << codes << ", expected ui32, ui8 or i8 (fragments)";
  if (failed(verifyLevels(op, op.getLevels(), !isBytes, nameOf(codes)))) return failure();
  if (!isBytes && !op.getLevels()) return op.emitOpError("has no levels beside 4-bit codes, expected ") << kLevels;
  if (isNumber && !zeroOfLevels(*op.getLevels())) return op.emitOpError("has levels beside ui32 that are not each code less one of 0 to 15, expected bytes of two codes (ui8)");
  if ((!a.isF16() && !a.isBF16()) || !elementOf(op.getY()).isF32())
    return op.emitOpError("a and y have elements of ") << a << " and " << elementOf(op.getY()) << ", expected f16 or bf16, and f32 (fragments)";
  SizeExpr depth = sizesOf(op.getA().getType()).back();
  if (int64_t group = op.getGroup(); group <= 0 || (group % kGroupOfFragments && !depth.isConstant(group)))
    return op.emitOpError("group is ") << group << ", expected a multiple of " << kGroupOfFragments << " or " << depth.str() << " (rows of a)";
  return verifyShape(op, "codes", op.getCodes(), fragmentSizes(sizesOf(op.getY().getType()).back(), depth, isBytes ? 8 : 4, codes));
}

LogicalResult SplitDigitsOp::verify() {
  Sizes a = sizesOf(getA().getType());
  if (a.size() < 2) return emitOpError("a has rank ") << a.size() << ", expected at least 2";
  if (!elementOf(getA()).isF32()) return emitOpError("a has elements of ") << elementOf(getA()) << ", expected f32";
  const int64_t group = getGroup(), digits = getDigits();
  if (digits < 1 || digits > kMostDigits) return emitOpError("has ") << digits << " digits, expected 1 to " << kMostDigits;
  if (getZero() < 0 || getZero() > kZeroOfBytes) return emitOpError("zero is ") << getZero() << ", expected 0 to " << kZeroOfBytes;
  if (group <= 0 || group % kCodesOfWord || !a.back().exactDivide(kCodesOfWord))
    return emitOpError("group is ") << group << " of rows of " << a.back().str() << " elements, expected multiples of " << kCodesOfWord;
  if (!elementOf(getWords()).isSignlessInteger(32) || !elementOf(getFactors()).isF32())
    return emitOpError("words and factors have elements of ") << elementOf(getWords()) << " and " << elementOf(getFactors()) << ", expected i32 and f32";
  Sizes words(a.begin(), a.end() - 1);
  words.push_back(ceilDiv(a.back(), group));
  words.push_back(wordsOfDigits(group, digits));
  Sizes factors = words;
  factors.back() = 2;
  if (failed(verifyShape(*this, "words", getWords(), words))) return failure();
  return verifyShape(*this, "factors", getFactors(), factors);
}

/// A product of digits: what differs from one of floats.
static LogicalResult verifyDigits(DequantMatmulOp op) {
  Type codes = elementOf(op.getCodes());
  const bool isWords = codes.isUnsignedInteger(32);
  const int64_t group = op.getGroup();
  if (!isWords && !codes.isUnsignedInteger(8)) return op.emitOpError("codes has elements of ") << codes << ", expected ui32 (4-bit codes) or ui8 (beside digits)";
  if (failed(verifyLevels(op, op.getLevels(), isWords, nameOf(codes)))) return failure();
  if (isWords && !op.getLevels()) return op.emitOpError("has no levels beside 4-bit codes, expected ") << kLevels;
  if (!elementOf(op.getA()).isSignlessInteger(32) || !elementOf(op.getY()).isF32())
    return op.emitOpError("a and y have elements of ") << elementOf(op.getA()) << " and " << elementOf(op.getY()) << ", expected i32 (digits) and f32";
  if (group <= 0 || group % kCodesOfWord) return op.emitOpError("group is ") << group << ", expected a multiple of " << kCodesOfWord << " (digits)";
  Sizes a = sizesOf(op.getA().getType()), y = sizesOf(op.getY().getType()), lie = sizesOf(op.getCodes().getType());
  if (a.size() < 3 || y.size() + 1 != a.size()) return op.emitOpError("a and y have ranks ") << a.size() << " and " << y.size() << ", expected r >= 3 (digits) and r - 1";
  const SizeExpr panels = ceilDiv(y.back(), kPanel), depth = lie.size() == 3 ? lie[1] * SizeExpr(isWords ? kCodesOfWord : 4) : SizeExpr(0);
  auto words = a.back().constant();
  if (const int64_t digits = words ? digitsOfWords(group, *words) : 0; digits < 1 || digits > kMostDigits)
    return op.emitOpError("a has ") << a.back().str() << " words a group, expected 1 to " << kMostDigits << " times " << wordsOfDigits(group, 1);
  if (failed(verifyShape(op, "codes", op.getCodes(), {panels, ceilDiv(depth, isWords ? kCodesOfWord : 4), SizeExpr(isWords ? kPanel : 4 * kPanel)}))) return failure();
  Sizes digits(y.begin(), y.end() - 1);
  digits.push_back(ceilDiv(depth, group));
  digits.push_back(*words);
  if (failed(verifyShape(op, "a", op.getA(), digits))) return failure();
  digits.back() = 2;
  return verifyShape(op, "factors", op.getFactors(), digits);
}

/// Scales and offsets, of as many groups as there are.
static LogicalResult verifyParameters(DequantMatmulOp op, const SizeExpr &groups) {
  const bool inFragments = areFragments(op.getCodes().getType());
  Sizes expected = {ceilDiv(sizesOf(op.getY().getType()).back(), kPanel), groups, SizeExpr(kPanel)};
  auto verify = [&](StringRef name, Value v) -> LogicalResult {
    Type type = elementOf(v);
    if (!type.isF32() && !type.isF16() && !(inFragments && type.isBF16())) return op.emitOpError() << name << " has elements of " << type << ", expected f32 or f16";
    return verifyShape(op, name, v, expected);
  };
  if (failed(verify("scales", op.getScales()))) return failure();
  return op.getOffsets() ? verify("offsets", op.getOffsets()) : success();
}

LogicalResult DequantMatmulOp::verify() {
  Sizes a = sizesOf(getA().getType()), y = sizesOf(getY().getType());
  if (getFactors()) return failed(verifyDigits(*this)) ? failure() : verifyParameters(*this, a[a.size() - 2]);
  if (a.size() < 2 || y.size() != a.size()) return emitOpError("a and y have ranks ") << a.size() << " and " << y.size() << ", expected r >= 2 and r";
  Type codes = elementOf(getCodes());
  const bool inFragments = areFragments(getCodes().getType()), isWords = codes.isUnsignedInteger(32) || inFragments;
  if (inFragments && failed(verifyFragments(*this))) return failure();
  if (!inFragments) {
    if (!isWords && !codes.isSignlessInteger(8)) return emitOpError("codes has elements of ") << codes << ", expected ui32 (4-bit codes) or i8";
    if (failed(verifyLevels(*this, getLevels(), isWords, nameOf(codes)))) return failure();
    if (isWords && !getLevels()) return emitOpError("has no levels beside 4-bit codes, expected ") << kLevels;
    if (!elementOf(getA()).isF32() || !elementOf(getY()).isF32())
      return emitOpError("a and y have elements of ") << elementOf(getA()) << " and " << elementOf(getY()) << ", expected f32";
  }
  SizeExpr depth = a.back(), panels = ceilDiv(y.back(), kPanel);
  auto words = depth.exactDivide(isWords ? kCodesOfWord : 1);
  if (!words) return emitOpError("a has rows of ") << depth.str() << " elements, expected a multiple of " << kCodesOfWord;
  if (int64_t group = getGroup(); group <= 0 || (group % kCodesOfWord && !depth.isConstant(group)))
    return emitOpError("group is ") << group << ", expected a multiple of " << kCodesOfWord << " or " << depth.str() << " (rows of a)";
  Sizes out(a.begin(), a.end() - 1);
  out.push_back(y.back());
  if ((!inFragments && failed(verifyShape(*this, "codes", getCodes(), {panels, *words, SizeExpr(kPanel)}))) || failed(verifyShape(*this, "y", getY(), out))) return failure();
  return verifyParameters(*this, ceilDiv(depth, getGroup()));
}

LogicalResult ScaledMatmulOp::verify() {
  Sizes a = sizesOf(getA().getType()), b = sizesOf(getB().getType()), y = sizesOf(getY().getType());
  if (a.size() < 2 || b.size() != 2) return emitOpError("a and b have ranks ") << a.size() << " and " << b.size() << ", expected r >= 2 and 2";
  for (auto [name, v] : {std::pair("a", getA()), std::pair("b", getB())})
    if (!isByteFloat(elementOf(v))) return emitOpError() << name << " has elements of " << elementOf(v) << ", expected f8E4M3FN or f8E5M2";
  for (auto [name, v] : {std::pair("a_scales", getAScales()), std::pair("b_scales", getBScales()), std::pair("y", getY())})
    if (!elementOf(v).isF32()) return emitOpError() << name << " has elements of " << elementOf(v) << ", expected f32";
  const int64_t shared = getShared();
  if (shared != 1 && (shared <= 0 || shared % kRowsOfProduct)) return emitOpError("shared is ") << shared << ", expected 1 or a multiple of " << kRowsOfProduct;
  if (!a.back().exactDivide(kRowBytes)) return emitOpError("a has rows of ") << a.back().str() << " elements, expected a multiple of " << kRowBytes;
  Sizes out(a.begin(), a.end() - 1), scales = out;
  const SizeExpr blocks = ceilDiv(a.back(), kScaledBlock);
  out.push_back(b[0]), scales.push_back(blocks);
  if (failed(verifyShape(*this, "b", getB(), {b[0], a.back()})) || failed(verifyShape(*this, "a_scales", getAScales(), scales)) ||
      failed(verifyShape(*this, "b_scales", getBScales(), {ceilDiv(b[0], shared), blocks})))
    return failure();
  return verifyShape(*this, "y", getY(), out);
}
