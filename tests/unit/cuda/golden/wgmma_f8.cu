// jinx 0.1 | rows | sm_90a
// grid = 132 in clusters of 2; block = kThreads; dynamic shared memory = 230496 bytes
constexpr int kThreads = 384;  // of a block
constexpr int kClusterM = 2;  // blocks of a cluster stacked along m
constexpr int kClusterN = 1;  // blocks of a cluster side by side along n
constexpr int kConsumers = 2;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 2;  // blocks of a cluster
constexpr int kStages = 6;  // slots of the ring
constexpr int kOffsetA = 0;  // a in shared memory: 128 x 128 elements of 1 bytes
constexpr int kStageBytesA = 16384;
constexpr int kOffsetB = 98304;  // b in shared memory: 128 x 128 elements of 1 bytes
constexpr int kStageBytesB = 16384;
constexpr int kSliceB = 64;  // rows that this block fetches for the cluster
constexpr int kOffsetBarriers = 229376;  // two for each slot: filled, free
constexpr int kOffsetStore = 196608;  // staging of stores: two buffers a warp
constexpr int kStoreColumns = 32;  // of a store: one swizzle span
constexpr int kStoreRows = 16;  // of a store: what one warp owns of a product
constexpr int kStoreBytes = 2048;
constexpr int kAccumulators128 = 64;  // of a thread for a tile of 64 x 128
constexpr int kOctets128 = 16;  // its groups of 8 columns

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(kThreads, 1)
rows(const i8* x0, const i8* x1, float* __restrict__ y, const __grid_constant__ TensorMap map_x0,
     const __grid_constant__ TensorMap map_x1, const __grid_constant__ TensorMap map_y) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
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
    tma_prefetch_map(&map_x0);
    tma_prefetch_map(&map_x1);
    tma_prefetch_map(&map_y);
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
      for (i64 tile = first_tile; tile < 512; tile += tile_stride) {
        const i64 within = tile - divide_small(tile, 256) * 256;
        const i64 width = least<i64>(16 - divide_small(tile, 256) * 8, 8);
        const i64 advanced = divide_small(within, width);
        const i64 crossed = divide_small(tile, 256) * 8 + within - advanced * width;
        const i64 row = (crossed * 2 + rank_m) * 128;
        const i64 column = advanced * 128;
        for (i64 step = 0; step < 32; ++step) {
          mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);
          mbar_arrive_expect_bytes(full + fill.slot * 8, kStageBytesA + kStageBytesB);
          tma_load_2d(smem + kOffsetA + fill.slot * kStageBytesA, &map_x0, full + fill.slot * 8, int(step * 128), int(row));
          tma_load_2d_multicast(smem + kOffsetB + fill.slot * kStageBytesB + rank_m * (kSliceB * 128), &map_x1,
              full + fill.slot * 8, int(step * 128), int(column) + rank_m * kSliceB, static_cast<u16>(((1u << kClusterM) - 1u) << (rank_n * kClusterM)));
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
    for (i64 tile2 = first_tile; tile2 < 512; tile2 += tile_stride) {
      // Multiply: a slot's products have sums of their own, which f32 registers add up.
      float acc[kAccumulators128];
#pragma unroll
      for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 2; ++e)
            acc[4 * j + 2 * h + e] = 0.0f;
        }
      }
      for (i64 step2 = 0; step2 < 32; step2 += 2) {
        mbar_wait(full + take.slot * 8, take.parity);
        float product[kAccumulators128];
        const u64 desc_a = wgmma_descriptor_128b(smem + kOffsetA + take.slot * kStageBytesA + u32(first_row) * 128);
        const u64 desc_b = wgmma_descriptor_128b(smem + kOffsetB + take.slot * kStageBytesB);
        wgmma_fence();
        wgmma_m64n128k128_e4m3(product, desc_a, desc_b);
        wgmma_commit();
        if (held >= 0 && thread < kCluster) mbar_arrive_at(empty + held * 8, thread);
        held = take.slot;
        ring_advance(take, kStages);
        mbar_wait(full + take.slot * 8, take.parity);
        float product2[kAccumulators128];
        const u64 desc_a2 = wgmma_descriptor_128b(smem + kOffsetA + take.slot * kStageBytesA + u32(first_row) * 128);
        const u64 desc_b2 = wgmma_descriptor_128b(smem + kOffsetB + take.slot * kStageBytesB);
        wgmma_fence();
        wgmma_m64n128k128_e4m3(product2, desc_a2, desc_b2);
        wgmma_commit();
        wgmma_wait<1>();
        wgmma_pin(product);
        if (held >= 0 && thread < kCluster) mbar_arrive_at(empty + held * 8, thread);
        held = take.slot;
        ring_advance(take, kStages);
        float sum[kAccumulators128];
#pragma unroll
        for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
#pragma unroll
            for (int e = 0; e < 2; ++e)
              sum[4 * j + 2 * h + e] = acc[4 * j + 2 * h + e] + product[4 * j + 2 * h + e];
          }
        }
        wgmma_wait<0>();
        wgmma_pin(product2);
        if (held >= 0 && thread < kCluster) mbar_arrive_at(empty + held * 8, thread);
        held = -1;
#pragma unroll
        for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              const float sum2 = sum[4 * j + 2 * h + e] + product2[4 * j + 2 * h + e];
              acc[4 * j + 2 * h + e] = sum2;
            }
          }
        }
      }
      const i64 band = divide_small(tile2, 256);
      const i64 within2 = tile2 - band * 256;
      const i64 width2 = least<i64>(16 - band * 8, 8);
      const i64 advanced2 = divide_small(within2, width2);
      const i64 offset = (band * 8 + within2 - advanced2 * width2) * 2;
      const i64 column2 = advanced2 * 128;
      const i64 my_row = (offset + rank_m) * 128 + first_row;

      // Epilogue, then patches of a warp's rows through swizzled shared memory.
#pragma unroll
      for (int patch = 0; patch < 4; ++patch) {
        buffer = store + ((buffer - store) ^ kStoreBytes);  // the two buffers in turn
        if (issuer) tma_store_wait_read<1>();  // the store before last has left this buffer
        warp_sync();
#pragma unroll
        for (int c = 0; c < kStoreColumns / 8; ++c) {
          const int j = patch * (kStoreColumns / 8) + c;
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            float pair[2];
#pragma unroll
            for (int e = 0; e < 2; ++e)
              pair[e] = acc[4 * j + 2 * h + e];
            shared_store_pair(buffer + swizzled_byte(lane / 4 + h * 8, (c * 8 + lane % 4 * 2) * 4, kStoreColumns * 4), pair[0], pair[1]);
          }
        }
        fence_proxy_async();
        warp_sync();
        if (issuer) {
          tma_store_2d(&map_y, buffer, int(column2) + patch * kStoreColumns, int(my_row) + warp * kStoreRows);
          tma_store_commit();
        }
      }
    }
    if (issuer) tma_store_wait_read<0>();  // shared memory outlives its last reader
  }
}
