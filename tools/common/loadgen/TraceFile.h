// A trace: which requests arrive when. JSON lines, one for each request:
//
//   {"at": 0.25, "prompt_tokens": 120, "output_tokens": 64}
//   {"at": 1.5, "prompt": "The capital of France is", "output_tokens": 8}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::loadgen {

struct TraceEntry {
  double at_s = 0; ///< since the load began
  int64_t promptTokens = 0, outputTokens = 0;
  std::string prompt; ///< "": words, promptTokens of them
};

/// Sorted by time, those of one time as they stand; blank lines are skipped. kInvalidArgument, with the line, for what is no such object, for a field that is not known, for a time below 0,
/// for counts that are not from 1 to 1,000,000, and where neither a prompt nor its tokens are given; also where there is no request.
Expected<std::vector<TraceEntry>> parseTrace(std::string_view text);

} // namespace jinx::loadgen
