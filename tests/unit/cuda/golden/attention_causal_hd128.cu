// jinx 0.1 | attention_causal_hd128 | sm_90a
// from: /attention/MatMul, /attention/Softmax, /attention/MatMul_1
// grid = min((a0) * (a1) * (((a2) + 127) floordiv 128), 132); block = kThreads; dynamic shared memory = 230496 bytes
constexpr int kThreads = 384;  // of a block
constexpr int kConsumers = 2;  // warpgroups that multiply; one more fetches
constexpr int kCluster = 1;  // blocks of a cluster
constexpr int kStagesQ = 2;  // slots of the ring
constexpr int kOffsetQ = 0;  // q in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesQ = 32768;
constexpr int kPanelBytesQ = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersQ = 229376;  // two for each slot: filled, free
constexpr int kStagesK = 2;  // slots of the ring
constexpr int kOffsetK = 65536;  // k in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesK = 32768;
constexpr int kPanelBytesK = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersK = 229408;  // two for each slot: filled, free
constexpr int kStagesV = 2;  // slots of the ring
constexpr int kOffsetV = 131072;  // v in shared memory: 128 x 128 elements of 2 bytes
constexpr int kStageBytesV = 32768;
constexpr int kPanelBytesV = 16384;  // of its 64 columns side by side
constexpr int kOffsetBarriersV = 229440;  // two for each slot: filled, free
constexpr int kOffsetStore = 196608;  // staging of stores: two buffers a warp
constexpr int kStoreColumns = 64;  // of a store: one swizzle span
constexpr int kStoreRows = 16;  // of a store: what one warp owns of a product
constexpr int kStoreBytes = 2048;
constexpr float kToLog2 = 0.127517432f;
constexpr float kLn2 = 0.693147182f;
constexpr int kAccumulators128 = 64;  // of a thread for a tile of 64 x 128
constexpr int kOctets128 = 16;  // its groups of 8 columns
constexpr float kSlack = 8.0f;
constexpr float kSlack2 = 8.0f;

extern "C" __global__ void __launch_bounds__(kThreads, 1)
attention_causal_hd128(const bf16* q, const bf16* k, const bf16* v, const float* extra, bf16* __restrict__ o,
                       float* __restrict__ lse, i64 batch, i64 heads, i64 queries, i64 keys,
                       const __grid_constant__ TensorMap map_q, const __grid_constant__ TensorMap map_k,
                       const __grid_constant__ TensorMap map_v, const __grid_constant__ TensorMap map_o) {
  const int fragment_row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int fragment_column = threadIdx.x % 4 * 2;
  const i64 program = blockIdx.x;
  const i64 programs = gridDim.x;
  const i64 row_tiles = divide_small(queries + 127, 128);
  const i64 all_heads = batch * heads;
  const i64 tiles = all_heads * row_tiles;
  const i64 fitting = greatest<i64>(divide_small(65536, keys), 1);
  const i64 section = least<i64>(fitting, all_heads);
  const i64 sections = divide_small(all_heads + section - 1, greatest<i64>(section, 1));
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
    tma_prefetch_map(&map_o);
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
    registers_shrink<24>();
    if (warp_uniform(threadIdx.x / 32) == 0 && elect_one()) {
      Ring fill_q{0, 0};
      Ring fill_k{0, 0};
      Ring fill_v{0, 0};
      i64 place = program;
      for (i64 round_ = 0; round_ < tiles; round_ += programs) {
        const i64 tile = round_ + place;
        if (tile < tiles) {
          const i64 section_index = divide_small(tile, section * row_tiles);
          const i64 first_head = section_index * section;
          const i64 width = least<i64>(section, all_heads - first_head);
          const i64 within = tile - first_head * row_tiles;
          const i64 advanced = divide_small(within, width);
          const i64 batch_head = first_head + within - advanced * width;
          const i64 rest = sections - 1 - section_index;
          const i64 row_tile = rest - divide_small(rest, 2) * 2 == 1 ? advanced : row_tiles - 1 - advanced;
          const i64 batch2 = divide_small(batch_head, heads);
          const i64 head = batch_head - batch2 * heads;
          const i64 row = row_tile * 128;
          const i64 seen = least<i64>(keys, row + keys - queries + 1 + 127);
          const i64 blocks = divide_small(greatest<i64>(seen, 1) + 127, 128);
          mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);
          mbar_arrive_expect_bytes(full_k + fill_k.slot * 8, kStageBytesK);
          tma_load_4d(smem + kOffsetK + fill_k.slot * kStageBytesK, &map_k, full_k + fill_k.slot * 8, int(0), int((blocks - 1) * 128), int(head), int(batch2));
          tma_load_4d(smem + kOffsetK + fill_k.slot * kStageBytesK + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int((blocks - 1) * 128), int(head), int(batch2));
          ring_advance(fill_k, kStagesK);
          mbar_wait(empty_q + fill_q.slot * 8, fill_q.parity ^ 1);
          mbar_arrive_expect_bytes(full_q + fill_q.slot * 8, kStageBytesQ);
          tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ, &map_q, full_q + fill_q.slot * 8, int(0), int(row), int(head), int(batch2));
          tma_load_4d(smem + kOffsetQ + fill_q.slot * kStageBytesQ + kPanelBytesQ, &map_q, full_q + fill_q.slot * 8, 64, int(row), int(head), int(batch2));
          ring_advance(fill_q, kStagesQ);
          for (i64 step = 1; step < blocks; ++step) {
            const i64 before = blocks - step;
            mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);
            mbar_arrive_expect_bytes(full_k + fill_k.slot * 8, kStageBytesK);
            tma_load_4d(smem + kOffsetK + fill_k.slot * kStageBytesK, &map_k, full_k + fill_k.slot * 8, int(0), int((before - 1) * 128), int(head), int(batch2));
            tma_load_4d(smem + kOffsetK + fill_k.slot * kStageBytesK + kPanelBytesK, &map_k, full_k + fill_k.slot * 8, 64, int((before - 1) * 128), int(head), int(batch2));
            ring_advance(fill_k, kStagesK);
            mbar_wait(empty_v + fill_v.slot * 8, fill_v.parity ^ 1);
            mbar_arrive_expect_bytes(full_v + fill_v.slot * 8, kStageBytesV);
            tma_load_4d(smem + kOffsetV + fill_v.slot * kStageBytesV, &map_v, full_v + fill_v.slot * 8, int(0), int(before * 128), int(head), int(batch2));
            tma_load_4d(smem + kOffsetV + fill_v.slot * kStageBytesV + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(before * 128), int(head), int(batch2));
            ring_advance(fill_v, kStagesV);
          }
          mbar_wait(empty_v + fill_v.slot * 8, fill_v.parity ^ 1);
          mbar_arrive_expect_bytes(full_v + fill_v.slot * 8, kStageBytesV);
          tma_load_4d(smem + kOffsetV + fill_v.slot * kStageBytesV, &map_v, full_v + fill_v.slot * 8, int(0), int(0), int(head), int(batch2));
          tma_load_4d(smem + kOffsetV + fill_v.slot * kStageBytesV + kPanelBytesV, &map_v, full_v + fill_v.slot * 8, 64, int(0), int(head), int(batch2));
          ring_advance(fill_v, kStagesV);
        }
        place = programs - 1 - place;
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
    Ring take_k{0, 0};
    Ring take_v{0, 0};
    const i64 first_row = consumer * 64;
    i64 place2 = program;
    for (i64 round_2 = 0; round_2 < tiles; round_2 += programs) {
      const i64 tile2 = round_2 + place2;
      if (tile2 < tiles) {
        const i64 section_index2 = divide_small(tile2, section * row_tiles);
        const i64 first_head2 = section_index2 * section;
        const i64 width2 = least<i64>(section, all_heads - first_head2);
        const i64 within2 = tile2 - first_head2 * row_tiles;
        const i64 advanced2 = divide_small(within2, width2);
        const i64 batch_head2 = first_head2 + within2 - advanced2 * width2;
        const i64 rest2 = sections - 1 - section_index2;
        const i64 row_tile2 = rest2 - divide_small(rest2, 2) * 2 == 1 ? advanced2 : row_tiles - 1 - advanced2;
        const i64 batch3 = divide_small(batch_head2, heads);
        const i64 row2 = row_tile2 * 128;
        const i64 seen2 = least<i64>(keys, row2 + keys - queries + 1 + 127);
        const i64 blocks2 = divide_small(greatest<i64>(seen2, 1) + 127, 128);
        const i64 my_row = row2 + first_row;
        const i32 as_i32 = static_cast<i32>(my_row + keys - queries + 1);

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
        i32 visible[2];
        i32 visible_here[2];
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          visible[h] = least<i32>(wrap_add(fragment_row + h * 8, as_i32), static_cast<i32>(keys));
          visible_here[h] = wrap_sub(visible[h], static_cast<i32>((blocks2 - 1) * 128));
        }
        float logits[kAccumulators128];
#pragma unroll
        for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
#pragma unroll
            for (int e = 0; e < 2; ++e)
              logits[4 * j + 2 * h + e] = fragment_column + j * 8 + e < visible_here[h] ? scores[4 * j + 2 * h + e] : -INFINITY;
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
        const i64 seen_by_all = least<i64>(keys, row2 + keys - queries + 1);
        const i64 whole = divide_small(greatest<i64>(seen_by_all, 0), 128);
        const i64 masked = blocks2 - whole;

        // Steps with columns that some rows do not see.
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
        for (i64 step2 = 1; step2 < masked; ++step2) {
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
          const i32 as_i322 = static_cast<i32>((blocks2 - 1 - step2) * 128);
          i32 visible_here2[2];
#pragma unroll
          for (int h = 0; h < 2; ++h)
            visible_here2[h] = wrap_sub(visible[h], as_i322);
          float logits2[kAccumulators128];
#pragma unroll
          for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
#pragma unroll
              for (int e = 0; e < 2; ++e)
                logits2[4 * j + 2 * h + e] = fragment_column + j * 8 + e < visible_here2[h] ? scores2[4 * j + 2 * h + e] : -INFINITY;
            }
          }
          float largest3[2];
#pragma unroll
          for (int h = 0; h < 2; ++h)
            largest3[h] = row_max(logits2, h);
          float greatest[2];
          bool outgrown[2];
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            greatest[h] = fmaxf(largest2[h], largest3[h]);
            outgrown[h] = (greatest[h] - largest2[h]) * kToLog2 > kSlack;
          }
          const bool grows = warp_any(outgrown[0] || outgrown[1]);
          float reference[2];
          float shift2[2];
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            reference[h] = grows ? greatest[h] : largest2[h];
            shift2[h] = (reference[h] == -INFINITY ? 0.0f : reference[h]) * -kToLog2;
          }
          float weights2[kAccumulators128];
#pragma unroll
          for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
#pragma unroll
              for (int e = 0; e < 2; ++e) {
                const float fma_2 = fmaf(logits2[4 * j + 2 * h + e], kToLog2, shift2[h]);
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
          if (grows) {
            float rescale[2];
#pragma unroll
            for (int h = 0; h < 2; ++h)
              rescale[h] = exp2_approx(fmaf(largest2[h], kToLog2, shift2[h]));
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
            for (int h = 0; h < 2; ++h)
              sum[h] = sum[h] * rescale[h];
          }
#pragma unroll
          for (int i = 0; i < kAccumulators128 / 2; ++i)
            rounded[i] = rounded2[i];
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            const float next = reference[h];
            const float next2 = sum[h] + sum2[h];
            largest2[h] = next;
            sum[h] = next2;
          }
        }

        // Main loop: scores of a step run beside values of the step before, the softmax under the latter.
        for (i64 step3 = greatest<i64>(masked, 1); step3 < blocks2; ++step3) {
          mbar_wait(full_k + take_k.slot * 8, take_k.parity);
          float scores3[kAccumulators128];
          const u64 desc_q3 = wgmma_descriptor_128b(smem + kOffsetQ + take_q.slot * kStageBytesQ + u32(first_row) * 128);
          const u64 desc_k3 = wgmma_descriptor_128b(smem + kOffsetK + take_k.slot * kStageBytesK);
          wgmma_fence();
          wgmma_m64n128k128_bf16(scores3, desc_q3, desc_k3);
          wgmma_commit();
          mbar_wait(full_v + take_v.slot * 8, take_v.parity);
          const u64 desc_v2 = wgmma_descriptor_panels(smem + kOffsetV + take_v.slot * kStageBytesV, kPanelBytesV);
          wgmma_fence();
          wgmma_m64n128k128_bf16_registers(out, rounded, desc_v2);
          wgmma_commit();
          wgmma_wait<1>();
          wgmma_pin(scores3);
          if (thread < kCluster) mbar_arrive_at(empty_k + take_k.slot * 8, thread);
          ring_advance(take_k, kStagesK);
          float largest4[2];
#pragma unroll
          for (int h = 0; h < 2; ++h)
            largest4[h] = row_max(scores3, h);
          float greatest2[2];
          bool outgrown2[2];
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            greatest2[h] = fmaxf(largest2[h], largest4[h]);
            outgrown2[h] = (greatest2[h] - largest2[h]) * kToLog2 > kSlack2;
          }
          const bool grows2 = warp_any(outgrown2[0] || outgrown2[1]);
          float reference2[2];
          float shift3[2];
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            reference2[h] = grows2 ? greatest2[h] : largest2[h];
            const float pick = reference2[h] == -INFINITY ? 0.0f : reference2[h];
            shift3[h] = pick * -kToLog2;
          }
          float weights3[kAccumulators128];
#pragma unroll
          for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
#pragma unroll
              for (int e = 0; e < 2; ++e) {
                const float fma_3 = fmaf(scores3[4 * j + 2 * h + e], kToLog2, shift3[h]);
                weights3[4 * j + 2 * h + e] = exp2_approx(fma_3);
              }
            }
          }
          float sum3[2];
#pragma unroll
          for (int h = 0; h < 2; ++h)
            sum3[h] = row_part_sum(weights3, h);
          wgmma_wait<0>();
          wgmma_pin(out);
          if (thread < kCluster) mbar_arrive_at(empty_v + take_v.slot * 8, thread);
          ring_advance(take_v, kStagesV);
          u32 rounded3[kAccumulators128 / 2];
#pragma unroll
          for (int i = 0; i < kAccumulators128 / 2; ++i)
            rounded3[i] = pack_bf16x2(weights3[2 * i], weights3[2 * i + 1]);
          if (grows2) {
            float rescale2[2];
#pragma unroll
            for (int h = 0; h < 2; ++h)
              rescale2[h] = exp2_approx(fmaf(largest2[h], kToLog2, shift3[h]));
#pragma unroll
            for (int j = 0; j < kOctets128; ++j) {
#pragma unroll
              for (int h = 0; h < 2; ++h) {
#pragma unroll
                for (int e = 0; e < 2; ++e)
                  out[4 * j + 2 * h + e] = out[4 * j + 2 * h + e] * rescale2[h];
              }
            }
#pragma unroll
            for (int h = 0; h < 2; ++h)
              sum[h] = sum[h] * rescale2[h];
          }
#pragma unroll
          for (int i = 0; i < kAccumulators128 / 2; ++i)
            rounded[i] = rounded3[i];
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            const float next3 = reference2[h];
            const float next4 = sum[h] + sum3[h];
            largest2[h] = next3;
            sum[h] = next4;
          }
        }
        if (thread < kCluster) mbar_arrive_at(empty_q + take_q.slot * 8, thread);
        ring_advance(take_q, kStagesQ);

        // The last values, then the rows divided by their sums.
        mbar_wait(full_v + take_v.slot * 8, take_v.parity);
        const u64 desc_v3 = wgmma_descriptor_panels(smem + kOffsetV + take_v.slot * kStageBytesV, kPanelBytesV);
        wgmma_fence();
        wgmma_m64n128k128_bf16_registers(out, rounded, desc_v3);
        wgmma_commit();
        float sum4[2];
#pragma unroll
        for (int h = 0; h < 2; ++h)
          sum4[h] = quad_sum(sum[h]);
        float inverse[2];
#pragma unroll
        for (int h = 0; h < 2; ++h)
          inverse[h] = sum4[h] == 0.0f ? 0.0f : 1.0f / sum4[h];
        wgmma_wait<0>();
        wgmma_pin(out);
        if (thread < kCluster) mbar_arrive_at(empty_v + take_v.slot * 8, thread);
        ring_advance(take_v, kStagesV);

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
                  pair[e] = out[4 * j + 2 * h + e] * inverse[h];
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
            tma_store_4d(&map_o, buffer, int(0) + patch * kStoreColumns, int(my_row) + warp * kStoreRows, int(batch_head2 - batch3 * heads), int(batch3));
            tma_store_commit();
          }
        }

        // Logarithm of each row's sum of exponentials.
        float log_sum[2];
#pragma unroll
        for (int h = 0; h < 2; ++h)
          log_sum[h] = fmaf(largest2[h], kToLog2, log2f(sum4[h])) * kLn2;
        if (fragment_column == 0) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            if (fragment_row + h * 8 < queries - my_row)
              global_store(lse + batch_head2 * queries + my_row + fragment_row + h * 8, log_sum[h]);
          }
        }
      }
      place2 = programs - 1 - place2;
    }
    if (issuer) tma_store_wait_read<0>();  // shared memory outlives its last reader
  }
}
