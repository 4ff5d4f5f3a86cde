// jinx 0.1 | rows | sm_90a
// grid = 132 in clusters of 2; block = kThreads; dynamic shared memory = 230464 bytes
constexpr int kThreads = 384;  // of a block
constexpr int kClusterM = 1;  // blocks of a cluster stacked along m
constexpr int kClusterN = 2;  // blocks of a cluster side by side along n
constexpr int kConsumers = 2;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 2;  // blocks of a cluster
constexpr int kStages = 4;  // slots of the ring
constexpr int kOffsetA = 0;  // a in shared memory: 128 x 64 elements of 2 bytes
constexpr int kStageBytesA = 16384;
constexpr int kSliceA = 64;  // rows that this block fetches for the cluster
constexpr int kOffsetB = 65536;  // b in shared memory: 256 x 64 elements of 2 bytes
constexpr int kStageBytesB = 32768;
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
rows(const bf16* x0, const bf16* x1, const i32* x2, const bf16* x3, bf16* __restrict__ y,
     const __grid_constant__ TensorMap map_x0, const __grid_constant__ TensorMap map_x1,
     const __grid_constant__ TensorMap map_x3, const __grid_constant__ TensorMap map_y) {
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
    tma_prefetch_map(&map_x3);
    tma_prefetch_map(&map_y);
    for (int s = 0; s < kStages; ++s) {
      mbar_init(full + s * 8, 1);
      mbar_init(empty + s * 8, kConsumers * kCluster);
      mbar_guard(empty + s * 8, smem + kOffsetA + s * kStageBytesA + rank_n * (kSliceA * 128), kSliceA * 128);
      mbar_guard(empty + s * 8, smem + kOffsetB + s * kStageBytesB, kStageBytesB);
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

      // Group after group: where one ends is data; `next_tile` counts from the group's first tile.
      i64 group_begin = 0;
      i64 next_tile = first_tile;
      for (i64 group = 0; group < 9; ++group) {
        const i32 x2_value = load_where(x2 + group, 8 - group > 0);
        const i64 count = greatest<i64>(static_cast<i64>(x2_value), group_begin);
        const i64 group_end = group < 8 ? least<i64>(count, 8192) : 8192;
        const bool multiplies = group < 8;
        const i64 tiles_m = divide_small(group_end - group_begin + 127, 128);
        const i64 tiles = tiles_m * 56;
        i64 tile_behind = next_tile;
        for (i64 tile = next_tile; tile < tiles; tile += tile_stride) {
          const i64 within = tile - divide_small(tile, 448) * 448;
          const i64 width = least<i64>(tiles_m - divide_small(tile, 448) * 8, 8);
          const i64 advanced = divide_small(within, width);
          const i64 crossed = divide_small(tile, 448) * 8 + within - advanced * width;
          const i64 column = (advanced * 2 + rank_n) * 128;
          const i64 token_row = group_begin + crossed * 128;
          for (i64 step = 0; step < (multiplies ? 64 : 0); ++step) {
            mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);
            mbar_arrive_expect_bytes(full + fill.slot * 8, kStageBytesA + kStageBytesB);
            tma_load_2d_multicast(smem + kOffsetA + fill.slot * kStageBytesA + rank_n * (kSliceA * 128), &map_x0,
                full + fill.slot * 8, int(step * 64), int(token_row) + rank_n * kSliceA, static_cast<u16>(3u << rank_m));
            const i64 step2 = step * 64;
            tma_load_3d(smem + kOffsetB + fill.slot * kStageBytesB, &map_x1, full + fill.slot * 8, int(step2), int(column), int(group));
            tma_load_3d(smem + kOffsetB + fill.slot * kStageBytesB + 128 * 128, &map_x3, full + fill.slot * 8, int(step2), int(column), int(group));
            ring_advance(fill, kStages);
          }
          tile_behind = tile + tile_stride;
        }
        const auto next = group_end;
        const auto next2 = tile_behind - tiles;
        group_begin = next;
        next_tile = next2;
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
    i64 group_begin2 = 0;
    i64 next_tile2 = first_tile;
    for (i64 group2 = 0; group2 < 9; ++group2) {
      const i32 x2_value2 = load_where(x2 + group2, 8 - group2 > 0);
      const i64 count2 = greatest<i64>(static_cast<i64>(x2_value2), group_begin2);
      const i64 group_end2 = group2 < 8 ? least<i64>(count2, 8192) : 8192;
      const bool multiplies2 = group2 < 8;
      const i64 tiles_m2 = divide_small(group_end2 - group_begin2 + 127, 128);
      const i64 tiles2 = tiles_m2 * 56;
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
        for (i64 step3 = 0; step3 < (multiplies2 ? 64 : 0); ++step3) {
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
        const i64 band = divide_small(tile2, 448);
        const i64 within2 = tile2 - band * 448;
        const i64 width2 = least<i64>(tiles_m2 - band * 8, 8);
        const i64 advanced2 = divide_small(within2, width2);
        const i64 row = (band * 8 + within2 - advanced2 * width2) * 128;
        const i64 column2 = (advanced2 * 2 + rank_n) * 128;
        const i64 my_row = group_begin2 + row + first_row;
        float first_sums[kBlocks][kAccumulatorsOfSlice], second_sums[kBlocks][kAccumulatorsOfSlice];
#pragma unroll
        for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
          for (int i = 0; i < kAccumulatorsOfSlice; ++i) {
            first_sums[block][i] = acc[block][i];
            second_sums[block][i] = acc[block][kAccumulatorsOfSlice + i];
          }
        }
        bf16 as_bf16[kBlocks][kAccumulatorsOfSlice];
#pragma unroll
        for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
          for (int j = 0; j < kOctetsOfSlice; ++j) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
#pragma unroll
              for (int e = 0; e < 2; ++e) {
                const float exp_ = exp_approx(-first_sums[block][4 * j + 2 * h + e]);
                const float product = reciprocal_approx(1.0f + exp_) * second_sums[block][4 * j + 2 * h + e];
                as_bf16[block][4 * j + 2 * h + e] = to_bf16(product);
              }
            }
          }
        }
        if (my_row + 64 <= group_end2) {
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
                    bf16 pair[2];
#pragma unroll
                    for (int e = 0; e < 2; ++e)
                      pair[e] = as_bf16[block][4 * j + 2 * h + e];
                    packed[2 * half + h] = pack_x2(pair[0], pair[1]);
                  }
                }
                // Swizzle: the 16-byte chunk is XORed with the 128-byte line that the row lies in.
                const u32 chunk = (2 * c + lane / 16) ^ (lane % 16 * kStoreColumns / 64 % (kStoreColumns / 8));
                stmatrix_x4(buffer + lane % 16 * (kStoreColumns * 2) + chunk * 16, packed[0], packed[1], packed[2], packed[3]);
              }
              fence_proxy_async();
              warp_sync();
              if (issuer) {
                tma_store_2d(&map_y, buffer, int(column2) + patch * kStoreColumns, int(my_row) + block * 64 + warp * kStoreRows);
                tma_store_commit();
              }
            }
          }
        } else {
          // The last rows of a group.
#pragma unroll
          for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
            for (int j = 0; j < kOctetsOfSlice; ++j) {
#pragma unroll
              for (int h = 0; h < 2; ++h) {
                bf16 run[2];
#pragma unroll
                for (int e = 0; e < 2; ++e)
                  run[e] = as_bf16[block][4 * j + 2 * h + e];
                if (fragment_row + block * 64 + h * 8 < group_end2 - my_row)
                  store_contiguous(y + my_row * 14336 + column2 + i64(fragment_row + block * 64 + h * 8) * 14336 + fragment_column + j * 8, run, 14336 - column2 - (fragment_column + j * 8));
              }
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
    if (issuer) tma_store_wait_read<0>();  // shared memory outlives its last reader
  }
}
