// Which products are of dequantized operands, and multiply as well what was quantized?
//
//   matmul((a - za) * sa, (b - zb) * sb)  ->  cast(matmul(a, b) - za*Σb - zb*Σa + k*za*zb) * sa * sb
//
// with a and b narrow: bytes, or 8-bit floats, which have no zero points. An operand is read from the outside in: conversions between floats,
// factors, a difference, and the conversion from the narrow element. Everything in between stands still along k. Sums of a and b are over k;
// of weights they fold into constants, and the rest joins the product's epilogue.
//
// On a CPU (byte-dots) bytes pay beside constant weights, and convolutions are products too:
//
//   conv((x - zx) * sx, w * sw)  ->  cast(conv(x, w) - zx*Σw) * sx * sw       x outside the image is zx: padded before, where that is not 0
//
// and the maximum of dequantized bytes is one of bytes: max_pool((x - zx) * sx)  ->  (max_pool(x) - zx) * sx, for sx > 0.
//
// There left operands become unsigned and right ones signed, by 128 more or less in both the bytes and the zero point: bytes behind a relu,
// whose zero point is the least of them, have none then.
#include "ir/Graph/ValueInference.h"
#include "passes/Passes.h"
#include "passes/Quant/ByteConstants.h"

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

/// Where an operand's scales and zero points may vary: nowhere that is summed over.
struct Still {
  size_t fromEnd = 0;        ///< of a matrix: the dimension that is contracted, counted from the end
  bool butFirst = false;     ///< of no matrix (fromEnd 0): everywhere but along the first dimension, or everywhere

  bool covers(Value v) const {
    Sizes sizes = sizesOf(v.getType());
    if (fromEnd) return sizes.size() < fromEnd || sizes[sizes.size() - fromEnd].isConstant(1);
    return llvm::all_of(ArrayRef(sizes).drop_front(butFirst && !sizes.empty() ? 1 : 0), [](const SizeExpr &s) { return s.isConstant(1); });
  }
};

/// The number that all zero points are.
std::optional<int64_t> uniformZero(Value zero) {
  while (auto reshape = zero.getDefiningOp<ReshapeOp>()) zero = reshape.getX();
  auto constant = readConstant(zero);
  if (!constant || constant->values.empty() || !llvm::all_equal(constant->values)) return std::nullopt;
  return constant->values[0];
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

std::optional<Dequantized> readDequantized(Value v, Still still, bool mayTranspose) {
  Dequantized found;
  while (true) {
    if (auto cast = v.getDefiningOp<CastOp>()) {
      v = cast.getX();
      if (isNarrow(elementOf(v))) break;
      if (!isa<FloatType>(elementOf(v))) return std::nullopt;
    } else if (auto mul = v.getDefiningOp<MulOp>(); mul && !found.zero) {
      auto isScale = [&](Value x, Value other) { return still.covers(x) && sizesOf(other.getType()) == sizesOf(mul.getY().getType()); };
      if (isScale(mul.getB(), mul.getA())) {
        found.scales.push_back(mul.getB()), v = mul.getA();
      } else if (isScale(mul.getA(), mul.getB())) {
        found.scales.push_back(mul.getA()), v = mul.getB();
      } else {
        return std::nullopt;
      }
    } else if (auto sub = v.getDefiningOp<SubOp>(); sub && !found.zero && isa<FloatType>(elementOf(v))) {
      found.zero = bytesOf(sub.getB());
      if (!found.zero || !still.covers(sub.getB()) || sizesOf(found.zero.getType()) != sizesOf(sub.getB().getType()) ||
          sizesOf(sub.getA().getType()) != sizesOf(sub.getY().getType()))
        return std::nullopt;
      v = sub.getA();
    } else if (auto transpose = v.getDefiningOp<TransposeOp>(); transpose && mayTranspose && found.scales.empty() && !found.zero && swapsMatrix(transpose)) {
      found.isTransposed = !found.isTransposed;
      still.fromEnd = 3 - still.fromEnd;
      v = transpose.getX();
    } else {
      return std::nullopt;
    }
  }
  if (found.zero && !elementOf(v).isInteger(8)) return std::nullopt;
  if (found.zero && uniformZero(found.zero) == 0) found.zero = {};
  found.narrow = v;
  return found;
}

bool isConstant(Value v) {
  while (Operation *op = v.getDefiningOp()) {
    if (!isa<ReshapeOp, CastOp, TransposeOp>(op)) return isa<ConstantOp>(op);
    v = op->getOperand(0);
  }
  return false;
}

/// Bytes of the sign that an instruction wants of them; the zero point moves with them.
void giveSign(OpBuilder &b, Location loc, Dequantized &operand, bool toUnsigned) {
  if (elementOf(operand.narrow).isUnsignedInteger() == toUnsigned) return;
  operand.narrow = withOtherSign(b, loc, operand.narrow);
  auto zero = operand.zero ? uniformZero(operand.zero) : 0;
  if (!zero) return void(operand.zero = withOtherSign(b, loc, operand.zero));
  *zero += toUnsigned ? 128 : -128;
  operand.zero = *zero ? writeConstant(b, loc, {}, elementOf(operand.narrow), {*zero}) : Value();
}

struct NarrowProductsPass : impl::NarrowProductsBase<NarrowProductsPass> {
  using NarrowProductsBase::NarrowProductsBase;

  void runOnOperation() override {
    SmallVector<MatmulOp> matmuls;
    SmallVector<ConvOp> convs;
    getOperation().walk([&](Operation *op) {
      if (!isa<MatmulOp, ConvOp>(op) || !isa<FloatType>(elementOf(op->getOperand(0))) || isByteFloat(elementOf(op->getOperand(0)))) return;
      if (auto matmul = dyn_cast<MatmulOp>(op)) matmuls.push_back(matmul);
      if (auto conv = dyn_cast<ConvOp>(op); conv && byteDots) convs.push_back(conv);
    });
    for (MatmulOp op : matmuls) narrow(op);
    for (ConvOp op : convs) narrow(op);
    SmallVector<PoolOp> pools;
    getOperation().walk([&](PoolOp op) {
      if (byteDots && op.getKind() == PoolKind::max && elementOf(op.getX()).isF32()) pools.push_back(op);
    });
    for (PoolOp op : pools) narrow(op);
  }

  void narrow(MatmulOp op) {
    auto a = readDequantized(op.getA(), {1}, /*mayTranspose=*/false), b = readDequantized(op.getB(), {op.getTransposeB() ? 1u : 2u}, /*mayTranspose=*/true);
    if (!a && !b) return;
    if (!a || !b) return keep(op, "one operand is dequantized, the other is not");
    const bool ofBytes = elementOf(a->narrow).isInteger(8);
    if (ofBytes != elementOf(b->narrow).isInteger(8)) return keep(op, "one operand was bytes, the other 8-bit floats");
    SizeExpr depth = sizesOf(a->narrow.getType()).back();
    if (ofBytes && (!depth.constant() || *depth.constant() > kLongest))
      return keep(op, "k is " + depth.str() + ", and i32 holds sums of " + std::to_string(kLongest) + " products of bytes for sure");
    if (byteDots && !ofBytes) return keep(op, "the processor multiplies no 8-bit floats");
    if (byteDots && !b->narrow.getDefiningOp<ConstantOp>()) return keep(op, "the right operand is no constant: its bytes would be packed in every run");
    if (byteDots) {
      OpBuilder builder(op);
      giveSign(builder, op.getLoc(), *a, /*toUnsigned=*/true);
      giveSign(builder, op.getLoc(), *b, /*toUnsigned=*/false);
    }
    Rewriter(op, *a, *b, depth).run();
    say(passed(op, kArgument, "Narrowed"), [&] { return ofBytes ? "matmul: of bytes, scaled afterwards" : "matmul: of 8-bit floats, scaled afterwards"; });
    op.erase();
    ++numNarrowed;
  }

  void narrow(ConvOp op) {
    auto x = readDequantized(op.getX(), {}, /*mayTranspose=*/false), w = readDequantized(op.getW(), {0, /*butFirst=*/true}, /*mayTranspose=*/false);
    if (!x && !w) return;
    if (!x || !w) return keep(op, x ? "the image is dequantized, the weights are not" : "the weights are dequantized, the image is not");
    if (!elementOf(x->narrow).isInteger(8) || !elementOf(w->narrow).isInteger(8)) return keep(op, "operands were no bytes");
    Sizes weights = sizesOf(op.getW().getType());
    if (!w->narrow.getDefiningOp<ConstantOp>()) return keep(op, "the weights are no constant: their bytes would be packed in every run");
    if (op.getGroup() > 1 && weights[1].isConstant(1)) return keep(op, "one filter a channel has a kernel of f32 only");
    if (weights.size() > 4) return keep(op, std::to_string(weights.size() - 2) + " spatial dimensions, expected 1 or 2");
    if (*volume(ArrayRef(weights).drop_front(1)).constant() > kLongest) return keep(op, "i32 may not hold its sums");
    OpBuilder b(op);
    giveSign(b, op.getLoc(), *x, /*toUnsigned=*/true);
    giveSign(b, op.getLoc(), *w, /*toUnsigned=*/false);
    auto zero = x->zero ? uniformZero(x->zero) : 0;
    if (w->zero || !zero) return keep(op, w->zero ? "the weights have zero points that are not 0" : "the image's zero point is no constant");
    op.getY().replaceAllUsesWith(convOfBytes(b, op, *x, *w, *zero));
    say(passed(op, kArgument, "Narrowed"), [&] { return std::string("conv: of bytes, scaled afterwards"); });
    op.erase();
    ++numNarrowed;
  }

  void narrow(PoolOp op) {
    auto x = readDequantized(op.getX(), {}, /*mayTranspose=*/false);
    auto isPositive = [](Value scale) {
      while (auto reshape = scale.getDefiningOp<ReshapeOp>()) scale = reshape.getX();
      return constantScalar(scale).value_or(0) > 0;
    };
    if (!x || !elementOf(x->narrow).isInteger(8)) return;
    if (!llvm::all_of(x->scales, isPositive)) return keep(op, "a scale is no positive constant");
    OpBuilder b(op);
    Value y = PoolOp::create(b, op.getLoc(), tensorOf(sizesOf(op.getY().getType()), elementOf(x->narrow)), op.getKind(), x->narrow, op.getKernel(), op.getStrides(),
                             op.getPads(), op.getDilations(), op.getChannelsLast());
    y = converted(b, op.getLoc(), y, b.getF32Type());
    if (x->zero) y = SubOp::create(b, op.getLoc(), y, reshaped(b, op.getLoc(), converted(b, op.getLoc(), x->zero, b.getF32Type()), {}));
    for (Value scale : x->scales) y = MulOp::create(b, op.getLoc(), y, reshaped(b, op.getLoc(), converted(b, op.getLoc(), scale, b.getF32Type()), {}));
    op.getY().replaceAllUsesWith(y);
    say(passed(op, kArgument, "Pool"), [&] { return std::string("pool: maxima of bytes"); });
    op.erase();
  }

  static Value convOfBytes(OpBuilder &b, ConvOp op, const Dequantized &x, const Dequantized &w, int64_t zero) {
    Location loc = op.getLoc();
    const int64_t rank = int64_t(sizesOf(w.narrow.getType()).size());
    auto besideResult = [&](Value v) -> Value {  // [oc, 1, …], or one number
      if (sizesOf(v.getType()).empty() || sizesOf(v.getType())[0].isConstant(1)) return reshaped(b, loc, v, {});
      Sizes sizes = {sizesOf(v.getType())[0]};
      if (!op.getChannelsLast()) sizes.append(rank - 2, SizeExpr(1));
      return reshaped(b, loc, v, sizes);
    };
    Value image = x.narrow;
    SmallVector<int64_t> pads(op.getPads());
    if (zero) {
      image = paddedImage(b, loc, image, pads, op.getChannelsLast(), writeConstant(b, loc, {}, elementOf(image), {zero}));
      pads.assign(pads.size(), 0);
    }
    Value y = ConvOp::create(b, loc, image, w.narrow, op.getStrides(), pads, op.getDilations(), op.getGroup(), op.getChannelsLast());
    if (zero) {
      ConstantIntegers sums = *readConstant(w.narrow);
      for (int64_t axis = 1; axis < rank; ++axis) sums = sumsAlong(sums, axis);
      for (int64_t &sum : sums.values) sum *= zero;
      y = SubOp::create(b, loc, y, besideResult(writeConstant(b, loc, sums.shape, b.getI32Type(), sums.values)));
    }
    SmallVector<Value> scales;
    for (const Dequantized *operand : {&x, &w})
      for (Value scale : operand->scales) scales.push_back(besideResult(converted(b, loc, scale, b.getF32Type())));
    return converted(b, loc, scaled(b, loc, converted(b, loc, y, b.getF32Type()), scales), elementOf(op.getY()));
  }

  static Value reshaped(OpBuilder &b, Location loc, Value v, const Sizes &sizes) {
    return sizesOf(v.getType()) == sizes ? v : Value(ReshapeOp::create(b, loc, tensorOf(sizes, elementOf(v)), v));
  }
  static Value converted(OpBuilder &b, Location loc, Value v, Type element) {
    return elementOf(v) == element ? v : Value(CastOp::create(b, loc, tensorOf(sizesOf(v.getType()), element), v));
  }
  /// y times all scales: by one number for each column, where all are constants.
  static Value scaled(OpBuilder &b, Location loc, Value y, ArrayRef<Value> scales) {
    if (!scales.empty() && llvm::all_of(scales, isConstant)) {
      Value all = scales[0];
      for (Value scale : scales.drop_front()) all = MulOp::create(b, loc, all, scale);
      return MulOp::create(b, loc, y, all);
    }
    for (Value scale : scales) y = MulOp::create(b, loc, y, scale);
    return y;
  }

  void keep(Operation *op, const std::string &why) {
    ++numKept;
    say(missed(op, kArgument, "Kept"), [&] { return kindOf(op) + ": " + why; });
  }

  struct Rewriter {
    Rewriter(MatmulOp op, const Dequantized &a, const Dequantized &b, const SizeExpr &depth)
        : b_(op), loc_(op.getLoc()), op_(op), left_(a), right_(b), depth_(depth), transposed_(op.getTransposeB() != b.isTransposed) {}

    void run() {
      Value y = MatmulOp::create(b_, loc_, left_.narrow, right_.narrow, transposed_);
      y = cast(withoutZeroPoints(y), b_.getF32Type());
      SmallVector<Value> scales;
      for (Value scale : left_.scales) scales.push_back(cast(scale, b_.getF32Type()));
      for (Value scale : right_.scales) scales.push_back(cast(acrossColumns(scale), b_.getF32Type()));
      y = scaled(b_, loc_, y, scales);
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
    Value sum(Value bytes, int64_t axis) {
      if (auto constant = readConstant(bytes)) {
        ConstantIntegers sums = sumsAlong(*constant, axis);
        return writeConstant(b_, loc_, sums.shape, b_.getI32Type(), sums.values);
      }
      return ReduceOp::create(b_, loc_, ReduceKind::sum, cast(bytes, b_.getI32Type()), ArrayRef<int64_t>{axis});
    }
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
