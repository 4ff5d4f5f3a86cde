// jinx 0.1 | softmax | sm_90a
// from: /attn/Softmax
// grid = a0; block = kThreads; dynamic shared memory = 512 + (a1 + 255) floordiv 256 * 1024 bytes
constexpr int kThreads = 64;  // of a block
constexpr int kTile = 256;  // elements of a tile
constexpr int kPerThread = 4;  // elements that a thread holds, kStride from one to the next
constexpr int kStride = 64;
constexpr int kSlotsOffset = 0;  // shared memory: values that warps hand to each other
constexpr int kScratchOffset = 512;  // shared memory: the program's scratch

extern "C" __global__ void __launch_bounds__(kThreads)
softmax(const float* x, float* __restrict__ y, i64 rows, i64 n) {
  u8* const slots = dynamic_shared() + kSlotsOffset;
  int turn = 0;  // which of the two sets of slots is next
  u8* const scratch = dynamic_shared() + kScratchOffset;
  const int thread_first = threadIdx.x;
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;
  const i64 offset = program * n;

  // Loop: read x.
  float acc[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    acc[i] = -INFINITY;
  for (i64 step = 0; step < n; step += 256) {
    const i64 rest = n - step;
    float x_tile[kPerThread];
    load_apart_where(x_tile, x + offset + step + thread_first, kStride, rest - thread_first, kStride);
    const int lanes = static_cast<int>(least<i64>(rest, 256));
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      const float pick = thread_first + i * kStride < lanes ? x_tile[i] : -INFINITY;
      acc[i] = max_nan(acc[i], pick);
    }
  }
  float part = -INFINITY;
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    part = max_nan(part, acc[i]);
  const float largest = block_max(part, kThreads, slots, turn);
  float* const held = reinterpret_cast<float*>(scratch);

  // Loop: read x, write scratch.
  float acc2[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    acc2[i] = 0.0f;
  for (i64 step2 = 0; step2 < n; step2 += 256) {
    const i64 rest2 = n - step2;
    float x_tile2[kPerThread];
    load_apart_where(x_tile2, x + offset + step2 + thread_first, kStride, rest2 - thread_first, kStride);
    const int lanes2 = static_cast<int>(least<i64>(rest2, 256));
    float held_tile[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      held_tile[i] = thread_first + i * kStride < lanes2 ? expf(x_tile2[i] - largest) : 0.0f;
    shared_store_apart(held + step2 + thread_first, kStride, held_tile);
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      acc2[i] = acc2[i] + held_tile[i];
  }
  float part2 = 0.0f;
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    part2 += acc2[i];
  const float total = block_sum(part2, kThreads, slots, turn);
  const float quotient = 1.0f / total;

  // Loop: read scratch, write y.
  for (i64 step3 = 0; step3 < n; step3 += 256) {
    float held_tile2[kPerThread];
    shared_load_apart(held_tile2, held + step3 + thread_first, kStride);
    float y_tile[kPerThread];
#pragma unroll
    for (int i = 0; i < kPerThread; ++i)
      y_tile[i] = held_tile2[i] * quotient;
    store_apart_where(y + offset + step3 + thread_first, kStride, y_tile, n - step3 - thread_first, kStride);
  }
}
