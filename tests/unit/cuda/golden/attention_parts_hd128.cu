// jinx 0.1 | attention_full_hd128_parts512 | sm_90a
// from: /attention/MatMul, /attention/Softmax, /attention/MatMul_1
// grid = min((a0) * (a1) * ((a3 + 511) floordiv 512) * (((a2) + 63) floordiv 64), 132); block = kThreads; dynamic shared memory = 230528 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kConsumers = 1;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 1;  // blocks of a cluster
constexpr int kStagesQ = 2;  // slots of the ring
constexpr int kOffsetQ = 0;  // q in shared memory: 64 x 128 elements of 2 bytes
constexpr int kStageBytesQ = 16384;
constexpr int kPanelBytesQ = 8192;  // of its 64 columns side by side
constexpr int kOffsetBarriersQ = 229376;  // two for each slot: filled, free
constexpr int kStagesK = 3;  // slots of the ring
constexpr int kOffsetK = 32768;  // k in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesK = 32768;
constexpr int kPanelBytesK = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersK = 229408;  // two for each slot: filled, free
constexpr int kStagesV = 3;  // slots of the ring
constexpr int kOffsetV = 131072;  // v in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesV = 32768;
constexpr int kPanelBytesV = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersV = 229456;  // two for each slot: filled, free
constexpr float kToLog2 = 0.127517432f;
constexpr float kLn2 = 0.693147182f;
constexpr int kAccumulators128 = 64;  // of a thread for a tile of 64 x 128
constexpr int kOctets128 = 16;  // its groups of 8 columns

extern "C" __global__ void __launch_bounds__(kThreads)
attention_full_hd128_parts512(const bf16* q, const bf16* k, const bf16* v, const float* extra, float* __restrict__ o,
                              float* __restrict__ lse, i64 batch, i64 heads, i64 queries, i64 keys,
                              const __grid_constant__ TensorMap map_q, const __grid_constant__ TensorMap map_k,
                              const __grid_constant__ TensorMap map_v) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
  const i64 count = (keys + 511) / 512;
  const i64 offset = count * queries;
  const i64 offset2 = offset * heads;
  const i64 program = blockIdx.x;
  const i64 programs = gridDim.x;
  const i64 row_tiles = divide_small(queries + 63, 64);
  const i64 all_heads = batch * heads;
  const i64 head_tiles = count * row_tiles;
  const i64 tiles = all_heads * head_tiles;
  const u32 smem = smem_address(align_1024(dynamic_shared()));
  const u32 full_q = smem + kOffsetBarriersQ;  // bytes of a slot have landed
  const u32 empty_q = full_q + kStagesQ * 8;  // every consumer of the cluster is done with it
  const u32 full_k = smem + kOffsetBarriersK;  // bytes of a slot have landed
  const u32 empty_k = full_k + kStagesK * 8;  // every consumer of the cluster is done with it
  const u32 full_v = smem + kOffsetBarriersV;  // bytes of a slot have landed
  const u32 empty_v = full_v + kStagesV * 8;  // every consumer of the cluster is done with it
  const int warpgroup = warp_uniform(threadIdx.x / 128);

  // Barriers, visible to the whole cluster and to the copy engine before anyone uses them.
  if (threadIdx.x == 0) {
    tma_prefetch_map(&map_q);
    tma_prefetch_map(&map_k);
    tma_prefetch_map(&map_v);
    for (int s = 0; s < kStagesQ; ++s) {
      mbar_init(full_q + s * 8, 1);
      mbar_init(empty_q + s * 8, kConsumers * kCluster);
      mbar_guard(empty_q + s * 8, smem + kOffsetQ + s * kStageBytesQ, kStageBytesQ);
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
    if (warp_uniform(threadIdx.x / 32) == 0 && elect_one()) {
      Ring fill_q{0, 0};
      Ring fill_k{0, 0};
      Ring fill_v{0, 0};
      for (i64 tile = program; tile < tiles; tile += programs) {
        const i64 batch_head = divide_small(tile, head_tiles);
        const i64 within = tile - batch_head * head_tiles;
        const i64 part = divide_small(within, row_tiles);
        const i64 batch2 = divide_small(batch_head, heads);
        const i64 head = batch_head - batch2 * heads;
        const i64 first_key = part * 512;
        const i64 rest = least<i64>(first_key + 512, keys) - first_key;
        const i64 blocks = divide_small(greatest<i64>(rest, 1) + 127, 128);
        mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);
        mbar_arrive_expect_bytes(full_k + fill_k.slot * 8, kStageBytesK);
        tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK, &map_k, full_k + fill_k.slot * 8, int(0), int(first_key + (blocks - 1) * 128), int(head), int(batch2));
        tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int(first_key + (blocks - 1) * 128), int(head), int(batch2));
        ring_advance(fill_k, kStagesK);
        mbar_wait(empty_q + fill_q.slot * 8, fill_q.parity ^ 1);
        mbar_arrive_expect_bytes(full_q + fill_q.slot * 8, kStageBytesQ);
        tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ, &map_q, full_q + fill_q.slot * 8, int(0), int((within - part * row_tiles) * 64), int(head), int(batch2));
        tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ + kPanelBytesQ, &map_q, full_q + fill_q.slot * 8, 64, int((within - part * row_tiles) * 64), int(head), int(batch2));
        ring_advance(fill_q, kStagesQ);
        for (i64 step = 1; step < blocks; ++step) {
          const i64 before = blocks - step;
          mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);
          mbar_arrive_expect_bytes(full_k + fill_k.slot * 8, kStageBytesK);
          tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK, &map_k, full_k + fill_k.slot * 8, int(0), int(first_key + (before - 1) * 128), int(head), int(batch2));
          tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int(first_key + (before - 1) * 128), int(head), int(batch2));
          ring_advance(fill_k, kStagesK);
          mbar_wait(empty_v + fill_v.slot * 8, fill_v.parity ^ 1);
          mbar_arrive_expect_bytes(full_v + fill_v.slot * 8, kStageBytesV);
          tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV, &map_v, full_v + fill_v.slot * 8, int(0), int(first_key + before * 128), int(head), int(batch2));
          tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(first_key + before * 128), int(head), int(batch2));
          ring_advance(fill_v, kStagesV);
        }
        mbar_wait(empty_v + fill_v.slot * 8, fill_v.parity ^ 1);
        mbar_arrive_expect_bytes(full_v + fill_v.slot * 8, kStageBytesV);
        tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV, &map_v, full_v + fill_v.slot * 8, int(0), int(first_key), int(head), int(batch2));
        tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(first_key), int(head), int(batch2));
        ring_advance(fill_v, kStagesV);
      }
      grid_release_next();  // its start fits beside what this block still does
    }
  } else {
    // Consumers: multiply, then the epilogue of the same tile.
    const int consumer = warpgroup - 1;
    const int thread = threadIdx.x % 128;
    Ring take_q{0, 0};
    Ring take_k{0, 0};
    Ring take_v{0, 0};
    const i64 first_row = consumer * 64;
    for (i64 tile2 = program; tile2 < tiles; tile2 += programs) {
      const i64 batch_head2 = divide_small(tile2, head_tiles);
      const i64 within2 = tile2 - batch_head2 * head_tiles;
      const i64 part2 = divide_small(within2, row_tiles);
      const i64 batch3 = divide_small(batch_head2, heads);
      const i64 first_key2 = part2 * 512;
      const i64 rest2 = least<i64>(first_key2 + 512, keys) - first_key2;
      const i64 blocks2 = divide_small(greatest<i64>(rest2, 1) + 127, 128);
      const i64 my_row = (within2 - part2 * row_tiles) * 64 + first_row;

      // First step: the rightmost keys, masked; nothing to overlap with.
      mbar_wait(full_q + take_q.slot * 8, take_q.parity);
      mbar_wait(full_k + take_k.slot * 8, take_k.parity);
      float scores[kAccumulators128];
      const u64 desc_q = wgmma_descriptor_128b(smem + kOffsetQ + take_q.slot * kStageBytesQ + u32(first_row) * 128);
      const u64 desc_k = wgmma_descriptor_128b(smem + kOffsetK + take_k.slot * kStageBytesK);
      wgmma_fence();
      wgmma_m64n128k128_bf16(scores, desc_q, desc_k);
      wgmma_commit();
      wgmma_wait<0>();
      wgmma_pin(scores);
      if (thread < kCluster) mbar_arrive_at(empty_k + take_k.slot * 8, thread);
      ring_advance(take_k, kStagesK);
      const i32 as_i32 = static_cast<i32>(first_key2 + (blocks2 - 1) * 128);
      float logits[kAccumulators128];
#pragma unroll
      for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const bool is = fragment_column + j * 8 + e < wrap_sub(static_cast<i32>(keys), as_i32);
            logits[4 * j + 2 * h + e] = is ? scores[4 * j + 2 * h + e] : -INFINITY;
          }
        }
      }
      float largest[2];
#pragma unroll
      for (int h = 0; h < 2; ++h)
        largest[h] = row_max(logits, h);
      float shift[2];
#pragma unroll
      for (int h = 0; h < 2; ++h)
        shift[h] = (largest[h] == -INFINITY ? 0.0f : largest[h]) * -kToLog2;
      float weights[kAccumulators128];
#pragma unroll
      for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const float fma_ = fmaf(logits[4 * j + 2 * h + e], kToLog2, shift[h]);
            weights[4 * j + 2 * h + e] = exp2_approx(fma_);
          }
        }
      }
      float sum[2];
#pragma unroll
      for (int h = 0; h < 2; ++h)
        sum[h] = row_part_sum(weights, h);
      u32 rounded[kAccumulators128 / 2];
#pragma unroll
      for (int i = 0; i < kAccumulators128 / 2; ++i)
        rounded[i] = pack_bf16x2(weights[2 * i], weights[2 * i + 1]);

      // Main loop: scores of a step run beside values of the step before, the softmax under the latter.
      float out[kAccumulators128];
      float largest2[2];
#pragma unroll
      for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 2; ++e)
            out[4 * j + 2 * h + e] = 0.0f;
        }
      }
#pragma unroll
      for (int h = 0; h < 2; ++h)
        largest2[h] = largest[h];
      for (i64 step2 = 1; step2 < blocks2; ++step2) {
        mbar_wait(full_k + take_k.slot * 8, take_k.parity);
        float scores2[kAccumulators128];
        const u64 desc_q2 = wgmma_descriptor_128b(smem + kOffsetQ + take_q.slot * kStageBytesQ + u32(first_row) * 128);
        const u64 desc_k2 = wgmma_descriptor_128b(smem + kOffsetK + take_k.slot * kStageBytesK);
        wgmma_fence();
        wgmma_m64n128k128_bf16(scores2, desc_q2, desc_k2);
        wgmma_commit();
        mbar_wait(full_v + take_v.slot * 8, take_v.parity);
        const u64 desc_v = wgmma_descriptor_panels(smem + kOffsetV + take_v.slot * kStageBytesV, kPanelBytesV);
        wgmma_fence();
        wgmma_m64n128k128_bf16_registers(out, rounded, desc_v);
        wgmma_commit();
        wgmma_wait<1>();
        wgmma_pin(scores2);
        if (thread < kCluster) mbar_arrive_at(empty_k + take_k.slot * 8, thread);
        ring_advance(take_k, kStagesK);
        float largest3[2];
#pragma unroll
        for (int h = 0; h < 2; ++h)
          largest3[h] = row_max(scores2, h);
        float largest4[2];
        float shift2[2];
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          largest4[h] = fmaxf(largest2[h], largest3[h]);
          shift2[h] = (largest4[h] == -INFINITY ? 0.0f : largest4[h]) * -kToLog2;
        }
        float weights2[kAccumulators128];
#pragma unroll
        for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              const float fma_2 = fmaf(scores2[4 * j + 2 * h + e], kToLog2, shift2[h]);
              weights2[4 * j + 2 * h + e] = exp2_approx(fma_2);
            }
          }
        }
        float sum2[2];
#pragma unroll
        for (int h = 0; h < 2; ++h)
          sum2[h] = row_part_sum(weights2, h);
        wgmma_wait<0>();
        wgmma_pin(out);
        if (thread < kCluster) mbar_arrive_at(empty_v + take_v.slot * 8, thread);
        ring_advance(take_v, kStagesV);
        u32 rounded2[kAccumulators128 / 2];
#pragma unroll
        for (int i = 0; i < kAccumulators128 / 2; ++i)
          rounded2[i] = pack_bf16x2(weights2[2 * i], weights2[2 * i + 1]);
        float rescale[2];
#pragma unroll
        for (int h = 0; h < 2; ++h)
          rescale[h] = exp2_approx(fmaf(largest2[h], kToLog2, shift2[h]));
#pragma unroll
        for (int i = 0; i < kAccumulators128 / 2; ++i)
          rounded[i] = rounded2[i];
#pragma unroll
        for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
#pragma unroll
            for (int e = 0; e < 2; ++e)
              out[4 * j + 2 * h + e] = out[4 * j + 2 * h + e] * rescale[h];
          }
        }
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const float next = largest4[h];
          const float next2 = fmaf(sum[h], rescale[h], sum2[h]);
          largest2[h] = next;
          sum[h] = next2;
        }
      }
      if (thread < kCluster) mbar_arrive_at(empty_q + take_q.slot * 8, thread);
      ring_advance(take_q, kStagesQ);

      // The last values, then the rows divided by their sums.
      mbar_wait(full_v + take_v.slot * 8, take_v.parity);
      const u64 desc_v2 = wgmma_descriptor_panels(smem + kOffsetV + take_v.slot * kStageBytesV, kPanelBytesV);
      wgmma_fence();
      wgmma_m64n128k128_bf16_registers(out, rounded, desc_v2);
      wgmma_commit();
      float sum3[2];
#pragma unroll
      for (int h = 0; h < 2; ++h)
        sum3[h] = quad_sum(sum[h]);
      float inverse[2];
#pragma unroll
      for (int h = 0; h < 2; ++h)
        inverse[h] = sum3[h] == 0.0f ? 0.0f : 1.0f / sum3[h];
      wgmma_wait<0>();
      wgmma_pin(out);
      if (thread < kCluster) mbar_arrive_at(empty_v + take_v.slot * 8, thread);
      ring_advance(take_v, kStagesV);
      const i64 offset3 = batch3 * offset2 + (batch_head2 - batch3 * heads) * offset;
      const i64 place = offset3 + my_row * count + part2;
      const i64 rows_left = queries - my_row;
#pragma unroll
      for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          float run[2];
#pragma unroll
          for (int e = 0; e < 2; ++e)
            run[e] = out[4 * j + 2 * h + e] * inverse[h];
          if (fragment_row + h * 8 < rows_left)
            store_run(o + place * 128 + i64(fragment_row + h * 8) * count * 128 + fragment_column + j * 8, run);
        }
      }

      // Logarithm of each row's sum of exponentials, by which parts are weighed.
      float log_sum[2];
#pragma unroll
      for (int h = 0; h < 2; ++h)
        log_sum[h] = fmaf(largest2[h], kToLog2, log2f(sum3[h])) * kLn2;
      if (fragment_column == 0) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          if (fragment_row + h * 8 < rows_left)
            global_store(lse + place + i64(fragment_row + h * 8) * count, log_sum[h]);
        }
      }
    }
  }
}
