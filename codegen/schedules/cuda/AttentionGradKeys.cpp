// dk and dv for sm_90a: a block owns a tile of keys and walks the queries that see it (Shah et al. 2024, FlashAttention-3, backward).
//
// The producer thread fetches the block's keys and values once, then queries and gradients of outputs tile by tile, each with its row
// of lse or delta. A consumer has 64 keys, and everything transposed, so that what it computes is the first operand of the next product:
//
//   sᵀ = k·qᵀ   dpᵀ = v·dyᵀ   pᵀ = 2^(a sᵀ - b lse)   dv += pᵀ·dy   dsᵀ = pᵀ (dpᵀ - delta)   dk += dsᵀ·q
//
// with a = scale log2(e), b = log2(e). lse and delta belong to columns here. dsᵀ waits in registers, rounded, as the first operand of dk's
// product in the next step, so that the tensor cores have the next scores in hand when a step ends; its slot of queries is kept that long.
// With many columns a head the weights run under dp and dk, and the gradient of the scores under dv. With few, weights take as long as
// products: pᵀ waits too, all four products are issued together, in turns, and the weights of one consumer run under the products of
// the other. Heads of q that share k and v are walked one after the other, into the same sums.
//
// Causal: queries before the diagonal do not see the tile and are left out, those that see some of it are masked.
#include "codegen/schedules/cuda/AttentionGradProgram.h"

using namespace mlir;

namespace jinx::schedules {

namespace {

class KeysProgram : AttentionGradProgram {
 public:
  KeysProgram(OpBuilder &b, tile::KernelOp kernel, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile)
      : AttentionGradProgram(b, kernel, GradOf::keys, problem, tile) {}

  void run() {
    OpBuilder::InsertionGuard guard(b_);
    mapK_ = keyMap(p_.k, t_.rows), mapV_ = keyMap(p_.v, t_.rows);
    mapQ_ = queryMap(p_.q, t_.step), mapDy_ = queryMap(p_.dy, t_.step);
    mapLse_ = rowMap(p_.lse), mapDelta_ = rowMap(p_.delta);
    mapDk_ = storeMap(p_.dk, p_.keys, sharedHeads()), mapDv_ = storeMap(p_.dv, p_.keys, sharedHeads());
    findTile();
    ringK_ = ring(1, t_.rows, "k"), ringV_ = ring(1, t_.rows, "v");
    ringQ_ = ring(t_.stages + 1, t_.step, "q", "lse"), ringDy_ = ring(t_.stages + turns_, t_.step, "dy", "delta");
    writeRoles([&] { produce(); }, [&] { consume(); });
  }

 private:
  struct State {
    Value dk, dv;
    Value ds, p;  ///< rounded, of the last step, which is not in the sums yet, if there is one; p in turns alone
    SmallVector<Value> values() const {
      SmallVector<Value> all = {dk, dv};
      if (ds) all.push_back(ds);
      if (p) all.push_back(p);
      return all;
    }
    static State of(ValueRange v) { return {v[0], v[1], v.size() > 2 ? v[2] : Value(), v.size() > 3 ? v[3] : Value()}; }
  };
  static constexpr StringRef kCarried[] = {"dk", "dv", "d_rounded", "rounded"};

  void findTile() {
    Value heads = p_.group == 1 ? p_.heads.value : called(ix_.div(p_.heads.value, p_.group), "kv_heads");
    Value tiles = called(ix_.tiles(p_.keys.value, t_.rows), "key_tiles");
    at_ = place(heads, tiles, ix_.mul(p_.queries.value, p_.group));
    steps_ = called(ix_.tiles(p_.queries.value, t_.step), "steps");
    first_ = whole_ = ix_.c(0);
    if (!p_.causal) return;
    // The first query that sees the tile's first key, and the first that sees its last.
    Value sees = called(ix_.add(at_.row, ix_.sub(p_.queries.value, p_.keys.value)), "sees_first");
    first_ = called(ix_.min(ix_.div(max(sees, 0), t_.step), steps_), "first_step");
    whole_ = called(ix_.min(ix_.tiles(max(ix_.add(sees, t_.rows - 1), 0), t_.step), steps_), "first_whole");
  }

  /// `body` for each head of q that shares this tile; what it carries from head to head.
  State forHeads(const State &from, llvm::function_ref<State(Value head, const State &)> body) {
    if (p_.group == 1) return body(at_.head, from);
    auto loop = loopOver(ix_.c(0), ix_.c(p_.group), from.dk ? from.values() : SmallVector<Value>(), "shared", kCarried);
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    Value head = called(ix_.add(ix_.mul(at_.head, p_.group), loop.getInductionVar()), "q_head");
    State sums = body(head, from.dk ? State::of(loop.getRegionIterArgs()) : State());
    if (!from.dk) return {};
    scf::YieldOp::create(b_, loc_, sums.values());
    return State::of(loop.getResults());
  }

  void produce() {
    fetch(ringK_, {{mapK_, {ix_.c(0), at_.row, at_.head, at_.batch}}});
    fetch(ringV_, {{mapV_, {ix_.c(0), at_.row, at_.head, at_.batch}}});
    forHeads({}, [&](Value head, const State &) {
      Value allHead = called(ix_.add(ix_.mul(at_.batch, p_.heads.value), head), "q_batch_head");
      auto loop = loopOver(first_, steps_, {}, "step");
      OpBuilder::InsertionGuard guard(b_);
      b_.setInsertionPointToStart(loop.getBody());
      Value row = called(ix_.mul(loop.getInductionVar(), t_.step), "query");
      fetch(ringQ_, {{mapQ_, {ix_.c(0), row, head, at_.batch}}, {mapLse_, {row, allHead}}});
      fetch(ringDy_, {{mapDy_, {ix_.c(0), row, head, at_.batch}}, {mapDelta_, {row, allHead}}});
      return State();
    });
  }

  void consume() {
    myRow_ = called(ix_.add(at_.row, firstRow_), "my_row");
    if (p_.causal) {
      // Key j is seen from query j - (keys - queries) on.
      Value first = ix_.add(myRow_, ix_.sub(p_.queries.value, p_.keys.value));
      Value rows = tile::IotaOp::create(b_, loc_, rowIndexType_, 0);
      seenFrom_ = called(arith::AddIOp::create(b_, loc_, rows, splat(narrow(first), rowIndexType_)), "seen_from");
    }
    slotK_ = wait(ringK_), slotV_ = wait(ringV_);
    State none{splat(zero_, outType_), splat(zero_, outType_), {}, {}};
    // Where no step is masked, which head a step belongs to is the producer's affair.
    State sums = p_.causal ? forHeads(none, [&](Value, const State &from) { return walk(from, steps_); }) : walk(none, ix_.mul(steps_, p_.group));
    release(ringK_), release(ringV_);
    storeTile(sums.dv, mapDv_, myRow_, at_.head, at_.batch, false, "Patches of a warp's rows through swizzled shared memory: dv");
    storeTile(sums.dk, mapDk_, myRow_, at_.head, at_.batch, true, "The same of dk, scaled");
  }

  /// Steps from the first one to `end`, and what they leave.
  State walk(State state, Value end) {
    Value first = first_;
    if (turns_ && !p_.causal) {
      // A step of its own, so that the loop has no branch around products. Of masked steps there would be three copies, and they spill.
      state = step(state, first);
      first = ix_.add(first, ix_.c(1));
    } else {
      slotQ_ = wait(ringQ_);
      state.ds = rounded(splat(zero_, scoreType_), "d_rounded");
      if (turns_) {
        slotDy_ = wait(ringDy_);
        state.p = rounded(splat(zero_, scoreType_), "rounded");
      }
    }
    auto loop = loopOver(first, end, state.values(), "step", kCarried);
    phase(loop, "Main loop: weights and their gradients are made again, and go from registers into dv and dk");
    {
      OpBuilder::InsertionGuard guard(b_);
      b_.setInsertionPointToStart(loop.getBody());
      scf::YieldOp::create(b_, loc_, step(State::of(loop.getRegionIterArgs()), loop.getInductionVar()).values());
    }
    state = State::of(loop.getResults());
    if (turns_) state.dv = multiplyRegisters(state.dv, state.p, slotDy_, 1);
    state.dk = multiplyRegisters(state.dk, state.ds, slotQ_, 1);
    if (turns_) {
      state.dv = landed(state.dv, 1);
      release(ringDy_);
    }
    state.dk = landed(state.dk, 0);
    release(ringQ_);
    return {state.dk, state.dv, {}, {}};
  }

  State step(const State &before, Value number) {
    if (turns_) tile::TurnWaitOp::create(b_, loc_);
    Value slotQ = wait(ringQ_), scores = multiplyShared(slotK_, slotQ, "scores");
    Value slotDy = wait(ringDy_), dp = multiplyShared(slotV_, slotDy, "d_weights");
    Value dv = before.dv, dk = before.dk;
    if (before.p) dv = multiplyRegisters(dv, before.p, slotDy, 1);
    if (before.ds) dk = multiplyRegisters(dk, before.ds, slotQ, 1);
    if (!before.ds) {
      phase(slotQ.getDefiningOp(), "First step: none before it");
      slotQ_ = slotQ, slotDy_ = slotDy;
    }
    if (turns_) tile::TurnPassOp::create(b_, loc_);
    const int64_t sums = bool(before.p) + bool(before.ds);  // products of the step before that run beside
    scores = landed(scores, sums + 1);
    Value lse = tile::ColumnLoadOp::create(b_, nameLoc(b_, loc_, "lse_"), columnType_, slotQ, 1);
    Value p = weights(scores, shiftOf(lse));
    p = where(p_.causal ? Masked::some : Masked::none, number, whole_, p, [&] { return mask(p, called(ix_.mul(number, t_.step), "query")); });
    if (!turns_) {
      dv = multiplyRegisters(dv, rounded(p, "rounded"), slotDy);
      // Here rather than at the end: what dk read makes room for delta and the gradients.
      dk = landed(dk, 1);
      release(ringQ_, 1);
    }
    Value delta = tile::ColumnLoadOp::create(b_, nameLoc(b_, loc_, "delta_"), columnType_, slotDy, 1);
    // Where nothing masks, ptxas would wait before most of the weights: 4 to 6 % (decision 0017).
    dp = landed(dp, turns_ ? sums : 1, turns_ && !p_.causal ? p : Value());
    Value ds = gradientOfScores(p, dp, delta);
    if (!turns_ || before.p) dv = landed(dv, turns_ ? 1 : 0);
    release(ringDy_, turns_);
    if (!turns_) return {dk, dv, rounded(ds, "d_rounded"), {}};
    if (before.ds) dk = landed(dk, 0);
    release(ringQ_, 1);
    Value roundedP = rounded(p, "rounded");
    return {dk, dv, rounded(ds, "d_rounded"), roundedP};
  }

  Value mask(Value p, Value query) {
    Value here = called(arith::SubIOp::create(b_, loc_, seenFrom_, splat(narrow(query), rowIndexType_)), "seen_from_here");
    Value columns = tile::IotaOp::create(b_, loc_, scoreIndexType_, 1);
    Value seen = arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::sge, columns, splat(here, scoreIndexType_));
    return called(arith::SelectOp::create(b_, loc_, seen, p, splat(zero_, scoreType_)), "seen_weights");
  }

  Value mapQ_, mapK_, mapV_, mapDy_, mapLse_, mapDelta_, mapDk_, mapDv_, ringQ_, ringK_, ringV_, ringDy_, slotK_, slotV_;
  Value slotQ_, slotDy_;  ///< the first of their rings
  Place at_;
  Value steps_, first_, whole_;  ///< of queries: their number, the first that sees any key of the tile, the first that sees all
  Value myRow_, seenFrom_;
};

}  // namespace

void emitAttentionGradKeys(OpBuilder &b, tile::KernelOp kernel, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile) {
  KeysProgram(b, kernel, problem, tile).run();
}

}  // namespace jinx::schedules
