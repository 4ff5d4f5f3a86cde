// Parts of attention become one: what a second kernel does where keys were cut (CudaAttention.h, AttentionParts).
//
//   m = max_p lse_p     w_p = e^(lse_p - m)     o = sum_p w_p out_p / sum_p w_p
//
// A row of the result is a block, a column a thread. Its parts lie side by side and are taken some at a time, so that all loads of a round are on
// their way before the first is used; parts past the last one weigh nothing. A round joins what went before as a step of
// keys does (WgmmaAttention.cpp). Parts come in the order of their keys, in the same rounds: the bits of a row depend on its own keys alone.
//
// The operation is associative but for rounding. So parts may come from several kernels, say of a prefix that sequences share and of what follows.
#include <limits>

#include "codegen/schedules/cuda/CudaAttention.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::schedules {

namespace {

constexpr int64_t kRound = 16;  // parts whose loads are in flight together

class MergeProgram {
 public:
  MergeProgram(OpBuilder &b, tile::KernelOp kernel, const AttentionMerge &problem) : b_(b), loc_(kernel.getLoc()), kernel_(kernel), ix_{b_, loc_}, p_(problem) {}

  void run() {
    OpBuilder::InsertionGuard guard(b_);
    // A column a thread: several to each leaves no registers for a round of loads.
    kernel_->setAttr("threads", b_.getI64IntegerAttr((p_.headDim + 31) / 32 * 32));
    toLog2_ = arith::ConstantOp::create(b_, nameLoc(b_, loc_, "toLog2"), b_.getF32FloatAttr(1.44269504f));
    rowType_ = VectorType::get({p_.headDim}, b_.getF32Type());
    Value row = tile::ProgramIdOp::create(b_, loc_, b_.getIndexType());
    Value matrix = ix_.div(row, p_.queries.value), query = called(ix_.sub(row, ix_.mul(matrix, p_.queries.value)), "query");
    Value batch = called(ix_.div(matrix, p_.heads.value), "batch"), head = called(ix_.sub(matrix, ix_.mul(batch, p_.heads.value)), "head");
    auto at = [&](const AttentionSize &s0, const AttentionSize &s1, const AttentionSize &s2) {
      return ix_.add(ix_.add(ix_.mul(batch, s0.value), ix_.mul(head, s1.value)), ix_.mul(query, s2.value));
    };
    count_ = p_.parts.count.value;
    if (p_.lengths) {
      Value length = tile::LoadOp::create(b_, loc_, VectorType::get({1}, b_.getI32Type()), p_.lengths, batch, ValueRange{ix_.c(1)}, ValueRange{});
      length = arith::IndexCastOp::create(b_, loc_, b_.getIndexType(), vector::ExtractOp::create(b_, loc_, length, ArrayRef<int64_t>{0}));
      count_ = called(ix_.tiles(length, p_.parts.keys), "own_parts");
    }
    if (p_.parts.before.value) count_ = called(ix_.add(count_, p_.parts.before.value), "all_parts");
    firstPlace_ = called(at(p_.parts.batchStride, p_.parts.headStride, p_.parts.rowStride), "first_place");
    Value result = merged();
    result = arith::TruncFOp::create(b_, loc_, VectorType::get({p_.headDim}, elementOf(p_.o.data)), result);
    tile::StoreOp::create(b_, loc_, result, p_.o.data, called(at(p_.o.batchStride, p_.o.headStride, p_.o.rowStride), "offset"), ValueRange{ix_.c(1)},
                          ValueRange{});
  }

 private:
  /// Rounds of parts, each joined to those before, and the quotient.
  Value merged() {
    Value zero = number(0), lowest = number(-std::numeric_limits<float>::infinity());
    auto loop = scf::ForOp::create(b_, loc_, ix_.c(0), count_, ix_.c(kRound), ValueRange{splat(zero), lowest, zero});
    loop.getInductionVar().setLoc(nameLoc(b_, loc_, "first_part"));
    phase(loop, "Parts, " + std::to_string(kRound) + " at a time");
    const char *names[] = {"out", "largest", "sum"};
    for (auto [arg, name] : llvm::zip(loop.getRegionIterArgs(), names)) arg.setLoc(nameLoc(b_, loc_, name));
    {
      OpBuilder::InsertionGuard guard(b_);
      b_.setInsertionPointToStart(loop.getBody());
      auto args = loop.getRegionIterArgs();
      scf::YieldOp::create(b_, loc_, round(loop.getInductionVar(), args[0], args[1], args[2]));
    }
    // A row that no part saw is zeros: divided by 1.
    Value sum = arith::SelectOp::create(b_, loc_, equal(loop.getResult(2), zero), number(1), loop.getResult(2));
    return arith::MulFOp::create(b_, loc_, loop.getResult(0), splat(arith::DivFOp::create(b_, loc_, number(1), sum)));
  }

  SmallVector<Value> round(Value firstPart, Value out, Value largest, Value sum) {
    Value zero = number(0), lowest = number(-std::numeric_limits<float>::infinity());
    SmallVector<Value> logarithms, parts;
    Value firstHere = called(ix_.add(firstPlace_, firstPart), "place"), left = called(ix_.sub(count_, firstPart), "left");
    for (int64_t i = 0; i < kRound; ++i) {
      Value place = i ? ix_.add(firstHere, i) : firstHere, rest = i ? ix_.sub(left, ix_.c(i)) : left;
      Value logarithm = tile::LoadOp::create(b_, loc_, VectorType::get({1}, b_.getF32Type()), p_.parts.logSumExp, place, ValueRange{ix_.c(1)}, ValueRange{rest});
      logarithm = vector::ExtractOp::create(b_, loc_, logarithm, ArrayRef<int64_t>{0});
      parts.push_back(tile::LoadOp::create(b_, loc_, rowType_, p_.parts.out, ix_.mul(place, p_.headDim), ValueRange{ix_.c(1)}, ValueRange{ix_.mul(rest, p_.headDim)}));
      Value isThere = arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::sgt, rest, ix_.c(0));
      logarithms.push_back(called(i ? arith::SelectOp::create(b_, loc_, isThere, logarithm, lowest).getResult() : logarithm, "logarithm"));
    }
    Value next = largest;
    for (Value v : logarithms) next = arith::MaxNumFOp::create(b_, loc_, next, v);
    next = called(next, "next");
    Value shift = called(arith::SelectOp::create(b_, loc_, equal(next, lowest), zero, next), "shift");
    auto weight = [&](Value v) -> Value {
      v = arith::MulFOp::create(b_, loc_, arith::SubFOp::create(b_, loc_, v, shift), toLog2_);
      return math::Exp2Op::create(b_, loc_, v, arith::FastMathFlagsAttr::get(b_.getContext(), arith::FastMathFlags::afn));
    };
    Value before = weight(largest);
    sum = arith::MulFOp::create(b_, loc_, sum, before);
    out = arith::MulFOp::create(b_, loc_, out, splat(before));
    for (auto [v, part] : llvm::zip(logarithms, parts)) {
      Value w = weight(v);
      sum = arith::AddFOp::create(b_, loc_, sum, w);
      out = math::FmaOp::create(b_, loc_, splat(w), part, out);
    }
    return {out, next, sum};
  }

  static Type elementOf(Value buffer) { return cast<tile::PtrType>(buffer.getType()).getElement(); }
  Value number(double v) { return arith::ConstantOp::create(b_, loc_, b_.getF32FloatAttr(static_cast<float>(v))); }
  Value splat(Value v) { return vector::BroadcastOp::create(b_, loc_, rowType_, v); }
  Value equal(Value x, Value y) { return arith::CmpFOp::create(b_, loc_, arith::CmpFPredicate::OEQ, x, y); }
  Value called(Value v, StringRef name) {
    if (v.getDefiningOp() && !v.getDefiningOp<arith::ConstantOp>()) v.setLoc(nameLoc(b_, loc_, name));
    return v;
  }

  OpBuilder &b_;
  Location loc_;
  tile::KernelOp kernel_;
  IndexBuilder ix_;
  const AttentionMerge &p_;
  VectorType rowType_;
  Value toLog2_, firstPlace_, count_;
};

}  // namespace

void emitAttentionMerge(OpBuilder &b, tile::KernelOp kernel, const AttentionMerge &problem) { MergeProgram(b, kernel, problem).run(); }

}  // namespace jinx::schedules
