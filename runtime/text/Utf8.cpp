#include "runtime/text/Utf8.h"

#include <algorithm>
#include <cstring>

namespace jinx::text {
namespace {

/// What the second byte may be, and how many there are, by the first (Unicode, table 3-7).
struct Lead {
  uint8_t size = 0; ///< 0: no sequence begins so
  uint8_t low = 0x80, high = 0xBF;
};
Lead leadOf(uint8_t b) {
  if (b < 0x80) return {1};
  if (b < 0xC2) return {0};
  if (b < 0xE0) return {2};
  if (b < 0xF0) return {3, uint8_t(b == 0xE0 ? 0xA0 : 0x80), uint8_t(b == 0xED ? 0x9F : 0xBF)};
  if (b < 0xF5) return {4, uint8_t(b == 0xF0 ? 0x90 : 0x80), uint8_t(b == 0xF4 ? 0x8F : 0xBF)};
  return {0};
}

} // namespace

Utf8Sequence utf8At(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = leadOf(first);
  if (lead.size == 0) return {};
  const size_t left = text.size() - at;
  char32_t code = first & (0x7Fu >> lead.size);
  for (uint8_t i = 1; i < lead.size; ++i) {
    if (i >= left) return {0xFFFD, i, false, true};
    const uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (byte(i) < low || byte(i) > high) return {0xFFFD, i, false};
    code = code << 6 | (byte(i) & 0x3F);
  }
  return {code, lead.size, true};
}

void appendUtf8(std::string& text, char32_t c) {
  const auto add = [&](char32_t b) { text.push_back(static_cast<char>(b)); };
  if (c < 0x80) return add(c);
  if (c < 0x800) return add(0xC0 | c >> 6), add(0x80 | (c & 0x3F));
  if (c < 0x10000) return add(0xE0 | c >> 12), add(0x80 | (c >> 6 & 0x3F)), add(0x80 | (c & 0x3F));
  add(0xF0 | c >> 18), add(0x80 | (c >> 12 & 0x3F)), add(0x80 | (c >> 6 & 0x3F)), add(0x80 | (c & 0x3F));
}

bool isAscii(std::string_view text) {
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t eight;
    std::memcpy(&eight, text.data() + at, 8);
    if (eight & 0x8080808080808080u) return false;
  }
  return std::ranges::all_of(text.substr(at), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

bool isUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Sequence s = utf8At(text, at);
    if (!s.valid) return false;
    at += s.size;
  }
  return true;
}

std::string replaceInvalidUtf8(std::string_view text, Replace unit) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Sequence s = utf8At(text, at);
    if (s.valid) result.append(text, at, s.size);
    else appendUtf8(result, 0xFFFD);
    at += !s.valid && unit == Replace::kBytes ? 1 : s.size;
  }
  return result;
}

size_t completeUtf8(std::string_view text) {
  const size_t from = text.size() - std::min<size_t>(text.size(), 3);
  for (size_t at = from; at < text.size(); ++at)
    if (leadOf(static_cast<uint8_t>(text[at])).size > 1 && utf8At(text, at).incomplete) return at;
  return text.size();
}

} // namespace jinx::text
