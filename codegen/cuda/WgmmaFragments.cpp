#include "codegen/cuda/WgmmaFragments.h"

namespace jinx::cuda {

namespace {
int bitsFor(int64_t extent) {
  int bits = 0;
  while (int64_t(1) << bits < extent) ++bits;
  return bits;
}
}  // namespace

Layout warpgroupSums(int64_t columns) {
  Layout layout({{"row", 6}, {"column", bitsFor(columns)}});
  std::vector<Layout::Place> octets;
  for (int b = 3; b < bitsFor(columns); ++b) octets.push_back({0, int64_t(1) << b});
  layout.input("e", {{0, 1}}).input("h", {{8, 0}}).input("j", std::move(octets));
  layout.input("lane", {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}).input("warp", {{16, 0}, {32, 0}});
  return layout;
}

Layout stagingPatch(int64_t bytes) {
  const int64_t rowsOfSpan = 128 / bytes;  // rows that lie in the same 128 bytes have the same swizzle
  Layout layout({{"offset", bitsFor(16 * bytes)}});
  std::vector<Layout::Place> rows, places;
  for (int64_t row = 1; row < 16; row *= 2) {
    const int64_t chunk = row / rowsOfSpan;
    rows.push_back({row * bytes ^ (chunk < bytes / 16 ? chunk * 16 : 0)});
  }
  for (int64_t byte = 1; byte < bytes; byte *= 2) places.push_back({byte});
  layout.input("row", std::move(rows)).input("byte", std::move(places));
  return layout;
}

}  // namespace jinx::cuda
