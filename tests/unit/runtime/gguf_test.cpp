// GGUF files that the test writes itself: what is in them is found, and each kind of damage is named.
#include "runtime/formats/Gguf.h"

#include <cstring>
#include <functional>

#include "gtest/gtest.h"

namespace jinx {
namespace {

enum : uint32_t { kU8 = 0, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kText = 8, kArray = 9, kU64 = 10 };

/// Writes a file field by field. Offsets of what tests damage are kept.
class Writer {
 public:
  template <typename T>
  Writer& add(T value) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
    return *this;
  }
  Writer& text(std::string_view text) {
    add<uint64_t>(text.size());
    for (char c : text)
      add(c);
    return *this;
  }
  Writer& header(uint64_t tensors, uint64_t entries, uint32_t version = 3) {
    for (char c : {'G', 'G', 'U', 'F'})
      add(c);
    return add(version).add(tensors).add(entries);
  }
  Writer& tensor(std::string_view name, std::initializer_list<uint64_t> extents, uint32_t type, uint64_t offset) {
    text(name).add(static_cast<uint32_t>(extents.size()));
    for (uint64_t extent : extents)
      add(extent);
    return add(type).add(offset);
  }
  /// Zeros up to a multiple of `alignment`, then `count` bytes 0, 1, 2 …
  Writer& data(size_t count, size_t alignment = 32) {
    while (bytes_.size() % alignment != 0)
      add(uint8_t{0});
    for (size_t i = 0; i < count; ++i)
      add(static_cast<uint8_t>(i));
    return *this;
  }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_)); }

 private:
  std::vector<uint8_t> bytes_;
};

std::string failureOf(const Writer& w) {
  auto file = GgufFile::parse(w.bytes());
  return file.isOk() ? "is valid" : file.status().message();
}

Writer example() {
  Writer w;
  w.header(2, 7);
  w.text("general.architecture").add<uint32_t>(kText).text("llama");
  w.text("llama.block_count").add<uint32_t>(kU32).add<uint32_t>(30);
  w.text("llama.eps").add<uint32_t>(kF32).add(1e-5f);
  w.text("flag").add<uint32_t>(kBool).add<uint8_t>(1);
  w.text("tokens").add<uint32_t>(kArray).add<uint32_t>(kText).add<uint64_t>(3).text("a").text("").text("\xff");
  w.text("types").add<uint32_t>(kArray).add<uint32_t>(kI32).add<uint64_t>(2).add<int32_t>(-7).add<int32_t>(9);
  w.text("scores").add<uint32_t>(kArray).add<uint32_t>(kF32).add<uint64_t>(2).add(0.5f).add(-1.5f);
  w.tensor("norm", {4}, 0, 0);
  w.tensor("blocks", {64, 3}, 3, 32); // Q4_1: 2 blocks of 20 bytes a row
  return w.data(32 + 120), w;
}

TEST(Gguf, FindsWhatIsThere) {
  Writer w = example();
  auto file = GgufFile::parse(w.bytes());
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_EQ(file->entries().size(), 7u);
  EXPECT_EQ(*file->text("general.architecture"), "llama");
  EXPECT_EQ(*file->integer("llama.block_count"), 30);
  EXPECT_EQ(*file->number("llama.block_count"), 30.0);
  EXPECT_EQ(*file->number("llama.eps"), double{1e-5f});
  EXPECT_TRUE(*file->boolean("flag"));
  auto tokens = file->texts("tokens");
  ASSERT_TRUE(tokens.isOk());
  EXPECT_EQ(std::vector<std::string_view>(tokens->begin(), tokens->end()), (std::vector<std::string_view>{"a", "", "\xff"}));
  EXPECT_EQ(*file->integers("types"), (std::vector<int64_t>{-7, 9}));
  EXPECT_EQ(*file->floats("scores"), (std::vector<float>{0.5f, -1.5f}));

  const GgufTensor* norm = file->findTensor("norm");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(norm->shape, (Shape{4}));
  EXPECT_EQ(norm->type.dtype, DType::kF32);
  EXPECT_EQ(norm->bytes.size(), 16u);
  const GgufTensor* blocks = file->findTensor("blocks");
  ASSERT_NE(blocks, nullptr);
  EXPECT_EQ(blocks->shape, (Shape{3, 64}));
  EXPECT_EQ(blocks->type.name, "Q4_1");
  ASSERT_EQ(blocks->bytes.size(), 120u);
  EXPECT_EQ(blocks->bytes[0], std::byte{32});
  EXPECT_EQ(file->findTensor("none"), nullptr);
}

TEST(Gguf, SaysWhichEntryIsOfAnotherKind) {
  Writer w = example();
  auto file = GgufFile::parse(w.bytes());
  ASSERT_TRUE(file.isOk());
  EXPECT_EQ(file->integer("none").status().message(), "the file has no entry \"none\"");
  EXPECT_EQ(file->integer("none").status().code(), Code::kNotFound);
  EXPECT_EQ(file->integer("llama.eps").status().message(), "entry \"llama.eps\" is a float, expected an integer below 2^63");
  EXPECT_EQ(file->text("flag").status().message(), "entry \"flag\" is a bool, expected a string");
  EXPECT_EQ(file->texts("types").status().message(), "entry \"types\" is an array of numbers, expected an array of strings");
  EXPECT_EQ(file->integers("scores").status().message(), "entry \"scores\" has f32 elements, expected integers below 2^63");
  EXPECT_EQ(file->floats("types").status().message(), "entry \"types\" is an array of numbers, expected an array of f32");
  EXPECT_EQ(file->boolean("tokens").status().message(), "entry \"tokens\" is an array of strings, expected a bool");
}

TEST(Gguf, RefusesEveryPrefix) {
  Writer w = example();
  for (size_t length = 0; length < w.bytes().size(); ++length)
    EXPECT_FALSE(GgufFile::parse(w.bytes().first(length)).isOk()) << "the first " << length << " bytes";
}

TEST(Gguf, NamesWhatIsDamaged) {
  struct Case {
    const char* expected;
    std::function<void(Writer&)> write;
  };
  const uint64_t huge = uint64_t{1} << 62;
  const Case cases[] = {
      {"does not begin with \"GGUF\"", [](Writer& w) { w.text("something else"); }},
      {"has GGUF version 1, expected 2 or 3", [](Writer& w) { w.header(0, 0, 1); }},
      {"the big end first", [](Writer& w) { w.header(0, 0, 3u << 24); }},
      {"entry 0 of 4611686018427387904: its name needs 8 bytes, the file has 0 more", [=](Writer& w) { w.header(0, huge); }},
      {"its name needs 4611686018427387904 bytes", [=](Writer& w) { w.header(0, 1).add(huge); }},
      {"\"a\": has type 13, expected 0 to 12", [](Writer& w) { w.header(0, 1).text("a").add<uint32_t>(13); }},
      {"\"a\": has 4611686018427387904 elements of 8 bytes", [=](Writer& w) { w.header(0, 1).text("a").add<uint32_t>(kArray).add<uint32_t>(kU64).add(huge); }},
      {"\"a\": element 0: its string needs 8 bytes", [=](Writer& w) { w.header(0, 1).text("a").add<uint32_t>(kArray).add<uint32_t>(kText).add(huge); }},
      {"is an array of arrays", [](Writer& w) { w.header(0, 1).text("a").add<uint32_t>(kArray).add<uint32_t>(kArray).add<uint64_t>(1); }},
      {"\"a\" is there twice", [](Writer& w) { w.header(0, 2).text("a").add<uint32_t>(kU8).add<uint8_t>(1).text("a").add<uint32_t>(kU8).add<uint8_t>(1); }},
      {"\"general.alignment\" is 24, expected a power of two", [](Writer& w) { w.header(0, 1).text("general.alignment").add<uint32_t>(kU32).add<uint32_t>(24); }},
      {"\"general.alignment\" is 0, expected a power of two", [](Writer& w) { w.header(0, 1).text("general.alignment").add<uint32_t>(kU32).add<uint32_t>(0); }},
      {"\"t\": has rank 5, expected at most 4", [](Writer& w) { w.header(1, 0).tensor("t", {1, 1, 1, 1, 1}, 0, 0).data(64); }},
      {"\"t\": has more elements than 2^63", [=](Writer& w) { w.header(1, 0).tensor("t", {huge, huge}, 0, 0).data(64); }},
      {"\"t\": has more bytes than 2^63", [=](Writer& w) { w.header(1, 0).tensor("t", {huge}, 0, 0).data(64); }},
      {"\"t\": has type 10, expected F32, F16, Q4_0, Q4_1,", [](Writer& w) { w.header(1, 0).tensor("t", {256}, 10, 0).data(256); }},
      {"\"t\": has rows of 48, expected whole blocks of 32", [](Writer& w) { w.header(1, 0).tensor("t", {48, 2}, 2, 0).data(64); }},
      {"\"t\": has offset 16, expected a multiple of 32", [](Writer& w) { w.header(1, 0).tensor("t", {4}, 0, 16).data(64); }},
      {"tensor \"t\" has 16 bytes at offset 64 of the data, which has 64", [](Writer& w) { w.header(1, 0).tensor("t", {4}, 0, 64).data(64); }},
      {"\"t\" is there twice", [](Writer& w) { w.header(2, 0).tensor("t", {4}, 0, 0).tensor("t", {4}, 0, 32).data(64); }},
      {"tensor \"u\" lies on tensor \"t\"", [](Writer& w) { w.header(2, 0).tensor("u", {4}, 0, 32).tensor("t", {16}, 0, 0).data(64); }},
  };
  for (const Case& c : cases) {
    Writer w;
    c.write(w);
    EXPECT_NE(failureOf(w).find(c.expected), std::string::npos) << "got: " << failureOf(w) << "\nexpected: " << c.expected;
  }
}

TEST(Gguf, TakesTheAlignmentOfTheFile) {
  Writer w;
  w.header(2, 1).text("general.alignment").add<uint32_t>(kU32).add<uint32_t>(8);
  w.tensor("t", {2}, 0, 0).tensor("u", {2}, 0, 8).data(16, 8);
  auto file = GgufFile::parse(w.bytes());
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_EQ(file->findTensor("u")->bytes[0], std::byte{8});
}

} // namespace
} // namespace jinx
