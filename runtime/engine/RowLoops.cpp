#include "runtime/engine/RowLoops.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

// Each loop is written once, and compiled for each width.
#if defined(__x86_64__)
#define JINX_WIDE 1
#define JINX_BODY static inline __attribute__((always_inline))
#define JINX_FOR(isa) __attribute__((target(isa)))
#else
#define JINX_BODY static inline
#endif

namespace jinx::engine {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kMost = std::numeric_limits<float>::max();

JINX_BODY float expBody(float x) {
  const float clamped = std::max(x, -100.0f);
  const float halves = clamped * 1.44269504f;                           // in powers of two
  const float whole = static_cast<float>(static_cast<int32_t>(halves - 0.5f)); // nearest: it is at most 0
  const float rest = (clamped - whole * 0.693359375f) + whole * 2.12194440e-4f; // ln 2 in two parts: Cody and Waite
  float sum = 1.9875691500e-4f;                                         // Cephes' expf
  sum = sum * rest + 1.3981999507e-3f;
  sum = sum * rest + 8.3334519073e-3f;
  sum = sum * rest + 4.1665795894e-2f;
  sum = sum * rest + 1.6666665459e-1f;
  sum = sum * rest + 5.0000001201e-1f;
  sum = sum * rest * rest + rest + 1;
  const float power = std::bit_cast<float>((std::max(static_cast<int32_t>(whole), -126) + 127) << 23);
  return x < -87 ? 0 : sum * power;
}

JINX_BODY bool largestBody(const float* row, size_t size, float* largest) {
  int32_t isBad = 0;
  for (size_t begin = 0; begin < size; begin += kChunk) {
    const size_t end = std::min(begin + kChunk, size);
    float best[kLanes];
    int32_t bad[kLanes] = {};
    std::fill(best, best + kLanes, kNever);
    size_t i = begin;
    for (; i + kLanes <= end; i += kLanes)
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const float value = row[i + lane];
        best[lane] = value > best[lane] ? value : best[lane];
        bad[lane] |= !(value <= kMost);
      }
    for (; i < end; ++i) {
      best[0] = row[i] > best[0] ? row[i] : best[0];
      bad[0] |= !(row[i] <= kMost);
    }
    for (size_t half = kLanes / 2; half > 0; half /= 2)
      for (size_t lane = 0; lane < half; ++lane) {
        best[lane] = best[lane + half] > best[lane] ? best[lane + half] : best[lane];
        bad[lane] |= bad[lane + half];
      }
    *largest++ = best[0];
    isBad |= bad[0];
  }
  return isBad == 0;
}

JINX_BODY double weighBody(const float* row, size_t size, float largest, float temperature, float* weights) {
  for (size_t i = 0; i < size; ++i)
    weights[i] = expBody((row[i] - largest) / temperature);
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += static_cast<double>(weights[i + lane]);
  for (; i < size; ++i)
    sums[0] += static_cast<double>(weights[i]);
  double total = 0;
  for (double sum : sums)
    total += sum;
  return total;
}

using LargestLoop = bool (*)(const float*, size_t, float*);
using WeighLoop = double (*)(const float*, size_t, float, float, float*);

bool largestPlain(const float* row, size_t size, float* largest) { return largestBody(row, size, largest); }
double weighPlain(const float* row, size_t size, float largest, float temperature, float* weights) {
  return weighBody(row, size, largest, temperature, weights);
}

#ifdef JINX_WIDE
JINX_FOR("avx2") bool largestAvx2(const float* row, size_t size, float* largest) { return largestBody(row, size, largest); }
JINX_FOR("avx2") double weighAvx2(const float* row, size_t size, float largest, float temperature, float* weights) {
  return weighBody(row, size, largest, temperature, weights);
}
JINX_FOR("avx512f,avx512dq,avx512vl,avx512bw") bool largestAvx512(const float* row, size_t size, float* largest) {
  return largestBody(row, size, largest);
}
JINX_FOR("avx512f,avx512dq,avx512vl,avx512bw") double weighAvx512(const float* row, size_t size, float largest, float temperature, float* weights) {
  return weighBody(row, size, largest, temperature, weights);
}

#endif

struct Loops {
  LargestLoop largest;
  WeighLoop weigh;
};

/// Those of the widest registers that this processor has.
const Loops& loops() {
  static const Loops found = [] {
#ifdef JINX_WIDE
    if (__builtin_cpu_supports("x86-64-v4")) return Loops{largestAvx512, weighAvx512};
    if (__builtin_cpu_supports("avx2")) return Loops{largestAvx2, weighAvx2};
#endif
    return Loops{largestPlain, weighPlain};
  }();
  return found;
}

} // namespace

float expOf(float x) { return expBody(x); }

bool largestOfChunks(std::span<const float> row, std::span<float> largest) {
  return loops().largest(row.data(), row.size(), largest.data());
}

double weighBlock(std::span<const float> row, float largest, float temperature, std::span<float> weights) {
  return loops().weigh(row.data(), row.size(), largest, temperature, weights.data());
}

} // namespace jinx::engine
