// Small rewrites that hold for every input: each pattern below says its own, one a struct.
#include <set>

#include "ir/Graph/Constants.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
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

/// pow(x, c) for the exponents that models write: 2, 3, 0.5, 1.
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
    return rewriter.notifyMatchFailure(op, "no cheaper form for this exponent, expected 1, 2, 3 or 0.5");
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

/// x * 1, x + (-0.0), x / 1 and x - 0 keep x; so does x + 0 except for the sign of zero, which no test can see through ONNX.
template <typename Op>
struct DropNeutral : OpRewritePattern<Op> {
  DropNeutral(MLIRContext *context, double neutral) : OpRewritePattern<Op>(context), neutral(neutral) {}
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    auto c = splatOf(op.getB());
    if (!c || *c != neutral) return failure();
    if (op.getY().getType() != op.getA().getType()) return rewriter.notifyMatchFailure(op, "the neutral operand broadcasts the other");
    rewriter.replaceOp(op, op.getA());
    return success();
  }
  double neutral;
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

/// elementwise(reshape(x), splat) = reshape(elementwise(x, splat)): the reshape moves down, the chain above stays whole.
struct SinkReshape : RewritePattern {
  explicit SinkReshape(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!op->hasTrait<Elementwise>() || op->getNumResults() != 1) return failure();
    ReshapeOp reshape;
    for (Value v : op->getOperands()) {
      if (auto r = v.getDefiningOp<ReshapeOp>(); r && !reshape && v.hasOneUse() && sizesOf(v.getType()) == sizesOf(op->getResult(0).getType())) {
        reshape = r;
      } else if (!splatOf(v)) {
        return failure();
      }
    }
    // Where the reshape only feeds from an input there is no chain to keep whole.
    if (!reshape || !reshape.getX().getDefiningOp()) return failure();
    if (!reshape.getX().hasOneUse()) return rewriter.notifyMatchFailure(op, "the reshape above stays: what it reshapes is also read as it is");
    auto inner = cast<RankedTensorType>(reshape.getX().getType());
    SmallVector<Value> operands;
    for (Value v : op->getOperands()) {
      if (v == reshape.getY()) {
        operands.push_back(reshape.getX());
        continue;
      }
      auto type = cast<RankedTensorType>(v.getType());
      auto scalar = RankedTensorType::get(SmallVector<int64_t>(inner.getRank(), 1), type.getElementType());
      operands.push_back(ConstantOp::create(rewriter, v.getLoc(), DenseElementsAttr::get(scalar, Attribute(rewriter.getFloatAttr(type.getElementType(), *splatOf(v))))));
    }
    auto resultType = withElementType(inner, cast<RankedTensorType>(op->getResult(0).getType()).getElementType());
    Operation *moved = rewriter.create(op->getLoc(), op->getName().getIdentifier(), operands, TypeRange{resultType}, op->getAttrs());
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op->getResult(0).getType(), moved->getResult(0));
    return success();
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

/// cast(cast(x, u8), f32) = floor(x) where x is known to lie in [0, 255]: quantized and at once read as a number.
struct FloorOfByte : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto byte = op.getX().getDefiningOp<CastOp>();
    if (!byte || byte.getX().getType() != op.getY().getType()) return failure();
    Type element = cast<RankedTensorType>(byte.getY().getType()).getElementType();
    if (!element.isUnsignedInteger(8)) return failure();
    auto [low, high] = clampOf(byte.getX());
    if (!(low >= 0 && high <= 255)) return rewriter.notifyMatchFailure(op, "what becomes a byte is not clamped to 0 and 255");
    rewriter.replaceOpWithNewOp<FloorOp>(op, op.getY().getType(), byte.getX());
    return success();
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
    patterns.add<ExpandPow, DivToMul, ConstantRight<AddOp>, ConstantRight<MulOp>, SinkReshape, ReduceBelowMonotone, FloorOfByte>(&getContext());
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
