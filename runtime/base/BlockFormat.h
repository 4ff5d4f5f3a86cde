// GGUF's block formats: weights of few bits, so many in a row of a matrix to a block, with their scales in the block.
//
// A block is taken apart into codes, scales and offsets: value i of it is (code[i] - zero) * scale[i / group] + offset[i / group], exactly as
// ggml computes it: product and sum are each rounded to f32. Scales of the K formats are themselves products of a scale of the block and one
// of the group, f32 holds them exactly.
//
//   Q4_1, a block of 32 in 20 bytes:   d f16 | m f16 | 16 bytes: code i in the low half of byte i, code 16 + i in the high half
//   split                              codes[32] of 4 bits, scale d, offset m
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace jinx {

struct BlockFormat {
  std::string_view name;   ///< as GGUF calls it: "Q4_K"
  uint32_t ggufType;       ///< its number in a GGUF file
  int64_t elements;        ///< of a block
  int64_t bytes;           ///< of a block
  int64_t group;           ///< elements that share a scale
  bool hasWideCodes;       ///< codes have 8 bits and a sign, zero is taken away already; else 4 bits
  int zero;                ///< of codes of 4 bits
  bool hasOffsets;
  bool hasHalfScales;      ///< f16 holds scales and offsets
};

std::span<const BlockFormat> blockFormats();
/// Null for an unknown name.
const BlockFormat *findBlockFormat(std::string_view name);

/// Takes a block apart. `codes`: one a byte, `elements` of them (two's complement where they are wide). `scales`, and `offsets` where the format has them:
/// elements / group each.
void splitBlock(const BlockFormat &format, const uint8_t *block, uint8_t *codes, float *scales, float *offsets);

}  // namespace jinx
