#include "codegen/cpu/AccurateMath.h"

#include <limits>
#include <numbers>

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace jinx::cpu {
namespace {

using Predicate = arith::CmpFPredicate;

/// Arithmetic on values of one type, scalars or vectors.
struct Build {
  PatternRewriter &b;
  Location loc;
  Type type;

  Value constant(double v) {
    Attribute scalar = b.getFloatAttr(getElementTypeOrSelf(type), v);
    if (auto vector = dyn_cast<VectorType>(type)) return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, scalar));
    return arith::ConstantOp::create(b, loc, cast<TypedAttr>(scalar));
  }
  Type with(Type element) const {
    auto vector = dyn_cast<VectorType>(type);
    return vector ? Type(vector.clone(element)) : element;
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value abs(Value x) { return math::AbsFOp::create(b, loc, x); }
  Value compare(Predicate p, Value x, Value y) { return arith::CmpFOp::create(b, loc, p, x, y); }
  Value select(Value p, Value x, Value y) { return arith::SelectOp::create(b, loc, p, x, y); }
};

/// Cephes' atanf (Moshier 1989): |x| is brought below tan(pi/8), then an odd polynomial of degree 9.
struct AtanF32 : OpRewritePattern<math::AtanOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::AtanOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32()) return failure();
    Build f{rewriter, op.getLoc(), op.getType()};
    Value x = f.abs(op.getOperand()), one = f.constant(1);
    Value isLarge = f.compare(Predicate::OGT, x, f.constant(2.414213562373095)), isMiddle = f.compare(Predicate::OGT, x, f.constant(0.4142135623730950));
    Value numerator = f.select(isLarge, f.constant(-1), f.select(isMiddle, f.sub(x, one), x));
    Value denominator = f.select(isLarge, x, f.select(isMiddle, f.add(x, one), one));
    Value start = f.select(isLarge, f.constant(std::numbers::pi / 2), f.select(isMiddle, f.constant(std::numbers::pi / 4), f.constant(0)));
    Value t = f.div(numerator, denominator), z = f.mul(t, t), sum = f.constant(8.05374449538e-2);
    for (double c : {-1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1}) sum = f.add(f.mul(sum, z), f.constant(c));
    Value y = f.add(start, f.add(f.mul(f.mul(sum, z), t), t));
    rewriter.replaceOpWithNewOp<math::CopySignOp>(op, y, op.getOperand());
    return success();
  }
};

/// Sine and cosine. x is brought within pi/4 of 0 in f64: x - n*pi/2 with pi/2 in three parts (Cody & Waite 1980), whose first two have 33
/// bits, so that n times them is exact for |x| below 2^20. Then Cephes' polynomials (Moshier 1989), sine's or cosine's by the quadrant
/// n mod 4. Beyond 2^20, where few models are, a call of the library a lane.
template <typename Op, int kQuadrantsAhead>
struct CircularF32 : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32()) return failure();
    Build f{rewriter, op.getLoc(), op.getType()}, wide{rewriter, op.getLoc(), f.with(rewriter.getF64Type())};
    Value x = op.getOperand(), x64 = arith::ExtFOp::create(rewriter, f.loc, wide.type, x);
    Value isFar = f.compare(Predicate::OGE, f.abs(x), f.constant(0x1p20)), anyFar = isFar;
    if (isa<VectorType>(isFar.getType())) anyFar = vector::ReductionOp::create(rewriter, f.loc, vector::CombiningKind::OR, isFar);
    auto branch = scf::IfOp::create(rewriter, f.loc, TypeRange{f.type}, anyFar, /*withElse=*/true);
    rewriter.setInsertionPointToStart(branch.thenBlock());
    Value far = arith::TruncFOp::create(rewriter, f.loc, f.type, Value(Op::create(rewriter, f.loc, x64)));
    scf::YieldOp::create(rewriter, f.loc, far);
    rewriter.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(rewriter, f.loc, near(f, wide, x64));
    rewriter.replaceOp(op, branch.getResult(0));
    return success();
  }

  static Value near(Build &f, Build &wide, Value x) {
    OpBuilder &b = f.b;
    Value n = math::RoundEvenOp::create(b, f.loc, wide.mul(x, wide.constant(2 / std::numbers::pi)));
    Value rest = x;
    for (double part : {0x1.921fb54400000p+0, 0x1.0b4611a600000p-34, 0x1.3198a2e037073p-69}) rest = wide.sub(rest, wide.mul(n, wide.constant(part)));
    Value r = arith::TruncFOp::create(b, f.loc, f.type, rest), z = f.mul(r, r);
    auto polynomial = [&](std::initializer_list<double> coefficients) {
      Value sum;
      for (double c : coefficients) sum = sum ? f.add(f.mul(sum, z), f.constant(c)) : f.constant(c);
      return sum;
    };
    Value sine = f.add(f.mul(f.mul(polynomial({-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1}), z), r), r);
    Value cosine = f.mul(f.mul(polynomial({2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2}), z), z);
    cosine = f.add(f.sub(cosine, f.mul(f.constant(0.5), z)), f.constant(1));
    // The quadrant, 0 to 3, in floats: of a NaN nothing else is certain.
    Value ahead = wide.add(n, wide.constant(kQuadrantsAhead));
    Value quadrant = wide.sub(ahead, wide.mul(wide.constant(4), math::FloorOp::create(b, f.loc, wide.mul(ahead, wide.constant(0.25)))));
    Value isLate = wide.compare(Predicate::OGE, quadrant, wide.constant(2));
    Value half = f.select(isLate, wide.sub(quadrant, wide.constant(2)), quadrant);
    Value y = f.select(wide.compare(Predicate::OEQ, half, wide.constant(1)), cosine, sine);
    return f.select(isLate, arith::NegFOp::create(b, f.loc, y), y);
  }
};
using SinF32 = CircularF32<math::SinOp, 0>;
using CosF32 = CircularF32<math::CosOp, 1>;

/// Kahan: with u = 1 + x rounded, log(u) * x / (u - 1) has u's rounding error in both factors.
struct Log1pF64 : OpRewritePattern<math::Log1pOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::Log1pOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF64()) return failure();
    Build f{rewriter, op.getLoc(), op.getType()};
    Value x = op.getOperand(), one = f.constant(1), u = f.add(one, x), log = math::LogOp::create(rewriter, f.loc, u);
    Value y = f.mul(log, f.div(x, f.sub(u, one)));
    y = f.select(f.compare(Predicate::OEQ, u, one), x, y);
    rewriter.replaceOp(op, f.select(f.compare(Predicate::OEQ, u, f.constant(std::numeric_limits<double>::infinity())), u, y));
    return success();
  }
};

/// Kahan: with u = exp(x) rounded, (u - 1) * x / log(u). Where u - 1 is -1, x says nothing more.
struct Expm1F64 : OpRewritePattern<math::ExpM1Op> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::ExpM1Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF64()) return failure();
    Build f{rewriter, op.getLoc(), op.getType()};
    Value x = op.getOperand(), one = f.constant(1), u = math::ExpOp::create(rewriter, f.loc, x), difference = f.sub(u, one);
    Value y = f.mul(difference, f.div(x, Value(math::LogOp::create(rewriter, f.loc, u))));
    // Far from 0 there is nothing to correct, and log(u) may be no number.
    y = f.select(f.compare(Predicate::OLT, f.abs(x), one), y, difference);
    rewriter.replaceOp(op, f.select(f.compare(Predicate::OEQ, u, one), x, y));
    return success();
  }
};

/// f64 to bf16 by way of f32, rounded to odd there: an inexact f32 ends in a 1, so that the second rounding is never between two ties.
struct RoundToBf16Once : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    Value x = op.getIn();
    if (!getElementTypeOrSelf(x).isF64() || !getElementTypeOrSelf(op.getType()).isBF16()) return failure();
    Build f{rewriter, op.getLoc(), x.getType()};
    Type f32 = f.with(rewriter.getF32Type()), i32 = f.with(rewriter.getI32Type());
    Value near = arith::TruncFOp::create(rewriter, f.loc, f32, x), back = arith::ExtFOp::create(rewriter, f.loc, x.getType(), near);
    Value isInexact = f.compare(Predicate::ONE, back, x), isAbove = f.compare(Predicate::OGT, f.abs(back), f.abs(x));
    Value bits = arith::BitcastOp::create(rewriter, f.loc, i32, near);
    bits = arith::SubIOp::create(rewriter, f.loc, bits, arith::ExtUIOp::create(rewriter, f.loc, i32, isAbove));
    bits = arith::OrIOp::create(rewriter, f.loc, bits, arith::ExtUIOp::create(rewriter, f.loc, i32, isInexact));
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), arith::BitcastOp::create(rewriter, f.loc, f32, bits));
    return success();
  }
};

}  // namespace

void populateAccurateMathPatterns(RewritePatternSet &patterns) {
  patterns.add<SinF32, CosF32, AtanF32, Log1pF64, Expm1F64, RoundToBf16Once>(patterns.getContext(), /*benefit=*/2);  // in front of MLIR's
}

}  // namespace jinx::cpu
