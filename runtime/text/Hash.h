// The hash of the module's own tables: of a few bytes, of a pair of ids.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace jinx::text {

inline uint64_t mixed(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hashOf(std::string_view bytes) {
  const auto load = [&](size_t at, size_t size) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, size);
    return word;
  };
  uint64_t hash = bytes.size();
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8)
    hash = mixed(hash, load(at, 8));
  return mixed(hash, load(at, bytes.size() - at));
}

} // namespace jinx::text
