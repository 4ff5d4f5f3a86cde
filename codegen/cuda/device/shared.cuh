// ============================ jinx device library: shared memory ============================
/// The block's dynamic shared memory. Its address is a multiple of 16, no more.
JINX_DEVICE u8* dynamic_shared() {
#ifdef JINX_EMULATED
  return emu_self->shared;
#else
  extern __shared__ __align__(1024) u8 jinx_shared[];
  return jinx_shared;
#endif
}
/// The address that barriers, descriptors and bulk copies take.
JINX_DEVICE u32 smem_address(const void* p) {
#ifdef JINX_EMULATED
  return static_cast<u32>(static_cast<const u8*>(p) - emu_self->shared_window);
#else
  return static_cast<u32>(__cvta_generic_to_shared(p));
#endif
}
/// `p` moved up to a multiple of 1024 bytes in shared memory: the swizzle patterns start there.
JINX_DEVICE u8* align_1024(u8* p) { return p + ((1024u - (smem_address(p) & 1023u)) & 1023u); }

template <typename T>
JINX_DEVICE T shared_load(const T* p JINX_AT) {
#ifdef JINX_EMULATED
  emu->shared_access(p, sizeof(T), 0, line);
#endif
  return *p;
}
template <typename T>
JINX_DEVICE void shared_store(T* p, T value JINX_AT) {
#ifdef JINX_EMULATED
  emu->shared_access(p, sizeof(T), 1, line);
#endif
  *p = value;
}
// Tiles of rank 1 in shared memory, as in global memory (base.cuh).
template <int N, typename T>
JINX_DEVICE void shared_load_run(T (&x)[N], const T* p JINX_AT) {
  constexpr int kBytes = widest_access(N * sizeof(T)), kEach = kBytes / sizeof(T);
#pragma unroll
  for (int i = 0; i < N; i += kEach) {
    const Pack<kBytes, T> pack = shared_load(reinterpret_cast<const Pack<kBytes, T>*>(p + i) JINX_FROM);
#pragma unroll
    for (int j = 0; j < kEach; ++j) x[i + j] = pack.values[j];
  }
}
template <int N, typename T>
JINX_DEVICE void shared_load_run_where(T (&x)[N], const T* p, i64 valid JINX_AT) {
  if (valid > 0) {
    shared_load_run(x, p JINX_FROM);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = T{};
  }
}
template <int N, typename T>
JINX_DEVICE void shared_load_run_some(T (&x)[N], const T* p, i64 valid JINX_AT) {
  if (valid >= N) {
    shared_load_run(x, p JINX_FROM);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = i < valid ? shared_load(p + i JINX_FROM) : T{};
  }
}
template <int N, typename T>
JINX_DEVICE void shared_store_run(T* p, const T (&x)[N] JINX_AT) {
  constexpr int kBytes = widest_access(N * sizeof(T)), kEach = kBytes / sizeof(T);
#pragma unroll
  for (int i = 0; i < N; i += kEach) {
    Pack<kBytes, T> pack;
#pragma unroll
    for (int j = 0; j < kEach; ++j) pack.values[j] = x[i + j];
    shared_store(reinterpret_cast<Pack<kBytes, T>*>(p + i), pack JINX_FROM);
  }
}
template <int N, typename T>
JINX_DEVICE void shared_store_run_where(T* p, const T (&x)[N], i64 valid JINX_AT) {
  if (valid > 0) shared_store_run(p, x JINX_FROM);
}
template <int N, typename T>
JINX_DEVICE void shared_store_run_some(T* p, const T (&x)[N], i64 valid JINX_AT) {
  if (valid >= N) {
    shared_store_run(p, x JINX_FROM);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < valid) shared_store(p + i, x[i] JINX_FROM);
  }
}
template <int M, int N, typename T>
JINX_DEVICE void shared_load_runs(T (&x)[M][N], const T* p, int stride JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) shared_load_run(x[v], p + v * stride JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void shared_load_runs_where(T (&x)[M][N], const T* p, int stride, i64 valid JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) shared_load_run_where(x[v], p + v * stride, valid - v * stride JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void shared_load_runs_some(T (&x)[M][N], const T* p, int stride, i64 valid JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) shared_load_run_some(x[v], p + v * stride, valid - v * stride JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void shared_store_runs(T* p, int stride, const T (&x)[M][N] JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) shared_store_run(p + v * stride, x[v] JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void shared_store_runs_where(T* p, int stride, const T (&x)[M][N], i64 valid JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) shared_store_run_where(p + v * stride, x[v], valid - v * stride JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void shared_store_runs_some(T* p, int stride, const T (&x)[M][N], i64 valid JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) shared_store_run_some(p + v * stride, x[v], valid - v * stride JINX_FROM);
}
template <int N, typename T>
JINX_DEVICE void shared_load_apart(T (&x)[N], const T* p, i64 stride JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = shared_load(p + i * stride JINX_FROM);
}
template <int N, typename T>
JINX_DEVICE void shared_load_apart_where(T (&x)[N], const T* p, i64 stride, i64 valid, int lanes JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = i * lanes < valid ? shared_load(p + i * stride JINX_FROM) : T{};
}
template <int N, typename T>
JINX_DEVICE void shared_store_apart(T* p, i64 stride, const T (&x)[N] JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i) shared_store(p + i * stride, x[i] JINX_FROM);
}
template <int N, typename T>
JINX_DEVICE void shared_store_apart_where(T* p, i64 stride, const T (&x)[N], i64 valid, int lanes JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i * lanes < valid) shared_store(p + i * stride, x[i] JINX_FROM);
}
/// Runs of tiles of rank 2.
template <int N, typename T>
JINX_DEVICE void shared_store_contiguous(T* p, const T (&x)[N], i64 valid JINX_AT) {
  constexpr int kBytes = widest_access(N * sizeof(T)), kEach = kBytes / sizeof(T);
  if (valid >= N && is_aligned(p, kBytes)) {
#pragma unroll
    for (int i = 0; i < N; i += kEach) {
      Pack<kBytes, T> pack;
#pragma unroll
      for (int j = 0; j < kEach; ++j) pack.values[j] = x[i + j];
      shared_store(reinterpret_cast<Pack<kBytes, T>*>(p + i), pack JINX_FROM);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < valid) shared_store(p + i, x[i] JINX_FROM);
  }
}
template <int N, typename T>
JINX_DEVICE void shared_store_strided(T* p, i64 stride, const T (&x)[N], i64 valid JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < valid) shared_store(p + i * stride, x[i] JINX_FROM);
}
template <typename T>
JINX_DEVICE T shared_load_where(const T* p, bool valid JINX_AT) {
  return valid ? shared_load(p JINX_FROM) : T{};
}
/// Four neighbours at a 16-byte boundary, without a bound.
JINX_DEVICE void shared_load_x4(float* x, const float* p JINX_AT) {
  const Pack<16, float> pack = shared_load(reinterpret_cast<const Pack<16, float>*>(p) JINX_FROM);
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = pack.values[i];
}
