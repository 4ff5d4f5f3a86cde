// jinx 0.1 | rows | sm_90a
// grid = 2; block = kThreads; dynamic shared memory = 8704 + 16384 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kTile = 1024;  // elements of a tile
constexpr int kPerThread = 4;  // elements that a thread holds, kStride from one to the next
constexpr int kStride = 256;
constexpr int kSlotsOffset = 0;  // shared memory: values that warps hand to each other
constexpr int kKeysOffset = 512;  // shared memory: what is sorted
constexpr int kScratchOffset = 8704;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads)
rows(const float* x, float* __restrict__ y0_, i64* __restrict__ y1_) {
  u8* const slots = dynamic_shared() + kSlotsOffset;
  int turn = 0;  // which of the two sets of slots is next
  i64* const keys = reinterpret_cast<i64*>(dynamic_shared() + kKeysOffset);
  u8* const scratch = dynamic_shared() + kScratchOffset;
  const int thread_first = threadIdx.x;
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;
  i64* const held = reinterpret_cast<i64*>(scratch);

  // Loop: read x, scratch, write scratch.
  i64 acc[kPerThread];
  i64 carried = 9223372036854775807L;
  i64 carried2 = 0;
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    acc[i] = 9223372036854775807L;
  for (i64 step = 0; step < 5000; step += 1024) {
    const i64 rest = 5000 - step;
    float x_tile[kPerThread];
    load_apart_where(x_tile, x + program * 5000 + step + thread_first, kStride, rest - thread_first, kStride);
    const int lanes = static_cast<int>(least<i64>(rest, 1024));
    i64 pick[kPerThread];
    bool is[kPerThread];
    i32 x_tile2[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const i32 bitcast_ = static_cast<i32>(f32_to_bits(x_tile[i]));
      const i32 and_ = bitcast_ & 2147483647;
      const i32 pick2 = and_ == 0 ? 0 : bitcast_ ^ bitcast_ >> 31 & 2147483647;
      const i64 ext_ = static_cast<i64>((and_ > 2139095040 ? 2147483647 : pick2) ^ -1);
      const i64 shl_ = static_cast<i64>(static_cast<u64>(ext_) << static_cast<u64>(32));
      const i64 as_i64 = static_cast<i64>(i64(thread_first + i * kStride) + step);
      pick[i] = thread_first + i * kStride < lanes ? shl_ | as_i64 : 9223372036854775807L;
      is[i] = pick[i] < carried;
      x_tile2[i] = static_cast<i32>(is[i]);
    }
    i32 sums[kPerThread];
    const i32 total = block_scan_tile<4, 1, true, false>(&sums[0], &x_tile2[0], kThreads, slots, turn);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      if (is[i]) shared_store(held + static_cast<i64>(sums[i]) + carried2, pick[i]);
    const i64 offset = carried2 + static_cast<i64>(total);
    i64 chosen[kPerThread];
    i64 chosen2;
    i64 chosen3;
    if (offset >= 1024) {
      block_sync();
      i64 held_tile[kPerThread];
      shared_load_apart(held_tile, held + thread_first, kStride);
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        shared_store(keys + thread_first + i * kStride, held_tile[i]);
      block_sort<true>(keys, 1024, kThreads);
      i64 sorted[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        sorted[i] = shared_load(keys + thread_first + i * kStride);
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        shared_store(keys + thread_first + i * kStride, least<i64>(acc[i], sorted[i]));
      block_sort<false>(keys, 1024, kThreads);
      i64 sorted2[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        sorted2[i] = shared_load(keys + thread_first + i * kStride);
      const i64 rest2 = offset - 1024;
      i64 held_tile2[kPerThread];
      shared_load_apart_where(held_tile2, held + 1024 + thread_first, kStride, rest2 - thread_first, kStride);
      block_sync();
      shared_store_apart_where(held + thread_first, kStride, held_tile2, rest2 - thread_first, kStride);
      const i64 extract_ = block_broadcast(sorted2[0], 4, slots, turn);
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        chosen[i] = sorted2[i];
      const auto next = extract_;
      const auto next2 = rest2;
      chosen2 = next;
      chosen3 = next2;
    } else {
#pragma unroll
      for (int i = 0; i < kPerThread; ++i)
        chosen[i] = acc[i];
      const auto next3 = carried;
      const auto next4 = offset;
      chosen2 = next3;
      chosen3 = next4;
    }
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      acc[i] = chosen[i];
    const auto next5 = chosen2;
    const auto next6 = chosen3;
    carried = next5;
    carried2 = next6;
  }
  const int lanes2 = static_cast<int>(least<i64>(carried2, 1024));

  // Read scratch.
  block_sync();
  i64 held_tile3[kPerThread];
  shared_load_apart_where(held_tile3, held + thread_first, kStride, carried2 - thread_first, kStride);
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const i64 pick3 = thread_first + i * kStride < lanes2 ? held_tile3[i] : 9223372036854775807L;
    shared_store(keys + thread_first + i * kStride, pick3);
  }
  block_sort<true>(keys, 1024, kThreads);
  i64 sorted3[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    sorted3[i] = shared_load(keys + thread_first + i * kStride);
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    shared_store(keys + thread_first + i * kStride, least<i64>(acc[i], sorted3[i]));
  block_sort<false>(keys, 1024, kThreads);
  i64 sorted4[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    sorted4[i] = shared_load(keys + thread_first + i * kStride);

  // Read x.
  float x_tile3[kPerThread];
  i64 and_2[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    and_2[i] = sorted4[i] & 4294967295L;
    x_tile3[i] = load_where(x + static_cast<i64>(and_2[i]) + program * 5000, thread_first + i * kStride < 5);
  }

  // Write y0_.
  store_apart_where(y0_ + program * 5 + thread_first, kStride, x_tile3, 5 - thread_first, kStride);

  // Write y1_.
  store_apart_where(y1_ + program * 5 + thread_first, kStride, and_2, 5 - thread_first, kStride);
}
