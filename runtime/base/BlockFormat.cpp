#include "runtime/base/BlockFormat.h"

#include <cstring>

#include "runtime/base/DType.h"

namespace jinx {
namespace {

constexpr BlockFormat kFormats[] = {
    // name, number, elements, bytes, group, wide codes, zero, offsets, half scales
    {"Q4_0", 2, 32, 18, 32, false, 8, false, true},
    {"Q4_1", 3, 32, 20, 32, false, 0, true, true},
    {"Q5_0", 6, 32, 22, 32, true, 0, false, true},
    {"Q5_1", 7, 32, 24, 32, true, 0, true, true},
    {"Q8_0", 8, 32, 34, 32, true, 0, false, true},
    {"Q4_K", 12, 256, 144, 32, false, 0, true, false},
    {"Q5_K", 13, 256, 176, 32, true, 0, true, false},
    {"Q6_K", 14, 256, 210, 16, true, 0, false, false},
};

float half(const uint8_t *at) {
  uint16_t bits;
  memcpy(&bits, at, sizeof bits);
  return halfToFloat(bits);
}

/// 32 codes in 16 bytes: those of the low halves, then those of the high ones.
void halves(const uint8_t *bytes, uint8_t *codes) {
  for (int i = 0; i < 16; ++i) codes[i] = bytes[i] & 15, codes[16 + i] = bytes[i] >> 4;
}

/// d, and m where it has offsets, in front of 32 codes of 4 bits.
void splitFour(const BlockFormat &format, const uint8_t *block, uint8_t *codes, float *scales, float *offsets) {
  scales[0] = half(block);
  if (format.hasOffsets) offsets[0] = half(block + 2);
  halves(block + (format.hasOffsets ? 4 : 2), codes);
}

/// As splitFour, with the fifth bits in 4 bytes between.
void splitFive(const BlockFormat &format, const uint8_t *block, uint8_t *codes, float *scales, float *offsets) {
  scales[0] = half(block);
  if (format.hasOffsets) offsets[0] = half(block + 2);
  const uint8_t *high = block + (format.hasOffsets ? 4 : 2);
  uint32_t bits;
  memcpy(&bits, high, sizeof bits);
  halves(high + 4, codes);
  for (int i = 0; i < 32; ++i) codes[i] = uint8_t((codes[i] | ((bits >> i) & 1) << 4) - (format.hasOffsets ? 0 : 16));
}

void splitEight(const uint8_t *block, uint8_t *codes, float *scales) {
  scales[0] = half(block);
  memcpy(codes, block + 2, 32);
}

/// Eight scales and eight minima of 6 bits in 12 bytes: four of each whole, the others' upper two bits above those of the first.
void sixBits(const uint8_t *packed, int j, int &scale, int &minimum) {
  if (j < 4) {
    scale = packed[j] & 63, minimum = packed[j + 4] & 63;
  } else {
    scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
    minimum = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
  }
}

/// d, dmin, 12 bytes of scales and minima, of five bits 32 bytes with the fifth ones, 128 bytes of codes.
void splitFourOrFiveK(const BlockFormat &format, const uint8_t *block, uint8_t *codes, float *scales, float *offsets) {
  const float d = half(block), dmin = half(block + 2);
  const bool isFive = format.hasWideCodes;
  const uint8_t *high = block + 16, *low = high + (isFive ? 32 : 0);
  for (int j = 0; j < 8; ++j) {
    int scale, minimum;
    sixBits(block + 4, j, scale, minimum);
    scales[j] = d * float(scale);
    offsets[j] = -(dmin * float(minimum));
    for (int i = 0; i < 32; ++i) {
      const uint8_t byte = low[32 * (j / 2) + i];
      codes[32 * j + i] = j % 2 ? byte >> 4 : byte & 15;
      if (isFive) codes[32 * j + i] |= ((high[i] >> j) & 1) << 4;
    }
  }
}

/// 128 bytes of the low four bits, 64 of the upper two, 16 signed scales, d.
void splitSixK(const uint8_t *block, uint8_t *codes, float *scales) {
  const float d = half(block + 208);
  for (int g = 0; g < 16; ++g) scales[g] = d * float(int8_t(block[192 + g]));
  for (int part = 0; part < 2; ++part)
    for (int i = 0; i < 32; ++i) {
      const uint8_t *low = block + 64 * part, upper = block[128 + 32 * part + i];
      const int parts[4] = {low[i] & 15, low[32 + i] & 15, low[i] >> 4, low[32 + i] >> 4};
      for (int q = 0; q < 4; ++q) codes[128 * part + 32 * q + i] = uint8_t((parts[q] | ((upper >> 2 * q) & 3) << 4) - 32);
    }
}

}  // namespace

std::span<const BlockFormat> blockFormats() { return kFormats; }

const BlockFormat *findBlockFormat(std::string_view name) {
  for (const BlockFormat &format : kFormats)
    if (format.name == name) return &format;
  return nullptr;
}

void splitBlock(const BlockFormat &format, const uint8_t *block, uint8_t *codes, float *scales, float *offsets) {
  switch (format.ggufType) {
    case 2: case 3: return splitFour(format, block, codes, scales, offsets);
    case 6: case 7: return splitFive(format, block, codes, scales, offsets);
    case 8: return splitEight(block, codes, scales);
    case 12: case 13: return splitFourOrFiveK(format, block, codes, scales, offsets);
    case 14: return splitSixK(block, codes, scales);
  }
}

}  // namespace jinx
