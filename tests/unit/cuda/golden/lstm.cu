// jinx 0.1 | rows | sm_90a
// grid = 2; block = kThreads; dynamic shared memory = 256 bytes
constexpr int kThreads = 64;  // of a block
constexpr int kTile = 64;  // elements of a tile
constexpr int kPerThread = 1;  // consecutive elements that a thread holds
constexpr int kScratchOffset = 0;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const float* __restrict__ x0, const float* __restrict__ x1, const float* __restrict__ x2,
     const float* __restrict__ x3, float* __restrict__ y) {
  u8* const scratch = dynamic_shared() + kScratchOffset;
  const int thread_first = threadIdx.x;
  const i64 program = blockIdx.x;
  float* const held = reinterpret_cast<float*>(scratch);
  const i64 offset = program * 40;

  // Read x2.
  float x2_tile[kPerThread];
  load_run_where(x2_tile, x2 + offset + thread_first, 40 - thread_first);

  // Read x3.
  float x3_tile[kPerThread];
  load_run_where(x3_tile, x3 + offset + thread_first, 40 - thread_first);

  // Write scratch.
  shared_store_run(held + thread_first, x2_tile);

  // Loop: read x0, scratch, x1, write scratch, y.
  i64 sum[kPerThread];
  bool is[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    sum[i] = i64(thread_first + i) / 16 * 640 + i64(thread_first + i) % 16;
    is[i] = i64(thread_first + i) < 48;
  }
  float acc[kPerThread];
  float acc2[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const float next = x2_tile[i];
    const float next2 = x3_tile[i];
    acc[i] = next;
    acc2[i] = next2;
  }
  for (i64 step = 0; step < 6; ++step) {
    const i64 offset2 = step * 2 + program;
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
    for (i64 step2 = 0; step2 < 40; ++step2) {
      const float held_value = shared_load(held + step2);
      float x1_tile[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        x1_tile[i] = load_where(x1 + sum[i] + step2 * 16, is[i]);
      float x1_tile2[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        x1_tile2[i] = load_where(x1 + sum[i] + 1920 + step2 * 16, is[i]);
      float x1_tile3[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        x1_tile3[i] = load_where(x1 + sum[i] + 3840 + step2 * 16, is[i]);
      float x1_tile4[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        x1_tile4[i] = load_where(x1 + sum[i] + 5760 + step2 * 16, is[i]);
#pragma unroll
      for (int i = 0; i < kPerThread; ++i) {
        const float next7 = fmaf(held_value, x1_tile[i], acc3[i]);
        const float next8 = fmaf(held_value, x1_tile2[i], acc4[i]);
        const float next9 = fmaf(held_value, x1_tile3[i], acc5[i]);
        const float next10 = fmaf(held_value, x1_tile4[i], acc6[i]);
        acc3[i] = next7;
        acc4[i] = next8;
        acc5[i] = next9;
        acc6[i] = next10;
      }
    }
    float sum2[kPerThread];
    float held_tile[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const float product = 1.0f / (1.0f + expf(-(acc5[i] + x0_tile3[i]))) * acc2[i];
      const float product2 = 1.0f / (1.0f + expf(-(acc3[i] + x0_tile[i]))) * tanhf(acc6[i] + x0_tile4[i]);
      sum2[i] = product + product2;
      held_tile[i] = 1.0f / (1.0f + expf(-(acc4[i] + x0_tile2[i]))) * tanhf(sum2[i]);
    }
    block_sync();
    shared_store_run(held + thread_first, held_tile);
    store_run_where(y + offset2 * 40 + thread_first, held_tile, 40 - thread_first);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const float next11 = held_tile[i];
      const float next12 = sum2[i];
      acc[i] = next11;
      acc2[i] = next12;
    }
  }
}
