#include "tools/common/Statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace jinx::tools {

double percentile(std::vector<double> samples, double percent) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const double rank = percent / 100 * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<size_t>(std::floor(rank));
  const size_t above = std::min(below + 1, samples.size() - 1);
  return samples[below] + (rank - static_cast<double>(below)) * (samples[above] - samples[below]);
}

TimingSummary summarize(const std::vector<double>& samples) {
  return {percentile(samples, 50), percentile(samples, 10), percentile(samples, 90), static_cast<int>(samples.size())};
}

} // namespace jinx::tools
