// Random changes of JSON text that leave it JSON most often.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string_view>

namespace jinx::fuzz {

/// Replaces the bytes from `begin` to `end` where there is room. \returns the new size
inline size_t replaceBytes(uint8_t* data, size_t size, size_t maxSize, size_t begin, size_t end, std::string_view with) {
  const size_t left = size - end, changed = begin + with.size() + left;
  if (changed > maxSize) return size;
  std::memmove(data + begin + with.size(), data + end, left);
  if (!with.empty()) std::memcpy(data + begin, with.data(), with.size());
  return changed;
}

/// Another text between quotation marks, or another number, somewhere. \returns the new size
inline size_t changeJson(uint8_t* data, size_t size, size_t maxSize, std::mt19937& rng, std::span<const std::string_view> texts, std::span<const std::string_view> numbers) {
  if (size == 0) return size;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t from = rng() % size;
  if (rng() % 3 == 0) {
    const size_t begin = text.find_first_of("-0123456789", from), end = std::min(size, text.find_first_not_of("-0123456789.e", begin));
    return begin == std::string_view::npos ? size : replaceBytes(data, size, maxSize, begin, end, numbers[rng() % numbers.size()]);
  }
  const size_t begin = text.find('"', from), end = begin == std::string_view::npos ? begin : text.find('"', begin + 1);
  return end == std::string_view::npos ? size : replaceBytes(data, size, maxSize, begin + 1, end, texts[rng() % texts.size()]);
}

} // namespace jinx::fuzz
