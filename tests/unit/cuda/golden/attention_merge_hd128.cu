// jinx 0.1 | attention_full_hd128_parts512_merge | sm_90a
// from: /attention/MatMul_1
// grid = a0 * a1 * a2; block = kThreads; dynamic shared memory = 0 bytes
constexpr int kThreads = 128;  // of a block
constexpr float kToLog2 = 1.44269502f;
constexpr int kTile = 128;  // elements of a tile
constexpr int kPerThread = 1;  // consecutive elements that a thread holds

extern "C" __global__ void __launch_bounds__(kThreads)
attention_full_hd128_parts512_merge(const float* parts, const float* lse, bf16* __restrict__ o, i64 batch, i64 heads,
                                    i64 queries, i64 count) {
  const int thread_first = threadIdx.x;
  grid_release_next();
  grid_wait_previous();
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
    const i64 place = first_place + first_part;
    const i64 left = count - first_part;
    const float lse_value = load_where(lse + place, left > 0);
    float parts_tile[kPerThread];
    load_run_where(parts_tile, parts + place * 128 + thread_first, left * 128 - thread_first);
    const i64 offset2 = place + 1;
    const i64 rest = left - 1;
    const float lse_value2 = load_where(lse + offset2, rest > 0);
    float parts_tile2[kPerThread];
    load_run_where(parts_tile2, parts + offset2 * 128 + thread_first, rest * 128 - thread_first);
    const float logarithm = rest > 0 ? lse_value2 : -INFINITY;
    const i64 offset3 = place + 2;
    const i64 rest2 = left - 2;
    const float lse_value3 = load_where(lse + offset3, rest2 > 0);
    float parts_tile3[kPerThread];
    load_run_where(parts_tile3, parts + offset3 * 128 + thread_first, rest2 * 128 - thread_first);
    const float logarithm2 = rest2 > 0 ? lse_value3 : -INFINITY;
    const i64 offset4 = place + 3;
    const i64 rest3 = left - 3;
    const float lse_value4 = load_where(lse + offset4, rest3 > 0);
    float parts_tile4[kPerThread];
    load_run_where(parts_tile4, parts + offset4 * 128 + thread_first, rest3 * 128 - thread_first);
    const float logarithm3 = rest3 > 0 ? lse_value4 : -INFINITY;
    const i64 offset5 = place + 4;
    const i64 rest4 = left - 4;
    const float lse_value5 = load_where(lse + offset5, rest4 > 0);
    float parts_tile5[kPerThread];
    load_run_where(parts_tile5, parts + offset5 * 128 + thread_first, rest4 * 128 - thread_first);
    const float logarithm4 = rest4 > 0 ? lse_value5 : -INFINITY;
    const i64 offset6 = place + 5;
    const i64 rest5 = left - 5;
    const float lse_value6 = load_where(lse + offset6, rest5 > 0);
    float parts_tile6[kPerThread];
    load_run_where(parts_tile6, parts + offset6 * 128 + thread_first, rest5 * 128 - thread_first);
    const float logarithm5 = rest5 > 0 ? lse_value6 : -INFINITY;
    const i64 offset7 = place + 6;
    const i64 rest6 = left - 6;
    const float lse_value7 = load_where(lse + offset7, rest6 > 0);
    float parts_tile7[kPerThread];
    load_run_where(parts_tile7, parts + offset7 * 128 + thread_first, rest6 * 128 - thread_first);
    const float logarithm6 = rest6 > 0 ? lse_value7 : -INFINITY;
    const i64 offset8 = place + 7;
    const i64 rest7 = left - 7;
    const float lse_value8 = load_where(lse + offset8, rest7 > 0);
    float parts_tile8[kPerThread];
    load_run_where(parts_tile8, parts + offset8 * 128 + thread_first, rest7 * 128 - thread_first);
    const float logarithm7 = rest7 > 0 ? lse_value8 : -INFINITY;
    const i64 offset9 = place + 8;
    const i64 rest8 = left - 8;
    const float lse_value9 = load_where(lse + offset9, rest8 > 0);
    float parts_tile9[kPerThread];
    load_run_where(parts_tile9, parts + offset9 * 128 + thread_first, rest8 * 128 - thread_first);
    const float logarithm8 = rest8 > 0 ? lse_value9 : -INFINITY;
    const i64 offset10 = place + 9;
    const i64 rest9 = left - 9;
    const float lse_value10 = load_where(lse + offset10, rest9 > 0);
    float parts_tile10[kPerThread];
    load_run_where(parts_tile10, parts + offset10 * 128 + thread_first, rest9 * 128 - thread_first);
    const float logarithm9 = rest9 > 0 ? lse_value10 : -INFINITY;
    const i64 offset11 = place + 10;
    const i64 rest10 = left - 10;
    const float lse_value11 = load_where(lse + offset11, rest10 > 0);
    float parts_tile11[kPerThread];
    load_run_where(parts_tile11, parts + offset11 * 128 + thread_first, rest10 * 128 - thread_first);
    const float logarithm10 = rest10 > 0 ? lse_value11 : -INFINITY;
    const i64 offset12 = place + 11;
    const i64 rest11 = left - 11;
    const float lse_value12 = load_where(lse + offset12, rest11 > 0);
    float parts_tile12[kPerThread];
    load_run_where(parts_tile12, parts + offset12 * 128 + thread_first, rest11 * 128 - thread_first);
    const float logarithm11 = rest11 > 0 ? lse_value12 : -INFINITY;
    const i64 offset13 = place + 12;
    const i64 rest12 = left - 12;
    const float lse_value13 = load_where(lse + offset13, rest12 > 0);
    float parts_tile13[kPerThread];
    load_run_where(parts_tile13, parts + offset13 * 128 + thread_first, rest12 * 128 - thread_first);
    const float logarithm12 = rest12 > 0 ? lse_value13 : -INFINITY;
    const i64 offset14 = place + 13;
    const i64 rest13 = left - 13;
    const float lse_value14 = load_where(lse + offset14, rest13 > 0);
    float parts_tile14[kPerThread];
    load_run_where(parts_tile14, parts + offset14 * 128 + thread_first, rest13 * 128 - thread_first);
    const float logarithm13 = rest13 > 0 ? lse_value14 : -INFINITY;
    const i64 offset15 = place + 14;
    const i64 rest14 = left - 14;
    const float lse_value15 = load_where(lse + offset15, rest14 > 0);
    float parts_tile15[kPerThread];
    load_run_where(parts_tile15, parts + offset15 * 128 + thread_first, rest14 * 128 - thread_first);
    const float logarithm14 = rest14 > 0 ? lse_value15 : -INFINITY;
    const i64 offset16 = place + 15;
    const i64 rest15 = left - 15;
    const float lse_value16 = load_where(lse + offset16, rest15 > 0);
    float parts_tile16[kPerThread];
    load_run_where(parts_tile16, parts + offset16 * 128 + thread_first, rest15 * 128 - thread_first);
    const float logarithm15 = rest15 > 0 ? lse_value16 : -INFINITY;
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
    const float product = difference * kToLog2;
    const float product2 = sum * exp2_approx(product);
    const float difference2 = lse_value - shift;
    const float product3 = difference2 * kToLog2;
    const float sum2 = product2 + exp2_approx(product3);
    const float difference3 = logarithm - shift;
    const float product4 = difference3 * kToLog2;
    const float sum3 = sum2 + exp2_approx(product4);
    const float difference4 = logarithm2 - shift;
    const float product5 = difference4 * kToLog2;
    const float sum4 = sum3 + exp2_approx(product5);
    const float difference5 = logarithm3 - shift;
    const float product6 = difference5 * kToLog2;
    const float sum5 = sum4 + exp2_approx(product6);
    const float difference6 = logarithm4 - shift;
    const float product7 = difference6 * kToLog2;
    const float sum6 = sum5 + exp2_approx(product7);
    const float difference7 = logarithm5 - shift;
    const float product8 = difference7 * kToLog2;
    const float sum7 = sum6 + exp2_approx(product8);
    const float difference8 = logarithm6 - shift;
    const float product9 = difference8 * kToLog2;
    const float sum8 = sum7 + exp2_approx(product9);
    const float difference9 = logarithm7 - shift;
    const float product10 = difference9 * kToLog2;
    const float sum9 = sum8 + exp2_approx(product10);
    const float difference10 = logarithm8 - shift;
    const float product11 = difference10 * kToLog2;
    const float sum10 = sum9 + exp2_approx(product11);
    const float difference11 = logarithm9 - shift;
    const float product12 = difference11 * kToLog2;
    const float sum11 = sum10 + exp2_approx(product12);
    const float difference12 = logarithm10 - shift;
    const float product13 = difference12 * kToLog2;
    const float sum12 = sum11 + exp2_approx(product13);
    const float difference13 = logarithm11 - shift;
    const float product14 = difference13 * kToLog2;
    const float sum13 = sum12 + exp2_approx(product14);
    const float difference14 = logarithm12 - shift;
    const float product15 = difference14 * kToLog2;
    const float sum14 = sum13 + exp2_approx(product15);
    const float difference15 = logarithm13 - shift;
    const float product16 = difference15 * kToLog2;
    const float sum15 = sum14 + exp2_approx(product16);
    const float difference16 = logarithm14 - shift;
    const float product17 = difference16 * kToLog2;
    const float sum16 = sum15 + exp2_approx(product17);
    const float difference17 = logarithm15 - shift;
    const float product18 = difference17 * kToLog2;
    const float sum17 = sum16 + exp2_approx(product18);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const float fma_ = fmaf(exp2_approx(product3), parts_tile[i], out[i] * exp2_approx(product));
      const float fma_2 = fmaf(exp2_approx(product4), parts_tile2[i], fma_);
      const float fma_3 = fmaf(exp2_approx(product5), parts_tile3[i], fma_2);
      const float fma_4 = fmaf(exp2_approx(product6), parts_tile4[i], fma_3);
      const float fma_5 = fmaf(exp2_approx(product7), parts_tile5[i], fma_4);
      const float fma_6 = fmaf(exp2_approx(product8), parts_tile6[i], fma_5);
      const float fma_7 = fmaf(exp2_approx(product9), parts_tile7[i], fma_6);
      const float fma_8 = fmaf(exp2_approx(product10), parts_tile8[i], fma_7);
      const float fma_9 = fmaf(exp2_approx(product11), parts_tile9[i], fma_8);
      const float fma_10 = fmaf(exp2_approx(product12), parts_tile10[i], fma_9);
      const float fma_11 = fmaf(exp2_approx(product13), parts_tile11[i], fma_10);
      const float fma_12 = fmaf(exp2_approx(product14), parts_tile12[i], fma_11);
      const float fma_13 = fmaf(exp2_approx(product15), parts_tile13[i], fma_12);
      const float fma_14 = fmaf(exp2_approx(product16), parts_tile14[i], fma_13);
      const float fma_15 = fmaf(exp2_approx(product17), parts_tile15[i], fma_14);
      const float fma_16 = fmaf(exp2_approx(product18), parts_tile16[i], fma_15);
      out[i] = fma_16;
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
