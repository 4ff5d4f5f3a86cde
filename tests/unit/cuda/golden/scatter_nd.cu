// jinx 0.1 | rows | sm_90a
// grid = 1; block = kThreads; dynamic shared memory = 0 bytes
constexpr int kThreads = 32;  // of a block
constexpr int kTile = 32;  // elements of a tile
constexpr int kPerThread = 1;  // consecutive elements that a thread holds

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const float* __restrict__ x0, const i64* __restrict__ x1, const float* __restrict__ x2, float* __restrict__ y) {
  const int thread_first = threadIdx.x;
  // Read x0.
  float x0_tile[kPerThread];
  load_run_where(x0_tile, x0 + thread_first, 21 - thread_first);

  // Loop: read x1, x2, reduce by min, max.
  i64 quotient[kPerThread];
  i64 rem_[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    quotient[i] = i64(thread_first + i) / 3;
    rem_[i] = i64(thread_first + i) % 3;
  }
  float acc[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    acc[i] = x0_tile[i];
  for (i64 step = 0; step < 200; step += 32) {
    const i64 rest = 200 - step;
    i64 x1_tile[kPerThread];
    load_run_where(x1_tile, x1 + step + thread_first, rest - thread_first);
    i64 part = 9223372036854775807L;
    bool and_[kPerThread];
    i64 sum[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const i64 as_i64 = static_cast<i64>(x1_tile[i]);
      const i64 pick = as_i64 < 0 ? as_i64 + 7 : as_i64;
      const bool and_2 = i64(thread_first + i) < rest & static_cast<u64>(pick) < static_cast<u64>(7);
      const i64 pick2 = and_2 ? pick : -1;
      and_[i] = pick2 >= 0 & pick2 <= 10;
      sum[i] = i64(thread_first + i) + step;
      part = least(part, and_[i] ? sum[i] : 200);
    }
    const i64 count = warp_min(part);
    i64 part2 = (-9223372036854775807L - 1);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      part2 = greatest(part2, and_[i] ? sum[i] : -1);
    const i64 count2 = warp_max(part2);
    float acc2[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      acc2[i] = acc[i];
#pragma unroll 4
    for (i64 step2 = count; step2 < count2 + 1; ++step2) {
      const i64 x1_value = global_load(x1 + step2);
      const i64 as_i642 = static_cast<i64>(x1_value);
      const i64 pick3 = as_i642 < 0 ? as_i642 + 7 : as_i642;
      const bool is = static_cast<u64>(pick3) < static_cast<u64>(7);
      float x2_tile[kPerThread];
      bool is2[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i) {
        is2[i] = quotient[i] == (is ? pick3 : -1);
        x2_tile[i] = load_where(x2 + rem_[i] + step2 * 3, is2[i]);
      }
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        acc2[i] = is2[i] ? acc2[i] + x2_tile[i] : acc2[i];
    }
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      acc[i] = acc2[i];
  }

  // Write y.
  store_run_where(y + thread_first, acc, 21 - thread_first);
}
