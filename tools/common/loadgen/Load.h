// Puts a load on a server: requests by a schedule whatever the server does (an open loop), or so many at a time (a closed one).
#pragma once

#include <functional>

#include "tools/common/loadgen/Record.h"
#include "tools/common/loadgen/Url.h"
#include "tools/common/loadgen/Workload.h"

namespace jinx::loadgen {

struct LoadOptions {
  Url url;
  std::string key;   ///< "": none
  std::string model; ///< "": the first that the server names
  bool isChat = false, ignoresEos = false;
  double temperature = 0;
  double timeout_s = 120; ///< for each request

  WorkloadOptions workload;
  size_t requests = 100;       ///< at most so many; of a trace all that it has
  double seconds = 0;          ///< no request is begun later; 0: no limit
  double rate_per_s = 0;       ///< of an open loop; infinity: all at once; 0: a closed loop, unless there is a trace
  size_t concurrency = 1;      ///< of a closed loop
};

struct LoadResult {
  std::string model;
  std::vector<Record> records; ///< in the order in which they were begun
};

/// Returns when the last request has ended, or its deadline has passed. kNotFound where the server cannot be reached, kInvalidArgument where it wants another key or names no model.
/// \param progress  called after each request with how many have ended, on the thread that measures
Expected<LoadResult> runLoad(const LoadOptions& options, const std::function<void(size_t)>& progress);

} // namespace jinx::loadgen
