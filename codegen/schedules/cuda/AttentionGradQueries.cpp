// dq for sm_90a: a block owns a tile of queries and walks the keys that it sees, as in the forward pass (WgmmaAttention.cpp).
//
//   s = q·kᵀ   dp = dy·vᵀ   p = 2^(a s - b lse)   ds = p (dp - delta)   dq += ds_before·k_before
//
// with a = scale log2(e), b = log2(e). No maximum is sought: lse knows it. The gradients ds of one step wait in registers, rounded, as the
// first operand of the next step's last product. So all three products run together: the weights under the second, the gradients under the third;
// a slot of keys is given back a step later than the values beside it. With few columns a head weights take as long as products, and
// consumers issue theirs in turns: the weights of one run under the products of the other.
//
// Keys are walked from right to left: only the first steps may hold columns that a row does not see, those past the last key and, when causal,
// past the diagonal. They are masked.
#include "codegen/schedules/cuda/AttentionGradProgram.h"

using namespace mlir;

namespace jinx::schedules {

namespace {

class QueriesProgram : AttentionGradProgram {
 public:
  QueriesProgram(OpBuilder &b, tile::KernelOp kernel, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile)
      : AttentionGradProgram(b, kernel, GradOf::queries, problem, tile) {}

  void run() {
    OpBuilder::InsertionGuard guard(b_);
    mapQ_ = queryMap(p_.q, t_.rows), mapDy_ = queryMap(p_.dy, t_.rows);
    mapK_ = keyMap(p_.k, t_.step), mapV_ = keyMap(p_.v, t_.step);
    mapDq_ = storeMap(p_.dq, p_.queries, p_.heads.text);
    findTile();
    ringQ_ = ring(1, t_.rows, "q"), ringDy_ = ring(1, t_.rows, "dy");
    ringK_ = ring(t_.stages + 1, t_.step, "k"), ringV_ = ring(t_.stages, t_.step, "v");
    writeRoles([&] { produce(); }, [&] { consume(); });
  }

 private:
  void findTile() {
    Value tiles = called(ix_.tiles(p_.queries.value, t_.rows), "row_tiles");
    at_ = place(p_.heads.value, tiles, p_.keys.value);
    kvHead_ = p_.group == 1 ? at_.head : called(ix_.div(at_.head, p_.group), "kv_head");
    if (!p_.causal) {
      blocks_ = called(ix_.tiles(p_.keys.value, t_.step), "blocks");
      masked_ = called(ix_.sub(blocks_, ix_.div(p_.keys.value, t_.step)), "masked");
      return;
    }
    Value seenByFirst = called(ix_.add(ix_.add(at_.row, ix_.sub(p_.keys.value, p_.queries.value)), 1), "seen_by_first");
    Value seen = ix_.min(p_.keys.value, ix_.add(seenByFirst, t_.rows - 1)), seenByAll = ix_.min(p_.keys.value, seenByFirst);
    blocks_ = called(ix_.tiles(max(seen, 1), t_.step), "blocks");
    masked_ = called(ix_.sub(blocks_, ix_.div(max(seenByAll, 0), t_.step)), "masked");
  }

  /// The first key of a step: from right to left.
  Value keyOf(Value step, StringRef name) { return called(ix_.mul(ix_.sub(ix_.sub(blocks_, ix_.c(1)), step), t_.step), name); }

  void produce() {
    fetch(ringQ_, {{mapQ_, {ix_.c(0), at_.row, at_.head, at_.batch}}});
    fetch(ringDy_, {{mapDy_, {ix_.c(0), at_.row, at_.head, at_.batch}}});
    auto loop = loopOver(ix_.c(0), blocks_, {}, "step");
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    Value key = keyOf(loop.getInductionVar(), "key");
    fetch(ringK_, {{mapK_, {ix_.c(0), key, kvHead_, at_.batch}}});
    fetch(ringV_, {{mapV_, {ix_.c(0), key, kvHead_, at_.batch}}});
  }

  void consume() {
    myRow_ = called(ix_.add(at_.row, firstRow_), "my_row");
    Value offset = called(ix_.add(ix_.mul(at_.allHead, padded_), myRow_), "rows_at");
    auto load = [&](Value data, StringRef name) {
      return tile::LoadOp::create(b_, nameLoc(b_, loc_, name), rowType_, data, offset, ValueRange{ix_.c(1), ix_.c(0)}, ValueRange{});
    };
    shift_ = shiftOf(load(p_.lse, "lse_"));
    delta_ = load(p_.delta, "delta_");
    if (p_.causal) {
      Value first = ix_.add(ix_.add(myRow_, ix_.sub(p_.keys.value, p_.queries.value)), 1);
      Value rows = tile::IotaOp::create(b_, loc_, rowIndexType_, 0);
      Value limit = arith::AddIOp::create(b_, loc_, rows, splat(narrow(first), rowIndexType_));
      visible_ = called(arith::MinSIOp::create(b_, loc_, limit, splat(narrow(p_.keys.value), rowIndexType_)), "visible");
    }
    slotQ_ = wait(ringQ_), slotDy_ = wait(ringDy_);
    Value firstK = wait(ringK_);
    State state = walk({splat(zero_, outType_), rounded(splat(zero_, scoreType_), "rounded")});
    state.dq = landed(multiplyRegisters(state.dq, state.ds, firstK, 1), 0);
    release(ringK_);
    release(ringQ_), release(ringDy_);
    storeTile(state.dq, mapDq_, myRow_, at_.head, at_.batch, true, "Patches of a warp's rows through swizzled shared memory");
  }

  struct State {
    Value dq;
    Value ds;  ///< rounded, of the last step, which is not in the sum yet
    SmallVector<Value> values() const { return {dq, ds}; }
    static State of(ValueRange v) { return {v[0], v[1]}; }
  };

  State walk(const State &from) {
    auto loop = loopOver(ix_.c(0), blocks_, from.values(), "step", {"dq", "rounded"});
    phase(loop, "Main loop: weights and their gradients are made again, and go from registers into dq");
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    scf::YieldOp::create(b_, loc_, step(State::of(loop.getRegionIterArgs()), loop.getInductionVar()).values());
    return State::of(loop.getResults());
  }

  State step(const State &before, Value number) {
    if (turns_) tile::TurnWaitOp::create(b_, loc_);
    Value slotK = wait(ringK_), scores = multiplyShared(slotQ_, slotK, "scores");
    Value slotV = wait(ringV_), dp = multiplyShared(slotDy_, slotV, "d_weights");
    Value dq = multiplyRegisters(before.dq, before.ds, slotK, 1);
    if (turns_) tile::TurnPassOp::create(b_, loc_);
    scores = landed(scores, 2);
    Value p = weights(scores, shift_);
    p = where(number, masked_, p, [&] { return mask(p, keyOf(number, "column")); });
    dp = landed(dp, 1);
    release(ringV_);
    Value ds = gradientOfScores(p, dp, delta_);
    dq = landed(dq, 0);
    release(ringK_, 1);
    return {dq, rounded(ds, "rounded")};
  }

  Value mask(Value p, Value column) {
    Value visible = p_.causal ? Value(arith::SubIOp::create(b_, loc_, visible_, splat(narrow(column), rowIndexType_)))
                              : Value(arith::SubIOp::create(b_, loc_, narrow(p_.keys.value), narrow(column)));
    Value columns = tile::IotaOp::create(b_, loc_, scoreIndexType_, 1);
    Value seen = arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::slt, columns, splat(called(visible, "visible_here"), scoreIndexType_));
    return called(arith::SelectOp::create(b_, loc_, seen, p, splat(zero_, scoreType_)), "seen_weights");
  }

  Value mapQ_, mapK_, mapV_, mapDy_, mapDq_, ringQ_, ringK_, ringV_, ringDy_, slotQ_, slotDy_;
  Place at_;
  Value kvHead_, blocks_, masked_;  ///< steps that any row of the tile needs, those of them that are masked
  Value myRow_, shift_, delta_, visible_;
};

}  // namespace

void emitAttentionGradQueries(OpBuilder &b, tile::KernelOp kernel, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile) {
  QueriesProgram(b, kernel, problem, tile).run();
}

}  // namespace jinx::schedules
