// wgmma: four warps multiply tiles that lie in shared memory into accumulators that lie in their registers, asynchronously.
//
// d[64, n] += a[64, 16] * b[n, 16]^T. Thread t of the warpgroup holds, in d[4*j + 2*h + e], row 16*(t/32) + (t%32)/4 + 8*h and column
// 8*j + 2*(t%4) + e. The operands are named by descriptors: start address / 16 in bits 0..13, bytes between groups of 8 rows / 16 in
// bits 32..45, swizzle mode in bits 62..63 (1: 128 bytes). Rows are 128 bytes apart inside a group; the swizzle is a function of address
// bits alone, so stepping k inside the span just adds 32 bytes to the start.
//
// When the product is computed: as late as the program allows (at the wait for its group), or at once, as the seed decides. From issue to
// wait the program's accumulator registers hold NaN and the true values live here, so that reading too early shows.
#include <cmath>
#include <cstring>
#include <sstream>

#include "runtime/base/DType.h"
#include "runtime/device/emulated/Machine.h"

namespace jinx::emulated {

namespace {

constexpr int kM = 64, kK = 16;

struct Operand {
  unsigned start, groupStride, mode;
  explicit Operand(uint64_t desc)
      : start(unsigned(desc & 0x3FFF) << 4), groupStride(unsigned(desc >> 32 & 0x3FFF) << 4), mode(unsigned(desc >> 62)) {}
  unsigned span() const { return mode == 1 ? 128 : mode == 2 ? 64 : mode == 3 ? 32 : 16; }
  /// Address of 16 bytes: elements 8*half … of row r.
  unsigned chunk(int r, int half) const {
    unsigned a = start + unsigned(r / 8) * groupStride + unsigned(r % 8) * span() + unsigned(half) * 16;
    switch (mode) {
      case 1: return a ^ ((a >> 3) & 0x70);
      case 2: return a ^ ((a >> 3) & 0x30);
      case 3: return a ^ ((a >> 3) & 0x10);
      default: return a;
    }
  }
};

}  // namespace

void Machine::wgmmaFence(int) {
  self().wgmmaFenced = true;
}

void Machine::wgmma(float *d, int n, bool bf16, uint64_t descA, uint64_t descB, bool accumulate, int line) {
  Thread &t = self();
  WarpgroupUnit &unit = t.cta->warpgroups[t.index / kWarpgroup];
  if (!t.wgmmaFenced) fail("wgmma without wgmma_fence since the accumulators were last touched", line);
  uint64_t number = t.wgmmaIssued++;
  if (number < unit.firstOp) fail("internal: a wgmma was retired before every thread issued it", line);
  if (number - unit.firstOp == unit.ops.size()) {
    WgmmaOp op;
    op.descA = descA;
    op.descB = descB;
    op.n = n;
    op.line = line;
    op.bf16 = bf16;
    op.accumulate = accumulate;
    unit.ops.push_back(op);
  }
  WgmmaOp &op = unit.ops[number - unit.firstOp];
  if (t.lane() == 0) checkOperands(t, unit, op, static_cast<Clock>(number + 1));
  if (op.descA != descA || op.descB != descB || op.n != n || op.accumulate != accumulate)
    fail("the threads of a warpgroup issue different wgmmas", line);
  op.d[t.index % kWarpgroup] = d;
  Accumulator &acc = t.wgmmaInFlight[d];
  if (acc.users++ == 0) {
    acc.values.assign(d, d + n / 2);
    for (int i = 0; i < n / 2; ++i) d[i] = std::nanf("");
  }
  if (++op.issued < kWarpgroup) return;
  // Everyone has issued it: sometimes the hardware is quick.
  if (random(2) == 0)
    for (WgmmaOp &o : unit.ops) {
      if (o.issued < kWarpgroup) break;
      if (!o.done) runWgmma(*t.cta, unit, o);
    }
}

void Machine::wgmmaCommit(int line) {
  Thread &t = self();
  WarpgroupUnit &unit = t.cta->warpgroups[t.index / kWarpgroup];
  uint64_t group = t.wgmmaCommitted++;
  if (group == unit.groupEnds.size()) unit.groupEnds.push_back(t.wgmmaIssued);
  if (unit.groupEnds[group] != t.wgmmaIssued) fail("the threads of a warpgroup commit different wgmma groups", line);
}

void Machine::wgmmaWait(int pending, int line) {
  Thread &t = self();
  Cta &cta = *t.cta;
  WarpgroupUnit &unit = cta.warpgroups[t.index / kWarpgroup];
  t.wgmmaFenced = false;
  if (t.wgmmaIssued > (t.wgmmaCommitted ? unit.groupEnds[t.wgmmaCommitted - 1] : 0))
    fail("wgmma_wait while a wgmma is in no group: wgmma_commit is missing after line " + std::to_string(unit.ops.back().line), line);
  if (meet(unit.meeting, kWarpgroup, "the warpgroup at wgmma_wait", line)) {
    uint64_t finished = unit.firstOp;
    if (t.wgmmaCommitted > uint64_t(pending)) finished = std::max(finished, unit.groupEnds[t.wgmmaCommitted - 1 - pending]);
    while (unit.firstOp < finished) {
      WgmmaOp &op = unit.ops.front();
      if (!op.done) runWgmma(cta, unit, op);
      for (unsigned i = 0; i < kWarpgroup; ++i) {
        Thread &owner = cta.threads[t.index / kWarpgroup * kWarpgroup + i];
        auto it = owner.wgmmaInFlight.find(op.d[i]);
        if (--it->second.users) continue;
        std::memcpy(op.d[i], it->second.values.data(), it->second.values.size() * sizeof(float));
        owner.wgmmaInFlight.erase(it);
      }
      unit.ops.pop_front();
      ++unit.firstOp;
    }
    auto retired = std::make_shared<Clocks>(unit.actor + 1);
    (*retired)[unit.actor] = static_cast<Clock>(unit.firstOp);
    unit.retired = retired;
    release(unit.meeting, Orders::kNothing);
  }
  t.knows.seen = joins_.join(t.knows.seen ? t.knows.seen : unit.retired, unit.retired);
}

void Machine::wgmmaPin(const float *d, int line) {
  for (auto &[first, acc] : self().wgmmaInFlight)
    if (d >= first && d < first + acc.values.size())
      fail("an accumulator is read while a wgmma writes it, issued" + at(self().cta->warpgroups[self().index / kWarpgroup].ops.front().line) + "; found", line);
}

/// The operands as one warp sees them when it issues the product: written, ordered and fenced, and read until the product is retired.
void Machine::checkOperands(Thread &t, WarpgroupUnit &unit, const WgmmaOp &op, Clock number) {
  auto rows = [&](const Operand &operand, int count) {
    for (int row = 0; row < count; ++row)
      for (int half = 0; half < 2; ++half) {
        const unsigned address = operand.chunk(row, half);
        checkSharedRange(*t.cta, address, 16, "wgmma", op.line);
        const SharedShadow::Access access{address, 16, {unit.actor, number, op.line}, SharedShadow::Proxy::kAsync};
        demandNone(t.cta->shadow.read(access, t.knows), *t.cta, "wgmma", false, op.line);
      }
  };
  rows(Operand(op.descA), kM);
  rows(Operand(op.descB), op.n);
}

void Machine::runWgmma(Cta &cta, WarpgroupUnit &unit, WgmmaOp &op) {
  op.done = true;
  ++report_.wgmmas;
  // Decode both operands, b with k outermost so that the inner loop runs along n.
  auto decode = [&](const unsigned char *p) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return op.bf16 ? bfloat16ToFloat(bits) : halfToFloat(bits);
  };
  auto rowInto = [&](const Operand &operand, int row, float *out, int stride) {
    for (int half = 0; half < 2; ++half) {
      unsigned address = operand.chunk(row, half);
      for (int e = 0; e < 8; ++e) out[(8 * half + e) * stride] = decode(cta.window + address + 2 * e);
    }
  };
  Operand a(op.descA), b(op.descB);
  if (a.mode == 1 && (a.start & ~0x7Fu & 0x3FF)) fail("a wgmma operand with a 128-byte swizzle must start on a 1024-byte atom", op.line);
  if (b.mode == 1 && (b.start & ~0x7Fu & 0x3FF)) fail("a wgmma operand with a 128-byte swizzle must start on a 1024-byte atom", op.line);
  std::vector<float> av(kM * kK), bv(static_cast<size_t>(kK) * op.n), sum(static_cast<size_t>(kM) * op.n, 0.0f);
  for (int r = 0; r < kM; ++r) rowInto(a, r, av.data() + r * kK, 1);
  for (int r = 0; r < op.n; ++r) rowInto(b, r, bv.data() + r, op.n);
  for (int r = 0; r < kM; ++r)
    for (int k = 0; k < kK; ++k) {
      float scale = av[r * kK + k];
      const float *from = bv.data() + static_cast<size_t>(k) * op.n;
      float *to = sum.data() + static_cast<size_t>(r) * op.n;
      for (int c = 0; c < op.n; ++c) to[c] += scale * from[c];
    }
  unsigned first = unsigned(&unit - cta.warpgroups.data()) * kWarpgroup;
  for (unsigned i = 0; i < kWarpgroup; ++i) {
    float *values = cta.threads[first + i].wgmmaInFlight.find(op.d[i])->second.values.data();
    unsigned lane = i % kLanes;
    for (int j = 0; j < op.n / 8; ++j)
      for (int h = 0; h < 2; ++h)
        for (int e = 0; e < 2; ++e) {
          size_t row = 16 * (i / kLanes) + lane / 4 + 8 * h, column = 8 * j + 2 * (lane % 4) + e;
          float &v = values[4 * j + 2 * h + e];
          v = (op.accumulate ? v : 0.0f) + sum[row * op.n + column];
        }
  }
}

}  // namespace jinx::emulated
