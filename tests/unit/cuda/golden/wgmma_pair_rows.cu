// jinx 0.1 | wgmma_pair_rows | sm_90a
// from: /mlp/gate, /mlp/up
// grid = min((a0 - 1) floordiv 8 + ((a0 - 1) floordiv 8)*((a1 - 1) floordiv 64) + (a1 - 1) floordiv 64 + 1, 132); block = kThreads; dynamic shared memory = 210112 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kConsumers = 1;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 1;  // blocks of a cluster
constexpr int kStages = 12;  // slots of the ring
constexpr int kOffsetA = 0;  // a in shared memory: 128 x 64 elements of 2 bytes
constexpr int kStageBytesA = 16384;
constexpr int kOffsetB = 196608;  // b in shared memory: 8 x 64 elements of 2 bytes
constexpr int kStageBytesB = 1024;
constexpr int kOffsetBarriers = 208896;  // two for each slot: filled, free
constexpr int kBlocks = 2;  // products of 64 rows that a warpgroup holds
constexpr int kAccumulators = 4;  // of a thread for one of them
constexpr int kOctets = 1;  // groups of 8 columns
constexpr int kSteps = 4;  // products along k in one slot; a step is 32 bytes, 2 in descriptor units
constexpr int kBlocksOfHalf = 1;  // products of 64 rows that a warpgroup holds

extern "C" __global__ void __launch_bounds__(kThreads)
wgmma_pair_rows(const bf16* x, const bf16* w, bf16* __restrict__ d, i64 m, i64 n, i64 k,
                const __grid_constant__ TensorMap map_w, const __grid_constant__ TensorMap map_x) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
  const i64 steps = (k + 63) / 64;
  const i64 tiles_m = divide_small(n + 63, 64);
  const i64 tiles = tiles_m * divide_small(m + 7, 8);
  const i64 program = blockIdx.x;
  const i64 tile_stride = gridDim.x;
  const u32 smem = smem_address(align_1024(dynamic_shared()));
  const u32 full = smem + kOffsetBarriers;  // bytes of a slot have landed
  const u32 empty = full + kStages * 8;  // every consumer of the cluster is done with it
  const int warpgroup = warp_uniform(threadIdx.x / 128);

  // Barriers, visible to the whole cluster and to the copy engine before anyone uses them.
  if (threadIdx.x == 0) {
    tma_prefetch_map(&map_w);
    tma_prefetch_map(&map_x);
    for (int s = 0; s < kStages; ++s) {
      mbar_init(full + s * 8, 2);  // who fetches a, who fetches b
      mbar_init(empty + s * 8, kConsumers * kCluster);
      mbar_guard(empty + s * 8, smem + kOffsetA + s * kStageBytesA, kStageBytesA);
      mbar_guard(empty + s * 8, smem + kOffsetB + s * kStageBytesB, kStageBytesB);
    }
    mbar_init_fence();
  }
  block_sync();

  if (warpgroup == 0) {
    // Producer: one thread fetches weights, which are there before the launch in front has ended, another one activations.
    const int fetcher = warp_uniform(threadIdx.x / 32);
    if (fetcher == 0 && elect_one()) {
      grid_wait_previous();
      Ring fill{0, 0};
      for (i64 tile = program; tile < tiles; tile += tile_stride) {
        const i64 offset = tiles_m * 64;
        const i64 band = divide_small(tile, offset);
        const i64 within = tile - band * offset;
        const i64 width = least<i64>(divide_small(m + 7, 8) - band * 64, 64);
        const i64 advanced = divide_small(within, width);
        const i64 column = (band * 64 + within - advanced * width) * 8;
        for (i64 step = 0; step < steps; ++step) {
          mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);
          mbar_arrive_expect_bytes(full + fill.slot * 8, kStageBytesB);
          tma_load_2d(smem + kOffsetB + fill.slot * kStageBytesB, &map_x, full + fill.slot * 8, int(step * 64), int(column));
          ring_advance(fill, kStages);
        }
      }
      grid_release_next();  // its start fits beside what this block still does
    }
    if (fetcher == 1 && elect_one()) {
      Ring fill{0, 0};
      for (i64 tile2 = program; tile2 < tiles; tile2 += tile_stride) {
        const i64 offset2 = tiles_m * 64;
        const i64 band2 = divide_small(tile2, offset2);
        const i64 within2 = tile2 - band2 * offset2;
        const i64 width2 = least<i64>(divide_small(m + 7, 8) - band2 * 64, 64);
        const i64 advanced2 = divide_small(within2, width2);
        const i64 crossed = band2 * 64 + within2 - advanced2 * width2;
        const i64 row = advanced2 * 64;
        for (i64 step2 = 0; step2 < steps; ++step2) {
          mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);
          mbar_arrive_expect_bytes(full + fill.slot * 8, kStageBytesA);
          tma_load_3d_constant(smem + kOffsetA + fill.slot * kStageBytesA, &map_w, full + fill.slot * 8, int(step2 * 64), int(row), int(0));
          ring_advance(fill, kStages);
        }
      }
    }
  } else {
    // Consumers: multiply, then the epilogue of the same tile.
    grid_wait_previous();
    const int consumer = warpgroup - 1;
    const int thread = threadIdx.x % 128;
    Ring take{0, 0};
    int held = -1;  // slot whose product may still run
    const i64 first_row = consumer * 64;
    for (i64 tile3 = program; tile3 < tiles; tile3 += tile_stride) {
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
      for (i64 step3 = 0; step3 < steps; ++step3) {
        mbar_wait(full + take.slot * 8, take.parity);
        const u64 desc_a = wgmma_descriptor_128b(smem + kOffsetA + take.slot * kStageBytesA + u32(first_row) * 128);
        const u64 desc_b = wgmma_descriptor_128b(smem + kOffsetB + take.slot * kStageBytesB);
        wgmma_fence();
#pragma unroll
        for (int kk = 0; kk < kSteps; ++kk) {
#pragma unroll
          for (int block = 0; block < kBlocks; ++block)
            wgmma_m64n8k16_bf16(acc[block], desc_a + block * (64 * 128 / 16) + 2 * kk, desc_b + 2 * kk, 1);
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
      const i64 offset3 = tiles_m * 64;
      const i64 band3 = divide_small(tile3, offset3);
      const i64 within3 = tile3 - band3 * offset3;
      const i64 width3 = least<i64>(divide_small(m + 7, 8) - band3 * 64, 64);
      const i64 advanced3 = divide_small(within3, width3);
      const i64 crossed2 = band3 * 64 + within3 - advanced3 * width3;
      const i64 column2 = crossed2 * 8;
      const i64 my_row = advanced3 * 64 + first_row;
      float first_sums[kBlocksOfHalf][kAccumulators], second_sums[kBlocksOfHalf][kAccumulators];
#pragma unroll
      for (int block = 0; block < kBlocksOfHalf; ++block) {
#pragma unroll
        for (int i = 0; i < kAccumulators; ++i) {
          first_sums[block][i] = acc[block][i];
          second_sums[block][i] = acc[kBlocksOfHalf + block][i];
        }
      }
#pragma unroll
      for (int block = 0; block < kBlocksOfHalf; ++block) {
#pragma unroll
        for (int j = 0; j < kOctets; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            bf16 run[2];
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              const float maximum_ = max_nan(first_sums[block][4 * j + 2 * h + e], 0.0f);
              const bf16 as_bf16 = to_bf16(maximum_ * second_sums[block][4 * j + 2 * h + e]);
              run[e] = as_bf16;
            }
            if (fragment_row + block * 64 + h * 8 < n - my_row)
              store_strided(d + column2 * n + my_row + fragment_row + block * 64 + h * 8 + i64(fragment_column) * n, n, run, m - column2 - (fragment_column));
          }
        }
      }
    }
  }
}
