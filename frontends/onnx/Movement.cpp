// Operators that pick, cut, join and surround.
#include "frontends/onnx/Handlers.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

// ---- Slice ------------------------------------------------------------------------------------------------------------------

/// min and max that keep formulas short where the answer is sure.
SizeExpr atMost(const SizeExpr &a, const SizeExpr &bound) {
  if ((bound - a).isAtLeast(0, 1)) return a;
  if ((a - bound).isAtLeast(0, 1)) return bound;
  return min(a, bound);
}
SizeExpr atLeast(const SizeExpr &a, const SizeExpr &bound) {
  if ((a - bound).isAtLeast(0, 1)) return a;
  if ((bound - a).isAtLeast(0, 1)) return bound;
  return max(a, bound);
}

/// A position along a dimension of extent `extent`, counted from the end when negative, kept within [lo, hi].
/// nullopt when its sign is not known. Numbers near the ends of int32 and beyond mean "to the end".
std::optional<SizeExpr> position(const SizeExpr &at, const SizeExpr &extent, const SizeExpr &lo, const SizeExpr &hi) {
  constexpr int64_t kFar = std::numeric_limits<int32_t>::max() - 1;
  if (auto number = at.constant()) {
    if (*number >= kFar) return hi;
    if (*number <= -kFar) return lo;
  }
  if (at.isAtLeast(0, 1)) return atMost(at, hi);
  if ((SizeExpr(0) - at).isAtLeast(1, 1)) return atMost(atLeast(at + extent, lo), hi);
  return std::nullopt;
}

struct Cut {
  SizeExpr start, size;
};
std::optional<Cut> cutOf(const SizeExpr &extent, const SizeExpr &start, const SizeExpr &end, int64_t step) {
  bool forward = step > 0;
  auto from = forward ? position(start, extent, 0, extent) : position(start, extent, 0, extent - 1);
  auto to = forward ? position(end, extent, 0, extent) : position(end, extent, -1, extent - 1);
  if (!from || !to) return std::nullopt;
  SizeExpr span = forward ? *to - *from : *from - *to;
  SizeExpr size = ceilDiv(span, forward ? step : -step);
  return Cut{*from, atLeast(size, 0)};
}

bool slice(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  bool isOld = n.opset < 10;
  auto formulasOf = [&](const char *name, size_t input) -> std::optional<SmallVector<SizeExpr>> {
    if (!isOld) return n.formulas(input);
    auto values = n.attrInts(name);
    return values ? std::optional(SmallVector<SizeExpr>(values->begin(), values->end())) : std::nullopt;
  };
  std::optional<SmallVector<int64_t>> axes = isOld ? n.attrInts("axes") : n.numbers(3), steps = isOld ? std::nullopt : n.numbers(4);
  auto starts = formulasOf("starts", 1), ends = formulasOf("ends", 2);
  Node::PartialSizes partial;
  for (const SizeExpr &size : n.sizes(x)) partial.push_back(size);
  auto unknown = [&](std::string why) {
    n.expect(0, partial, n.element(x));
    return n.decline(std::move(why));
  };
  if (!axes && !isOld && n.has(3)) {
    partial.assign(rank, std::nullopt);
    return unknown("the axes depend on data");
  }
  if (!axes) { // the first ones, as many as there are starts
    axes.emplace();
    size_t count = starts ? starts->size() : n.isRanked(n.in(1)) ? n.size(n.in(1), 0).constant().value_or(rank) : rank;
    for (size_t d = 0; d < count; ++d) axes->push_back(int64_t(d));
  }
  for (int64_t &axis : *axes) {
    auto normal = n.axisOf(axis, rank);
    if (!normal) return n.decline("axis " + std::to_string(axis) + " is out of range");
    axis = *normal;
    partial[axis] = std::nullopt;
  }
  if (!starts || !ends || (!steps && !isOld && n.has(4))) return unknown("the bounds depend on data");
  if (!steps) steps.emplace(axes->size(), 1);
  if (starts->size() != axes->size() || ends->size() != axes->size() || steps->size() != axes->size())
    return n.decline("starts, ends, axes and steps have different lengths");
  Sizes sizes = n.sizes(x), from(rank, SizeExpr(0));
  SmallVector<int64_t> by(rank, 1);
  for (auto [i, axis] : llvm::enumerate(*axes)) {
    int64_t step = (*steps)[i];
    if (step == 0 || step == std::numeric_limits<int64_t>::min()) return n.decline("a step is 0");
    auto cut = cutOf(sizes[axis], (*starts)[i], (*ends)[i], step);
    if (!cut) return unknown("the sign of a bound is not known");
    from[axis] = cut->start;
    by[axis] = step;
    sizes[axis] = partial[axis].emplace(cut->size);
  }
  return n.give(n.slice(x, from, sizes, by));
}

// ---- Split, Concat ----------------------------------------------------------------------------------------------------------

/// The extents of the parts: given, or equal ones. From opset 18 on the last of `num_outputs` may be smaller.
std::optional<SmallVector<SizeExpr>> splitSizes(Node &n, const SizeExpr &extent) {
  if (auto sizes = n.attrInts("split"); sizes && n.opset < 13) return SmallVector<SizeExpr>(sizes->begin(), sizes->end());
  if (n.has(1)) return n.formulas(1);
  int64_t parts = n.attrInt("num_outputs", int64_t(n.numOutputs()));
  if (parts < 1) return std::nullopt;
  SmallVector<SizeExpr> sizes(parts, SizeExpr(0));
  if (auto exact = extent.exactDivide(SizeExpr(parts))) {
    llvm::fill(sizes, *exact);
    return sizes;
  }
  if (auto number = extent.constant()) {
    int64_t chunk = (*number + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i) sizes[i] = std::clamp<int64_t>(*number - i * chunk, 0, chunk);
    return sizes;
  }
  if (n.opset >= 18 && n.hasAttr("num_outputs")) return std::nullopt;
  llvm::fill(sizes, floorDiv(extent, parts)); // equal parts, says the model
  return sizes;
}
bool split(Node &n) {
  Value x = n.in(0);
  auto axis = n.axisOf(n.attrInt("axis", 0), n.rank(x));
  if (!axis) return n.decline("axis is out of range");
  auto sizes = splitSizes(n, n.size(x, *axis));
  if (!sizes || sizes->size() < n.numOutputs()) {
    Node::PartialSizes partial;
    for (const SizeExpr &size : n.sizes(x)) partial.push_back(size);
    partial[*axis] = std::nullopt;
    for (size_t i = 0; i < n.numOutputs(); ++i) n.expect(i, partial, n.element(x));
    return n.decline("the parts' sizes are not known");
  }
  SizeExpr start = 0;
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    if (n.wants(i) && !n.set(i, n.sliceAxis(x, *axis, start, (*sizes)[i]))) return false;
    start = start + (*sizes)[i];
  }
  return true;
}

bool concat(Node &n) {
  if (!n.has(0)) return n.decline("there is no operand");
  auto axis = n.axisOf(n.attrInt("axis", 1), n.rank(n.in(0)));
  if (!axis) return n.decline("axis is out of range");
  return n.give(n.concat(ValueRange(n.operands), *axis));
}

// ---- Pad --------------------------------------------------------------------------------------------------------------------

std::optional<PadMode> padMode(const std::string &name) {
  if (name == "constant") return PadMode::constant;
  if (name == "edge") return PadMode::edge;
  if (name == "reflect") return PadMode::reflect;
  if (name == "wrap") return PadMode::wrap;
  return std::nullopt;
}
bool pad(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  auto mode = padMode(n.attrString("mode", "constant"));
  if (!mode) return n.decline("mode is unknown");
  std::optional<SmallVector<SizeExpr>> pads;
  if (auto attribute = n.opset < 11 ? n.attrInts(n.opset < 2 ? "paddings" : "pads") : std::nullopt)
    pads.emplace(attribute->begin(), attribute->end());
  else
    pads = n.formulas(1);
  SmallVector<int64_t> axes;
  if (n.has(3)) {
    auto given = n.numbers(3);
    if (!given) return n.decline("the axes depend on data");
    axes = *given;
  } else {
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  }
  if (!pads || pads->size() != 2 * axes.size()) {
    n.expectRank(0, rank, n.element(x));
    return n.decline("the pads depend on data");
  }
  Sizes low(rank, SizeExpr(0)), sizes = n.sizes(x);
  for (auto [i, given] : llvm::enumerate(axes)) {
    auto axis = n.axisOf(given, rank);
    if (!axis) return n.decline("axis is out of range");
    low[*axis] = (*pads)[i];
    sizes[*axis] = sizes[*axis] + (*pads)[i] + (*pads)[i + axes.size()];
  }
  Value fill;
  if (*mode == PadMode::constant) fill = n.has(2) ? n.reshape(n.in(2), {}) : n.scalarLike(x, n.opset < 11 ? n.attrFloat("value", 0) : 0);
  if (*mode == PadMode::constant && !fill) return n.decline("the value is no scalar");
  return n.give(n.pad(x, low, sizes, *mode, fill));
}

// ---- Gather and masks -------------------------------------------------------------------------------------------------------

bool gather(Node &n) {
  auto axis = n.axisOf(n.attrInt("axis", 0), n.rank(n.in(0)));
  if (!axis) return n.decline("axis is out of range");
  if (!n.has(1) || !(n.element(n.in(1)).isInteger(64) || n.element(n.in(1)).isInteger(32))) return n.decline("indices are no integers");
  return n.give(n.gather(n.in(0), n.in(1), *axis));
}

/// [b, c, h, w] → [b, s, s, c', h, w] (or c', s, s) → [b, c', h, s, w, s] → [b, c', h*s, w*s]
bool depthToSpace(Node &n) {
  Value x = n.in(0);
  int64_t s = n.attrInt("blocksize", 0);
  if (n.rank(x) != 4 || s < 1) return n.decline("expected an image and a block size");
  Sizes in = n.sizes(x);
  auto depth = in[1].exactDivide(SizeExpr(s) * SizeExpr(s));
  if (!depth) return n.decline("channels do not divide by the block's area");
  bool isColumnRow = n.attrString("mode", "DCR") == "CRD";
  Value blocks = isColumnRow ? n.reshape(x, {in[0], *depth, s, s, in[2], in[3]}) : n.reshape(x, {in[0], s, s, *depth, in[2], in[3]});
  Value moved = n.transpose(blocks, isColumnRow ? ArrayRef<int64_t>{0, 1, 4, 2, 5, 3} : ArrayRef<int64_t>{0, 3, 4, 1, 5, 2});
  return n.give(n.reshape(moved, {in[0], *depth, in[2] * SizeExpr(s), in[3] * SizeExpr(s)}));
}
bool spaceToDepth(Node &n) {
  Value x = n.in(0);
  int64_t s = n.attrInt("blocksize", 0);
  if (n.rank(x) != 4 || s < 1) return n.decline("expected an image and a block size");
  Sizes in = n.sizes(x);
  auto h = in[2].exactDivide(SizeExpr(s)), w = in[3].exactDivide(SizeExpr(s));
  if (!h || !w) return n.decline("height and width do not surely divide by the block size");
  bool isColumnRow = n.attrString("mode", "DCR") == "CRD";
  Value moved = n.transpose(n.reshape(x, {in[0], in[1], *h, s, *w, s}),
                            isColumnRow ? ArrayRef<int64_t>{0, 1, 3, 5, 2, 4} : ArrayRef<int64_t>{0, 3, 5, 1, 2, 4});
  return n.give(n.reshape(moved, {in[0], in[1] * SizeExpr(s) * SizeExpr(s), *h, *w}));
}

/// Keeps the triangle where column - row >= k (upper) or <= k (lower).
bool trilu(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x), k = 0;
  if (rank < 2) return n.decline("the operand is no matrix");
  if (n.has(1)) {
    auto given = n.numbers(1);
    if (!given || given->size() != 1) return n.decline("k depends on data");
    k = (*given)[0];
  }
  if (std::abs(k) > (int64_t(1) << 40)) return n.decline("k is beyond all bounds");
  Value row = n.iota({n.size(x, rank - 2), SizeExpr(1)}, n.i64(), 0, k);
  Value column = n.iota({SizeExpr(1), n.size(x, rank - 1)}, n.i64(), 1);
  Value keep = n.compare(n.attrInt("upper", 1) ? ComparePredicate::ge : ComparePredicate::le, column, row);
  return n.give(n.select(keep, x, n.scalarLike(x, 0)));
}

/// y = indices == 0..depth-1 ? on : off, with a new dimension at `axis`.
bool oneHot(Node &n) {
  Value indices = n.in(0), values = n.in(2);
  auto depth = n.formulas(1);
  if (!depth && n.has(1))
    if (auto number = constantScalar(n.in(1)); number && *number >= 0 && *number < 1e9) depth.emplace({SizeExpr(int64_t(*number))});
  if (!values || !depth || depth->size() != 1 || n.isFloat(indices)) return n.decline("the depth depends on data, or indices are floats");
  auto axis = n.axisOf(n.attrInt("axis", -1), n.rank(indices) + 1);
  if (!axis) return n.decline("axis is out of range");
  Type element = n.element(indices);
  Sizes sizes = n.sizes(indices);
  sizes.insert(sizes.begin() + *axis, SizeExpr(1));
  Value at = n.reshape(indices, sizes);
  if (!element.isUnsignedInteger())
    at = n.select(n.compare(ComparePredicate::lt, at, 0.0), n.add(at, n.sizeScalar((*depth)[0], element)), at);
  Sizes line(sizes.size(), SizeExpr(1));
  line[*axis] = (*depth)[0];
  Value hot = n.compare(ComparePredicate::eq, at, n.iota(line, element, *axis));
  Value off = n.reshape(n.sliceAxis(values, 0, 0, 1), {}), on = n.reshape(n.sliceAxis(values, 0, 1, 1), {});
  return n.give(n.select(hot, on, off));
}

constexpr HandlerRow kRows[] = {
    {"", "Slice", 1, kAnyOpset, slice},
    {"", "Split", 1, kAnyOpset, split},
    {"", "Concat", 1, kAnyOpset, concat},
    {"", "Pad", 1, kAnyOpset, pad},
    {"", "Gather", 1, kAnyOpset, gather},
    {"", "DepthToSpace", 1, kAnyOpset, depthToSpace},
    {"", "SpaceToDepth", 1, kAnyOpset, spaceToDepth},
    {"", "Trilu", 14, kAnyOpset, trilu},
    {"", "OneHot", 9, kAnyOpset, oneHot},
};

} // namespace

std::span<const HandlerRow> movementHandlers() { return kRows; }

} // namespace jinx::frontends
