// jinx 0.1 | attention_full_hd128_parts512_merge | sm_90a
// from: /attention/MatMul_1
// grid = a0 * a1 * a2; block = kThreads; dynamic shared memory = 0 bytes
constexpr int kThreads = 32;  // of a block
constexpr int kTile = 128;  // elements of a tile
constexpr int kPerThread = 4;  // consecutive elements that a thread holds

extern "C" __global__ void __launch_bounds__(kThreads)
attention_full_hd128_parts512_merge(const float* __restrict__ parts, const float* __restrict__ lse,
                                    bf16* __restrict__ o, i64 batch, i64 heads, i64 queries, i64 count) {
  const int thread_first = threadIdx.x * kPerThread;
  const i64 offset = count * queries;
  const i64 program = blockIdx.x;
  const i64 count2 = divide_small(program, queries);
  const i64 query = program - count2 * queries;
  const i64 batch2 = divide_small(count2, heads);
  const i64 head = count2 - batch2 * heads;
  const i64 first_place = batch2 * offset * heads + head * offset + query * count;

  // Parts, 16 at a time.
  float out[kPerThread];
  float largest = -INFINITY;
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    out[i] = 0.0f;
  for (i64 first_part = 0; first_part < count; first_part += 16) {
    const i64 last = count - 1;
    const i64 place = first_place + first_part;
    const float lse_value = global_load(lse + place);
    float parts_tile[kPerThread];
    load_run(parts_tile, parts + place * 128 + thread_first);
    const i64 offset2 = first_part + 1;
    const i64 place2 = first_place + least<i64>(offset2, last);
    const float lse_value2 = global_load(lse + place2);
    float parts_tile2[kPerThread];
    load_run(parts_tile2, parts + place2 * 128 + thread_first);
    const float logarithm = offset2 <= last ? lse_value2 : -INFINITY;
    const i64 offset3 = first_part + 2;
    const i64 place3 = first_place + least<i64>(offset3, last);
    const float lse_value3 = global_load(lse + place3);
    float parts_tile3[kPerThread];
    load_run(parts_tile3, parts + place3 * 128 + thread_first);
    const float logarithm2 = offset3 <= last ? lse_value3 : -INFINITY;
    const i64 offset4 = first_part + 3;
    const i64 place4 = first_place + least<i64>(offset4, last);
    const float lse_value4 = global_load(lse + place4);
    float parts_tile4[kPerThread];
    load_run(parts_tile4, parts + place4 * 128 + thread_first);
    const float logarithm3 = offset4 <= last ? lse_value4 : -INFINITY;
    const i64 offset5 = first_part + 4;
    const i64 place5 = first_place + least<i64>(offset5, last);
    const float lse_value5 = global_load(lse + place5);
    float parts_tile5[kPerThread];
    load_run(parts_tile5, parts + place5 * 128 + thread_first);
    const float logarithm4 = offset5 <= last ? lse_value5 : -INFINITY;
    const i64 offset6 = first_part + 5;
    const i64 place6 = first_place + least<i64>(offset6, last);
    const float lse_value6 = global_load(lse + place6);
    float parts_tile6[kPerThread];
    load_run(parts_tile6, parts + place6 * 128 + thread_first);
    const float logarithm5 = offset6 <= last ? lse_value6 : -INFINITY;
    const i64 offset7 = first_part + 6;
    const i64 place7 = first_place + least<i64>(offset7, last);
    const float lse_value7 = global_load(lse + place7);
    float parts_tile7[kPerThread];
    load_run(parts_tile7, parts + place7 * 128 + thread_first);
    const float logarithm6 = offset7 <= last ? lse_value7 : -INFINITY;
    const i64 offset8 = first_part + 7;
    const i64 place8 = first_place + least<i64>(offset8, last);
    const float lse_value8 = global_load(lse + place8);
    float parts_tile8[kPerThread];
    load_run(parts_tile8, parts + place8 * 128 + thread_first);
    const float logarithm7 = offset8 <= last ? lse_value8 : -INFINITY;
    const i64 offset9 = first_part + 8;
    const i64 place9 = first_place + least<i64>(offset9, last);
    const float lse_value9 = global_load(lse + place9);
    float parts_tile9[kPerThread];
    load_run(parts_tile9, parts + place9 * 128 + thread_first);
    const float logarithm8 = offset9 <= last ? lse_value9 : -INFINITY;
    const i64 offset10 = first_part + 9;
    const i64 place10 = first_place + least<i64>(offset10, last);
    const float lse_value10 = global_load(lse + place10);
    float parts_tile10[kPerThread];
    load_run(parts_tile10, parts + place10 * 128 + thread_first);
    const float logarithm9 = offset10 <= last ? lse_value10 : -INFINITY;
    const i64 offset11 = first_part + 10;
    const i64 place11 = first_place + least<i64>(offset11, last);
    const float lse_value11 = global_load(lse + place11);
    float parts_tile11[kPerThread];
    load_run(parts_tile11, parts + place11 * 128 + thread_first);
    const float logarithm10 = offset11 <= last ? lse_value11 : -INFINITY;
    const i64 offset12 = first_part + 11;
    const i64 place12 = first_place + least<i64>(offset12, last);
    const float lse_value12 = global_load(lse + place12);
    float parts_tile12[kPerThread];
    load_run(parts_tile12, parts + place12 * 128 + thread_first);
    const float logarithm11 = offset12 <= last ? lse_value12 : -INFINITY;
    const i64 offset13 = first_part + 12;
    const i64 place13 = first_place + least<i64>(offset13, last);
    const float lse_value13 = global_load(lse + place13);
    float parts_tile13[kPerThread];
    load_run(parts_tile13, parts + place13 * 128 + thread_first);
    const float logarithm12 = offset13 <= last ? lse_value13 : -INFINITY;
    const i64 offset14 = first_part + 13;
    const i64 place14 = first_place + least<i64>(offset14, last);
    const float lse_value14 = global_load(lse + place14);
    float parts_tile14[kPerThread];
    load_run(parts_tile14, parts + place14 * 128 + thread_first);
    const float logarithm13 = offset14 <= last ? lse_value14 : -INFINITY;
    const i64 offset15 = first_part + 14;
    const i64 place15 = first_place + least<i64>(offset15, last);
    const float lse_value15 = global_load(lse + place15);
    float parts_tile15[kPerThread];
    load_run(parts_tile15, parts + place15 * 128 + thread_first);
    const float logarithm14 = offset15 <= last ? lse_value15 : -INFINITY;
    const i64 offset16 = first_part + 15;
    const i64 place16 = first_place + least<i64>(offset16, last);
    const float lse_value16 = global_load(lse + place16);
    float parts_tile16[kPerThread];
    load_run(parts_tile16, parts + place16 * 128 + thread_first);
    const float logarithm15 = offset16 <= last ? lse_value16 : -INFINITY;
    const float maxnum_ = fmaxf(largest, lse_value);
    const float maxnum_2 = fmaxf(maxnum_, logarithm);
    const float maxnum_3 = fmaxf(maxnum_2, logarithm2);
    const float maxnum_4 = fmaxf(maxnum_3, logarithm3);
    const float maxnum_5 = fmaxf(maxnum_4, logarithm4);
    const float maxnum_6 = fmaxf(maxnum_5, logarithm5);
    const float maxnum_7 = fmaxf(maxnum_6, logarithm6);
    const float maxnum_8 = fmaxf(maxnum_7, logarithm7);
    const float maxnum_9 = fmaxf(maxnum_8, logarithm8);
    const float maxnum_10 = fmaxf(maxnum_9, logarithm9);
    const float maxnum_11 = fmaxf(maxnum_10, logarithm10);
    const float maxnum_12 = fmaxf(maxnum_11, logarithm11);
    const float maxnum_13 = fmaxf(maxnum_12, logarithm12);
    const float maxnum_14 = fmaxf(maxnum_13, logarithm13);
    const float maxnum_15 = fmaxf(maxnum_14, logarithm14);
    const float next = fmaxf(maxnum_15, logarithm15);
    const float shift = next == -INFINITY ? 0.0f : next;
    const float difference = largest - shift;
    const float product = sum * expf(difference);
    const float difference2 = lse_value - shift;
    const float sum2 = product + expf(difference2);
    const float difference3 = logarithm - shift;
    const float sum3 = sum2 + expf(difference3);
    const float difference4 = logarithm2 - shift;
    const float sum4 = sum3 + expf(difference4);
    const float difference5 = logarithm3 - shift;
    const float sum5 = sum4 + expf(difference5);
    const float difference6 = logarithm4 - shift;
    const float sum6 = sum5 + expf(difference6);
    const float difference7 = logarithm5 - shift;
    const float sum7 = sum6 + expf(difference7);
    const float difference8 = logarithm6 - shift;
    const float sum8 = sum7 + expf(difference8);
    const float difference9 = logarithm7 - shift;
    const float sum9 = sum8 + expf(difference9);
    const float difference10 = logarithm8 - shift;
    const float sum10 = sum9 + expf(difference10);
    const float difference11 = logarithm9 - shift;
    const float sum11 = sum10 + expf(difference11);
    const float difference12 = logarithm10 - shift;
    const float sum12 = sum11 + expf(difference12);
    const float difference13 = logarithm11 - shift;
    const float sum13 = sum12 + expf(difference13);
    const float difference14 = logarithm12 - shift;
    const float sum14 = sum13 + expf(difference14);
    const float difference15 = logarithm13 - shift;
    const float sum15 = sum14 + expf(difference15);
    const float difference16 = logarithm14 - shift;
    const float sum16 = sum15 + expf(difference16);
    const float difference17 = logarithm15 - shift;
    const float sum17 = sum16 + expf(difference17);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const float fma_ = fmaf(expf(difference2), parts_tile[i], out[i] * expf(difference));
      const float fma_2 = fmaf(expf(difference4), parts_tile3[i], fmaf(expf(difference3), parts_tile2[i], fma_));
      const float fma_3 = fmaf(expf(difference6), parts_tile5[i], fmaf(expf(difference5), parts_tile4[i], fma_2));
      const float fma_4 = fmaf(expf(difference8), parts_tile7[i], fmaf(expf(difference7), parts_tile6[i], fma_3));
      const float fma_5 = fmaf(expf(difference10), parts_tile9[i], fmaf(expf(difference9), parts_tile8[i], fma_4));
      const float fma_6 = fmaf(expf(difference12), parts_tile11[i], fmaf(expf(difference11), parts_tile10[i], fma_5));
      const float fma_7 = fmaf(expf(difference14), parts_tile13[i], fmaf(expf(difference13), parts_tile12[i], fma_6));
      const float fma_8 = fmaf(expf(difference16), parts_tile15[i], fmaf(expf(difference15), parts_tile14[i], fma_7));
      out[i] = fmaf(expf(difference17), parts_tile16[i], fma_8);
    }
    const auto next2 = next;
    const auto next3 = sum17;
    largest = next2;
    sum = next3;
  }
  const float pick = sum == 0.0f ? 1.0f : sum;
  const float quotient = 1.0f / pick;
  const i64 offset17 = batch2 * heads * 128 * queries + head * queries * 128;

  // Write o.
  bf16 o_tile[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    o_tile[i] = to_bf16(out[i] * quotient);
  store_run(o + offset17 + query * 128 + thread_first, o_tile);
}
