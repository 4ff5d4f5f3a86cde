// The window schedule.
//
// y[n, oh, ow, c] = epilogue(combine over kh, kw of x[n, oh*s+kh-p, ow*s+kw-p, c] with w[kh, kw, c]), lanes along the channels. The rows
// schedule evaluates it position by position: a load of x and one of w for each multiply-add. Neighbouring positions need the same
// w and mostly the same x, so here a program owns one output row and walks it, for each tile of channels, in blocks of positions:
//
//   3 x 3, stride 1, blocks of 4, one kernel row:   x at 6 columns, w at 3; 12 multiply-adds
//
//   |edge|    block    |    block    |  rest  |edge|       edge: the window leaves the image, columns are a loop with bounds
//                                                          block, rest: columns are written out
//
// Kernel rows outside of the image are skipped. A maximum pool is the same without weights.
#include "codegen/schedules/Window.h"

#include <map>

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

constexpr int64_t kBlock = 4;         // output positions that share their loads
constexpr int64_t kMaxColumns = 11;   // kernel columns that are written out

bool isWindow(Operation *op) {
  // Windows of a pool with a stride overlap too little to share loads.
  if (auto pool = dyn_cast<PoolOp>(op)) return pool.getKind() == PoolKind::max && pool.getChannelsLast() && pool.getStrides().back() == 1;
  return isa<DepthwiseConvOp>(op);
}

/// What the two anchors have in common, over their spatial dimensions.
struct Geometry {
  SmallVector<int64_t> kernel, strides, pads, dilations;
};
Geometry geometryOf(Operation *anchor) {
  if (auto pool = dyn_cast<PoolOp>(anchor))
    return {SmallVector<int64_t>(pool.getKernel()), SmallVector<int64_t>(pool.getStrides()), SmallVector<int64_t>(pool.getPads()),
            SmallVector<int64_t>(pool.getDilations())};
  auto conv = cast<DepthwiseConvOp>(anchor);
  SmallVector<int64_t> kernel(cast<RankedTensorType>(conv.getW().getType()).getShape().drop_back());
  return {kernel, SmallVector<int64_t>(conv.getStrides()), SmallVector<int64_t>(conv.getPads()), SmallVector<int64_t>(conv.getDilations())};
}

class WindowSchedule {
 public:
  WindowSchedule(GroupOp group, StringRef name, const Target &target, OpBuilder &builder)
      : group_(group), kb_(builder, group.getLoc(), name, group) {
    for (Operation &op : group.getBody().front())
      if (isWindow(&op)) anchor_ = &op;
    geometry_ = geometryOf(anchor_);
    x_ = sizesOf(anchor_->getOperand(0).getType());
    out_ = sizesOf(anchor_->getResult(0).getType());
    rank_ = int64_t(geometry_.kernel.size());
    int64_t registers = target.registers >= 32 ? 2 : 1;  // of a tile: blocks of it and their loads fit
    width_ = registers * target.vectorBytes / 4;
    if (auto channels = out_.back().constant())
      while (width_ > 1 && width_ / 2 >= *channels) width_ /= 2;
    type_ = VectorType::get({width_}, b().getF32Type());
  }

  FailureOr<Scheduled> run() {
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    auto lines = ArrayRef(out_).drop_back(2);
    line_ = kb_.delinearize(id, lines);
    rows_ = rowRange();
    forChannels();
    return kb_.finish(volume(lines), 0, work());
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }
  bool isPool() const { return isa<PoolOp>(anchor_); }
  int64_t columns() const { return geometry_.kernel.back(); }
  int64_t stride() const { return geometry_.strides.back(); }
  int64_t dilation() const { return geometry_.dilations.back(); }
  int64_t padLeft() const { return geometry_.pads[rank_ - 1]; }
  const SizeExpr &width() const { return x_[x_.size() - 2]; }
  Value ceilOf(Value x, int64_t by) { return by == 1 ? x : Value(arith::CeilDivSIOp::create(b(), loc(), x, c(by))); }

  SizeExpr work() {
    int64_t taps = 1, each = 4;
    for (int64_t k : geometry_.kernel) taps *= k;
    for (Operation &op : group_.getBody().front()) each += !isa<ConstantOp>(op);
    return volume(ArrayRef(out_).drop_back(1)) * ceilDiv(out_.back(), 16) * SizeExpr(taps + each);
  }

  /// Offsets k with 0 <= first + k*dilation < extent.
  std::pair<Value, Value> inside(Value first, const SizeExpr &extent, int64_t size, int64_t dilation) {
    Value low = kb_.min(kb_.max(c(0), ceilOf(kb_.sub(c(0), first), dilation)), c(size));
    Value high = kb_.max(low, kb_.min(c(size), ceilOf(kb_.sub(kb_.size(extent), first), dilation)));
    return {low, high};
  }
  std::pair<Value, Value> rowRange() {
    if (rank_ == 1) return {c(0), c(1)};
    Value first = kb_.sub(kb_.mul(line_[1], c(geometry_.strides[0])), c(geometry_.pads[0]));
    firstRow_ = first;
    return inside(first, x_[1], geometry_.kernel[0], geometry_.dilations[0]);
  }

  // ---- loops --------------------------------------------------------------------------------------------------------------------
  void loop(Value begin, Value end, int64_t step, function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(b(), loc(), begin, end, c(step));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }

  void forChannels() {
    Value all = kb_.size(out_.back()), whole = kb_.mul(kb_.floorDiv(all, c(width_)), c(width_));
    loop(c(0), whole, width_, [&](Value channel) { forPositions(channel, Value()); });
    if (auto channels = out_.back().constant(); channels && *channels % width_ == 0) return;
    loop(whole, all, width_, [&](Value channel) { forPositions(channel, kb_.sub(all, channel)); });
  }

  /// Positions [low, high) have all columns of their windows inside of the image.
  void forPositions(Value channel, Value limit) {
    Value all = kb_.size(out_[out_.size() - 2]);
    int64_t reach = (columns() - 1) * dilation();
    Value low = kb_.min(c((padLeft() + stride() - 1) / stride()), all);
    // ow*stride - pad + reach <= width - 1
    Value room = kb_.add(kb_.sub(kb_.size(width()), c(reach)), c(padLeft() + stride() - 1));
    Value high = kb_.max(low, kb_.min(all, kb_.floorDiv(kb_.max(room, c(0)), c(stride()))));
    Value blocks = kb_.add(low, kb_.mul(kb_.floorDiv(kb_.sub(high, low), c(kBlock)), c(kBlock)));
    Lanes lanes{channel, limit};
    auto edge = [&](Value ow) { emitEdge(ow, lanes); };
    loop(c(0), low, 1, edge);
    loop(low, blocks, kBlock, [&](Value ow) { emitBlock(ow, kBlock, lanes); });
    loop(blocks, high, 1, [&](Value ow) { emitBlock(ow, 1, lanes); });
    loop(high, all, 1, edge);
  }

  // ---- windows ------------------------------------------------------------------------------------------------------------------
  struct Lanes {
    Value channel, limit;
  };
  Value load(Value operand, Value offset, const Lanes &lanes) {
    ValueRange limits = lanes.limit ? ValueRange(lanes.limit) : ValueRange();
    return tile::LoadOp::create(b(), loc(), type_, kb_.input(cast<BlockArgument>(operand)), offset, ValueRange{c(1)}, limits);
  }
  Value loadX(Value row, Value column, const Lanes &lanes) {
    Value at = kb_.add(kb_.mul(row, kb_.size(width())), column);
    return load(anchor_->getOperand(0), kb_.add(kb_.mul(at, kb_.size(x_.back())), lanes.channel), lanes);
  }
  Value loadW(Value kh, Value kw, const Lanes &lanes) {
    if (isPool()) return {};
    Value at = kb_.add(kb_.mul(kh, c(columns())), kw);
    return load(anchor_->getOperand(1), kb_.add(kb_.mul(at, kb_.size(x_.back())), lanes.channel), lanes);
  }
  Value combine(Value acc, Value x, Value w) {
    return w ? Value(vector::FMAOp::create(b(), loc(), x, w, acc)) : buildCombine(b(), loc(), ReduceKind::max, acc, x, /*isUnsigned=*/false);
  }
  Value start() {
    TypedAttr neutral = isPool() ? neutralElement(b(), ReduceKind::max, b().getF32Type(), false) : TypedAttr(b().getF32FloatAttr(0));
    return arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(type_, Attribute(neutral)));
  }

  /// Runs `body` for the kernel rows inside of the image, with the row of x (counted over all images) that each reads.
  SmallVector<Value> forRows(SmallVector<Value> acc, function_ref<SmallVector<Value>(Value kh, Value row, ValueRange acc)> body) {
    if (rank_ == 1) return body(c(0), line_[0], acc);
    auto loop = scf::ForOp::create(b(), loc(), rows_.first, rows_.second, c(1), acc);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value kh = loop.getInductionVar();
    Value row = kb_.add(kb_.mul(line_[0], kb_.size(x_[1])), kb_.add(firstRow_, kb_.mul(kh, c(geometry_.dilations[0]))));
    scf::YieldOp::create(b(), loc(), body(kh, row, loop.getRegionIterArgs()));
    return SmallVector<Value>(loop.getResults());
  }

  /// `count` positions from `ow` on, all columns inside.
  void emitBlock(Value ow, int64_t count, const Lanes &lanes) {
    Value first = kb_.sub(kb_.mul(ow, c(stride())), c(padLeft()));
    auto acc = forRows(SmallVector<Value>(count, start()), [&](Value kh, Value row, ValueRange carried) {
      SmallVector<Value> next(carried);
      std::map<int64_t, Value> columnOf;  // x, by distance from the first column
      for (int64_t kw = 0; kw < columns(); ++kw) {
        Value w = loadW(kh, c(kw), lanes);
        for (int64_t p = 0; p < count; ++p) {
          int64_t column = p * stride() + kw * dilation();
          Value &x = columnOf[column];
          if (!x) x = loadX(row, kb_.add(first, c(column)), lanes);
          next[p] = combine(next[p], x, w);
        }
      }
      return next;
    });
    store(acc, ow, lanes);
  }

  void emitEdge(Value ow, const Lanes &lanes) {
    Value first = kb_.sub(kb_.mul(ow, c(stride())), c(padLeft()));
    auto [low, high] = inside(first, width(), columns(), dilation());
    auto acc = forRows({start()}, [&, low = low, high = high](Value kh, Value row, ValueRange carried) {
      auto loop = scf::ForOp::create(b(), loc(), low, high, c(1), carried);
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      Value kw = loop.getInductionVar();
      Value x = loadX(row, kb_.add(first, kb_.mul(kw, c(dilation()))), lanes);
      scf::YieldOp::create(b(), loc(), combine(loop.getRegionIterArg(0), x, loadW(kh, kw, lanes)));
      return SmallVector<Value>(loop.getResults());
    });
    store(acc, ow, lanes);
  }

  void store(ArrayRef<Value> acc, Value ow, const Lanes &lanes) {
    ExpressionEmitter emitter(kb_, width_);
    emitter.setLimit(lanes.limit);
    for (auto [p, sum] : llvm::enumerate(acc)) {
      emitter.define(anchor_->getResult(0), sum);
      Coordinates at;
      for (Value v : line_) at.push_back({v, 0, {}});
      at.push_back({kb_.add(ow, c(int64_t(p))), 0, {}});
      at.push_back({lanes.channel, 1, {}});
      for (auto [r, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) emitter.store(r, emitter.evaluate(v, at), at);
    }
  }

  GroupOp group_;
  KernelBuilder kb_;
  Operation *anchor_ = nullptr;
  Geometry geometry_;
  Sizes x_, out_;
  int64_t rank_ = 2, width_ = 16;
  VectorType type_;
  SmallVector<Value> line_;
  std::pair<Value, Value> rows_;
  Value firstRow_;
};

}  // namespace

bool isWindowGroup(GroupOp group) {
  Operation *anchor = nullptr;
  for (Operation &op : group.getBody().front().without_terminator()) {
    if (isWindow(&op)) {
      if (anchor) return false;
      anchor = &op;
    } else if (!isa<ConstantOp>(op) && !isElementwiseSupported(&op)) {
      return false;
    }
  }
  if (!anchor || !llvm::all_of(anchor->getOperands(), [](Value v) { return isa<BlockArgument>(v); })) return false;
  auto type = cast<RankedTensorType>(anchor->getResult(0).getType());
  if (!type.getElementType().isF32() || type.getRank() < 3 || type.getRank() > 4 || geometryOf(anchor).kernel.back() > kMaxColumns) return false;
  Sizes sizes = sizesOf(type);
  for (Operation &op : group.getBody().front().without_terminator())
    if (!isa<ConstantOp>(op) && sizesOf(op.getResult(0).getType()) != sizes) return false;
  return true;
}

FailureOr<Scheduled> scheduleWindow(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  return WindowSchedule(group, name, target, builder).run();
}

}  // namespace jinx::schedules
