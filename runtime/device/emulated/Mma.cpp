// Products of warps: mma.sync of m16n8 with 32 bytes of k, and ldmatrix, which fetches its operands. Both are meetings of a warp's lanes.
//
// Lane l holds of d, in d[2*h + e], row l/4 + 8*h and column 2*(l%4) + e; of a, in word 2*g + h, row l/4 + 8*h and bytes 16*g + 4*(l%4) …; of b, in
// word g, row l/4 (a column of d) and the same bytes.
#include <cstring>

#include "runtime/device/emulated/Machine.h"
#include "runtime/device/emulated/TensorElements.h"

namespace jinx::emulated {

namespace {
constexpr int kM = 16, kN = 8, kBytes = 32;
}

// Row r of matrix i lies where lane 8*i + r says; lane l gets word l%4 of row l/4 of each.
void Machine::ldmatrix(unsigned *to, const void *row, int line) {
  Cta &cta = *self().cta;
  Warp &warp = cta.warps[self().index / kLanes];
  const unsigned lane = self().lane();
  sharedAccess(row, 16, false, line);
  warp.address[lane] = static_cast<unsigned>(static_cast<const unsigned char *>(row) - cta.window);
  if (meet(warp.meeting, warp.lanes, "the other lanes at ldmatrix", line)) {
    for (unsigned l = 0; l < kLanes; ++l)
      for (unsigned i = 0; i < 4; ++i) std::memcpy(&warp.registers[l][i], cta.window + warp.address[8 * i + l / 4] + 4 * (l % 4), 4);
    release(warp.meeting, Orders::kNothing);
  }
  std::memcpy(to, warp.registers[lane].data(), sizeof warp.registers[lane]);
}

void Machine::mma(const MmaProduct &product, int line) {
  Warp &warp = self().cta->warps[self().index / kLanes];
  warp.products[self().lane()] = product;
  count(line);
  if (!meet(warp.meeting, warp.lanes, "the other lanes at mma", line)) return;
  if (warp.lanes != kLanes) fail("mma in a warp of less than 32 lanes", line);
  uint8_t a[kM][kBytes], b[kN][kBytes];
  for (int l = 0; l < int(kLanes); ++l) {
    const MmaProduct &own = warp.products[static_cast<size_t>(l)];
    if (own.a != product.a || own.b != product.b) fail("the lanes of a warp multiply different elements", line);
    for (int g = 0; g < 2; ++g) {
      std::memcpy(&b[l / 4][16 * g + 4 * (l % 4)], &own.wordsB[g], 4);
      for (int h = 0; h < 2; ++h) std::memcpy(&a[l / 4 + 8 * h][16 * g + 4 * (l % 4)], &own.wordsA[2 * g + h], 4);
    }
  }
  const int bytes = bytesOf(product.a), depth = kBytes / bytes;
  float av[kM][kBytes], bv[kN][kBytes];
  for (int k = 0; k < depth; ++k) {
    for (int r = 0; r < kM; ++r) av[r][k] = decode(product.a, &a[r][k * bytes]);
    for (int c = 0; c < kN; ++c) bv[c][k] = decode(product.b, &b[c][k * bytes]);
  }
  for (int l = 0; l < int(kLanes); ++l)
    for (int i = 0; i < 4; ++i) {
      float sum = 0;
      for (int k = 0; k < depth; ++k) sum += av[l / 4 + i / 2 * 8][k] * bv[2 * (l % 4) + i % 2][k];
      auto *d = static_cast<unsigned char *>(warp.products[static_cast<size_t>(l)].d) + 4 * i;
      uint32_t bits;
      std::memcpy(&bits, d, 4);
      if (isByte(product.a)) {
        bits += static_cast<uint32_t>(static_cast<int32_t>(sum));
      } else {
        float v;
        std::memcpy(&v, &bits, 4);
        v += sum;
        std::memcpy(&bits, &v, 4);
      }
      std::memcpy(d, &bits, 4);
    }
  release(warp.meeting, Orders::kNothing);
}

}  // namespace jinx::emulated
