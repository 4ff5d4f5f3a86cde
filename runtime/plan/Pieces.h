// Pieces of constants (ConstantPiece of plan.proto): bytes that lie together, rows at a stride, zeros.
//
// Worked example: rank 1 of two has columns 256 to 511 of a weight of 256x512 halves that stays in its file at offset 4096:
//
//   {size: 131072, external_file: "m.safetensors", external_offset: 4608, rows: 256, stride: 1024}
//   rows of                   131072 / 256 = 512 bytes
//   reach (`reachOf`)     255 * 1024 + 512 bytes from 4608 on, which the file must have
#pragma once

#include <span>

#include "runtime/base/Status.h"
#include "runtime/base/StridedBytes.h"
#include "runtime/plan/plan.pb.h"

namespace jinx {

/// Of a checked piece: from its first byte to its last one, as they lie; 0 where all are zeros.
uint64_t reachOf(const plan::ConstantPiece& piece);
inline uint64_t reachOf(const plan::ConstantData& data) { return data.size(); }

/// Sizes that fit each other, and rows of whole elements. Where the piece lies is not looked at.
Status checkPiece(const plan::ConstantPiece& piece, uint64_t elementBytes);

/// \param bytes  as many as the piece reaches
StridedBytes stridedBytes(const plan::ConstantPiece& piece, std::span<const std::byte> bytes);

/// A plan with this needs a reader that knows rows, or names of files from the folder above.
bool hasRows(const plan::Plan& plan);

} // namespace jinx
