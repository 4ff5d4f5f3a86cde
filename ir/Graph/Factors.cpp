// Finds an operator's factor rule among the families' tables, writes rules, and prints them.
#include "ir/Graph/FactorRules.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace jinx::graph {

namespace {

/// Operators without a rule, and why.
constexpr std::pair<StringLiteral, StringLiteral> kWithoutRule[] = {
    {"jinx.none", "stands for an omitted operand and is no tensor"},
    {"jinx.host_call", "runs an ONNX operator that only the runtime knows: all of everything, on every device"},
    {"jinx.if", "runs blocks: what is in them has rules"},
    {"jinx.loop", "runs blocks: what is in them has rules"},
    {"jinx.scan", "runs blocks: what is in them has rules"},
    {"jinx.sequence_map", "runs blocks, on sequences, which live on the host"},
    {"jinx.yield", "ends a block: its values are the results of the operator around it"},
    {"jinx.group", "is made of operators after they are split"},
    {"jinx.launch", "is made of a group after operators are split"},
};

const FactorRow *find(StringRef name) {
  for (ArrayRef<FactorRow> family : {elementwiseFactors(), shapeFactors(), reshapeFactors(), reductionFactors(), indexFactors(), contractionFactors(),
                                     windowFactors(), packedFactors(), quantFactors(), sequenceFactors()})
    for (const FactorRow &row : family)
      if (row.name == name) return &row;
  return nullptr;
}

}  // namespace

std::optional<FactorRule> factorRule(Operation *op) {
  const FactorRow *row = find(op->getName().getStringRef());
  return row ? std::optional(row->rule(op)) : std::nullopt;
}

StringRef whyNoFactorRule(StringRef name) {
  for (auto [without, reason] : kWithoutRule)
    if (without == name) return reason;
  return "";
}

// ---- writing --------------------------------------------------------------------------------------------------------------------

int64_t RuleWriter::add(Factor factor) {
  rule_.factors.push_back(std::move(factor));
  return int64_t(rule_.factors.size()) - 1;
}

Dims RuleWriter::each(StringRef prefix, ArrayRef<SizeExpr> sizes) {
  Dims dims;
  for (auto [d, size] : llvm::enumerate(sizes)) dims.push_back({free(prefix + Twine(d), size)});
  return dims;
}

void RuleWriter::value(SmallVectorImpl<FactoredValue> &values, StringRef name, Value v, Dims dims) {
  if (!v) return;
  Sizes sizes = sizesOf(v.getType());
  assert(dims.size() == sizes.size() && "a factor rule has a list of factors for each dimension");
  for (auto [loops, size] : llvm::zip_equal(dims, sizes)) {
    if (size.isConstant(1)) loops.clear();
    llvm::erase_if(loops, [&](int64_t f) { return rule_.factors[f].size.isConstant(1); });
  }
  values.push_back({name.str(), std::move(dims)});
}

void RuleWriter::partial(ArrayRef<StringRef> operands, ArrayRef<ReduceKind> by) {
  PartialRule partial;
  for (auto [i, operand] : llvm::enumerate(rule_.operands))
    if (llvm::is_contained(operands, operand.name)) partial.operands.push_back(int64_t(i));
  if (partial.operands.size() != operands.size()) return;
  partial.reductions.append(by.begin(), by.end());
  rule_.partials.push_back(std::move(partial));
}

FactorRule RuleWriter::take() {
  assert(rule_.operands.size() == op_->getNumOperands() && rule_.results.size() == op_->getNumResults() && "a factor rule has every operand and result");
  SmallVector<int64_t> renumbered(rule_.factors.size(), -1);
  auto values = llvm::concat<FactoredValue>(rule_.operands, rule_.results);
  for (FactoredValue &v : values)
    for (Loops &loops : v.dims)
      for (int64_t f : loops) renumbered[f] = 0;
  SmallVector<Factor, 4> kept;
  for (auto [f, factor] : llvm::enumerate(rule_.factors)) {
    if (renumbered[f] < 0) continue;
    renumbered[f] = int64_t(kept.size());
    kept.push_back(std::move(factor));
  }
  rule_.factors = std::move(kept);
  for (FactoredValue &v : values)
    for (Loops &loops : v.dims)
      for (int64_t &f : loops) f = renumbered[f];
  return std::move(rule_);
}

Pieces piecesOf(RuleWriter &rule, StringRef name, const SizeExpr &size, int64_t piece, FactorKind kind) {
  const int64_t inside = rule.whole(name + "r", piece);
  if (auto count = size.exactDivide(piece)) {
    const int64_t factor = kind == FactorKind::kReduced ? rule.reduced(name, *count) : rule.free(name, *count);
    return {{factor, inside}, {factor}, {inside}};
  }
  return {{rule.whole(name + "x", size)}, {rule.whole(name + "p", ceilDiv(size, piece))}, {inside}};
}

// ---- printing -------------------------------------------------------------------------------------------------------------------

namespace {

/// " a[m, k*i, 1]": a dimension without factors is 1.
std::string textOf(const FactorRule &rule, const FactoredValue &value) {
  std::string text = " " + value.name + "[";
  for (auto [d, loops] : llvm::enumerate(value.dims)) {
    text += d ? ", " : "";
    if (loops.empty()) text += "1";
    for (auto [i, f] : llvm::enumerate(loops)) text += (i ? "*" : "") + rule.factors[f].name;
  }
  return text + "]";
}

/// "; k sums; gathered: v; whole: d, e": what is not free.
std::string kindsOf(const FactorRule &rule) {
  constexpr StringLiteral kVerbs[] = {" sums", " takes the maximum", " takes the minimum", " multiplies"};  // by ReduceKind
  std::string reduced, gathered, whole;
  for (const Factor &factor : rule.factors) {
    if (factor.kind == FactorKind::kReduced) reduced += "; " + factor.name + kVerbs[int(factor.reduction)].str();
    if (factor.kind == FactorKind::kGathered) gathered += (gathered.empty() ? "; gathered: " : ", ") + factor.name;
    if (factor.kind == FactorKind::kWhole) whole += (whole.empty() ? "; whole: " : ", ") + factor.name;
  }
  return reduced + gathered + whole;
}

/// "a+b (sum)".
std::string textOf(const FactorRule &rule, const PartialRule &partial) {
  std::string text;
  for (int64_t i : partial.operands) text += (text.empty() ? "" : "+") + rule.operands[i].name;
  if (partial.reductions.size() == std::size(kAny)) return text + " (any)";
  text += " (";
  for (auto [i, reduction] : llvm::enumerate(partial.reductions)) text += (i ? " or " : "") + stringifyReduceKind(reduction).str();
  return text + ")";
}

}  // namespace

std::string describe(const FactorRule &rule, bool sizes) {
  std::string text;
  for (const FactoredValue &v : rule.operands) text += textOf(rule, v);
  text += " ->";
  for (const FactoredValue &v : rule.results) text += textOf(rule, v);
  text += kindsOf(rule);
  for (auto [i, partial] : llvm::enumerate(rule.partials)) text += (i ? ", " : "; partial: ") + textOf(rule, partial);
  if (sizes) {
    text += "; sizes:";
    for (const Factor &factor : rule.factors) text += " " + factor.name + "=" + (factor.size.constant() ? factor.size.str() : "(" + factor.size.str() + ")");
  }
  return StringRef(text).ltrim().str();
}

}  // namespace jinx::graph
