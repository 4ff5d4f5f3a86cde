// Which values say that the tokens of a model are split?
//
// An axis that splits the rows of all scores splits tokens everywhere: propagation brings it back to what queries are made of, and from there to keys, norms and feed-forward parts. So each
// attention gets one wish, at its scores or, where they have no name, at the first value with a name on the way back to what its queries are made of:
//
//   /layer.0/MatMul_1   [batch, heads, queries, keys]      ["?", "?", "cp", ""]        keys stay whole: the axis is for rows
//   blk.0.attn_q        [batch, heads, queries, depth]     ["?", "?", "cp", "?"]
#include "passes/Dist/BuiltInRules.h"
#include "passes/Dist/SoftmaxAttention.h"
#include "passes/Dist/ValueNames.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

namespace {

class ContextRules {
 public:
  ContextRules(func::FuncOp main, int64_t cp, std::vector<RuleNote> &notes) : main_(main), values_(namedValues(main)), cp_(cp), notes_(notes) {}

  std::vector<ShardRule> run() {
    for (auto context : main_.getBody().front().getOps<MatmulOp>()) {
      std::string why;
      if (auto attention = softmaxAttention(context, [](MatmulOp) { return true; }, why)) visit(*attention);
    }
    return std::move(rules_);
  }

 private:
  struct Place {
    Value value;
    int64_t dim;
  };

  void visit(SoftmaxAttention &attention) {
    const std::string node = nodeName(attention.context->getLoc()).str();
    Value scores = attention.scores.getY();
    const SizeExpr tokens = sizesOf(scores.getType()).rbegin()[1];
    if (tokens.constant().value_or(cp_) < cp_)
      return notes_.push_back({node, "its tokens stay whole: there are " + tokens.str() + " for the " + std::to_string(cp_) + " ranks of cp"});
    std::optional<Place> place = Place{scores, cast<RankedTensorType>(scores.getType()).getRank() - 2};
    const NamedValue *name = nameOf(scores);
    while (!name && (place = behind(*place))) name = nameOf(place->value);
    if (!name) return notes_.push_back({node, "its tokens stay whole: neither its scores nor what its queries are made of has a name"});
    std::vector<DimRule> dims(size_t(name->type.getRank()), DimRule{{}, /*isOpen=*/true});
    dims[size_t(place->dim)] = {{"cp"}};
    if (name->value == scores) dims.back() = {};
    rules_.push_back({name->name, std::move(dims), 0});
    notes_.push_back({node, "its tokens by cp, as the rows of " + name->name, /*isSplit=*/true});
  }

  /// The operand, and its dimension, that a dimension is the same as.
  static std::optional<Place> behind(const Place &place) {
    Operation *op = place.value.getDefiningOp();
    if (auto product = dyn_cast_or_null<MatmulOp>(op)) {
      const int64_t dim = place.dim - cast<RankedTensorType>(product.getY().getType()).getRank() + cast<RankedTensorType>(product.getA().getType()).getRank();
      return dim < 0 ? std::nullopt : std::optional(Place{product.getA(), dim});
    }
    if (auto transpose = dyn_cast_or_null<TransposeOp>(op)) return Place{transpose.getX(), transpose.getPerm()[place.dim]};
    const Sizes sizes = op ? sizesOf(place.value.getType()) : Sizes();
    if (auto reshape = dyn_cast_or_null<ReshapeOp>(op)) {
      const Sizes from = sizesOf(reshape.getX().getType());
      for (size_t d = 0; d < from.size(); ++d)
        if (from[d] == sizes[place.dim] && volume(ArrayRef(from).take_front(d)) == volume(ArrayRef(sizes).take_front(place.dim))) return Place{reshape.getX(), int64_t(d)};
      return std::nullopt;
    }
    if (!op || !op->hasTrait<graph::Elementwise>()) return std::nullopt;
    auto same = llvm::find_if(op->getOperands(), [&](Value operand) { return sizesOf(operand.getType()) == sizes; });
    return same == op->operand_end() ? std::nullopt : std::optional(Place{*same, place.dim});
  }

  const NamedValue *nameOf(Value value) {
    auto found = llvm::find_if(values_, [&](const NamedValue &candidate) { return candidate.value == value; });
    return found == values_.end() ? nullptr : &*found;
  }

  func::FuncOp main_;
  std::vector<NamedValue> values_;
  int64_t cp_;
  std::vector<RuleNote> &notes_;
  std::vector<ShardRule> rules_;
};

}  // namespace

std::vector<ShardRule> contextRules(ModuleOp module, int64_t cp, std::vector<RuleNote> &notes) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (cp <= 1 || !main || main.isExternal()) return {};
  return ContextRules(main, cp, notes).run();
}

}  // namespace jinx::passes
