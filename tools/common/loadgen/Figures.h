// What do the records of a load say together? Distributions of times, rates, failures, goodput.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/base/Status.h"
#include "tools/common/loadgen/Record.h"

namespace jinx::loadgen {

/// In seconds; percentiles by linear interpolation between closest ranks.
struct Distribution {
  size_t count = 0;
  double mean = 0, p50 = 0, p90 = 0, p99 = 0;
};
Distribution distributionOf(std::vector<double> samples_s);

/// What a request has to keep to be good, in seconds; none: anything is.
struct GoodputLimits {
  std::optional<double> ttft_s, itl_s, e2e_s; ///< itl: its mean time of the tokens after the first one

  bool isEmpty() const { return !ttft_s && !itl_s && !e2e_s; }
  bool keeps(const Record& record) const;
};
/// "ttft=0.5,itl=0.05,e2e=10": some of these, each once, above 0; kInvalidArgument for another text.
Expected<GoodputLimits> parseGoodput(std::string_view text);

struct Figures {
  size_t requests = 0, completed = 0;
  size_t rejected = 0;                    ///< 429: the server was full
  std::map<std::string, size_t> failures; ///< all others, by Record::failure
  size_t withoutUsage = 0;                ///< completed ones whose tokens are counted by events
  double duration_s = 0;                  ///< from the beginning of the load to the end of the last request
  int64_t promptTokens = 0, outputTokens = 0, cachedTokens = 0; ///< of completed requests
  Distribution ttft_s, tpot_s, itl_s, e2e_s; ///< of completed requests: tpot has a sample for each request, itl one for each gap
  GoodputLimits limits;
  double latest_s = 0; ///< the most that a request was behind its schedule: where that is much, this machine was too slow for the load
  size_t good = 0;     ///< completed, and within all limits

  double perSecond(double count) const { return duration_s > 0 ? count / duration_s : 0; }
};
Figures figuresOf(const std::vector<Record>& records, const GoodputLimits& limits);

nlohmann::ordered_json toJson(const Figures& figures);
/// Times in seconds; null for what there was not.
nlohmann::ordered_json toJson(const Record& record);
/// For people: rates and counts, then times in ms.
std::string tableOf(const Figures& figures);

} // namespace jinx::loadgen
