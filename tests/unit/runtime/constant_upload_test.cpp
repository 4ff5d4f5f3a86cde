// Bytes in rows, and constants on their way to a device's memory.
#include "runtime/executor/ConstantUpload.h"

#include <gtest/gtest.h>

#include <numeric>

namespace jinx {
namespace {

std::vector<std::byte> counted(size_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i)
    bytes[i] = std::byte(i % 251 + 1);
  return bytes;
}

/// The oracle: byte by byte.
std::vector<std::byte> expected(const StridedBytes& piece) {
  std::vector<std::byte> bytes;
  for (uint64_t row = 0; row < piece.rows; ++row) {
    for (uint64_t i = 0; i < piece.rowBytes; ++i)
      bytes.push_back(piece.first[row * piece.stride + i]);
    bytes.insert(bytes.end(), piece.zeros, std::byte(0));
  }
  return bytes;
}

TEST(StridedBytes, CopiesEveryRange) {
  const std::vector<std::byte> memory = counted(64);
  for (const StridedBytes& piece :
       {StridedBytes{memory.data() + 6, 3, 2, 8, 2}, StridedBytes{memory.data(), 4, 5, 5, 0},
        StridedBytes{memory.data() + 1, 5, 3, 11, 0}, StridedBytes{nullptr, 3, 0, 4, 5},
        StridedBytes{memory.data(), 1, 7, 0, 4}}) {
    const std::vector<std::byte> want = expected(piece);
    ASSERT_EQ(piece.size(), want.size());
    for (size_t from = 0; from <= want.size(); ++from)
      for (size_t count = 0; from + count <= want.size(); ++count) {
        std::vector<std::byte> got(count, std::byte(0xEE));
        piece.copy(from, got);
        ASSERT_TRUE(std::equal(got.begin(), got.end(), want.begin() + static_cast<ptrdiff_t>(from)))
            << from << " " << count;
      }
  }
  EXPECT_EQ(StridedBytes::of(memory).whole().size(), 64u);
  EXPECT_EQ((StridedBytes{memory.data(), 4, 5, 5, 0}).whole().size(), 20u) << "rows without gaps lie together";
  EXPECT_TRUE((StridedBytes{memory.data(), 4, 5, 6, 0}).whole().empty());
  EXPECT_TRUE((StridedBytes{memory.data(), 1, 5, 0, 1}).whole().empty());
}

/// `pieces` at multiples of 64 behind the first 64 bytes, uploaded in blocks of each size.
void expectArrival(const std::vector<StridedBytes>& pieces, std::initializer_list<uint64_t> blocks) {
  auto device = makeDevice("cpu", {.threads = 1});
  ASSERT_TRUE(device.isOk());
  auto stream = (*device)->createStream();
  ASSERT_TRUE(stream.isOk());
  std::vector<ConstantPart> parts;
  uint64_t end = 64;
  for (const StridedBytes& piece : pieces) {
    parts.push_back({end, piece});
    end = (end + piece.size() + 63) / 64 * 64;
  }
  for (uint64_t block : blocks) {
    std::vector<std::byte> to(end, std::byte(0xEE));
    ASSERT_TRUE(uploadConstants(parts, to.data(), **device, **stream, block).isOk());
    for (const ConstantPart& part : parts) {
      const std::vector<std::byte> want = expected(part.bytes);
      EXPECT_TRUE(std::equal(want.begin(), want.end(), to.begin() + static_cast<ptrdiff_t>(part.at)))
          << "block of " << block << ", part at " << part.at;
    }
    EXPECT_EQ(to[63], std::byte(0xEE)) << "what is before the first part stays";
  }
}

TEST(ConstantUpload, BlocksOfAnySizeArriveWhole) {
  const std::vector<std::byte> memory = counted(9 << 20);
  const StridedBytes run = StridedBytes::of(std::span(memory).first(100)), rows{memory.data() + 6, 300, 17, 1000, 2},
                     zeros{nullptr, 1, 0, 0, 40};
  expectArrival({run, rows, zeros, run}, {1, 64, 1000, uint64_t{64} << 20});
  expectArrival({rows, {memory.data() + 3, 900, 5000, 9001, 0}, zeros, run},
                {uint64_t{1} << 20, uint64_t{3} << 20, uint64_t{32} << 20}); // several threads a block
  expectArrival({}, {1000});
}

} // namespace
} // namespace jinx
