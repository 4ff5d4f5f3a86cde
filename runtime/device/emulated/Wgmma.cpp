// wgmma: four warps multiply tiles that lie in shared memory into accumulators that lie in their registers, asynchronously.
//
// d[64, n] += a[64, 16] * b[n, 16]^T. Thread t of the warpgroup holds, in d[4*j + 2*h + e], row 16*(t/32) + (t%32)/4 + 8*h and column
// 8*j + 2*(t%4) + e. The operands are named by descriptors: start address / 16 in bits 0..13, bytes between groups of 8 rows / 16 in
// bits 32..45, swizzle mode in bits 62..63 (1: 128 bytes). Rows are 128 bytes apart inside a group; the swizzle is a function of address
// bits alone, so stepping k inside the span just adds 32 bytes to the start.
//
// With a in registers, d[64, n] += a[64, 16] * b[16, n]. Thread t holds, in pair 2*g + h of a, row 16*(t/32) + (t%32)/4 + 8*h and columns
// 8*g + 2*(t%4) (+1): what it holds of two groups of 8 columns of a d. Rows of b are in panels of 64 columns, bits 16..29 / 16 bytes apart.
//
// When the product is computed: as late as the program allows (at the wait for its group), or at once, as the seed decides. From issue to
// wait the program's accumulator registers hold NaN and the true values live here, so that reading too early shows. Registers of a that
// are not at the wait what they were at the issue are an error.
#include <cmath>
#include <cstring>
#include <sstream>

#include "runtime/base/DType.h"
#include "runtime/device/emulated/Machine.h"

namespace jinx::emulated {

namespace {

constexpr int kM = 64, kK = 16;

struct Operand {
  unsigned start, panelStride, groupStride, mode;
  explicit Operand(uint64_t desc)
      : start(unsigned(desc & 0x3FFF) << 4), panelStride(unsigned(desc >> 16 & 0x3FFF) << 4), groupStride(unsigned(desc >> 32 & 0x3FFF) << 4),
        mode(unsigned(desc >> 62)) {}
  unsigned span() const { return mode == 1 ? 128 : mode == 2 ? 64 : mode == 3 ? 32 : 16; }
  /// Address of 16 bytes: elements 8*piece … of row r of the panel that begins `offset` bytes on.
  unsigned chunk(int r, int piece, unsigned offset = 0) const {
    return swizzled(start + offset + unsigned(r / 8) * groupStride + unsigned(r % 8) * span() + unsigned(piece) * 16);
  }
  /// Stored by rows of k: elements 8*octet … of row k.
  unsigned chunkOfRow(int k, int octet) const {
    const int octets = int(span()) / 16;
    return chunk(k, octet % octets, unsigned(octet / octets) * panelStride);
  }

 private:
  unsigned swizzled(unsigned a) const {
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

void Machine::wgmma(float *d, const WgmmaProduct &product, int line) {
  Thread &t = self();
  WarpgroupUnit &unit = t.cta->warpgroups[t.index / kWarpgroup];
  if (!t.wgmmaFenced) fail("wgmma without wgmma_fence since the accumulators were last touched", line);
  uint64_t number = t.wgmmaIssued++;
  if (number < unit.firstOp) fail("internal: a wgmma was retired before every thread issued it", line);
  if (number - unit.firstOp == unit.ops.size()) {
    WgmmaOp op;
    op.product = product;
    op.line = line;
    unit.ops.push_back(op);
  }
  WgmmaOp &op = unit.ops[number - unit.firstOp];
  if (t.lane() == 0) checkOperands(t, unit, op, static_cast<Clock>(number + 1));
  if (!op.product.sameForAll(product)) fail("the threads of a warpgroup issue different wgmmas", line);
  if (product.registersA) {
    op.a[t.index % kWarpgroup] = product.registersA;
    std::memcpy(op.issuedA[t.index % kWarpgroup].data(), product.registersA, sizeof(WgmmaOp::Registers));
  }
  op.d[t.index % kWarpgroup] = d;
  Accumulator &acc = t.wgmmaInFlight[d];
  if (acc.users++ == 0) {
    acc.values.assign(d, d + product.n / 2);
    for (int i = 0; i < product.n / 2; ++i) d[i] = std::nanf("");
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
        if (op.a[i] && std::memcmp(op.a[i], op.issuedA[i].data(), sizeof(WgmmaOp::Registers)) != 0)
          fail("the registers of a wgmma's A have changed since its issue" + at(op.line) + "; found", line);
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
  auto check = [&](unsigned address) {
    checkSharedRange(*t.cta, address, 16, "wgmma", op.line);
    const SharedShadow::Access access{address, 16, {unit.actor, number, op.line}, SharedShadow::Proxy::kAsync};
    demandNone(t.cta->shadow.read(access, t.knows), *t.cta, "wgmma", false, op.line);
  };
  auto rows = [&](const Operand &operand, int count) {
    for (int row = 0; row < count; ++row)
      for (int half = 0; half < 2; ++half) check(operand.chunk(row, half));
  };
  const Operand b(op.product.descB);
  if (!op.product.registersA) {
    rows(Operand(op.product.descA), kM);
    rows(b, op.product.n);
    return;
  }
  for (int k = 0; k < kK; ++k)
    for (int octet = 0; octet < op.product.n / 8; ++octet) check(b.chunkOfRow(k, octet));
}

void Machine::runWgmma(Cta &cta, WarpgroupUnit &unit, WgmmaOp &op) {
  op.done = true;
  ++report_.wgmmas;
  const int n = op.product.n;
  auto decode = [&](uint16_t bits) { return op.product.bf16 ? bfloat16ToFloat(bits) : halfToFloat(bits); };
  auto eight = [&](unsigned address, float *out, int stride) {
    for (int e = 0; e < 8; ++e) {
      uint16_t bits;
      std::memcpy(&bits, cta.window + address + 2 * e, 2);
      out[e * stride] = decode(bits);
    }
  };
  auto onAtom = [&](const Operand &operand) {
    if (operand.mode == 1 && (operand.start & ~0x7Fu & 0x3FF))
      fail("a wgmma operand with a 128-byte swizzle must start on a 1024-byte atom", op.line);
  };
  // Both operands decoded, b with k outermost so that the inner loop runs along n.
  std::vector<float> av(kM * kK), bv(static_cast<size_t>(kK) * n), sum(static_cast<size_t>(kM) * n, 0.0f);
  const Operand b(op.product.descB);
  onAtom(b);
  if (!op.product.registersA) {
    const Operand a(op.product.descA);
    onAtom(a);
    for (int r = 0; r < kM; ++r)
      for (int half = 0; half < 2; ++half) eight(a.chunk(r, half), av.data() + r * kK + 8 * half, 1);
    for (int c = 0; c < n; ++c)
      for (int half = 0; half < 2; ++half) eight(b.chunk(c, half), bv.data() + 8 * half * n + c, n);
  } else {
    for (int i = 0; i < int(kWarpgroup); ++i)
      for (int pair = 0; pair < 4; ++pair)
        for (int e = 0; e < 2; ++e) {
          const int row = 16 * (i / 32) + i % 32 / 4 + 8 * (pair % 2), column = 8 * (pair / 2) + 2 * (i % 4) + e;
          av[row * kK + column] = decode(static_cast<uint16_t>(op.issuedA[i][pair] >> (16 * e)));
        }
    for (int k = 0; k < kK; ++k)
      for (int octet = 0; octet < n / 8; ++octet) eight(b.chunkOfRow(k, octet), bv.data() + k * n + 8 * octet, 1);
  }
  for (int r = 0; r < kM; ++r)
    for (int k = 0; k < kK; ++k) {
      float scale = av[r * kK + k];
      const float *from = bv.data() + static_cast<size_t>(k) * n;
      float *to = sum.data() + static_cast<size_t>(r) * n;
      for (int c = 0; c < n; ++c) to[c] += scale * from[c];
    }
  unsigned first = unsigned(&unit - cta.warpgroups.data()) * kWarpgroup;
  for (unsigned i = 0; i < kWarpgroup; ++i) {
    float *values = cta.threads[first + i].wgmmaInFlight.find(op.d[i])->second.values.data();
    unsigned lane = i % kLanes;
    for (int j = 0; j < n / 8; ++j)
      for (int h = 0; h < 2; ++h)
        for (int e = 0; e < 2; ++e) {
          size_t row = 16 * (i / kLanes) + lane / 4 + 8 * h, column = 8 * j + 2 * (lane % 4) + e;
          float &v = values[4 * j + 2 * h + e];
          v = (op.product.accumulate ? v : 0.0f) + sum[row * n + column];
        }
  }
}

}  // namespace jinx::emulated
