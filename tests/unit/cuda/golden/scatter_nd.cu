// jinx 0.1 | rows | sm_90a
// grid = 1; block = kThreads; dynamic shared memory = 512 bytes
constexpr int kThreads = 32;  // of a block
constexpr int kTile = 32;  // elements of a tile
constexpr int kPerThread = 1;  // consecutive elements that a thread holds
constexpr int kScratchOffset = 0;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const float* x0, const i64* x1, const float* x2, float* __restrict__ y) {
  u8* const scratch = dynamic_shared() + kScratchOffset;
  const int thread_first = threadIdx.x;
  grid_release_next();
  grid_wait_previous();
  // Read x0.
  float x0_tile[kPerThread];
  load_run_where(x0_tile, x0 + thread_first, 21 - thread_first);
  i64* const held = reinterpret_cast<i64*>(scratch);
  i64* const held2 = reinterpret_cast<i64*>(scratch + 256);

  // Loop: read x1, scratch, x2, write scratch.
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
    const int lanes = static_cast<int>(least<i64>(rest, 32));
    i64 x1_tile[kPerThread];
    load_run_where(x1_tile, x1 + step + thread_first, rest - thread_first);
    i64 pick[kPerThread];
    bool and_[kPerThread];
    i32 x_tile[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const i64 as_i64 = static_cast<i64>(x1_tile[i]);
      const i64 pick2 = as_i64 < 0 ? as_i64 + 7 : as_i64;
      const bool and_2 = thread_first + i < lanes & static_cast<u64>(pick2) < static_cast<u64>(7);
      pick[i] = and_2 ? pick2 : -1;
      and_[i] = pick[i] >= 0 & pick[i] <= 10;
      x_tile[i] = static_cast<i32>(and_[i]);
    }
    i32 sums[kPerThread];
    const i32 total = warp_scan_tile<1, 1, true, false>(&sums[0], &x_tile[0]);
    block_sync();
    i64 as_i642[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      as_i642[i] = static_cast<i64>(sums[i]);
      if (and_[i]) shared_store(held + as_i642[i], i64(thread_first + i) + step);
    }
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      if (and_[i]) shared_store(held2 + as_i642[i], pick[i]);
    float acc2[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      acc2[i] = acc[i];
    block_sync();
#pragma unroll 4
    for (i64 step2 = 0; step2 < static_cast<i64>(total); ++step2) {
      const i64 held_value = shared_load(held + step2);
      const i64 held2_value = shared_load(held2 + step2);
      float x2_tile[kPerThread];
      bool is[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i) {
        is[i] = quotient[i] == held2_value;
        x2_tile[i] = load_where(x2 + rem_[i] + held_value * 3, is[i]);
      }
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        acc2[i] = is[i] ? acc2[i] + x2_tile[i] : acc2[i];
    }
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      acc[i] = acc2[i];
  }

  // Write y.
  store_run_where(y + thread_first, acc, 21 - thread_first);
}
