// ========================== jinx device library: rows of fragments ==========================
// A thread holds, in d[4 * j + 2 * h + e], columns 8 * j + 2 * (lane % 4) + e of row h of its two rows; its quad holds the others.

/// Whether any lane of the warp says so.
JINX_DEVICE bool warp_any(bool says JINX_AT) {
#ifdef JINX_EMULATED
  int any = says;
  for (int distance = 1; distance < 32; distance *= 2) any |= warp_shuffle_xor(any, distance JINX_FROM);
  return any != 0;
#else
  return __any_sync(0xFFFFFFFFu, says);
#endif
}
/// wgmma_wait, but not before these values are known. ptxas moves a wait up, past arithmetic that should run under the products, for nothing ties
/// one to the other; it does not move it past a branch that asks for the results. The bits asked for are a NaN's that no arithmetic gives.
template <int Pending, int N>
JINX_DEVICE void wgmma_wait_behind(const float (&values)[N] JINX_AT) {
#ifndef JINX_EMULATED
  u32 common = ~0u;
#pragma unroll
  for (int i = 0; i < N; ++i) common &= f32_to_bits(values[i]);
  if (common == ~0u) asm volatile("nanosleep.u32 0;");
#endif
  wgmma_wait<Pending>(JINX_FROM0);
}
/// The four lanes of a row combined: every lane gets the result.
JINX_DEVICE float quad_sum(float v JINX_AT) {
  v += warp_shuffle_xor(v, 1 JINX_FROM);
  return v + warp_shuffle_xor(v, 2 JINX_FROM);
}
JINX_DEVICE float quad_max(float v JINX_AT) {
  v = fmaxf(v, warp_shuffle_xor(v, 1 JINX_FROM));
  return fmaxf(v, warp_shuffle_xor(v, 2 JINX_FROM));
}
/// What this thread holds of its row h, combined. Four chains, so that one does not wait for the other.
template <int N>
JINX_DEVICE float row_part_sum(const float (&d)[N], int h) {
  float a = d[2 * h], b = d[2 * h + 1], c = d[2 * h + 4], e = d[2 * h + 5];
#pragma unroll
  for (int i = 8; i < N; i += 8) {
    a += d[i + 2 * h];
    b += d[i + 2 * h + 1];
    c += d[i + 2 * h + 4];
    e += d[i + 2 * h + 5];
  }
  return (a + b) + (c + e);
}
template <int N>
JINX_DEVICE float row_part_max(const float (&d)[N], int h) {
  float a = d[2 * h], b = d[2 * h + 1], c = d[2 * h + 4], e = d[2 * h + 5];
#pragma unroll
  for (int i = 8; i < N; i += 8) {
    a = fmaxf(a, d[i + 2 * h]);
    b = fmaxf(b, d[i + 2 * h + 1]);
    c = fmaxf(c, d[i + 2 * h + 4]);
    e = fmaxf(e, d[i + 2 * h + 5]);
  }
  return fmaxf(fmaxf(a, b), fmaxf(c, e));
}
template <int N>
JINX_DEVICE float row_sum(const float (&d)[N], int h JINX_AT) {
  return quad_sum(row_part_sum(d, h) JINX_FROM);
}
template <int N>
JINX_DEVICE float row_max(const float (&d)[N], int h JINX_AT) {
  return quad_max(row_part_max(d, h) JINX_FROM);
}
