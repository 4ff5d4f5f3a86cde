// jinx 0.1 | rows | sm_90a
// from: /norm
// grid = a0; block = kThreads; dynamic shared memory = 0 bytes
constexpr int kThreads = 512;  // of a block
constexpr int kTile = 4096;  // elements of a tile
constexpr int kPerThread = 8;  // consecutive elements that a thread holds

extern "C" __global__ void __launch_bounds__(kThreads)
rows(bf16* __restrict__ x, const bf16* p, bf16* __restrict__ y, i64 a0, const __grid_constant__ PeerTable peers) {
  const int thread_first = threadIdx.x * kPerThread;
  grid_release_next();
  grid_wait_previous();
  const i64 program = blockIdx.x;
  const i64 offset = program * 4096;

  // Read x, the sum of what each rank has in p.
  bf16 x_tile[kPerThread];
  load_summed<2>(x_tile, x + offset, p + offset, thread_first, 4096, peers);

  // Write y.
  store_run(y + offset + thread_first, x_tile);
}
