// The scatter schedule.
//
// Where two updates meet one element their order matters, so a program owns a part of y that no other program writes: it copies that part
// of x, then walks all indices that can name something in it, in their own order.
//
//   scatter_elements along axis a     part: one position in the dimensions before a; its indices: those at the same position
//   scatter_nd                        part: up to 4096 neighbouring elements of every slice (the dimensions that indices do not name);
//                                     its indices: all
//
// scatter_nd(set, x[4, 3], indices [[2], [0], [2]], updates[3, 3]):
//
//   copy x;  y[2, :] = updates[0, :];  y[0, :] = updates[1, :];  y[2, :] = updates[2, :]       the last one stays
//
// A kernel cannot fail: an update whose index is out of range is left out. Who promises an error instead checks the indices before
// (frontends/onnx/Index.cpp).
#include "codegen/schedules/Scatter.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kColumns = 4096;  // elements of a slice that one program of scatter_nd owns
constexpr int64_t kWidth = 32;

/// A place in a buffer, in elements.
struct Place {
  Value buffer, offset;
};

class ScatterSchedule {
 public:
  ScatterSchedule(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front()) {
      if (auto o = dyn_cast<ScatterElementsOp>(op)) elements_ = o;
      if (auto o = dyn_cast<ScatterNdOp>(op)) nd_ = o;
    }
    if (!elements_ && !nd_) return group_.emitOpError("has no scatter to schedule");
    Value x = elements_ ? elements_.getX() : nd_.getX(), indices = elements_ ? elements_.getIndices() : nd_.getIndices();
    kind_ = elements_ ? elements_.getKind() : nd_.getKind();
    x_ = kb_.input(cast<BlockArgument>(x));
    indices_ = kb_.input(cast<BlockArgument>(indices));
    updates_ = kb_.input(cast<BlockArgument>(elements_ ? elements_.getUpdates() : nd_.getUpdates()));
    y_ = kb_.output(0);
    sizes_ = sizesOf(x.getType());
    indexSizes_ = sizesOf(indices.getType());
    Type element = cast<RankedTensorType>(x.getType()).getElementType();
    element_ = memoryType(element);
    isUnsigned_ = element.isUnsignedInteger();
    elements_ ? emitElements() : emitNd();
    SizeExpr work = ceilDiv(volume(sizes_), 16) * SizeExpr(2) + volume(indexSizes_) * SizeExpr(6);
    if (nd_) work = work + ceilDiv(slice_, 16) * SizeExpr(4) * volume(ArrayRef(indexSizes_).drop_back());
    return kb_.finish(programs_, 0, work);
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }
  Value programId() { return tile::ProgramIdOp::create(b(), loc(), b().getIndexType()); }

  // ---- scatter_elements ---------------------------------------------------------------------------------------------------------
  void emitElements() {
    size_t axis = elements_.getAxis();
    Sizes outer(sizes_.begin(), sizes_.begin() + axis);
    programs_ = volume(outer);
    SizeExpr part = volume(ArrayRef(sizes_).drop_front(axis));
    Value id = programId(), begin = kb_.mul(id, kb_.size(part));
    forRun(kb_.size(part), part.constant(), [&](Value at, Value limit, int64_t width) {
      store(load(shifted({x_, begin}, at), width, limit), shifted({y_, begin}, at), limit);
    });
    SmallVector<Value> position = kb_.delinearize(id, outer);
    Value inside;  // whether indices have this position
    for (size_t d = 0; d < axis; ++d)
      if (!(indexSizes_[d] == sizes_[d])) inside = both(inside, isBelow(position[d], kb_.size(indexSizes_[d])));
    onlyIf(inside, [&] {
      forDimensions(axis, position, [&](ArrayRef<Value> at) {
        auto strides = kb_.strides(sizes_), indexStrides = kb_.strides(indexSizes_);
        Value from = c(0), to = c(0), valid;
        for (auto [d, i] : llvm::enumerate(at)) from = kb_.add(from, kb_.mul(i, kb_.size(indexStrides[d])));
        for (auto [d, i] : llvm::enumerate(at)) {
          Value coordinate = i;
          if (d == axis) coordinate = index(from, sizes_[d]);
          if (d == axis || (d > axis && !(sizes_[d] - indexSizes_[d]).isAtLeast(0))) valid = both(valid, isBelow(coordinate, kb_.size(sizes_[d])));
          to = kb_.add(to, kb_.mul(coordinate, kb_.size(strides[d])));
        }
        onlyIf(valid, [&] { update({updates_, from}, {y_, to}, 1, Value()); });
      });
    });
  }
  /// Loops over the dimensions of indices from `d` on.
  void forDimensions(size_t d, SmallVector<Value> at, function_ref<void(ArrayRef<Value>)> body) {
    if (d == indexSizes_.size()) return body(at);
    forRange(kb_.size(indexSizes_[d]), 1, [&](Value i) {
      SmallVector<Value> inner(at.begin(), at.begin() + d);
      inner.push_back(i);
      forDimensions(d + 1, inner, body);
    });
  }

  // ---- scatter_nd ---------------------------------------------------------------------------------------------------------------
  void emitNd() {
    int64_t depth = *indexSizes_.back().constant();
    slice_ = volume(ArrayRef(sizes_).drop_front(depth));
    SizeExpr slices = volume(ArrayRef(sizes_).take_front(depth)), rows = volume(ArrayRef(indexSizes_).drop_back());
    SizeExpr chunks = ceilDiv(slice_, kColumns);
    bool isOne = slice_.constant() && *slice_.constant() <= kColumns;
    programs_ = isOne ? SizeExpr(1) : chunks;
    Value id = programId(), stride = kb_.size(slice_);
    Value first = isOne ? c(0) : kb_.mul(id, c(kColumns));
    Value columns = isOne ? stride : kb_.min(kb_.sub(stride, first), c(kColumns));
    auto copy = [&](Value begin, Value count, std::optional<int64_t> known) {
      forRun(count, known, [&](Value at, Value limit, int64_t width) {
        store(load(shifted({x_, begin}, at), width, limit), shifted({y_, begin}, at), limit);
      });
    };
    auto copyAll = [&] { copy(c(0), kb_.size(slices * slice_), (slices * slice_).constant()); };
    auto copyColumns = [&] { forRange(kb_.size(slices), 1, [&](Value s) { copy(kb_.add(kb_.mul(s, stride), first), columns, std::nullopt); }); };
    if (isOne) {
      copyAll();
    } else {  // slices that are no longer than a chunk lie side by side
      Value whole = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sle, stride, c(kColumns));
      auto branch = scf::IfOp::create(b(), loc(), whole, /*withElse=*/true);
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(branch.thenBlock());
      copyAll();
      b().setInsertionPointToStart(branch.elseBlock());
      copyColumns();
    }
    auto strides = kb_.strides(sizes_);
    forRange(kb_.size(rows), 1, [&](Value row) {
      Value to = first, valid;
      for (int64_t k = 0; k < depth; ++k) {
        Value coordinate = index(kb_.add(kb_.mul(row, c(depth)), c(k)), sizes_[k]);
        valid = both(valid, isBelow(coordinate, kb_.size(sizes_[k])));
        to = kb_.add(to, kb_.mul(coordinate, kb_.size(strides[k])));
      }
      Value from = kb_.add(kb_.mul(row, stride), first);
      onlyIf(valid, [&] {
        forRun(columns, isOne ? slice_.constant() : std::nullopt, [&](Value at, Value limit, int64_t width) {
          update(shifted({updates_, from}, at), shifted({y_, to}, at), width, limit);
        });
      });
    });
  }

  // ---- loops and conditions -----------------------------------------------------------------------------------------------------
  void forRange(Value count, int64_t step, function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(step));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }
  /// Walks `count` neighbouring elements by tiles: whole ones, then one with a limit. `constant` is their number where it is known.
  void forRun(Value count, std::optional<int64_t> constant, function_ref<void(Value at, Value limit, int64_t width)> body) {
    int64_t width = kWidth;
    while (constant && width > 1 && width > *constant) width /= 2;
    if (constant && *constant == width) return body(c(0), Value(), width);
    Value whole = kb_.mul(kb_.floorDiv(count, c(width)), c(width));
    forRange(whole, width, [&](Value at) { body(at, Value(), width); });
    if (constant && *constant % width == 0) return;
    Value rest = kb_.sub(count, whole);
    onlyIf(arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sgt, rest, c(0)), [&] { body(whole, rest, width); });
  }
  void onlyIf(Value condition, function_ref<void()> body) {
    if (!condition) return body();
    auto branch = scf::IfOp::create(b(), loc(), condition, /*withElse=*/false);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    body();
  }
  Value both(Value x, Value y) { return x ? Value(arith::AndIOp::create(b(), loc(), x, y)) : y; }
  /// 0 <= i < extent
  Value isBelow(Value i, Value extent) { return arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::ult, i, extent); }

  // ---- memory -------------------------------------------------------------------------------------------------------------------
  Place shifted(Place place, Value by) { return {place.buffer, kb_.add(place.offset, by)}; }
  Value load(Place from, int64_t width, Value limit) {
    return tile::LoadOp::create(b(), loc(), VectorType::get({width}, element_), from.buffer, from.offset, ValueRange{c(1)},
                                limit ? ValueRange(limit) : ValueRange());
  }
  void store(Value tile, Place to, Value limit) {
    tile::StoreOp::create(b(), loc(), tile, to.buffer, to.offset, ValueRange{c(1)}, limit ? ValueRange(limit) : ValueRange());
  }
  /// Element `at` of indices; a negative one counts from the end.
  Value index(Value at, const SizeExpr &extent) {
    Value i = kb_.loadIndex(indices_, at);
    Value negative = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, i, c(0));
    return arith::SelectOp::create(b(), loc(), negative, arith::AddIOp::create(b(), loc(), i, kb_.size(extent)), i);
  }
  void update(Place from, Place to, int64_t width, Value limit) {
    Value tile = load(from, width, limit);
    if (kind_ != ScatterKind::set) tile = buildCombine(b(), loc(), reduction(), load(to, width, limit), tile, isUnsigned_);
    store(tile, to, limit);
  }
  ReduceKind reduction() const {
    switch (kind_) {
      case ScatterKind::add: return ReduceKind::sum;
      case ScatterKind::mul: return ReduceKind::prod;
      case ScatterKind::max: return ReduceKind::max;
      default: return ReduceKind::min;
    }
  }

  GroupOp group_;
  KernelBuilder kb_;
  ScatterElementsOp elements_;
  ScatterNdOp nd_;
  ScatterKind kind_ = ScatterKind::set;
  Value x_, indices_, updates_, y_;
  Sizes sizes_, indexSizes_;
  SizeExpr programs_ = 1, slice_ = 1;
  Type element_;
  bool isUnsigned_ = false;
};

}  // namespace

FailureOr<Scheduled> scheduleScatter(GroupOp group, StringRef name, const Target &, OpBuilder &builder) {
  return ScatterSchedule(group, name, builder).run();
}

}  // namespace jinx::schedules
