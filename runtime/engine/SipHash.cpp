#include "runtime/engine/SipHash.h"

#include <bit>
#include <cstring>

#include <errno.h>
#include <sys/random.h>

namespace jinx::engine {
namespace {

struct State {
  uint64_t a, b, c, d;

  void round() {
    a += b;
    c += d;
    b = std::rotl(b, 13) ^ a;
    d = std::rotl(d, 16) ^ c;
    a = std::rotl(a, 32);
    c += b;
    a += d;
    b = std::rotl(b, 17) ^ c;
    d = std::rotl(d, 21) ^ a;
    c = std::rotl(c, 32);
  }
  void absorb(uint64_t word) {
    d ^= word;
    round();
    round();
    a ^= word;
  }
  uint64_t finish() {
    for (int i = 0; i < 4; ++i)
      round();
    return a ^ b ^ c ^ d;
  }
};

/// Up to eight bytes, little end first.
uint64_t loadWord(const std::byte* bytes, size_t count) {
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i)
    word |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return word;
}

} // namespace

Hash128 sipHash128(HashKey key, std::span<const std::byte> bytes) {
  State state{key.low ^ 0x736f6d6570736575ULL, key.high ^ 0x646f72616e646f6dULL ^ 0xee, key.low ^ 0x6c7967656e657261ULL,
              key.high ^ 0x7465646279746573ULL};
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8)
    state.absorb(loadWord(bytes.data() + at, 8));
  state.absorb(loadWord(bytes.data() + at, bytes.size() - at) | static_cast<uint64_t>(bytes.size()) << 56);
  Hash128 hash;
  state.c ^= 0xee;
  hash.low = state.finish();
  state.b ^= 0xdd;
  hash.high = state.finish();
  return hash;
}

Expected<HashKey> randomHashKey() {
  HashKey key;
  ssize_t got;
  do {
    got = getrandom(&key, sizeof(key), 0);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof(key)) return resourceError(std::string("no random key for the hash of prefixes: ") + std::strerror(errno));
  return key;
}

} // namespace jinx::engine
