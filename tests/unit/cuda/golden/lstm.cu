// jinx 0.1 | rows | sm_90a
// grid = 2; block = kThreads; dynamic shared memory = 32768 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kTile = 1024;  // elements of a tile
constexpr int kPerThread = 4;  // consecutive elements that a thread holds
constexpr int kTile_64 = 64;
constexpr int kPerThread_64 = 1;
constexpr int kTile_256 = 256;
constexpr int kPerThread_256 = 1;
constexpr int kScratchOffset = 0;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads, 1)
rows(const float* x0, const float* x1, const float* x2, const float* x3, float* __restrict__ y) {
  u8* const scratch = dynamic_shared() + kScratchOffset;
  const int thread_first = threadIdx.x * kPerThread;
  const int thread_first_64 = threadIdx.x;
  const int thread_first_256 = threadIdx.x;
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;
  float* const held = reinterpret_cast<float*>(scratch);
  float* const held2 = reinterpret_cast<float*>(scratch + 256);
  float* const held3 = reinterpret_cast<float*>(scratch + 1280);

  // Loop: read x1, write scratch.
#pragma unroll 8
  for (i64 step = 0; step < 12; ++step) {
    float x1_tile[kPerThread];
    load_run_where(x1_tile, x1 + step * 640 + thread_first, 640 - thread_first);
    shared_store_run_where(held3 + step * 656 + thread_first, x1_tile, 640 - thread_first);
  }
  const i64 offset = program * 40;

  // Read x2.
  float x2_tile[kPerThread_64];
  load_run_where(x2_tile, x2 + offset + thread_first_64, 40 - thread_first_64);

  // Read x3.
  float x3_tile[kPerThread_64];
  load_run_where(x3_tile, x3 + offset + thread_first_64, 40 - thread_first_64);

  // Write scratch.
  shared_store_run_where(held + thread_first_64, x2_tile, 64 - thread_first_64);

  // Loop: read x0, scratch, write scratch, y.
  i64 sum[kPerThread_256];
  bool is[kPerThread_256];
  i64 sum2[kPerThread_256];
#pragma unroll
  for (int i = 0; i < kPerThread_256; ++i) {
    sum[i] = i64(thread_first_256 + i) / 64;
    const i64 rem_ = i64(thread_first_256 + i) % 64;
    is[i] = rem_ < 48;
    sum2[i] = (sum[i] * 3 + rem_ / 16) * 656 + rem_ % 16;
  }
  float acc[kPerThread_64];
  float acc2[kPerThread_64];
#pragma unroll
  for (int i = 0; i < kPerThread_64; ++i) {
    const float next = x2_tile[i];
    const float next2 = x3_tile[i];
    acc[i] = next;
    acc2[i] = next2;
  }
  for (i64 step2 = 0; step2 < 6; ++step2) {
    const i64 offset2 = step2 * 2 + program;
    float x0_tile[kPerThread_64];
    load_run_where(x0_tile, x0 + offset2 * 160 + thread_first_64, 40 - thread_first_64);
    float x0_tile2[kPerThread_64];
    load_run_where(x0_tile2, x0 + offset2 * 160 + 40 + thread_first_64, 40 - thread_first_64);
    float x0_tile3[kPerThread_64];
    load_run_where(x0_tile3, x0 + offset2 * 160 + 80 + thread_first_64, 40 - thread_first_64);
    float x0_tile4[kPerThread_64];
    load_run_where(x0_tile4, x0 + offset2 * 160 + 120 + thread_first_64, 40 - thread_first_64);
    float acc3[kPerThread_256];
#pragma unroll
    for (int i = 0; i < kPerThread_256; ++i)
      acc3[i] = 0.0f;
    block_sync();
#pragma unroll 16
    for (i64 step3 = 0; step3 < 40; ++step3) {
      const float held_value = shared_load(held + step3);
      float held3_tile[kPerThread_256];
#pragma unroll
      for (int i = 0; i < kPerThread_256; ++i)
        held3_tile[i] = shared_load_where(held3 + sum2[i] + step3 * 16, is[i]);
#pragma unroll
      for (int i = 0; i < kPerThread_256; ++i)
        acc3[i] = fmaf(held_value, held3_tile[i], acc3[i]);
    }
    block_sync();
    shared_store_run(held2 + thread_first_256, acc3);
    block_sync();
    float held2_tile[kPerThread_64];
    shared_load_run_where(held2_tile, held2 + thread_first_64, 64 - thread_first_64);
    float held2_tile2[kPerThread_64];
    shared_load_run_where(held2_tile2, held2 + 64 + thread_first_64, 64 - thread_first_64);
    float held2_tile3[kPerThread_64];
    shared_load_run_where(held2_tile3, held2 + 128 + thread_first_64, 64 - thread_first_64);
    float held2_tile4[kPerThread_64];
    shared_load_run_where(held2_tile4, held2 + 192 + thread_first_64, 64 - thread_first_64);
    float sum3[kPerThread_64];
    float held_tile[kPerThread_64];
#pragma unroll
    for (int i = 0; i < kPerThread_64; ++i) {
      const float quotient = 1.0f / (1.0f + expf(-(held2_tile3[i] + x0_tile3[i])));
      const float quotient2 = 1.0f / (1.0f + expf(-(held2_tile[i] + x0_tile[i])));
      sum3[i] = quotient * acc2[i] + quotient2 * tanhf(held2_tile4[i] + x0_tile4[i]);
      const float quotient3 = 1.0f / (1.0f + expf(-(held2_tile2[i] + x0_tile2[i])));
      held_tile[i] = quotient3 * tanhf(sum3[i]);
    }
    block_sync();
    shared_store_run_where(held + thread_first_64, held_tile, 64 - thread_first_64);
    store_run_where(y + offset2 * 40 + thread_first_64, held_tile, 40 - thread_first_64);
#pragma unroll
    for (int i = 0; i < kPerThread_64; ++i) {
      const float next3 = held_tile[i];
      const float next4 = sum3[i];
      acc[i] = next3;
      acc2[i] = next4;
    }
  }
}
