// jinx 0.1 | mma | sm_90a
// from: /mlp/MatMul, /mlp/Relu
// grid = ((a0 + 127) floordiv 128) * ((a1 + 127) floordiv 128); block = kThreads; dynamic shared memory = 98304 bytes
constexpr int kThreads = 128;  // of a block
constexpr int kStages = 3;  // slots of the ring
constexpr int kOffsetA = 0;  // a in shared memory: 128 x 64 elements of 2 bytes
constexpr int kStageBytesA = 16384;
constexpr int kOffsetB = 49152;  // b in shared memory: 128 x 64 elements of 2 bytes
constexpr int kStageBytesB = 16384;
constexpr int kRowsA = 128;  // of a in a slot, 128 bytes each
constexpr int kRowsB = 128;  // of b in a slot, 128 bytes each
constexpr int kRowBlocks = 4;  // of 16 rows that a warp multiplies
constexpr int kColumnGroups = 2;  // of 32 columns: four products, and 8 neighbours of each row in a thread
constexpr int kOctets = 8;  // products side by side
constexpr int kSteps = 4;  // along k in one slot, of 32 bytes

extern "C" __global__ void __launch_bounds__(kThreads)
mma(const bf16* a, const bf16* b, const float* bias, bf16* __restrict__ d, i64 m, i64 n, i64 k) {
  const int lane = threadIdx.x % 32;
  const int warp = warp_uniform(threadIdx.x / 32);
  const int fragment_row = warp % 2 * 64 + lane / 4;
  const int fragment_column = warp / 2 * 64 + lane % 4 * 8;
  const int a_row = warp % 2 * 64 + lane % 16;
  const int a_first = a_row * 128 + (lane / 16 * 16 ^ (a_row % 8) * 16);
  const int b_row = warp / 2 * 64 + lane % 2 + lane / 2 % 4 * 8 + lane / 16 * 2;
  const int b_first = b_row * 128 + (lane / 8 % 2 * 16 ^ (b_row % 2 + b_row / 8 % 4 * 2) * 16);
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;
  const i64 offset = divide_small(n + 127, 128) * 8;
  const i64 band = divide_small(program, offset);
  const i64 within = program - band * offset;
  const i64 width = least<i64>(divide_small(m + 127, 128) - band * 8, 8);
  const i64 along = divide_small(within, width);
  const i64 row = (band * 8 + within - along * width) * 128;
  const i64 column = along * 128;
  const i64 rows_left = m - row;
  const i64 columns_left = n - column;
  const i64 a_base = row * 4096;
  const i64 b_base = column * 4096;
  u8* const smem = dynamic_shared();
  int fill = 0;  // slot to fill next
  int take = 0;  // slot to read next
  u32 words_a[2][kRowBlocks][4] = {}, words_b[2][kOctets / 2][4] = {};  // one step along k is fetched while the other is multiplied

  // Fill the ring but for one slot.
  for (i64 ahead = 0; ahead < 2; ++ahead) {
    const i64 offset2 = ahead * 64;
    const i64 rest = 4096 - offset2;
    copy_rows<kRowsA, kThreads, 16, RowKey<0, 1, 2>>(smem + kOffsetA + fill * kStageBytesA, a + a_base + offset2, 4096, rows_left, rest);
    copy_rows<kRowsB, kThreads, 16, RowKey<0, 3, 4>>(smem + kOffsetB + fill * kStageBytesB, b + b_base + offset2, 4096, columns_left, rest);
    copy_async_commit();
    fill = fill + 1 == kStages ? 0 : fill + 1;
  }

  // Multiply slice by slice; the slot that the last slice left is filled meanwhile.
  float acc[kRowBlocks][kOctets][4];
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int g = 0; g < kColumnGroups; ++g) {
#pragma unroll
        for (int c = 0; c < 8; ++c)
          acc[i][4 * g + c / 2][2 * h + c % 2] = 0.0f;
      }
    }
  }
  for (i64 step = 0; step < 64; ++step) {
    copy_async_wait<1>();
    block_sync();
    const i64 offset3 = (step + 2) * 64;
    const i64 rest2 = 4096 - offset3;
    copy_rows<kRowsA, kThreads, 16, RowKey<0, 1, 2>>(smem + kOffsetA + fill * kStageBytesA, a + a_base + offset3, 4096, rows_left, rest2);
    copy_rows<kRowsB, kThreads, 16, RowKey<0, 3, 4>>(smem + kOffsetB + fill * kStageBytesB, b + b_base + offset3, 4096, columns_left, rest2);
    copy_async_commit();
    fill = fill + 1 == kStages ? 0 : fill + 1;
#pragma unroll
    for (int kk = 0; kk < kSteps; ++kk) {
#pragma unroll
      for (int i = 0; i < kRowBlocks; ++i)
        ldmatrix_x4(words_a[kk % 2][i], smem + kOffsetA + take * kStageBytesA + (a_first ^ kk * 32) + (i * 16) * 128);
#pragma unroll
      for (int p = 0; p < kOctets / 2; ++p)
        ldmatrix_x4(words_b[kk % 2][p], smem + kOffsetB + take * kStageBytesB + (b_first ^ kk * 32) + (p % 2 * 4 + p / 2 * 32) * 128);
#pragma unroll
      for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
        for (int j = 0; j < kOctets; ++j)
          mma_m16n8k16_bf16(acc[i][j], words_a[(kk + 1) % 2][i], words_b[(kk + 1) % 2][j / 2] + j % 2 * 2);
      }
    }
    take = take + 1 == kStages ? 0 : take + 1;
  }
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < kOctets; ++j)
      mma_m16n8k16_bf16(acc[i][j], words_a[1][i], words_b[1][j / 2] + j % 2 * 2);
  }
  copy_async_wait<0>();
  block_sync();

  // Epilogue and store.
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int g = 0; g < kColumnGroups; ++g) {
        bf16 run[8];
#pragma unroll
        for (int c = 0; c < 8; ++c)
          run[c] = to_bf16(acc[i][4 * g + c / 2][2 * h + c % 2]);
        if (fragment_row + i * 16 + h * 8 < rows_left)
          store_contiguous(d + row * n + column + i64(fragment_row + i * 16 + h * 8) * n + fragment_column + g * 32, run, columns_left - (fragment_column + g * 32));
      }
    }
  }
}
