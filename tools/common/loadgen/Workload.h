// What is asked: prompts and lengths of answers, by index and seed. Request k is the same whatever was asked before it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/loadgen/TraceFile.h"

namespace jinx::loadgen {

/// Both ends belong to it.
struct TokenRange {
  int64_t least = 0, most = 0;
};
/// "128" or "64-256", from 1 to 1,000,000; none for another text.
std::optional<TokenRange> parseRange(std::string_view text);

struct WorkloadOptions {
  uint64_t seed = 0;
  TokenRange promptTokens{128, 128}, outputTokens{64, 64};
  int64_t sharedPrefixTokens = 0;   ///< words before every prompt, the same for all
  std::vector<std::string> prompts; ///< taken in turns; empty: words
  std::vector<TraceEntry> trace;    ///< prompts and lengths by index; empty: by the options above
};

struct PlannedRequest {
  std::string prompt;
  int64_t outputTokens = 0;
};

class Workload {
 public:
  explicit Workload(WorkloadOptions options);

  /// \param index  below the trace's size where there is one
  PlannedRequest request(size_t index) const;
  const std::vector<TraceEntry>& trace() const { return options_.trace; }

 private:
  WorkloadOptions options_;
  std::string prefix_;
};

} // namespace jinx::loadgen
