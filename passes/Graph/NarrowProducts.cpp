// Which products are of dequantized operands, and multiply as well what was quantized?
//
//   matmul((a - za) * sa, (b - zb) * sb)  ->  cast(matmul(a, b) - za*Σb - zb*Σa + k*za*zb) * sa * sb
//
// with a and b narrow: bytes, or 8-bit floats, which have no zero points. An operand is read from the outside in: conversions between floats,
// factors, a difference, and the conversion from the narrow element. Everything in between stands still along k. Sums of a and b are over k;
// of weights they fold into constants, and the rest joins the product's epilogue.
#include "ir/Graph/Constants.h"
#include "ir/Graph/ValueInference.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_NARROWPRODUCTS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-narrow-products";
constexpr int64_t kLongest = (int64_t(1) << 31) / (255 * 255);  // k of products that i32 surely holds

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
bool isNarrow(Type element) { return element.isInteger(8) || isa<Float8E4M3FNType, Float8E5M2Type>(element); }

/// An operand, (narrow - zero) * scales.
struct Dequantized {
  Value narrow, zero;          ///< zero: bytes, or null
  SmallVector<Value> scales;
  bool isTransposed = false;   ///< the operand is the transpose of all this
};

/// \param v  broadcast against a matrix of the operand that is contracted `fromEnd` dimensions before its end
bool standsStill(Value v, size_t fromEnd) {
  Sizes sizes = sizesOf(v.getType());
  return sizes.size() < fromEnd || sizes[sizes.size() - fromEnd].isConstant(1);
}

bool isZero(Value zero) {
  while (auto reshape = zero.getDefiningOp<ReshapeOp>()) zero = reshape.getX();
  auto constant = zero.getDefiningOp<ConstantOp>();
  auto values = constant ? readIntegers(constant.getValue(), int64_t(1) << 20) : std::nullopt;
  return values && llvm::all_of(*values, [](int64_t v) { return v == 0; });
}

bool swapsMatrix(TransposeOp op) {
  int64_t rank = int64_t(op.getPerm().size());
  for (int64_t d = 0; d < rank - 2; ++d)
    if (op.getPerm()[d] != d) return false;
  return rank >= 2 && op.getPerm()[rank - 2] == rank - 1;
}

/// The bytes that a zero point is, through conversions.
Value bytesOf(Value zero) {
  while (auto cast = zero.getDefiningOp<CastOp>()) {
    if (elementOf(cast.getX()).isInteger(8)) return cast.getX();
    zero = cast.getX();
  }
  return {};
}

std::optional<Dequantized> readDequantized(Value v, size_t fromEnd, bool mayTranspose) {
  Dequantized found;
  while (true) {
    if (auto cast = v.getDefiningOp<CastOp>()) {
      v = cast.getX();
      if (isNarrow(elementOf(v))) break;
      if (!isa<FloatType>(elementOf(v))) return std::nullopt;
    } else if (auto mul = v.getDefiningOp<MulOp>(); mul && !found.zero) {
      auto isScale = [&](Value x, Value other) { return standsStill(x, fromEnd) && sizesOf(other.getType()) == sizesOf(mul.getY().getType()); };
      if (isScale(mul.getB(), mul.getA())) {
        found.scales.push_back(mul.getB()), v = mul.getA();
      } else if (isScale(mul.getA(), mul.getB())) {
        found.scales.push_back(mul.getA()), v = mul.getB();
      } else {
        return std::nullopt;
      }
    } else if (auto sub = v.getDefiningOp<SubOp>(); sub && !found.zero && isa<FloatType>(elementOf(v))) {
      found.zero = bytesOf(sub.getB());
      if (!found.zero || !standsStill(sub.getB(), fromEnd) || sizesOf(found.zero.getType()) != sizesOf(sub.getB().getType()) ||
          sizesOf(sub.getA().getType()) != sizesOf(sub.getY().getType()))
        return std::nullopt;
      v = sub.getA();
    } else if (auto transpose = v.getDefiningOp<TransposeOp>(); transpose && mayTranspose && found.scales.empty() && !found.zero && swapsMatrix(transpose)) {
      found.isTransposed = !found.isTransposed;
      fromEnd = 3 - fromEnd;
      v = transpose.getX();
    } else {
      return std::nullopt;
    }
  }
  if (found.zero && !elementOf(v).isInteger(8)) return std::nullopt;
  if (found.zero && isZero(found.zero)) found.zero = {};
  found.narrow = v;
  return found;
}

struct NarrowProductsPass : impl::NarrowProductsBase<NarrowProductsPass> {
  using NarrowProductsBase::NarrowProductsBase;

  void runOnOperation() override {
    SmallVector<MatmulOp> matmuls;
    getOperation().walk([&](MatmulOp op) {
      if (isa<FloatType>(elementOf(op.getA())) && !isByteFloat(elementOf(op.getA()))) matmuls.push_back(op);
    });
    for (MatmulOp op : matmuls) narrow(op);
  }

  void narrow(MatmulOp op) {
    auto a = readDequantized(op.getA(), 1, /*mayTranspose=*/false), b = readDequantized(op.getB(), op.getTransposeB() ? 1 : 2, /*mayTranspose=*/true);
    if (!a && !b) return;
    if (!a || !b) return keep(op, "one operand is dequantized, the other is not");
    const bool ofBytes = elementOf(a->narrow).isInteger(8);
    if (ofBytes != elementOf(b->narrow).isInteger(8)) return keep(op, "one operand was bytes, the other 8-bit floats");
    SizeExpr depth = sizesOf(a->narrow.getType()).back();
    if (ofBytes && (!depth.constant() || *depth.constant() > kLongest))
      return keep(op, "k is " + depth.str() + ", and i32 holds sums of " + std::to_string(kLongest) + " products of bytes for sure");
    Rewriter(op, *a, *b, depth).run();
    say(passed(op, kArgument, "Narrowed"), [&] { return ofBytes ? "matmul: of bytes, scaled afterwards" : "matmul: of 8-bit floats, scaled afterwards"; });
    op.erase();
    ++numNarrowed;
  }

  void keep(Operation *op, const std::string &why) {
    ++numKept;
    say(missed(op, kArgument, "Kept"), [&] { return "matmul: " + why; });
  }

  struct Rewriter {
    Rewriter(MatmulOp op, const Dequantized &a, const Dequantized &b, const SizeExpr &depth)
        : b_(op), loc_(op.getLoc()), op_(op), left_(a), right_(b), depth_(depth), transposed_(op.getTransposeB() != b.isTransposed) {}

    void run() {
      Value y = MatmulOp::create(b_, loc_, left_.narrow, right_.narrow, transposed_);
      y = cast(withoutZeroPoints(y), b_.getF32Type());
      for (Value scale : left_.scales) y = mul(y, cast(scale, b_.getF32Type()));
      for (Value scale : right_.scales) y = mul(y, cast(acrossColumns(scale), b_.getF32Type()));
      op_.getY().replaceAllUsesWith(cast(y, elementOf(op_.getY())));
    }

   private:
    Value withoutZeroPoints(Value y) {
      Type i32 = b_.getI32Type();
      Value zeroA = left_.zero ? cast(left_.zero, i32) : Value(), zeroB = right_.zero ? cast(acrossColumns(right_.zero), i32) : Value();
      if (zeroA) {
        int64_t rank = int64_t(sizesOf(right_.narrow.getType()).size());
        y = SubOp::create(b_, loc_, y, mul(acrossColumns(sum(right_.narrow, transposed_ ? rank - 1 : rank - 2)), zeroA));
      }
      if (zeroB) y = SubOp::create(b_, loc_, y, mul(sum(left_.narrow, int64_t(sizesOf(left_.narrow.getType()).size()) - 1), zeroB));
      if (zeroA && zeroB) {
        auto scalar = RankedTensorType::get({}, i32);
        Value k = ConstantOp::create(b_, loc_, DenseElementsAttr::get(scalar, b_.getI32IntegerAttr(int32_t(*depth_.constant()))));
        y = AddOp::create(b_, loc_, y, mul(mul(zeroA, zeroB), k));
      }
      return y;
    }
    Value sum(Value bytes, int64_t axis) { return ReduceOp::create(b_, loc_, ReduceKind::sum, cast(bytes, b_.getI32Type()), ArrayRef<int64_t>{axis}); }
    /// A value beside the right operand as it meets the result: columns last.
    Value acrossColumns(Value v) {
      int64_t rank = int64_t(sizesOf(v.getType()).size());
      if (!transposed_ || rank < 2) return v;
      SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, rank));
      std::swap(perm[rank - 1], perm[rank - 2]);
      return TransposeOp::create(b_, loc_, v, perm);
    }
    Value cast(Value v, Type element) {
      return elementOf(v) == element ? v : Value(CastOp::create(b_, loc_, tensorOf(sizesOf(v.getType()), element), v));
    }
    Value mul(Value x, Value y) { return MulOp::create(b_, loc_, x, y); }

    OpBuilder b_;
    Location loc_;
    MatmulOp op_;
    const Dequantized &left_, &right_;
    SizeExpr depth_;
    bool transposed_;
  };
};

}  // namespace
}  // namespace jinx::passes
