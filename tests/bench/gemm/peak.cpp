// How many operations a second can one core do, at most? Fused multiply-adds on registers only: no loads, no stores,
// enough independent accumulators to hide the latency. What a matrix product reaches is judged by this, measured in the
// same run.
//
// Loaded by gemm/bench.py; the widest instructions that the processor has are used.
#include <chrono>
#include <immintrin.h>

namespace {

using Clock = std::chrono::steady_clock;

/// Operations of one call of `burst` times calls, over the seconds they took, in units of 10^9; at least `seconds`
/// long.
template <typename Burst>
double measure(double seconds, double operationsPerBurst, Burst burst) {
  burst(); // wakes wide units up
  long bursts = 0;
  auto start = Clock::now();
  double elapsed = 0;
  do {
    burst();
    ++bursts;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return operationsPerBurst * static_cast<double>(bursts) / elapsed / 1e9;
}

constexpr int kRepeats = 40000; // some 100 µs a burst
volatile float floatSink;
volatile int intSink;

// Accumulators: two units of latency 4 need 8. More than fit beside the operands would be kept in memory.
constexpr int kWide = 12, kNarrow = 10;

__attribute__((target("avx512f"))) void burstF32Wide() {
  __m512 sums[kWide], a = _mm512_set1_ps(1e-3f), b = _mm512_set1_ps(1e-3f);
  for (auto& sum : sums)
    sum = _mm512_setzero_ps();
  for (int r = 0; r < kRepeats; ++r) {
#pragma clang loop unroll(full)
    for (int i = 0; i < kWide; ++i)
      sums[i] = _mm512_fmadd_ps(a, b, sums[i]);
    asm volatile("" : "+v"(a), "+v"(b)); // neither is a constant to the optimizer
  }
  __m512 total = _mm512_setzero_ps();
  for (auto& sum : sums)
    total = _mm512_add_ps(total, sum);
  floatSink = _mm512_cvtss_f32(total);
}

__attribute__((target("avx2,fma"))) void burstF32Narrow() {
  __m256 sums[kNarrow], a = _mm256_set1_ps(1e-3f), b = _mm256_set1_ps(1e-3f);
  for (auto& sum : sums)
    sum = _mm256_setzero_ps();
  for (int r = 0; r < kRepeats; ++r) {
#pragma clang loop unroll(full)
    for (int i = 0; i < kNarrow; ++i)
      sums[i] = _mm256_fmadd_ps(a, b, sums[i]);
    asm volatile("" : "+x"(a), "+x"(b));
  }
  __m256 total = _mm256_setzero_ps();
  for (auto& sum : sums)
    total = _mm256_add_ps(total, sum);
  floatSink = _mm256_cvtss_f32(total);
}

__attribute__((target("avx512f,avx512bf16"))) void burstBf16() {
  __m512 sums[kWide];
  __m512i pair = _mm512_set1_epi32(0x3a833a83); // two bf16 of about 1e-3
  for (auto& sum : sums)
    sum = _mm512_setzero_ps();
  for (int r = 0; r < kRepeats; ++r) {
#pragma clang loop unroll(full)
    for (int i = 0; i < kWide; ++i)
      sums[i] = _mm512_dpbf16_ps(sums[i], (__m512bh)pair, (__m512bh)pair);
    asm volatile("" : "+v"(pair));
  }
  __m512 total = _mm512_setzero_ps();
  for (auto& sum : sums)
    total = _mm512_add_ps(total, sum);
  floatSink = _mm512_cvtss_f32(total);
}

__attribute__((target("avx512f,avx512vnni"))) void burstI8() {
  __m512i sums[kWide], bytes = _mm512_set1_epi32(0x01010101);
  for (auto& sum : sums)
    sum = _mm512_setzero_si512();
  for (int r = 0; r < kRepeats; ++r) {
#pragma clang loop unroll(full)
    for (int i = 0; i < kWide; ++i)
      sums[i] = _mm512_dpbusd_epi32(sums[i], bytes, bytes);
    asm volatile("" : "+v"(bytes));
  }
  __m512i total = _mm512_setzero_si512();
  for (auto& sum : sums)
    total = _mm512_add_epi32(total, sum);
  intSink = _mm_cvtsi128_si32(_mm512_castsi512_si128(total));
}

} // namespace

extern "C" {

/// GFLOP/s of f32 multiply-adds (two operations each) on the calling thread, over `seconds`; 0 without the
/// instructions.
__attribute__((visibility("default"))) double jinx_peak_f32(double seconds) {
  if (__builtin_cpu_supports("avx512f")) return measure(seconds, 2.0 * 16 * kWide * kRepeats, burstF32Wide);
  if (__builtin_cpu_supports("fma")) return measure(seconds, 2.0 * 8 * kNarrow * kRepeats, burstF32Narrow);
  return 0;
}

/// The same for products of bf16 pairs summed in f32 (vdpbf16ps).
__attribute__((visibility("default"))) double jinx_peak_bf16(double seconds) {
  if (!__builtin_cpu_supports("avx512bf16")) return 0;
  return measure(seconds, 2.0 * 32 * kWide * kRepeats, burstBf16);
}

/// GOP/s of 8-bit products summed in 32 bits (vpdpbusd).
__attribute__((visibility("default"))) double jinx_peak_i8(double seconds) {
  if (!__builtin_cpu_supports("avx512vnni")) return 0;
  return measure(seconds, 2.0 * 64 * kWide * kRepeats, burstI8);
}
}
