#include "codegen/schedules/cuda/GroupAttention.h"

#include <cmath>

#include "codegen/schedules/cuda/CudaAttention.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kStrideAlignment = 8;  // 16-bit elements: a tensor map's strides are multiples of 16 bytes
constexpr int64_t kMostStart = 1 << 24;   // numbers of rows and columns are compared in 32 bits

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

// ---- views ------------------------------------------------------------------------------------------------------------------------

/// Elements of a dimension that lie `stride` apart.
struct Run {
  SizeExpr size, stride;
};
/// A dimension as runs, the outermost first.
using Runs = SmallVector<Run, 4>;
using View = SmallVector<Runs, 5>;

/// Without runs of one element; neighbours that are one run are one.
Runs merged(ArrayRef<Run> runs) {
  Runs all;
  for (const Run &run : runs) {
    if (run.size.isConstant(1)) continue;
    if (!all.empty() && all.back().stride == run.stride * run.size) {
      all.back() = {all.back().size * run.size, run.stride};
    } else {
      all.push_back(run);
    }
  }
  return all;
}

/// Takes runs of `size` elements in all from the end of `runs`.
std::optional<Runs> takeInner(Runs &runs, SizeExpr size) {
  Runs taken;
  while (!size.isConstant(1)) {
    if (runs.empty()) return std::nullopt;
    Run last = runs.back();
    if (last.size.isConstant(0) || size.isConstant(0)) return std::nullopt;
    if (auto rest = size.exactDivide(last.size)) {
      taken.insert(taken.begin(), last);
      runs.pop_back();
      size = *rest;
    } else if (auto outer = last.size.exactDivide(size)) {
      taken.insert(taken.begin(), {size, last.stride});
      runs.back() = {*outer, last.stride * size};
      size = 1;
    } else {
      return std::nullopt;
    }
  }
  return taken;
}

View contiguous(Value v) {
  Sizes sizes = sizesOf(v.getType());
  View view(sizes.size());
  SizeExpr stride = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    view[d] = {{sizes[d], stride}};
    stride = stride * sizes[d];
  }
  return view;
}

std::optional<View> regrouped(const View &view, const Sizes &sizes) {
  SmallVector<Run> all;
  for (const Runs &runs : view) all.append(runs.begin(), runs.end());
  Runs left = merged(all);
  View result(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) {
    auto taken = takeInner(left, sizes[d]);
    if (!taken) return std::nullopt;
    result[d] = *taken;
  }
  if (!left.empty()) return std::nullopt;
  return result;
}

bool isView(Operation *op) { return isa_and_nonnull<TransposeOp, ReshapeOp, BroadcastOp>(op) || isFill(op); }

/// The result of a view operator as a view of what its operand is a view of. Zeros behind it are not there.
std::optional<View> through(Operation *op, const View &x) {
  if (isFill(op)) return x;
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    View y;
    for (int64_t p : transpose.getPerm()) y.push_back(x[p]);
    return y;
  }
  Sizes out = sizesOf(op->getResult(0).getType());
  if (isa<ReshapeOp>(op)) return regrouped(x, out);
  Sizes in = sizesOf(op->getOperand(0).getType());
  View y(out.size());
  for (size_t d = 0; d < out.size(); ++d) {
    int64_t i = int64_t(d) - int64_t(out.size() - in.size());
    y[d] = i >= 0 && in[i] == out[d] ? x[i] : Runs{{out[d], 0}};
  }
  return y;
}
/// The operand of a transpose or reshape as a view of what its result is a view of.
std::optional<View> back(Operation *op, const View &y) {
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    View x(y.size());
    for (auto [i, p] : llvm::enumerate(transpose.getPerm())) x[p] = y[i];
    return x;
  }
  return regrouped(y, sizesOf(op->getOperand(0).getType()));
}

/// A tensor in memory, and a value as a view of it.
struct Source {
  Value data;
  View view;
  SmallVector<Operation *> operators;  ///< looked through
};

/// What `v` can be read from, the nearest first.
std::vector<Source> sourcesOf(Value v, Block *block) {
  std::vector<Source> sources = {{v, contiguous(v), {}}};
  SmallVector<Operation *> chain;
  while (isView(v.getDefiningOp()) && v.getParentBlock() == block) {
    chain.insert(chain.begin(), v.getDefiningOp());
    v = chain.front()->getOperand(0);
    std::optional<View> view = contiguous(v);
    for (Operation *op : chain)
      if (view) view = through(op, *view);
    if (view) sources.push_back({v, *view, chain});
  }
  return sources;
}
/// Where `v` can be written, the nearest first: as a result that is `data`.
std::vector<Source> targetsOf(Value v) {
  std::vector<Source> targets = {{v, contiguous(v), {}}};
  SmallVector<Operation *> chain;
  while (v.hasOneUse()) {
    Operation *user = *v.getUsers().begin();
    if (!isa<TransposeOp, ReshapeOp>(user) || user->getBlock() != v.getParentBlock()) break;
    chain.push_back(user);
    v = user->getResult(0);
    std::optional<View> view = contiguous(v);
    for (Operation *op : llvm::reverse(chain))
      if (view) view = back(op, *view);
    if (view) targets.push_back({v, *view, chain});
  }
  return targets;
}

// ---- the match --------------------------------------------------------------------------------------------------------------------

bool isSplat(Value v, double &value) {
  DenseElementsAttr dense;
  if (!matchPattern(v, m_Constant(&dense)) || !dense.isSplat() || !isa<FloatType>(dense.getElementType())) return false;
  APFloat x = dense.getSplatValue<APFloat>();
  bool loses;
  x.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
  value = x.convertToDouble();
  return true;
}
/// -inf, or the lowest number.
bool hides(Value v) {
  DenseElementsAttr dense;
  if (!matchPattern(v, m_Constant(&dense)) || !dense.isSplat() || !isa<FloatType>(dense.getElementType())) return false;
  APFloat x = dense.getSplatValue<APFloat>();
  return x.isNegative() && (x.isInfinity() || x.isLargest());
}
bool isFloatCast(Operation *op) {
  auto cast = dyn_cast_or_null<CastOp>(op);
  return cast && isa<FloatType>(elementOf(cast.getX())) && isa<FloatType>(elementOf(cast.getY()));
}

class CudaMatcher {
 public:
  CudaMatcher(const AttentionForm &form, std::string *why) : why_(why) { found_.form = form; }

  std::optional<CudaAttentionForm> run() {
    PackedMatmulOp scores = found_.form.scores, context = found_.form.context;
    Type element = elementOf(scores.getA());
    if (!scores.getByRows() || !context.getByRows() || !(element.isF16() || element.isBF16())) return no("the CUDA schedule takes 16-bit floats");
    for (Value v : {scores.getB(), context.getB(), context.getY()})
      if (elementOf(v) != element) return no("queries, keys, values and result are of several types");
    Sizes y = sizesOf(context.getY().getType()), s = sizesOf(scores.getY().getType());
    if (y.size() < 2 || s.size() < 2) return no("operands are no matrices");
    found_.queries = s[s.size() - 2];
    found_.keys = s.back();
    auto columns = y.back().constant(), depth = sizesOf(scores.getA().getType()).back().constant();
    if (!columns || !depth || *columns != *depth)
      return no("queries and values have different numbers of columns, or such as are known only when the model runs");
    found_.headDim = *depth;
    WgmmaAttentionTile tile = chooseWgmmaAttentionTile(*depth, found_.queries.constant().value_or(0));
    if (std::string bad = wgmmaAttentionInfeasible(tile, *depth); !bad.empty()) return no(bad);
    if (!findPlaces()) return no("no strides over batch, heads and rows read queries, keys and values where they are");
    if (!findHole()) return no("an operand of the logits is made of what the kernel looks through");
    llvm::sort(found_.operators, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    return found_;
  }

 private:
  std::optional<CudaAttentionForm> no(const std::string &why) {
    if (why_) *why_ = why;
    return std::nullopt;
  }

  // ---- places -------------------------------------------------------------------------------------------------------------------
  static Sizes batchOf(Value v) {
    Sizes sizes = sizesOf(v.getType());
    return Sizes(sizes.begin(), sizes.end() - 2);
  }
  static Runs batchRuns(const View &view, const Sizes &batch) {
    SmallVector<Run> all;
    for (size_t d = 0; d < batch.size(); ++d) {
      int64_t i = int64_t(d) - int64_t(batch.size()) + int64_t(view.size()) - 2;
      bool isThere = i >= 0 && volumeOf(view[i]) == batch[d];
      if (isThere) {
        all.append(view[i].begin(), view[i].end());
      } else {
        all.push_back({batch[d], 0});
      }
    }
    return merged(all);
  }
  static SizeExpr volumeOf(const Runs &runs) {
    SizeExpr size = 1;
    for (const Run &run : runs) size = size * run.size;
    return size;
  }

  bool findPlaces() {
    PackedMatmulOp scores = found_.form.scores, context = found_.form.context;
    Sizes outer = batchOf(scores.getY()), inner = batchOf(context.getY());
    SizeExpr all = volume(outer);
    Block *block = context->getBlock();
    auto qs = sourcesOf(scores.getA(), block), ks = sourcesOf(scores.getB(), block), vs = sourcesOf(context.getB(), block), os = targetsOf(context.getY());
    // How many heads? Inner dimensions of the batch, as the products have them or as the queries are stored.
    SmallVector<SizeExpr> candidates;
    for (size_t d = outer.size(); d-- > 0;) candidates.push_back(volume(ArrayRef(outer).drop_front(d)));
    for (const Source &source : llvm::reverse(qs)) {
      Runs runs = batchRuns(source.view, outer);
      for (size_t d = runs.size(); d-- > 0;) candidates.push_back(volumeOf(Runs(runs.begin() + d, runs.end())));
    }
    candidates.push_back(1);
    for (const SizeExpr &heads : candidates) {
      auto batch = heads.isConstant(0) ? std::nullopt : all.exactDivide(heads);
      if (!batch) continue;
      found_.batch = *batch;
      found_.heads = heads;
      found_.operators.assign(found_.form.operators.begin(), found_.form.operators.end());
      int64_t groupOfKeys = 1, groupOfValues = 1;
      if (place(qs, outer, found_.queries, false, nullptr, found_.q) && place(ks, outer, found_.keys, false, &groupOfKeys, found_.k) &&
          place(vs, inner, found_.keys, true, &groupOfValues, found_.v) && groupOfKeys == groupOfValues && place(os, inner, found_.queries, false, nullptr, found_.o)) {
        found_.group = groupOfKeys;
        return true;
      }
    }
    return false;
  }

  /// The farthest source whose strides the kernel can have.
  bool place(ArrayRef<Source> sources, const Sizes &batch, const SizeExpr &matrixRows, bool isTransposed, int64_t *group, StridedHeads &at) {
    for (const Source &source : llvm::reverse(sources)) {
      if (!fits(source, batch, matrixRows, isTransposed, group, at)) continue;
      at.data = source.data;
      for (Operation *op : source.operators)
        if (!llvm::is_contained(found_.operators, op)) found_.operators.push_back(op);
      return true;
    }
    return false;
  }

  bool fits(const Source &source, const Sizes &batch, const SizeExpr &matrixRows, bool isTransposed, int64_t *group, StridedHeads &at) {
    const View &view = source.view;
    if (view.size() < 2) return false;
    Runs rows = merged(view[view.size() - (isTransposed ? 1 : 2)]), columns = merged(view[view.size() - (isTransposed ? 2 : 1)]);
    if (columns.size() != 1 || !columns[0].stride.isConstant(1) || !columns[0].size.isConstant(found_.headDim) || rows.size() > 1) return false;
    if (!(volumeOf(rows) == matrixRows)) return false;
    Runs outer = batchRuns(view, batch);
    auto heads = takeInner(outer, found_.heads);
    if (!heads) return false;
    Runs inner = merged(*heads);
    outer = merged(outer);
    int64_t shared = 1;
    if (group && !inner.empty() && inner.back().stride.isConstant(0)) {
      auto size = inner.back().size.constant();
      if (!size) return false;
      shared = *size;
      inner.pop_back();
    }
    if (outer.size() > 1 || inner.size() > 1) return false;
    const SizeExpr any = found_.headDim;  // where there is one
    at.rowStride = rows.empty() ? any : rows[0].stride;
    at.batchStride = outer.empty() ? any : outer[0].stride;
    at.headStride = inner.empty() ? any : inner[0].stride;
    for (const SizeExpr &stride : {at.rowStride, at.batchStride, at.headStride})
      if (stride.isConstant(0) || !stride.exactDivide(kStrideAlignment)) return false;
    if (group) *group = shared;
    return true;
  }

  // ---- logits -------------------------------------------------------------------------------------------------------------------
  bool findHole() {
    found_.hole = found_.form.logits;
    while (isFloatCast(found_.hole.getDefiningOp())) found_.hole = found_.hole.getDefiningOp()->getOperand(0);
    // Columns behind the diagonal get no weight: each row sees its first column.
    if (auto select = found_.hole.getDefiningOp<SelectOp>()) {
      auto diagonal = matchDiagonal(select.getCondition());
      Value seen = select.getA(), hidden = select.getB();
      if (diagonal && diagonal->isOpposite) std::swap(seen, hidden);
      if (diagonal && diagonal->offset >= 0 && hides(hidden) && found_.keys - found_.queries == SizeExpr(diagonal->offset) && isScores(seen)) {
        found_.causal = true;
        found_.hole = seen;
      }
    }
    // A scale alone is no hole.
    Value v = found_.hole;
    double scale = 1;
    for (Operation *op = v.getDefiningOp(); op && op != found_.form.scores; op = v.getDefiningOp()) {
      double factor = 1;
      if (isFloatCast(op) || isBatchView(op)) {
        v = op->getOperand(0);
      } else if (isa<MulOp>(op) && isSplat(op->getOperand(1), factor)) {
        scale *= factor;
        v = op->getOperand(0);
      } else if (isa<MulOp>(op) && isSplat(op->getOperand(0), factor)) {
        scale *= factor;
        v = op->getOperand(1);
      } else if (isa<DivOp>(op) && isSplat(op->getOperand(1), factor)) {
        scale /= factor;
        v = op->getOperand(0);
      } else {
        break;
      }
    }
    found_.hasHole = v != found_.form.scores.getY() || !std::isfinite(float(scale)) || float(scale) == 0;
    if (!found_.hasHole) found_.scale = scale;
    llvm::SmallPtrSet<Operation *, 8> views(found_.operators.begin(), found_.operators.end());
    for (Operation *op : found_.form.operators) views.erase(op);
    for (Operation *op : found_.form.operators) {
      if (op == found_.form.scores || op == found_.form.context) continue;
      for (Value v : op->getOperands())
        if (views.contains(v.getDefiningOp())) return false;
      // What the kernel works out itself: compares of the diagonal.
      auto select = dyn_cast<SelectOp>(op);
      if (!select || !matchDiagonal(select.getCondition())) continue;
      Operation *compare = select.getCondition().getDefiningOp();
      Operation *parts[] = {compare->getOperand(0).getDefiningOp(), compare->getOperand(1).getDefiningOp(), compare};
      if (llvm::any_of(parts, [&](Operation *part) { return part->getBlock() != op->getBlock(); })) continue;
      for (Operation *part : parts)
        if (!llvm::is_contained(found_.operators, part)) found_.operators.push_back(part);
    }
    return true;
  }
  bool isBatchView(Operation *op) const { return isa<ReshapeOp>(op) && llvm::is_contained(found_.form.operators, op); }
  /// The scores, or what was made of them.
  bool isScores(Value v) const { return v.getDefiningOp() && llvm::is_contained(found_.form.operators, v.getDefiningOp()); }

  CudaAttentionForm found_;
  std::string *why_;
};

/// The number of a row or a column, from `start` on.
struct Counter {
  bool isColumn;
  int64_t start;
};
std::optional<Counter> counterOf(Value v) {
  auto iota = v.getDefiningOp<IotaOp>();
  if (!iota || int64_t(iota.getStep()) != 1 || !isa<IntegerType>(elementOf(v)) || elementOf(v).getIntOrFloatBitWidth() < 32) return std::nullopt;
  int64_t fromRight = int64_t(sizesOf(v.getType()).size()) - int64_t(iota.getAxis());
  if (fromRight != 1 && fromRight != 2) return std::nullopt;
  const int64_t start = iota.getStart();
  if (start > kMostStart || start < -kMostStart) return std::nullopt;
  return Counter{fromRight == 1, start};
}

/// The predicate of (b, a) that `predicate` is of (a, b).
ComparePredicate swapped(ComparePredicate predicate) {
  switch (predicate) {
    case ComparePredicate::lt: return ComparePredicate::gt;
    case ComparePredicate::le: return ComparePredicate::ge;
    case ComparePredicate::gt: return ComparePredicate::lt;
    case ComparePredicate::ge: return ComparePredicate::le;
    default: return predicate;
  }
}

}  // namespace

std::optional<DiagonalCompare> matchDiagonal(Value condition) {
  auto compare = condition.getDefiningOp<CompareOp>();
  if (!compare) return std::nullopt;
  auto a = counterOf(compare.getA()), b = counterOf(compare.getB());
  if (!a || !b || a->isColumn == b->isColumn) return std::nullopt;
  // As column ? row + offset.
  using P = ComparePredicate;
  P predicate = compare.getPredicate();
  int64_t offset = a->isColumn ? b->start - a->start : a->start - b->start;
  if (!a->isColumn) predicate = swapped(predicate);
  switch (predicate) {
    case P::le: return DiagonalCompare{offset, false};
    case P::lt: return DiagonalCompare{offset - 1, false};
    case P::gt: return DiagonalCompare{offset, true};
    case P::ge: return DiagonalCompare{offset - 1, true};
    default: return std::nullopt;
  }
}

std::optional<CudaAttentionForm> matchCudaAttention(const AttentionForm &form, std::string *why) { return CudaMatcher(form, why).run(); }

}  // namespace jinx::schedules
