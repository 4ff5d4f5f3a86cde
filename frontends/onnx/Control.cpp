// Control flow: If, Loop, Scan, SequenceMap.
//
// Bodies are imported first, in a region of their own; the operator's result types follow from what they yield. A size that only
// the body knows (a symbol made inside) becomes a fresh symbol outside: the operator defines it when it has run.
//
// A Loop's carried value has one type over all iterations. The body is imported on the assumption that values keep the types
// that they enter with; where it yields another, the type is widened (a differing extent becomes a symbol bound at every entry, a
// differing rank an unranked tensor), and the body is imported again.
#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

/// A type that holds values of both types. Extents that differ, or speak of symbols from `mark` on, become fresh symbols.
/// Null when there is none.
Type widen(Importer &importer, Type a, Type b, size_t mark) {
  auto x = dyn_cast<TensorType>(a), y = dyn_cast<TensorType>(b);
  if (!x || !y) return a == b ? a : Type();
  if (x.getElementType() != y.getElementType()) return {};
  auto unranked = UnrankedTensorType::get(x.getElementType());
  if (!x.hasRank() || !y.hasRank() || x.getRank() != y.getRank()) return unranked;
  Sizes left = sizesOf(x), right = sizesOf(y);
  for (auto [l, r] : llvm::zip(left, right))
    if (!(l == r) || !importer.symbols.visibleBefore(l, mark)) l = importer.symbols.fresh();
  return tensorOf(left, x.getElementType());
}

Type unrankedLike(Type type) {
  auto tensor = dyn_cast<TensorType>(type);
  return tensor ? UnrankedTensorType::get(tensor.getElementType()) : type;
}

std::optional<bool> constantCondition(Value condition) {
  auto values = condition && GraphBuilder::isRanked(condition) ? inferConstantIntegers(condition) : std::nullopt;
  return values && values->size() == 1 ? std::optional((*values)[0] != 0) : std::nullopt;
}

bool giveResults(Node &n, Operation *op) {
  for (size_t i = 0; i < n.numOutputs() && i < op->getNumResults(); ++i) n.set(i, op->getResult(i));
  return true;
}

// ---- If ---------------------------------------------------------------------------------------------------------------------

/// The two formulas that are equal when the condition is `taken`: exporters squeeze a dimension if it is 1.
std::optional<std::pair<SizeExpr, SizeExpr>> equalityOf(Value condition, bool taken) {
  while (condition) {
    Operation *op = condition.getDefiningOp();
    if (auto negation = dyn_cast_or_null<NotOp>(op)) {
      condition = negation.getX();
      taken = !taken;
      continue;
    }
    if (auto reshape = dyn_cast_or_null<ReshapeOp>(op)) {
      condition = reshape.getX();
      continue;
    }
    auto compare = dyn_cast_or_null<CompareOp>(op);
    if (!compare || compare.getPredicate() != (taken ? ComparePredicate::eq : ComparePredicate::ne)) return std::nullopt;
    auto a = inferIntegerValues(compare.getA()), b = inferIntegerValues(compare.getB());
    if (!a || !b || a->size() != 1 || b->size() != 1) return std::nullopt;
    return std::pair((*a)[0], (*b)[0]);
  }
  return std::nullopt;
}

SmallVector<Type> importBranch(Node &n, const onnx::GraphProto &graph, Region &region, bool taken) {
  std::optional<SizeFacts::AssumptionGuard> assumption;
  if (auto equality = equalityOf(n.in(0), taken)) assumption.emplace(n.importer.facts, equality->first, equality->second);
  return n.importer.importRegion(graph, n.scope, region, {}, n.loc());
}

bool ifElse(Node &n) {
  const onnx::GraphProto *thenGraph = n.attrGraph("then_branch"), *elseGraph = n.attrGraph("else_branch");
  Importer &importer = n.importer;
  if (!thenGraph || !elseGraph || !n.has(0)) return n.decline("a branch is missing");
  if (auto taken = constantCondition(n.in(0))) {
    const onnx::GraphProto &graph = *taken ? *thenGraph : *elseGraph;
    Scope scope = Scope::inside(n.scope);
    importer.importGraph(graph, scope);
    SmallVector<Value> outputs = importer.outputsOf(graph, scope);
    for (size_t i = 0; i < n.numOutputs() && i < outputs.size(); ++i) n.set(i, outputs[i]);
    return true;
  }
  if (!n.isRanked(n.in(0))) return n.decline("the condition's rank is not known");
  size_t mark = importer.symbols.mark();
  OperationState state(n.loc(), IfOp::getOperationName());
  state.addOperands(n.in(0));
  SmallVector<Type> thenTypes = importBranch(n, *thenGraph, *state.addRegion(), true);
  SmallVector<Type> elseTypes = importBranch(n, *elseGraph, *state.addRegion(), false);
  if (thenTypes.size() != elseTypes.size()) return n.decline("the branches give different numbers of results");
  for (auto [a, b] : llvm::zip(thenTypes, elseTypes)) {
    Type type = widen(importer, a, b, mark);
    if (!type) return n.decline("the branches give results of different types");
    state.addTypes(type);
  }
  return giveResults(n, n.builder().create(state));
}

// ---- bodies with carried values ---------------------------------------------------------------------------------------------

struct Body {
  const onnx::GraphProto *graph = nullptr;
  SmallVector<Type> before;     ///< arguments in front of the carried ones
  SmallVector<Type> carried;    ///< widened as needed
  SmallVector<Type> after;      ///< arguments behind the carried ones
  size_t firstYield = 0;        ///< where the carried values are among the yielded ones
  SmallVector<Type> yields;     ///< after importing
  std::set<std::string> bound;  ///< symbols that are bound whenever the body is entered
};

/// An optional that the body fills: afterwards it is what it holds.
bool isFilledOptional(Type entry, Type yielded) {
  auto optional = dyn_cast<OptionalType>(entry);
  return optional && optional.getElement() == yielded;
}

/// Makes `entry` a type that holds `yielded` too. \returns whether it already was one; `*ok` is false when there is none.
bool accommodate(Node &n, Body &body, Type &entry, Type yielded, bool *ok) {
  if (entry == yielded || isFilledOptional(entry, yielded)) return true;
  auto x = dyn_cast<TensorType>(entry), y = dyn_cast<TensorType>(yielded);
  *ok = x && y && x.getElementType() == y.getElementType();
  if (!*ok || !x.hasRank()) return *ok;
  if (!y.hasRank() || x.getRank() != y.getRank()) {
    entry = unrankedLike(entry);
    return false;
  }
  bool isStable = true;
  Sizes sizes = sizesOf(x), others = sizesOf(y);
  for (auto [size, other] : llvm::zip(sizes, others)) {
    if (size == other || (size.isSymbol() && body.bound.count(size.str()))) continue;
    size = n.importer.symbols.fresh();
    body.bound.insert(size.str());
    isStable = false;
  }
  entry = tensorOf(sizes, x.getElementType());
  return isStable;
}

bool importBody(Node &n, Body &body, Region &region) {
  // Every round fixes at least one extent, and each value has few; hostile ranks end in unranked tensors.
  for (int round = 0;; ++round) {
    SmallVector<Type> arguments = body.before;
    llvm::append_range(arguments, body.carried);
    llvm::append_range(arguments, body.after);
    if (size_t(body.graph->input_size()) != arguments.size())
      return n.decline("the body has " + std::to_string(body.graph->input_size()) + " inputs, expected " + std::to_string(arguments.size()));
    body.yields = n.importer.importRegion(*body.graph, n.scope, region, arguments, n.loc());
    if (body.yields.size() < body.firstYield + body.carried.size()) return n.decline("the body gives too few results");
    bool isStable = true, ok = true;
    for (size_t i = 0; i < body.carried.size(); ++i) {
      bool same = accommodate(n, body, body.carried[i], body.yields[body.firstYield + i], &ok);
      if (!ok) return n.decline("carried value " + std::to_string(i) + " changes its type");
      if (!same && round >= 3) body.carried[i] = unrankedLike(body.carried[i]);
      isStable &= same;
    }
    if (isStable) return true;
  }
}

/// The type outside of a value of `type` inside: symbols from `mark` on mean nothing there.
Type escape(Node &n, Type type, size_t mark) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) return type;
  Sizes sizes = sizesOf(tensor);
  for (SizeExpr &size : sizes)
    if (!n.importer.symbols.visibleBefore(size, mark)) size = n.importer.symbols.fresh();
  return tensorOf(sizes, tensor.getElementType());
}

/// What a scan output becomes: `extent` of them, stacked along `axis`. Null when a tensor is not what is stacked.
Type stack(Node &n, Type type, const SizeExpr &extent, int64_t axis, size_t mark) {
  auto tensor = dyn_cast<TensorType>(type);
  if (!tensor || !tensor.hasRank()) return tensor;
  Type outside = escape(n, type, mark);
  Sizes sizes = sizesOf(outside);
  auto at = n.axisOf(axis, int64_t(sizes.size()) + 1);
  if (!at) return {};
  sizes.insert(sizes.begin() + *at, extent);
  return tensorOf(sizes, tensor.getElementType());
}

// ---- Loop -------------------------------------------------------------------------------------------------------------------

/// How often the body runs, when that is sure: the trip count is known and the condition never ends the loop.
std::optional<SizeExpr> tripCount(Node &n, Region &region) {
  auto count = n.has(0) ? n.formulas(0) : std::nullopt;
  if (!count || count->size() != 1 || !(*count)[0].isAtLeast(0, 1)) return std::nullopt;
  Value proceeds = region.front().getTerminator()->getOperand(0);
  bool isOwnArgument = proceeds == region.front().getArgument(1);
  bool starts = !n.has(1) || constantCondition(n.in(1)).value_or(false);
  if (!starts || !(isOwnArgument || constantCondition(proceeds).value_or(false))) return std::nullopt;
  return (*count)[0];
}

bool loop(Node &n) {
  Body body;
  body.graph = n.attrGraph("body");
  if (!body.graph) return n.decline("there is no body");
  Importer &importer = n.importer;
  size_t mark = importer.symbols.mark();
  body.before.push_back(RankedTensorType::get({}, n.i64()));
  body.carried.push_back(n.has(1) ? n.in(1).getType() : RankedTensorType::get({}, n.i1())); // the condition is carried too
  for (size_t i = 2; i < n.numInputs(); ++i) {
    if (!n.has(i)) return n.decline("a carried value is missing");
    body.carried.push_back(n.in(i).getType());
  }
  // Operands that were left out at the end count as carried values still.
  if (n.proto.input_size() > int(std::max<size_t>(n.numInputs(), 2))) return n.decline("a carried value is missing");
  OperationState state(n.loc(), LoopOp::getOperationName());
  Region &region = *state.addRegion();
  if (!importBody(n, body, region)) return false;
  size_t carried = body.carried.size() - 1;
  for (size_t i = 0; i < carried; ++i) {
    // The last iteration's value, or the initial one when there was none.
    Type yielded = body.yields[i + 1];
    Type type = isFilledOptional(body.carried[i + 1], yielded) ? yielded : widen(importer, escape(n, body.carried[i + 1], mark), n.in(i + 2).getType(), importer.symbols.mark());
    state.addTypes(type);
  }
  auto count = tripCount(n, region);
  for (size_t i = carried + 1; i < body.yields.size(); ++i) {
    Type type = stack(n, body.yields[i], count ? *count : importer.symbols.fresh(), 0, mark);
    if (!type) return n.decline("a scan output is no tensor");
    state.addTypes(type);
  }
  for (size_t i = 0; i < std::max<size_t>(2, n.numInputs()); ++i) state.addOperands(n.has(i) ? n.in(i) : importer.none());
  return giveResults(n, n.builder().create(state));
}

// ---- Scan -------------------------------------------------------------------------------------------------------------------

SmallVector<int64_t> axesAttribute(Node &n, std::string_view name, size_t count) {
  auto axes = n.attrInts(name).value_or(SmallVector<int64_t>());
  axes.resize(count, 0);
  return axes;
}

Type withoutAxis(Type type, int64_t axis) {
  auto tensor = dyn_cast<TensorType>(type);
  if (!tensor || !tensor.hasRank()) return tensor;
  Sizes sizes = sizesOf(tensor);
  auto at = Node::axisOf(axis, int64_t(sizes.size()));
  if (!at) return {};
  sizes.erase(sizes.begin() + *at);
  return tensorOf(sizes, tensor.getElementType());
}

/// Opset 8 has sequence_lens as first operand and a batch dimension in front of everything; the body sees one batch element.
bool scan(Node &n) {
  Body body;
  body.graph = n.attrGraph("body");
  bool isBatched = n.opset < 9;
  size_t first = isBatched ? 1 : 0, scanned = size_t(std::max<int64_t>(1, n.attrInt("num_scan_inputs", 1)));
  if (!body.graph || n.numInputs() < first + scanned) return n.decline("operands are missing");
  for (size_t i = first; i < n.numInputs(); ++i)
    if (!n.has(i) || !isa<TensorType>(n.in(i).getType())) return n.decline("an operand is no tensor");
  size_t states = n.numInputs() - first - scanned;
  auto inAxes = isBatched ? SmallVector<int64_t>(scanned, 0) : axesAttribute(n, "scan_input_axes", scanned);
  SizeExpr batch = 1;
  std::optional<SizeExpr> length;
  auto ofBatch = [&](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (isBatched && tensor && tensor.getRank() > 0) batch = sizesOf(tensor)[0];
    return isBatched ? withoutAxis(type, 0) : type;
  };
  for (size_t i = 0; i < states; ++i) body.carried.push_back(ofBatch(n.in(first + i).getType()));
  for (size_t i = 0; i < scanned; ++i) {
    Type whole = ofBatch(n.in(first + states + i).getType());
    body.after.push_back(whole ? withoutAxis(whole, inAxes[i]) : Type());
    auto tensor = dyn_cast_or_null<RankedTensorType>(whole);
    if (tensor && body.after.back() && !length) length = sizesOf(tensor)[*n.axisOf(inAxes[i], tensor.getRank())];
  }
  if (llvm::is_contained(body.carried, Type()) || llvm::is_contained(body.after, Type())) return n.decline("an axis is out of range");
  size_t mark = n.importer.symbols.mark();
  OperationState state(n.loc(), ScanOp::getOperationName());
  if (!importBody(n, body, *state.addRegion())) return false;
  auto toBatch = [&](Type type) { return isBatched && type ? stack(n, type, batch, 0, n.importer.symbols.mark()) : type; };
  for (size_t i = 0; i < states; ++i)
    state.addTypes(widen(n.importer, toBatch(escape(n, body.carried[i], mark)), n.in(first + i).getType(), n.importer.symbols.mark()));
  auto outAxes = isBatched ? SmallVector<int64_t>(body.yields.size() - states, 0)
                           : axesAttribute(n, "scan_output_axes", body.yields.size() - states);
  if (!length) length = n.importer.symbols.fresh();
  for (size_t i = states; i < body.yields.size(); ++i) {
    Type type = toBatch(stack(n, body.yields[i], *length, outAxes[i - states], mark));
    if (!type) return n.decline("a scan output is no tensor, or its axis is out of range");
    state.addTypes(type);
  }
  auto attributes = attributesFromNode(n.context(), n.proto, n.importer.constants);
  if (!attributes) return n.decline(attributes.status().message());
  for (size_t i = 0; i < n.numInputs(); ++i) state.addOperands(n.has(i) ? n.in(i) : n.importer.none());
  ScanOp::Properties properties;
  properties.attrs = *attributes;
  properties.opset = n.builder().getI64IntegerAttr(n.opset);
  state.useProperties(properties);
  return giveResults(n, n.builder().create(state));
}

// ---- SequenceMap, Identity --------------------------------------------------------------------------------------------------

bool sequenceMap(Node &n) {
  const onnx::GraphProto *graph = n.attrGraph("body");
  if (!graph || !n.has(0)) return n.decline("there is no body");
  SmallVector<Type> arguments;
  for (Value operand : n.operands) {
    if (!operand) return n.decline("an operand is missing");
    auto sequence = dyn_cast<graph::SequenceType>(operand.getType());
    arguments.push_back(sequence ? sequence.getElement() : operand.getType());
  }
  if (size_t(graph->input_size()) != arguments.size()) return n.decline("the body has another number of inputs");
  OperationState state(n.loc(), SequenceMapOp::getOperationName());
  state.addOperands(ValueRange(n.operands));
  for (Type type : n.importer.importRegion(*graph, n.scope, *state.addRegion(), arguments, n.loc()))
    state.addTypes(graph::SequenceType::get(n.context(), unrankedLike(type)));
  return giveResults(n, n.builder().create(state));
}

bool identity(Node &n) { return n.has(0) ? n.give(n.in(0)) : n.decline("there is no operand"); }

constexpr HandlerRow kRows[] = {
    {"", "If", 1, kAnyOpset, ifElse, true},
    {"", "Loop", 1, kAnyOpset, loop, true},
    {"", "Scan", 8, kAnyOpset, scan, true},
    {"", "SequenceMap", 17, kAnyOpset, sequenceMap, true},
    {"", "Identity", 1, kAnyOpset, identity, true},
};

} // namespace

std::span<const HandlerRow> controlHandlers() { return kRows; }

} // namespace jinx::frontends
