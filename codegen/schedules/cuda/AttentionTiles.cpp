// Which tiles of attention for sm_90a there are, what they take, and which suits a problem. The program that they are for: WgmmaAttention.cpp.
#include "codegen/schedules/cuda/AttentionTiles.h"

namespace jinx::schedules {

namespace {
constexpr int64_t kMaxShared = 232448;

int64_t alignTo(int64_t v, int64_t a) { return (v + a - 1) / a * a; }
int64_t ringBytes(const WgmmaAttentionTile &t, int64_t headDim) {
  return alignTo(headDim, kPanel) * 2 * (t.queryStages * t.rows + 2 * t.stages * t.keys) + 16 * (t.queryStages + 2 * t.stages) + 1024;
}
int64_t stagingBytes(const WgmmaAttentionTile &t, int64_t headDim) { return t.rows / 64 * 4 * 2 * 16 * storeColumns(headDim) * 2; }
}  // namespace

int64_t storeColumns(int64_t headDim) { return headDim % 64 == 0 ? 64 : headDim % 32 == 0 ? 32 : 16; }
bool storesBulk(const WgmmaAttentionTile &t, int64_t headDim) { return ringBytes(t, headDim) + stagingBytes(t, headDim) <= kMaxShared; }

int64_t wgmmaAttentionSharedBytes(const WgmmaAttentionTile &t, int64_t headDim, bool isSplit) {
  return ringBytes(t, headDim) + (!isSplit && storesBulk(t, headDim) ? stagingBytes(t, headDim) : 0);
}

std::string wgmmaAttentionInfeasible(const WgmmaAttentionTile &t, int64_t headDim) {
  if (headDim % 16 || headDim < 16 || headDim > 256) return "the head dimension is a multiple of 16 up to 256";
  if (t.rows % 64 || t.rows < 64 || t.rows > 192) return "a block has one to three consumers of 64 rows";
  if (t.keys % 16 || t.keys < 16 || t.keys > 256) return "a step takes a multiple of 16 keys, up to 256";
  if (t.stages < 1) return "a ring has at least one slot";
  // Scores, rounded weights and output of a thread; some 48 more registers for everything else.
  if (t.keys / 2 + t.keys / 4 + headDim / 2 > (t.rows == 192 ? 160 : 240) - 32) return "too many values for a thread's registers";
  if (wgmmaAttentionSharedBytes(t, headDim) > kMaxShared) return "more shared memory than a block may have";
  return "";
}

std::string attentionPagesInfeasible(const AttentionPages &pages, const WgmmaAttentionTile &t) {
  if (t.rows != 64) return "sequences of different lengths are read by one consumer, of 64 rows";
  if (!pages.table) return "";
  if (pages.keys < 16 || (t.keys % pages.keys && pages.keys % t.keys))
    return "a page has " + std::to_string(pages.keys) + " keys, expected 16 or more, a divisor or a multiple of the " + std::to_string(t.keys) + " of a step";
  return "";
}

WgmmaAttentionTile chooseWgmmaAttentionTile(int64_t headDim, int64_t queries) {
  if (queries && queries <= 64) return chooseFewRowsAttentionTile(headDim);
  WgmmaAttentionTile tile;
  tile.rows = headDim <= 64 ? 192 : 128;
  tile.keys = headDim <= 128 ? 128 : 80;
  // The next tile's queries are there before the last values of this one have been multiplied, where there is room.
  WgmmaAttentionTile ahead = tile;
  ahead.queryStages = 2;
  return storesBulk(ahead, headDim) ? ahead : tile;
}
WgmmaAttentionTile chooseFewRowsAttentionTile(int64_t headDim) {
  WgmmaAttentionTile tile{.rows = 64, .keys = headDim <= 128 ? 128 : 64, .stages = 1, .queryStages = 2};
  while (ringBytes({tile.rows, tile.keys, tile.stages + 1, tile.queryStages}, headDim) <= kMaxShared) ++tile.stages;
  return tile;
}

std::vector<WgmmaAttentionTile> wgmmaAttentionCandidates(int64_t headDim, int64_t queries, int64_t partKeys) {
  const WgmmaAttentionTile best = chooseWgmmaAttentionTile(headDim, queries);
  std::vector<WgmmaAttentionTile> found = {best};
  auto add = [&](int64_t rows, int64_t keys) {
    WgmmaAttentionTile t = best;
    t.rows = rows, t.keys = keys;
    auto bytes = [&] { return wgmmaAttentionSharedBytes(t, headDim, partKeys > 0); };
    for (; best.rows == 64 && bytes() <= kMaxShared; ++t.stages) {}  // one consumer: as many slots as fit
    while (t.stages > 1 && bytes() > kMaxShared) --t.stages;
    const bool isBest = t.rows == best.rows && t.keys == best.keys;
    if (!isBest && (!partKeys || partKeys % keys == 0) && wgmmaAttentionInfeasible(t, headDim).empty()) found.push_back(t);
  };
  for (int64_t rows : {best.rows, best.rows == 192 ? int64_t(128) : best.rows == 128 ? int64_t(192) : best.rows}) {
    if (rows != best.rows) add(rows, best.keys);
    for (int64_t apart = 16; apart <= 96; apart += 16)
      for (int64_t keys : {best.keys + apart, best.keys - apart})
        if (keys >= 48) add(rows, keys);
    if (best.rows == 64) break;
  }
  return found;
}

std::string textOf(const WgmmaAttentionTile &t) {
  return "rows=" + std::to_string(t.rows) + " keys=" + std::to_string(t.keys) + " stages=" + std::to_string(t.stages);
}

}  // namespace jinx::schedules
