#include "runtime/base/Npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "runtime/base/File.h"

namespace jinx {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxRank = 64;

struct Header {
  std::string descr;
  bool fortran = false;
  Shape shape;
  size_t dataOffset = 0;
};

/// Reads the header's Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
class DictParser {
 public:
  explicit DictParser(std::string_view text) : text_(text) {}

  Status parse(Header* header) {
    bool hasDescr = false, hasOrder = false, hasShape = false;
    if (!accept('{')) return damaged();
    while (!accept('}')) {
      std::string key;
      if (!quotedString(&key) || !accept(':')) return damaged();
      if (key == "descr") {
        hasDescr = true;
        if (peek() == '[') return invalidArgument("holds a structured array, expected plain numbers");
        if (!quotedString(&header->descr)) return damaged();
      } else if (key == "fortran_order") {
        hasOrder = true;
        if (!boolean(&header->fortran)) return damaged();
      } else if (key == "shape") {
        hasShape = true;
        if (!tuple(&header->shape)) return damaged();
      } else {
        return damaged();
      }
      accept(',');
    }
    return hasDescr && hasOrder && hasShape ? Status::ok() : damaged();
  }

 private:
  static Status damaged() { return invalidArgument("has a damaged header"); }

  char peek() {
    while (pos_ < text_.size() && (text_[pos_] == ' ' || text_[pos_] == '\n'))
      ++pos_;
    return pos_ < text_.size() ? text_[pos_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++pos_;
    return true;
  }
  bool quotedString(std::string* out) {
    char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    size_t end = text_.find(quote, pos_ + 1);
    if (end == std::string_view::npos) return false;
    *out = std::string(text_.substr(pos_ + 1, end - pos_ - 1));
    pos_ = end + 1;
    return true;
  }
  bool boolean(bool* out) {
    peek();
    for (std::string_view word : {"True", "False"}) {
      if (text_.substr(pos_, word.size()) != word) continue;
      pos_ += word.size();
      *out = word == "True";
      return true;
    }
    return false;
  }
  bool tuple(Shape* shape) {
    if (!accept('(')) return false;
    while (!accept(')')) {
      int64_t extent = 0;
      peek();
      auto [end, error] = std::from_chars(text_.data() + pos_, text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0 || shape->size() == kMaxRank) return false;
      pos_ = static_cast<size_t>(end - text_.data());
      shape->push_back(extent);
      accept('L'); // long integers of Python 2
      if (!accept(',') && peek() != ')') return false;
    }
    return true;
  }

  std::string_view text_;
  size_t pos_ = 0;
};

Expected<Header> parseHeader(std::span<const std::byte> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.substr(0, kMagic.size()) != kMagic || text.size() < 10) return invalidArgument("is no .npy file");
  uint8_t major = static_cast<uint8_t>(text[6]);
  size_t lengthBytes = major == 1 ? 2 : 4, length = 0;
  if (major < 1 || major > 3) return invalidArgument("has .npy version " + std::to_string(major) + ", expected 1 to 3");
  if (text.size() < 8 + lengthBytes) return invalidArgument("is truncated");
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= static_cast<size_t>(static_cast<uint8_t>(text[8 + i])) << (8 * i);
  Header header;
  header.dataOffset = 8 + lengthBytes + length;
  if (header.dataOffset > text.size()) return invalidArgument("is truncated");
  JINX_TRY(DictParser(text.substr(8 + lengthBytes, length)).parse(&header));
  return header;
}

struct NamedType {
  std::string_view code; ///< kind and bytes
  DType type;
};
constexpr NamedType kTypes[] = {
    {"f4", DType::kF32}, {"f8", DType::kF64},  {"f2", DType::kF16}, {"i1", DType::kI8},    {"i2", DType::kI16},
    {"i4", DType::kI32}, {"i8", DType::kI64},  {"u1", DType::kU8},  {"u2", DType::kU16},   {"u4", DType::kU32},
    {"u8", DType::kU64}, {"b1", DType::kBool}, {"c8", DType::kC64}, {"c16", DType::kC128},
};

/// What is in the file: elements of `type`; `unpacked` when a narrower type has one element per byte.
struct Encoding {
  DType type = DType::kInvalid;
  bool unpacked = false;
  int elementBytes = 0;
};

Expected<Encoding> decodeDescr(const std::string& descr, DType expected) {
  std::string_view code = std::string_view(descr).substr(std::min<size_t>(1, descr.size()));
  int width = bitWidth(expected);
  if (width == 8 && (code == "V1" || code == "u1" || code == "i1")) return Encoding{expected, false, 1};
  if (width > 0 && width < 8 && (code == "V1" || code == "u1" || code == "i1")) return Encoding{expected, true, 1};
  if (code == "V2" || (code == "u2" && expected == DType::kBF16))
    return Encoding{expected == DType::kF16 ? DType::kF16 : DType::kBF16, false, 2};
  for (const NamedType& t : kTypes)
    if (t.code == code) return Encoding{t.type, false, bitWidth(t.type) / 8};
  if (code == "V1") return invalidArgument("holds raw bytes: say which type they are");
  return invalidArgument("holds elements of type \"" + descr.substr(0, 50) + "\", expected numbers");
}

void swapBytes(std::byte* data, size_t count, size_t width) {
  for (size_t i = 0; i < count; ++i)
    std::reverse(data + i * width, data + (i + 1) * width);
}

/// Elements stored with the first axis fastest, brought into row-major order.
void transpose(const Shape& shape, size_t width, const std::byte* source, std::byte* target, int64_t count) {
  Shape index(shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) { // i counts row-major positions
    int64_t from = 0;
    for (size_t d = shape.size(); d-- > 0;)
      from = from * shape[d] + index[d];
    std::memcpy(target + static_cast<size_t>(i) * width, source + static_cast<size_t>(from) * width, width);
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];)
      index[d] = 0;
  }
}

/// One element per byte into packed elements.
Tensor pack(DType type, const Tensor& bytes) {
  Tensor packed = Tensor::make(type, bytes.shape());
  int width = bitWidth(type);
  for (int64_t i = 0; i < bytes.size(); ++i) {
    unsigned bits = bytes.as<uint8_t>()[i] & ((1u << width) - 1);
    packed.as<uint8_t>()[i * width / 8] =
        static_cast<uint8_t>(packed.as<uint8_t>()[i * width / 8] | (bits << (i * width % 8)));
  }
  return packed;
}

Tensor unpack(const Tensor& packed) {
  Tensor bytes = Tensor::make(isSigned(packed.dtype()) ? DType::kI8 : DType::kU8, packed.shape());
  int width = bitWidth(packed.dtype());
  for (int64_t i = 0; i < packed.size(); ++i) {
    unsigned bits = (packed.as<uint8_t>()[i * width / 8] >> (i * width % 8)) & ((1u << width) - 1);
    bool negative = isSigned(packed.dtype()) && (bits >> (width - 1));
    bytes.as<uint8_t>()[i] = static_cast<uint8_t>(negative ? bits | (0xFFu << width) : bits);
  }
  return bytes;
}

/// The descr of a type; "" for strings.
std::string descrOf(DType type) {
  if (type == DType::kBF16) return "<V2";
  for (const NamedType& t : kTypes)
    if (t.type == type) return (bitWidth(type) == 8 ? "|" : "<") + std::string(t.code);
  if (bitWidth(type) == 0) return "";
  if (isInteger(type)) return isSigned(type) ? "|i1" : "|u1";
  return "|V1";
}

} // namespace

Expected<Tensor> parseNpy(std::span<const std::byte> bytes, DType expected, const std::string& what) {
  JINX_TRY_ASSIGN(Header header, parseHeader(bytes), what);
  JINX_TRY_ASSIGN(Encoding encoding, decodeDescr(header.descr, expected), what);
  int64_t count = 1;
  bool empty = std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end();
  for (int64_t extent : header.shape)
    if (!empty && (__builtin_mul_overflow(count, extent, &count) || count > (int64_t{1} << 56)))
      return invalidArgument(what + ": shape " + toString(header.shape) + " is too large");
  if (empty) count = 0;
  size_t width = static_cast<size_t>(encoding.elementBytes), size = static_cast<size_t>(count) * width;
  if (bytes.size() - header.dataOffset < size)
    return invalidArgument(what + ": has " + std::to_string(bytes.size() - header.dataOffset) +
                           " bytes of data, shape " + toString(header.shape) + " needs " + std::to_string(size));
  Tensor t = Tensor::make(encoding.unpacked ? DType::kU8 : encoding.type, header.shape);
  const std::byte* data = bytes.data() + header.dataOffset;
  if (header.fortran && header.shape.size() > 1) {
    transpose(header.shape, width, data, t.as<std::byte>(), count);
  } else if (size > 0) {
    std::memcpy(t.data(), data, size);
  }
  if (header.descr[0] == '>') {
    size_t part = isComplex(encoding.type) ? width / 2 : width;
    swapBytes(t.as<std::byte>(), size / part, part);
  }
  return encoding.unpacked ? pack(encoding.type, t) : t;
}

Expected<Tensor> readNpy(const std::string& path, DType expected) {
  JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(path));
  return parseNpy(file.bytes(), expected, path);
}

Expected<std::string> formatNpy(const Tensor& tensor) {
  std::string descr = descrOf(tensor.dtype());
  if (descr.empty()) return unimplemented("cannot write " + tensor.describe() + " as .npy");
  std::string shape;
  for (int64_t extent : tensor.shape())
    shape += std::to_string(extent) + (tensor.rank() == 1 ? "," : ", ");
  if (tensor.rank() > 1) shape.resize(shape.size() - 2);
  std::string dict = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  size_t unpadded = kMagic.size() + 4 + dict.size() + 1;
  dict.append((64 - unpadded % 64) % 64, ' ');
  dict += '\n';
  std::string file(kMagic);
  file += std::string("\x01\x00", 2);
  file += static_cast<char>(dict.size() & 0xFF);
  file += static_cast<char>(dict.size() >> 8);
  file += dict;
  Tensor data = bitWidth(tensor.dtype()) < 8 ? unpack(tensor) : tensor;
  if (data.sizeBytes() > 0) file.append(data.as<char>(), static_cast<size_t>(data.sizeBytes()));
  return file;
}

Status writeNpy(const std::string& path, const Tensor& tensor) {
  JINX_TRY_ASSIGN(std::string bytes, formatNpy(tensor), "writing " + path);
  JINX_TRY_ASSIGN(AtomicFile file, AtomicFile::create(path), "writing " + path);
  JINX_TRY(file.write(std::as_bytes(std::span(bytes))), "writing " + path);
  return file.commit().withContext("writing " + path);
}

} // namespace jinx
