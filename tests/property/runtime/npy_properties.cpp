// .npy files: what is written is read, in every layout that NumPy writes, and damage is refused.
#include "runtime/base/Npy.h"

#include <cstring>

#include "tests/property/Property.h"

namespace jinx::test {
namespace {

std::span<const std::byte> bytesOf(const std::string& text) { return std::as_bytes(std::span(text)); }

rc::Gen<DType> numberTypes() {
  return rc::gen::map(rc::gen::inRange(1, kNumDTypes), [](int i) { return static_cast<DType>(i) == DType::kString ? DType::kF32 : static_cast<DType>(i); });
}

JINX_PROPERTY(NpyLaws, WhatIsWrittenIsRead, 2000) {
  DType type = *numberTypes();
  Tensor t = randomBits(type, *shapes(5, 500), *seeds());
  std::string file = must(formatNpy(t), "writing");
  Tensor back = must(parseNpy(bytesOf(file), type, "file"), "reading");
  RC_ASSERT(sameBytes(back, t));
  // The header is padded so that the data is aligned, and ends in a newline.
  size_t header = 10 + static_cast<uint8_t>(file[8]) + 256u * static_cast<uint8_t>(file[9]);
  RC_ASSERT(header % 64 == 0);
  RC_ASSERT(file[header - 1] == '\n');
  // Narrow integers are whole bytes in the file, with their sign.
  for (int64_t i = 0; isInteger(type) && bitWidth(type) < 8 && i < t.size(); ++i)
    RC_ASSERT(static_cast<int64_t>(static_cast<int8_t>(file[header + static_cast<size_t>(i)])) == t.getInt(i));
}

/// A file as NumPy writes it, put together here by hand.
std::string numpyFile(const std::string& descr, bool fortran, const Shape& shape, const std::string& data) {
  std::string dims;
  for (int64_t extent : shape)
    dims += std::to_string(extent) + ", ";
  if (shape.size() > 1) dims.resize(dims.size() - 2);
  std::string dict = "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" + dims + "), }\n";
  std::string file = "\x93NUMPY\x01";
  file += '\0';
  file += static_cast<char>(dict.size() & 0xFF);
  file += static_cast<char>(dict.size() >> 8);
  return file + dict + data;
}

JINX_PROPERTY(NpyLaws, ColumnMajorAndBigEndianFilesHoldTheSameArray, 1000) {
  auto [type, code, width] = *rc::gen::element(std::make_tuple(DType::kF32, "f4", 4), std::make_tuple(DType::kF64, "f8", 8),
                                               std::make_tuple(DType::kI16, "i2", 2), std::make_tuple(DType::kU64, "u8", 8),
                                               std::make_tuple(DType::kI8, "i1", 1));
  Tensor want = randomBits(type, *shapes(4, 500), *seeds());
  bool fortran = *rc::gen::arbitrary<bool>(), big = *rc::gen::arbitrary<bool>();
  // Element (i0, i1, …) lies at i0*s0 + i1*s1 + …: strides grow with the axis in column-major order.
  std::string data(static_cast<size_t>(want.sizeBytes()), '\0');
  std::vector<int64_t> index(want.shape().size(), 0);
  for (int64_t i = 0; i < want.size(); ++i) {
    int64_t at = 0, stride = 1;
    for (size_t d = 0; d < index.size(); ++d) {
      size_t axis = fortran ? d : index.size() - 1 - d;
      at += index[axis] * stride;
      stride *= want.shape()[axis];
    }
    for (int b = 0; b < width; ++b)
      data[static_cast<size_t>(at * width + (big ? width - 1 - b : b))] = want.as<char>()[i * width + b];
    for (size_t d = index.size(); d-- > 0;) { // count up, last axis fastest
      if (++index[d] < want.shape()[d]) break;
      index[d] = 0;
    }
  }
  std::string file = numpyFile((big ? ">" : "<") + std::string(code), fortran, want.shape(), data);
  RC_ASSERT(sameBytes(must(parseNpy(bytesOf(file), DType::kInvalid, "file"), "reading"), want));
}

JINX_PROPERTY(NpyLaws, DamageIsRefusedOrReadAsSomething, 3000) {
  DType type = *rc::gen::element(DType::kF32, DType::kI4, DType::kC128, DType::kBF16);
  std::string file = must(formatNpy(randomBits(type, *shapes(3, 60), *seeds())), "writing");
  int changes = *rc::gen::inRange(1, 5);
  for (int i = 0; i < changes && !file.empty(); ++i) {
    size_t at = static_cast<size_t>(*rc::gen::inRange<int64_t>(0, static_cast<int64_t>(file.size())));
    switch (*rc::gen::inRange(0, 4)) {
    case 0:
      file[at] = static_cast<char>(*rc::gen::inRange(0, 256));
      break;
    case 1:
      file.resize(at);
      break;
    case 2:
      file.insert(at, *rc::gen::element<std::string>("9", "99999999999999999999", "(", ")", "'", "{", "}", ",", "L", "'shape': (4,)"));
      break;
    default:
      file.erase(at, 1);
    }
  }
  Expected<Tensor> t = parseNpy(bytesOf(file), type, "file");
  if (!t) {
    RC_ASSERT(t.status().code() == Code::kInvalidArgument);
    RC_ASSERT(t.status().message().substr(0, 5) == "file:");
    return;
  }
  RC_ASSERT(t->sizeBytes() <= static_cast<int64_t>(file.size()) || bitWidth(t->dtype()) < 8);
  must(formatNpy(*t), "writing it again");
}

} // namespace
} // namespace jinx::test
