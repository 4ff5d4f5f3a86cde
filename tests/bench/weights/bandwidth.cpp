// How fast can threads read memory, at most? Sums over buffers that no cache holds, each thread its own part.
//
// Loaded by weights/bench.py: what a product with packed weights reaches is judged by this, measured in the same run.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace {

volatile uint64_t sink;

uint64_t sum(const uint64_t *from, size_t words) {
  uint64_t parts[16] = {};
  for (size_t i = 0; i + 16 <= words; i += 16)
    for (int j = 0; j < 16; ++j) parts[j] += from[i + j];
  uint64_t all = 0;
  for (uint64_t part : parts) all += part;
  return all;
}

}  // namespace

extern "C" {

/// GB/s (10^9 bytes) that `threads` threads read together of `bytes` bytes, over at least `seconds`.
__attribute__((visibility("default"))) double jinx_read_bandwidth(int threads, int64_t bytes, double seconds) {
  static std::unique_ptr<uint64_t[]> buffer;
  static size_t words = 0;
  if (words != size_t(bytes) / 8) {
    words = size_t(bytes) / 8;
    buffer.reset(new uint64_t[words]);
    memset(buffer.get(), 1, words * 8);
  }
  using Clock = std::chrono::steady_clock;
  const size_t share = words / size_t(threads);
  int64_t passes = 0;
  auto start = Clock::now();
  double elapsed = 0;
  do {
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back([=] { sink = sum(buffer.get() + size_t(t) * share, share); });
    sink = sum(buffer.get(), share);
    for (std::thread &other : others) other.join();
    ++passes;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return double(passes) * double(share) * threads * 8 / elapsed / 1e9;
}
}
