// wgmma: four warps multiply tiles that lie in shared memory into accumulators that lie in their registers, asynchronously.
//
// d[64, n] += a[64, k] * b[n, k]^T with 32 bytes of k: 16 elements of 16 bits, 32 of 8. Thread t of the warpgroup holds, in
// d[4*j + 2*h + e], row 16*(t/32) + (t%32)/4 + 8*h and column 8*j + 2*(t%4) + e. The operands are named by descriptors: start address / 16
// in bits 0..13, bytes between groups of 8 rows / 16 in bits 32..45, swizzle mode in bits 62..63 (1: 128 bytes). Rows are 128 bytes apart
// inside a group; the swizzle is a function of address bits alone, so stepping k inside the span just adds 32 bytes to the start.
//
// With a in registers, d[64, n] += a[64, 16] * b[16, n]. Thread t holds, in pair 2*g + h of a, row 16*(t/32) + (t%32)/4 + 8*h and columns
// 8*g + 2*(t%4) (+1): what it holds of two groups of 8 columns of a d. Rows of b are in panels of 64 columns, bits 16..29 / 16 bytes apart.
//
// Sums of halves are f32, those of bytes i32, which wraps. Products of 8-bit floats are added up as tensor cores do, roughly: terms and old
// sum are aligned to the largest of them, and what is below 13 bits of its fraction is cut off. (On normal random numbers that is off by 1.3e-3
// at k = 4096 and 2.0e-3 at 8192, of the result's norm; an H200 was off by 1.33e-3 and 2.05e-3.)
//
// When the product is computed: as late as the program allows (at the wait for its group), or at once, as the seed decides. From issue to
// wait the program's accumulator registers hold NaN and the true values live here, so that reading too early shows. Registers of a that
// are not at the wait what they were at the issue are an error.
#include <cmath>
#include <cstring>
#include <sstream>

#include "runtime/base/DType.h"
#include "runtime/device/emulated/Machine.h"
#include "runtime/device/emulated/TensorElements.h"

namespace jinx::emulated {

namespace {

constexpr int kM = 64, kRowBytes = 32, kK = 16;  // kK: of halves

struct Operand {
  unsigned start, panelStride, groupStride, mode;
  explicit Operand(uint64_t desc)
      : start(unsigned(desc & 0x3FFF) << 4), panelStride(unsigned(desc >> 16 & 0x3FFF) << 4), groupStride(unsigned(desc >> 32 & 0x3FFF) << 4),
        mode(unsigned(desc >> 62)) {}
  unsigned span() const { return mode == 1 ? 128 : mode == 2 ? 64 : mode == 3 ? 32 : 16; }
  /// Address of 16 bytes, the piece'th, of row r of the panel that begins `offset` bytes on.
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

bool isByte(JinxEmuElement e) { return e == JINX_EMU_S8 || e == JINX_EMU_U8; }
int bytesOf(JinxEmuElement e) { return e == JINX_EMU_F16 || e == JINX_EMU_BF16 ? 2 : 1; }
float decode(JinxEmuElement e, const uint8_t *from) {
  uint16_t half = 0;
  if (bytesOf(e) == 2) std::memcpy(&half, from, 2);
  switch (e) {
    case JINX_EMU_F16: return halfToFloat(half);
    case JINX_EMU_BF16: return bfloat16ToFloat(half);
    case JINX_EMU_E4M3: return static_cast<float>(loadAsDouble(DType::kF8E4M3FN, from, 0));
    case JINX_EMU_E5M2: return static_cast<float>(loadAsDouble(DType::kF8E5M2, from, 0));
    case JINX_EMU_S8: return static_cast<int8_t>(*from);
    case JINX_EMU_U8: return *from;
  }
  return 0;
}

namespace {

/// sum + a[0]*b[0] + … with terms cut off below 13 bits of the largest one's fraction, and the result likewise.
float sumRoughly(float sum, const float *a, const float *b, int count, int stride) {
  constexpr int kFraction = 13;
  float largest = std::fabs(sum), plain = sum;
  for (int k = 0; k < count; ++k) largest = std::fmax(largest, std::fabs(a[k] * b[k * stride])), plain += a[k] * b[k * stride];
  if (largest == 0 || !std::isfinite(plain)) return plain;
  auto cut = [](double x, int exponent) { return std::ldexp(std::trunc(std::ldexp(x, kFraction - exponent)), exponent - kFraction); };
  const int exponent = std::ilogb(largest);
  double total = cut(sum, exponent);
  for (int k = 0; k < count; ++k) total += cut(double(a[k]) * b[k * stride], exponent);
  return total == 0 ? 0.0f : static_cast<float>(cut(total, std::ilogb(total)));
}

}  // namespace

void Machine::wgmmaFence(int) {
  self().wgmmaFenced = true;
}

void Machine::wgmma(void *d, const WgmmaProduct &product, int line) {
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
    acc.values.resize(product.n / 2);
    std::memcpy(acc.values.data(), d, acc.values.size() * 4);
    const float nothing = std::nanf("");
    for (int i = 0; i < product.n / 2; ++i) std::memcpy(static_cast<float *>(d) + i, &nothing, 4);
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
        std::memcpy(op.d[i], it->second.values.data(), it->second.values.size() * 4);
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

void Machine::wgmmaPin(const void *d, int line) {
  for (auto &[first, acc] : self().wgmmaInFlight)
    if (d >= first && d < static_cast<uint32_t *>(first) + acc.values.size())
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
  const int n = op.product.n, bytes = bytesOf(op.product.a), chunk = 16 / bytes, depth = kRowBytes / bytes;
  auto chunkOf = [&](JinxEmuElement element, unsigned address, float *out, int stride) {
    for (int e = 0; e < chunk; ++e) out[e * stride] = decode(element, cta.window + address + bytes * e);
  };
  auto onAtom = [&](const Operand &operand) {
    if (operand.mode == 1 && (operand.start & ~0x7Fu & 0x3FF))
      fail("a wgmma operand with a 128-byte swizzle must start on a 1024-byte atom", op.line);
  };
  // Both operands decoded, b with k outermost so that the inner loop runs along n.
  std::vector<float> av(kM * depth), bv(static_cast<size_t>(depth) * n), sum(static_cast<size_t>(kM) * n, 0.0f);
  const Operand b(op.product.descB);
  onAtom(b);
  if (!op.product.registersA) {
    const Operand a(op.product.descA);
    onAtom(a);
    for (int r = 0; r < kM; ++r)
      for (int half = 0; half < 2; ++half) chunkOf(op.product.a, a.chunk(r, half), av.data() + r * depth + chunk * half, 1);
    for (int c = 0; c < n; ++c)
      for (int half = 0; half < 2; ++half) chunkOf(op.product.b, b.chunk(c, half), bv.data() + chunk * half * n + c, n);
  } else {
    for (int i = 0; i < int(kWarpgroup); ++i)
      for (int pair = 0; pair < 4; ++pair)
        for (int e = 0; e < 2; ++e) {
          const int row = 16 * (i / 32) + i % 32 / 4 + 8 * (pair % 2), column = 8 * (pair / 2) + 2 * (i % 4) + e;
          const uint16_t bits = static_cast<uint16_t>(op.issuedA[i][pair] >> (16 * e));
          av[row * kK + column] = decode(op.product.a, reinterpret_cast<const uint8_t *>(&bits));
        }
    for (int k = 0; k < kK; ++k)
      for (int octet = 0; octet < n / 8; ++octet) chunkOf(op.product.b, b.chunkOfRow(k, octet), bv.data() + k * n + 8 * octet, 1);
  }
  const bool isRough = bytes == 1 && !isByte(op.product.a);
  for (int r = 0; r < kM && !isRough; ++r)
    for (int k = 0; k < depth; ++k) {
      float scale = av[r * depth + k];
      const float *from = bv.data() + static_cast<size_t>(k) * n;
      float *to = sum.data() + static_cast<size_t>(r) * n;
      for (int c = 0; c < n; ++c) to[c] += scale * from[c];
    }
  unsigned first = unsigned(&unit - cta.warpgroups.data()) * kWarpgroup;
  for (unsigned i = 0; i < kWarpgroup; ++i) {
    uint32_t *values = cta.threads[first + i].wgmmaInFlight.find(op.d[i])->second.values.data();
    unsigned lane = i % kLanes;
    for (int j = 0; j < n / 8; ++j)
      for (int h = 0; h < 2; ++h)
        for (int e = 0; e < 2; ++e) {
          size_t row = 16 * (i / kLanes) + lane / 4 + 8 * h, column = 8 * j + 2 * (lane % 4) + e;
          uint32_t &bits = values[4 * j + 2 * h + e];
          if (!op.product.accumulate) bits = 0;
          if (isByte(op.product.a)) {
            bits += static_cast<uint32_t>(static_cast<int32_t>(sum[row * n + column]));
            continue;
          }
          float v;
          std::memcpy(&v, &bits, 4);
          v = isRough ? sumRoughly(v, &av[row * depth], &bv[column], depth, n) : v + sum[row * n + column];
          std::memcpy(&bits, &v, 4);
        }
  }
}

}  // namespace jinx::emulated
