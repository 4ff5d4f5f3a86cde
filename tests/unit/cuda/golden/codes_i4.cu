// jinx 0.1 | codes | sm_90a
// from: /mlp/MatMul
// grid = 224*((a0 - 1) floordiv 8) + 224; block = kThreads; dynamic shared memory = 17408 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kRows = 8;  // of a block's tile
constexpr int kWarpsK = 8;  // warps that share a tile, each with every such chunk of 64 k
constexpr int kBlocks = 4;  // of 16 columns that a warp multiplies
constexpr int kOctets = 1;  // of rows
constexpr int kOffsetParts = 0;  // sums that warps leave, in shared memory
constexpr int kLineParts = 68;  // of those, in floats: neighbouring rows begin in different banks
constexpr int kGroup = 128;  // of k with one scale
constexpr int kSections = 1;  // of a chunk, each with one scale
constexpr int kSteps = 4;  // of 16 k in a section
constexpr int kAhead = 2;  // chunks of codes that a warp has fetched or fetches
constexpr u32 kLess = 0xC308C308;  // minus 136, twice
constexpr int kRuns = 1;  // of 4 neighbours of a row that a thread has
constexpr int kRowStep = 16;  // rows from one run to the next

extern "C" __global__ void __launch_bounds__(kThreads, 2)
codes(const bf16* a, const i8* codes, const bf16* scales, const bf16* offsets, const float* bias,
      bf16* __restrict__ c, i64 m) {
  const int lane = threadIdx.x % 32;
  const int warp = warp_uniform(threadIdx.x / 32);
  const int warp_k = warp % kWarpsK;
  const int warp_n = 0;
  const int run_row = threadIdx.x / 16;
  const int run_column = threadIdx.x % 16 * 4;
  const i64 program = blockIdx.x;
  const i64 along = divide_small(program, divide_small(m + 7, 8));
  const i64 row = (program - along * divide_small(m + 7, 8)) * 8;
  const i64 column = along * 64;
  const i64 count = divide_small(column, 16);
  u8* const smem = dynamic_shared();
  grid_release_next();
  // Chunks of 64 k: what a lane multiplies is loaded as registers come free.
  const bf16* rows_at[kOctets];
#pragma unroll
  for (int j = 0; j < kOctets; ++j)
    rows_at[j] = a + row * 4096 + least<i64>(j * 8 + lane / 4, least<i64>(m - row, 8) - 1) * 4096 + lane % 4 * 8;
  const i8* const codes_at = codes + divide_small(count, 4) * 131072 + lane * 16;
  const bf16* const scales_at = scales + count * 512 + lane / 4 * 2;
  u32 held_rows[2][kOctets][4], held_codes[kAhead][kBlocks][4];
  Pack<4, bf16> held_scales[kAhead][kSections][kBlocks];
  const auto fetch = [&](int ahead, int chunk) {
#pragma unroll
    for (int i = 0; i < kBlocks; ++i)
      load_words_constant(held_codes[ahead][i], codes_at + (warp_n * kBlocks + i) * 512 + chunk * 2048);
#pragma unroll
    for (int g = 0; g < kSections; ++g) {
#pragma unroll
      for (int i = 0; i < kBlocks; ++i)
        held_scales[ahead][g][i] = load_two_constant(scales_at + (warp_n * kBlocks + i) * 512 + chunk * 64 / kGroup * 16);
    }
  };
  const auto fetch_rows = [&](int chunk) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int j = 0; j < kOctets; ++j)
        load_words(held_rows[h][j], rows_at[j] + chunk * 64 + h * 32);
    }
  };
  float parts[kBlocks][kOctets][4] = {};
  const int first_chunk = warp_k;
#pragma unroll
  for (int ahead = 0; ahead < kAhead; ++ahead)
    if (first_chunk + ahead * kWarpsK < 64) fetch(ahead, first_chunk + ahead * kWarpsK);
  grid_wait_previous();
  if (first_chunk < 64) fetch_rows(first_chunk);
#pragma unroll 1
  for (int round = first_chunk; round < 64; round += kAhead * kWarpsK) {
#pragma unroll
    for (int ahead = 0; ahead < kAhead; ++ahead) {
      const int chunk = round + ahead * kWarpsK;
      if (kAhead > 1 && chunk >= 64) break;
#pragma unroll
      for (int i = 0; i < kBlocks; ++i) {
#pragma unroll
        for (int g = 0; g < kSections; ++g) {
          float part[kOctets][4] = {};
#pragma unroll
          for (int s = g * kSteps; s < (g + 1) * kSteps; ++s) {
            u32 weights[4];
            weights_i4_bf16(weights, held_codes[ahead][i][s], kLess);
#pragma unroll
            for (int j = 0; j < kOctets; ++j)
              mma_m16n8k16_bf16(part[j], weights, held_rows[s / 2][j] + s % 2 * 2);
          }
#pragma unroll
          for (int j = 0; j < kOctets; ++j)
            add_scaled<bf16>(parts[i][j], part[j], held_scales[ahead][g][i]);
        }
      }
      if (chunk + kWarpsK < 64) fetch_rows(chunk + kWarpsK);
      if (chunk + kAhead * kWarpsK < 64) fetch(ahead, chunk + kAhead * kWarpsK);
    }
  }
  // Each warp leaves its sums; a thread adds up runs of a row.
  float* const left = reinterpret_cast<float*>(smem + kOffsetParts);
#pragma unroll
  for (int i = 0; i < kBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < kOctets; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e)
        shared_store_two(left + (warp_k * kRows + j * 8 + lane % 4 * 2 + e) * kLineParts + (warp_n * kBlocks + i) * 16 + lane / 4 * 2, parts[i][j][e], parts[i][j][2 + e]);
    }
  }
  block_sync();
  float sums[kRuns][4] = {};
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
    if (run_row < kRows) {
#pragma unroll
      for (int w = 0; w < kWarpsK; ++w)
        shared_add_x4(sums[r], left + (w * kRows + run_row) * kLineParts + run_column);
    }
  }

  // Epilogue and store.
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
    bf16 run[4];
#pragma unroll
    for (int e = 0; e < 4; ++e)
      run[e] = to_bf16(sums[r][e]);
    if (run_row < least<i64>(m - row, 8))
      store_contiguous(c + row * 14336 + column + i64(run_row) * 14336 + run_column, run, 14336 - column - (run_column));
  }
}
