// Which products of a transformer make pairs, the first by columns, the second by rows?
//
// A branch begins and ends at a residual add, y = x + f(x). Of the products with constant weights in f, those that read what no other of them made are the
// first; one that reads what they made is the last:
//
//   x -> q, k, v -> attention -> o -> + x        q, k, v by columns, o by rows
//   x -> up -> gelu -> down        -> + x        up by columns, down by rows
//
// Columns of the first must stay columns until the second: what works element by element keeps them, a reshape to heads does where tp divides the heads,
// anything else does not.
#include "ir/Graph/Graph.h"
#include "mlir/IR/Matchers.h"
#include "passes/Dist/BuiltInRules.h"
#include "passes/Dist/ValueNames.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

namespace {

/// The constant that a weight is made of, and whether its two dimensions were swapped on the way.
struct Weight {
  ConstantOp constant;
  bool isSwapped = false;
};

Weight weightOf(Value value) {
  Weight weight;
  while (Operation *op = value.getDefiningOp()) {
    if ((weight.constant = dyn_cast<ConstantOp>(op))) return weight;
    if (auto transpose = dyn_cast<TransposeOp>(op)) {
      if (transpose.getPerm().size() != 2) return {};
      weight.isSwapped ^= transpose.getPerm()[0] == 1;
    } else if (!isa<CastOp, DequantizeOp>(op)) {
      return {};
    }
    value = op->getOperand(0);
  }
  return {};
}

class Pairer {
 public:
  Pairer(func::FuncOp main, int64_t tp, std::vector<RuleNote> &notes) : body_(main.getBody().front()), values_(namedValues(main)), tp_(tp), notes_(notes) {}

  std::vector<ShardRule> run() {
    for (auto product : body_.getOps<MatmulOp>())
      if (isWeighted(product)) visit(product);
    return std::move(rules_);
  }

 private:
  static bool isWeighted(MatmulOp op) { return cast<RankedTensorType>(op.getB().getType()).getRank() == 2 && weightOf(op.getB()).constant; }

  void visit(MatmulOp last) {
    SmallVector<MatmulOp> firsts = sourcesOf(last);
    if (firsts.empty()) return;
    for (MatmulOp first : firsts) {
      if (paired_.contains(first)) return;
      if (std::string why = whyNot(first, last); !why.empty()) {
        notes_.push_back({nodeName(first->getLoc()).str(), why});
        return;
      }
    }
    for (MatmulOp first : firsts) {
      split(first, /*byColumns=*/true);
      notes_.push_back({nodeName(first->getLoc()).str(), "by columns, for the rows of " + nodeName(last->getLoc()).str(), /*isSplit=*/true});
    }
    split(last, /*byColumns=*/false);
    paired_.insert(last);
  }

  /// Weighted products whose results reach `last`, with no other of them and no residual add between.
  SmallVector<MatmulOp> sourcesOf(MatmulOp last) {
    SmallVector<MatmulOp> sources;
    llvm::SmallPtrSet<Operation *, 32> seen;
    SmallVector<Value> open = {last.getA()};
    while (!open.empty()) {
      Operation *op = open.pop_back_val().getDefiningOp();
      if (!op || !seen.insert(op).second || isResidual(op)) continue;
      if (auto product = dyn_cast<MatmulOp>(op); product && isWeighted(product))
        sources.push_back(product);
      else
        llvm::append_range(open, op->getOperands());
    }
    llvm::sort(sources, [](MatmulOp a, MatmulOp b) { return a->isBeforeInBlock(b); });
    return sources;
  }

  /// y = x + f(x).
  bool isResidual(Operation *op) {
    if (!isa<AddOp>(op)) return false;
    auto [entry, isNew] = residual_.try_emplace(op, false);
    Value a = op->getOperand(0), b = op->getOperand(1);
    if (isNew && a.getType() == op->getResult(0).getType() && b.getType() == a.getType()) {
      bool is = reaches(a, b) || reaches(b, a);
      residual_[op] = is;
      return is;
    }
    return residual_[op];
  }
  /// `to` is made of `from`.
  bool reaches(Value from, Value to) {
    Operation *first = from.getDefiningOp();
    llvm::SmallPtrSet<Operation *, 32> seen;
    SmallVector<Value> open = {to};
    while (!open.empty()) {
      Value value = open.pop_back_val();
      if (value == from) return true;
      Operation *op = value.getDefiningOp();
      if (!op || (first && op->isBeforeInBlock(first)) || !seen.insert(op).second) continue;
      llvm::append_range(open, op->getOperands());
    }
    return false;
  }

  /// Why the columns of `first` cannot stay apart until `last`; empty where they can.
  std::string whyNot(MatmulOp first, MatmulOp last) {
    SizeExpr columns = sizesOf(first.getY().getType()).back();
    if (!columns.exactDivide(tp_)) return "its " + columns.str() + " columns cannot be shared out equally to " + std::to_string(tp_) + " ranks";
    if (!nameOf(first.getB()) && !named(first.getY())) return "neither its weight nor its result has a name of its own";
    llvm::SmallPtrSet<Operation *, 16> seen;
    SmallVector<Value> open = {first.getY()};
    while (!open.empty()) {
      Value value = open.pop_back_val();
      for (OpOperand &use : value.getUses()) {
        if (!seen.insert(use.getOwner()).second) continue;
        std::string why = passColumns(use, last, open);
        if (!why.empty()) return why;
      }
    }
    return "";
  }
  /// One use of columns that are split: results in which they still are the last dimension go to `open`.
  std::string passColumns(OpOperand &use, MatmulOp last, SmallVector<Value> &open) {
    Operation *user = use.getOwner();
    const std::string node = nodeName(user->getLoc()).str();
    if (isResidual(user)) return "its columns are added to what is whole in " + node;
    if (auto reshape = dyn_cast<ReshapeOp>(user)) return passReshape(reshape, node, open);
    if (auto transpose = dyn_cast<TransposeOp>(user)) {
      if (transpose.getPerm().back() == int64_t(transpose.getPerm().size()) - 1) open.push_back(transpose.getY());
      return "";
    }
    if (auto product = dyn_cast<MatmulOp>(user)) {
      if (product == last || !isWeighted(product)) return "";
      return "its columns go to several products, of which one is " + node;
    }
    if (!user->hasTrait<graph::Elementwise>() && !isa<CastOp, QuantizeOp, DequantizeOp>(user)) return "its columns are not kept apart by " + node;
    llvm::append_range(open, user->getResults());
    return "";
  }
  std::string passReshape(ReshapeOp op, const std::string &node, SmallVector<Value> &open) {
    SizeExpr columns = sizesOf(op.getX().getType()).back(), inner = 1;
    Sizes sizes = sizesOf(op.getY().getType());
    for (int64_t d = int64_t(sizes.size()) - 1; d >= 0; --d) {
      inner = inner * sizes[d];
      if (!(inner == columns)) continue;
      if (!sizes[d].exactDivide(tp_))
        return "its " + sizes[d].str() + " heads in " + node + " cannot be shared out equally to " + std::to_string(tp_) + " ranks";
      if (d + 1 == int64_t(sizes.size())) open.push_back(op.getY());
      return "";
    }
    return "its columns are not kept apart by " + node;
  }

  const NamedValue *named(Value value) {
    auto found = llvm::find_if(values_, [&](const NamedValue &candidate) { return candidate.value == value; });
    return found == values_.end() ? nullptr : &*found;
  }
  /// Of the weight as the product reads it, or of its constant.
  const NamedValue *nameOf(Value weight) {
    const NamedValue *name = named(weight);
    return name ? name : named(weightOf(weight).constant.getY());
  }
  /// Weights that have no name, those that `jinx quantize` made, take their parts from the columns of the first product's result.
  void split(MatmulOp op, bool byColumns) {
    const NamedValue *name = nameOf(op.getB());
    if (!name && byColumns) splitResult(*named(op.getY()));
    if (!name) return;
    bool isSwapped = op.getTransposeB() ^ (name->value != op.getB() && weightOf(op.getB()).isSwapped);
    std::vector<DimRule> dims(2);
    dims[byColumns != isSwapped ? 1 : 0].axes = {"tp"};
    rules_.push_back(ruleFor(*name, std::move(dims)));
  }

  void splitResult(const NamedValue &result) {
    std::vector<DimRule> dims(size_t(result.type.getRank()));
    dims.back().axes = {"tp"};
    for (DimRule &dim : llvm::MutableArrayRef<DimRule>(dims).drop_back()) dim.isOpen = true;
    rules_.push_back(ruleFor(result, std::move(dims)));
  }

  Block &body_;
  std::vector<NamedValue> values_;
  int64_t tp_;
  std::vector<RuleNote> &notes_;
  llvm::SmallPtrSet<Operation *, 32> paired_;  ///< by rows
  llvm::DenseMap<Operation *, bool> residual_;
  std::vector<ShardRule> rules_;
};

}  // namespace

std::vector<ShardRule> pairedProducts(ModuleOp module, int64_t tp, std::vector<RuleNote> &notes) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (tp <= 1 || !main || main.isExternal()) return {};
  return Pairer(main, tp, notes).run();
}

}  // namespace jinx::passes
