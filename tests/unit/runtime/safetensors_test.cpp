// safetensors files that the test writes itself: what is in them is found, and each kind of damage is named.
#include "runtime/formats/Safetensors.h"

#include <cstring>

#include "gtest/gtest.h"

namespace jinx {
namespace {

/// A file: the header as it is given, then `data` bytes 0, 1, 2 …
std::vector<std::byte> fileOf(std::string_view header, size_t data, uint64_t claimed = UINT64_MAX) {
  std::vector<std::byte> bytes(8 + header.size() + data);
  const uint64_t length = claimed == UINT64_MAX ? header.size() : claimed;
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  for (size_t i = 0; i < data; ++i)
    bytes[8 + header.size() + i] = static_cast<std::byte>(i);
  return bytes;
}

std::string failureOf(std::string_view header, size_t data) {
  const std::vector<std::byte> bytes = fileOf(header, data);
  auto file = SafetensorsFile::parse(bytes);
  return file.isOk() ? "is valid" : file.status().message();
}

constexpr const char* kTwo = R"({"b": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "a": {"dtype": "BF16", "shape": [2], "data_offsets": [24, 28]},
                                 "__metadata__": {"format": "pt"}}   )";

TEST(Safetensors, findsWhatIsThere) {
  const std::vector<std::byte> bytes = fileOf(kTwo, 28);
  auto file = SafetensorsFile::parse(bytes);
  ASSERT_TRUE(file.isOk()) << file.status().message();
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "a");
  const SafetensorsTensor* b = file->findTensor("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, DType::kF32);
  EXPECT_EQ(b->shape, (Shape{2, 3}));
  EXPECT_EQ(std::to_integer<int>(b->bytes[5]), 5);
  EXPECT_EQ(std::to_integer<int>(file->findTensor("a")->bytes[0]), 24);
  EXPECT_EQ(file->findTensor("c"), nullptr);
  EXPECT_EQ(file->metadata().at("format"), "pt");
}

TEST(Safetensors, takesScalarsAndTensorsWithoutElements) {
  EXPECT_EQ(failureOf(R"({"s": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}, "e": {"dtype": "F16", "shape": [4, 0], "data_offsets": [8, 8]}})", 8), "is valid");
  EXPECT_EQ(failureOf("{}", 0), "is valid");
}

TEST(Safetensors, namesADamagedHeader) {
  EXPECT_EQ(SafetensorsFile::parse(std::span<const std::byte>()).status().message(), "is no safetensors file: it has 0 bytes, expected at least 8");
  EXPECT_EQ(SafetensorsFile::parse(fileOf("{}", 0, 3)).status().message(), "the header has 3 bytes, the file has 2 more");
  EXPECT_EQ(SafetensorsFile::parse(fileOf("{}", 0, uint64_t{1} << 63)).status().message(),
            "is no safetensors file: its header has 9223372036854775808 bytes, expected at most 100000000");
  EXPECT_NE(failureOf("{\"a\": ", 0).find("the header is no JSON: malformed at byte"), std::string::npos);
  EXPECT_EQ(failureOf("[]", 0), "the header is an array, expected an object");
  EXPECT_EQ(failureOf("3", 0), "the header is a number, expected an object");
  EXPECT_EQ(failureOf(R"({"a": 3})", 0), "tensor \"a\" is a number, expected an object");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": {}}})", 0), "field \"dtype\" of tensor \"a\" is an object, expected text");
  EXPECT_EQ(failureOf(R"({"a": {"shape": [1, [2]]}})", 0), "field \"shape\" of tensor \"a\" is an array, expected an array of numbers that are not negative");
  EXPECT_EQ(failureOf(R"({"a": {"shape": [-1]}})", 0), "field \"shape\" of tensor \"a\" is a negative number, expected an array of numbers that are not negative");
  EXPECT_EQ(failureOf(R"({"a": {"shape": [1e3]}})", 0), "field \"shape\" of tensor \"a\" is a number that is no integer, expected an array of numbers that are not negative");
  EXPECT_EQ(failureOf(R"({"a": {"shape": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}})", 0), "field \"shape\" of tensor \"a\" has more than 16 numbers");
  EXPECT_EQ(failureOf(R"({"a": {"stride": [1]}})", 0), "field \"stride\" of tensor \"a\" has no place, expected dtype, shape and data_offsets");
  EXPECT_EQ(failureOf(R"({"__metadata__": {"n": 3}})", 0), "field \"n\" of \"__metadata__\" is a number, expected text");
}

TEST(Safetensors, namesWhatIsThereTwice) {
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})", 1),
            "the header has tensor \"a\" twice");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "dtype": "I8"}})", 1), "field \"dtype\" of tensor \"a\" is there twice");
  EXPECT_EQ(failureOf(R"({"__metadata__": {}, "__metadata__": {}})", 0), "the header has \"__metadata__\" twice");
  EXPECT_EQ(failureOf(R"({"__metadata__": {"x": "1", "x": "2"}})", 0), "field \"x\" of \"__metadata__\" is there twice");
}

TEST(Safetensors, namesTensorsThatCannotBe) {
  EXPECT_EQ(failureOf(R"({"a": {"shape": [1], "data_offsets": [0, 1]}})", 1), "tensor \"a\": has no dtype");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "data_offsets": [0, 1]}})", 1), "tensor \"a\": has no shape");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [1]}})", 1), "tensor \"a\": has no data_offsets");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "Q4", "shape": [1], "data_offsets": [0, 1]}})", 1), "tensor \"a\": is of type \"Q4\", which is not known");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0]}})", 1), "tensor \"a\": has 1 offsets, expected 2");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}})", 3), "tensor \"a\": has bytes 0 to 4 of 3");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [4, 0]}})", 4), "tensor \"a\": has bytes 4 to 0 of 4");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [18446744073709551615, 3]}})", 4), "tensor \"a\": has bytes 18446744073709551615 to 3 of 4");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 12]}})", 12), "tensor \"a\": has 12 bytes, expected 16 for F32 [2x2]");
  // 2^32 * 2^32 elements of one byte are no bytes modulo 2^64.
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})", 0),
            "tensor \"a\": has 0 bytes, expected no such number for U8 [4294967296x4294967296]");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "F4", "shape": [3], "data_offsets": [0, 2]}})", 2), "tensor \"a\": has 2 bytes, expected no such number for F4 [3]");
}

TEST(Safetensors, namesBytesOfTwoTensorsAndOfNone) {
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}, "b": {"dtype": "U8", "shape": [2], "data_offsets": [3, 5]}})", 5),
            "tensor \"b\" lies on tensor \"a\"");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}, "b": {"dtype": "U8", "shape": [2], "data_offsets": [3, 5]}})", 5),
            "1 bytes in front of tensor \"b\" belong to no tensor");
  EXPECT_EQ(failureOf(R"({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}})", 5), "the last 3 bytes belong to no tensor");
}

TEST(Safetensors, saysThatThereIsNoFile) {
  auto file = SafetensorsFile::open("/nowhere/model.safetensors");
  EXPECT_EQ(file.status().code(), Code::kNotFound);
}

} // namespace
} // namespace jinx
