// Recurrences on CUDA. As on a CPU (Recurrent.cpp) the products with the inputs are made before, and a program, a block, owns a sequence of
// the batch and walks its steps. Products have a lane for a gate of a hidden unit, so that threads enough ask for weights; what follows has a
// lane for a unit. They meet in shared memory.
//
//   for t:  for k:  acc[g, ·] += h[k] * R[g][·][k]      h in shared memory, one element for all lanes
//           gates from acc[g, ·] + xw[t, n, g*h ..], new c and h of the unit; h goes to shared memory for the next step, c stays where it is
//
// R is packed in panels of 16 units (Recurrent.cpp): 16 lanes read neighbours. Each step reads all of R: for 128 units of an LSTM 256 KB, at
// the some 60 bytes a cycle that a multiprocessor gets from the second-level cache two and a half microseconds. So where there are kManySteps
// the gates that fit are copied to shared memory before, which gives 128 bytes a cycle beside the cache; the rest is read from there. Panels
// are kPanel elements apart in it, so that the two of a warp fall on different banks.
//
// A quantized LSTM quantizes h over the whole batch each step, so one program owns all sequences. There are more than shared memory holds:
// h and c of all lie in the results hn and cn, which the group gives even where nobody wants them (giveStates). The integers of h, less
// their zero point, are multiplied as f32, with weights that are bytes in memory: exact while sums stay below 2^24.
#include "codegen/schedules/cuda/GroupRecurrent.h"

#include "codegen/schedules/Expression.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kWarp = 32, kMostThreads = 1024;
constexpr int64_t kPanel = 16;   // units of a packed panel
constexpr int64_t kAhead = 16;   // k whose weights are read ahead
constexpr int64_t kManySteps = 4;            // that make up for a copy of the weights
constexpr int64_t kResidentBytes = 200 << 10;  // of shared memory for weights
constexpr int64_t kCopied = 4;               // elements of a thread in a step of that copy, kCopiesAhead of which overlap
constexpr int64_t kCopiesAhead = 8;

LstmOp quantizedLstm(GroupOp group) {
  for (Operation &op : group.getBody().front())
    if (auto lstm = dyn_cast<LstmOp>(op); lstm && lstm.getRScale()) return lstm;
  return {};
}

class CudaRecurrent {
 public:
  CudaRecurrent(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front()) {
      if (auto o = dyn_cast<LstmOp>(op)) lstm_ = o;
      if (auto o = dyn_cast<GruOp>(op)) gru_ = o;
    }
    if (!lstm_ && !gru_) return group_.emitOpError("has no recurrent layer to schedule");
    Sizes ys = sizesOf((lstm_ ? lstm_.getYs() : gru_.getYs()).getType()), r = sizesOf(weights().getType());
    steps_ = ys[0];
    batch_ = ys[1];
    if (!ys[2].constant()) return group_.emitOpError("hidden size must be a constant");
    if (r.size() != 4 || !r[3].isConstant(kPanel)) return group_.emitOpError("recurrence weights must be in panels of 16 units (jinx-pack)");
    hidden_ = *ys[2].constant();
    gates_ = lstm_ ? 4 : 3;
    width_ = llvm::alignTo(std::max<int64_t>(hidden_, 1), hidden_ > kMostThreads ? kMostThreads : kWarp);
    tile_ = VectorType::get({width_}, b().getF32Type());
    if (hidden_ != width_) limit_ = c(hidden_);
    findResults();
    Value program = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    state_ = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), b().getF32Type()), c(0));
    const bool resetsState = gru_ && !gru_.getLinearBeforeReset();
    if (resetsState) reset_ = tile::ScratchOp::create(b(), loc(), state_.getType(), c(width_ * 4));
    const bool isQuantized = lstm_ && lstm_.getRScale();
    sums_ = tile::ScratchOp::create(b(), loc(), state_.getType(), c((resetsState ? 2 : 1) * width_ * 4));
    int64_t bytes = chooseResident(((resetsState ? 2 : 1) + gates_) * width_ * 4);
    eitherWay([&] {
      gatesOf_ = placeGates(0, resetsState ? 2 : gates_);
      if (resetsState) gateOfReset_ = placeGates(2, 1);
      isQuantized ? allSequences() : sequence(program);
    });
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(threads()));
    kb_.kernel()->setAttr("one_block", b().getUnitAttr());
    int64_t blocks = int64_t(llvm::divideCeil(hidden_, kPanel));
    Scheduled scheduled = kb_.finish(isQuantized ? SizeExpr(1) : batch_, SizeExpr(bytes), steps_ * batch_ * SizeExpr(blocks * gates_ * hidden_));
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }
  int64_t threads() const { return std::min(gates_ * width_, kMostThreads); }
  Value weights() { return lstm_ ? lstm_.getR() : gru_.getR(); }
  Value buffer(Value v) { return kb_.input(cast<BlockArgument>(v)); }

  /// Which results the group yields; an unused one has no buffer.
  void findResults() {
    for (auto [i, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) {
      if (v == (lstm_ ? lstm_.getYs() : gru_.getYs())) ys_ = kb_.output(int64_t(i));
      if (v == (lstm_ ? lstm_.getHn() : gru_.getHn())) hn_ = kb_.output(int64_t(i));
      if (lstm_ && v == lstm_.getCn()) cn_ = kb_.output(int64_t(i));
    }
  }

  // ---- sequences and steps ------------------------------------------------------------------------------------------------------
  /// Sequence n from its first step to its last; the states are carried by the lanes.
  void sequence(Value n) {
    Value at = kb_.mul(n, c(hidden_));
    SmallVector<Value> states = {load(buffer(lstm_ ? lstm_.getH0() : gru_.getH0()), at)};
    if (lstm_) states.push_back(load(buffer(lstm_.getC0()), at));
    store(states[0], state_, c(0));
    auto time = scf::ForOp::create(b(), loc(), c(0), kb_.size(steps_), c(1), states);
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(time.getBody());
      Value row = rowOf(time.getInductionVar(), n), h = time.getRegionIterArg(0);
      SmallVector<Value> next = lstm_ ? lstmStep(row, time.getRegionIterArg(1)) : SmallVector<Value>{gruStep(row, h)};
      store(next[0], state_, c(0));
      if (ys_) store(next[0], ys_, kb_.mul(row, c(hidden_)), limit_);
      scf::YieldOp::create(b(), loc(), next);
    }
    if (hn_) store(time.getResult(0), hn_, at, limit_);
    if (cn_) store(time.getResult(1), cn_, at, limit_);
  }
  /// All sequences, step by step; the states lie in hn and cn.
  void allSequences() {
    forSequences({}, [&](Value n, ValueRange) -> SmallVector<Value> {
      Value at = kb_.mul(n, c(hidden_));
      store(load(buffer(lstm_.getH0()), at), hn_, at, limit_);
      store(load(buffer(lstm_.getC0()), at), cn_, at, limit_);
      return {};
    });
    auto time = scf::ForOp::create(b(), loc(), c(0), kb_.size(steps_), c(1));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(time.getBody());
    quantizationOfStep();
    forSequences({}, [&](Value n, ValueRange) -> SmallVector<Value> {
      Value at = kb_.mul(n, c(hidden_)), row = rowOf(time.getInductionVar(), n);
      store(quantized(load(hn_, at)), state_, c(0));
      SmallVector<Value> next = lstmStep(row, load(cn_, at));
      store(next[0], hn_, at, limit_);
      store(next[1], cn_, at, limit_);
      if (ys_) store(next[0], ys_, kb_.mul(row, c(hidden_)), limit_);
      return {};
    });
  }
  SmallVector<Value> forSequences(ValueRange inits, function_ref<SmallVector<Value>(Value n, ValueRange carried)> emit) {
    auto loop = scf::ForOp::create(b(), loc(), c(0), kb_.size(batch_), c(1), inits);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    SmallVector<Value> next = emit(loop.getInductionVar(), loop.getRegionIterArgs());
    if (!next.empty()) scf::YieldOp::create(b(), loc(), next);
    return SmallVector<Value>(loop.getResults());
  }
  /// The row of xw and ys that step t of sequence n has.
  Value rowOf(Value t, Value n) {
    if (lstm_ ? lstm_.getReverse() : gru_.getReverse()) t = kb_.sub(kb_.size(steps_ - 1), t);
    return kb_.add(kb_.mul(t, kb_.size(batch_)), n);
  }

  // ---- weights in shared memory --------------------------------------------------------------------------------------------------
  /// How many gates lie there, behind `before` bytes of states. Gives the bytes of both.
  int64_t chooseResident(int64_t before) {
    Type element = cast<tile::PtrType>(buffer(weights()).getType()).getElement();
    int64_t panels = int64_t(llvm::divideCeil(hidden_, kPanel)), pitch = (hidden_ + 1) * kPanel;
    int64_t gate = panels * pitch * (element.getIntOrFloatBitWidth() / 8);
    resident_ = hidden_ == 0 || steps_.constant().value_or(kManySteps) < kManySteps ? 0 : std::min(gates_, kResidentBytes / gate);
    if (!resident_) return before;
    near_ = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), element), c(before));
    return before + resident_ * gate;
  }
  /// Emits `body` with the weights where they are best: for many steps after a copy, for few without.
  void eitherWay(function_ref<void()> body) {
    if (!resident_) return body();
    if (steps_.constant()) return copyWeights(), body();
    Value many = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, kb_.size(steps_), c(kManySteps));
    auto branch = scf::IfOp::create(b(), loc(), TypeRange(), many, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    copyWeights();
    body();
    b().setInsertionPointToStart(branch.elseBlock());
    resident_ = 0;
    stateScale_ = stateZero_ = {};
    body();
  }
  void copyWeights() {
    Value r = buffer(weights()), one = c(1);
    auto type = VectorType::get({threads() * kCopied}, cast<tile::PtrType>(r.getType()).getElement());
    int64_t panel = hidden_ * kPanel, panels = resident_ * int64_t(llvm::divideCeil(hidden_, kPanel));
    auto loop = [&](int64_t end, int64_t step, int64_t unroll, function_ref<void(Value)> emit) {
      auto op = scf::ForOp::create(b(), loc(), c(0), c(end), c(step));
      op->setAttr("unroll", b().getI64IntegerAttr(unroll));
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(op.getBody());
      emit(op.getInductionVar());
    };
    loop(panels, 1, kCopiesAhead, [&](Value p) {
      Value from = kb_.mul(p, c(panel)), to = kb_.mul(p, c(panel + kPanel));
      auto copy = [&](Value at) {
        Value limit = panel % type.getDimSize(0) ? kb_.sub(c(panel), at) : Value();
        ValueRange limits = limit ? ValueRange(limit) : ValueRange();
        Value tile = tile::LoadOp::create(b(), loc(), type, r, kb_.add(from, at), one, limits);
        tile::StoreOp::create(b(), loc(), tile, near_, kb_.add(to, at), one, limits);
      };
      panel <= type.getDimSize(0) ? copy(c(0)) : loop(panel, type.getDimSize(0), 1, copy);
    });
  }

  // ---- products -----------------------------------------------------------------------------------------------------------------
  /// Lanes of `count` gates, one gate after the other: where their weights begin in R and in its copy, and which lanes read which.
  struct Gates {
    int64_t first = 0, count = 0;
    VectorType lanes;
    Value far, near;            // offsets
    Value readsFar, readsNear;  // null: no lane does
  };
  Gates placeGates(int64_t first, int64_t count) {
    const int64_t wide = count * width_, panels = int64_t(llvm::divideCeil(hidden_, kPanel)), pitch = hidden_ * kPanel;
    Gates gates{first, count, VectorType::get({wide}, b().getIndexType()), {}, {}, {}, {}};
    auto number = [&](int64_t v) { return kb_.splat(c(v), wide); };
    auto times = [&](Value v, int64_t by) -> Value { return arith::MulIOp::create(b(), loc(), v, number(by)); };
    auto plus = [&](Value x, Value y) -> Value { return arith::AddIOp::create(b(), loc(), x, y); };
    auto below = [&](Value v, int64_t than) -> Value { return arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, v, number(than)); };
    Value lane = vector::StepOp::create(b(), loc(), gates.lanes);
    Value gate = plus(arith::DivUIOp::create(b(), loc(), lane, number(width_)), number(first)), unit = arith::RemUIOp::create(b(), loc(), lane, number(width_));
    Value panel = plus(times(gate, panels), arith::DivUIOp::create(b(), loc(), unit, number(kPanel))), within = arith::RemUIOp::create(b(), loc(), unit, number(kPanel));
    Value hasUnit = below(unit, panels * kPanel), isNear = below(gate, resident_);
    if (resident_ < first + count) {
      gates.far = plus(times(panel, pitch), within);
      Value isFar = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, gate, number(resident_));
      gates.readsFar = resident_ <= first ? hasUnit : Value(arith::AndIOp::create(b(), loc(), hasUnit, isFar));
    }
    if (resident_ > first) {
      gates.near = plus(times(panel, pitch + kPanel), within);
      gates.readsNear = resident_ >= first + count ? hasUnit : Value(arith::AndIOp::create(b(), loc(), hasUnit, isNear));
    }
    return gates;
  }
  /// sum_k state[k] * R[g][·][k] of those gates. Each is wanted by the lanes of the units, which the lanes of the gates meet in shared memory.
  SmallVector<Value> products(Value state, const Gates &gates) {
    Value r = buffer(weights());
    Type element = cast<tile::PtrType>(r.getType()).getElement();
    auto wide = VectorType::get(gates.lanes.getShape(), b().getF32Type());
    Value zeros = arith::ConstantOp::create(b(), loc(), wide, b().getZeroAttr(wide));
    auto loop = scf::ForOp::create(b(), loc(), c(0), c(hidden_), c(1), zeros);
    loop->setAttr("unroll", b().getI64IntegerAttr(kAhead));
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      Value k = loop.getInductionVar(), skip = kb_.splat(kb_.mul(k, c(kPanel)), wide.getDimSize(0));
      Value one = tile::LoadOp::create(b(), loc(), VectorType::get({1}, b().getF32Type()), state, k, ValueRange{c(1)}, ValueRange());
      Value h = kb_.splat(vector::ExtractOp::create(b(), loc(), one, 0), wide.getDimSize(0));
      auto read = [&](Value from, Value offsets, Value mask) -> Value {
        return tile::GatherOp::create(b(), loc(), wide.clone(element), from, arith::AddIOp::create(b(), loc(), offsets, skip), mask);
      };
      Value w = gates.readsFar ? read(r, gates.far, gates.readsFar) : Value();
      if (gates.readsNear) {
        Value near = read(near_, gates.near, gates.readsNear);
        w = w ? Value(arith::SelectOp::create(b(), loc(), gates.readsNear, near, w)) : near;
      }
      if (!element.isF32()) w = arith::SIToFPOp::create(b(), loc(), wide, w);
      scf::YieldOp::create(b(), loc(), math::FmaOp::create(b(), loc(), h, w, loop.getRegionIterArg(0)).getResult());
    }
    store(loop.getResult(0), sums_, c(0));
    SmallVector<Value> sums;
    for (int64_t g = 0; g < gates.count; ++g)
      sums.push_back(tile::LoadOp::create(b(), loc(), tile_, sums_, c(g * width_), ValueRange{c(1)}, ValueRange()));
    return sums;
  }

  // ---- gates --------------------------------------------------------------------------------------------------------------------
  /// What the inputs give to each gate; loaded before the products, it arrives meanwhile.
  SmallVector<Value> projections(Value row) {
    SmallVector<Value> gates;
    for (int64_t g = 0; g < gates_; ++g)
      gates.push_back(load(buffer(lstm_ ? lstm_.getXw() : gru_.getXw()), kb_.add(kb_.mul(row, c(gates_ * hidden_)), c(g * hidden_))));
    return gates;
  }
  /// New h and c.
  SmallVector<Value> lstmStep(Value row, Value cell) {
    SmallVector<Value> inputs = projections(row), gates = products(state_, gatesOf_);  // i, o, f, c
    for (auto [g, gate] : llvm::enumerate(gates)) {
      if (stateScale_) gate = mul(gate, mul(stateScale_, load(buffer(lstm_.getRScale()), c(int64_t(g) * hidden_))));
      gate = add(gate, inputs[g]);
    }
    Value next = add(mul(sigmoid(gates[2]), cell), mul(sigmoid(gates[0]), tanh(gates[3])));
    return {mul(sigmoid(gates[1]), tanh(next)), next};
  }
  Value gruStep(Value row, Value h) {
    auto bias = [&](int64_t gate) { return load(buffer(gru_.getRb()), c(gate * hidden_)); };
    const bool linear = gru_.getLinearBeforeReset();
    SmallVector<Value> inputs = projections(row), gates = products(state_, gatesOf_);  // z, r, and h where it is linear
    Value z = sigmoid(add(add(gates[0], bias(0)), inputs[0]));
    Value reset = sigmoid(add(add(gates[1], bias(1)), inputs[1])), candidate;
    if (linear) {
      candidate = tanh(add(inputs[2], mul(reset, add(gates[2], bias(2)))));
    } else {
      store(mul(reset, h), reset_, c(0));
      candidate = tanh(add(add(products(reset_, gateOfReset_)[0], bias(2)), inputs[2]));
    }
    return add(candidate, mul(z, sub(h, candidate)));  // (1 - z)∘h~ + z∘h
  }

  // ---- quantized state ----------------------------------------------------------------------------------------------------------
  /// Scale and zero point of all h of this step: DynamicQuantizeLinear, whose range contains 0. Lanes past the hidden size hold 0.
  void quantizationOfStep() {
    SmallVector<Value> range = forSequences(ValueRange{splat(0), splat(0)}, [&](Value n, ValueRange carried) -> SmallVector<Value> {
      Value h = load(hn_, kb_.mul(n, c(hidden_)));
      return {arith::MinimumFOp::create(b(), loc(), carried[0], h), arith::MaximumFOp::create(b(), loc(), carried[1], h)};
    });
    Value low = tile::ReduceOp::create(b(), loc(), b().getF32Type(), tile::ReduceKind::min, range[0]);
    Value high = tile::ReduceOp::create(b(), loc(), b().getF32Type(), tile::ReduceKind::max, range[1]);
    auto number = [&](double v) -> Value { return arith::ConstantOp::create(b(), loc(), b().getF32FloatAttr(float(v))); };
    Value scale = arith::DivFOp::create(b(), loc(), sub(high, low), number(255));
    Value none = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, scale, number(0));
    scale = arith::SelectOp::create(b(), loc(), none, number(1), scale);
    Value zero = arith::DivFOp::create(b(), loc(), arith::NegFOp::create(b(), loc(), low), scale);
    zero = math::RoundEvenOp::create(b(), loc(), arith::MinimumFOp::create(b(), loc(), zero, number(255)));
    stateScale_ = kb_.splat(scale, width_);
    stateZero_ = kb_.splat(zero, width_);
  }
  /// clamp(round(h / scale) + zero, 0, 255) - zero
  Value quantized(Value h) {
    Value q = add(math::RoundEvenOp::create(b(), loc(), arith::DivFOp::create(b(), loc(), h, stateScale_)), stateZero_);
    q = arith::MinimumFOp::create(b(), loc(), arith::MaximumFOp::create(b(), loc(), q, splat(0)), splat(255));
    return sub(q, stateZero_);
  }

  // ---- values and memory --------------------------------------------------------------------------------------------------------
  Value load(Value ptr, Value offset) {
    return tile::LoadOp::create(b(), loc(), tile_, ptr, offset, ValueRange{c(1)}, limit_ ? ValueRange(limit_) : ValueRange());
  }
  void store(Value v, Value ptr, Value offset, Value limit = {}) {
    tile::StoreOp::create(b(), loc(), v, ptr, offset, ValueRange{c(1)}, limit ? ValueRange(limit) : ValueRange());
  }
  Value splat(double v) { return arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(tile_, Attribute(b().getF32FloatAttr(float(v))))); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b(), loc(), x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b(), loc(), x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b(), loc(), x, y); }
  Value tanh(Value x) { return math::TanhOp::create(b(), loc(), x); }
  Value sigmoid(Value x) {
    Value e = math::ExpOp::create(b(), loc(), arith::NegFOp::create(b(), loc(), x));
    return arith::DivFOp::create(b(), loc(), splat(1), add(splat(1), e));
  }

  GroupOp group_;
  KernelBuilder kb_;
  LstmOp lstm_;
  GruOp gru_;
  SizeExpr steps_ = 1, batch_ = 1;
  int64_t hidden_ = 0, gates_ = 0, width_ = kWarp;
  VectorType tile_;               // a lane a unit
  Value limit_;                   // of lanes with a unit; null: all have one
  Value ys_, hn_, cn_;            // null where the group does not give it
  Value state_, reset_;           // h, and r∘h where its product is wanted, of the sequence at hand in shared memory
  Value sums_;                    // products on their way from the lanes of gates to those of units
  Gates gatesOf_, gateOfReset_;   // whose products with h, and with r∘h, are wanted
  int64_t resident_ = 0;          // gates whose weights are in shared memory
  Value near_;                    // they
  Value stateScale_, stateZero_;  // of the step that is being emitted, where h is quantized
};

}  // namespace

GroupOp giveStates(GroupOp group) {
  LstmOp lstm = quantizedLstm(group);
  if (!lstm) return group;
  Operation *yield = group.getBody().front().getTerminator();
  SmallVector<Value> results(yield->getOperands());
  SmallVector<Type> types(group.getResultTypes());
  for (Value state : {lstm.getHn(), lstm.getCn()})
    if (!llvm::is_contained(results, state)) results.push_back(state), types.push_back(state.getType());
  if (types.size() == group.getNumResults()) return group;
  yield->setOperands(results);
  OpBuilder b(group);
  auto wider = GroupOp::create(b, group.getLoc(), types, group.getInputs(), group.getSchedule());
  wider->setDiscardableAttrs(group->getDiscardableAttrDictionary());
  wider.getBody().takeBody(group.getBody());
  group->replaceAllUsesWith(wider->getResults().take_front(group.getNumResults()));
  group.erase();
  return wider;
}

FailureOr<Scheduled> scheduleCudaRecurrent(GroupOp group, StringRef name, OpBuilder &builder) {
  return CudaRecurrent(group, name, builder).run();
}

}  // namespace jinx::schedules
