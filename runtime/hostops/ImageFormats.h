// Decoders of image files, each into 8-bit RGB. They read untrusted bytes: every offset and size is checked before use.
//
// A damaged file is kInvalidArgument, a variant that is not supported kUnimplemented.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::image {

using Bytes = std::span<const uint8_t>;

struct Picture {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb; ///< rows from the top, three bytes a pixel
  uint8_t* pixel(int64_t y, int64_t x) { return rgb.data() + 3 * (y * width + x); }
};

/// An all-black picture; a failure for extents that no image has.
Expected<Picture> blank(int64_t height, int64_t width);

bool isBmp(Bytes file);
Expected<Picture> decodeBmp(Bytes file); ///< 1, 4, 8, 16, 24 and 32 bits a pixel, not run-length encoded
bool isPnm(Bytes file);
Expected<Picture> decodePnm(Bytes file); ///< P1 to P6
bool isPng(Bytes file);
Expected<Picture> decodePng(Bytes file); ///< all colour types and depths, interlaced too; alpha is dropped
bool isTiff(Bytes file);
Expected<Picture> decodeTiff(Bytes file); ///< first image; strips of 8-bit samples, plain, PackBits or deflate

/// Whether `compressed` bytes can give `expected` ones: deflate shrinks at most about 1030 times, PackBits 64. Checked
/// before memory is taken for what a header promises.
inline bool plausible(size_t compressed, size_t expected) { return expected / 1100 <= compressed; }

/// Undoes zlib (RFC 1950, 1951). Fails when the stream is damaged or gives more than `limit` bytes.
Expected<std::vector<uint8_t>> inflateZlib(Bytes data, size_t limit);

} // namespace jinx::image
