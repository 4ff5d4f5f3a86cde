// jinx 0.1 | attention_hd128_pages64 | sm_90a
// from: /attention
// grid = min((a0) * (a1) * ((a2 + 255) floordiv 256) * (((4) + 63) floordiv 64), 132); block = kThreads; dynamic shared memory = 230528 bytes
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
attention_hd128_pages64(const bf16* q, const bf16* k, const bf16* v, const i32* table, const i32* lengths,
                        float* __restrict__ parts, float* __restrict__ lse, i64 batch, i64 heads, i64 keys, i64 pages,
                        const __grid_constant__ TensorMap map_q, const __grid_constant__ TensorMap map_k,
                        const __grid_constant__ TensorMap map_v) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
  const i64 offset = batch * 64;
  const i64 head_tiles = (keys + 255) / 256;
  const i64 count = keys / 64;
  const i64 program = blockIdx.x;
  const i64 programs = gridDim.x;
  const i64 tiles = batch * heads * head_tiles;
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
        const i64 batch2 = divide_small(batch_head, heads);
        const i64 head = batch_head - batch2 * heads;
        const i32 lengths_value = global_load(lengths + batch2);
        const i64 length = static_cast<i64>(lengths_value);
        const i64 key = (tile - batch_head * head_tiles) * 256;
        const i64 count2 = greatest<i64>(least<i64>(key + 256, length) - key, 1);
        const i64 blocks = divide_small(count2 + 127, 128);
        if (key < length) {
          const i64 key2 = key + (blocks - 1) * 128;
          const i64 entry = batch2 * count + divide_small(key2, 64);
          const i64 rest = length - key2;
          const i32 table_value = load_where(table + entry, rest > 0);
          const i64 page = rest > 0 ? static_cast<i64>(table_value) : -1;
          const i64 rest2 = length - (key2 + 64);
          const i32 table_value2 = load_where(table + entry + 1, rest2 > 0);
          const i64 page2 = rest2 > 0 ? static_cast<i64>(table_value2) : -1;
          mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);
          mbar_arrive_expect_bytes(full_k + fill_k.slot * 8, kStageBytesK);
          tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK, &map_k, full_k + fill_k.slot * 8, int(0), int(0), int(head), int(page));
          tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int(0), int(head), int(page));
          tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK + 64 * 128, &map_k, full_k + fill_k.slot * 8, int(0), int(0), int(head), int(page2));
          tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK + 64 * 128 + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int(0), int(head), int(page2));
          ring_advance(fill_k, kStagesK);
          mbar_wait(empty_q + fill_q.slot * 8, fill_q.parity ^ 1);
          mbar_arrive_expect_bytes(full_q + fill_q.slot * 8, kStageBytesQ);
          tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ, &map_q, full_q + fill_q.slot * 8, int(0), int(0), int(head), int(batch2));
          tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ + kPanelBytesQ, &map_q, full_q + fill_q.slot * 8, 64, int(0), int(head), int(batch2));
          ring_advance(fill_q, kStagesQ);
          for (i64 step = 1; step < blocks; ++step) {
            const i64 before = blocks - step;
            const i64 key3 = key + (before - 1) * 128;
            const i64 entry2 = batch2 * count + divide_small(key3, 64);
            const i64 rest3 = length - key3;
            const i32 table_value3 = load_where(table + entry2, rest3 > 0);
            const i64 page3 = rest3 > 0 ? static_cast<i64>(table_value3) : -1;
            const i64 rest4 = length - (key3 + 64);
            const i32 table_value4 = load_where(table + entry2 + 1, rest4 > 0);
            const i64 page4 = rest4 > 0 ? static_cast<i64>(table_value4) : -1;
            mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);
            mbar_arrive_expect_bytes(full_k + fill_k.slot * 8, kStageBytesK);
            tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK, &map_k, full_k + fill_k.slot * 8, int(0), int(0), int(head), int(page3));
            tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int(0), int(head), int(page3));
            tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK + 64 * 128, &map_k, full_k + fill_k.slot * 8, int(0), int(0), int(head), int(page4));
            tma_load_4d_once(smem + kOffsetK + fill_k.slot * kStageBytesK + 64 * 128 + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int(0), int(head), int(page4));
            ring_advance(fill_k, kStagesK);
            const i64 key4 = key + before * 128;
            const i64 entry3 = batch2 * count + divide_small(key4, 64);
            const i64 rest5 = length - key4;
            const i32 table_value5 = load_where(table + entry3, rest5 > 0);
            const i64 page5 = rest5 > 0 ? static_cast<i64>(table_value5) : -1;
            const i64 rest6 = length - (key4 + 64);
            const i32 table_value6 = load_where(table + entry3 + 1, rest6 > 0);
            const i64 page6 = rest6 > 0 ? static_cast<i64>(table_value6) : -1;
            mbar_wait(empty_v + fill_v.slot * 8, fill_v.parity ^ 1);
            mbar_arrive_expect_bytes(full_v + fill_v.slot * 8, kStageBytesV);
            tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV, &map_v, full_v + fill_v.slot * 8, int(0), int(0), int(head), int(page5));
            tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(0), int(head), int(page5));
            tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV + 64 * 128, &map_v, full_v + fill_v.slot * 8, int(0), int(0), int(head), int(page6));
            tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV + 64 * 128 + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(0), int(head), int(page6));
            ring_advance(fill_v, kStagesV);
          }
          const i64 entry4 = batch2 * count + divide_small(key, 64);
          const i64 rest7 = length - key;
          const i32 table_value7 = load_where(table + entry4, rest7 > 0);
          const i64 page7 = rest7 > 0 ? static_cast<i64>(table_value7) : -1;
          const i64 rest8 = length - (key + 64);
          const i32 table_value8 = load_where(table + entry4 + 1, rest8 > 0);
          const i64 page8 = rest8 > 0 ? static_cast<i64>(table_value8) : -1;
          mbar_wait(empty_v + fill_v.slot * 8, fill_v.parity ^ 1);
          mbar_arrive_expect_bytes(full_v + fill_v.slot * 8, kStageBytesV);
          tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV, &map_v, full_v + fill_v.slot * 8, int(0), int(0), int(head), int(page7));
          tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(0), int(head), int(page7));
          tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV + 64 * 128, &map_v, full_v + fill_v.slot * 8, int(0), int(0), int(head), int(page8));
          tma_load_4d_once(smem + kOffsetV + fill_v.slot * kStageBytesV + 64 * 128 + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(0), int(head), int(page8));
          ring_advance(fill_v, kStagesV);
        }
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
    const i64 my_row = consumer * 64;
    for (i64 tile2 = program; tile2 < tiles; tile2 += programs) {
      const i64 batch_head2 = divide_small(tile2, head_tiles);
      const i64 part = tile2 - batch_head2 * head_tiles;
      const i64 batch3 = divide_small(batch_head2, heads);
      const i64 head2 = batch_head2 - batch3 * heads;
      const i32 lengths_value2 = global_load(lengths + batch3);
      const i64 length2 = static_cast<i64>(lengths_value2);
      const i64 first_key = part * 256;
      const i64 rest9 = least<i64>(first_key + 256, length2) - first_key;
      const i64 blocks2 = divide_small(greatest<i64>(rest9, 1) + 127, 128);
      if (first_key < length2) {
        // First step: the rightmost keys, masked; nothing to overlap with.
        mbar_wait(full_q + take_q.slot * 8, take_q.parity);
        mbar_wait(full_k + take_k.slot * 8, take_k.parity);
        float scores[kAccumulators128];
        const u64 desc_q = wgmma_descriptor_128b(smem + kOffsetQ + take_q.slot * kStageBytesQ + u32(my_row) * 128);
        const u64 desc_k = wgmma_descriptor_128b(smem + kOffsetK + take_k.slot * kStageBytesK);
        wgmma_fence();
        wgmma_m64n128k128_bf16(scores, desc_q, desc_k);
        wgmma_commit();
        wgmma_wait<0>();
        wgmma_pin(scores);
        if (thread < kCluster) mbar_arrive_at(empty_k + take_k.slot * 8, thread);
        ring_advance(take_k, kStagesK);
        const i32 as_i32 = static_cast<i32>(first_key + (blocks2 - 1) * 128);
        const i32 visible_here = wrap_sub(static_cast<i32>(length2), as_i32);
        float logits[kAccumulators128];
#pragma unroll
        for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
#pragma unroll
            for (int e = 0; e < 2; ++e)
              logits[4 * j + 2 * h + e] = fragment_column + j * 8 + e < visible_here ? scores[4 * j + 2 * h + e] : -INFINITY;
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
          const u64 desc_q2 = wgmma_descriptor_128b(smem + kOffsetQ + take_q.slot * kStageBytesQ + u32(my_row) * 128);
          const u64 desc_k2 = wgmma_descriptor_128b(smem + kOffsetK + take_k.slot * kStageBytesK);
          wgmma_fence();
          wgmma_m64n128k128_bf16(scores2, desc_q2, desc_k2);
          wgmma_commit();
          mbar_wait(full_v + take_v.slot * 8, take_v.parity);
          const i64 valid = length2 - (first_key + (blocks2 - step2) * 128);
          if (valid < 128)
            clear_rows(smem + kOffsetV + take_v.slot * kStageBytesV, 2, 128, int(valid), thread);
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
        if (length2 - first_key < 128)
          clear_rows(smem + kOffsetV + take_v.slot * kStageBytesV, 2, 128, int(length2 - first_key), thread);
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
        const i64 offset2 = batch3 * 64 + head2 * offset + my_row * 16;
        const i64 place = offset2 + part;
        const i64 rows_left = 4 - my_row;
#pragma unroll
        for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            float run[2];
#pragma unroll
            for (int e = 0; e < 2; ++e)
              run[e] = out[4 * j + 2 * h + e] * inverse[h];
            if (fragment_row + h * 8 < rows_left)
              store_run(parts + place * 128 + i64(fragment_row + h * 8) * 2048 + fragment_column + j * 8, run);
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
              global_store(lse + place + i64(fragment_row + h * 8) * 16, log_sum[h]);
          }
        }
      }
    }
  }
}
