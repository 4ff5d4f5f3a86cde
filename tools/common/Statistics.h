// Medians and percentiles of timings.
#pragma once

#include <vector>

namespace jinx::tools {

/// The value below which `percent` of the samples lie, by linear interpolation between closest ranks, as
/// numpy.percentile does; 0 for no samples.
double percentile(std::vector<double> samples, double percent);

struct TimingSummary {
  double median = 0, p10 = 0, p90 = 0;
  int runs = 0;
};
TimingSummary summarize(const std::vector<double>& samples);

} // namespace jinx::tools
