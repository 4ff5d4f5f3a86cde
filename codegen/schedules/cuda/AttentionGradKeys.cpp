// dk and dv for sm_90a: a block owns a tile of keys and walks the queries that see it (Shah et al. 2024, FlashAttention-3, backward).
//
// The producer thread fetches the block's keys and values once, then queries and gradients of outputs tile by tile, each with its row
// of lse or delta. A consumer has 64 keys, and everything transposed, so that what it computes is the first operand of the next product:
//
//   sᵀ = k·qᵀ   dpᵀ = v·dyᵀ   pᵀ = 2^(a sᵀ - b lse)   dv += pᵀ·dy   dsᵀ = pᵀ (dpᵀ - delta)   dk += dsᵀ·q
//
// with a = scale log2(e), b = log2(e). lse and delta belong to columns here. The first two products run together, the second under the
// weights of the first, dv under the gradient of the scores; the other consumer's products fill what is left. Heads of q that share k and v
// are walked one after the other, into the same sums.
//
// Causal: queries before the diagonal do not see the tile and are left out, those that see some of it are masked in a loop of their own.
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
    ringQ_ = ring(t_.stages, t_.step, "q", "lse"), ringDy_ = ring(t_.stages, t_.step, "dy", "delta");
    writeRoles([&] { produce(); }, [&] { consume(); });
  }

 private:
  struct Sums {
    Value dk, dv;
  };

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

  /// `body` for each head of q that shares this tile; what it carries.
  Sums forHeads(const Sums &from, llvm::function_ref<Sums(Value head, const Sums &)> body) {
    if (p_.group == 1) return body(at_.head, from);
    SmallVector<Value> inits;
    if (from.dk) inits = {from.dk, from.dv};
    auto loop = loopOver(ix_.c(0), ix_.c(p_.group), inits, "shared", {"dk", "dv"});
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    Value head = called(ix_.add(ix_.mul(at_.head, p_.group), loop.getInductionVar()), "q_head");
    auto args = loop.getRegionIterArgs();
    Sums sums = body(head, from.dk ? Sums{args[0], args[1]} : Sums());
    if (!from.dk) return {};
    scf::YieldOp::create(b_, loc_, ValueRange{sums.dk, sums.dv});
    return {loop.getResult(0), loop.getResult(1)};
  }

  void produce() {
    fetch(ringK_, {{mapK_, {ix_.c(0), at_.row, at_.head, at_.batch}}});
    fetch(ringV_, {{mapV_, {ix_.c(0), at_.row, at_.head, at_.batch}}});
    forHeads({}, [&](Value head, const Sums &) {
      Value allHead = called(ix_.add(ix_.mul(at_.batch, p_.heads.value), head), "q_batch_head");
      auto loop = loopOver(first_, steps_, {}, "step");
      OpBuilder::InsertionGuard guard(b_);
      b_.setInsertionPointToStart(loop.getBody());
      Value row = called(ix_.mul(loop.getInductionVar(), t_.step), "query");
      fetch(ringQ_, {{mapQ_, {ix_.c(0), row, head, at_.batch}}, {mapLse_, {row, allHead}}});
      fetch(ringDy_, {{mapDy_, {ix_.c(0), row, head, at_.batch}}, {mapDelta_, {row, allHead}}});
      return Sums();
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
    Sums sums = forHeads({splat(zero_, outType_), splat(zero_, outType_)}, [&](Value, const Sums &from) {
      Sums sums = from;
      if (p_.causal) sums = steps(sums, first_, whole_, true, "Steps with queries that do not see all of these keys");
      return steps(sums, whole_, steps_, false, "Main loop: weights and their gradients are made again, and go from registers into dv and dk");
    });
    release(ringK_), release(ringV_);
    storeTile(sums.dv, mapDv_, myRow_, at_.head, at_.batch, false, "Patches of a warp's rows through swizzled shared memory: dv");
    storeTile(sums.dk, mapDk_, myRow_, at_.head, at_.batch, true, "The same of dk, scaled");
  }

  Sums steps(const Sums &from, Value first, Value end, bool masked, StringRef comment) {
    auto loop = loopOver(first, end, {from.dk, from.dv}, "step", {"dk", "dv"});
    phase(loop, comment);
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    auto args = loop.getRegionIterArgs();
    Value slotQ = wait(ringQ_), scores = multiplyShared(slotK_, slotQ, "scores");
    Value slotDy = wait(ringDy_), dp = multiplyShared(slotV_, slotDy, "d_weights");
    scores = landed(scores, 1);
    Value lse = tile::ColumnLoadOp::create(b_, nameLoc(b_, loc_, "lse_"), columnType_, slotQ, 1);
    Value p = weights(scores, shiftOf(lse));
    if (masked) p = mask(p, called(ix_.mul(loop.getInductionVar(), t_.step), "query"));
    Value dv = multiplyRegisters(args[1], rounded(p, "rounded"), slotDy);
    Value delta = tile::ColumnLoadOp::create(b_, nameLoc(b_, loc_, "delta_"), columnType_, slotDy, 1);
    dp = landed(dp, 1);
    Value dk = multiplyRegisters(args[0], rounded(gradientOfScores(p, dp, delta), "d_rounded"), slotQ);
    dv = landed(dv, 1);
    release(ringDy_);
    dk = landed(dk, 0);
    release(ringQ_);
    scf::YieldOp::create(b_, loc_, ValueRange{dk, dv});
    return {loop.getResult(0), loop.getResult(1)};
  }

  Value mask(Value p, Value query) {
    Value here = called(arith::SubIOp::create(b_, loc_, seenFrom_, splat(narrow(query), rowIndexType_)), "seen_from_here");
    Value columns = tile::IotaOp::create(b_, loc_, scoreIndexType_, 1);
    Value seen = arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::sge, columns, splat(here, scoreIndexType_));
    return called(arith::SelectOp::create(b_, loc_, seen, p, splat(zero_, scoreType_)), "seen_weights");
  }

  Value mapQ_, mapK_, mapV_, mapDy_, mapLse_, mapDelta_, mapDk_, mapDv_, ringQ_, ringK_, ringV_, ringDy_, slotK_, slotV_;
  Place at_;
  Value steps_, first_, whole_;  ///< of queries: their number, the first that sees any key of the tile, the first that sees all
  Value myRow_, seenFrom_;
};

}  // namespace

void emitAttentionGradKeys(OpBuilder &b, tile::KernelOp kernel, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile) {
  KeysProgram(b, kernel, problem, tile).run();
}

}  // namespace jinx::schedules
