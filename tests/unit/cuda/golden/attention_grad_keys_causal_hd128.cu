// jinx 0.1 | attention_grad_keys_causal_hd128 | sm_90a
// from: /attention/Gradient
// grid = (a0) * (a1) * (((a3) + 127) floordiv 128); block = kThreads; dynamic shared memory = 183408 bytes
constexpr int kThreads = 384;  // of a block
constexpr int kConsumers = 2;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 1;  // blocks of a cluster
constexpr int kStagesK = 1;  // slots of the ring
constexpr int kOffsetK = 0;  // k in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesK = 32768;
constexpr int kPanelBytesK = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersK = 182272;  // two for each slot: filled, free
constexpr int kStagesV = 1;  // slots of the ring
constexpr int kOffsetV = 32768;  // v in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesV = 32768;
constexpr int kPanelBytesV = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersV = 182288;  // two for each slot: filled, free
constexpr int kStagesQ = 3;  // slots of the ring
constexpr int kOffsetQ = 65536;  // q in shared memory: 64 x 128 elements of 2 bytes
constexpr int kStageBytesQ = 16384;
constexpr int kPanelBytesQ = 8192;  // of its 64 columns side by side
constexpr int kOffsetLse = 114688;  // lse in shared memory: 1 x 64 elements of 4 bytes
constexpr int kStageBytesLse = 256;
constexpr int kOffsetBarriersQ = 182304;  // two for each slot: filled, free
constexpr int kStagesDy = 2;  // slots of the ring
constexpr int kOffsetDy = 115712;  // dy in shared memory: 64 x 128 elements of 2 bytes
constexpr int kStageBytesDy = 16384;
constexpr int kPanelBytesDy = 8192;  // of its 64 columns side by side
constexpr int kOffsetDelta = 148480;  // delta in shared memory: 1 x 64 elements of 4 bytes
constexpr int kStageBytesDelta = 256;
constexpr int kOffsetBarriersDy = 182352;  // two for each slot: filled, free
constexpr int kOffsetStore = 149504;  // staging of stores: two buffers a warp
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
constexpr int kColumns64 = 16;  // of a thread for a tile of 64 columns

extern "C" __global__ void __launch_bounds__(kThreads, 1)
attention_grad_keys_causal_hd128(const bf16* q, const bf16* k, const bf16* v, const bf16* dy, const float* lse,
                                 const float* delta, bf16* __restrict__ dk, bf16* __restrict__ dv, i64 batch,
                                 i64 heads, i64 queries, i64 keys, const __grid_constant__ TensorMap map_k,
                                 const __grid_constant__ TensorMap map_v, const __grid_constant__ TensorMap map_q,
                                 const __grid_constant__ TensorMap map_dy, const __grid_constant__ TensorMap map_lse,
                                 const __grid_constant__ TensorMap map_delta,
                                 const __grid_constant__ TensorMap map_dk, const __grid_constant__ TensorMap map_dv) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
  const i64 program = blockIdx.x;
  const i64 key_tiles = divide_small(keys + 127, 128);
  const i64 all_heads = batch * heads;
  const i64 count = greatest<i64>(divide_small(65536, queries), 1);
  const i64 section = least<i64>(count, all_heads);
  const i64 count2 = divide_small(program, section * key_tiles);
  const i64 first_head = count2 * section;
  const i64 width = least<i64>(section, all_heads - first_head);
  const i64 within = program - first_head * key_tiles;
  const i64 tile = divide_small(within, width);
  const i64 batch_head = first_head + within - tile * width;
  const i64 batch2 = divide_small(batch_head, heads);
  const i64 head = batch_head - batch2 * heads;
  const i64 row = tile * 128;
  const i64 steps = divide_small(queries + 63, 64);
  const i64 sees_first = row + queries - keys;
  const i64 count3 = divide_small(greatest<i64>(sees_first, 0), 64);
  const i64 first_step = least<i64>(count3, steps);
  const i64 count4 = divide_small(greatest<i64>(sees_first + 127, 0) + 63, 64);
  const i64 first_whole = least<i64>(count4, steps);
  const u32 smem = smem_address(align_1024(dynamic_shared()));
  const u32 full_k = smem + kOffsetBarriersK;  // bytes of a slot have landed
  const u32 empty_k = full_k + kStagesK * 8;  // every consumer of the cluster is done with it
  const u32 full_v = smem + kOffsetBarriersV;  // bytes of a slot have landed
  const u32 empty_v = full_v + kStagesV * 8;  // every consumer of the cluster is done with it
  const u32 full_q = smem + kOffsetBarriersQ;  // bytes of a slot have landed
  const u32 empty_q = full_q + kStagesQ * 8;  // every consumer of the cluster is done with it
  const u32 full_dy = smem + kOffsetBarriersDy;  // bytes of a slot have landed
  const u32 empty_dy = full_dy + kStagesDy * 8;  // every consumer of the cluster is done with it
  const int warpgroup = warp_uniform(threadIdx.x / 128);

  // Barriers, visible to the whole cluster and to the copy engine before anyone uses them.
  if (threadIdx.x == 0) {
    tma_prefetch_map(&map_k);
    tma_prefetch_map(&map_v);
    tma_prefetch_map(&map_q);
    tma_prefetch_map(&map_dy);
    tma_prefetch_map(&map_lse);
    tma_prefetch_map(&map_delta);
    tma_prefetch_map(&map_dk);
    tma_prefetch_map(&map_dv);
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
    for (int s = 0; s < kStagesQ; ++s) {
      mbar_init(full_q + s * 8, 1);
      mbar_init(empty_q + s * 8, kConsumers * 4);  // each of their warps
      mbar_guard(empty_q + s * 8, smem + kOffsetQ + s * kStageBytesQ, kStageBytesQ);
      mbar_guard(empty_q + s * 8, smem + kOffsetLse + s * kStageBytesLse, kStageBytesLse);
    }
    for (int s = 0; s < kStagesDy; ++s) {
      mbar_init(full_dy + s * 8, 1);
      mbar_init(empty_dy + s * 8, kConsumers * 4);  // each of their warps
      mbar_guard(empty_dy + s * 8, smem + kOffsetDy + s * kStageBytesDy, kStageBytesDy);
      mbar_guard(empty_dy + s * 8, smem + kOffsetDelta + s * kStageBytesDelta, kStageBytesDelta);
    }
    mbar_init_fence();
  }
  block_sync();
  grid_wait_previous();

  if (warpgroup == 0) {
    // Producer: one thread keeps the rings full.
    registers_shrink<24>();
    if (warp_uniform(threadIdx.x / 32) == 0 && elect_one()) {
      Ring fill_k{0, 0};
      Ring fill_v{0, 0};
      Ring fill_q{0, 0};
      Ring fill_dy{0, 0};
      mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);
      mbar_arrive_expect_bytes(full_k + fill_k.slot * 8, kStageBytesK);
      tma_load_4d(smem + kOffsetK + fill_k.slot * kStageBytesK, &map_k, full_k + fill_k.slot * 8, int(0), int(row), int(head), int(batch2));
      tma_load_4d(smem + kOffsetK + fill_k.slot * kStageBytesK + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int(row), int(head), int(batch2));
      ring_advance(fill_k, kStagesK);
      mbar_wait(empty_v + fill_v.slot * 8, fill_v.parity ^ 1);
      mbar_arrive_expect_bytes(full_v + fill_v.slot * 8, kStageBytesV);
      tma_load_4d(smem + kOffsetV + fill_v.slot * kStageBytesV, &map_v, full_v + fill_v.slot * 8, int(0), int(row), int(head), int(batch2));
      tma_load_4d(smem + kOffsetV + fill_v.slot * kStageBytesV + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(row), int(head), int(batch2));
      ring_advance(fill_v, kStagesV);
      const i64 q_batch_head = batch2 * heads + head;
      for (i64 step = first_step; step < steps; ++step) {
        const i64 query = step * 64;
        mbar_wait(empty_q + fill_q.slot * 8, fill_q.parity ^ 1);
        mbar_arrive_expect_bytes(full_q + fill_q.slot * 8, kStageBytesQ + kStageBytesLse);
        tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ, &map_q, full_q + fill_q.slot * 8, int(0), int(query), int(head), int(batch2));
        tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ + kPanelBytesQ, &map_q, full_q + fill_q.slot * 8, 64, int(query), int(head), int(batch2));
        tma_load_2d(smem + kOffsetLse + fill_q.slot * kStageBytesLse, &map_lse, full_q + fill_q.slot * 8, int(query), int(q_batch_head));
        ring_advance(fill_q, kStagesQ);
        mbar_wait(empty_dy + fill_dy.slot * 8, fill_dy.parity ^ 1);
        mbar_arrive_expect_bytes(full_dy + fill_dy.slot * 8, kStageBytesDy + kStageBytesDelta);
        tma_load_4d(smem + kOffsetDy + fill_dy.slot * kStageBytesDy, &map_dy, full_dy + fill_dy.slot * 8, int(0), int(query), int(head), int(batch2));
        tma_load_4d(smem + kOffsetDy + fill_dy.slot * kStageBytesDy + kPanelBytesDy, &map_dy, full_dy + fill_dy.slot * 8, 64, int(query), int(head), int(batch2));
        tma_load_2d(smem + kOffsetDelta + fill_dy.slot * kStageBytesDelta, &map_delta, full_dy + fill_dy.slot * 8, int(query), int(q_batch_head));
        ring_advance(fill_dy, kStagesDy);
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
    const u32 columns = opaque(smem + fragment_column * 4);  // of rows of f32 that this thread reads
    Ring take_k{0, 0};
    Ring take_v{0, 0};
    Ring take_q{0, 0};
    int held_q = -1;  // slot whose product may still run
    Ring take_dy{0, 0};
    const i64 first_row = consumer * 64;
    const i64 my_row = row + first_row;
    const i32 as_i32 = static_cast<i32>(my_row + queries - keys);
    mbar_wait(full_k + take_k.slot * 8, take_k.parity);
    mbar_wait(full_v + take_v.slot * 8, take_v.parity);
    mbar_wait(full_q + take_q.slot * 8, take_q.parity);
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
    u32 d_rounded[kAccumulators64 / 2];
#pragma unroll
    for (int i = 0; i < kAccumulators64 / 2; ++i)
      d_rounded[i] = pack_bf16x2(broadcast_[2 * i], broadcast_[2 * i + 1]);

    // Main loop: weights and their gradients are made again, and go from registers into dv and dk.
    i32 seen_from[2];
#pragma unroll
    for (int h = 0; h < 2; ++h)
      seen_from[h] = wrap_add(fragment_row + h * 8, as_i32);
    float dk2[kAccumulators128];
    float dv2[kAccumulators128];
#pragma unroll
    for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const float next = 0.0f;
          const float next2 = 0.0f;
          dk2[4 * j + 2 * h + e] = next;
          dv2[4 * j + 2 * h + e] = next2;
        }
      }
    }
    for (i64 step2 = first_step; step2 < steps; ++step2) {
      mbar_wait(full_q + take_q.slot * 8, take_q.parity);
      float scores[kAccumulators64];
      const u64 desc_k = wgmma_descriptor_128b(smem + kOffsetK + take_k.slot * kStageBytesK + u32(first_row) * 128);
      const u64 desc_q = wgmma_descriptor_128b(smem + kOffsetQ + take_q.slot * kStageBytesQ);
      wgmma_fence();
      wgmma_m64n64k128_bf16(scores, desc_k, desc_q);
      wgmma_commit();
      mbar_wait(full_dy + take_dy.slot * 8, take_dy.parity);
      float d_weights[kAccumulators64];
      const u64 desc_v = wgmma_descriptor_128b(smem + kOffsetV + take_v.slot * kStageBytesV + u32(first_row) * 128);
      const u64 desc_dy = wgmma_descriptor_128b(smem + kOffsetDy + take_dy.slot * kStageBytesDy);
      wgmma_fence();
      wgmma_m64n64k128_bf16(d_weights, desc_v, desc_dy);
      wgmma_commit();
      if (held_q >= 0) {
        const u64 desc_q2 = wgmma_descriptor_panels(smem + kOffsetQ + held_q * kStageBytesQ, kPanelBytesQ);
        wgmma_fence();
        wgmma_m64n128k64_bf16_registers(dk2, d_rounded, desc_q2);
        wgmma_commit();
      } else {
        wgmma_commit();  // a group all the same: waits count them
      }
      wgmma_wait<2>();
      wgmma_pin(scores);
      float lse_[kColumns64];
#pragma unroll
      for (int j = 0; j < kOctets64; ++j)
        shared_load_x2(lse_ + 2 * j, columns + kOffsetLse + take_q.slot * kStageBytesLse + j * 32);
      float shift[kColumns64];
#pragma unroll
      for (int j = 0; j < kOctets64; ++j) {
#pragma unroll
        for (int e = 0; e < 2; ++e)
          shift[2 * j + e] = lse_[2 * j + e] * kMinusLog2e;
      }
      float weights[kAccumulators64];
#pragma unroll
      for (int j = 0; j < kOctets64; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const float fma_ = fmaf(scores[4 * j + 2 * h + e], kToLog2, shift[2 * j + e]);
            weights[4 * j + 2 * h + e] = exp2_approx(fma_);
          }
        }
      }
      if (step2 < first_whole) {
        i32 seen_from_here[2];
#pragma unroll
        for (int h = 0; h < 2; ++h)
          seen_from_here[h] = wrap_sub(seen_from[h], static_cast<i32>(step2 * 64));
#pragma unroll
        for (int j = 0; j < kOctets64; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              const float seen_weights = fragment_column + j * 8 + e >= seen_from_here[h] ? weights[4 * j + 2 * h + e] : 0.0f;
              weights[4 * j + 2 * h + e] = seen_weights;
            }
          }
        }
      }
      u32 rounded[kAccumulators64 / 2];
#pragma unroll
      for (int i = 0; i < kAccumulators64 / 2; ++i)
        rounded[i] = pack_bf16x2(weights[2 * i], weights[2 * i + 1]);
      const u64 desc_dy2 = wgmma_descriptor_panels(smem + kOffsetDy + take_dy.slot * kStageBytesDy, kPanelBytesDy);
      wgmma_fence();
      wgmma_m64n128k64_bf16_registers(dv2, rounded, desc_dy2);
      wgmma_commit();
      wgmma_wait<1>();
      wgmma_pin(dk2);
      warp_sync();
      if (held_q >= 0 && thread % 32 == 0) mbar_arrive_at(empty_q + held_q * 8, 0);
      held_q = take_q.slot;
      ring_advance(take_q, kStagesQ);
      float delta_[kColumns64];
#pragma unroll
      for (int j = 0; j < kOctets64; ++j)
        shared_load_x2(delta_ + 2 * j, columns + kOffsetDelta + take_dy.slot * kStageBytesDelta + j * 32);
      wgmma_wait<1>();
      wgmma_pin(d_weights);
      float d_scores[kAccumulators64];
#pragma unroll
      for (int j = 0; j < kOctets64; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 2; ++e)
            d_scores[4 * j + 2 * h + e] = weights[4 * j + 2 * h + e] * (d_weights[4 * j + 2 * h + e] - delta_[2 * j + e]);
        }
      }
      wgmma_wait<0>();
      wgmma_pin(dv2);
      warp_sync();
      if (thread % 32 == 0) mbar_arrive_at(empty_dy + take_dy.slot * 8, 0);
      ring_advance(take_dy, kStagesDy);
      u32 d_rounded2[kAccumulators64 / 2];
#pragma unroll
      for (int i = 0; i < kAccumulators64 / 2; ++i)
        d_rounded2[i] = pack_bf16x2(d_scores[2 * i], d_scores[2 * i + 1]);
#pragma unroll
      for (int i = 0; i < kAccumulators64 / 2; ++i)
        d_rounded[i] = d_rounded2[i];
    }
    if (held_q >= 0) {
      const u64 desc_q3 = wgmma_descriptor_panels(smem + kOffsetQ + held_q * kStageBytesQ, kPanelBytesQ);
      wgmma_fence();
      wgmma_m64n128k64_bf16_registers(dk2, d_rounded, desc_q3);
      wgmma_commit();
    } else {
      wgmma_commit();  // a group all the same: waits count them
    }
    wgmma_wait<0>();
    wgmma_pin(dk2);
    warp_sync();
    if (held_q >= 0 && thread % 32 == 0) mbar_arrive_at(empty_q + held_q * 8, 0);
    held_q = -1;
    if (thread < kCluster) mbar_arrive_at(empty_k + take_k.slot * 8, thread);
    ring_advance(take_k, kStagesK);
    if (thread < kCluster) mbar_arrive_at(empty_v + take_v.slot * 8, thread);
    ring_advance(take_v, kStagesV);

    // Patches of a warp's rows through swizzled shared memory: dv.
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
              pair[e] = dv2[4 * j + 2 * h + e];
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
        tma_store_4d(&map_dv, buffer, int(0) + patch * kStoreColumns, int(my_row) + warp * kStoreRows, int(head), int(batch2));
        tma_store_commit();
      }
    }

    // The same of dk, scaled.
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
              pair[e] = dk2[4 * j + 2 * h + e] * kScale;
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
        tma_store_4d(&map_dk, buffer, int(0) + patch * kStoreColumns, int(my_row) + warp * kStoreRows, int(head), int(batch2));
        tma_store_commit();
      }
    }
    if (issuer) tma_store_wait_read<0>();  // shared memory outlives its last reader
  }
}
