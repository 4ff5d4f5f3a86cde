// Small rewrites that hold for every input: each pattern below says its own, one a struct.
#include <set>

#include "ir/Graph/Constants.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Graph/ReshapeBlocks.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_SIMPLIFYGRAPH
#include "passes/Passes.h.inc"

namespace {

/// The value of a float constant whose elements are all equal.
std::optional<double> splatOf(Value v) {
  auto constant = v.getDefiningOp<ConstantOp>();
  if (!constant) return std::nullopt;
  auto elements = constant.getValue();
  auto type = cast<RankedTensorType>(elements.getType());
  if (!isa<FloatType>(type.getElementType()) || type.getNumElements() == 0) return std::nullopt;
  if (auto dense = dyn_cast<DenseElementsAttr>(elements)) {
    if (!dense.isSplat()) return std::nullopt;
    return dense.getSplatValue<APFloat>().convertToDouble();
  }
  return std::nullopt;
}

Value splatLike(OpBuilder &b, Location loc, Value like, double value) {
  auto type = cast<RankedTensorType>(like.getType());
  auto scalar = RankedTensorType::get(SmallVector<int64_t>(type.getRank(), 1), type.getElementType());
  return ConstantOp::create(b, loc, DenseElementsAttr::get(scalar, Attribute(b.getFloatAttr(type.getElementType(), value))));
}

/// pow(x, c) for the exponents that models write: 2, 3, 0.5, 0.75, 1.
struct ExpandPow : OpRewritePattern<PowOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PowOp op, PatternRewriter &rewriter) const override {
    auto exponent = splatOf(op.getB());
    if (!exponent) return rewriter.notifyMatchFailure(op, "the exponent is not one constant");
    if (op.getY().getType() != op.getA().getType()) return rewriter.notifyMatchFailure(op, "the exponent broadcasts the base");
    Value x = op.getA();
    if (*exponent == 1) return rewriter.replaceOp(op, x), success();
    if (*exponent == 2) return rewriter.replaceOpWithNewOp<MulOp>(op, x, x), success();
    if (*exponent == 0.5) return rewriter.replaceOpWithNewOp<SqrtOp>(op, x.getType(), x), success();
    if (*exponent == 3) {
      Value square = MulOp::create(rewriter, op.getLoc(), x, x);
      return rewriter.replaceOpWithNewOp<MulOp>(op, square, x), success();
    }
    if (*exponent == 0.75) {
      Value root = SqrtOp::create(rewriter, op.getLoc(), x.getType(), x);
      return rewriter.replaceOpWithNewOp<MulOp>(op, root, SqrtOp::create(rewriter, op.getLoc(), x.getType(), root)), success();
    }
    return rewriter.notifyMatchFailure(op, "no cheaper form for this exponent, expected 1, 2, 3, 0.5 or 0.75");
  }
};

/// x / c = x * (1/c) where 1/c is exact: c a power of two.
struct DivToMul : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    auto c = splatOf(op.getB());
    int exponent;
    if (!c) return failure();
    if (*c == 0 || std::abs(std::frexp(*c, &exponent)) != 0.5)
      return rewriter.notifyMatchFailure(op, "the divisor is no power of two: its reciprocal would round");
    rewriter.replaceOpWithNewOp<MulOp>(op, op.getA(), splatLike(rewriter, op.getLoc(), op.getB(), 1.0 / *c));
    return success();
  }
};

/// Whether `v` is a constant, or a broadcast one, whose elements are all `value`: of floats or of integers.
bool isAll(Value v, double value) {
  if (auto broadcast = v.getDefiningOp<BroadcastOp>()) v = broadcast.getX();
  auto constant = v.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!dense || dense.empty() || !dense.isSplat()) return false;
  if (isa<FloatType>(dense.getElementType())) return dense.getSplatValue<APFloat>().convertToDouble() == value;
  return isa<IntegerType>(dense.getElementType()) && dense.getSplatValue<APInt>() == uint64_t(value);
}

/// x * 1, x + (-0.0), x / 1 and x - 0 keep x; so does x + 0 except for the sign of zero, which no test can see through ONNX.
template <typename Op>
struct DropNeutral : OpRewritePattern<Op> {
  DropNeutral(MLIRContext *context, double neutral) : OpRewritePattern<Op>(context), neutral(neutral) {}
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!isAll(op.getB(), neutral)) return failure();
    if (op.getY().getType() != op.getA().getType()) return rewriter.notifyMatchFailure(op, "the neutral operand broadcasts the other");
    rewriter.replaceOp(op, op.getA());
    return success();
  }
  double neutral;
};

/// x * 0 = 0 of integers: the correction for a zero point that is 0 disappears. (Floats may be NaN or -0.)
struct MulByZero : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    auto scalar = RankedTensorType::get({}, cast<RankedTensorType>(op.getY().getType()).getElementType());
    if (!isa<IntegerType>(scalar.getElementType()) || !isAll(op.getB(), 0)) return failure();
    Value zero = ConstantOp::create(rewriter, op.getLoc(), DenseElementsAttr::get(scalar, rewriter.getZeroAttr(scalar.getElementType())));
    if (op.getY().getType() != scalar) zero = BroadcastOp::create(rewriter, op.getLoc(), op.getY().getType(), zero);
    rewriter.replaceOp(op, zero);
    return success();
  }
};

/// Constants go to the right of commutative operators, so that the patterns above look in one place.
template <typename Op>
struct ConstantRight : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!op.getA().template getDefiningOp<ConstantOp>() || op.getB().template getDefiningOp<ConstantOp>()) return failure();
    rewriter.replaceOpWithNewOp<Op>(op, op.getB(), op.getA());
    return success();
  }
};

/// elementwise(reshape(x), w) = reshape(elementwise(x, w')): the reshape moves down, the chain above stays whole. w' is w in x's shape:
/// for a w that broadcasts along whole blocks of the reshape (ReshapeBlocks.h), or that has a single value.
///
///   add(reshape(conv : [n, 1, w, c]) : [n, w, c], bias : [c])   ->   reshape(add(conv, bias' : [1, 1, 1, c]))
struct SinkReshape : RewritePattern {
  explicit SinkReshape(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!op->hasTrait<Elementwise>() || op->getNumResults() != 1) return failure();
    ReshapeOp reshape = movable(op);
    // Where the reshape only feeds from an input there is no chain to keep whole.
    if (!reshape || !reshape.getX().getDefiningOp()) return failure();
    if (!reshape.getX().hasOneUse()) return rewriter.notifyMatchFailure(op, "the reshape above stays: what it reshapes is also read as it is");
    auto inner = cast<RankedTensorType>(reshape.getX().getType());
    auto blocks = reshapeBlocks(sizesOf(inner), sizesOf(reshape.getY().getType()));
    SmallVector<std::optional<Sizes>> sizes;
    for (Value v : op->getOperands()) {
      sizes.push_back(splatOf(v) ? Sizes(inner.getRank(), SizeExpr(1)) : innerSizes(v, reshape, blocks));
      if (!sizes.back())
        return rewriter.notifyMatchFailure(op, "the reshape above stays: operand " + Twine(sizes.size() - 1) + " has no form in the shape above it");
    }
    SmallVector<Value> operands;
    for (auto [v, shape] : llvm::zip(op->getOperands(), sizes)) operands.push_back(inShape(rewriter, v, *shape));
    auto resultType = withElementType(inner, cast<RankedTensorType>(op->getResult(0).getType()).getElementType());
    Operation *moved = rewriter.create(op->getLoc(), op->getName().getIdentifier(), operands, TypeRange{resultType}, op->getAttrs());
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op->getResult(0).getType(), moved->getResult(0));
    return success();
  }

 private:
  /// The first operand that is a reshape read here only, of the result's shape.
  static ReshapeOp movable(Operation *op) {
    for (Value v : op->getOperands())
      if (auto r = v.getDefiningOp<ReshapeOp>(); r && v.hasOneUse() && sizesOf(v.getType()) == sizesOf(op->getResult(0).getType())) return r;
    return {};
  }
  /// The shape in which v meets the reshape's operand as it meets its result; nothing when there is none, or when v is as large: another
  /// chain ends there, and the reshape would only come to stand between that one and this operator.
  static std::optional<Sizes> innerSizes(Value v, ReshapeOp reshape, const std::optional<SmallVector<ReshapeBlock>> &blocks) {
    Sizes inner = sizesOf(reshape.getX().getType()), outer = sizesOf(reshape.getY().getType()), own = sizesOf(v.getType());
    if (v == reshape.getY()) return inner;
    if (auto other = v.getDefiningOp<ReshapeOp>(); other && own == outer && sizesOf(other.getX().getType()) == inner) return inner;
    if (!blocks || own == outer) return std::nullopt;
    own.insert(own.begin(), outer.size() - own.size(), SizeExpr(1));
    Sizes result(inner.size(), SizeExpr(1));
    for (const ReshapeBlock &block : *blocks) {
      auto part = ArrayRef(own).slice(block.to, block.toEnd - block.to), whole = ArrayRef(outer).slice(block.to, block.toEnd - block.to);
      if (llvm::all_of(part, [](const SizeExpr &s) { return s.isConstant(1); })) continue;
      if (part != whole) return std::nullopt;
      std::copy(inner.begin() + block.from, inner.begin() + block.fromEnd, result.begin() + block.from);
    }
    return result;
  }
  static Value inShape(OpBuilder &b, Value v, ArrayRef<SizeExpr> shape) {
    auto type = tensorOf(shape, cast<RankedTensorType>(v.getType()).getElementType());
    if (auto reshape = v.getDefiningOp<ReshapeOp>(); reshape && reshape.getX().getType() == type) return reshape.getX();
    if (auto splat = splatOf(v)) return ConstantOp::create(b, v.getLoc(), DenseElementsAttr::get(type, Attribute(b.getFloatAttr(type.getElementType(), *splat))));
    return type == v.getType() ? v : ReshapeOp::create(b, v.getLoc(), type, v).getResult();
  }
};

/// max(f(x)) = f(max(x)) for an f that never falls, and min alike: f then runs once a result instead of once an element.
struct ReduceBelowMonotone : OpRewritePattern<ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReduceOp op, PatternRewriter &rewriter) const override {
    if (op.getKind() != ReduceKind::max && op.getKind() != ReduceKind::min) return failure();
    Operation *f = op.getX().getDefiningOp();
    if (!isa_and_nonnull<ExpOp, TanhOp, SigmoidOp, ErfOp>(f)) return rewriter.notifyMatchFailure(op, "what is reduced is no exp, tanh, sigmoid or erf");
    Value extreme = ReduceOp::create(rewriter, op.getLoc(), op.getKind(), f->getOperand(0), op.getAxes());
    Operation *last = rewriter.create(f->getLoc(), f->getName().getIdentifier(), extreme, op->getResultTypes(), f->getAttrs());
    return rewriter.replaceOp(op, last), success();
  }
};

/// x * 0.5 * (tanh(p) + 1) = x * sigmoid(2p), as GELU is written with tanh: one function less, and nothing cancels where p is far below 0.
struct SigmoidOfTanh : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> factors;
    for (Value side : {op.getA(), op.getB()}) {
      auto product = side.getDefiningOp<MulOp>();
      if (product && side.hasOneUse()) factors.append({product.getA(), product.getB()});
      else factors.push_back(side);
    }
    auto half = llvm::find_if(factors, [](Value v) { return splatOf(v) == 0.5; });
    if (half == factors.end()) return failure();
    factors.erase(half);
    auto sum = llvm::find_if(factors, [&](Value v) { return v.getType() == op.getY().getType() && isTanhPlusOne(v); });
    if (sum == factors.end()) return failure();
    Value p = sum->getDefiningOp<AddOp>().getA().getDefiningOp<TanhOp>().getX();
    factors.erase(sum);
    Value result = SigmoidOp::create(rewriter, op.getLoc(), p.getType(), twice(rewriter, op.getLoc(), p));
    for (Value factor : factors) result = MulOp::create(rewriter, op.getLoc(), factor, result);
    return rewriter.replaceOp(op, result), success();
  }
  static bool isTanhPlusOne(Value v) {
    auto add = v.getDefiningOp<AddOp>();
    return add && v.hasOneUse() && splatOf(add.getB()) == 1.0 && add.getA().getDefiningOp<TanhOp>() && add.getA().hasOneUse() &&
           add.getA().getType() == v.getType();
  }
  /// A factor of p doubles exactly.
  static Value twice(OpBuilder &b, Location loc, Value p) {
    auto product = p.getDefiningOp<MulOp>();
    auto factor = product && p.hasOneUse() ? splatOf(product.getB()) : std::nullopt;
    if (factor) return MulOp::create(b, loc, product.getA(), splatLike(b, loc, product.getB(), 2 * *factor));
    return MulOp::create(b, loc, p, splatLike(b, loc, p, 2.0));
  }
};

/// cast(cast(x, u8), f32) = floor(x) where x is known to lie in [0, 255]: quantized and at once read as a number. Not so behind a product of
/// bytes: its kernel writes the bytes, and what reads them reads a quarter.
struct FloorOfByte : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto byte = op.getX().getDefiningOp<CastOp>();
    if (!byte || byte.getX().getType() != op.getY().getType()) return failure();
    Type element = cast<RankedTensorType>(byte.getY().getType()).getElementType();
    if (!element.isUnsignedInteger(8)) return failure();
    if (isOfByteProduct(byte.getX())) return rewriter.notifyMatchFailure(op, "the byte is what a product of bytes is quantized to");
    auto [low, high] = clampOf(byte.getX());
    if (!(low >= 0 && high <= 255)) return rewriter.notifyMatchFailure(op, "what becomes a byte is not clamped to 0 and 255");
    rewriter.replaceOpWithNewOp<FloorOp>(op, op.getY().getType(), byte.getX());
    return success();
  }
  /// Along first operands: where what is computed stands, before constants.
  static bool isOfByteProduct(Value v) {
    while (Operation *op = v.getDefiningOp()) {
      if (isa<MatmulOp, ConvOp, PackedMatmulOp, PackedConvOp>(op)) return cast<RankedTensorType>(v.getType()).getElementType().isInteger(32);
      if (!op->hasTrait<Elementwise>() && !isa<TransposeOp, ReshapeOp>(op)) return false;
      v = op->getOperand(0);
    }
    return false;
  }
  /// Bounds that max and min with constants give v.
  static std::pair<double, double> clampOf(Value v) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (auto most = v.getDefiningOp<MinOp>(); most && splatOf(most.getB())) {
      auto [low, high] = clampOf(most.getA());
      return {std::min(low, *splatOf(most.getB())), std::min(high, *splatOf(most.getB()))};
    }
    if (auto least = v.getDefiningOp<MaxOp>(); least && splatOf(least.getB())) {
      auto [low, high] = clampOf(least.getA());
      return {std::max(low, *splatOf(least.getB())), std::max(high, *splatOf(least.getB()))};
    }
    return {-kInfinity, kInfinity};
  }
};

/// Counts what the driver did, and tells: each pattern that applied, each of ours that said why not (the dialect's canonicalisations
/// fail in silence). The driver asks again after every change, so a reason is told once an operator.
class Narrator : public RewriterBase::Listener {
 public:
  int64_t count = 0;
  void notifyOperationReplaced(Operation *, ValueRange) override { ++count; }
  void notifyPatternBegin(const Pattern &pattern, Operation *op) override {
    isOurs_ = pattern.getDebugName().contains("jinx::passes");
    location_ = op->getLoc();
    kind_ = op->getName();
  }
  void notifyPatternEnd(const Pattern &pattern, LogicalResult status) override {
    if (failed(status)) return;
    say(remark::passed(*location_, remarkNamed("jinx-simplify", "Rewritten")),
        [&] { return kind_->stripDialect().str() + " by " + shortName(pattern.getDebugName()); });
  }
  void notifyMatchFailure(Location location, function_ref<void(Diagnostic &)> reason) override {
    if (!isOurs_ || !location->getContext()->getRemarkEngine()) return;
    Diagnostic why(location, DiagnosticSeverity::Remark);
    reason(why);
    if (!told_.insert({location.getAsOpaquePointer(), why.str()}).second) return;
    say(remark::missed(location, remarkNamed("jinx-simplify", "Kept")), [&] { return kind_->stripDialect().str() + ": " + why.str(); });
  }

 private:
  /// "ExpandPow" of "jinx::passes::(anonymous namespace)::ExpandPow".
  static std::string shortName(StringRef name) {
    StringRef head = name.take_until([](char c) { return c == '<'; });
    return name.substr(head.rfind(':') == StringRef::npos ? 0 : head.rfind(':') + 1).str();
  }

  bool isOurs_ = false;
  std::optional<Location> location_;
  std::optional<OperationName> kind_;
  std::set<std::pair<const void *, std::string>> told_;  // asked for membership only: its order shows nowhere
};

struct SimplifyGraphPass : impl::SimplifyGraphBase<SimplifyGraphPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandPow, DivToMul, ConstantRight<AddOp>, ConstantRight<MulOp>, SinkReshape, ReduceBelowMonotone, SigmoidOfTanh, FloorOfByte, MulByZero>(&getContext());
    patterns.add<DropNeutral<MulOp>, DropNeutral<DivOp>>(&getContext(), 1.0);
    patterns.add<DropNeutral<AddOp>, DropNeutral<SubOp>>(&getContext(), 0.0);
    for (auto *dialect : getContext().getLoadedDialects()) dialect->getCanonicalizationPatterns(patterns);
    for (RegisteredOperationName op : getContext().getRegisteredOperations()) op.getCanonicalizationPatterns(patterns, &getContext());
    Narrator counter;
    GreedyRewriteConfig config;
    config.setListener(&counter);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config))) {
      getOperation().emitError("simplification did not reach a fixpoint");
      return signalPassFailure();
    }
    numRewrites += counter.count;
  }
};

}  // namespace
}  // namespace jinx::passes
