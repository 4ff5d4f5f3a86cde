#include "tools/common/CpuPeak.h"

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/executor/Trace.h"
#include "tools/common/Statistics.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace jinx::tools {
namespace {

constexpr double kSeconds = 0.05;

/// Amounts a second of all threads together: each calls `burst` until the time is up, all from one moment on. A thread's rate is that of its
/// median burst: others that take the processor away meanwhile do not count.
double measure(int threads, const std::function<double(int thread)>& burst) {
  std::atomic<int> waiting{threads};
  std::vector<double> rates(static_cast<size_t>(threads));
  const auto run = [&](int thread) {
    burst(thread); // touches memory, wakes wide units up
    for (--waiting; waiting > 0;)
      std::this_thread::yield();
    std::vector<double> bursts;
    const int64_t start = Trace::now();
    for (int64_t at = start; at - start < int64_t(kSeconds * 1e9);) {
      const double amount = burst(thread);
      const int64_t end = Trace::now();
      bursts.push_back(amount * 1e9 / static_cast<double>(end - at));
      at = end;
    }
    rates[static_cast<size_t>(thread)] = percentile(std::move(bursts), 50);
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread)
    others.emplace_back(run, thread);
  run(0);
  double sum = rates[0];
  for (int thread = 1; thread < threads; ++thread) {
    others[static_cast<size_t>(thread - 1)].join();
    sum += rates[static_cast<size_t>(thread)];
  }
  return sum;
}

#if defined(__x86_64__)
// Two units of latency 4 want 8 sums; more than fit beside the operands would lie in memory.
constexpr int kSums = 10, kRepeats = 4000;

#if defined(__clang__)
#define JINX_UNROLL _Pragma("clang loop unroll(full)")
#else
#define JINX_UNROLL _Pragma("GCC unroll 16")
#endif

__attribute__((target("avx512f"))) void multiplyWide() {
  __m512 sums[kSums], a = _mm512_set1_ps(1e-3f), b = _mm512_set1_ps(1e-3f);
  for (auto& sum : sums)
    sum = _mm512_setzero_ps();
  for (int r = 0; r < kRepeats; ++r) {
    JINX_UNROLL
    for (int i = 0; i < kSums; ++i)
      sums[i] = _mm512_fmadd_ps(a, b, sums[i]);
    asm volatile("" : "+v"(a), "+v"(b)); // neither is a constant to the optimizer
  }
  for (auto& sum : sums)
    asm volatile("" : : "v"(sum));
}

__attribute__((target("avx2,fma"))) void multiplyNarrow() {
  __m256 sums[kSums], a = _mm256_set1_ps(1e-3f), b = _mm256_set1_ps(1e-3f);
  for (auto& sum : sums)
    sum = _mm256_setzero_ps();
  for (int r = 0; r < kRepeats; ++r) {
    JINX_UNROLL
    for (int i = 0; i < kSums; ++i)
      sums[i] = _mm256_fmadd_ps(a, b, sums[i]);
    asm volatile("" : "+x"(a), "+x"(b));
  }
  for (auto& sum : sums)
    asm volatile("" : : "x"(sum));
}
#endif

} // namespace

double measureCopyBytes(int threads) {
  constexpr size_t kBytes = size_t{32} << 20;
  std::vector<std::unique_ptr<char[]>> from, to;
  for (int thread = 0; thread < threads; ++thread) {
    from.push_back(std::make_unique<char[]>(kBytes));
    to.push_back(std::make_unique<char[]>(kBytes));
  }
  return measure(threads, [&](int thread) {
    const auto t = static_cast<size_t>(thread);
    std::memcpy(to[t].get(), from[t].get(), kBytes);
    return 2.0 * kBytes;
  });
}

double measureScalarFlops(int threads) {
#if defined(__x86_64__)
  const bool isWide = __builtin_cpu_supports("avx512f");
  if (!isWide && !__builtin_cpu_supports("fma")) return 0;
  return measure(threads, [&](int) {
    isWide ? multiplyWide() : multiplyNarrow();
    return 2.0 * (isWide ? 16 : 8) * kSums * kRepeats;
  });
#else
  return 0;
#endif
}

} // namespace jinx::tools
