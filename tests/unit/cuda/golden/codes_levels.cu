// jinx 0.1 | codes | sm_90a
// from: /mlp/MatMul
// grid = 128*((a0 - 1) floordiv 8) + 128 in clusters of 2; block = kThreads; dynamic shared memory = 67600 bytes
constexpr int kThreads = 512;  // of a block
constexpr int kSplits = 2;  // blocks of a cluster, each with its part of k
constexpr int kRows = 8;  // of a block's tile
constexpr int kWarpsK = 16;  // warps that share a tile, each with every such chunk of 64 k
constexpr int kBlocks = 4;  // of 16 columns that a warp multiplies
constexpr int kOctets = 1;  // of rows
constexpr int kOffsetParts = 32768;  // sums that warps leave, in shared memory
constexpr int kLineParts = 68;  // of those, in floats: neighbouring rows begin in different banks
constexpr int kOffsetPartBarriers = 67584;  // parts are there, parts were read
constexpr int kGroup = 32;  // of k with one scale
constexpr int kSections = 2;  // of a chunk, each with one scale
constexpr int kSteps = 2;  // of 16 k in a section
constexpr int kAhead = 1;  // chunks of codes that a warp has fetched or fetches
constexpr int kRuns = 1;  // of 4 neighbours of a row that a thread has
constexpr int kRowStep = 64;  // rows from one run to the next

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(kThreads, 1)
codes(const bf16* a, const i8* codes, const bf16* scales, const bf16* offsets, const float* bias,
      bf16* __restrict__ c, i64 m) {
  const int rank_k = cluster_rank();
  const int lane = threadIdx.x % 32;
  const int warp = warp_uniform(threadIdx.x / 32);
  const int warp_k = warp % kWarpsK;
  const int warp_n = 0;
  const int run_row = threadIdx.x / 8;
  const int run_column = threadIdx.x % 8 * 4;
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;
  const i64 count = program / 2;
  const i64 along = divide_small(count, divide_small(m + 7, 8));
  const i64 row = (count - along * divide_small(m + 7, 8)) * 8;
  const i64 column = along * 64;
  const i64 from = rank_k * 112;
  const i64 count2 = divide_small(column, 16);
  u8* const smem = dynamic_shared();
  const u32 parts_there = smem_address(smem + kOffsetPartBarriers), parts_read = parts_there + 8;
  if (threadIdx.x == 0) {
    mbar_init(parts_there, kSplits);
    mbar_init(parts_read, kSplits);
    mbar_init_fence();
  }
  cluster_arrive_relaxed();
  cluster_wait();
  // What pairs of codes stand for.
  const u32 level_bytes[8] = {0xCA063280, 0x00BA3D92, 0xAD7C25A3, 0x803910E2, 0xBEBFBFBF, 0x00BDBEBE, 0x3E3E3E3D, 0x3F3F3F3E};
  fill_pairs<kThreads>(smem, level_bytes);
  block_sync();
  // Chunks of 64 k: what a lane multiplies is loaded as registers come free.
  const bf16* rows_at[kOctets];
#pragma unroll
  for (int j = 0; j < kOctets; ++j)
    rows_at[j] = a + row * 14336 + least<i64>(j * 8 + lane / 4, least<i64>(m - row, 8) - 1) * 14336 + lane % 4 * 8;
  const i8* const codes_at = codes + divide_small(count2, 4) * 458752 + lane * 16;
  const bf16* const scales_at = scales + count2 * 7168 + lane % 8 * 2;
  u32 held_rows[2][kOctets][4], held_codes[kAhead][kBlocks][4];
  Pack<4, bf16> held_scales[kAhead][kSections];
  const auto fetch = [&](int ahead, int chunk) {
#pragma unroll
    for (int i = 0; i < kBlocks; ++i)
      load_words_once(held_codes[ahead][i], codes_at + (warp_n * kBlocks + i) * 512 + chunk * 2048);
#pragma unroll
    for (int g = 0; g < kSections; ++g)
      held_scales[ahead][g] = load_two(scales_at + (warp_n * kBlocks + lane / 8) * 7168 + (chunk * 64 + g * 32) / kGroup * 16);
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
  const int first_chunk = static_cast<int>(from) + warp_k;
#pragma unroll
  for (int ahead = 0; ahead < kAhead; ++ahead)
    if (first_chunk + ahead * kWarpsK < least<i64>(from + 112, 224)) fetch(ahead, first_chunk + ahead * kWarpsK);
  if (first_chunk < least<i64>(from + 112, 224)) fetch_rows(first_chunk);
  const u32 bank = lane * 4;
#pragma unroll 1
  for (int round = first_chunk; round < least<i64>(from + 112, 224); round += kAhead * kWarpsK) {
#pragma unroll
    for (int ahead = 0; ahead < kAhead; ++ahead) {
      const int chunk = round + ahead * kWarpsK;
      if (kAhead > 1 && chunk >= least<i64>(from + 112, 224)) break;
#pragma unroll
      for (int i = 0; i < kBlocks; ++i) {
#pragma unroll
        for (int g = 0; g < kSections; ++g) {
          float part[kOctets][4] = {};
#pragma unroll
          for (int s = g * kSteps; s < (g + 1) * kSteps; ++s) {
            u32 weights[4];
            weights_pairs(weights, held_codes[ahead][i][s], smem, bank);
#pragma unroll
            for (int j = 0; j < kOctets; ++j)
              mma_m16n8k16_bf16(part[j], weights, held_rows[s / 2][j] + s % 2 * 2);
          }
          const auto scale = two_of_lane(held_scales[ahead][g], i * 8 + lane / 4);
#pragma unroll
          for (int j = 0; j < kOctets; ++j)
            add_scaled<bf16>(parts[i][j], part[j], scale);
        }
      }
      if (chunk + kWarpsK < least<i64>(from + 112, 224)) fetch_rows(chunk + kWarpsK);
      if (chunk + kAhead * kWarpsK < least<i64>(from + 112, 224)) fetch(ahead, chunk + kAhead * kWarpsK);
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
  for (int run = threadIdx.x; run < kRows * 16; run += kThreads) {
    float own[4] = {};
    float* const at = left + run / 16 * kLineParts + run % 16 * 4;
#pragma unroll
    for (int w = 0; w < kWarpsK; ++w)
      shared_add_x4(own, at + w * kRows * kLineParts);
    shared_store_x4(smem_address(at), own);
  }
  block_sync();
  if (threadIdx.x < kSplits) mbar_arrive_publish(parts_there, threadIdx.x);
  mbar_wait_cluster(parts_there, 0);
  float sums[kRuns][4] = {};
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
    if (run_row < kRows) {
#pragma unroll
      for (int split = 0; split < kSplits; ++split)
        cluster_add_x4(sums[r], smem_address(left + run_row * kLineParts + rank_k * 32 + run_column), split);
    }
  }
  block_sync();
  if (threadIdx.x < kSplits) mbar_arrive_publish(parts_read, threadIdx.x);
  mbar_wait_cluster(parts_read, 0);  // shared memory outlives its last reader
  const i64 offset = rank_k * 32;
  const i64 slice_column = column + offset;

  // Read bias.

  // Epilogue and store.
#pragma unroll
  for (int r = 0; r < kRuns; ++r) {
    bf16 run[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float bias_value = load_where(bias + slice_column + run_column + e, run_column + e < 4096 - slice_column);
      run[e] = to_bf16(max_nan(sums[r][e] + bias_value, 0.0f));
    }
    if (run_row < least<i64>(m - row, 8))
      store_contiguous(c + row * 4096 + slice_column + i64(run_row) * 4096 + run_column, run, 4096 - column - offset - (run_column));
  }
}
