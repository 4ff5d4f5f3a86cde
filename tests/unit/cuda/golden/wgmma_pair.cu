// jinx 0.1 | wgmma_pair | sm_90a
// from: /mlp/gate, /mlp/up
// grid = 2*min((a0 - 1) floordiv 256 + ((a0 - 1) floordiv 256)*((a1 - 1) floordiv 128) + (a1 - 1) floordiv 128 + 1, 66) in clusters of 2; block = kThreads; dynamic shared memory = 230464 bytes
constexpr int kThreads = 384;  // of a block
constexpr int kClusterM = 2;  // blocks of a cluster stacked along m
constexpr int kClusterN = 1;  // blocks of a cluster side by side along n
constexpr int kConsumers = 2;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 2;  // blocks of a cluster
constexpr int kStages = 4;  // slots of the ring
constexpr int kOffsetA = 0;  // a in shared memory: 128 x 64 elements of 2 bytes
constexpr int kStageBytesA = 16384;
constexpr int kOffsetB = 65536;  // b in shared memory: 256 x 64 elements of 2 bytes
constexpr int kStageBytesB = 32768;
constexpr int kSliceB = 128;  // rows that this block fetches for the cluster
constexpr int kOffsetBarriers = 229376;  // two for each slot: filled, free
constexpr int kOffsetStore = 196608;  // staging of stores: two buffers a warp
constexpr int kStoreColumns = 64;  // of a store: one swizzle span
constexpr int kStoreRows = 16;  // of a store: what one warp owns of a product
constexpr int kStoreBytes = 2048;
constexpr int kBlocks = 1;  // products of 64 rows that a warpgroup holds
constexpr int kAccumulators = 128;  // of a thread for one of them
constexpr int kOctets = 32;  // groups of 8 columns
constexpr int kSteps = 4;  // products along k in one slot; a step is 32 bytes, 2 in descriptor units
constexpr int kAccumulatorsOfSlice = 64;  // of a thread for one of them
constexpr int kOctetsOfSlice = 16;  // groups of 8 columns

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(kThreads, 1)
wgmma_pair(const bf16* x, const bf16* w, bf16* __restrict__ d, i64 m, i64 n, i64 k,
           const __grid_constant__ TensorMap map_x, const __grid_constant__ TensorMap map_w,
           const __grid_constant__ TensorMap map_d) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
  const i64 steps = (k + 63) / 64;
  const i64 tiles_m = divide_small(m + 255, 256);
  const i64 tiles_n = divide_small(n + 127, 128);
  const i64 tiles = tiles_m * tiles_n;
  const i64 program = blockIdx.x;
  const i64 programs = gridDim.x;
  const i64 first_tile = divide_small(program, 2);
  const i64 tile_stride = divide_small(programs, 2);
  const u32 smem = smem_address(align_1024(dynamic_shared()));
  const u32 full = smem + kOffsetBarriers;  // bytes of a slot have landed
  const u32 empty = full + kStages * 8;  // every consumer of the cluster is done with it
  const int warpgroup = warp_uniform(threadIdx.x / 128);

  // Barriers, visible to the whole cluster and to the copy engine before anyone uses them.
  const int rank = cluster_rank();
  const int rank_m = rank % kClusterM;
  const int rank_n = rank / kClusterM;
  if (threadIdx.x == 0) {
    tma_prefetch_map(&map_x);
    tma_prefetch_map(&map_w);
    tma_prefetch_map(&map_d);
    for (int s = 0; s < kStages; ++s) {
      mbar_init(full + s * 8, 1);
      mbar_init(empty + s * 8, kConsumers * kCluster);
      mbar_guard(empty + s * 8, smem + kOffsetA + s * kStageBytesA, kStageBytesA);
      mbar_guard(empty + s * 8, smem + kOffsetB + s * kStageBytesB + rank_m * (kSliceB * 128), kSliceB * 128);
    }
    mbar_init_fence();
  }
  cluster_arrive_relaxed();
  cluster_wait();
  grid_wait_previous();

  if (warpgroup == 0) {
    // Producer: one thread keeps the ring full.
    registers_shrink<40>();
    if (warp_uniform(threadIdx.x / 32) == 0 && elect_one()) {
      Ring fill{0, 0};
      for (i64 tile = first_tile; tile < tiles; tile += tile_stride) {
        const i64 offset = tiles_n * 8;
        const i64 band = divide_small(tile, offset);
        const i64 within = tile - band * offset;
        const i64 width = least<i64>(tiles_m - band * 8, 8);
        const i64 advanced = divide_small(within, width);
        const i64 offset2 = (band * 8 + within - advanced * width) * 2;
        const i64 row = (offset2 + rank_m) * 128;
        const i64 column = advanced * 128;
        for (i64 step = 0; step < steps; ++step) {
          mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);
          mbar_arrive_expect_bytes(full + fill.slot * 8, kStageBytesA + kStageBytesB);
          tma_load_2d(smem + kOffsetA + fill.slot * kStageBytesA, &map_x, full + fill.slot * 8, int(step * 64), int(row));
          tma_load_3d_multicast(smem + kOffsetB + fill.slot * kStageBytesB + rank_m * (kSliceB * 128), &map_w,
              full + fill.slot * 8, int(step * 64), int(column), int(0) + rank_m, static_cast<u16>(((1u << kClusterM) - 1u) << (rank_n * kClusterM)));
          ring_advance(fill, kStages);
        }
      }
      // This block's barriers stay until every consumer of the cluster has made its last arrival on them.
      for (int s = 0; s < kStages; ++s) {
        mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);
        ring_advance(fill, kStages);
      }
      grid_release_next();  // its start fits beside what this block still does
    }
  } else {
    // Consumers: multiply, then the epilogue of the same tile.
    registers_grow<232>();
    const int consumer = warpgroup - 1;
    const int thread = threadIdx.x % 128;
    const int warp = warp_uniform(thread / 32);
    const int lane = thread % 32;
    const bool issuer = elect_one();  // the lane that issues this warp's stores
    const u32 store = smem + kOffsetStore + (consumer * 4 + warp) * (2 * kStoreBytes);
    u32 buffer = store;
    Ring take{0, 0};
    int held = -1;  // slot whose product may still run
    const i64 first_row = consumer * 64;
    for (i64 tile2 = first_tile; tile2 < tiles; tile2 += tile_stride) {
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
      for (i64 step2 = 0; step2 < steps; ++step2) {
        mbar_wait(full + take.slot * 8, take.parity);
        const u64 desc_a = wgmma_descriptor_128b(smem + kOffsetA + take.slot * kStageBytesA + u32(first_row) * 128);
        const u64 desc_b = wgmma_descriptor_128b(smem + kOffsetB + take.slot * kStageBytesB);
        wgmma_fence();
#pragma unroll
        for (int kk = 0; kk < kSteps; ++kk) {
#pragma unroll
          for (int block = 0; block < kBlocks; ++block)
            wgmma_m64n256k16_bf16(acc[block], desc_a + block * (64 * 128 / 16) + 2 * kk, desc_b + 2 * kk, 1);
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
      const i64 offset3 = tiles_n * 8;
      const i64 band2 = divide_small(tile2, offset3);
      const i64 within2 = tile2 - band2 * offset3;
      const i64 width2 = least<i64>(tiles_m - band2 * 8, 8);
      const i64 advanced2 = divide_small(within2, width2);
      const i64 offset4 = (band2 * 8 + within2 - advanced2 * width2) * 2;
      float first_sums[kBlocks][kAccumulatorsOfSlice], second_sums[kBlocks][kAccumulatorsOfSlice];
#pragma unroll
      for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
        for (int i = 0; i < kAccumulatorsOfSlice; ++i) {
          first_sums[block][i] = acc[block][i];
          second_sums[block][i] = acc[block][kAccumulatorsOfSlice + i];
        }
      }

      // Epilogue, then patches of a warp's rows through swizzled shared memory.
#pragma unroll
      for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
        for (int patch = 0; patch < 2; ++patch) {
          buffer = store + ((buffer - store) ^ kStoreBytes);  // the two buffers in turn
          if (issuer) tma_store_wait_read<1>();  // the store before last has left this buffer
          warp_sync();
#pragma unroll
          for (int c = 0; c < kStoreColumns / 16; ++c) {
            u32 packed[4];
#pragma unroll
            for (int half = 0; half < 2; ++half) {
              const int j = patch * (kStoreColumns / 8) + c * 2 + half;
#pragma unroll
              for (int h = 0; h < 2; ++h) {
                float pair[2];
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                  const float maximum_ = max_nan(first_sums[block][4 * j + 2 * h + e], 0.0f);
                  pair[e] = maximum_ * second_sums[block][4 * j + 2 * h + e];
                }
                packed[2 * half + h] = pack_bf16x2(pair[0], pair[1]);
              }
            }
            // Swizzle: the 16-byte chunk is XORed with the 128-byte line that the row lies in.
            const u32 chunk = (2 * c + lane / 16) ^ (lane % 16 * kStoreColumns / 64 % (kStoreColumns / 8));
            stmatrix_x4(buffer + lane % 16 * (kStoreColumns * 2) + chunk * 16, packed[0], packed[1], packed[2], packed[3]);
          }
          fence_proxy_async();
          warp_sync();
          if (issuer) {
            tma_store_2d(&map_d, buffer, int(advanced2 * 128) + patch * kStoreColumns, int((offset4 + rank_m) * 128 + first_row) + block * 64 + warp * kStoreRows);
            tma_store_commit();
          }
        }
      }
    }
    if (issuer) tma_store_wait_read<0>();  // shared memory outlives its last reader
  }
}
