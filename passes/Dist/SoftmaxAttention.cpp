#include "passes/Dist/SoftmaxAttention.h"

#include "llvm/ADT/SetVector.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

namespace {

bool isFloat(Value value) { return isa<FloatType>(cast<RankedTensorType>(value.getType()).getElementType()); }
bool isZero(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  return constant && constant.getY().getType().getNumElements() == 1 && matchPattern(value, m_AnyZeroFloat());
}

/// [b*h, m, n] to [b, h, m, n].
bool isBatchReshape(Operation *op) {
  auto reshape = dyn_cast_or_null<ReshapeOp>(op);
  if (!reshape) return false;
  Sizes in = sizesOf(reshape.getX().getType()), out = sizesOf(reshape.getY().getType());
  return in.size() >= 2 && out.size() >= 2 && in.size() != out.size() && ArrayRef(in).take_back(2) == ArrayRef(out).take_back(2);
}

/// Of select(c, 0, p), with a condition for each row, p; else null.
Value selectedWeights(SelectOp op) {
  if (!op) return {};
  Value weights = isZero(op.getA()) ? op.getB() : isZero(op.getB()) ? op.getA() : Value();
  Sizes condition = sizesOf(op.getCondition().getType());
  return weights && weights.getType() == op.getY().getType() && !condition.empty() && condition.back().isConstant(1) ? weights : Value();
}

class Matcher {
 public:
  Matcher(MatmulOp context, function_ref<bool(MatmulOp)> mayBeScores, std::string &why) : mayBeScores_(mayBeScores), why_(why) { found_.context = context; }

  std::optional<SoftmaxAttention> run() {
    why_.clear();
    if (!findSoftmax(throughViews(found_.context.getA()))) return std::nullopt;
    if (!reaches(found_.logits)) return no("the softmax is not of a product with keys that are gathered, by elementwise operators");
    for (Operation *op : ofScores_)
      if (op != found_.scores) found_.ofScores.push_back(op);
    llvm::sort(found_.ofScores, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    if (found_.rowSelect && llvm::any_of(found_.views, llvm::IsaPred<ReshapeOp>)) return no("its batch is reshaped behind weights of which rows are set to 0");
    SmallVector<Operation *> all = found_.operators();
    llvm::SmallPtrSet<Operation *, 16> inside(all.begin(), all.end());
    for (Operation *op : all)
      if (op != found_.context && llvm::any_of(op->getUsers(), [&](Operation *user) { return !inside.contains(user); }))
        return no("what lies between the products is read elsewhere too");
    return found_;
  }

 private:
  std::optional<SoftmaxAttention> no(const char *why) {
    why_ = why;
    return std::nullopt;
  }

  Value throughViews(Value value) {
    while (Operation *op = value.getDefiningOp()) {
      Value next;
      if (auto cast = dyn_cast<CastOp>(op); cast && isFloat(cast.getX()) && isFloat(cast.getY())) next = cast.getX();
      if (isBatchReshape(op)) next = op->getOperand(0);
      if (auto select = dyn_cast<SelectOp>(op); select && !found_.rowSelect && (next = selectedWeights(select))) found_.rowSelect = select;
      if (!next) break;
      found_.views.insert(found_.views.begin(), op);
      value = next;
    }
    return value;
  }

  static bool isOverKeys(ReduceOp reduce, ReduceKind kind) {
    return reduce && reduce.getKind() == kind && isFloat(reduce.getX()) && reduce.getAxes() == ArrayRef<int64_t>{cast<RankedTensorType>(reduce.getX().getType()).getRank() - 1};
  }
  bool findSoftmax(Value weights) {
    auto div = weights.getDefiningOp<DivOp>();
    auto exp = div ? div.getA().getDefiningOp<ExpOp>() : ExpOp();
    found_.sum = div ? div.getB().getDefiningOp<ReduceOp>() : ReduceOp();
    if (!exp || !isOverKeys(found_.sum, ReduceKind::sum) || found_.sum.getX() != exp.getY()) return false;
    auto sub = exp.getX().getDefiningOp<SubOp>();
    found_.max = sub ? sub.getB().getDefiningOp<ReduceOp>() : ReduceOp();
    if (!isOverKeys(found_.max, ReduceKind::max) || found_.max.getX() != sub.getA()) return false;
    found_.logits = sub.getA();
    found_.shifted = sub, found_.exps = exp, found_.weights = div;
    return sizesOf(found_.logits.getType()).size() >= 2;
  }

  /// Whether the product is reached from `value` by operators that keep rows of keys; those on the way are collected.
  bool reaches(Value value) {
    auto [entry, isNew] = reached_.try_emplace(value, false);
    if (!isNew) return entry->second;
    Operation *op = value.getDefiningOp();
    if (!op) return false;
    bool found = false;
    if (auto product = dyn_cast<MatmulOp>(op)) {
      if ((found_.scores && found_.scores != product) || !mayBeScores_(product)) return false;
      found_.scores = product;
      found = true;
    } else if (isBatchReshape(op)) {
      found = reaches(op->getOperand(0));
    } else if (op->hasTrait<Elementwise>()) {
      for (Value operand : op->getOperands())
        if (sizesOf(operand.getType()) == sizesOf(value.getType())) found |= reaches(operand);
    }
    if (found) ofScores_.insert(op);
    return reached_[value] = found;
  }

  SoftmaxAttention found_;
  function_ref<bool(MatmulOp)> mayBeScores_;
  std::string &why_;
  llvm::SetVector<Operation *> ofScores_;
  llvm::DenseMap<Value, bool> reached_;
};

}  // namespace

SmallVector<Operation *> SoftmaxAttention::operators() const {
  SmallVector<Operation *> all = {scores, max, shifted, exps, sum, weights, context};
  llvm::append_range(all, ofScores);
  llvm::append_range(all, views);
  llvm::sort(all, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return all;
}

std::optional<SoftmaxAttention> softmaxAttention(MatmulOp context, function_ref<bool(MatmulOp)> mayBeScores, std::string &why) {
  return Matcher(context, mayBeScores, why).run();
}

}  // namespace jinx::passes
