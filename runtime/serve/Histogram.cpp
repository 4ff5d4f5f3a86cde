#include "runtime/serve/Histogram.h"

#include <algorithm>
#include <numeric>

namespace jinx::serve {

void Histogram::observe(double seconds) {
  const auto bucket = static_cast<size_t>(std::ranges::lower_bound(kBounds, seconds) - kBounds.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + seconds, std::memory_order_relaxed)) {
  }
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot snapshot;
  for (size_t i = 0; i < kBuckets; ++i)
    snapshot.counts[i] = counts_[i].load(std::memory_order_relaxed);
  snapshot.sum = sum_.load(std::memory_order_relaxed);
  return snapshot;
}

uint64_t Histogram::Snapshot::count() const { return std::accumulate(counts.begin(), counts.end(), uint64_t{0}); }

double Histogram::Snapshot::quantile(double share) const {
  const double wanted = share * static_cast<double>(count());
  if (count() == 0) return 0;
  double below = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= wanted) {
      const double low = i == 0 ? 0 : kBounds[i - 1];
      return low + (kBounds[i] - low) * std::clamp((wanted - below) / here, 0.0, 1.0);
    }
    below += here;
  }
  return kBounds.back();
}

} // namespace jinx::serve
