// jinx 0.1 | rows | sm_90a
// grid = 2048; block = kThreads; dynamic shared memory = 8320 bytes
constexpr int kThreads = 32;  // of a block
constexpr int kTile = 64;  // elements of a tile
constexpr int kPerThread = 2;  // consecutive elements that a thread holds
constexpr int kScratchOffset = 0;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const bf16* __restrict__ x0, const float* __restrict__ x1, float* __restrict__ y) {
  u8* const scratch = dynamic_shared() + kScratchOffset;
  const int thread_first = threadIdx.x * kPerThread;
  const i64 program = blockIdx.x;
  const i64 count = program / 16;
  const i64 count2 = count / 64;
  const i64 offset = count % 64 * 64;
  const i64 offset2 = program % 16 * 64;
  bf16* const held = reinterpret_cast<bf16*>(scratch);

  // Lines of what is transposed, to scratch.
#pragma unroll 32
  for (i64 step = 0; step < 64; ++step) {
    const i64 offset3 = count2 * 4194304 + (offset2 + step) * 4096;
    bf16 x0_tile[kPerThread];
    load_run(x0_tile, x0 + offset3 + offset + thread_first);
    shared_store_apart(held + step * 65 + thread_first, 1, x0_tile);
  }

  // Lines of the result, from columns of scratch.
  block_sync();
#pragma unroll 32
  for (i64 step2 = 0; step2 < 64; ++step2) {
    bf16 held_tile[kPerThread];
    shared_load_apart(held_tile, held + step2 + i64(thread_first) * 65, 65);
    float x1_tile[kPerThread];
    load_run(x1_tile, x1 + offset2 + thread_first);
    const i64 offset4 = count2 * 4194304 + (offset + step2) * 1024;
    float y_tile[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      y_tile[i] = to_f32(held_tile[i]) + x1_tile[i];
    store_run(y + offset4 + offset2 + thread_first, y_tile);
  }
}
