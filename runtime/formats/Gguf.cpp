#include "runtime/formats/Gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

namespace jinx {
namespace {

constexpr uint32_t kOldestVersion = 2, kNewestVersion = 3;
constexpr uint64_t kDefaultAlignment = 32, kLargestAlignment = 1 << 20;
constexpr uint32_t kLargestRank = 4; // ggml's
constexpr uint32_t kTextType = 8, kArrayType = 9;

static_assert(std::endian::native == std::endian::little, "numbers of a file are read as they lie");

std::string quoted(std::string_view text) {
  constexpr size_t kMost = 80;
  return "\"" + std::string(text.substr(0, kMost)) + (text.size() > kMost ? "…" : "") + "\"";
}

/// Element types of entries by their number in a file; kInvalid for strings, arrays and unknown ones.
DType entryType(uint32_t number) {
  constexpr DType kTypes[] = {DType::kU8,  DType::kI8,   DType::kU16,     DType::kI16,     DType::kU32, DType::kI32, DType::kF32,
                              DType::kBool, DType::kInvalid, DType::kInvalid, DType::kU64, DType::kI64, DType::kF64};
  return number < std::size(kTypes) ? kTypes[number] : DType::kInvalid;
}

std::optional<GgufType> tensorType(uint32_t number) {
  struct Plain {
    uint32_t number;
    GgufType type;
  };
  static const Plain kPlain[] = {{0, {"F32", DType::kF32}},  {1, {"F16", DType::kF16}},  {30, {"BF16", DType::kBF16}},
                                 {24, {"I8", DType::kI8}},   {25, {"I16", DType::kI16}}, {26, {"I32", DType::kI32}},
                                 {27, {"I64", DType::kI64}}, {28, {"F64", DType::kF64}}};
  for (const Plain& plain : kPlain)
    if (plain.number == number) return plain.type;
  for (const BlockFormat& format : blockFormats())
    if (format.ggufType == number) return GgufType{format.name, DType::kInvalid, &format};
  return std::nullopt;
}

std::string knownTensorTypes() {
  std::string text;
  for (uint32_t number = 0; number <= 30; ++number)
    if (auto type = tensorType(number)) text += (text.empty() ? "" : ", ") + std::string(type->name);
  return text;
}

template <typename T>
T readAt(std::span<const std::byte> bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

/// One number of `bytes`, by its type.
GgufValue numberAt(DType type, std::span<const std::byte> bytes, size_t at) {
  switch (type) {
  case DType::kU8: return uint64_t{readAt<uint8_t>(bytes, at)};
  case DType::kU16: return uint64_t{readAt<uint16_t>(bytes, at)};
  case DType::kU32: return uint64_t{readAt<uint32_t>(bytes, at)};
  case DType::kU64: return readAt<uint64_t>(bytes, at);
  case DType::kI8: return int64_t{readAt<int8_t>(bytes, at)};
  case DType::kI16: return int64_t{readAt<int16_t>(bytes, at)};
  case DType::kI32: return int64_t{readAt<int32_t>(bytes, at)};
  case DType::kI64: return readAt<int64_t>(bytes, at);
  case DType::kF32: return double{readAt<float>(bytes, at)};
  case DType::kF64: return readAt<double>(bytes, at);
  default: return readAt<uint8_t>(bytes, at) != 0;
  }
}

std::string describe(const GgufValue& value) {
  static constexpr const char* kKinds[] = {"an unsigned integer", "an integer", "a float", "a bool", "a string", "an array of numbers",
                                           "an array of strings"};
  return kKinds[value.index()];
}

/// Null when it is no integer, or too large.
std::optional<int64_t> asInteger(const GgufValue& value) {
  if (const int64_t* i = std::get_if<int64_t>(&value)) return *i;
  const uint64_t* u = std::get_if<uint64_t>(&value);
  if (u && *u <= uint64_t{INT64_MAX}) return static_cast<int64_t>(*u);
  return std::nullopt;
}

std::optional<double> asNumber(const GgufValue& value) {
  if (const double* d = std::get_if<double>(&value)) return *d;
  if (const uint64_t* u = std::get_if<uint64_t>(&value)) return static_cast<double>(*u);
  if (const int64_t* i = std::get_if<int64_t>(&value)) return static_cast<double>(*i);
  return std::nullopt;
}

Status isOtherKind(std::string_view name, const GgufValue& value, const std::string& expected) {
  return invalidArgument("entry " + quoted(name) + " is " + describe(value) + ", expected " + expected);
}

} // namespace

/// Walks a file from its first byte to its last header byte; every step says where it was when it fails.
class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, GgufFile& file) : bytes_(bytes), file_(file) {}

  Status run() {
    uint64_t numTensors = 0, numEntries = 0;
    JINX_TRY(readHeader(&numTensors, &numEntries));
    for (uint64_t i = 0; i < numEntries; ++i)
      JINX_TRY(readEntry(), "entry " + std::to_string(i) + " of " + std::to_string(numEntries));
    JINX_TRY(readAlignment());
    for (uint64_t i = 0; i < numTensors; ++i)
      JINX_TRY(readTensor(), "tensor " + std::to_string(i) + " of " + std::to_string(numTensors));
    return placeTensors();
  }

 private:
  size_t left() const { return bytes_.size() - at_; }

  Expected<std::span<const std::byte>> take(uint64_t count, const char* what) {
    if (count > left())
      return invalidArgument(std::string(what) + " needs " + std::to_string(count) + " bytes, the file has " + std::to_string(left()) +
                             " more");
    at_ += static_cast<size_t>(count);
    return bytes_.subspan(at_ - static_cast<size_t>(count), static_cast<size_t>(count));
  }
  template <typename T>
  Expected<T> read(const char* what) {
    JINX_TRY_ASSIGN(auto bytes, take(sizeof(T), what));
    return readAt<T>(bytes, 0);
  }
  Expected<std::string_view> readText(const char* what) {
    JINX_TRY_ASSIGN(uint64_t length, read<uint64_t>(what));
    JINX_TRY_ASSIGN(auto bytes, take(length, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  Status readHeader(uint64_t* numTensors, uint64_t* numEntries) {
    auto magic = take(4, "the header");
    if (!magic.isOk() || std::memcmp(magic->data(), "GGUF", 4) != 0)
      return invalidArgument("is no GGUF file: it does not begin with \"GGUF\"");
    JINX_TRY_ASSIGN(uint32_t version, read<uint32_t>("the header"));
    if (version != 0 && (version & 0xffff) == 0)
      return unimplemented("has numbers with the big end first, expected the little end first");
    if (version < kOldestVersion || version > kNewestVersion)
      return unimplemented("has GGUF version " + std::to_string(version) + ", expected 2 or 3");
    JINX_TRY_ASSIGN(*numTensors, read<uint64_t>("the header"));
    JINX_TRY_ASSIGN(*numEntries, read<uint64_t>("the header"));
    return Status::ok();
  }

  Status readEntry() {
    JINX_TRY_ASSIGN(std::string_view name, readText("its name"));
    JINX_TRY_ASSIGN(uint32_t type, read<uint32_t>("its type"), quoted(name));
    JINX_TRY_ASSIGN(GgufValue value, readValue(type), quoted(name));
    if (!file_.entryIndex_.emplace(name, file_.entries_.size()).second) return invalidArgument(quoted(name) + " is there twice");
    file_.entries_.push_back({name, std::move(value)});
    return Status::ok();
  }
  Expected<GgufValue> readValue(uint32_t type) {
    if (type == kTextType) {
      JINX_TRY_ASSIGN(std::string_view text, readText("its string"));
      return GgufValue(text);
    }
    if (type == kArrayType) return readArray();
    const DType dtype = entryType(type);
    if (dtype == DType::kInvalid) return invalidArgument("has type " + std::to_string(type) + ", expected 0 to 12");
    JINX_TRY_ASSIGN(auto bytes, take(static_cast<uint64_t>(packedBytes(dtype, 1)), "its value"));
    return numberAt(dtype, bytes, 0);
  }
  Expected<GgufValue> readArray() {
    JINX_TRY_ASSIGN(uint32_t type, read<uint32_t>("its element type"));
    JINX_TRY_ASSIGN(uint64_t count, read<uint64_t>("its length"));
    if (type == kTextType) {
      std::vector<std::string_view> texts;
      texts.reserve(static_cast<size_t>(std::min<uint64_t>(count, left() / sizeof(uint64_t)))); // a string takes its length at least
      for (uint64_t i = 0; i < count; ++i) {
        JINX_TRY_ASSIGN(std::string_view text, readText("its string"), "element " + std::to_string(i));
        texts.push_back(text);
      }
      return GgufValue(std::move(texts));
    }
    const DType dtype = entryType(type);
    if (type == kArrayType) return unimplemented("is an array of arrays, expected numbers or strings");
    if (dtype == DType::kInvalid) return invalidArgument("has element type " + std::to_string(type) + ", expected 0 to 12");
    const uint64_t width = static_cast<uint64_t>(packedBytes(dtype, 1));
    if (count > left() / width)
      return invalidArgument("has " + std::to_string(count) + " elements of " + std::to_string(width) + " bytes, the file has " +
                             std::to_string(left()) + " bytes more");
    JINX_TRY_ASSIGN(auto bytes, take(count * width, "its elements"));
    return GgufValue(GgufNumbers{dtype, count, bytes});
  }

  Status readAlignment() {
    if (!file_.findEntry("general.alignment")) return Status::ok();
    JINX_TRY_ASSIGN(int64_t given, file_.integer("general.alignment"));
    if (given < 1 || static_cast<uint64_t>(given) > kLargestAlignment || !std::has_single_bit(static_cast<uint64_t>(given)))
      return invalidArgument("entry \"general.alignment\" is " + std::to_string(given) + ", expected a power of two up to " +
                             std::to_string(kLargestAlignment));
    alignment_ = static_cast<uint64_t>(given);
    return Status::ok();
  }

  Status readTensor() {
    GgufTensor tensor;
    JINX_TRY_ASSIGN(tensor.name, readText("its name"));
    JINX_TRY(readShapeAndPlace(tensor), quoted(tensor.name));
    if (!file_.tensorIndex_.emplace(tensor.name, file_.tensors_.size()).second)
      return invalidArgument(quoted(tensor.name) + " is there twice");
    file_.tensors_.push_back(std::move(tensor));
    return Status::ok();
  }
  Status readShapeAndPlace(GgufTensor& tensor) {
    JINX_TRY_ASSIGN(uint32_t rank, read<uint32_t>("its rank"));
    if (rank > kLargestRank) return invalidArgument("has rank " + std::to_string(rank) + ", expected at most " + std::to_string(kLargestRank));
    int64_t elements = 1;
    for (uint32_t d = 0; d < rank; ++d) {
      JINX_TRY_ASSIGN(uint64_t extent, read<uint64_t>("an extent"));
      if (extent > uint64_t{INT64_MAX} || __builtin_mul_overflow(elements, static_cast<int64_t>(extent), &elements))
        return invalidArgument("has more elements than 2^63");
      tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(extent));
    }
    JINX_TRY_ASSIGN(uint32_t number, read<uint32_t>("its type"));
    auto type = tensorType(number);
    if (!type) return unimplemented("has type " + std::to_string(number) + ", expected " + knownTensorTypes());
    tensor.type = *type;
    const int64_t row = rank == 0 ? 1 : tensor.shape.back(), perBlock = type->blocks ? type->blocks->elements : 1;
    if (row % perBlock != 0)
      return invalidArgument("has rows of " + std::to_string(row) + ", expected whole blocks of " + std::to_string(perBlock));
    int64_t bytes = 0;
    if (__builtin_mul_overflow(elements / perBlock, type->blocks ? type->blocks->bytes : packedBytes(type->dtype, 1), &bytes))
      return invalidArgument("has more bytes than 2^63");
    JINX_TRY_ASSIGN(uint64_t offset, read<uint64_t>("its offset"));
    if (offset % alignment_ != 0)
      return invalidArgument("has offset " + std::to_string(offset) + ", expected a multiple of " + std::to_string(alignment_));
    places_.push_back({offset, static_cast<uint64_t>(bytes), places_.size()});
    return Status::ok();
  }

  /// Each tensor lies in the file, and none on another.
  Status placeTensors() {
    if (places_.empty()) return Status::ok();
    const uint64_t pad = (alignment_ - at_ % alignment_) % alignment_;
    JINX_TRY_ASSIGN([[maybe_unused]] auto padding, take(pad, "the space before the data"));
    const auto data = bytes_.subspan(at_);
    for (const Place& place : places_) {
      GgufTensor& tensor = file_.tensors_[place.tensor];
      if (place.offset > data.size() || place.bytes > data.size() - place.offset)
        return invalidArgument("tensor " + quoted(tensor.name) + " has " + std::to_string(place.bytes) + " bytes at offset " +
                               std::to_string(place.offset) + " of the data, which has " + std::to_string(data.size()));
      tensor.bytes = data.subspan(static_cast<size_t>(place.offset), static_cast<size_t>(place.bytes));
    }
    std::ranges::sort(places_, {}, [](const Place& place) { return std::pair(place.offset, place.bytes); });
    for (size_t i = 1; i < places_.size(); ++i)
      if (places_[i].offset < places_[i - 1].offset + places_[i - 1].bytes)
        return invalidArgument("tensor " + quoted(file_.tensors_[places_[i].tensor].name) + " lies on tensor " +
                               quoted(file_.tensors_[places_[i - 1].tensor].name));
    return Status::ok();
  }

  struct Place {
    uint64_t offset, bytes;
    size_t tensor;
  };

  std::span<const std::byte> bytes_;
  GgufFile& file_;
  size_t at_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
  std::vector<Place> places_;
};

Expected<GgufFile> GgufFile::parse(std::span<const std::byte> bytes) {
  GgufFile file;
  JINX_TRY(GgufReader(bytes, file).run());
  return file;
}

Expected<GgufFile> GgufFile::open(const std::string& path) {
  JINX_TRY_ASSIGN(MappedFile mapped, MappedFile::open(path));
  JINX_TRY_ASSIGN(GgufFile file, parse(mapped.bytes()), path);
  file.file_ = std::move(mapped); // its bytes stay where they are
  return file;
}

const GgufValue* GgufFile::findEntry(std::string_view name) const {
  auto it = entryIndex_.find(name);
  return it == entryIndex_.end() ? nullptr : &entries_[it->second].value;
}

const GgufTensor* GgufFile::findTensor(std::string_view name) const {
  auto it = tensorIndex_.find(name);
  return it == tensorIndex_.end() ? nullptr : &tensors_[it->second];
}

Expected<const GgufValue*> GgufFile::entry(std::string_view name) const {
  const GgufValue* value = findEntry(name);
  if (!value) return notFound("the file has no entry " + quoted(name));
  return value;
}

Expected<int64_t> GgufFile::integer(std::string_view name) const {
  JINX_TRY_ASSIGN(const GgufValue* value, entry(name));
  auto integer = asInteger(*value);
  if (!integer) return isOtherKind(name, *value, "an integer below 2^63");
  return *integer;
}

Expected<double> GgufFile::number(std::string_view name) const {
  JINX_TRY_ASSIGN(const GgufValue* value, entry(name));
  auto number = asNumber(*value);
  if (!number) return isOtherKind(name, *value, "a number");
  return *number;
}

Expected<bool> GgufFile::boolean(std::string_view name) const {
  JINX_TRY_ASSIGN(const GgufValue* value, entry(name));
  if (const bool* b = std::get_if<bool>(value)) return *b;
  return isOtherKind(name, *value, "a bool");
}

Expected<std::string_view> GgufFile::text(std::string_view name) const {
  JINX_TRY_ASSIGN(const GgufValue* value, entry(name));
  if (const std::string_view* text = std::get_if<std::string_view>(value)) return *text;
  return isOtherKind(name, *value, "a string");
}

Expected<std::span<const std::string_view>> GgufFile::texts(std::string_view name) const {
  JINX_TRY_ASSIGN(const GgufValue* value, entry(name));
  if (auto* texts = std::get_if<std::vector<std::string_view>>(value)) return std::span<const std::string_view>(*texts);
  return isOtherKind(name, *value, "an array of strings");
}

Expected<std::vector<int64_t>> GgufFile::integers(std::string_view name) const {
  JINX_TRY_ASSIGN(const GgufValue* value, entry(name));
  auto* numbers = std::get_if<GgufNumbers>(value);
  if (!numbers) return isOtherKind(name, *value, "an array of integers");
  std::vector<int64_t> result;
  result.reserve(static_cast<size_t>(numbers->count));
  const size_t width = static_cast<size_t>(packedBytes(numbers->dtype, 1));
  for (uint64_t i = 0; i < numbers->count; ++i) {
    auto integer = asInteger(numberAt(numbers->dtype, numbers->bytes, static_cast<size_t>(i) * width));
    if (!integer)
      return invalidArgument("entry " + quoted(name) + " has " + std::string(jinx::name(numbers->dtype)) +
                             " elements, expected integers below 2^63");
    result.push_back(*integer);
  }
  return result;
}

Expected<std::vector<float>> GgufFile::floats(std::string_view name) const {
  JINX_TRY_ASSIGN(const GgufValue* value, entry(name));
  auto* numbers = std::get_if<GgufNumbers>(value);
  if (!numbers || numbers->dtype != DType::kF32) return isOtherKind(name, *value, "an array of f32");
  std::vector<float> result(static_cast<size_t>(numbers->count));
  if (!result.empty()) std::memcpy(result.data(), numbers->bytes.data(), numbers->bytes.size());
  return result;
}

} // namespace jinx
