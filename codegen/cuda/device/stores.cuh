// ========================= jinx device library: stores that stay whole =========================
// A compiler takes the bytes of a store apart into elements, and puts them together again where it can. Where several branches ended with such stores it left eight of
// two bytes for one of 16.

/// store_run by instructions of 16, 8 or 4 bytes, as many as divide the run. `p` is a multiple of them.
template <int N, typename T>
JINX_DEVICE void store_run_whole(T* p, const T (&x)[N] JINX_AT) {
#ifdef JINX_EMULATED
  store_run(p, x, line);
#else
  constexpr int kBytes = widest_access(N * sizeof(T)), kEach = kBytes / sizeof(T);
  static_assert(kBytes >= 4, "whole stores are of words");
#pragma unroll
  for (int i = 0; i < N; i += kEach) {
    Pack<kBytes, T> pack;
#pragma unroll
    for (int j = 0; j < kEach; ++j) pack.values[j] = x[i + j];
    u32 w[kBytes / 4];
    memcpy(w, &pack, kBytes);
    if constexpr (kBytes == 16) asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" : : "l"(p + i), "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]) : "memory");
    else if constexpr (kBytes == 8) asm volatile("st.global.v2.b32 [%0], {%1, %2};" : : "l"(p + i), "r"(w[0]), "r"(w[1]) : "memory");
    else asm volatile("st.global.b32 [%0], %1;" : : "l"(p + i), "r"(w[0]) : "memory");
  }
#endif
}
