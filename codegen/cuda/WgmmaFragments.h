// Who holds what of a warpgroup's product (wgmma.m64nN): a layout (Layout.h) of the tile of sums, and of patches on their way to memory.
//
// A warp has 16 of the 64 rows; a thread two of them, 8 apart, and two neighbours of every 8 columns:
//
//   sum 4j + 2h + e of lane l of warp w:  row 16w + l / 4 + 8h,  column 8j + l % 4 * 2 + e        (PTX ISA, "Register Fragments for wgmma")
//
// Sums leave through staging buffers: a warp writes patches of 16 rows, each row 32, 64 or 128 bytes, and a bulk copy takes the patch. The copy
// engine undoes a swizzle: the number of the 16-byte chunk is XORed with the row's bits, those above as many chunks as 128 bytes have rows.
#pragma once

#include "codegen/cuda/Layout.h"

namespace jinx::cuda {

/// Inputs `e`, `h`, `j` (columns / 8, up to a power of two), `lane`, `warp` (of four); outputs `row`, `column`.
Layout warpgroupSums(int64_t columns);
/// Rows of `bytes` (32, 64 or 128): inputs `row` (of 16), `byte`; output `offset`, as the device library's swizzled_byte.
Layout stagingPatch(int64_t bytes);

}  // namespace jinx::cuda
