// jinx 0.1 | rows | sm_90a
// grid = 3; block = kThreads; dynamic shared memory = 512 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kTile = 1024;  // elements of a tile
constexpr int kPerThread = 4;  // consecutive elements that a thread holds
constexpr int kSlotsOffset = 0;  // shared memory: values that warps hand to each other

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const float* x, float* __restrict__ y) {
  u8* const slots = dynamic_shared() + kSlotsOffset;
  int turn = 0;  // which of the two sets of slots is next
  const int thread_first = threadIdx.x * kPerThread;
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;

  // Read x.
  float x_tile[kPerThread];
  load_run(x_tile, x + program * 2500 + thread_first);

  // Loop: read x, write y.
  float pick[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    pick[i] = thread_first < 1024 ? x_tile[i] : 0.0f;
  float carried = 0.0f;
  float acc[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    acc[i] = pick[i];
  for (i64 step = 0; step < 3; ++step) {
    const i64 offset = least<i64>(step + 1, 2) * 1024;
    const i64 rest = 2500 - offset;
    float x_tile2[kPerThread];
    load_run_where(x_tile2, x + program * 2500 + offset + thread_first, rest - thread_first);
    const int lanes = static_cast<int>(least<i64>(rest, 1024));
    const i64 offset2 = step * 1024;
    float sums[kPerThread];
    const float total = block_scan_tile<1, 4, false, false>(&sums[0], &acc[0], kThreads, slots, turn);
    float y_tile[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      y_tile[i] = carried + sums[i];
    store_run_where(y + program * 2500 + offset2 + thread_first, y_tile, 2500 - offset2 - thread_first);
    const float sum = carried + total;
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      acc[i] = thread_first < lanes ? x_tile2[i] : 0.0f;
    carried = sum;
  }
}
