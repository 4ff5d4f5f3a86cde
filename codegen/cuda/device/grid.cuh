// ========================= jinx device library: launches in a chain =========================
// A launch may begin before the one in front of it in its stream has ended, where the runtime allows it: blocks start, and what they do for
// themselves is done. Each block waits before it touches global memory, and says when the next launch may come. Both are nothing without the
// runtime's leave.

/// Returns when every block of the launch before has ended; what it wrote can be read, and what it read be overwritten.
JINX_DEVICE void grid_wait_previous(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->grid_wait(line);
#else
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
/// Asks for runs of a constant of the plan, `stride` elements from one to the next, which the second-level cache then has. It need not wait for the launch before.
template <int Runs, int Run, typename T>
JINX_DEVICE void prefetch_constant(const T* p, int stride JINX_AT) {
  constexpr int kSector = 32 / sizeof(T);  // elements that memory sends together
#pragma unroll
  for (int r = 0; r < Runs; ++r) {
#ifdef JINX_EMULATED
    emu->global_access(p + r * stride, Run * sizeof(T), JINX_EMU_CONSTANT, line);
#else
#pragma unroll
    for (int i = 0; i < Run; i += kSector) asm volatile("prefetch.global.L2 [%0];" ::"l"(p + r * stride + i));
#endif
  }
}
/// The next launch may begin, once every block of this one has said so or has ended.
JINX_DEVICE void grid_release_next() {
#ifndef JINX_EMULATED
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
