// Numbers by seed: the same ones with every compiler and library.
#pragma once

#include <cstdint>
#include <random>

namespace jinx::loadgen {

/// std::mt19937_64, whose output the C++ standard fixes, one sequence for each stream of a seed.
class Random {
 public:
  Random(uint64_t seed, uint64_t stream) : generator_(seed + 0x9E3779B97F4A7C15 * stream) {}

  /// In [0, 1), a multiple of 2^-53.
  double unit() { return static_cast<double>(generator_() >> 11) * 0x1p-53; }
  /// In [least, most]; its bias is below (most - least) / 2^53.
  int64_t between(int64_t least, int64_t most) { return least + static_cast<int64_t>(unit() * static_cast<double>(most - least + 1)); }

 private:
  std::mt19937_64 generator_;
};

} // namespace jinx::loadgen
