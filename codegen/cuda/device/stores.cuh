// ========================= jinx device library: stores that stay whole =========================
// A compiler takes the 16 bytes of a store apart into elements, and puts them together again where it can. Where several branches end with such stores it left eight
// of two bytes.

/// store_run by instructions of 16 bytes. `p` is a multiple of them.
template <int N, typename T>
JINX_DEVICE void store_run_whole(T* p, const T (&x)[N] JINX_AT) {
#ifdef JINX_EMULATED
  store_run(p, x, line);
#else
  constexpr int kEach = 16 / sizeof(T);
  static_assert(N % kEach == 0, "whole stores are of 16 bytes");
#pragma unroll
  for (int i = 0; i < N; i += kEach) {
    Pack<16, T> pack;
#pragma unroll
    for (int j = 0; j < kEach; ++j) pack.values[j] = x[i + j];
    u32 w[4];
    memcpy(w, &pack, 16);
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" : : "l"(p + i), "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]) : "memory");
  }
#endif
}
