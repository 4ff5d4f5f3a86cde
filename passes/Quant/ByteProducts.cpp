// How does this processor multiply bytes? Products and convolutions of bytes, whose sums are i32 and exact, take a form that it has:
//
//   it adds four products of an unsigned and a signed byte (byte-dots); b is a constant:
//     u8 · i8     stays: jinx-pack interleaves b
//     i8 · …      (a + 128) · b - 128 Σb       Σb over k, a constant that joins the epilogue
//     …  · u8     a · (b - 128) + 128 Σa       where b has a number above 127; else b is signed as it is
//   tensor cores multiply bytes: products stay
//   otherwise     cast(cast(a) · cast(b)) in f32, exact where no sum can pass 2^24: each partial sum is an integer then, which f32 holds. Where
//                 one can and b is a constant, b is digits, Σ d_i 2^(s·i), s = 4 or 2, and each digit has a product of its own.
//                 Else products are of i32 (CPU).
//
// (a + 128 by hand has no cost: the number joins the kernel that makes a, and bytes are a quarter of what a product of f32 reads.)
// With byte-dots, what quantizes the sums again divides by its scale: round((y * s + t) / q) becomes round(y * (s / q) + t / q), of constants, and
// where more stands between, as a residual does, round(v / q) becomes round(v * (1 / q)). A division takes as long as ten products of 64 bytes;
// results differ where a rounding of f32 decides between two integers.
//
// Convolutions: x outside the image is 0, so x + 128 is padded before; depthwise ones are f32; weights above 127 are, too.
#include "ir/Graph/ValueInference.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "passes/Passes.h"
#include "passes/Quant/ByteConstants.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_BYTEPRODUCTS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-byte-products";
constexpr int64_t kLargestExact = int64_t(1) << 24;  // up to which f32 holds every integer

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
bool isUnsigned(Value v) { return elementOf(v).isUnsignedInteger(); }
bool isOfBytes(Value a, Value b) { return elementOf(a).isInteger(8) && elementOf(b).isInteger(8); }
int64_t largestMagnitude(Value bytes) { return isUnsigned(bytes) ? 255 : 128; }

/// What products and convolutions have in common.
struct Product {
  Operation *op;
  Value a, b, y;
  SmallVector<int64_t> summed;                                   ///< axes of b that are summed over
  std::function<Value(OpBuilder &, Value a, Value b)> build;     ///< the same of other operands
  std::function<Value(OpBuilder &, Value sums)> besideResult;    ///< sums of b over those axes, in the shape in which they meet y

  Location loc() const { return op->getLoc(); }
  /// Products in a sum, where that is known.
  std::optional<int64_t> summedElements() const {
    SizeExpr count = 1;
    for (int64_t axis : summed) count = count * sizesOf(b.getType())[axis];
    return count.constant();
  }
};

Product productOf(MatmulOp op) {
  const int64_t rank = cast<RankedTensorType>(op.getB().getType()).getRank();
  const bool transposed = op.getTransposeB();
  auto build = [op, transposed](OpBuilder &b, Value x, Value w) mutable -> Value { return MatmulOp::create(b, op->getLoc(), x, w, transposed); };
  auto besideResult = [op, rank, transposed](OpBuilder &b, Value sums) mutable -> Value {  // [.., n, 1] or [.., 1, n] -> [.., 1, n]
    if (!transposed) return sums;
    SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    std::swap(perm[rank - 1], perm[rank - 2]);
    return TransposeOp::create(b, op->getLoc(), sums, perm);
  };
  return {op, op.getA(), op.getB(), op.getY(), {transposed ? rank - 1 : rank - 2}, build, besideResult};
}

Product productOf(ConvOp op) {
  const int64_t rank = cast<RankedTensorType>(op.getW().getType()).getRank();
  auto build = [op](OpBuilder &b, Value x, Value w) mutable -> Value {
    return ConvOp::create(b, op->getLoc(), x, w, op.getStrides(), op.getPads(), op.getDilations(), op.getGroup(), op.getChannelsLast());
  };
  auto besideResult = [op, rank](OpBuilder &b, Value sums) mutable -> Value {  // [oc, 1, …] -> [oc, 1, …] without the first 1, or [oc]
    SizeExpr channels = sizesOf(sums.getType())[0];
    Sizes sizes = {channels};
    if (!op.getChannelsLast()) sizes.append(rank - 2, SizeExpr(1));
    return ReshapeOp::create(b, op->getLoc(), tensorOf(sizes, elementOf(sums)), sums);
  };
  return {op, op.getX(), op.getW(), op.getY(), llvm::to_vector(llvm::seq<int64_t>(1, rank)), build, besideResult};
}

struct ByteProductsPass : impl::ByteProductsBase<ByteProductsPass> {
  using ByteProductsBase::ByteProductsBase;

  void runOnOperation() override {
    SmallVector<Operation *> products;
    getOperation().walk([&](Operation *op) {
      if (isa<MatmulOp, ConvOp>(op) && isOfBytes(op->getOperand(0), op->getOperand(1))) products.push_back(op);
    });
    for (Operation *op : products) {
      if (auto matmul = dyn_cast<MatmulOp>(op)) lower(matmul);
      if (auto conv = dyn_cast<ConvOp>(op)) lower(conv);
    }
    SmallVector<DivOp> divisions;
    getOperation().walk([&](DivOp op) { divisions.push_back(op); });
    if (byteDots)
      for (DivOp op : divisions) joinScales(op);
  }

  /// round((y * s + t) / q), with y sums of bytes.
  void joinScales(DivOp op) {
    auto isConstant = [](Value v) { return bool(v.getDefiningOp<ConstantOp>()); };
    auto isRounded = [](Operation *user) { return isa<RoundOp>(user); };
    if (!isConstant(op.getB()) || !sizesOf(op.getB().getType()).empty() || !llvm::all_of(op->getUsers(), isRounded)) return;
    Value x = op.getA(), shift;
    if (auto add = x.getDefiningOp<AddOp>(); add && x.hasOneUse() && isConstant(add.getB())) shift = add.getB(), x = add.getA();
    auto mul = x.getDefiningOp<MulOp>();
    auto sums = mul ? mul.getA().getDefiningOp<CastOp>() : CastOp();
    OpBuilder b(op);
    auto divided = [&](Value v) -> Value { return DivOp::create(b, op.getLoc(), v, op.getB()); };
    Value y;
    if (sums && x.hasOneUse() && isConstant(mul.getB()) && elementOf(sums.getX()).isInteger(32) && sizesOf(x.getType()) == sizesOf(op.getY().getType())) {
      y = MulOp::create(b, op.getLoc(), sums.getY(), divided(mul.getB()));
      if (shift) y = AddOp::create(b, op.getLoc(), y, divided(shift));
    } else if (isOfByteProduct(op.getA())) {
      Value one = ConstantOp::create(b, op.getLoc(), DenseElementsAttr::get(cast<RankedTensorType>(op.getB().getType()), Attribute(b.getFloatAttr(elementOf(op.getB()), 1.0))));
      y = MulOp::create(b, op.getLoc(), op.getA(), divided(one));
    } else {
      return;
    }
    op.getY().replaceAllUsesWith(y);
    say(passed(op, kArgument, "Scales"), [&] { return std::string("div: by a scale that joins the one in front of it"); });
    op.erase();
  }

  /// Whether sums of bytes are among what v is made of by elementwise operators.
  static bool isOfByteProduct(Value v) {
    SmallVector<Value> open = {v};
    llvm::SmallPtrSet<Operation *, 16> seen;
    while (!open.empty()) {
      Operation *op = open.pop_back_val().getDefiningOp();
      if (!op || !seen.insert(op).second) continue;
      if (isa<MatmulOp, ConvOp>(op) && isOfBytes(op->getOperand(0), op->getOperand(1))) return true;
      if (op->hasTrait<Elementwise>()) llvm::append_range(open, op->getOperands());
    }
    return false;
  }

  void lower(MatmulOp op) {
    if (tensorCores) return;
    Product product = productOf(op);
    Sizes a = sizesOf(op.getA().getType()), y = sizesOf(op.getY().getType());
    auto weights = byteDots && a.size() >= 2 && !y.back().isConstant(1) ? readConstant(op.getB()) : std::nullopt;
    if (!weights) return makeExact(product);
    OpBuilder b(op);
    Value signedWeights = op.getB(), rowSums;
    if (isUnsigned(op.getB()) && isAbove127(*weights)) {
      signedWeights = withOtherSign(b, op.getLoc(), op.getB());
      Value wide = CastOp::create(b, op.getLoc(), tensorOf(a, b.getI32Type()), op.getA());
      rowSums = ReduceOp::create(b, op.getLoc(), ReduceKind::sum, wide, ArrayRef<int64_t>{int64_t(a.size()) - 1});
    }
    Value result = unsignedProduct(b, product, op.getA(), signedWeights);
    if (rowSums) {
      Value factor = writeConstant(b, op.getLoc(), {}, b.getI32Type(), {128});
      result = AddOp::create(b, op.getLoc(), result, MulOp::create(b, op.getLoc(), rowSums, factor));
    }
    replace(product, result, "four products at once");
  }

  void lower(ConvOp op) {
    Product product = productOf(op);
    auto weights = byteDots && !isDepthwise(op) && isImage(op) ? readConstant(op.getW()) : std::nullopt;
    if (!weights || (isUnsigned(op.getW()) && isAbove127(*weights))) return makeExact(product);
    OpBuilder b(op);
    Value x = op.getX();
    if (!isUnsigned(x) && llvm::any_of(op.getPads(), [](int64_t p) { return p != 0; })) {
      x = paddedImage(b, op.getLoc(), x, op.getPads(), op.getChannelsLast(), Value());
      SmallVector<int64_t> none(op.getPads().size(), 0);
      product.build = [op, none](OpBuilder &b, Value x, Value w) mutable -> Value {
        return ConvOp::create(b, op->getLoc(), x, w, op.getStrides(), none, op.getDilations(), op.getGroup(), op.getChannelsLast());
      };
    }
    replace(product, unsignedProduct(b, product, x, op.getW()), "four products at once");
  }

  static bool isAbove127(const ConstantIntegers &weights) { return llvm::any_of(weights.values, [](int64_t v) { return v > 127; }); }
  static bool isDepthwise(ConvOp op) { return op.getGroup() > 1 && sizesOf(op.getW().getType())[1].isConstant(1); }
  static bool isImage(ConvOp op) { return sizesOf(op.getX().getType()).size() <= 4; }

  /// a·b with a unsigned and b signed, both in the place of what they were.
  static Value unsignedProduct(OpBuilder &b, const Product &product, Value a, Value weights) {
    auto values = readConstant(weights);
    if (isUnsigned(weights)) weights = writeConstant(b, product.loc(), values->shape, b.getIntegerType(8), values->values);
    if (isUnsigned(a)) return product.build(b, a, weights);
    Value result = product.build(b, withOtherSign(b, product.loc(), a), weights);
    ConstantIntegers sums = *values;
    for (int64_t axis : product.summed) sums = sumsAlong(sums, axis);
    for (int64_t &sum : sums.values) sum *= 128;
    Value shift = writeConstant(b, product.loc(), sums.shape, b.getI32Type(), sums.values);
    return SubOp::create(b, product.loc(), result, product.besideResult(b, shift));
  }

  void replace(const Product &product, Value result, const char *how) {
    ++numBytes;
    say(passed(product.op, kArgument, "Bytes"), [&] { return kindOf(product.op) + ": of bytes, " + how; });
    Value y = product.y;
    y.replaceAllUsesWith(result);
    product.op->erase();
  }

  // ---- without an instruction ---------------------------------------------------------------------------------------------------
  struct Digits {
    int64_t bits, count;
  };
  /// The fewest digits of b whose sums with a f32 holds.
  static std::optional<Digits> digitsFor(const Product &product) {
    const int64_t largest = largestMagnitude(product.a);
    auto weights = readConstant(product.b);
    for (int64_t bits : {8, 4, 2}) {
      if (weights) {
        bool fits = true;
        for (int64_t i = 0; i < 8 / bits; ++i) fits &= largestSum(product, digit(*weights, bits, i)) <= kLargestExact / largest;
        if (fits) return Digits{bits, 8 / bits};
        continue;
      }
      auto depth = product.summedElements();
      if (depth && *depth * largest * largestMagnitude(product.b) <= kLargestExact) return Digits{8, 1};
      return std::nullopt;
    }
    return std::nullopt;
  }
  /// Digit i of every number; the last has the sign.
  static ConstantIntegers digit(const ConstantIntegers &numbers, int64_t bits, int64_t i) {
    ConstantIntegers result = numbers;
    for (int64_t &v : result.values) {
      v >>= bits * i;
      if (bits * (i + 1) < 8) v &= (int64_t(1) << bits) - 1;
    }
    return result;
  }
  static int64_t largestSum(const Product &product, ConstantIntegers digits) {
    for (int64_t &v : digits.values) v = std::abs(v);
    for (int64_t axis : product.summed) digits = sumsAlong(digits, axis);
    return digits.values.empty() ? 0 : *llvm::max_element(digits.values);
  }

  void makeExact(const Product &product) {
    OpBuilder b(product.op);
    auto as = [&](Value v, Type element) -> Value { return CastOp::create(b, product.loc(), tensorOf(sizesOf(v.getType()), element), v); };
    Type f32 = b.getF32Type(), i32 = b.getI32Type();
    auto digits = digitsFor(product);
    if (!digits) {
      if (tensorCores) return keep(product, "sums of f32 may pass 2^24, and the weights are no constant");
      return replace(product, product.build(b, as(product.a, i32), as(product.b, i32)), "as i32");
    }
    auto weights = digits->count > 1 ? readConstant(product.b) : std::nullopt;
    Value wide = as(product.a, f32), y;
    for (int64_t i = 0; i < digits->count; ++i) {
      Value digit = weights ? writeConstant(b, product.loc(), weights->shape, f32, this->digit(*weights, digits->bits, i).values) : as(product.b, f32);
      Value part = as(product.build(b, wide, digit), i32);
      if (i > 0) part = MulOp::create(b, product.loc(), part, writeConstant(b, product.loc(), {}, i32, {int64_t(1) << (digits->bits * i)}));
      y = y ? Value(AddOp::create(b, product.loc(), y, part)) : part;
    }
    replace(product, y, digits->count > 1 ? "summed in f32 digit by digit, exactly" : "summed in f32, exactly");
  }

  void keep(const Product &product, const std::string &why) {
    ++numKept;
    say(missed(product.op, kArgument, "Kept"), [&] { return kindOf(product.op) + ": " + why; });
  }
};

}  // namespace
}  // namespace jinx::passes
