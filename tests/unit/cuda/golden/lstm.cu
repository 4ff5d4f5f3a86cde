// jinx 0.1 | rows | sm_90a
// grid = 2; block = kThreads; dynamic shared memory = 31744 bytes
constexpr int kThreads = 64;  // of a block
constexpr int kTile = 64;  // elements of a tile
constexpr int kPerThread = 1;  // consecutive elements that a thread holds
constexpr int kTile_1024 = 1024;
constexpr int kRun_1024 = 4;
constexpr int kRuns_1024 = 4;
constexpr int kStride_1024 = 256;
constexpr int kScratchOffset = 0;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads, 1)
rows(const float* __restrict__ x0, const float* __restrict__ x1, const float* __restrict__ x2,
     const float* __restrict__ x3, float* __restrict__ y) {
  u8* const scratch = dynamic_shared() + kScratchOffset;
  const int thread_first = threadIdx.x;
  const int thread_first_1024 = threadIdx.x * kRun_1024;
  const i64 program = blockIdx.x;
  float* const held = reinterpret_cast<float*>(scratch);
  float* const held2 = reinterpret_cast<float*>(scratch + 256);

  // Loop: read x1, write scratch.
  bool is[kPerThread];
  i64 sum[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const i64 sum2 = i64(thread_first + i) / 16 * 640 + i64(thread_first + i) % 16;
    is[i] = i64(thread_first + i) < 48;
    sum[i] = sum2 + i64(thread_first + i) / 16 * 16;
  }
#pragma unroll 4
  for (i64 step = 0; step < 12; ++step) {
    float x1_tile[kRuns_1024][kRun_1024];
    load_runs_where(x1_tile, x1 + step * 640 + thread_first_1024, kStride_1024, 640 - thread_first_1024);
    shared_store_runs_where(held2 + step * 656 + thread_first_1024, kStride_1024, x1_tile, 640 - thread_first_1024);
  }
  const i64 offset = program * 40;

  // Read x2.
  float x2_tile[kPerThread];
  load_run_where(x2_tile, x2 + offset + thread_first, 40 - thread_first);

  // Read x3.
  float x3_tile[kPerThread];
  load_run_where(x3_tile, x3 + offset + thread_first, 40 - thread_first);

  // Write scratch.
  shared_store_run(held + thread_first, x2_tile);

  // Loop: read x0, scratch, write scratch, y.
  float acc[kPerThread];
  float acc2[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const float next = x2_tile[i];
    const float next2 = x3_tile[i];
    acc[i] = next;
    acc2[i] = next2;
  }
  for (i64 step2 = 0; step2 < 6; ++step2) {
    const i64 offset2 = step2 * 2 + program;
    float x0_tile[kPerThread];
    load_run_where(x0_tile, x0 + offset2 * 160 + thread_first, 40 - thread_first);
    float x0_tile2[kPerThread];
    load_run_where(x0_tile2, x0 + offset2 * 160 + 40 + thread_first, 40 - thread_first);
    float x0_tile3[kPerThread];
    load_run_where(x0_tile3, x0 + offset2 * 160 + 80 + thread_first, 40 - thread_first);
    float x0_tile4[kPerThread];
    load_run_where(x0_tile4, x0 + offset2 * 160 + 120 + thread_first, 40 - thread_first);
    float acc3[kPerThread];
    float acc4[kPerThread];
    float acc5[kPerThread];
    float acc6[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const float next3 = 0.0f;
      const float next4 = 0.0f;
      const float next5 = 0.0f;
      const float next6 = 0.0f;
      acc3[i] = next3;
      acc4[i] = next4;
      acc5[i] = next5;
      acc6[i] = next6;
    }
    block_sync();
#pragma unroll 8
    for (i64 step3 = 0; step3 < 40; ++step3) {
      const float held_value = shared_load(held + step3);
      float held2_tile[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        held2_tile[i] = shared_load_where(held2 + sum[i] + step3 * 16, is[i]);
      float held2_tile2[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        held2_tile2[i] = shared_load_where(held2 + sum[i] + 1968 + step3 * 16, is[i]);
      float held2_tile3[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        held2_tile3[i] = shared_load_where(held2 + sum[i] + 3936 + step3 * 16, is[i]);
      float held2_tile4[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        held2_tile4[i] = shared_load_where(held2 + sum[i] + 5904 + step3 * 16, is[i]);
#pragma unroll
      for (int i = 0; i < kPerThread; ++i) {
        const float next7 = fmaf(held_value, held2_tile[i], acc3[i]);
        const float next8 = fmaf(held_value, held2_tile2[i], acc4[i]);
        const float next9 = fmaf(held_value, held2_tile3[i], acc5[i]);
        const float next10 = fmaf(held_value, held2_tile4[i], acc6[i]);
        acc3[i] = next7;
        acc4[i] = next8;
        acc5[i] = next9;
        acc6[i] = next10;
      }
    }
    float sum3[kPerThread];
    float held_tile[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const float product = 1.0f / (1.0f + expf(-(acc5[i] + x0_tile3[i]))) * acc2[i];
      const float product2 = 1.0f / (1.0f + expf(-(acc3[i] + x0_tile[i]))) * tanhf(acc6[i] + x0_tile4[i]);
      sum3[i] = product + product2;
      held_tile[i] = 1.0f / (1.0f + expf(-(acc4[i] + x0_tile2[i]))) * tanhf(sum3[i]);
    }
    block_sync();
    shared_store_run(held + thread_first, held_tile);
    store_run_where(y + offset2 * 40 + thread_first, held_tile, 40 - thread_first);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const float next11 = held_tile[i];
      const float next12 = sum3[i];
      acc[i] = next11;
      acc2[i] = next12;
    }
  }
}
