#include <algorithm>
#include <map>

#include "runtime/hostops/ImageFormats.h"

namespace jinx::image {
namespace {

enum Tag : uint32_t {
  kWidth = 256,
  kHeight = 257,
  kBitsPerSample = 258,
  kCompression = 259,
  kPhotometric = 262,
  kStripOffsets = 273,
  kSamplesPerPixel = 277,
  kRowsPerStrip = 278,
  kStripByteCounts = 279,
  kPlanar = 284,
  kPredictor = 317,
  kColorMap = 320,
  kTileWidth = 322,
};

/// The fields of the first directory, each a list of numbers.
class Directory {
 public:
  static Expected<Directory> read(Bytes file) {
    Directory d(file, file[0] == 'M');
    const uint64_t at = d.number(4, 4);
    const uint64_t count = d.number(at, 2);
    for (uint64_t i = 0; i < count && !d.failed_; ++i) {
      const uint64_t entry = at + 2 + 12 * i;
      const uint64_t type = d.number(entry + 2, 2), length = d.number(entry + 4, 4);
      const int width = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0; // byte, short, long
      if (width == 0) continue;                                            // texts and fractions do not matter here
      if (length > file.size()) return invalidArgument("the TIFF is cut short");
      const uint64_t values = length * static_cast<uint64_t>(width) <= 4 ? entry + 8 : d.number(entry + 8, 4);
      std::vector<uint64_t>& list = d.fields_[static_cast<uint32_t>(d.number(entry, 2))];
      list.clear();
      for (uint64_t k = 0; k < length && !d.failed_; ++k)
        list.push_back(d.number(values + k * static_cast<uint64_t>(width), width));
    }
    if (d.failed_) return invalidArgument("the TIFF is cut short");
    return d;
  }

  const std::vector<uint64_t>& list(Tag tag) const {
    static const std::vector<uint64_t> kNone;
    const auto found = fields_.find(tag);
    return found == fields_.end() ? kNone : found->second;
  }
  uint64_t first(Tag tag, uint64_t fallback) const { return list(tag).empty() ? fallback : list(tag)[0]; }

 private:
  Directory(Bytes file, bool big) : file_(file), big_(big) {}
  uint64_t number(uint64_t at, int bytes) {
    if (at > file_.size() || file_.size() - at < static_cast<uint64_t>(bytes)) {
      failed_ = true;
      return 0;
    }
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i)
      value = value << 8 | file_[at + static_cast<uint64_t>(big_ ? i : bytes - 1 - i)];
    return value;
  }

  Bytes file_;
  bool big_;
  bool failed_ = false;
  std::map<uint32_t, std::vector<uint64_t>> fields_;
};

/// PackBits: n >= 0 copies n+1 bytes, n < 0 repeats the next one 1-n times, -128 does nothing.
std::vector<uint8_t> unpackBits(Bytes data, size_t limit) {
  std::vector<uint8_t> out;
  for (size_t at = 0; at < data.size() && out.size() < limit;) {
    const int n = static_cast<int8_t>(data[at++]);
    if (n >= 0) {
      const size_t count = std::min<size_t>(static_cast<size_t>(n) + 1, data.size() - at);
      out.insert(out.end(), data.begin() + static_cast<int64_t>(at), data.begin() + static_cast<int64_t>(at + count));
      at += count;
    } else if (n != -128 && at < data.size()) {
      out.insert(out.end(), static_cast<size_t>(1 - n), data[at++]);
    }
  }
  return out;
}

Expected<std::vector<uint8_t>> stripData(Bytes strip, uint64_t compression, size_t expected) {
  if (compression == 1) return std::vector<uint8_t>(strip.begin(), strip.end());
  if (compression == 32773) return unpackBits(strip, expected);
  return inflateZlib(strip, expected);
}

} // namespace

bool isTiff(Bytes file) {
  return file.size() >= 8 && ((file[0] == 'I' && file[1] == 'I' && file[2] == 42 && file[3] == 0) ||
                              (file[0] == 'M' && file[1] == 'M' && file[2] == 0 && file[3] == 42));
}

Expected<Picture> decodeTiff(Bytes file) {
  JINX_TRY_ASSIGN(Directory d, Directory::read(file));
  const int64_t width = static_cast<int64_t>(d.first(kWidth, 0)), height = static_cast<int64_t>(d.first(kHeight, 0));
  const uint64_t compression = d.first(kCompression, 1), photometric = d.first(kPhotometric, 1),
                 predictor = d.first(kPredictor, 1);
  const size_t samples = d.first(kSamplesPerPixel, 1);
  const auto& bits = d.list(kBitsPerSample);
  const bool eightBits = std::all_of(bits.begin(), bits.end(), [](uint64_t b) { return b == 8; }) && !bits.empty();
  if (compression != 1 && compression != 8 && compression != 32946 && compression != 32773)
    return unimplemented("the TIFF is compressed (method " + std::to_string(compression) +
                         "), expected none, deflate or PackBits");
  if (!eightBits || photometric > 3 || predictor > 2 || d.first(kPlanar, 1) != 1 || !d.list(kTileWidth).empty() ||
      samples < 1 || samples > 8)
    return unimplemented(
        "the TIFF has a pixel layout that is not supported, expected strips of interleaved 8-bit samples");
  if (photometric == 2 && samples < 3)
    return invalidArgument("the TIFF has " + std::to_string(samples) + " samples a pixel, expected 3 or more");
  const auto& map = d.list(kColorMap);
  if (photometric == 3 && map.size() < 3 * 256) return invalidArgument("the TIFF's palette is cut short");
  if (width <= 0 || height <= 0 || !plausible(file.size(), static_cast<size_t>(height) * static_cast<size_t>(width)))
    return invalidArgument("the TIFF has too little data");
  JINX_TRY_ASSIGN(Picture picture, blank(height, width));

  const auto &offsets = d.list(kStripOffsets), &counts = d.list(kStripByteCounts);
  const int64_t rowsPerStrip = static_cast<int64_t>(
      std::clamp<uint64_t>(d.first(kRowsPerStrip, static_cast<uint64_t>(height)), 1, static_cast<uint64_t>(height)));
  const size_t rowBytes = static_cast<size_t>(width) * samples;
  for (int64_t y = 0, strip = 0; y < height; y += rowsPerStrip, ++strip) {
    const size_t s = static_cast<size_t>(strip);
    if (s >= offsets.size() || s >= counts.size() || offsets[s] > file.size() || counts[s] > file.size() - offsets[s])
      return invalidArgument("the TIFF is cut short");
    const int64_t rows = std::min(rowsPerStrip, height - y);
    const size_t expected = rowBytes * static_cast<size_t>(rows);
    JINX_TRY_ASSIGN(std::vector<uint8_t> data, stripData(file.subspan(offsets[s], counts[s]), compression, expected));
    if (data.size() < expected) return invalidArgument("the TIFF is cut short");
    for (int64_t j = 0; j < rows; ++j) {
      uint8_t* row = data.data() + static_cast<size_t>(j) * rowBytes;
      if (predictor == 2)
        for (size_t i = samples; i < rowBytes; ++i)
          row[i] = static_cast<uint8_t>(row[i] + row[i - samples]);
      for (int64_t x = 0; x < width; ++x) {
        const uint8_t* from = row + static_cast<size_t>(x) * samples;
        uint8_t* to = picture.pixel(y + j, x);
        for (size_t c = 0; c < 3; ++c) {
          if (photometric == 2)
            to[c] = from[c];
          else if (photometric == 3)
            to[c] = static_cast<uint8_t>(map[c * 256 + from[0]] >> 8);
          else
            to[c] = photometric == 0 ? static_cast<uint8_t>(255 - from[0]) : from[0];
        }
      }
    }
  }
  return picture;
}

} // namespace jinx::image
