#include "runtime/serve/TraceContext.h"

#include <algorithm>
#include <random>

namespace jinx::serve {
namespace {

template <size_t size> std::array<uint8_t, size> randomId() {
  std::random_device random;
  std::array<uint8_t, size> id{};
  while (std::ranges::all_of(id, [](uint8_t byte) { return byte == 0; }))
    for (size_t i = 0; i < size; i += 4) {
      const uint32_t bits = random();
      for (size_t k = 0; k < 4; ++k)
        id[i + k] = static_cast<uint8_t>(bits >> (8 * k));
    }
  return id;
}

/// Upper-case digits are none here.
int digitOf(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

template <size_t size> std::optional<std::array<uint8_t, size>> parseHex(std::string_view text) {
  std::array<uint8_t, size> bytes{};
  for (size_t i = 0; i < size; ++i) {
    const int high = digitOf(text[2 * i]), low = digitOf(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return bytes;
}

template <size_t size> bool isZero(const std::array<uint8_t, size>& id) { return id == std::array<uint8_t, size>{}; }

} // namespace

SpanId randomSpanId() { return randomId<8>(); }

/// 00-<32 digits>-<16 digits>-<2 digits>; later versions may have more behind a dash.
TraceContext traceContextOf(std::string_view traceparent) {
  TraceContext context{.trace = randomId<16>(), .span = randomSpanId(), .parent = std::nullopt};
  constexpr size_t kLength = 55;
  if (traceparent.size() < kLength || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-') return context;
  const auto version = parseHex<1>(traceparent.substr(0, 2));
  const auto trace = parseHex<16>(traceparent.substr(3, 32));
  const auto parent = parseHex<8>(traceparent.substr(36, 16));
  const auto flags = parseHex<1>(traceparent.substr(53, 2));
  if (!version || !trace || !parent || !flags || isZero(*trace) || isZero(*parent) || (*version)[0] == 0xff) return context;
  if (traceparent.size() > kLength && ((*version)[0] == 0 || traceparent[kLength] != '-')) return context;
  context.trace = *trace, context.parent = parent;
  context.isSampled = ((*flags)[0] & 1) != 0;
  return context;
}

std::string hexOf(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

} // namespace jinx::serve
