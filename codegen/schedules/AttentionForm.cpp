#include "codegen/schedules/AttentionForm.h"

#include "codegen/schedules/ScalarOps.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr size_t kMaxChain = 64;       // operators between the product and the softmax
constexpr int64_t kRowAlignment = 8;  // that jinx-pack fills up to

Sizes batchOf(Value v) {
  Sizes sizes = sizesOf(v.getType());
  return Sizes(sizes.begin(), sizes.end() - 2);
}

/// A view that leaves rows of keys as they are: [b*h, m, n] to [b, h, m, n].
bool isBatchReshape(Operation *op) {
  auto reshape = dyn_cast_or_null<ReshapeOp>(op);
  if (!reshape) return false;
  Sizes in = sizesOf(reshape.getX().getType()), out = sizesOf(reshape.getY().getType());
  return in.size() >= 2 && out.size() >= 2 && ArrayRef(in).take_back(2) == ArrayRef(out).take_back(2) && volume(batchOf(reshape.getX())) == volume(batchOf(reshape.getY()));
}

class Matcher {
 public:
  Matcher(PackedMatmulOp context, std::string *why) : byRows_(context.getByRows()), why_(why) { form_.context = context; }

  std::optional<AttentionForm> run() {
    operators_.insert(form_.context);
    Value weights = throughViews(form_.context.getA());
    if (!findSoftmax(weights)) return no("");
    if (!findScores(form_.logits)) return no("the softmax is not of a product of its shape, by elementwise operators");
    Value scores = form_.scores.getY();
    for (Value v : {scores, form_.logits, Value(form_.context.getY())})
      if (llvm::any_of(sizesOf(v.getType()), [](const SizeExpr &s) { return s.isInvalid(); })) return no("a size of it has no formula");
    if (volume(batchOf(scores)) != volume(batchOf(form_.context.getY())))
      return no("its right operand has more matrices than the scores");
    for (Operation *op : operators_) {
      if (op->getBlock() != form_.context->getBlock()) return no("a part of it is in another block");
      if (op == form_.context) continue;
      for (Operation *user : op->getUsers()) {
        if (operators_.contains(user)) continue;
        if (byRows_ || (op != form_.max && op != form_.sum)) return no("what lies between the products is read elsewhere too");
        (op == form_.max ? form_.isMaxRead : form_.isSumRead) = true;
      }
    }
    form_.operators.assign(operators_.begin(), operators_.end());
    llvm::sort(form_.operators, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    return form_;
  }

 private:
  std::optional<AttentionForm> no(const char *why) {
    if (why_) *why_ = why;
    return std::nullopt;
  }

  /// By rows, weights are rounded to a half, and filled up along the keys with zeros.
  bool isWeightsView(Operation *op) const {
    if (isBatchReshape(op)) return true;
    auto cast = dyn_cast_or_null<CastOp>(op);
    if (byRows_ && cast) return isFloat(cast.getX()) && isFloat(cast.getY());
    return byRows_ && isFill(op);
  }
  static bool isFloat(Value v) { return isa<FloatType>(cast<RankedTensorType>(v.getType()).getElementType()); }
  Value throughViews(Value v) {
    while (isWeightsView(v.getDefiningOp())) {
      operators_.insert(v.getDefiningOp());
      v = v.getDefiningOp()->getOperand(0);
    }
    return v;
  }

  bool isOverRows(ReduceOp reduce, ReduceKind kind) const {
    if (!reduce || reduce.getKind() != kind) return false;
    auto type = cast<RankedTensorType>(reduce.getX().getType());
    Type element = type.getElementType();
    return (element.isF32() || (byRows_ && (element.isF16() || element.isBF16()))) && reduce.getAxes() == ArrayRef<int64_t>{type.getRank() - 1};
  }

  bool findSoftmax(Value weights) {
    auto div = weights.getDefiningOp<DivOp>();
    auto exp = div ? div.getA().getDefiningOp<ExpOp>() : ExpOp();
    form_.sum = div ? div.getB().getDefiningOp<ReduceOp>() : ReduceOp();
    if (!exp || !isOverRows(form_.sum, ReduceKind::sum) || form_.sum.getX() != exp.getY()) return false;
    auto sub = exp.getX().getDefiningOp<SubOp>();
    form_.max = sub ? sub.getB().getDefiningOp<ReduceOp>() : ReduceOp();
    if (!isOverRows(form_.max, ReduceKind::max) || form_.max.getX() != sub.getA()) return false;
    form_.logits = sub.getA();
    for (Operation *op : {div.getOperation(), exp.getOperation(), form_.sum.getOperation(), sub.getOperation(), form_.max.getOperation()})
      operators_.insert(op);
    return sizesOf(form_.logits.getType()).size() >= 2;
  }

  /// Whether a product is reached from `v` by elementwise operators that keep its shape; what lies on the way joins the form. Of two
  /// products the first is it, the other is read like any bias.
  bool findScores(Value v) {
    auto known = reached_.find(v);
    if (known != reached_.end()) return known->second;
    if (reached_.size() > kMaxChain) return false;
    reached_[v] = false;
    Operation *op = v.getDefiningOp();
    if (!op) return false;
    bool found = false;
    if (auto product = dyn_cast<PackedMatmulOp>(op)) {
      if ((form_.scores && form_.scores != product) || product.getByRows() != byRows_) return false;
      form_.scores = product;
      found = true;
    } else if (isBatchReshape(op)) {
      found = findScores(op->getOperand(0));
    } else if (isElementwiseSupported(op)) {
      for (Value operand : op->getOperands())
        if (sizesOf(operand.getType()) == sizesOf(v.getType())) found |= findScores(operand);
    }
    if (found) operators_.insert(op);
    return reached_[v] = found;
  }

  AttentionForm form_;
  bool byRows_;  ///< both products are of halves, for tensor cores
  std::string *why_;
  llvm::SetVector<Operation *> operators_;
  llvm::DenseMap<Value, bool> reached_;
};

}  // namespace

bool isFill(Operation *op) {
  auto pad = dyn_cast_or_null<PadOp>(op);
  if (!pad || pad.getValue() || pad.getMode() != PadMode::constant) return false;
  Sizes in = sizesOf(pad.getX().getType()), out = sizesOf(pad.getY().getType());
  if (in.empty() || ArrayRef(in).drop_back() != ArrayRef(out).drop_back()) return false;
  // A pad may crop.
  bool grows = out.back() == ceilDiv(in.back(), kRowAlignment) * SizeExpr(kRowAlignment) || (out.back() - in.back()).isAtLeast(0);
  return grows && llvm::all_of(pad.getLow().getAsValueRange<StringAttr>(), [](StringRef low) { return low == "0"; });
}

std::optional<AttentionForm> matchAttention(PackedMatmulOp context, std::string *why) { return Matcher(context, why).run(); }

}  // namespace jinx::schedules
