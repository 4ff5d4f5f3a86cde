// What a tile of attention takes of shared memory, for who chooses tiles (AttentionTiles.cpp) and for who writes the program
// (WgmmaAttention.cpp).
#pragma once

#include "codegen/schedules/cuda/CudaAttention.h"

namespace jinx::schedules {

constexpr int64_t kPanel = 64;  // columns of a swizzle span of 128 bytes

/// Columns of a patch that a warp stores through shared memory.
int64_t storeColumns(int64_t headDim);
/// Whether stores go through shared memory and TMA; else straight from registers.
bool storesBulk(const WgmmaAttentionTile &tile, int64_t headDim);

}  // namespace jinx::schedules
