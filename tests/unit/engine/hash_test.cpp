// The keyed hash and the random numbers are the published ones.
//
// The hashes are those of OpenSSL: printf 000102… | xxd -r -p | openssl mac -macopt hexkey:000102…0f -macopt size:16 SIPHASH. The random numbers are the
// known answers of the authors of Philox.
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/engine/Philox.h"
#include "runtime/engine/SipHash.h"

namespace jinx::engine {
namespace {

/// Of the bytes 0, 1 … count - 1 under the key 00 01 … 0f, as they are printed.
std::string hexOf(size_t count) {
  std::vector<uint8_t> bytes(count);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  const Hash128 hash = sipHash128({0x0706050403020100, 0x0f0e0d0c0b0a0908}, std::as_bytes(std::span(bytes)));
  std::string text;
  for (uint64_t word : {hash.low, hash.high})
    for (int i = 0; i < 8; ++i) {
      char digits[3];
      std::snprintf(digits, sizeof(digits), "%02X", static_cast<unsigned>(word >> (8 * i) & 0xff));
      text += digits;
    }
  return text;
}

TEST(SipHash, KnownAnswers) {
  EXPECT_EQ(hexOf(0), "A3817F04BA25A8E66DF67214C7550293");
  EXPECT_EQ(hexOf(1), "DA87C1D86B99AF44347659119B22FC45");
  EXPECT_EQ(hexOf(7), "A1F1EBBED8DBC153C0B84AA61FF08239");
  EXPECT_EQ(hexOf(8), "3B62A9BA6258F5610F83E264F31497B4");
  EXPECT_EQ(hexOf(15), "5493E99933B0A8117E08EC0F97CFC3D9");
  EXPECT_EQ(hexOf(16), "6EE2A4CA67B054BBFD3315BF85230577");
  EXPECT_EQ(hexOf(63), "5150D1772F50834A503E069A973FBD7C");
  EXPECT_EQ(hexOf(64), "1EAF077DC0D4CD3F8CAD4D383658A74B");
  EXPECT_EQ(hexOf(80), "D2C76AE17A4370F858FBA4795A0DF822");
}

TEST(SipHash, EveryBitCounts) {
  std::array<uint64_t, 10> words{};
  const HashKey key{1, 2};
  const Hash128 before = sipHash128(key, std::as_bytes(std::span(words)));
  for (size_t bit = 0; bit < 640; ++bit) {
    words[bit / 64] ^= uint64_t{1} << (bit % 64);
    const Hash128 hash = sipHash128(key, std::as_bytes(std::span(words)));
    EXPECT_NE(hash.low, before.low);
    EXPECT_NE(hash.high, before.high);
    words[bit / 64] ^= uint64_t{1} << (bit % 64);
  }
  EXPECT_FALSE(sipHash128({1, 3}, std::as_bytes(std::span(words))) == before);
}

TEST(SipHash, KeysDiffer) {
  const auto a = randomHashKey(), b = randomHashKey();
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(a->low != b->low && a->high != b->high);
}

TEST(Philox, KnownAnswers) {
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformNumbersFillTheUnit) {
  double sum = 0, low = 1, high = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double u = uniformAt(7, static_cast<uint64_t>(i));
    sum += u;
    low = std::min(low, u);
    high = std::max(high, u);
  }
  EXPECT_GE(low, 0);
  EXPECT_LT(high, 1);
  EXPECT_NEAR(sum / kCount, 0.5, 5 / std::sqrt(12.0 * kCount));
  EXPECT_NE(uniformAt(7, 3), uniformAt(7, 3, Purpose::kAcceptance));
  EXPECT_NE(uniformAt(7, 3), uniformAt(8, 3));
}

} // namespace
} // namespace jinx::engine
