// The recurrent schedule.
//
// The input projections x·Wᵀ + b of all time steps are one product, made before (an ordinary matmul group). What is left is sequential in
// time: a program owns one sequence of the batch and walks its steps. For each block of 16 hidden units one tile.dot makes the block's
// gates side by side: the recurrence weights are packed gate by gate, [gates, ceil(h/16), h, 16], and the dot's "panels" are the gates.
//
//   for t:  for block j:  acc[g] = sum_k h[k] * R[g][j][k]        g = 0..gates-1, one vector of 16 lanes each
//                         gates from acc + xw[t, n, g*h + 16 j ..], new c and h of the block
//           the new h becomes the state when all blocks are done: two buffers, swapped
//
// Scratch: h, next h, c (or z and r∘h for the GRU), each ceil(h/16)*16 elements.
//
// A quantized LSTM (r_scale) quantizes h over the whole batch each step, so one program owns all sequences: it first takes the range of
// all h, then for each sequence writes the integers of h (minus their zero point) to the fourth buffer and multiplies those. A product
// of bytes is at most 255 * 255 and f32 holds integers up to 2^24 exactly, so the importer's weights and this product are exact as
// long as the hidden size is at most 258; beyond, sums of typical weights still are.
//
// Recurrence weights of interleaved bytes are multiplied as such, exactly at any size: the fourth buffer holds the integers themselves,
// and their zero point is taken out of the sums, sum_k (q[k] - z) R[k] = sum_k q[k] R[k] - z sum_k R[k]. The column sums, a product
// with ones, are made once, behind the states.
#include "codegen/schedules/Recurrent.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kLanes = 16;

class RecurrentSchedule {
 public:
  RecurrentSchedule(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front()) {
      if (auto o = dyn_cast<LstmOp>(op)) lstm_ = o;
      if (auto o = dyn_cast<GruOp>(op)) gru_ = o;
    }
    if (!lstm_ && !gru_) return group_.emitOpError("has no recurrent layer to schedule");
    Sizes ys = sizesOf((lstm_ ? lstm_.getYs() : gru_.getYs()).getType());
    steps_ = ys[0];
    batch_ = ys[1];
    if (!ys[2].constant()) return group_.emitOpError("hidden size must be a constant");
    hidden_ = *ys[2].constant();
    blocks_ = (hidden_ + kLanes - 1) / kLanes;
    gates_ = lstm_ ? 4 : 3;
    element_ = Float32Type::get(group_.getContext());
    emitProgram();
    int64_t state = blocks_ * kLanes * 4;
    SizeExpr scratch = SizeExpr(4 * state) * (isQuantized() ? batch_ : SizeExpr(1)) + 64;
    if (isOfBytes()) scratch = scratch + SizeExpr(gates_ * state + blocks_ * kLanes);
    return kb_.finish(isQuantized() ? SizeExpr(1) : batch_, scratch, steps_ * batch_ * SizeExpr(blocks_ * gates_ * hidden_));
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }
  VectorType vec() { return VectorType::get({kLanes}, element_); }

  bool isQuantized() { return lstm_ && lstm_.getRScale(); }
  /// Bytes of state and weights are multiplied, not floats made of them.
  bool isOfBytes() { return isQuantized() && sizesOf(lstm_.getR().getType()).back().isConstant(4 * kLanes); }
  /// Behind the four buffers of every sequence, `skip` bytes further: column sums [gates][blocks*16], then a row of ones.
  Value behindStates(Type element, int64_t skip) {
    SizeExpr offset = SizeExpr(4 * blocks_ * kLanes * 4) * batch_ + SizeExpr(skip);
    return tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), element), kb_.size(offset));
  }
  Value columnSums() { return behindStates(b().getI32Type(), 0); }
  Value columnSumAt(int64_t gate, Value unit) { return kb_.add(c(gate * blocks_ * kLanes), unit); }
  /// Buffer `index` of sequence n; programs that own one sequence have n = 0 here. The fourth may hold bytes.
  Value state(int64_t index, Value n) {
    Type ptr = tile::PtrType::get(b().getContext(), index == 3 && isOfBytes() ? Type(b().getI8Type()) : element_);
    Value offset = kb_.add(c(index * blocks_ * kLanes * 4), kb_.mul(n, c(4 * blocks_ * kLanes * 4)));
    return tile::ScratchOp::create(b(), loc(), ptr, offset);
  }
  Value load(Value ptr, Value offset, Value limit = {}) {
    return tile::LoadOp::create(b(), loc(), vec(), ptr, offset, ValueRange{c(1)}, limit ? ValueRange(limit) : ValueRange());
  }
  void store(Value v, Value ptr, Value offset, Value limit = {}) {
    tile::StoreOp::create(b(), loc(), v, ptr, offset, ValueRange{c(1)}, limit ? ValueRange(limit) : ValueRange());
  }
  Value splat(double v) {
    return arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(vec(), Attribute(b().getF32FloatAttr(v))));
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b(), loc(), x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b(), loc(), x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b(), loc(), x, y); }
  Value sigmoid(Value x) {
    Value e = math::ExpOp::create(b(), loc(), arith::NegFOp::create(b(), loc(), x));
    return arith::DivFOp::create(b(), loc(), splat(1), add(splat(1), e));
  }
  Value tanh(Value x) { return math::TanhOp::create(b(), loc(), x); }

  /// Runs `emit` for each block of 16 hidden units with the block's first unit and, when the last block is partial, its limit.
  void forBlocks(function_ref<void(Value block, Value unit, Value limit)> emit) {
    auto loop = scf::ForOp::create(b(), loc(), c(0), c(blocks_), c(1));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value unit = kb_.mul(loop.getInductionVar(), c(kLanes));
    Value limit = hidden_ % kLanes ? kb_.sub(c(hidden_), unit) : Value();
    emit(loop.getInductionVar(), unit, limit);
  }

  /// Gates [first, first + count) of a block: products with the state at `h`, one vector each; of bytes i32.
  SmallVector<Value> gateProducts(Value h, Value block, int64_t first, int64_t count) {
    auto type = VectorType::get({1, count * kLanes}, isOfBytes() ? Type(b().getI32Type()) : element_);
    Value zero = arith::ConstantOp::create(b(), loc(), type, b().getZeroAttr(type));
    Value r = kb_.input(cast<BlockArgument>(lstm_ ? lstm_.getR() : gru_.getR()));
    int64_t panel = hidden_ * kLanes, gate = blocks_ * panel;
    Value offset = kb_.add(c(first * gate), kb_.mul(block, c(panel)));
    Value acc = tile::DotOp::create(b(), loc(), type, zero, h, c(0), c(hidden_), Value(), r, offset, c(gate), c(hidden_));
    Value row = vector::ExtractOp::create(b(), loc(), acc, 0);
    SmallVector<Value> gates;
    for (int64_t g = 0; g < count; ++g)
      gates.push_back(count == 1 ? row
                                 : Value(vector::ExtractStridedSliceOp::create(b(), loc(), row, ArrayRef<int64_t>{g * kLanes},
                                                                               ArrayRef<int64_t>{kLanes}, ArrayRef<int64_t>{1})));
    return gates;
  }

  void emitProgram() {
    findResults();
    if (!isQuantized()) {
      Value n = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
      initialise(n, c(0));
      forSteps([&](Value t) { step(t, n, c(0)); });
      return finish(n, c(0));
    }
    tile::ProgramIdOp::create(b(), loc(), b().getIndexType());  // there is one
    if (isOfBytes()) addColumns();
    forSequences([&](Value n) { initialise(n, n); });
    forSteps([&](Value t) {
      quantizationOfStep();
      forSequences([&](Value n) { step(t, n, n); });
    });
    forSequences([&](Value n) { finish(n, n); });
  }

  void forSequences(function_ref<void(Value n)> emit) {
    auto loop = scf::ForOp::create(b(), loc(), c(0), kb_.size(batch_), c(1));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    emit(loop.getInductionVar());
  }
  void forSteps(function_ref<void(Value t)> emit) {
    bool reverse = lstm_ ? lstm_.getReverse() : gru_.getReverse();
    auto time = scf::ForOp::create(b(), loc(), c(0), kb_.size(steps_), c(1));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(time.getBody());
    Value t = time.getInductionVar();
    emit(reverse ? kb_.sub(kb_.size(steps_ - 1), t) : t);
  }

  /// The initial states of sequence n, whose buffers are those of `slot`.
  void initialise(Value n, Value slot) {
    Value h = state(0, slot), cell = state(2, slot), offset = kb_.mul(n, c(hidden_));
    Value h0 = lstm_ ? lstm_.getH0() : gru_.getH0();
    forBlocks([&](Value, Value unit, Value limit) {
      store(load(kb_.input(cast<BlockArgument>(h0)), kb_.add(offset, unit), limit), h, unit);
      if (lstm_) store(load(kb_.input(cast<BlockArgument>(lstm_.getC0())), kb_.add(offset, unit), limit), cell, unit);
    });
  }
  void step(Value t, Value n, Value slot) {
    Value row = kb_.add(kb_.mul(t, kb_.size(batch_)), n);
    Value h = state(0, slot), next = state(1, slot), third = state(2, slot), fourth = state(3, slot);
    if (isQuantized()) quantizeState(h, fourth);
    lstm_ ? lstmStep(row, isQuantized() ? fourth : h, next, third) : gruStep(row, h, next, third, fourth);
    forBlocks([&](Value, Value unit, Value limit) {
      Value v = load(next, unit);
      store(v, h, unit);
      if (ysIndex_ >= 0) store(v, kb_.output(ysIndex_), kb_.add(kb_.mul(row, c(hidden_)), unit), limit);
    });
  }
  void finish(Value n, Value slot) {
    Value h = state(0, slot), cell = state(2, slot), offset = kb_.mul(n, c(hidden_));
    forBlocks([&](Value, Value unit, Value limit) {
      if (hnIndex_ >= 0) store(load(h, unit), kb_.output(hnIndex_), kb_.add(offset, unit), limit);
      if (cnIndex_ >= 0) store(load(cell, unit), kb_.output(cnIndex_), kb_.add(offset, unit), limit);
    });
  }

  // ---- quantized state ----------------------------------------------------------------------------------------------------------
  /// Scale and zero point of all h of this step: DynamicQuantizeLinear, whose range contains 0. Lanes past the hidden size hold 0.
  void quantizationOfStep() {
    auto outer = scf::ForOp::create(b(), loc(), c(0), kb_.size(batch_), c(1), ValueRange{splat(0), splat(0)});
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(outer.getBody());
      Value h = state(0, outer.getInductionVar());
      auto inner = scf::ForOp::create(b(), loc(), c(0), c(blocks_), c(1), outer.getRegionIterArgs());
      {
        OpBuilder::InsertionGuard innerGuard(b());
        b().setInsertionPointToStart(inner.getBody());
        Value v = load(h, kb_.mul(inner.getInductionVar(), c(kLanes)));
        Value low = arith::MinimumFOp::create(b(), loc(), inner.getRegionIterArg(0), v);
        Value high = arith::MaximumFOp::create(b(), loc(), inner.getRegionIterArg(1), v);
        scf::YieldOp::create(b(), loc(), ValueRange{low, high});
      }
      scf::YieldOp::create(b(), loc(), inner.getResults());
    }
    Value low = tile::ReduceOp::create(b(), loc(), element_, tile::ReduceKind::min, outer.getResult(0));
    Value high = tile::ReduceOp::create(b(), loc(), element_, tile::ReduceKind::max, outer.getResult(1));
    auto number = [&](double v) -> Value { return arith::ConstantOp::create(b(), loc(), b().getF32FloatAttr(v)); };
    Value scale = arith::DivFOp::create(b(), loc(), sub(high, low), number(255));
    Value none = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, scale, number(0));
    scale = arith::SelectOp::create(b(), loc(), none, number(1), scale);
    Value zero = arith::DivFOp::create(b(), loc(), arith::NegFOp::create(b(), loc(), low), scale);
    zero = arith::MinimumFOp::create(b(), loc(), zero, number(255));
    stateScale_ = vector::BroadcastOp::create(b(), loc(), vec(), scale);
    stateZero_ = vector::BroadcastOp::create(b(), loc(), vec(), math::RoundEvenOp::create(b(), loc(), zero));
  }
  /// q = clamp(round(h / scale) + zero, 0, 255) as bytes, or q - zero as f32.
  void quantizeState(Value h, Value q) {
    forBlocks([&](Value, Value unit, Value) {
      Value v = math::RoundEvenOp::create(b(), loc(), arith::DivFOp::create(b(), loc(), load(h, unit), stateScale_));
      v = arith::MinimumFOp::create(b(), loc(), arith::MaximumFOp::create(b(), loc(), add(v, stateZero_), splat(0)), splat(255));
      store(isOfBytes() ? Value(arith::TruncIOp::create(b(), loc(), vec().clone(b().getI8Type()), toI32(v))) : sub(v, stateZero_), q, unit);
    });
  }
  Value toI32(Value v) { return arith::FPToSIOp::create(b(), loc(), vec().clone(b().getI32Type()), v); }

  /// sum_k R[g][j][k] of every gate and unit.
  void addColumns() {
    Value ones = behindStates(b().getI8Type(), gates_ * blocks_ * kLanes * 4), sums = columnSums();
    auto bytes = cast<VectorType>(vec().clone(b().getI8Type()));
    Value one = arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(bytes, Attribute(b().getI8IntegerAttr(1))));
    forBlocks([&](Value, Value unit, Value) { store(one, ones, unit); });
    forBlocks([&](Value block, Value unit, Value) {
      for (auto [g, sum] : llvm::enumerate(gateProducts(ones, block, 0, gates_))) store(sum, sums, columnSumAt(int64_t(g), unit));
    });
  }
  /// What the state's zero point adds to a gate's products is taken out of them.
  Value withoutZero(Value products, int64_t gate, Value unit) {
    auto type = vec().clone(b().getI32Type());
    Value sums = tile::LoadOp::create(b(), loc(), type, columnSums(), columnSumAt(gate, unit), ValueRange{c(1)}, ValueRange());
    Value excess = arith::MulIOp::create(b(), loc(), toI32(stateZero_), sums);
    return arith::SIToFPOp::create(b(), loc(), vec(), arith::SubIOp::create(b(), loc(), products, excess));
  }

  /// Which results the group yields; an unused one has no buffer.
  void findResults() {
    for (auto [i, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) {
      if (v == (lstm_ ? lstm_.getYs() : gru_.getYs())) ysIndex_ = i;
      if (v == (lstm_ ? lstm_.getHn() : gru_.getHn())) hnIndex_ = i;
      if (lstm_ && v == lstm_.getCn()) cnIndex_ = i;
    }
  }

  Value projection(Value row, int64_t gate, Value unit, Value limit) {
    Value xw = kb_.input(cast<BlockArgument>(lstm_ ? lstm_.getXw() : gru_.getXw()));
    return load(xw, kb_.add(kb_.add(kb_.mul(row, c(gates_ * hidden_)), c(gate * hidden_)), unit), limit);
  }

  void lstmStep(Value row, Value h, Value next, Value cell) {
    forBlocks([&](Value block, Value unit, Value limit) {
      auto gates = gateProducts(h, block, 0, 4);  // i, o, f, c
      if (isOfBytes())
        for (auto [g, gate] : llvm::enumerate(gates)) gate = withoutZero(gate, int64_t(g), unit);
      if (isQuantized())
        for (auto [g, gate] : llvm::enumerate(gates))
          gate = mul(gate, mul(stateScale_, load(kb_.input(cast<BlockArgument>(lstm_.getRScale())), kb_.add(c(g * hidden_), unit), limit)));
      Value i = sigmoid(add(gates[0], projection(row, 0, unit, limit)));
      Value o = sigmoid(add(gates[1], projection(row, 1, unit, limit)));
      Value f = sigmoid(add(gates[2], projection(row, 2, unit, limit)));
      Value g = tanh(add(gates[3], projection(row, 3, unit, limit)));
      Value state = add(mul(f, load(cell, unit)), mul(i, g));
      store(state, cell, unit);
      store(mul(o, tanh(state)), next, unit);
    });
  }

  void gruStep(Value row, Value h, Value next, Value zState, Value resetState) {
    Value rb = kb_.input(cast<BlockArgument>(gru_.getRb()));
    auto bias = [&](int64_t gate, Value unit, Value limit) { return load(rb, kb_.add(c(gate * hidden_), unit), limit); };
    auto blend = [&](Value z, Value candidate, Value unit) {  // (1 - z)∘h~ + z∘h
      Value old = load(h, unit);
      return add(candidate, mul(z, sub(old, candidate)));
    };
    if (gru_.getLinearBeforeReset()) {
      forBlocks([&](Value block, Value unit, Value limit) {
        auto gates = gateProducts(h, block, 0, 3);  // z, r, h
        Value z = sigmoid(add(add(gates[0], bias(0, unit, limit)), projection(row, 0, unit, limit)));
        Value r = sigmoid(add(add(gates[1], bias(1, unit, limit)), projection(row, 1, unit, limit)));
        Value candidate = tanh(add(projection(row, 2, unit, limit), mul(r, add(gates[2], bias(2, unit, limit)))));
        store(blend(z, candidate, unit), next, unit);
      });
      return;
    }
    forBlocks([&](Value block, Value unit, Value limit) {
      auto gates = gateProducts(h, block, 0, 2);
      store(sigmoid(add(add(gates[0], bias(0, unit, limit)), projection(row, 0, unit, limit))), zState, unit);
      Value r = sigmoid(add(add(gates[1], bias(1, unit, limit)), projection(row, 1, unit, limit)));
      store(mul(r, load(h, unit)), resetState, unit);
    });
    forBlocks([&](Value block, Value unit, Value limit) {
      Value product = gateProducts(resetState, block, 2, 1)[0];
      Value candidate = tanh(add(add(product, bias(2, unit, limit)), projection(row, 2, unit, limit)));
      store(blend(load(zState, unit), candidate, unit), next, unit);
    });
  }

  GroupOp group_;
  KernelBuilder kb_;
  LstmOp lstm_;
  GruOp gru_;
  Type element_;
  SizeExpr steps_ = 1, batch_ = 1;
  int64_t hidden_ = 0, blocks_ = 0, gates_ = 0;
  int64_t ysIndex_ = -1, hnIndex_ = -1, cnIndex_ = -1;
  Value stateScale_, stateZero_;  // of the step that is being emitted, a vector of equal lanes
};

}  // namespace

FailureOr<Scheduled> scheduleRecurrent(GroupOp group, StringRef name, const Target &, OpBuilder &builder) {
  return RecurrentSchedule(group, name, builder).run();
}

}  // namespace jinx::schedules
