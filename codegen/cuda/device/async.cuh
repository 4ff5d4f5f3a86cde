// ========================= jinx device library: asynchronous copies =========================
// cp.async by elements: the copies of a thread form groups in the order it commits them.

/// 4 bytes; zero where not `valid`.
JINX_DEVICE void copy_async_4(float* dst, const float* src, bool valid JINX_AT) {
#ifdef JINX_EMULATED
  emu->copy_async(dst, src, 4, valid ? 4 : 0, line);
#else
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(smem_address(dst)), "l"(src), "r"(valid ? 4 : 0) : "memory");
#endif
}
/// Four neighbours, the first `valid` of them, zero for the rest; one copy where the source is aligned.
JINX_DEVICE void copy_async_4x4(float* dst, const float* src, i64 valid JINX_AT) {
  if (is_aligned(src, 16) || valid <= 0) {
    const int bytes = valid >= 4 ? 16 : valid <= 0 ? 0 : static_cast<int>(valid) * 4;
#ifdef JINX_EMULATED
    emu->copy_async(dst, src, 16, bytes, line);
#else
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(smem_address(dst)), "l"(src), "r"(bytes) : "memory");
#endif
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) copy_async_4(dst + i, src + i, i < valid JINX_FROM);
  }
}
JINX_DEVICE void copy_async_commit(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->copy_async_commit(line);
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
/// Waits until at most `Pending` groups of this thread are in flight.
template <int Pending>
JINX_DEVICE void copy_async_wait(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->copy_async_wait(Pending, line);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
#endif
}
