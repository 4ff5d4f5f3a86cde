#include "runtime/formats/Safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include <nlohmann/json.hpp>

namespace jinx {
namespace {

constexpr uint64_t kLongestHeader = 100'000'000; // the format's own limit
constexpr size_t kLargestRank = 16;
constexpr std::string_view kMetadata = "__metadata__";

static_assert(std::endian::native == std::endian::little, "numbers of a file are read as they lie");

std::string inQuotes(std::string_view text) {
  constexpr size_t kMost = 80;
  return "\"" + std::string(text.substr(0, kMost)) + (text.size() > kMost ? "…" : "") + "\"";
}

DType typeNamed(std::string_view name) {
  static constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"F64", DType::kF64}, {"F32", DType::kF32}, {"F16", DType::kF16}, {"BF16", DType::kBF16},        {"I64", DType::kI64},      {"I32", DType::kI32},
      {"I16", DType::kI16}, {"I8", DType::kI8},   {"U64", DType::kU64}, {"U32", DType::kU32},          {"U16", DType::kU16},      {"U8", DType::kU8},
      {"BOOL", DType::kBool}, {"C64", DType::kC64}, {"F8_E4M3", DType::kF8E4M3FN}, {"F8_E5M2", DType::kF8E5M2}, {"F8_E8M0", DType::kF8E8M0FNU}, {"F4", DType::kF4E2M1}};
  for (const auto& [known, type] : kTypes)
    if (known == name) return type;
  return DType::kInvalid;
}

/// What the header says of a tensor, before it is believed.
struct Described {
  std::optional<std::string> type;
  std::optional<std::vector<uint64_t>> shape, offsets;
};

/// Takes the header's JSON part by part: only what the format has passes, and no name is lost that is there twice.
class HeaderReader {
 public:
  std::map<std::string, Described> tensors;
  std::map<std::string, std::string> metadata;
  std::string problem; ///< why the header was left, but for text that is no JSON

  bool null() { return isOther("null"); }
  bool boolean(bool) { return isOther("a bool"); }
  bool number_integer(int64_t) { return isOther("a negative number"); }
  bool number_float(double, const std::string&) { return isOther("a number that is no integer"); }
  bool binary(nlohmann::json::binary_t&) { return isOther("bytes"); }
  bool number_unsigned(uint64_t value) {
    if (!numbers_) return isOther("a number");
    if (numbers_->size() == kLargestRank) return fails(where() + " has more than " + std::to_string(kLargestRank) + " numbers");
    numbers_->push_back(value);
    return true;
  }
  bool string(std::string& value) {
    if (depth_ == 2 && isMetadata_) {
      if (!metadata.emplace(field_, value).second) return fails(where() + " is there twice");
      return true;
    }
    if (depth_ != 2 || numbers_ || field_ != "dtype") return isOther("text");
    tensor_->type = value;
    return true;
  }
  bool start_object(size_t) {
    if (depth_ == 0 || (depth_ == 1 && !numbers_)) {
      ++depth_;
      return true;
    }
    return isOther("an object");
  }
  bool end_object() {
    --depth_;
    return true;
  }
  bool key(std::string& name) {
    if (depth_ == 1) return startEntry(name);
    field_ = name;
    if (isMetadata_) return true;
    const bool isKnown = name == "dtype" || name == "shape" || name == "data_offsets";
    if (!isKnown) return fails(where() + " has no place, expected dtype, shape and data_offsets");
    const bool isTwice = name == "dtype" ? tensor_->type.has_value() : name == "shape" ? tensor_->shape.has_value() : tensor_->offsets.has_value();
    return isTwice ? fails(where() + " is there twice") : true;
  }
  bool start_array(size_t) {
    if (depth_ != 2 || isMetadata_ || numbers_ || field_ == "dtype") return isOther("an array");
    numbers_ = &(field_ == "shape" ? tensor_->shape : tensor_->offsets).emplace();
    return true;
  }
  bool end_array() {
    numbers_ = nullptr;
    return true;
  }
  bool parse_error(size_t at, const std::string&, const nlohmann::json::exception&) { return fails("the header is no JSON: malformed at byte " + std::to_string(at)); }

 private:
  bool startEntry(const std::string& name) {
    entry_ = name, field_.clear();
    isMetadata_ = name == kMetadata;
    if (isMetadata_) return std::exchange(hasMetadata_, true) ? fails("the header has " + inQuotes(name) + " twice") : true;
    auto [tensor, isNew] = tensors.try_emplace(name);
    tensor_ = &tensor->second;
    return isNew ? true : fails("the header has tensor " + inQuotes(name) + " twice");
  }
  std::string where() const {
    if (depth_ == 0) return "the header";
    const std::string entry = isMetadata_ ? inQuotes(kMetadata) : "tensor " + inQuotes(entry_);
    return field_.empty() || depth_ < 2 ? entry : "field " + inQuotes(field_) + " of " + entry;
  }
  bool isOther(const std::string& what) {
    const char* expected = depth_ == 0 ? "an object" : depth_ == 1 ? "an object" : isMetadata_ || field_ == "dtype" ? "text" : "an array of numbers that are not negative";
    return fails(where() + " is " + what + ", expected " + expected);
  }
  bool fails(std::string text) {
    if (problem.empty()) problem = std::move(text);
    return false;
  }

  int depth_ = 0;
  bool isMetadata_ = false, hasMetadata_ = false;
  std::string entry_, field_;
  Described* tensor_ = nullptr;
  std::vector<uint64_t>* numbers_ = nullptr;
};

/// Bytes that so many elements take; nothing when that is more than any file has, or no whole number.
std::optional<uint64_t> bytesOf(const std::vector<uint64_t>& shape, DType type) {
  uint64_t bits = static_cast<uint64_t>(bitWidth(type));
  bool overflows = false;
  for (uint64_t extent : shape)
    overflows |= __builtin_mul_overflow(bits, extent, &bits);
  // An extent of 0 further on would hide an overflow before it.
  if (overflows || bits % 8 != 0 || bits > uint64_t{INT64_MAX}) return std::nullopt;
  return bits / 8;
}

Expected<SafetensorsTensor> tensorOf(const std::string& name, const Described& said, std::span<const std::byte> data) {
  for (const auto& [field, isThere] : {std::pair("dtype", said.type.has_value()), std::pair("shape", said.shape.has_value()), std::pair("data_offsets", said.offsets.has_value())})
    if (!isThere) return invalidArgument("has no " + std::string(field));
  const DType type = typeNamed(*said.type);
  if (type == DType::kInvalid) return unimplemented("is of type " + inQuotes(*said.type) + ", which is not known");
  if (said.offsets->size() != 2) return invalidArgument("has " + std::to_string(said.offsets->size()) + " offsets, expected 2");
  const uint64_t begin = (*said.offsets)[0], end = (*said.offsets)[1];
  if (begin > end || end > data.size())
    return invalidArgument("has bytes " + std::to_string(begin) + " to " + std::to_string(end) + " of " + std::to_string(data.size()));
  Shape shape;
  for (uint64_t extent : *said.shape)
    shape.push_back(static_cast<int64_t>(std::min<uint64_t>(extent, INT64_MAX)));
  const std::optional<uint64_t> bytes = bytesOf(*said.shape, type);
  if (!bytes || *bytes != end - begin)
    return invalidArgument("has " + std::to_string(end - begin) + " bytes, expected " + (bytes ? std::to_string(*bytes) : "no such number") + " for " + *said.type + " [" + toString(shape) + "]");
  return SafetensorsTensor{name, *said.type, type, std::move(shape), data.subspan(begin, end - begin)};
}

/// Each byte of the data has one tensor.
Status checkPlaces(std::span<const SafetensorsTensor> tensors, std::span<const std::byte> data) {
  std::vector<const SafetensorsTensor*> order;
  for (const SafetensorsTensor& tensor : tensors)
    order.push_back(&tensor);
  // One without bytes lies in front of one that begins there.
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return std::pair(a->bytes.data(), a->bytes.size()) < std::pair(b->bytes.data(), b->bytes.size()); });
  const std::byte* at = data.data();
  const SafetensorsTensor* before = nullptr;
  for (const SafetensorsTensor* tensor : order) {
    if (tensor->bytes.data() < at) return invalidArgument("tensor " + inQuotes(tensor->name) + " lies on tensor " + inQuotes(before->name));
    if (tensor->bytes.data() > at) return invalidArgument(std::to_string(tensor->bytes.data() - at) + " bytes in front of tensor " + inQuotes(tensor->name) + " belong to no tensor");
    at = tensor->bytes.data() + tensor->bytes.size(), before = tensor;
  }
  const auto left = data.data() + data.size() - at;
  if (left > 0) return invalidArgument("the last " + std::to_string(left) + " bytes belong to no tensor");
  return Status::ok();
}

} // namespace

Status SafetensorsFile::read(std::span<const std::byte> bytes) {
  uint64_t length = 0;
  if (bytes.size() < sizeof length) return invalidArgument("is no safetensors file: it has " + std::to_string(bytes.size()) + " bytes, expected at least " + std::to_string(sizeof length));
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::span<const std::byte> rest = bytes.subspan(sizeof length);
  if (length > kLongestHeader) return invalidArgument("is no safetensors file: its header has " + std::to_string(length) + " bytes, expected at most " + std::to_string(kLongestHeader));
  if (length > rest.size()) return invalidArgument("the header has " + std::to_string(length) + " bytes, the file has " + std::to_string(rest.size()) + " more");
  const char* header = reinterpret_cast<const char*>(rest.data());
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(header, header + length, &reader)) return invalidArgument(reader.problem.empty() ? "the header is no JSON" : reader.problem);
  const std::span<const std::byte> data = rest.subspan(length);
  for (const auto& [name, said] : reader.tensors) {
    JINX_TRY_ASSIGN(SafetensorsTensor tensor, tensorOf(name, said, data), "tensor " + inQuotes(name));
    tensors_.push_back(std::move(tensor));
  }
  metadata_ = std::move(reader.metadata);
  return checkPlaces(tensors_, data);
}

Expected<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes) {
  SafetensorsFile file;
  JINX_TRY(file.read(bytes));
  return file;
}

Expected<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  JINX_TRY_ASSIGN(MappedFile mapped, MappedFile::open(path));
  SafetensorsFile file;
  JINX_TRY(file.read(mapped.bytes()), path);
  file.file_ = std::move(mapped);
  return file;
}

const SafetensorsTensor* SafetensorsFile::findTensor(std::string_view name) const {
  auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name, [](const SafetensorsTensor& t, std::string_view n) { return t.name < n; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

} // namespace jinx
