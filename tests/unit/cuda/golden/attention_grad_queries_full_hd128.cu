// jinx 0.1 | attention_grad_queries_full_hd128 | sm_90a
// from: /attention/Gradient
// grid = (a0) * (a1) * (((a2) + 127) floordiv 128); block = kThreads; dynamic shared memory = 214160 bytes
constexpr int kThreads = 384;  // of a block
constexpr int kConsumers = 2;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 1;  // blocks of a cluster
constexpr int kStagesQ = 1;  // slots of the ring
constexpr int kOffsetQ = 0;  // q in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesQ = 32768;
constexpr int kPanelBytesQ = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersQ = 212992;  // two for each slot: filled, free
constexpr int kStagesDy = 1;  // slots of the ring
constexpr int kOffsetDy = 32768;  // dy in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesDy = 32768;
constexpr int kPanelBytesDy = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersDy = 213008;  // two for each slot: filled, free
constexpr int kStagesK = 4;  // slots of the ring
constexpr int kOffsetK = 65536;  // k in shared memory: 64 x 128 elements of 2 bytes
constexpr int kStageBytesK = 16384;
constexpr int kPanelBytesK = 8192;  // of its 64 columns side by side
constexpr int kOffsetBarriersK = 213024;  // two for each slot: filled, free
constexpr int kStagesV = 3;  // slots of the ring
constexpr int kOffsetV = 131072;  // v in shared memory: 64 x 128 elements of 2 bytes
constexpr int kStageBytesV = 16384;
constexpr int kPanelBytesV = 8192;  // of its 64 columns side by side
constexpr int kOffsetBarriersV = 213088;  // two for each slot: filled, free
constexpr int kOffsetStore = 180224;  // staging of stores: two buffers a warp
constexpr int kStoreColumns = 64;  // of a store: one swizzle span
constexpr int kStoreRows = 16;  // of a store: what one warp owns of a product
constexpr int kStoreBytes = 2048;
constexpr float kToLog2 = 0.127517432f;
constexpr float kMinusLog2e = -1.44269502f;
constexpr float kScale = 0.0883883461f;
constexpr int kAccumulators64 = 32;  // of a thread for a tile of 64 x 64
constexpr int kOctets64 = 8;  // its groups of 8 columns
constexpr int kAccumulators128 = 64;  // of a thread for a tile of 64 x 128
constexpr int kOctets128 = 16;  // its groups of 8 columns

extern "C" __global__ void __launch_bounds__(kThreads, 1)
attention_grad_queries_full_hd128(const bf16* q, const bf16* k, const bf16* v, const bf16* dy, const float* lse,
                                  const float* delta, bf16* __restrict__ dq, i64 batch, i64 heads, i64 queries,
                                  i64 keys, const __grid_constant__ TensorMap map_q,
                                  const __grid_constant__ TensorMap map_dy, const __grid_constant__ TensorMap map_k,
                                  const __grid_constant__ TensorMap map_v, const __grid_constant__ TensorMap map_dq) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
  const i64 program = blockIdx.x;
  const i64 padded_rows = divide_small(queries + 127, 128) * 128;
  const i64 row_tiles = divide_small(queries + 127, 128);
  const i64 all_heads = batch * heads;
  const i64 count = greatest<i64>(divide_small(65536, keys), 1);
  const i64 section = least<i64>(count, all_heads);
  const i64 count2 = divide_small(program, section * row_tiles);
  const i64 first_head = count2 * section;
  const i64 width = least<i64>(section, all_heads - first_head);
  const i64 within = program - first_head * row_tiles;
  const i64 advanced = divide_small(within, width);
  const i64 batch_head = first_head + within - advanced * width;
  const i64 batch2 = divide_small(batch_head, heads);
  const i64 head = batch_head - batch2 * heads;
  const i64 row = (row_tiles - 1 - advanced) * 128;
  const i64 blocks = divide_small(keys + 63, 64);
  const i64 masked = blocks - divide_small(keys, 64);
  const u32 smem = smem_address(align_1024(dynamic_shared()));
  const u32 full_q = smem + kOffsetBarriersQ;  // bytes of a slot have landed
  const u32 empty_q = full_q + kStagesQ * 8;  // every consumer of the cluster is done with it
  const u32 full_dy = smem + kOffsetBarriersDy;  // bytes of a slot have landed
  const u32 empty_dy = full_dy + kStagesDy * 8;  // every consumer of the cluster is done with it
  const u32 full_k = smem + kOffsetBarriersK;  // bytes of a slot have landed
  const u32 empty_k = full_k + kStagesK * 8;  // every consumer of the cluster is done with it
  const u32 full_v = smem + kOffsetBarriersV;  // bytes of a slot have landed
  const u32 empty_v = full_v + kStagesV * 8;  // every consumer of the cluster is done with it
  const int warpgroup = warp_uniform(threadIdx.x / 128);

  // Barriers, visible to the whole cluster and to the copy engine before anyone uses them.
  if (threadIdx.x == 0) {
    tma_prefetch_map(&map_q);
    tma_prefetch_map(&map_dy);
    tma_prefetch_map(&map_k);
    tma_prefetch_map(&map_v);
    tma_prefetch_map(&map_dq);
    for (int s = 0; s < kStagesQ; ++s) {
      mbar_init(full_q + s * 8, 1);
      mbar_init(empty_q + s * 8, kConsumers * kCluster);
      mbar_guard(empty_q + s * 8, smem + kOffsetQ + s * kStageBytesQ, kStageBytesQ);
    }
    for (int s = 0; s < kStagesDy; ++s) {
      mbar_init(full_dy + s * 8, 1);
      mbar_init(empty_dy + s * 8, kConsumers * kCluster);
      mbar_guard(empty_dy + s * 8, smem + kOffsetDy + s * kStageBytesDy, kStageBytesDy);
    }
    for (int s = 0; s < kStagesK; ++s) {
      mbar_init(full_k + s * 8, 1);
      mbar_init(empty_k + s * 8, kConsumers * kCluster);
      mbar_guard(empty_k + s * 8, smem + kOffsetK + s * kStageBytesK, kStageBytesK);
    }
    for (int s = 0; s < kStagesV; ++s) {
      mbar_init(full_v + s * 8, 1);
      mbar_init(empty_v + s * 8, kConsumers * kCluster);
      mbar_guard(empty_v + s * 8, smem + kOffsetV + s * kStageBytesV, kStageBytesV);
    }
    mbar_init_fence();
  }
  block_sync();
  grid_wait_previous();

  if (warpgroup == 0) {
    // Producer: one thread keeps the rings full.
    registers_shrink<24>();
    if (warp_uniform(threadIdx.x / 32) == 0 && elect_one()) {
      Ring fill_q{0, 0};
      Ring fill_dy{0, 0};
      Ring fill_k{0, 0};
      Ring fill_v{0, 0};
      mbar_wait(empty_q + fill_q.slot * 8, fill_q.parity ^ 1);
      mbar_arrive_expect_bytes(full_q + fill_q.slot * 8, kStageBytesQ);
      tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ, &map_q, full_q + fill_q.slot * 8, int(0), int(row), int(head), int(batch2));
      tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ + kPanelBytesQ, &map_q, full_q + fill_q.slot * 8, 64, int(row), int(head), int(batch2));
      ring_advance(fill_q, kStagesQ);
      mbar_wait(empty_dy + fill_dy.slot * 8, fill_dy.parity ^ 1);
      mbar_arrive_expect_bytes(full_dy + fill_dy.slot * 8, kStageBytesDy);
      tma_load_4d(smem + kOffsetDy + fill_dy.slot * kStageBytesDy, &map_dy, full_dy + fill_dy.slot * 8, int(0), int(row), int(head), int(batch2));
      tma_load_4d(smem + kOffsetDy + fill_dy.slot * kStageBytesDy + kPanelBytesDy, &map_dy, full_dy + fill_dy.slot * 8, 64, int(row), int(head), int(batch2));
      ring_advance(fill_dy, kStagesDy);
      for (i64 step = 0; step < blocks; ++step) {
        const i64 key = (blocks - 1 - step) * 64;
        mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);
        mbar_arrive_expect_bytes(full_k + fill_k.slot * 8, kStageBytesK);
        tma_load_4d(smem + kOffsetK + fill_k.slot * kStageBytesK, &map_k, full_k + fill_k.slot * 8, int(0), int(key), int(head), int(batch2));
        tma_load_4d(smem + kOffsetK + fill_k.slot * kStageBytesK + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int(key), int(head), int(batch2));
        ring_advance(fill_k, kStagesK);
        mbar_wait(empty_v + fill_v.slot * 8, fill_v.parity ^ 1);
        mbar_arrive_expect_bytes(full_v + fill_v.slot * 8, kStageBytesV);
        tma_load_4d(smem + kOffsetV + fill_v.slot * kStageBytesV, &map_v, full_v + fill_v.slot * 8, int(0), int(key), int(head), int(batch2));
        tma_load_4d(smem + kOffsetV + fill_v.slot * kStageBytesV + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(key), int(head), int(batch2));
        ring_advance(fill_v, kStagesV);
      }
      grid_release_next();  // its start fits beside what this block still does
    }
  } else {
    // Consumers: multiply, then the epilogue of the same tile.
    registers_grow<240>();
    const int consumer = warpgroup - 1;
    const int thread = threadIdx.x % 128;
    const int warp = warp_uniform(thread / 32);
    const int lane = thread % 32;
    const bool issuer = elect_one();  // the lane that issues this warp's stores
    const u32 store = smem + kOffsetStore + (consumer * 4 + warp) * (2 * kStoreBytes);
    u32 buffer = store;
    Ring take_q{0, 0};
    Ring take_dy{0, 0};
    Ring take_k{0, 0};
    int held_k = -1;  // slot whose product may still run
    Ring take_v{0, 0};
    const i64 first_row = consumer * 64;
    const i64 my_row = row + first_row;
    const i64 rows_at = batch_head * padded_rows + my_row;
    mbar_wait(full_q + take_q.slot * 8, take_q.parity);
    mbar_wait(full_dy + take_dy.slot * 8, take_dy.parity);
    mbar_wait(full_k + take_k.slot * 8, take_k.parity);
    float broadcast_[kAccumulators64];
#pragma unroll
    for (int j = 0; j < kOctets64; ++j) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int e = 0; e < 2; ++e)
          broadcast_[4 * j + 2 * h + e] = 0.0f;
      }
    }
    u32 rounded[kAccumulators64 / 2];
#pragma unroll
    for (int i = 0; i < kAccumulators64 / 2; ++i)
      rounded[i] = pack_bf16x2(broadcast_[2 * i], broadcast_[2 * i + 1]);

    // Main loop: weights and their gradients are made again, and go from registers into dq.
    float shift[2];
    float delta_[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float lse_ = global_load(lse + rows_at + fragment_row + h * 8);
      shift[h] = lse_ * kMinusLog2e;
      delta_[h] = global_load(delta + rows_at + fragment_row + h * 8);
    }
    float dq2[kAccumulators128];
#pragma unroll
    for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int e = 0; e < 2; ++e)
          dq2[4 * j + 2 * h + e] = 0.0f;
      }
    }
    for (i64 step2 = 0; step2 < blocks; ++step2) {
      mbar_wait(full_k + take_k.slot * 8, take_k.parity);
      float scores[kAccumulators64];
      const u64 desc_q = wgmma_descriptor_128b(smem + kOffsetQ + take_q.slot * kStageBytesQ + u32(first_row) * 128);
      const u64 desc_k = wgmma_descriptor_128b(smem + kOffsetK + take_k.slot * kStageBytesK);
      wgmma_fence();
      wgmma_m64n64k128_bf16(scores, desc_q, desc_k);
      wgmma_commit();
      mbar_wait(full_v + take_v.slot * 8, take_v.parity);
      float d_weights[kAccumulators64];
      const u64 desc_dy = wgmma_descriptor_128b(smem + kOffsetDy + take_dy.slot * kStageBytesDy + u32(first_row) * 128);
      const u64 desc_v = wgmma_descriptor_128b(smem + kOffsetV + take_v.slot * kStageBytesV);
      wgmma_fence();
      wgmma_m64n64k128_bf16(d_weights, desc_dy, desc_v);
      wgmma_commit();
      if (held_k >= 0) {
        const u64 desc_k2 = wgmma_descriptor_panels(smem + kOffsetK + held_k * kStageBytesK, kPanelBytesK);
        wgmma_fence();
        wgmma_m64n128k64_bf16_registers(dq2, rounded, desc_k2);
        wgmma_commit();
      } else {
        wgmma_commit();  // a group all the same: waits count them
      }
      wgmma_wait<2>();
      wgmma_pin(scores);
      float weights[kAccumulators64];
#pragma unroll
      for (int j = 0; j < kOctets64; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const float fma_ = fmaf(scores[4 * j + 2 * h + e], kToLog2, shift[h]);
            weights[4 * j + 2 * h + e] = exp2_approx(fma_);
          }
        }
      }
      if (step2 < masked) {
        const i32 as_i32 = static_cast<i32>((blocks - 1 - step2) * 64);
#pragma unroll
        for (int j = 0; j < kOctets64; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              const bool is = fragment_column + j * 8 + e < wrap_sub(static_cast<i32>(keys), as_i32);
              weights[4 * j + 2 * h + e] = is ? weights[4 * j + 2 * h + e] : 0.0f;
            }
          }
        }
      }
      wgmma_wait<1>();
      wgmma_pin(d_weights);
      if (thread < kCluster) mbar_arrive_at(empty_v + take_v.slot * 8, thread);
      ring_advance(take_v, kStagesV);
      float d_scores[kAccumulators64];
#pragma unroll
      for (int j = 0; j < kOctets64; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 2; ++e)
            d_scores[4 * j + 2 * h + e] = weights[4 * j + 2 * h + e] * (d_weights[4 * j + 2 * h + e] - delta_[h]);
        }
      }
      wgmma_wait<0>();
      wgmma_pin(dq2);
      if (held_k >= 0 && thread < kCluster) mbar_arrive_at(empty_k + held_k * 8, thread);
      held_k = take_k.slot;
      ring_advance(take_k, kStagesK);
      u32 rounded2[kAccumulators64 / 2];
#pragma unroll
      for (int i = 0; i < kAccumulators64 / 2; ++i)
        rounded2[i] = pack_bf16x2(d_scores[2 * i], d_scores[2 * i + 1]);
#pragma unroll
      for (int i = 0; i < kAccumulators64 / 2; ++i)
        rounded[i] = rounded2[i];
    }
    if (held_k >= 0) {
      const u64 desc_k3 = wgmma_descriptor_panels(smem + kOffsetK + held_k * kStageBytesK, kPanelBytesK);
      wgmma_fence();
      wgmma_m64n128k64_bf16_registers(dq2, rounded, desc_k3);
      wgmma_commit();
    } else {
      wgmma_commit();  // a group all the same: waits count them
    }
    wgmma_wait<0>();
    wgmma_pin(dq2);
    if (held_k >= 0 && thread < kCluster) mbar_arrive_at(empty_k + held_k * 8, thread);
    held_k = -1;
    if (thread < kCluster) mbar_arrive_at(empty_q + take_q.slot * 8, thread);
    ring_advance(take_q, kStagesQ);
    if (thread < kCluster) mbar_arrive_at(empty_dy + take_dy.slot * 8, thread);
    ring_advance(take_dy, kStagesDy);

    // Patches of a warp's rows through swizzled shared memory.
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
            for (int e = 0; e < 2; ++e)
              pair[e] = dq2[4 * j + 2 * h + e] * kScale;
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
        tma_store_4d(&map_dq, buffer, int(0) + patch * kStoreColumns, int(my_row) + warp * kStoreRows, int(head), int(batch2));
        tma_store_commit();
      }
    }
    if (issuer) tma_store_wait_read<0>();  // shared memory outlives its last reader
  }
}
