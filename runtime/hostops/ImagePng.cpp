#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "runtime/hostops/ImageFormats.h"

namespace jinx::image {
namespace {

Status damaged(std::string_view what) {
  return invalidArgument("the compressed data is damaged: " + std::string(what));
}

/// Bits of a deflate stream, low bits of each byte first.
class BitReader {
 public:
  explicit BitReader(Bytes data) : data_(data) {}
  uint32_t bits(int count) {
    while (held_ < count) {
      if (at_ < data_.size())
        buffer_ |= static_cast<uint64_t>(data_[at_]) << held_;
      else
        overrun_ = true;
      ++at_;
      held_ += 8;
    }
    const uint32_t value = static_cast<uint32_t>(buffer_ & ((uint64_t{1} << count) - 1));
    buffer_ >>= count;
    held_ -= count;
    return value;
  }
  void toByte() { bits(held_ % 8); }
  bool overrun() const { return overrun_; }

 private:
  Bytes data_;
  size_t at_ = 0;
  uint64_t buffer_ = 0;
  int held_ = 0;
  bool overrun_ = false;
};

/// A canonical Huffman code: how many codes each length has, and the symbols in the order of their codes.
class Huffman {
 public:
  static constexpr int kMaxLength = 15;
  /// False for lengths that promise more codes than there are.
  bool build(std::span<const uint8_t> lengths) {
    counts_.fill(0);
    symbols_.assign(lengths.size(), 0);
    for (uint8_t length : lengths)
      ++counts_[length];
    counts_[0] = 0;
    int left = 1;
    std::array<int, kMaxLength + 2> offsets{};
    for (int length = 1; length <= kMaxLength; ++length) {
      left = 2 * left - counts_[static_cast<size_t>(length)];
      if (left < 0) return false;
      offsets[static_cast<size_t>(length) + 1] =
          offsets[static_cast<size_t>(length)] + counts_[static_cast<size_t>(length)];
    }
    for (size_t symbol = 0; symbol < lengths.size(); ++symbol)
      if (lengths[symbol] != 0) symbols_[static_cast<size_t>(offsets[lengths[symbol]]++)] = static_cast<int>(symbol);
    return true;
  }
  /// The next symbol; -1 when no code fits.
  int decode(BitReader* in) const {
    int code = 0, first = 0, index = 0;
    for (int length = 1; length <= kMaxLength; ++length) {
      code |= static_cast<int>(in->bits(1));
      const int count = counts_[static_cast<size_t>(length)];
      if (code - first < count) return symbols_[static_cast<size_t>(index + code - first)];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return -1;
  }

 private:
  std::array<int, kMaxLength + 1> counts_{};
  std::vector<int> symbols_;
};

/// The two codes of a block that is not stored.
struct BlockCodes {
  Huffman literals, distances;
};

Status fixedCodes(BlockCodes* codes) {
  std::array<uint8_t, 288> literals;
  for (size_t i = 0; i < literals.size(); ++i)
    literals[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  std::array<uint8_t, 30> distances;
  distances.fill(5);
  codes->literals.build(literals);
  codes->distances.build(distances);
  return Status::ok();
}

Status dynamicCodes(BitReader* in, BlockCodes* codes) {
  static constexpr uint8_t kOrder[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  const size_t literals = in->bits(5) + 257, distances = in->bits(5) + 1, lengthCodes = in->bits(4) + 4;
  std::array<uint8_t, 19> codeLengths{};
  for (size_t i = 0; i < lengthCodes; ++i)
    codeLengths[kOrder[i]] = static_cast<uint8_t>(in->bits(3));
  Huffman lengthCode;
  if (!lengthCode.build(codeLengths)) return damaged("bad code lengths");
  std::vector<uint8_t> lengths;
  while (lengths.size() < literals + distances) {
    const int symbol = lengthCode.decode(in);
    if (symbol < 0 || in->overrun()) return damaged("bad code lengths");
    if (symbol < 16) {
      lengths.push_back(static_cast<uint8_t>(symbol));
    } else if (symbol == 16) {
      if (lengths.empty()) return damaged("a repeat of nothing");
      lengths.insert(lengths.end(), 3 + in->bits(2), lengths.back());
    } else {
      lengths.insert(lengths.end(), symbol == 17 ? 3 + in->bits(3) : 11 + in->bits(7), 0);
    }
  }
  if (lengths.size() != literals + distances) return damaged("too many code lengths");
  const std::span<const uint8_t> all(lengths);
  if (!codes->literals.build(all.first(literals)) || !codes->distances.build(all.subspan(literals)))
    return damaged("bad codes");
  return Status::ok();
}

Status inflateBlock(BitReader* in, const BlockCodes& codes, size_t limit, std::vector<uint8_t>* out) {
  static constexpr uint16_t kLengthBase[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                               31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
  static constexpr uint8_t kLengthBits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                              2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
  static constexpr uint16_t kDistanceBase[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                                 33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                                 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
  static constexpr uint8_t kDistanceBits[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                                6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
  while (true) {
    const int symbol = codes.literals.decode(in);
    if (symbol < 0 || in->overrun()) return damaged("a symbol is missing");
    if (symbol == 256) return Status::ok();
    if (out->size() >= limit) return damaged("it gives more data than expected");
    if (symbol < 256) {
      out->push_back(static_cast<uint8_t>(symbol));
      continue;
    }
    if (symbol >= 257 + 29) return damaged("a bad length");
    const size_t length = kLengthBase[symbol - 257] + in->bits(kLengthBits[symbol - 257]);
    const int code = codes.distances.decode(in);
    if (code < 0 || code >= 30) return damaged("a bad distance");
    const size_t distance = kDistanceBase[code] + in->bits(kDistanceBits[code]);
    if (distance > out->size() || length > limit - out->size()) return damaged("a copy leaves the data");
    for (size_t i = 0; i < length; ++i)
      out->push_back((*out)[out->size() - distance]); // may overlap itself
  }
}

uint32_t bigEndian(Bytes data, size_t at) {
  return static_cast<uint32_t>(data[at]) << 24 | static_cast<uint32_t>(data[at + 1]) << 16 |
         static_cast<uint32_t>(data[at + 2]) << 8 | data[at + 3];
}

uint32_t crc32(Bytes data) {
  uint32_t crc = 0xFFFFFFFF;
  for (uint8_t byte : data) {
    crc ^= byte;
    for (int k = 0; k < 8; ++k)
      crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

struct PngHeader {
  int64_t width = 0, height = 0;
  int depth = 0, colour = 0;
  bool interlaced = false;

  int channels() const { return colour == 2 ? 3 : colour == 6 ? 4 : colour == 4 ? 2 : 1; }
  size_t rowBytes(int64_t pixels) const { return static_cast<size_t>((pixels * channels() * depth + 7) / 8); }
  size_t pixelBytes() const { return static_cast<size_t>(std::max(channels() * depth / 8, 1)); }
  bool valid() const {
    switch (colour) {
    case 0:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case 3:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case 2:
    case 4:
    case 6:
      return depth == 8 || depth == 16;
    default:
      return false;
    }
  }
};

/// One of the images that a PNG is stored as: pixels (x0 + i*dx, y0 + j*dy).
struct Pass {
  int64_t x0, y0, dx, dy;
  int64_t width(const PngHeader& h) const { return (h.width - x0 + dx - 1) / dx; }
  int64_t height(const PngHeader& h) const { return (h.height - y0 + dy - 1) / dy; }
};
constexpr Pass kWhole[] = {{0, 0, 1, 1}};
constexpr Pass kAdam7[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                           {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};

std::span<const Pass> passes(const PngHeader& h) {
  return h.interlaced ? std::span<const Pass>(kAdam7) : std::span<const Pass>(kWhole);
}

/// Undoes a row's filter in place; `above` is the row before, or zeros.
bool unfilter(int filter, size_t pixelBytes, std::span<uint8_t> row, std::span<const uint8_t> above) {
  for (size_t i = 0; i < row.size(); ++i) {
    const int left = i >= pixelBytes ? row[i - pixelBytes] : 0, up = above[i],
              corner = i >= pixelBytes ? above[i - pixelBytes] : 0;
    int predicted = 0;
    switch (filter) {
    case 0:
      break;
    case 1:
      predicted = left;
      break;
    case 2:
      predicted = up;
      break;
    case 3:
      predicted = (left + up) / 2;
      break;
    case 4: { // Paeth: the neighbour closest to left + up - corner
      const int p = left + up - corner, toLeft = std::abs(p - left), toUp = std::abs(p - up),
                toCorner = std::abs(p - corner);
      predicted = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
      break;
    }
    default:
      return false;
    }
    row[i] = static_cast<uint8_t>(row[i] + predicted);
  }
  return true;
}

/// Sample `i` of a row, as stored.
uint32_t sampleAt(const PngHeader& h, std::span<const uint8_t> row, size_t i) {
  if (h.depth == 16) return static_cast<uint32_t>(row[2 * i]) << 8 | row[2 * i + 1];
  const size_t perByte = 8 / static_cast<size_t>(h.depth);
  return row[i / perByte] >> (8 - static_cast<size_t>(h.depth) * (1 + i % perByte)) & ((1u << h.depth) - 1);
}

bool writePixel(const PngHeader& h, Bytes palette, std::span<const uint8_t> row, int64_t x, uint8_t* to) {
  const size_t first = static_cast<size_t>(x) * static_cast<size_t>(h.channels());
  if (h.colour == 3) {
    const size_t index = sampleAt(h, row, first);
    if (3 * index + 3 > palette.size()) return false;
    std::copy_n(palette.begin() + static_cast<int64_t>(3 * index), 3, to);
    return true;
  }
  const uint32_t most = (1u << h.depth) - 1;
  for (size_t c = 0; c < 3; ++c) {
    const uint32_t value = sampleAt(h, row, first + (h.channels() >= 3 ? c : 0));
    to[c] = static_cast<uint8_t>(h.depth == 16 ? value >> 8 : value * 255 / most);
  }
  return true;
}

} // namespace

Expected<std::vector<uint8_t>> inflateZlib(Bytes data, size_t limit) {
  constexpr size_t kHeader = 2, kChecksum = 4;
  if (data.size() < kHeader || (data[0] & 15) != 8 || (data[0] * 256 + data[1]) % 31 != 0 || (data[1] & 32))
    return damaged("no zlib header");
  BitReader in(data.subspan(kHeader));
  std::vector<uint8_t> out;
  for (bool last = false; !last;) {
    last = in.bits(1) != 0;
    const uint32_t type = in.bits(2);
    if (type == 0) {
      in.toByte();
      const uint32_t length = in.bits(16), check = in.bits(16);
      if ((length ^ check) != 0xFFFF || length > limit - out.size()) return damaged("a bad stored block");
      for (uint32_t i = 0; i < length; ++i)
        out.push_back(static_cast<uint8_t>(in.bits(8)));
    } else {
      BlockCodes codes;
      if (type == 3) return damaged("a bad block type");
      JINX_TRY(type == 1 ? fixedCodes(&codes) : dynamicCodes(&in, &codes));
      JINX_TRY(inflateBlock(&in, codes, limit, &out));
    }
    if (in.overrun()) return damaged("it is cut short");
  }
  in.toByte();
  uint32_t stored = 0, a = 1, b = 0;
  for (size_t i = 0; i < kChecksum; ++i)
    stored = stored << 8 | in.bits(8);
  for (uint8_t byte : out) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  if (in.overrun() || stored != (b << 16 | a)) return damaged("the checksum differs");
  return out;
}

bool isPng(Bytes file) {
  static constexpr uint8_t kMagic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  return file.size() >= 8 && std::equal(std::begin(kMagic), std::end(kMagic), file.begin());
}

Expected<Picture> decodePng(Bytes file) {
  PngHeader h;
  Bytes palette;
  std::vector<uint8_t> compressed;
  for (size_t at = 8;;) { // chunks: length, type, data, checksum of type and data
    if (file.size() - at < 12) return invalidArgument("the PNG is cut short");
    const size_t length = bigEndian(file, at);
    if (length > file.size() - at - 12) return invalidArgument("the PNG is cut short");
    const std::string_view type(reinterpret_cast<const char*>(file.data()) + at + 4, 4);
    const Bytes data = file.subspan(at + 8, length);
    if (crc32(file.subspan(at + 4, length + 4)) != bigEndian(file, at + 8 + length))
      return invalidArgument("a PNG chunk's checksum differs");
    if (type == "IHDR" && length >= 13) {
      h = {.width = bigEndian(data, 0),
           .height = bigEndian(data, 4),
           .depth = data[8],
           .colour = data[9],
           .interlaced = data[12] != 0};
      if (!h.valid()) return invalidArgument("the PNG has an unknown pixel layout");
    } else if (type == "PLTE") {
      palette = data;
    } else if (type == "IDAT") {
      compressed.insert(compressed.end(), data.begin(), data.end());
    } else if (type == "IEND") {
      break;
    }
    at += 12 + length;
  }
  if (h.depth == 0) return invalidArgument("the PNG has no header");
  if (!plausible(compressed.size(), static_cast<size_t>(h.height) * h.rowBytes(h.width)))
    return invalidArgument("the PNG has too little data");
  JINX_TRY_ASSIGN(Picture picture, blank(h.height, h.width));
  size_t expected = 0;
  for (const Pass& pass : passes(h))
    if (pass.width(h) > 0 && pass.height(h) > 0)
      expected += static_cast<size_t>(pass.height(h)) * (1 + h.rowBytes(pass.width(h)));
  JINX_TRY_ASSIGN(std::vector<uint8_t> data, inflateZlib(compressed, expected));
  if (data.size() != expected) return invalidArgument("the PNG has too little data");
  size_t at = 0;
  for (const Pass& pass : passes(h)) {
    const size_t rowBytes = h.rowBytes(pass.width(h));
    if (pass.width(h) <= 0) continue;
    std::vector<uint8_t> above(rowBytes, 0);
    for (int64_t j = 0; j < pass.height(h); ++j) {
      const std::span<uint8_t> row(data.data() + at + 1, rowBytes);
      if (!unfilter(data[at], h.pixelBytes(), row, above)) return invalidArgument("the PNG has an unknown filter");
      for (int64_t i = 0; i < pass.width(h); ++i)
        if (!writePixel(h, palette, row, i, picture.pixel(pass.y0 + j * pass.dy, pass.x0 + i * pass.dx)))
          return invalidArgument("the PNG uses a colour that its palette lacks");
      above.assign(row.begin(), row.end());
      at += 1 + rowBytes;
    }
  }
  return picture;
}

} // namespace jinx::image
