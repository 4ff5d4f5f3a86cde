// jinx 0.1 | scale_relu | sm_90a
// from: /act/Mul, /act/Relu
// grid = (a0 + 1023) floordiv 1024; block = kThreads; dynamic shared memory = 0 bytes
constexpr int kThreads = 256;  // of a block
constexpr int kTile = 1024;  // elements of a tile
constexpr int kPerThread = 4;  // consecutive elements that a thread holds

extern "C" __global__ void __launch_bounds__(kThreads)
scale_relu(const float* x, const float* scale, float* __restrict__ y, i64 n) {
  const int thread_first = threadIdx.x * kPerThread;
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;
  const i64 offset = program * 1024;
  const i64 rest = n - offset;

  // Read x.
  float x_tile[kPerThread];
  load_run_some(x_tile, x + offset + thread_first, rest - thread_first);

  // Read scale.
  const float scale_value = global_load(scale);

  // Write y.
  float y_tile[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i)
    y_tile[i] = max_nan(x_tile[i] * scale_value, 0.0f);
  store_run_some(y + offset + thread_first, y_tile, rest - thread_first);
}
