// .npy files: what we write we read, what NumPy writes we read, what is damaged we refuse.
#include "runtime/base/Npy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "tests/unit/runtime/TestPlan.h"

namespace jinx {
namespace {

using namespace jinx::test;

std::string npy(const std::string& dict, const std::string& data, char major = 1) {
  std::string file = std::string("\x93NUMPY") + major + '\0';
  file += static_cast<char>(dict.size());
  file += static_cast<char>(dict.size() >> 8);
  if (major > 1) file += std::string(2, '\0');
  return file + dict + data;
}
Expected<Tensor> parse(const std::string& file, DType expected = DType::kInvalid) {
  return parseNpy(std::as_bytes(std::span(file)), expected, "t.npy");
}

TEST(Npy, RoundTripsEveryType) {
  for (int type = 1; type < kNumDTypes; ++type) {
    DType dtype = static_cast<DType>(type);
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{0, 4}, Shape{2, 1, 3}}) {
      Tensor t = Tensor::make(dtype, shape);
      if (dtype == DType::kString) {
        EXPECT_EQ(formatNpy(t).status().code(), Code::kUnimplemented);
        continue;
      }
      std::mt19937 rng(static_cast<unsigned>(type));
      for (int64_t i = 0; i < t.sizeBytes(); ++i)
        t.as<uint8_t>()[i] = static_cast<uint8_t>(rng() & (dtype == DType::kBool ? 1 : 0xFF));
      if (bitWidth(dtype) < 8 && t.size() * bitWidth(dtype) % 8) // padding bits are not part of the array
        t.as<uint8_t>()[t.sizeBytes() - 1] &= static_cast<uint8_t>((1 << (t.size() * bitWidth(dtype) % 8)) - 1);
      Expected<std::string> file = formatNpy(t);
      ASSERT_TRUE(file.isOk());
      EXPECT_EQ((file->size() - static_cast<size_t>(bitWidth(dtype) < 8 ? t.size() : t.sizeBytes())) % 64, 0u);
      Expected<Tensor> back = parse(*file, dtype);
      ASSERT_TRUE(back.isOk()) << back.status().message();
      EXPECT_EQ(back->describe(), t.describe());
      EXPECT_EQ(std::memcmp(back->data(), t.data(), static_cast<size_t>(t.sizeBytes())), 0) << t.describe();
    }
  }
}

TEST(Npy, OrderAndEndianness) {
  std::string data("\0\1\0\2\0\3\0\4\0\5\0\6", 12);
  Expected<Tensor> t = parse(npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", data));
  ASSERT_TRUE(t.isOk()) << t.status().message();
  EXPECT_EQ(toFloats(*t), (std::vector<float>{1, 3, 5, 2, 4, 6}));
  t = parse(npy("{'shape': (6,), 'fortran_order': False, 'descr': \"<i2\"}", data, 2));
  ASSERT_TRUE(t.isOk()) << t.status().message();
  EXPECT_EQ(t->getInt(0), 256);
}

TEST(Npy, TypesWithoutAName) {
  std::string two("\x80\x3f\x00\x40", 4); // 1.0 and 2.0 as bf16
  for (const char* descr : {"<V2", "|V2", "<u2"}) {
    Expected<Tensor> t =
        parse(npy(std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (2,)}", two), DType::kBF16);
    ASSERT_TRUE(t.isOk());
    EXPECT_EQ(t->dtype(), DType::kBF16);
    EXPECT_EQ(toFloats(*t), (std::vector<float>{1, 2}));
  }
  EXPECT_EQ(parse(npy("{'descr': '<V2', 'fortran_order': False, 'shape': (2,)}", two))->dtype(), DType::kBF16);
  EXPECT_EQ(parse(npy("{'descr': '<u2', 'fortran_order': False, 'shape': (2,)}", two))->dtype(), DType::kU16);
  Expected<Tensor> nibbles =
      parse(npy("{'descr': '|i1', 'fortran_order': False, 'shape': (3,)}", "\xff\x07\xf8"), DType::kI4);
  ASSERT_TRUE(nibbles.isOk());
  EXPECT_EQ(toFloats(*nibbles), (std::vector<float>{-1, 7, -8}));
  EXPECT_FALSE(parse(npy("{'descr': '|V1', 'fortran_order': False, 'shape': (1,)}", "x")).isOk());
}

TEST(Npy, DamagedFilesAreRefused) {
  const std::string good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "12345678");
  ASSERT_TRUE(parse(good).isOk());
  for (size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_FALSE(parse(good.substr(0, cut)).isOk()) << cut;
  auto refused = [&](const std::string& dict, const std::string& reason) {
    Expected<Tensor> t = parse(npy(dict, "12345678"));
    ASSERT_FALSE(t.isOk()) << dict;
    EXPECT_NE(t.status().message().find(reason), std::string::npos) << t.status().message();
  };
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "t.npy: has 8 bytes of data, shape 3 needs 12");
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 16), }", "too large");
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "damaged header");
  refused("{'descr': '<f4', 'fortran_order': False, }", "damaged header");
  refused("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", "damaged header");
  refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "structured array");
  refused("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "elements of type \"|O\"");
  refused("{'descr': '<U5', 'fortran_order': False, 'shape': (2,)}", "elements of type");
  refused("{'descr': '', 'fortran_order': False, 'shape': (2,)}", "elements of type");
  std::mt19937 rng(7);
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    for (int k = 0; k < 3; ++k)
      bad[rng() % bad.size()] = static_cast<char>(rng());
    (void)parse(bad).isOk(); // must not crash
  }
}

TEST(Npy, Files) {
  TempPath path("array.npy");
  Tensor t = floats({2, 2}, {1, 2, 3, 4});
  ASSERT_TRUE(writeNpy(path.str(), t).isOk());
  Expected<Tensor> back = readNpy(path.str());
  ASSERT_TRUE(back.isOk()) << back.status().message();
  EXPECT_EQ(toFloats(*back), toFloats(t));
  EXPECT_EQ(readNpy("/nonexistent.npy").status().code(), Code::kNotFound);
}

} // namespace
} // namespace jinx
