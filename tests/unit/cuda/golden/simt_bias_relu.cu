// jinx 0.1 | simt_bias_relu | sm_90a
// from: /fc/Gemm, /fc/Relu
// grid = (((a0) + 127) floordiv 128) * (((a1) + 127) floordiv 128); block = kThreads; dynamic shared memory = 24960 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kStages = 3;  // slots of the ring
constexpr int kOffsetA = 0;  // a in shared memory: 8 x 128 elements of 4 bytes, rows padded by 4
constexpr int kStageBytesA = 4224;
constexpr int kLineA = 132;  // elements from one row to the next
constexpr int kOffsetB = 12672;  // b in shared memory: 8 x 128 elements of 4 bytes
constexpr int kStageBytesB = 4096;
constexpr int kLineB = 128;  // elements from one row to the next
constexpr int kThreadRows = 8;  // rows that a thread holds, in groups of 4
constexpr int kColumnGroups = 2;  // groups of 4 columns that a thread holds
constexpr int kRowStep = 64;  // rows from one group to the next
constexpr int kColumnStep = 64;  // columns from one group to the next
constexpr int kDepth = 8;  // of one slot along k

extern "C" __global__ void __launch_bounds__(kThreads)
simt_bias_relu(const float* x, const float* weights, const float* bias, float* __restrict__ y, i64 m, i64 n, i64 k,
               i64 x_row, i64 x_column) {
  const int thread_row = threadIdx.x / 16 * 4;
  const int thread_column = threadIdx.x % 16 * 4;
  grid_release_next();
  grid_wait_previous();
  const i64 offset = k * 16;
  const i64 program = blockIdx.x;
  const i64 count = divide_small(m + 127, 128);
  const i64 count2 = divide_small(program, count);
  const i64 row = (program - count2 * count) * 128;
  const i64 column = count2 * 128;
  const i64 rows_left = m - row;
  const i64 columns_left = n - column;
  const i64 a_base = row * x_row;
  const i64 b_base = divide_small(column, 16) * offset;
  const i64 offset2 = divide_small(columns_left + 15, 16) * 16;
  u8* const smem = dynamic_shared();
  int fill = 0;  // slot to fill next
  int take = 0;  // slot to read next

  // Fill the ring but for one slot.
  for (i64 ahead = 0; ahead < 2; ++ahead) {
    const i64 offset3 = ahead * 8;
    const i64 rest = k - offset3;
    float* const to_a = reinterpret_cast<float*>(smem + kOffsetA + fill * kStageBytesA);
#pragma unroll
    for (int e = threadIdx.x; e < 1024; e += kThreads) {
      const int i = e % 8, j = e / 8;
      copy_async_4(to_a + i * kLineA + j, x + a_base + offset3 + i + j * x_row, i < rest && j < rows_left);
    }
    float* const to_b = reinterpret_cast<float*>(smem + kOffsetB + fill * kStageBytesB);
#pragma unroll
    for (int e = threadIdx.x; e < 256; e += kThreads) {
      const int i = e / 32, j = e % 32 * 4;
      copy_async_4x4(to_b + i * kLineB + j, weights + b_base + offset3 * 16 + i * 16 + j / 16 * offset + j % 16, i < rest ? offset2 - j : 0);
    }
    copy_async_commit();
    fill = fill + 1 == kStages ? 0 : fill + 1;
  }

  // Multiply slice by slice; the slot that the last slice left is filled meanwhile.
  float acc[kThreadRows][kColumnGroups][4];
#pragma unroll
  for (int i = 0; i < kThreadRows; ++i) {
#pragma unroll
    for (int g = 0; g < kColumnGroups; ++g) {
#pragma unroll
      for (int j = 0; j < 4; ++j)
        acc[i][g][j] = 0.0f;
    }
  }
  for (i64 step = 0; step < divide_small(k + 7, 8); ++step) {
    copy_async_wait<1>();
    block_sync();
    const i64 offset4 = (step + 2) * 8;
    const i64 rest2 = k - offset4;
    float* const to_a2 = reinterpret_cast<float*>(smem + kOffsetA + fill * kStageBytesA);
#pragma unroll
    for (int e = threadIdx.x; e < 1024; e += kThreads) {
      const int i = e % 8, j = e / 8;
      copy_async_4(to_a2 + i * kLineA + j, x + a_base + offset4 + i + j * x_row, i < rest2 && j < rows_left);
    }
    float* const to_b2 = reinterpret_cast<float*>(smem + kOffsetB + fill * kStageBytesB);
#pragma unroll
    for (int e = threadIdx.x; e < 256; e += kThreads) {
      const int i = e / 32, j = e % 32 * 4;
      copy_async_4x4(to_b2 + i * kLineB + j, weights + b_base + offset4 * 16 + i * 16 + j / 16 * offset + j % 16, i < rest2 ? offset2 - j : 0);
    }
    copy_async_commit();
    fill = fill + 1 == kStages ? 0 : fill + 1;
    const float* const from_a = reinterpret_cast<const float*>(smem + kOffsetA + take * kStageBytesA) + thread_row;
    const float* const from_b = reinterpret_cast<const float*>(smem + kOffsetB + take * kStageBytesB) + thread_column;
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      float row[kThreadRows], column[kColumnGroups][4];
#pragma unroll
      for (int i = 0; i < kThreadRows; i += 4)
        shared_load_x4(row + i, from_a + k * kLineA + i / 4 * kRowStep);
#pragma unroll
      for (int g = 0; g < kColumnGroups; ++g)
        shared_load_x4(column[g], from_b + k * kLineB + g * kColumnStep);
#pragma unroll
      for (int i = 0; i < kThreadRows; ++i) {
#pragma unroll
        for (int g = 0; g < kColumnGroups; ++g) {
#pragma unroll
          for (int j = 0; j < 4; ++j)
            acc[i][g][j] += row[i] * column[g][j];
        }
      }
    }
    take = take + 1 == kStages ? 0 : take + 1;
  }
  copy_async_wait<0>();
  block_sync();

  // Read bias.

  // Epilogue and store.
#pragma unroll
  for (int i = 0; i < kThreadRows; ++i) {
#pragma unroll
    for (int g = 0; g < kColumnGroups; ++g) {
      float run[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float bias_value = load_where(bias + column + thread_column + g * kColumnStep + j, thread_column + g * kColumnStep + j < n - column);
        run[j] = max_nan(acc[i][g][j] + bias_value, 0.0f);
      }
      if (thread_row + i / 4 * kRowStep + i % 4 < rows_left)
        store_contiguous(y + row * n + column + i64(thread_row + i / 4 * kRowStep + i % 4) * n + thread_column + g * kColumnStep, run, columns_left - (thread_column + g * kColumnStep));
    }
  }
}
