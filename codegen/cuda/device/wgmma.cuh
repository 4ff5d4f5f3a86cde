// ========================== jinx device library: warpgroup products ==========================
// The products themselves are printed for the shapes in use; here is what stands around them.

/// Registers a thread may have from here on: less for who only issues copies, more for who holds accumulators.
template <int Registers>
JINX_DEVICE void registers_shrink() {
#ifndef JINX_EMULATED
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
#endif
}
template <int Registers>
JINX_DEVICE void registers_grow() {
#ifndef JINX_EMULATED
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
#endif
}
/// Accumulators written by ordinary code are ready for the products that follow.
JINX_DEVICE void wgmma_fence(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->wgmma_fence(line);
#else
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
JINX_DEVICE void wgmma_commit(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->wgmma_commit(line);
#else
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}
/// Waits until at most `Pending` committed groups of products run.
template <int Pending>
JINX_DEVICE void wgmma_wait(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->wgmma_wait(Pending, line);
#else
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
#endif
}
/// Pins an accumulator in place: reads of it that follow in the text stay behind the wait before this call.
JINX_DEVICE void wgmma_pin(float& d JINX_AT) {
#ifdef JINX_EMULATED
  emu->wgmma_pin(&d, line);
#else
  asm volatile("" : "+f"(d)::"memory");
#endif
}
JINX_DEVICE void wgmma_pin(i32& d JINX_AT) {
#ifdef JINX_EMULATED
  emu->wgmma_pin(&d, line);
#else
  asm volatile("" : "+r"(d)::"memory");
#endif
}
/// Descriptor of an operand with rows of 128 bytes, swizzled by 128 bytes: groups of 8 rows are 1024 bytes apart.
JINX_DEVICE u64 wgmma_descriptor_128b(u32 address) {
  const u64 kGroupStride = 1024 >> 4, kSwizzle128B = 1;
  return static_cast<u64>((address & 0x3FFFF) >> 4) | (static_cast<u64>(1) << 16) | (kGroupStride << 32) | (kSwizzle128B << 62);
}
/// The same for an operand stored by rows of k, in panels of 64 columns `panel_bytes` apart.
JINX_DEVICE u64 wgmma_descriptor_panels(u32 address, u32 panel_bytes) {
  const u64 kGroupStride = 1024 >> 4, kSwizzle128B = 1;
  return static_cast<u64>((address & 0x3FFFF) >> 4) | (static_cast<u64>(panel_bytes >> 4) << 16) | (kGroupStride << 32) | (kSwizzle128B << 62);
}
/// Stores four 8x8 matrices of 16-bit elements: lane l gives the address of row l % 8 of matrix l / 8.
JINX_DEVICE void stmatrix_x4(u32 address, u32 r0, u32 r1, u32 r2, u32 r3 JINX_AT) {
#ifdef JINX_EMULATED
  emu->stmatrix_x4(address, r0, r1, r2, r3, line);
#else
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};"
               ::"r"(address), "r"(r0), "r"(r1), "r"(r2), "r"(r3) : "memory");
#endif
}
