// jinx 0.1 | rows | sm_90a
// grid = 16385; block = kThreads; dynamic shared memory = 512 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kTile = 4096;  // elements of a tile
constexpr int kRun = 8;  // neighbours that a thread holds
constexpr int kRuns = 2;  // such runs of a thread
constexpr int kStride = 2048;  // elements from a thread's run to its next
constexpr int kSlotsOffset = 0;  // shared memory: values that warps hand to each other

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const bf16* x, bf16* __restrict__ y) {
  u8* const slots = dynamic_shared() + kSlotsOffset;
  int turn = 0;  // which of the two sets of slots is next
  const int thread_first = threadIdx.x * kRun;
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;

  // Read x.
  bf16 x_tile[kRuns][kRun];
  load_runs(x_tile, x + program * 4096 + thread_first, kStride);
  float part = -INFINITY;
  float as_float[kRuns][kRun];
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      as_float[r][i] = to_f32(x_tile[r][i]);
      part = max_nan(part, as_float[r][i]);
    }
  }
  const float shift = warp_shift(part);
  float part2 = 0.0f;
  float exp2_[kRuns][kRun];
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      exp2_[r][i] = exp2_approx((as_float[r][i] - shift) * 1.44269502f);
      part2 += exp2_[r][i];
    }
  }
  const float total = block_shifted_sum(part2, shift, kThreads, slots, turn);
  const Divisor by_total = divisor(total);

  // Write y.
  bf16 y_tile[kRuns][kRun];
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
#pragma unroll
    for (int i = 0; i < kRun; ++i)
      y_tile[r][i] = to_bf16(divide_approx(exp2_[r][i], by_total));
  }
  store_runs(y + program * 4096 + thread_first, kStride, y_tile);
}
