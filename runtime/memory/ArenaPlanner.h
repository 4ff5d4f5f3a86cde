// Where each activation lies in one shared arena.
//
// Every value is a rectangle: its size tall, its lifetime (first to last use, in steps) wide. Two rectangles that
// overlap in time must not overlap in memory; the arena is as tall as the highest top. No layout is smaller than the
// largest live set (the most bytes alive at one step), so the ratio of the two says how good a layout is. Finding the
// smallest is NP-hard; placing values by decreasing size, each into the smallest gap that fits between those already
// placed and alive with it, comes within a few per cent on networks (Pisarchyk & Lee 2020, "Efficient Memory Management
// for Deep Neural Net Inference"). When it does not, other orders are tried, from one end of the arena and from both,
// then a bounded local search that places earlier what reaches the top; the lowest layout is kept.
//
//   a: 100 bytes, steps 0-1        step   0   1   2
//   b:  60 bytes, steps 1-2       160 -       b   b        live: 100, 160, 100
//   c:  40 bytes, steps 2-2       100 - a   a   c          arena 160 = largest live set; c reuses a's place
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/memory/AlignedBuffer.h"

namespace jinx {

/// One value: its bytes and the first and last step (inclusive) that touch it.
struct ArenaItem {
  int64_t sizeBytes = 0;
  int32_t firstUse = 0;
  int32_t lastUse = 0;
};

struct ArenaLayout {
  std::vector<int64_t> offsets; ///< per item, multiples of the alignment; 0 for items without bytes
  int64_t sizeBytes = 0;        ///< of the arena
  int64_t largestLiveBytes = 0; ///< most bytes (rounded up to the alignment each) alive at one step: no layout can be smaller
  int64_t totalBytes = 0;       ///< what separate buffers would take
};

/// A layout further than this from the largest live set makes the other orders worth trying.
inline constexpr double kTightArena = 1.02;

/// Deterministic; O(n^2) an order, a fraction of a millisecond for the hundreds of values of a network, and some milliseconds for all orders and the search.
///
/// \param goodEnough  the first layout of at most so many times the largest live set is taken, at least 1
/// \param alignment  of offsets; items take multiples of it
ArenaLayout planArena(std::span<const ArenaItem> items, double goodEnough = kTightArena, int64_t alignment = kBufferAlignment);

} // namespace jinx
