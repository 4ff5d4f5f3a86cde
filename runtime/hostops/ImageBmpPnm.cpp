#include <algorithm>
#include <bit>

#include "runtime/hostops/ImageFormats.h"

namespace jinx::image {
namespace {

constexpr int64_t kMaxPixels = int64_t{1} << 28;

/// Reads little-endian numbers; beyond the end it reads zeros and remembers that.
struct LittleReader {
  Bytes data;
  bool failed = false;

  uint64_t number(uint64_t at, int bytes) {
    uint64_t value = 0;
    if (at + static_cast<uint64_t>(bytes) > data.size()) {
      failed = true;
      return 0;
    }
    for (int i = bytes; i-- > 0;)
      value = value << 8 | data[at + static_cast<uint64_t>(i)];
    return value;
  }
  int64_t signed32(uint64_t at) { return static_cast<int32_t>(number(at, 4)); }
};

/// The bits of `value` under `mask`, spread to 0…255.
uint8_t channel(uint64_t value, uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const uint64_t most = mask >> shift;
  return static_cast<uint8_t>((((value & mask) >> shift) * 255 + most / 2) / most);
}

bool isPnmSpace(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Reads the decimal numbers of a PNM file, with comments skipped; -1 at the end.
int64_t pnmNumber(Bytes file, size_t* at) {
  while (*at < file.size() && (isPnmSpace(file[*at]) || file[*at] == '#')) {
    if (file[*at] == '#')
      while (*at < file.size() && file[*at] != '\n')
        ++*at;
    else
      ++*at;
  }
  int64_t value = -1;
  while (*at < file.size() && file[*at] >= '0' && file[*at] <= '9') {
    value = std::min<int64_t>(std::max<int64_t>(value, 0) * 10 + (file[*at] - '0'), int64_t{1} << 40);
    ++*at;
  }
  return value;
}

} // namespace

Expected<Picture> blank(int64_t height, int64_t width) {
  if (height <= 0 || width <= 0 || height > kMaxPixels / width)
    return invalidArgument("the image has the extents " + std::to_string(height) + "x" + std::to_string(width) +
                           ", expected usable ones");
  Picture picture{height, width, {}};
  picture.rgb.resize(static_cast<size_t>(3 * height * width));
  return picture;
}

bool isBmp(Bytes file) { return file.size() >= 26 && file[0] == 'B' && file[1] == 'M'; }

Expected<Picture> decodeBmp(Bytes file) {
  constexpr uint32_t kPlain = 0, kBitFields = 3, kAlphaBitFields = 6;
  LittleReader in{file};
  const uint64_t pixels = in.number(10, 4), header = in.number(14, 4);
  const bool old = header == 12; // OS/2: 16-bit extents
  const int64_t width = old ? static_cast<int64_t>(in.number(18, 2)) : in.signed32(18);
  const int64_t signedHeight = old ? static_cast<int64_t>(in.number(20, 2)) : in.signed32(22);
  const int bits = static_cast<int>(in.number(old ? 24 : 28, 2));
  const uint32_t compression = old ? 0 : static_cast<uint32_t>(in.number(30, 4));
  if (in.failed) return invalidArgument("the BMP header is cut short");
  if (compression != kPlain && compression != kBitFields && compression != kAlphaBitFields)
    return unimplemented("the BMP is compressed (method " + std::to_string(compression) + "), expected a plain one");
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
    return invalidArgument("the BMP has " + std::to_string(bits) + " bits a pixel, expected 1, 4, 8, 16, 24 or 32");
  const int64_t height = signedHeight < 0 ? -signedHeight : signedHeight;
  const uint64_t stride = width > 0 ? (static_cast<uint64_t>(width) * static_cast<uint64_t>(bits) + 31) / 32 * 4
                                    : 0; // rows are padded to 4 bytes
  if (pixels > file.size() || (height > 0 && stride > (file.size() - pixels) / static_cast<uint64_t>(height)))
    return invalidArgument("the BMP is cut short");
  JINX_TRY_ASSIGN(Picture picture, blank(height, width));

  uint32_t masks[3] = {0xFF0000, 0xFF00, 0xFF};
  if (bits == 16) masks[0] = 0x7C00, masks[1] = 0x3E0, masks[2] = 0x1F;
  if (compression != kPlain)
    for (int c = 0; c < 3; ++c)
      masks[c] = static_cast<uint32_t>(in.number(54 + 4 * static_cast<uint64_t>(c), 4));
  const uint64_t palette = 14 + header, entry = old ? 3 : 4; // blue, green, red
  for (int64_t y = 0; y < height; ++y) {
    const uint64_t row = pixels + stride * static_cast<uint64_t>(signedHeight < 0 ? y : height - 1 - y);
    for (int64_t x = 0; x < width; ++x) {
      uint8_t* to = picture.pixel(y, x);
      const uint64_t ux = static_cast<uint64_t>(x);
      if (bits <= 8) {
        const int perByte = 8 / bits;
        const uint64_t byte = in.number(row + ux / static_cast<uint64_t>(perByte), 1);
        const uint64_t index = byte >> (8 - bits * (1 + static_cast<int>(x % perByte))) & ((1u << bits) - 1);
        for (uint64_t c = 0; c < 3; ++c)
          to[c] = static_cast<uint8_t>(in.number(palette + entry * index + 2 - c, 1));
      } else if (bits == 24) {
        for (uint64_t c = 0; c < 3; ++c)
          to[c] = static_cast<uint8_t>(in.number(row + 3 * ux + 2 - c, 1));
      } else {
        const uint64_t value = in.number(row + ux * static_cast<uint64_t>(bits / 8), bits / 8);
        for (int c = 0; c < 3; ++c)
          to[c] = channel(value, masks[c]);
      }
    }
  }
  if (in.failed) return invalidArgument("the BMP's palette is cut short");
  return picture;
}

bool isPnm(Bytes file) {
  return file.size() >= 3 && file[0] == 'P' && file[1] >= '1' && file[1] <= '6' &&
         (isPnmSpace(file[2]) || file[2] == '#');
}

Expected<Picture> decodePnm(Bytes file) {
  const int kind = file[1] - '0';
  const bool bitmap = kind == 1 || kind == 4, colour = kind == 3 || kind == 6, text = kind <= 3;
  size_t at = 2;
  const int64_t width = pnmNumber(file, &at), height = pnmNumber(file, &at), most = bitmap ? 1 : pnmNumber(file, &at);
  if (most < 1 || most > 65535)
    return invalidArgument("the PNM has the largest value " + std::to_string(most) + ", expected 1 to 65535");
  const size_t samples = colour ? 3 : 1, sampleBytes = most > 255 ? 2 : 1;
  if (width <= 0 || height <= 0 || height > kMaxPixels / width) return blank(height, width); // fails
  ++at; // the one white space before binary data
  const size_t bitRow = static_cast<size_t>((width + 7) / 8), count = static_cast<size_t>(width * height) * samples;
  const size_t need = kind == 4 ? bitRow * static_cast<size_t>(height)
                      : text    ? count
                                : count * sampleBytes; // a text has a digit a sample
  if (at > file.size() || file.size() - at < need) return invalidArgument("the PNM is cut short");
  JINX_TRY_ASSIGN(Picture picture, blank(height, width));
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      uint8_t* to = picture.pixel(y, x);
      for (size_t c = 0; c < samples; ++c) {
        int64_t value;
        if (kind == 4) {
          value = file[at + static_cast<size_t>(y) * bitRow + static_cast<size_t>(x / 8)] >> (7 - x % 8) & 1;
        } else if (kind == 1) { // digits may touch
          while (at < file.size() && file[at] != '0' && file[at] != '1')
            ++at;
          value = at < file.size() ? file[at++] - '0' : -1;
        } else if (text) {
          value = pnmNumber(file, &at);
        } else {
          value = file[at++];
          if (sampleBytes == 2) value = value << 8 | file[at++];
        }
        if (value < 0) return invalidArgument("the PNM is cut short");
        if (bitmap) value = 1 - value; // 1 is black
        to[c] = static_cast<uint8_t>((std::min(value, most) * 255 + most / 2) / most);
      }
      if (samples == 1) to[1] = to[2] = to[0];
    }
  return picture;
}

} // namespace jinx::image
