// jinx 0.1 | rows | sm_90a
// grid = 512; block = kThreads; dynamic shared memory = 32768 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kPrograms = 256;  // of a block, a thread each
constexpr int kTile = 8;  // elements of a tile
constexpr int kPerThread = 8;  // consecutive elements that a thread holds
constexpr int kScratchOffset = 0;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const bf16* x0, const float* x1, float* __restrict__ y) {
  u8* const scratch = dynamic_shared() + kScratchOffset;
  grid_release_next();
  grid_wait_previous();
  const i64 program = i64(blockIdx.x) * kPrograms + threadIdx.x;
  const i64 within = program % 256;
  const i64 count = program / 256;
  const i64 count2 = divide_small(divide_small(count, 8), 32);
  const i64 offset = (divide_small(count, 8) - count2 * 32) * 128;
  const i64 offset2 = (count - divide_small(count, 8) * 8) * 128;
  const i64 within2 = within % 16;
  const i64 count3 = within / 16;
  bf16* const held = reinterpret_cast<bf16*>(scratch);
  const i64 offset3 = within2 * 8;
  const i64 offset4 = count3 * 8;
  const i64 offset5 = count2 * 4194304 + (offset2 + offset4) * 4096;

  // Read x0.
  bf16 x0_tile[kPerThread];
  load_run(x0_tile, x0 + offset5 + offset + offset3);
  const i64 offset6 = count2 * 4194304 + (offset2 + offset4 + 1) * 4096;
  bf16 x0_tile2[kPerThread];
  load_run(x0_tile2, x0 + offset6 + offset + offset3);
  const i64 offset7 = count2 * 4194304 + (offset2 + offset4 + 2) * 4096;
  bf16 x0_tile3[kPerThread];
  load_run(x0_tile3, x0 + offset7 + offset + offset3);
  const i64 offset8 = count2 * 4194304 + (offset2 + offset4 + 3) * 4096;
  bf16 x0_tile4[kPerThread];
  load_run(x0_tile4, x0 + offset8 + offset + offset3);
  const i64 offset9 = count2 * 4194304 + (offset2 + offset4 + 4) * 4096;
  bf16 x0_tile5[kPerThread];
  load_run(x0_tile5, x0 + offset9 + offset + offset3);
  const i64 offset10 = count2 * 4194304 + (offset2 + offset4 + 5) * 4096;
  bf16 x0_tile6[kPerThread];
  load_run(x0_tile6, x0 + offset10 + offset + offset3);
  const i64 offset11 = count2 * 4194304 + (offset2 + offset4 + 6) * 4096;
  bf16 x0_tile7[kPerThread];
  load_run(x0_tile7, x0 + offset11 + offset + offset3);
  const i64 offset12 = count2 * 4194304 + (offset2 + offset4 + 7) * 4096;
  bf16 x0_tile8[kPerThread];
  load_run(x0_tile8, x0 + offset12 + offset + offset3);
  const i64 count4 = count3 ^ within2;
  const bf16 turned[kPerThread] = {x0_tile[0], x0_tile2[0], x0_tile3[0], x0_tile4[0], x0_tile5[0], x0_tile6[0],
                                   x0_tile7[0], x0_tile8[0]};

  // Write scratch.
  shared_store_run(held + (offset3 * 16 + count4) * 8, turned);
  const bf16 turned2[kPerThread] = {x0_tile[1], x0_tile2[1], x0_tile3[1], x0_tile4[1], x0_tile5[1], x0_tile6[1],
                                    x0_tile7[1], x0_tile8[1]};
  shared_store_run(held + ((offset3 + 1) * 16 + count4) * 8, turned2);
  const bf16 turned3[kPerThread] = {x0_tile[2], x0_tile2[2], x0_tile3[2], x0_tile4[2], x0_tile5[2], x0_tile6[2],
                                    x0_tile7[2], x0_tile8[2]};
  shared_store_run(held + ((offset3 + 2) * 16 + count4) * 8, turned3);
  const bf16 turned4[kPerThread] = {x0_tile[3], x0_tile2[3], x0_tile3[3], x0_tile4[3], x0_tile5[3], x0_tile6[3],
                                    x0_tile7[3], x0_tile8[3]};
  shared_store_run(held + ((offset3 + 3) * 16 + count4) * 8, turned4);
  const bf16 turned5[kPerThread] = {x0_tile[4], x0_tile2[4], x0_tile3[4], x0_tile4[4], x0_tile5[4], x0_tile6[4],
                                    x0_tile7[4], x0_tile8[4]};
  shared_store_run(held + ((offset3 + 4) * 16 + count4) * 8, turned5);
  const bf16 turned6[kPerThread] = {x0_tile[5], x0_tile2[5], x0_tile3[5], x0_tile4[5], x0_tile5[5], x0_tile6[5],
                                    x0_tile7[5], x0_tile8[5]};
  shared_store_run(held + ((offset3 + 5) * 16 + count4) * 8, turned6);
  const bf16 turned7[kPerThread] = {x0_tile[6], x0_tile2[6], x0_tile3[6], x0_tile4[6], x0_tile5[6], x0_tile6[6],
                                    x0_tile7[6], x0_tile8[6]};
  shared_store_run(held + ((offset3 + 6) * 16 + count4) * 8, turned7);
  const bf16 turned8[kPerThread] = {x0_tile[7], x0_tile2[7], x0_tile3[7], x0_tile4[7], x0_tile5[7], x0_tile6[7],
                                    x0_tile7[7], x0_tile8[7]};
  shared_store_run(held + ((offset3 + 7) * 16 + count4) * 8, turned8);

  // Lines of the result, from scratch.
  block_sync();
#pragma unroll 8
  for (i64 step = 0; step < 8; ++step) {
    const i64 offset13 = count3 + step * 16;
    const i64 offset14 = offset2 + offset3;
    const i64 offset15 = (offset13 * 16 + (within2 ^ offset13 / 8)) * 8;
    bf16 held_tile[kPerThread];
    shared_load_run(held_tile, held + offset15);
    float x1_tile[kPerThread];
    load_run(x1_tile, x1 + offset14);
    const i64 offset16 = count2 * 4194304 + (offset + offset13) * 1024;
    float y_tile[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      y_tile[i] = to_f32(held_tile[i]) + x1_tile[i];
    store_run(y + offset16 + offset14, y_tile);
  }
}
