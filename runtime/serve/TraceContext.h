// By which ids is a request known to others who trace it? W3C Trace Context, level 1: https://www.w3.org/TR/trace-context/
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace jinx::serve {

using TraceId = std::array<uint8_t, 16>; ///< not all zero
using SpanId = std::array<uint8_t, 8>;   ///< not all zero

struct TraceContext {
  TraceId trace{};
  SpanId span{};                ///< of the whole request
  std::optional<SpanId> parent; ///< the client's
  bool isSampled = true;        ///< else nobody wants its spans
};

/// Of a request with this header, which may be empty or invalid: then it begins a trace of its own. Ids are random.
TraceContext traceContextOf(std::string_view traceparent);
SpanId randomSpanId();

/// Two lower-case digits for each byte.
std::string hexOf(std::span<const uint8_t> bytes);

} // namespace jinx::serve
