// What a client saw of one request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace jinx::loadgen {

struct Record {
  size_t index = 0;
  double at_s = 0;             ///< when it was sent, since the load began
  double late_s = 0;           ///< how far this was behind the schedule of an open loop
  double ttft_s = -1;          ///< from then to the first text of the answer; below 0: there was none
  double e2e_s = 0;            ///< from then to the answer's end, or to the failure
  std::vector<double> gaps_s;  ///< between two events that bring text; one may bring several tokens, and two come at once
  int64_t promptTokens = 0, outputTokens = 0, cachedTokens = 0; ///< as the server's usage says
  bool hasUsage = false;       ///< else outputTokens counts events with text
  int status = 0;              ///< of HTTP; 0: no answer came
  std::string failure;         ///< "": it was answered whole. The status where it is not 200, else connect, timeout, broken, error (an event says so), malformed
  std::string message;         ///< of the failure

  bool isCompleted() const { return failure.empty(); }
  /// Mean time of the tokens after the first one, in seconds; below 0 where there are none.
  double tpot_s() const { return ttft_s < 0 || outputTokens < 2 ? -1 : (e2e_s - ttft_s) / static_cast<double>(outputTokens - 1); }
};

} // namespace jinx::loadgen
