// Operators whose indices are data, running sums, and the search for the largest.
#include "frontends/onnx/Handlers.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

/// Of constants the result is computed while importing: a later node may want to know it.
bool areConstants(Node &n) {
  return llvm::all_of(n.operands, [](Value v) { return !v || v.getDefiningOp<ConstantOp>(); });
}
bool declineConstants(Node &n) { return n.decline("its operands are constants"); }

bool areIndices(Node &n, size_t i) { return n.has(i) && (n.element(n.in(i)).isInteger(64) || n.element(n.in(i)).isInteger(32)); }

// ---- gathers ----------------------------------------------------------------------------------------------------------------

bool gatherElements(Node &n) {
  if (areConstants(n)) return declineConstants(n);
  auto axis = n.axisOf(n.attrInt("axis", 0), n.rank(n.in(0)));
  if (!axis) return n.decline("axis is out of range");
  if (!areIndices(n, 1)) return n.decline("indices are no integers");
  return n.give(n.infer<GatherElementsOp>({n.in(0), n.in(1)}, [&](auto &p) { p.axis = n.builder().getI64IntegerAttr(*axis); }));
}

bool gatherNd(Node &n) {
  if (areConstants(n)) return declineConstants(n);
  if (!areIndices(n, 1)) return n.decline("indices are no integers");
  int64_t batch = n.attrInt("batch_dims", 0);
  Value x = n.in(0), indices = n.in(1);
  if (batch < 0 || batch >= n.rank(indices) || batch >= n.rank(x)) return n.decline("batch_dims is out of range");
  Sizes sizes = n.sizes(indices);
  for (int64_t d = 0; d < batch; ++d) sizes[d] = n.size(x, d);
  if (batch > 0) indices = n.withSizes(indices, sizes);
  return n.give(n.infer<GatherNdOp>({x, indices}, [&](auto &p) { p.batch = n.builder().getI64IntegerAttr(batch); }));
}

// ---- scatters ---------------------------------------------------------------------------------------------------------------

std::optional<ScatterKind> scatterKind(Node &n) {
  std::string name = n.attrString("reduction", "none");
  return name == "none" ? std::optional(ScatterKind::set) : symbolizeScatterKind(name);
}

/// `indices`, after a step that fails unless each is in range: a kernel cannot, and would leave the update out.
/// \param axis  the dimension of x that each index is for; nullopt: rows of coordinates in the first dimensions
Value checked(Node &n, Value x, Value indices, std::optional<int64_t> axis) {
  if (!x || !indices) return {};
  NamedAttrList attributes;
  if (axis) attributes.set("axis", n.builder().getI64IntegerAttr(*axis));
  return HostCallOp::create(n.builder(), n.loc(), TypeRange{indices.getType()}, "jinx", "CheckIndices", 1, attributes.getDictionary(n.context()),
                            ValueRange{indices, x}).getResult(0);
}

bool scatterElements(Node &n) {
  if (areConstants(n)) return declineConstants(n);
  auto axis = n.axisOf(n.attrInt("axis", 0), n.rank(n.in(0)));
  auto kind = scatterKind(n);
  if (!axis || !kind) return n.decline("axis or reduction is unknown");
  if (!areIndices(n, 1) || !n.has(2)) return n.decline("indices are no integers");
  Value x = n.in(0), indices = checked(n, x, n.in(1), *axis), updates = n.withSizes(n.in(2), n.sizes(n.in(1)));
  return n.give(n.infer<ScatterElementsOp>({x, indices, updates}, [&](auto &p) {
    p.kind = ScatterKindAttr::get(n.context(), *kind);
    p.axis = n.builder().getI64IntegerAttr(*axis);
  }));
}

bool scatterNd(Node &n) {
  if (areConstants(n)) return declineConstants(n);
  auto kind = scatterKind(n);
  if (!kind) return n.decline("reduction is unknown");
  if (!areIndices(n, 1) || !n.has(2) || n.rank(n.in(1)) == 0) return n.decline("indices are no integers");
  Value x = n.in(0), indices = n.in(1);
  Sizes expected = n.sizes(indices), sizes = n.sizes(x);
  auto depth = expected.back().constant();
  if (!depth || *depth > n.rank(x)) return n.decline("the number of coordinates is not known, or more than x has dimensions");
  expected.pop_back();
  expected.append(sizes.begin() + *depth, sizes.end());
  return n.give(n.infer<ScatterNdOp>({x, checked(n, x, indices, std::nullopt), n.withSizes(n.in(2), expected)},
                                     [&](auto &p) { p.kind = ScatterKindAttr::get(n.context(), *kind); }));
}

// ---- running sums, top_k ----------------------------------------------------------------------------------------------------

bool cumSum(Node &n) {
  if (areConstants(n)) return declineConstants(n);
  auto given = n.numbers(1);
  if (!given || given->size() != 1) return n.decline("the axis depends on data");
  auto axis = n.axisOf((*given)[0], n.rank(n.in(0)));
  if (!axis) return n.decline("axis is out of range");
  auto flag = [&](const char *name) { return n.attrInt(name, 0) ? n.builder().getUnitAttr() : UnitAttr(); };
  return n.give(n.infer<CumsumOp>({n.in(0)}, [&](auto &p) {
    p.axis = n.builder().getI64IntegerAttr(*axis);
    p.exclusive = flag("exclusive");
    p.reverse = flag("reverse");
  }));
}

bool topK(Node &n) {
  if (areConstants(n)) return declineConstants(n);
  Value x = n.in(0);
  auto axis = n.axisOf(n.attrInt("axis", -1), n.rank(x));
  if (!axis) return n.decline("axis is out of range");
  std::optional<SmallVector<SizeExpr>> count;
  if (n.opset >= 10) {
    count = n.formulas(1);
  } else if (n.hasAttr("k")) {
    count.emplace({SizeExpr(n.attrInt("k", 0))});
  }
  Sizes sizes = n.sizes(x);
  if (!count || count->size() != 1) {
    Node::PartialSizes partial(sizes.begin(), sizes.end());
    partial[*axis] = std::nullopt;
    n.expect(0, partial, n.element(x));
    n.expect(1, partial, n.i64());
    return n.decline("K depends on data");
  }
  // A K beyond the extent is an error, which a kernel cannot give: the runtime compares before, or the host gives it.
  bool isWithin = (*count)[0].isAtLeast(0) && n.takeAtMost((*count)[0], sizes[*axis]);
  sizes[*axis] = (*count)[0];
  if (!isWithin) {
    Node::PartialSizes known(sizes.begin(), sizes.end());
    n.expect(0, known, n.element(x));
    n.expect(1, known, n.i64());
    return n.decline("K may be more than there are elements");
  }
  auto top = TopKOp::create(n.builder(), n.loc(), tensorOf(sizes, n.element(x)), tensorOf(sizes, n.i64()), x, *axis, /*ascending=*/n.attrInt("largest", 1) == 0);
  return n.set(0, top.getValues()) && (n.numOutputs() < 2 || n.set(1, top.getIndices()));
}

constexpr HandlerRow kRows[] = {
    {"", "GatherElements", 11, kAnyOpset, gatherElements},
    {"", "GatherND", 11, kAnyOpset, gatherNd},
    {"", "Scatter", 9, 10, scatterElements},
    {"", "ScatterElements", 11, kAnyOpset, scatterElements},
    {"", "ScatterND", 11, kAnyOpset, scatterNd},
    {"", "CumSum", 11, kAnyOpset, cumSum},
    {"", "TopK", 1, kAnyOpset, topK},
};

} // namespace

std::span<const HandlerRow> indexHandlers() { return kRows; }

} // namespace jinx::frontends
