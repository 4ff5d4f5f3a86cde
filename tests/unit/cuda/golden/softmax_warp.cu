// jinx 0.1 | rows | sm_90a
// grid = 2049; block = kThreads; dynamic shared memory = 0 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kPrograms = 8;  // of a block, a warp each
constexpr int kTile = 1024;  // elements of a tile
constexpr int kRun = 4;  // neighbours that a thread holds
constexpr int kRuns = 8;  // such runs of a thread
constexpr int kStride = 128;  // elements from a thread's run to its next

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const float* x, float* __restrict__ y) {
  const int lane = threadIdx.x % 32;
  const int thread_first = lane * kRun;
  grid_release_next();
  grid_wait_previous();
  const i64 program = i64(blockIdx.x) * kPrograms + threadIdx.x / 32;
  if (program >= 16385) return;

  // Read x.
  float x_tile[kRuns][kRun];
  load_runs_where(x_tile, x + program * 1000 + thread_first, kStride, 1000 - thread_first);
  float part = -INFINITY;
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const float pick = thread_first + r * kStride < 1000 ? x_tile[r][i] : -INFINITY;
      part = max_nan(part, pick);
    }
  }
  const float largest = warp_max(part);
  float part2 = 0.0f;
  float exp_[kRuns][kRun];
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      exp_[r][i] = expf(x_tile[r][i] - largest);
      const float pick2 = thread_first + r * kStride < 1000 ? exp_[r][i] : 0.0f;
      part2 += pick2;
    }
  }
  const float total = warp_sum(part2);
  const Divisor by_total = divisor(total);

  // Write y.
  float y_tile[kRuns][kRun];
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
#pragma unroll
    for (int i = 0; i < kRun; ++i)
      y_tile[r][i] = divide(exp_[r][i], by_total);
  }
  store_runs_where(y + program * 1000 + thread_first, kStride, y_tile, 1000 - thread_first);
}
