#include "passes/Dist/BuiltInRules.h"

#include <map>

#include "ir/Graph/Graph.h"
#include "passes/Dist/ValueNames.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

namespace {

/// What lies below `node`: the first operator of a kind.
template <typename Op>
Op firstOf(func::FuncOp function, StringRef node) {
  for (Op op : function.getBody().front().getOps<Op>())
    if (nodeName(op.getLoc()) == node) return op;
  return {};
}

class LanguageRules {
 public:
  LanguageRules(func::FuncOp main, const std::vector<MeshAxis> &mesh, bool isSequenceParallel, std::vector<RuleNote> &notes)
      : main_(main), values_(namedValues(main)), mesh_(mesh), tp_(ranksAlong(mesh, "tp")), isSequenceParallel_(isSequenceParallel), notes_(notes) {}

  std::vector<ShardRule> run() {
    if (tp_ > 1) {
      attention();
      feedForward();
      vocabulary();
      if (isSequenceParallel_) sequence();
    }
    experts();
    return std::move(rules_);
  }

 private:
  const NamedValue *first(StringRef pattern) {
    for (const NamedValue &value : values_)
      if (matchesGlob(pattern, value.name)) return &value;
    return nullptr;
  }
  void split(StringRef pattern, std::vector<DimRule> dims) {
    if (first(pattern)) rules_.push_back({pattern.str(), std::move(dims), 0});
  }
  void keep(StringRef node, const std::string &why) { notes_.push_back({node.str(), why}); }
  /// Whether `ranks` divide the extent of a dimension; a note where they do not.
  bool divides(StringRef node, const std::string &what, SizeExpr size, int64_t ranks, const std::string &axis) {
    if (size.exactDivide(ranks)) return true;
    keep(node, what + " stay whole: " + size.str() + " of them cannot be shared out equally to the " + std::to_string(ranks) + " ranks of " + axis);
    return false;
  }

  void attention() {
    const NamedValue *q = first("blk.*.attn_q"), *k = first("blk.*.attn_k");
    // [tokens, heads, depth], or [sequences, heads, tokens, depth] in an encoder.
    if (!q || !k || q->type.getRank() < 3 || k->type.getRank() != q->type.getRank())
      return keep("blk.*.attn", "attention stays whole: it has no heads that are known");
    if (!divides("blk.*.attn", "heads of queries", sizesOf(q->type)[1], tp_, "tp") || !divides("blk.*.attn", "heads of keys", sizesOf(k->type)[1], tp_, "tp"))
      return;
    const DimRule whole, byTp{{"tp"}};
    std::vector<DimRule> heads(size_t(q->type.getRank()), whole);
    heads[1] = byTp;
    for (const char *part : {"attn_q", "attn_k", "attn_v"})
      split(std::string("blk.*.") + part, heads);
    for (const char *pool : {"keys.*", "values.*"})
      split(pool, {whole, byTp, whole, whole});
    for (const char *scales : {"key_scales.*", "value_scales.*"})
      split(scales, {whole, byTp, whole});
  }

  static std::vector<DimRule> lastOf(int64_t rank, const DimRule &dim) {
    const auto count = size_t(rank);
    std::vector<DimRule> dims(count);
    dims.back() = dim;
    return dims;
  }
  void columns(const std::string &node, const DimRule &dim, int64_t ranks, const std::string &axis) {
    const NamedValue *value = first("blk.*." + node);
    if (value && divides("blk.*." + node, "columns", sizesOf(value->type).back(), ranks, axis)) split("blk.*." + node, lastOf(value->type.getRank(), dim));
  }
  void feedForward() {
    for (const char *node : {"ffn_gate", "ffn_up", "ffn_gate_shexp", "ffn_up_shexp"})
      columns(node, {{"tp"}}, tp_, "tp");
  }

  /// Experts by ep, one from another; each inside by tp, as a feed-forward part is. Where ep does not divide them the last ranks have fewer.
  void experts() {
    const int64_t ep = ranksAlong(mesh_, "ep");
    if (ep == 1 && tp_ == 1) return;
    bool isFirst = true;
    for (auto op : main_.getBody().front().getOps<ExpertsOp>()) {
      const Sizes gate = sizesOf(op.getGate().getType());
      const StringRef node = isFirst ? nodeName(op.getLoc()) : StringRef();  // others are as the first: one note
      isFirst = false;
      DimRule count, columns;
      if (ep > 1 && gate[0].constant().value_or(ep) >= ep) count.axes = {"ep"};
      else if (ep > 1 && !node.empty()) keep(node, "experts stay whole: there are " + gate[0].str() + " for the " + std::to_string(ep) + " ranks of ep");
      if (tp_ > 1 && gate[1].exactDivide(tp_)) columns.axes = {"tp"};
      else if (tp_ > 1 && !node.empty()) divides(node, "columns of experts", gate[1], tp_, "tp");
      if (count.axes.empty() && columns.axes.empty()) continue;
      for (Value matrices : {op.getGate(), op.getUp()}) matricesOf(node, matrices, {count, columns, {}});
      matricesOf(node, op.getDown(), {count, {}, columns});
    }
  }
  void matricesOf(StringRef node, Value matrices, std::vector<DimRule> dims) {
    auto named = llvm::find_if(values_, [&](const NamedValue &value) { return value.value == matrices; });
    if (named != values_.end()) rules_.push_back(ruleFor(*named, std::move(dims)));
    else if (!node.empty()) keep(node, "matrices of experts stay whole: they have no name");
  }

  /// A table is split where it is used: its name is the file's.
  void vocabularyOf(StringRef node, Value table, int64_t dim) {
    auto named = llvm::find_if(values_, [&](const NamedValue &value) { return value.value == table; });
    if (named == values_.end()) return keep(node, "its table stays whole: it has no name");
    // Parts of a sum of codes are no codes.
    if (!isa<FloatType>(named->type.getElementType())) return keep(node, "its table stays whole: rows of codes are read by data");
    if (!divides(node, "rows of " + named->name, sizesOf(named->type)[dim], tp_, "tp")) return;
    std::vector<DimRule> dims(named->type.getRank());
    dims[dim].axes = {"tp"};
    rules_.push_back(ruleFor(*named, std::move(dims)));
  }
  void vocabulary() {
    if (auto gather = firstOf<GatherOp>(main_, "token_embd")) vocabularyOf("token_embd", gather.getX(), 0);
    if (auto product = firstOf<MatmulOp>(main_, "logits")) vocabularyOf("logits", product.getB(), product.getTransposeB() ? 0 : 1);
  }

  void sequence() {
    for (const char *node : {"blk.*.attn_add", "blk.*.ffn_add"})
      split(node, {{{"tp"}}, {}});
  }

  func::FuncOp main_;
  std::vector<NamedValue> values_;
  const std::vector<MeshAxis> &mesh_;
  int64_t tp_;
  bool isSequenceParallel_;
  std::vector<RuleNote> &notes_;
  std::vector<ShardRule> rules_;
};

}  // namespace

std::vector<ShardRule> languageRules(ModuleOp module, const std::vector<MeshAxis> &mesh, bool isSequenceParallel, std::vector<RuleNote> &notes) {
  return LanguageRules(module.lookupSymbol<func::FuncOp>("main"), mesh, isSequenceParallel, notes).run();
}

/// The batch is the first dimension of the first input that has one, and of all inputs and outputs whose first dimension is as long.
static Status batchRules(ModuleOp module, std::vector<ShardRule> &rules) {
  std::optional<SizeExpr> batch;
  for (const NamedValue &value : namedValues(module.lookupSymbol<func::FuncOp>("main"))) {
    if ((value.value && !isa<BlockArgument>(value.value)) || value.type.getRank() == 0) continue;
    const SizeExpr first = sizesOf(value.type)[0];
    if (!batch && value.value && !first.isConstant(1)) batch = first;
    if (!batch || !(first == *batch)) continue;
    std::vector<DimRule> dims(size_t(value.type.getRank()));
    dims[0].axes = {std::string(kMicrobatchAxis)};
    rules.push_back(ruleFor(value, std::move(dims)));
  }
  if (batch) return Status::ok();
  return invalidArgument("axis \"micro\" cuts the batch, the first dimension of the first input, and no input has a first dimension that is not 1; write a file of rules");
}

static std::string linesOf(const std::vector<RuleNote> &notes) {
  std::string lines;
  for (const RuleNote &note : notes) lines += "\n  " + note.node + ": " + note.text;
  return lines;
}

Expected<ShardRules> builtInRules(ModuleOp module, const std::vector<MeshAxis> &mesh, bool isSequenceParallel, std::vector<RuleNote> &notes) {
  JINX_TRY(checkMesh(mesh));
  for (const MeshAxis &axis : mesh)
    if (axis.name != "tp" && axis.name != "dp" && axis.name != "ep" && axis.name != "cp" && axis.name != kStageAxis && axis.name != kMicrobatchAxis)
      return invalidArgument("there are no built-in rules for axis \"" + axis.name + "\", expected tp, ep, cp, dp, pp or micro; other axes need a file of rules");
  auto metadata = module->getAttrOfType<DictionaryAttr>("jinx.metadata");
  const bool isLanguageModel = metadata && metadata.contains("llm.context_length");
  if (!isLanguageModel && (ranksAlong(mesh, "ep") > 1 || isSequenceParallel))
    return invalidArgument(std::string(isSequenceParallel ? "sp" : "axis \"ep\"") + " is about language models, got another model; write a file of rules");
  if (isLanguageModel && ranksAlong(mesh, kMicrobatchAxis) > 1)
    return invalidArgument("axis \"micro\": a step of a language model goes through its stages whole, expected a mesh without it");
  ShardRules rules{mesh, isLanguageModel ? languageRules(module, mesh, isSequenceParallel, notes) : pairedProducts(module, ranksAlong(mesh, "tp"), notes), {}};
  if (rules.rules.empty() && ranksAlong(mesh, "tp") * ranksAlong(mesh, "ep") > 1) {
    return invalidArgument("the built-in rules find nothing to split by " + describe(mesh) + "; write a file of rules" + linesOf(notes));
  }
  if (const int64_t cp = ranksAlong(mesh, "cp"); cp > 1) {
    std::vector<ShardRule> ofTokens = contextRules(module, cp, notes);
    if (ofTokens.empty())
      return invalidArgument("axis \"cp\" splits the tokens of attention that a model computes over all of its keys, and none was found that it can split; language models keep keys in pages, other models need a file of rules" + linesOf(notes));
    rules.rules.insert(rules.rules.end(), ofTokens.begin(), ofTokens.end());
  }
  if (ranksAlong(mesh, kMicrobatchAxis) > 1) {
    JINX_TRY(batchRules(module, rules.rules));
  }
  return rules;
}

}  // namespace jinx::passes
