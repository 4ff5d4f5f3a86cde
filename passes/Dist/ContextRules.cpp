// Which values say that the tokens of a model are split?
//
// An axis that splits the rows of all scores, and keys and values, splits tokens everywhere: propagation brings it back to what they are made of, and on to norms and feed-forward parts. Each
// attention gets three wishes, at the first values with names on the way back from its products:
//
//   /layer.0/MatMul_1   scores  [batch, heads, queries, keys]      ["?", "?", "cp", ""]        keys stay whole: the axis is for rows
//   /layer.0/k/Heads    keys    [batch, heads, depth, keys]        ["?", "?", "?", "cp"]       without it, keys of an input that all ranks have whole would be computed on each
//   /layer.0/v/Heads    values  [batch, heads, keys, depth]        ["?", "?", "cp", "?"]
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
    MatmulOp scores = attention.scores, context = attention.context;
    const Place places[] = {{scores.getY(), rankOf(scores.getY()) - 2},
                            {scores.getB(), rankOf(scores.getB()) - (scores.getTransposeB() ? 2 : 1)},
                            {context.getB(), rankOf(context.getB()) - (context.getTransposeB() ? 1 : 2)}};
    std::vector<ShardRule> rules;
    for (const Place &place : places) {
      const SizeExpr tokens = sizesOf(place.value.getType())[place.dim];
      if (tokens.constant().value_or(cp_) < cp_)
        return notes_.push_back({node, "its tokens stay whole: there are " + tokens.str() + " for the " + std::to_string(cp_) + " ranks of cp"});
      auto rule = ruleAt(place);
      if (!rule) return notes_.push_back({node, "its tokens stay whole: what its products read has no name"});
      if (place.value == scores.getY() && nameOf(scores.getY())) rule->dims.back() = {};
      rules.push_back(*rule);
    }
    rules_.insert(rules_.end(), rules.begin(), rules.end());
    notes_.push_back({node, "its tokens by cp, as the rows of " + rules[0].values, /*isSplit=*/true});
  }
  static int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

  /// At the value, or the first one with a name behind it.
  std::optional<ShardRule> ruleAt(Place place) {
    const NamedValue *name = nameOf(place.value);
    for (std::optional<Place> next = place; !name && (next = behind(*next)); name = nameOf(place.value)) place = *next;
    if (!name) return std::nullopt;
    std::vector<DimRule> dims(size_t(name->type.getRank()), DimRule{{}, /*isOpen=*/true});
    dims[size_t(place.dim)] = {{"cp"}};
    return ruleFor(*name, std::move(dims));
  }

  /// The operand, and its dimension, that a dimension is the same as.
  static std::optional<Place> behind(const Place &place) {
    Operation *op = place.value.getDefiningOp();
    if (auto product = dyn_cast_or_null<MatmulOp>(op)) {
      const int64_t dim = place.dim - rankOf(product.getY()) + rankOf(product.getA());
      return dim < 0 || place.dim + 1 == rankOf(product.getY()) ? std::nullopt : std::optional(Place{product.getA(), dim});
    }
    if (auto transpose = dyn_cast_or_null<TransposeOp>(op)) return Place{transpose.getX(), transpose.getPerm()[place.dim]};
    if (auto broadcast = dyn_cast_or_null<BroadcastOp>(op)) {
      const int64_t dim = place.dim - rankOf(broadcast.getY()) + rankOf(broadcast.getX());
      if (dim < 0 || sizesOf(broadcast.getX().getType())[dim] != sizesOf(broadcast.getY().getType())[place.dim]) return std::nullopt;
      return Place{broadcast.getX(), dim};
    }
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
