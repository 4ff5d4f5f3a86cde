// Scatters on CUDA. Where updates meet one element they are applied in their own order, without atomics: same input, same bits. Whoever
// owns an element of y looks for the updates that name it.
//
//   slices    y is `slices` slices of `length` elements, and row r of the indices names a slice for row r of the updates: scatter_nd, and
//             scatter_elements along the innermost axis, whose slices are single elements. A program has a tile of y in registers. A tile
//             of rows at a time is asked whether they name anything of the tile; those that do go to a list in shared memory, each where a
//             running sum says, and the list is applied.
//   line      scatter_elements along another axis: a lane owns a line of y along the axis. The program copies its lines, then walks the
//             updates of their positions; each lane writes where its index says.
//
// scatter_nd(add, x[6, 1], indices [[2] [0] [2]], updates), a tile of all six:
//
//   rows 0 to 2 are listed;   row 0: lane 2 += u0;   row 1: lane 0 += u1;   row 2: lane 2 += u2
//
// Every tile of y asks all rows: the cost is elements times rows over kTile lanes of each block, which is less than a sort of the rows until
// both are some 10^5.
//
// A kernel cannot fail: an update whose index is out of range is left out (Scatter.cpp).
#include "codegen/schedules/cuda/GroupScatter.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kWarp = 32;
constexpr int64_t kTile = 1024;      // lanes of a program at most, kEach of them to a thread
constexpr int64_t kEach = 4;
constexpr int64_t kFewRows = 16;     // are walked without a list
constexpr int64_t kAhead = 4;        // steps whose loads overlap

class CudaScatter {
 public:
  CudaScatter(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

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
    nd_ ? ofNd() : ofElements();
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(std::max(kWarp, width_ / kEach)));
    Scheduled scheduled = kb_.finish(programs_, scratchBytes_, ceilDiv(volume(sizes_), 16) * SizeExpr(2) + volume(indexSizes_) * SizeExpr(6));
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }
  Value programId() { return tile::ProgramIdOp::create(b(), loc(), b().getIndexType()); }

  // ---- slices -------------------------------------------------------------------------------------------------------------------
  void ofNd() {
    int64_t depth = *indexSizes_.back().constant();
    named_.assign(sizes_.begin(), sizes_.begin() + depth);
    length_ = volume(ArrayRef(sizes_).drop_front(depth));
    rows_ = volume(ArrayRef(indexSizes_).drop_back());
    base_ = rowBase_ = c(0);
    count_ = kb_.size(rows_);
    bySlices(volume(named_), {});
  }
  /// Along the axis of the lanes: one set of rows for each position before it.
  void ofElements() {
    size_t axis = elements_.getAxis(), lane = sizes_.size() - 1;
    while (lane > 0 && sizes_[lane].isConstant(1)) --lane;
    if (lane != axis) return byLines(axis, lane);
    named_ = {sizes_[axis]};
    rows_ = volume(ArrayRef(indexSizes_).drop_front(axis));  // what follows the axis is 1, or 0
    bySlices(sizes_[axis], Sizes(sizes_.begin(), sizes_.begin() + axis));
  }
  /// \param outer  what a program has one position of
  void bySlices(const SizeExpr &slices, const Sizes &outer) {
    auto length = length_.constant();
    bool isLong = !length || *length >= 2 * kWarp;  // a tile lies in one slice
    SizeExpr elements = isLong ? length_ : slices * length_;
    width_ = int64_t(llvm::PowerOf2Ceil(uint64_t(std::clamp<int64_t>(elements.constant().value_or(kTile / kEach), kWarp, kTile))));
    Sizes extents(outer);
    if (isLong) extents.push_back(slices);
    extents.push_back(ceilDiv(elements, width_));
    for (const SizeExpr &extent : extents) programs_ = programs_ * extent;
    SmallVector<Value> parts = kb_.delinearize(programId(), extents);
    if (elements_) placeRows(ArrayRef(parts).take_front(outer.size()), outer, slices);
    Value first = kb_.mul(parts.back(), c(width_)), rest = kb_.sub(kb_.size(elements), first);
    Value limit = elements.constant().value_or(1) % width_ ? rest : Value();
    if (!elements.constant()) limit = rest;
    Value from = kb_.add(base_, first);
    if (isLong) from = kb_.add(from, kb_.mul(parts[outer.size()], kb_.size(length_)));
    Value tile = load({x_, from}, width_, limit);
    tile = isLong ? walkLong(tile, parts[outer.size()], first, limit) : walkShort(tile, first);
    store(tile, {y_, from}, limit);
  }
  /// Where the rows of this position lie, and how many there are.
  void placeRows(ArrayRef<Value> position, const Sizes &outer, const SizeExpr &slices) {
    auto strides = kb_.strides(indexSizes_);
    base_ = rowBase_ = c(0);
    Value inside, linear = c(0);
    for (auto [d, at] : llvm::enumerate(position)) {
      linear = kb_.add(kb_.mul(linear, kb_.size(outer[d])), at);
      rowBase_ = kb_.add(rowBase_, kb_.mul(at, kb_.size(strides[d])));
      if (!(indexSizes_[d] == sizes_[d])) inside = both(inside, isBelow(at, kb_.size(indexSizes_[d])));
    }
    base_ = kb_.mul(linear, kb_.size(slices));
    count_ = inside ? Value(arith::SelectOp::create(b(), loc(), inside, kb_.size(rows_), c(0))) : kb_.size(rows_);
  }

  /// Lanes that all belong to slice `mine`, from its column `first` on.
  Value walkLong(Value tile, Value mine, Value first, Value limit) {
    return forRows(tile, mine, mine, [&](Value row, Value slice, bool isListed, Value acc) {
      if (isListed) return combined(acc, load({updates_, kb_.add(kb_.mul(row, kb_.size(length_)), first)}, width_, limit));
      Value is = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, slice, mine);
      auto branch = scf::IfOp::create(b(), loc(), TypeRange{acc.getType()}, is, /*withElse=*/true);
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(branch.thenBlock());
      Value at = kb_.add(kb_.mul(row, kb_.size(length_)), first);
      scf::YieldOp::create(b(), loc(), combined(acc, load({updates_, at}, width_, limit)));
      b().setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b(), loc(), acc);
      return branch.getResult(0);
    });
  }
  /// Lanes of several slices, from element `first` of all of them on.
  Value walkShort(Value tile, Value first) {
    int64_t length = *length_.constant();
    auto lanes = VectorType::get({width_}, b().getIndexType());
    Value flat = add(vector::StepOp::create(b(), loc(), lanes), kb_.splat(first, width_)), slices = flat, columns;
    if (length > 1) {
      slices = arith::DivUIOp::create(b(), loc(), flat, kb_.splat(c(length), width_));
      columns = arith::RemUIOp::create(b(), loc(), flat, kb_.splat(c(length), width_));
    }
    Value low = kb_.floorDiv(first, c(length)), high = kb_.floorDiv(kb_.add(first, c(width_ - 1)), c(length));
    return forRows(tile, low, high, [&](Value row, Value slice, bool, Value acc) -> Value {
      Value is = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, slices, kb_.splat(slice, width_)), update;
      if (length == 1) {
        Value at = kb_.add(rowBase_, row);
        update = kb_.splat(vector::ExtractOp::create(b(), loc(), load({updates_, at}, 1, {}), 0), width_);
      } else {
        Value at = add(columns, kb_.splat(kb_.mul(row, c(length)), width_));
        update = tile::GatherOp::create(b(), loc(), VectorType::get({width_}, element_), updates_, at, is);
      }
      return arith::SelectOp::create(b(), loc(), is, combined(acc, update), acc);
    });
  }

  /// Runs `apply` for the rows that name a slice in [low, high], in order, with that slice. A row that is not listed may name another, or none.
  using Apply = function_ref<Value(Value row, Value slice, bool isListed, Value acc)>;
  Value forRows(Value tile, Value low, Value high, Apply apply) {
    auto walk = [&](Value count, Value init, function_ref<Value(Value i, Value acc)> body) {
      auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(1), ValueRange{init});
      loop->setAttr("unroll", b().getI64IntegerAttr(kAhead));
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      scf::YieldOp::create(b(), loc(), body(loop.getInductionVar(), loop.getRegionIterArg(0)));
      return loop.getResult(0);
    };
    auto first = [&](Value one) -> Value { return vector::ExtractOp::create(b(), loc(), one, 0); };
    if (rows_.constant() && *rows_.constant() <= kFewRows)
      return walk(count_, tile, [&](Value row, Value acc) { return apply(row, first(slicesOf(row, 1, {})), false, acc); });
    auto i64 = tile::PtrType::get(b().getContext(), b().getIndexType());
    Value listedRows = tile::ScratchOp::create(b(), loc(), i64, c(0)), listedSlices = tile::ScratchOp::create(b(), loc(), i64, c(width_ * 8));
    scratchBytes_ = 2 * width_ * 8;
    auto loop = scf::ForOp::create(b(), loc(), c(0), count_, c(width_), ValueRange{tile});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value begin = loop.getInductionVar(), slices = slicesOf(begin, width_, kb_.sub(count_, begin));
    auto lanes = VectorType::get({width_}, b().getIndexType()), i32 = VectorType::get({width_}, b().getI32Type());
    auto compare = [&](arith::CmpIPredicate p, Value than) -> Value { return arith::CmpIOp::create(b(), loc(), p, slices, kb_.splat(than, width_)); };
    Value names = both(compare(arith::CmpIPredicate::sge, low), compare(arith::CmpIPredicate::sle, high));
    auto places = tile::ScanOp::create(b(), loc(), i32, b().getI32Type(), arith::ExtUIOp::create(b(), loc(), i32, names), /*exclusive=*/true, /*reverse=*/false);
    Value at = arith::IndexCastOp::create(b(), loc(), lanes, places.getSums());
    Value rows = add(vector::StepOp::create(b(), loc(), lanes), kb_.splat(begin, width_));
    tile::ScatterOp::create(b(), loc(), rows, listedRows, at, names);
    tile::ScatterOp::create(b(), loc(), slices, listedSlices, at, names);
    Value count = arith::IndexCastOp::create(b(), loc(), b().getIndexType(), places.getTotal());
    scf::YieldOp::create(b(), loc(), walk(count, loop.getRegionIterArg(0), [&](Value i, Value acc) {
      return apply(first(load({listedRows, i}, 1, {})), first(load({listedSlices, i}, 1, {})), true, acc);
    }));
    return loop.getResult(0);
  }
  /// The slices that `width` rows from `row` on name; -1 where an index is out of range, and past the limit.
  Value slicesOf(Value row, int64_t width, Value limit) {
    auto strides = kb_.strides(named_);
    int64_t depth = int64_t(named_.size());
    Value base = kb_.add(rowBase_, kb_.mul(row, c(depth))), slice = kb_.splat(c(0), width), valid = limit ? lanesBelow(limit, width) : Value();
    for (int64_t k = 0; k < depth; ++k) {
      Value coordinate = index(kb_.add(base, c(k)), depth, named_[k], width, limit);
      valid = both(valid, isBelow(coordinate, kb_.splat(kb_.size(named_[k]), width)));
      Value scaled = coordinate;
      if (!strides[k].isConstant(1)) scaled = arith::MulIOp::create(b(), loc(), coordinate, kb_.splat(kb_.size(strides[k]), width));
      slice = k == 0 ? scaled : add(slice, scaled);
    }
    return valid ? Value(arith::SelectOp::create(b(), loc(), valid, slice, kb_.splat(c(-1), width))) : slice;
  }

  // ---- lines --------------------------------------------------------------------------------------------------------------------
  void byLines(size_t axis, size_t lane) {
    width_ = kWarp;
    Sizes extents;
    for (size_t d = 0; d < sizes_.size(); ++d) extents.push_back(d == axis ? SizeExpr(1) : d == lane ? ceilDiv(sizes_[d], width_) : sizes_[d]);
    for (const SizeExpr &extent : extents) programs_ = programs_ * extent;
    SmallVector<Value> position = kb_.delinearize(programId(), extents);
    Value begin = position[lane] = kb_.mul(position[lane], c(width_)), limit = kb_.sub(kb_.size(sizes_[lane]), begin);
    auto strides = kb_.strides(sizes_), indexStrides = kb_.strides(indexSizes_);
    Value base = c(0), from = c(0), inside;
    for (auto [d, at] : llvm::enumerate(position)) {
      base = kb_.add(base, kb_.mul(at, kb_.size(strides[d])));
      from = kb_.add(from, kb_.mul(at, kb_.size(indexStrides[d])));
      if (d != axis && d != lane && !(indexSizes_[d] == sizes_[d])) inside = both(inside, isBelow(at, kb_.size(indexSizes_[d])));
    }
    Value stride = kb_.size(strides[axis]), indexStride = kb_.size(indexStrides[axis]);
    forRange(kb_.size(sizes_[axis]), [&](Value j) {
      Value at = kb_.add(base, kb_.mul(j, stride));
      store(load({x_, at}, width_, limit), {y_, at}, limit);
    });
    Value steps = kb_.size(indexSizes_[axis]);
    if (inside) steps = arith::SelectOp::create(b(), loc(), inside, steps, c(0));
    Value taken = indexSizes_[lane] == sizes_[lane] ? limit : kb_.min(limit, kb_.sub(kb_.size(indexSizes_[lane]), begin));
    auto lanes = VectorType::get({width_}, b().getIndexType());
    forRange(steps, [&](Value k) {
      Value at = kb_.add(from, kb_.mul(k, indexStride)), coordinate = index(at, 1, sizes_[axis], width_, taken);
      Value valid = both(lanesBelow(taken, width_), isBelow(coordinate, kb_.splat(kb_.size(sizes_[axis]), width_)));
      Value to = arith::MulIOp::create(b(), loc(), coordinate, kb_.splat(stride, width_));
      to = add(add(to, vector::StepOp::create(b(), loc(), lanes)), kb_.splat(base, width_));
      Value update = load({updates_, at}, width_, taken);
      if (kind_ != ScatterKind::set) update = combined(tile::GatherOp::create(b(), loc(), update.getType(), y_, to, valid), update);
      tile::ScatterOp::create(b(), loc(), update, y_, to, valid);
    });
  }
  void forRange(Value count, function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(1));
    loop->setAttr("unroll", b().getI64IntegerAttr(kAhead));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }

  // ---- values and memory --------------------------------------------------------------------------------------------------------
  struct Place {
    Value buffer, offset;
  };
  Value add(Value x, Value y) { return arith::AddIOp::create(b(), loc(), x, y); }
  Value both(Value x, Value y) { return x ? Value(arith::AndIOp::create(b(), loc(), x, y)) : y; }
  /// 0 <= i < extent
  Value isBelow(Value i, Value extent) { return arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::ult, i, extent); }
  Value lanesBelow(Value limit, int64_t width) {
    Value lanes = vector::StepOp::create(b(), loc(), VectorType::get({width}, b().getIndexType()));
    return arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, lanes, kb_.splat(limit, width));
  }
  Value load(Place from, int64_t width, Value limit, int64_t stride = 1) {
    Type element = cast<tile::PtrType>(from.buffer.getType()).getElement();
    return tile::LoadOp::create(b(), loc(), VectorType::get({width}, element), from.buffer, from.offset, ValueRange{c(stride)},
                                limit ? ValueRange(limit) : ValueRange());
  }
  void store(Value tile, Place to, Value limit) {
    tile::StoreOp::create(b(), loc(), tile, to.buffer, to.offset, ValueRange{c(1)}, limit ? ValueRange(limit) : ValueRange());
  }
  /// `width` elements of indices, `stride` apart; a negative one counts from the end.
  Value index(Value at, int64_t stride, const SizeExpr &extent, int64_t width, Value limit) {
    auto type = VectorType::get({width}, b().getIndexType());
    Value i = arith::IndexCastOp::create(b(), loc(), type, load({indices_, at}, width, limit, stride));
    Value negative = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, i, kb_.splat(c(0), width));
    return arith::SelectOp::create(b(), loc(), negative, add(i, kb_.splat(kb_.size(extent), width)), i);
  }
  Value combined(Value old, Value update) {
    switch (kind_) {
      case ScatterKind::set: return update;
      case ScatterKind::add: return buildCombine(b(), loc(), ReduceKind::sum, old, update, isUnsigned_);
      case ScatterKind::mul: return buildCombine(b(), loc(), ReduceKind::prod, old, update, isUnsigned_);
      case ScatterKind::max: return buildCombine(b(), loc(), ReduceKind::max, old, update, isUnsigned_);
      case ScatterKind::min: return buildCombine(b(), loc(), ReduceKind::min, old, update, isUnsigned_);
    }
    llvm_unreachable("every kind is handled");
  }

  GroupOp group_;
  KernelBuilder kb_;
  ScatterElementsOp elements_;
  ScatterNdOp nd_;
  ScatterKind kind_ = ScatterKind::set;
  Value x_, indices_, updates_, y_;
  Sizes sizes_, indexSizes_;
  SizeExpr programs_ = 1;
  int64_t width_ = kWarp, scratchBytes_ = 0;
  Type element_;
  bool isUnsigned_ = false;
  // Slices: what the coordinates of an index run over, the elements of a slice, the rows; of this program where its part of y and its rows
  // begin, and how many rows there are.
  Sizes named_;
  SizeExpr length_ = 1, rows_ = 1;
  Value base_, rowBase_, count_;
};

}  // namespace

FailureOr<Scheduled> scheduleCudaScatter(GroupOp group, StringRef name, OpBuilder &builder) {
  return CudaScatter(group, name, builder).run();
}

}  // namespace jinx::schedules
