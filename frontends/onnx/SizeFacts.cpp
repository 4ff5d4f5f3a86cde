#include "frontends/onnx/SizeFacts.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

/// `symbol <= bound` as the equation symbol = min(bound, symbol).
std::optional<int64_t> upperBound(const SizeExpr &symbol, const SizeExpr &other) {
  if (!symbol.isSymbol()) return std::nullopt;
  StringRef text = other.str();
  if (!text.consume_front("min(") || !text.consume_back(")")) return std::nullopt;
  auto [left, right] = text.split(", ");
  int64_t bound;
  if (right == symbol.str() && !left.getAsInteger(10, bound)) return bound;
  if (left == symbol.str() && !right.getAsInteger(10, bound)) return bound;
  return std::nullopt;
}

} // namespace

std::optional<SizeExpr> SizeFacts::unify(const SizeExpr &a, const SizeExpr &b, bool strict, Location where) {
  if (a.isInvalid() || b.isInvalid()) return std::nullopt;
  if (a == b) return a;
  for (const SizeExpr &zero : zeros_)
    if (!zero.isConstant(0) && (a - b).exactDivide(zero)) return a; // a - b is a multiple of what is 0 here
  if (graph::surelyEqual(a, b) == false) return std::nullopt;
  if (!strict && (a.symbols().empty() || a.symbols() != b.symbols())) return std::nullopt;
  if (region_ && symbols_.visibleBefore(a, *region_) && symbols_.visibleBefore(b, *region_)) return std::nullopt;
  std::string node;
  if (auto named = dyn_cast<NameLoc>(where)) node = named.getName().str();
  facts_.push_back({a, b, node});
  auto badness = [](const SizeExpr &e) { return e.constant() ? size_t(0) : e.isSymbol() ? size_t(1) : 1 + e.str().size(); };
  return badness(b) < badness(a) ? b : a;
}

ArrayAttr SizeFacts::finish(MLIRContext *context, const std::set<std::string> &live) {
  Builder builder(context);
  SmallVector<Attribute> checks;
  std::set<std::pair<std::string, std::string>> seen;
  for (const Fact &fact : facts_) {
    auto isDead = [&](const std::string &name) { return symbols_.isDefinedByStep(name) && !live.count(name); };
    std::vector<std::string> names = fact.a.symbols();
    llvm::append_range(names, fact.b.symbols());
    if (llvm::any_of(names, isDead)) continue; // the operators that needed it are gone
    auto bound = upperBound(fact.a, fact.b);
    if (!bound) bound = upperBound(fact.b, fact.a);
    if (bound && symbols_.limit(fact.a.isSymbol() ? fact.a.str() : fact.b.str(), *bound)) continue;
    if (!seen.insert({fact.a.str(), fact.b.str()}).second) continue;
    checks.push_back(builder.getDictionaryAttr({builder.getNamedAttr("lhs", builder.getStringAttr(fact.a.str())),
                                                builder.getNamedAttr("rhs", builder.getStringAttr(fact.b.str())),
                                                builder.getNamedAttr("node", builder.getStringAttr(fact.node))}));
  }
  return builder.getArrayAttr(checks);
}

} // namespace jinx::frontends
