// Spans as OpenTelemetry's protocol has them in JSON (OTLP 1.x, ExportTraceServiceRequest): ids in hexadecimal, 64-bit numbers as text.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/serve/Tracer.h"

namespace jinx::serve {

/// What the steady clock's zero is, in ns since 1970.
int64_t steadyEpoch_ns();

/// The body of one export. A span that is not of a whole request is a child of that one, with an id of its own.
/// \param epoch_ns  of the steady clock
std::string otlpBody(std::span<const Span> spans, int64_t epoch_ns);

/// Of the collector's answer: the spans that it did not take, though it took the others.
uint64_t rejectedSpans(std::string_view answer);

} // namespace jinx::serve
