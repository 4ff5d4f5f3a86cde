// jinx 0.1 | rows | sm_90a
// grid = 132; block = kThreads; dynamic shared memory = 222400 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kConsumers = 1;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 1;  // blocks of a cluster
constexpr int kStages = 12;  // slots of the ring
constexpr int kOffsetA = 0;  // a in shared memory: 128 x 64 elements of 2 bytes
constexpr int kStageBytesA = 16384;
constexpr int kOffsetB = 196608;  // b in shared memory: 16 x 64 elements of 2 bytes
constexpr int kStageBytesB = 2048;
constexpr int kOffsetBarriers = 221184;  // two for each slot: filled, free
constexpr int kBlocks = 2;  // products of 64 rows that a warpgroup holds
constexpr int kAccumulators = 8;  // of a thread for one of them
constexpr int kOctets = 2;  // groups of 8 columns
constexpr int kSteps = 4;  // products along k in one slot; a step is 32 bytes, 2 in descriptor units
constexpr int kBlocksOfHalf = 1;  // products of 64 rows that a warpgroup holds

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const bf16* x0, const bf16* x1, const i32* x2, const bf16* x3, bf16* __restrict__ y,
     const __grid_constant__ TensorMap map_x1, const __grid_constant__ TensorMap map_x0,
     const __grid_constant__ TensorMap map_x3) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
  const i64 program = blockIdx.x;
  const i64 tile_stride = gridDim.x;
  const u32 smem = smem_address(align_1024(dynamic_shared()));
  const u32 full = smem + kOffsetBarriers;  // bytes of a slot have landed
  const u32 empty = full + kStages * 8;  // every consumer of the cluster is done with it
  const int warpgroup = warp_uniform(threadIdx.x / 128);

  // Barriers, visible to the whole cluster and to the copy engine before anyone uses them.
  if (threadIdx.x == 0) {
    tma_prefetch_map(&map_x1);
    tma_prefetch_map(&map_x0);
    tma_prefetch_map(&map_x3);
    for (int s = 0; s < kStages; ++s) {
      mbar_init(full + s * 8, 1);
      mbar_init(empty + s * 8, kConsumers * kCluster);
      mbar_guard(empty + s * 8, smem + kOffsetA + s * kStageBytesA, kStageBytesA);
      mbar_guard(empty + s * 8, smem + kOffsetB + s * kStageBytesB, kStageBytesB);
    }
    mbar_init_fence();
  }
  block_sync();
  grid_wait_previous();

  if (warpgroup == 0) {
    // Producer: one thread keeps the ring full.
    if (warp_uniform(threadIdx.x / 32) == 0 && elect_one()) {
      Ring fill{0, 0};

      // Group after group: where one ends is data; `next_tile` counts from the group's first tile.
      i64 group_begin = 0;
      i64 next_tile = program;
      for (i64 group = 0; group < 65; ++group) {
        const i32 x2_value = load_where(x2 + group, 64 - group > 0);
        const i64 count = greatest<i64>(static_cast<i64>(x2_value), group_begin);
        const i64 group_end = group < 64 ? least<i64>(count, 384) : 384;
        const bool multiplies = group < 64;
        const i64 tiles_n = divide_small(group_end - group_begin + 15, 16);
        const i64 tiles = tiles_n * 22;
        i64 tile_behind = next_tile;
        for (i64 tile = next_tile; tile < tiles; tile += tile_stride) {
          const i64 band = divide_small(tile, 1408);
          const i64 within = tile - band * 1408;
          const i64 width = least<i64>(tiles_n - band * 64, 64);
          const i64 advanced = divide_small(within, width);
          const i64 row = advanced * 64;
          const i64 column = (band * 64 + within - advanced * width) * 16;
          const i64 token_column = group_begin + column;
          for (i64 step = 0; step < (multiplies ? 32 : 0); ++step) {
            mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);
            mbar_arrive_expect_bytes(full + fill.slot * 8, kStageBytesA + kStageBytesB);
            const i64 step2 = step * 64;
            tma_load_3d(smem + kOffsetA + fill.slot * kStageBytesA, &map_x1, full + fill.slot * 8, int(step2), int(row), int(group));
            tma_load_3d(smem + kOffsetA + fill.slot * kStageBytesA + 64 * 128, &map_x3, full + fill.slot * 8, int(step2), int(row), int(group));
            tma_load_2d(smem + kOffsetB + fill.slot * kStageBytesB, &map_x0, full + fill.slot * 8, int(step * 64), int(token_column));
            ring_advance(fill, kStages);
          }
          tile_behind = tile + tile_stride;
        }
        const auto next = group_end;
        const auto next2 = tile_behind - tiles;
        group_begin = next;
        next_tile = next2;
      }
      grid_release_next();  // its start fits beside what this block still does
    }
  } else {
    // Consumers: multiply, then the epilogue of the same tile.
    const int consumer = warpgroup - 1;
    const int thread = threadIdx.x % 128;
    Ring take{0, 0};
    int held = -1;  // slot whose product may still run
    const i64 first_row = consumer * 64;
    i64 group_begin2 = 0;
    i64 next_tile2 = program;
    for (i64 group2 = 0; group2 < 65; ++group2) {
      const i32 x2_value2 = load_where(x2 + group2, 64 - group2 > 0);
      const i64 count2 = greatest<i64>(static_cast<i64>(x2_value2), group_begin2);
      const i64 group_end2 = group2 < 64 ? least<i64>(count2, 384) : 384;
      const bool multiplies2 = group2 < 64;
      const i64 tiles_n2 = divide_small(group_end2 - group_begin2 + 15, 16);
      const i64 tiles2 = tiles_n2 * 22;
      i64 tile_behind2 = next_tile2;
      for (i64 tile2 = next_tile2; tile2 < tiles2; tile2 += tile_stride) {
        // Multiply: one group of products stays in flight, and a slot goes back once the group after it is issued.
        float acc[kBlocks][kAccumulators];
#pragma unroll
        for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
          for (int j = 0; j < kOctets; ++j) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
#pragma unroll
              for (int e = 0; e < 2; ++e)
                acc[block][4 * j + 2 * h + e] = 0.0f;
            }
          }
        }
        for (i64 step3 = 0; step3 < (multiplies2 ? 32 : 0); ++step3) {
          mbar_wait(full + take.slot * 8, take.parity);
          const u64 desc_a = wgmma_descriptor_128b(smem + kOffsetA + take.slot * kStageBytesA + u32(first_row) * 128);
          const u64 desc_b = wgmma_descriptor_128b(smem + kOffsetB + take.slot * kStageBytesB);
          wgmma_fence();
#pragma unroll
          for (int kk = 0; kk < kSteps; ++kk) {
#pragma unroll
            for (int block = 0; block < kBlocks; ++block)
              wgmma_m64n16k16_bf16(acc[block], desc_a + block * (64 * 128 / 16) + 2 * kk, desc_b + 2 * kk, 1);
          }
          wgmma_commit();
          wgmma_wait<1>();
          if (held >= 0 && thread < kCluster) mbar_arrive_at(empty + held * 8, thread);
          held = take.slot;
          ring_advance(take, kStages);
        }
        wgmma_wait<0>();
#pragma unroll
        for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
          for (int i = 0; i < kAccumulators; ++i)
            wgmma_pin(acc[block][i]);
        }
        if (held >= 0 && thread < kCluster) mbar_arrive_at(empty + held * 8, thread);
        held = -1;
        const i64 band2 = divide_small(tile2, 1408);
        const i64 within2 = tile2 - band2 * 1408;
        const i64 width2 = least<i64>(tiles_n2 - band2 * 64, 64);
        const i64 advanced2 = divide_small(within2, width2);
        const i64 crossed = band2 * 64 + within2 - advanced2 * width2;
        const i64 token_column2 = group_begin2 + crossed * 16;
        const i64 my_row = advanced2 * 64 + first_row;
        float first_sums[kBlocksOfHalf][kAccumulators], second_sums[kBlocksOfHalf][kAccumulators];
#pragma unroll
        for (int block = 0; block < kBlocksOfHalf; ++block) {
#pragma unroll
          for (int i = 0; i < kAccumulators; ++i) {
            first_sums[block][i] = acc[block][i];
            second_sums[block][i] = acc[kBlocksOfHalf + block][i];
          }
        }

        // Epilogue and store.
#pragma unroll
        for (int block = 0; block < kBlocksOfHalf; ++block) {
#pragma unroll
          for (int j = 0; j < kOctets; ++j) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
              bf16 run[2];
#pragma unroll
              for (int e = 0; e < 2; ++e) {
                const float exp_ = exp_approx(-first_sums[block][4 * j + 2 * h + e]);
                const float product = reciprocal_approx(1.0f + exp_) * second_sums[block][4 * j + 2 * h + e];
                run[e] = to_bf16(product);
              }
              if (fragment_row + block * 64 + h * 8 < 1408 - my_row)
                store_strided(y + token_column2 * 1408 + my_row + fragment_row + block * 64 + h * 8 + i64(fragment_column + j * 8) * 1408, 1408, run, group_end2 - token_column2 - (fragment_column + j * 8));
            }
          }
        }
        tile_behind2 = tile2 + tile_stride;
      }
      const auto next3 = group_end2;
      const auto next4 = tile_behind2 - tiles2;
      group_begin2 = next3;
      next_tile2 = next4;
    }
  }
}
