#include "codegen/cpu/ByteFloats.h"

#include <cmath>
#include <optional>

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace jinx::cpu {
namespace {

using Predicate = arith::CmpIPredicate;

/// Sign, exponent, `mantissa` bits. A number is its fields moved up by `shift` into those of f32, with another bias; below the first normal
/// number it is a count of the smallest one, 2^(1 - bias - mantissa).
struct Format {
  int32_t mantissa, bias;
  int32_t special;  ///< from here on no numbers: infinity, where there is one, and NaN
  int32_t nan;

  int32_t shift() const { return 23 - mantissa; }
  int32_t rebias() const { return 127 - bias; }
};
std::optional<Format> formatOf(Type type) {
  type = getElementTypeOrSelf(type);
  if (isa<Float8E4M3FNType>(type)) return Format{3, 7, 0x7F, 0x7F};
  if (isa<Float8E5M2Type>(type)) return Format{2, 15, 0x7C, 0x7E};
  return std::nullopt;
}
constexpr int32_t kInfinity = 0x7F800000, kMagnitude = 0x7FFFFFFF;

/// 32-bit arithmetic beside a value that is a scalar or a vector.
struct Build {
  PatternRewriter &b;
  Location loc;
  Type like;

  Type with(Type element) const {
    auto vector = dyn_cast<VectorType>(like);
    return vector ? Type(vector.clone(element)) : element;
  }
  Type f32() { return with(b.getF32Type()); }
  Type i32() { return with(b.getI32Type()); }
  Value splat(Type type, TypedAttr scalar) {
    if (auto vector = dyn_cast<VectorType>(type)) return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, Attribute(scalar)));
    return arith::ConstantOp::create(b, loc, scalar);
  }
  Value integer(int32_t v) { return splat(i32(), b.getI32IntegerAttr(v)); }
  Value number(float v) { return splat(f32(), b.getF32FloatAttr(v)); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value land(Value x, int32_t y) { return arith::AndIOp::create(b, loc, x, integer(y)); }
  Value lor(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
  Value left(Value x, int32_t by) { return arith::ShLIOp::create(b, loc, x, integer(by)); }
  Value right(Value x, int32_t by) { return arith::ShRUIOp::create(b, loc, x, integer(by)); }
  Value compare(Predicate p, Value x, int32_t y) { return arith::CmpIOp::create(b, loc, p, x, integer(y)); }
  Value select(Value p, Value x, Value y) { return arith::SelectOp::create(b, loc, p, x, y); }
  Value bits(Value x) { return arith::BitcastOp::create(b, loc, i32(), x); }
  Value number(Value bits) { return arith::BitcastOp::create(b, loc, f32(), bits); }
};

struct ExtendByteFloat : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op, PatternRewriter &rewriter) const override {
    auto format = formatOf(op.getIn().getType());
    if (!format || !getElementTypeOrSelf(op.getType()).isF32()) return failure();
    Build f{rewriter, op.getLoc(), op.getType()};
    Value byte = arith::BitcastOp::create(rewriter, f.loc, f.with(rewriter.getI8Type()), op.getIn());
    Value wide = arith::ExtUIOp::create(rewriter, f.loc, f.i32(), byte), fields = f.land(wide, 0x7F), moved = f.left(fields, format->shift());
    Value normal = f.add(moved, f.integer(format->rebias() << 23));
    normal = f.select(f.compare(Predicate::uge, fields, format->special), f.lor(moved, f.integer(kInfinity)), normal);
    Value count = arith::UIToFPOp::create(rewriter, f.loc, f.f32(), fields);
    Value small = f.bits(arith::MulFOp::create(rewriter, f.loc, count, f.number(std::ldexp(1.0f, 1 - format->bias - format->mantissa))));
    Value size = f.select(f.compare(Predicate::ult, fields, 1 << format->mantissa), small, normal);
    rewriter.replaceOp(op, f.number(f.lor(size, f.left(f.land(wide, 0x80), 24))));
    return success();
  }
};

/// Of f32, and of 16-bit floats, where folding has left out the way over f32. Rounds to nearest even. Adding 2^23 of the smallest numbers to a
/// small one leaves their count in the lowest bits.
struct RoundToByteFloat : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    auto format = formatOf(op.getType());
    Type from = getElementTypeOrSelf(op.getIn().getType());
    if (!format || from.getIntOrFloatBitWidth() > 32) return failure();
    Build f{rewriter, op.getLoc(), op.getIn().getType()};
    const int32_t shift = format->shift();
    Value x = from.isF32() ? op.getIn() : Value(arith::ExtFOp::create(rewriter, f.loc, f.f32(), op.getIn()));
    Value bits = f.bits(x), size = f.land(bits, kMagnitude);
    Value magic = f.number(std::ldexp(1.0f, 24 - format->bias - format->mantissa));
    Value small = f.sub(f.bits(arith::AddFOp::create(rewriter, f.loc, f.number(size), magic)), f.bits(magic));
    Value rounded = f.add(f.add(size, f.integer((1 << (shift - 1)) - 1)), f.land(f.right(size, shift), 1));
    Value normal = f.sub(f.right(rounded, shift), f.integer(format->rebias() << format->mantissa));
    Value code = f.select(f.compare(Predicate::ult, size, (format->rebias() + 1) << 23), small, normal);
    code = arith::MinUIOp::create(rewriter, f.loc, code, f.integer(format->special - 1));
    code = f.select(f.compare(Predicate::ugt, size, kInfinity), f.integer(format->nan), code);
    code = f.lor(code, f.land(f.right(bits, 24), 0x80));
    Value byte = arith::TruncIOp::create(rewriter, f.loc, f.with(rewriter.getI8Type()), code);
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), byte);
    return success();
  }
};

}  // namespace

void populateByteFloatPatterns(RewritePatternSet &patterns) { patterns.add<ExtendByteFloat, RoundToByteFloat>(patterns.getContext()); }

}  // namespace jinx::cpu
