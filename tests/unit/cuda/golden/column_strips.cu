// jinx 0.1 | sum | sm_90a
// grid = 9; block = kThreads; dynamic shared memory = 4096 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kPrograms = 256;  // of a block, a thread each
constexpr int kTile = 4;  // elements of a tile
constexpr int kPerThread = 4;  // consecutive elements that a thread holds
constexpr int kScratchOffset = 0;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads, 1)
sum(const float* x, float* __restrict__ y) {
  u8* const scratch = dynamic_shared() + kScratchOffset;
  grid_release_next();
  grid_wait_previous();
  const i64 program = i64(blockIdx.x) * kPrograms + threadIdx.x;
  const i64 within = program % 256;
  const i64 count = program / 256;
  const i64 offset = (count - divide_small(count, 3) * 3) * 32;
  float* const held = reinterpret_cast<float*>(scratch);
  const i64 offset2 = within % 8 * 4;
  const i64 count2 = least<i64>(48, 130 - divide_small(count, 3) * 48);

  // Loop: read x.
  float acc[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    acc[i] = 0.0f;
#pragma unroll 8
  for (i64 step = within / 8; step < count2; step += 32) {
    const i64 offset3 = divide_small(count, 3) * 3648 + step * 76;
    float x_tile[kPerThread];
    load_run_where(x_tile, x + offset3 + offset + offset2, 76 - offset - offset2);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      acc[i] = acc[i] + x_tile[i];
  }

  // Write scratch.
  shared_store_run(held + within * 4, acc);
  const i64 rest = least<i64>(76 - offset, 32) - within;

  // Read scratch.
  block_sync();
  const float held_value = shared_load_where(held + within, rest > 0);

  // What the teams have, team by team.
  float carried = held_value;
#pragma unroll 32
  for (i64 step2 = 1; step2 < 32; ++step2) {
    const float held_value2 = shared_load_where(held + step2 * 32 + within, rest > 0);
    carried = carried + held_value2;
  }
  const i64 offset4 = divide_small(count, 3) * 76 + offset + within;

  // Write y.
  if (rest > 0) global_store(y + offset4, carried);
}
