// When do requests arrive whose senders know nothing of each other? A Poisson process.
#pragma once

#include "tools/common/loadgen/Random.h"

namespace jinx::loadgen {

/// Gaps are exponential with mean 1 / rate, by inversion: -ln(1 - u) / rate.
class Arrivals {
 public:
  /// \param rate_per_s  above 0; infinity: all at once
  Arrivals(double rate_per_s, uint64_t seed) : rate_per_s_(rate_per_s), random_(seed, kStream) {}

  /// Of the next request, in seconds since the load began; never less than the last one.
  double next_s();

 private:
  static constexpr uint64_t kStream = ~uint64_t{0}; // requests have those from 0 on

  double rate_per_s_, last_s_ = 0;
  Random random_;
};

} // namespace jinx::loadgen
