// How are times distributed? Counts by fixed bounds, as Prometheus takes them. Any thread may observe; readers see each bucket whole.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace jinx::serve {

class Histogram {
 public:
  /// Upper bounds in seconds, each 1, 2.5 and 5 times a power of ten; a value that is equal to a bound is below it. Behind the last there is one more bucket.
  static constexpr std::array<double, 17> kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100};
  static constexpr size_t kBuckets = kBounds.size() + 1;

  struct Snapshot {
    std::array<uint64_t, kBuckets> counts{};
    double sum = 0;

    uint64_t count() const;
    /// The value below which a share of [0, 1] lies, by linear interpolation in its bucket; 0 without any, the last bound where it lies behind.
    double quantile(double share) const;
  };

  void observe(double seconds);
  Snapshot snapshot() const;

 private:
  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
  std::atomic<double> sum_ = 0;
};

} // namespace jinx::serve
