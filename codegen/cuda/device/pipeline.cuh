// ==================== jinx device library: barriers, clusters, bulk copies ====================

struct alignas(64) TensorMap { u64 words[16]; };  // CUtensorMap: opaque, 128 bytes

// ---- mbarriers: a phase completes when its arrivals and its announced bytes have come ----
JINX_DEVICE void mbar_init(u32 bar, u32 arrivals JINX_AT) {
#ifdef JINX_EMULATED
  emu->mbar_init(bar, arrivals, line);
#else
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(arrivals) : "memory");
#endif
}
/// Makes initialised barriers visible to the cluster and to the copy engine.
JINX_DEVICE void mbar_init_fence(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->mbar_init_fence(line);
#else
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
/// For the emulator: these bytes are dead once a phase of the barrier completes.
JINX_DEVICE void mbar_guard(u32 bar, u32 address, u32 bytes JINX_AT) {
#ifdef JINX_EMULATED
  emu->mbar_guard(bar, address, bytes, line);
#endif
}
JINX_DEVICE void mbar_arrive_expect_bytes(u32 bar, u32 bytes JINX_AT) {
#ifdef JINX_EMULATED
  emu->mbar_arrive(bar, emu_self->cluster_rank, bytes, line);
#else
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
#endif
}
JINX_DEVICE void mbar_arrive(u32 bar JINX_AT) {
#ifdef JINX_EMULATED
  emu->mbar_arrive(bar, emu_self->cluster_rank, 0, line);
#else
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
#endif
}
/// Arrives on the barrier at the same offset in the shared memory of block `rank` of this cluster.
JINX_DEVICE void mbar_arrive_at(u32 bar, u32 rank JINX_AT) {
#ifdef JINX_EMULATED
  emu->mbar_arrive(bar, rank, 0, line);
#else
  asm volatile(
      "{\n .reg .b32 remote;\n"
      " mapa.shared::cluster.u32 remote, %0, %1;\n"
      " mbarrier.arrive.shared::cluster.b64 _, [remote];\n}" ::"r"(bar), "r"(rank) : "memory");
#endif
}
/// The same, and what this thread (or one that it met) wrote to shared memory is seen by whoever waits with mbar_wait_cluster.
JINX_DEVICE void mbar_arrive_publish(u32 bar, u32 rank JINX_AT) {
#ifdef JINX_EMULATED
  emu->mbar_arrive(bar, rank, 0, line);
#else
  asm volatile(
      "{\n .reg .b32 remote;\n"
      " mapa.shared::cluster.u32 remote, %0, %1;\n"
      " mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(bar), "r"(rank) : "memory");
#endif
}
#ifndef JINX_EMULATED
JINX_DEVICE u32 mbar_try_wait_cluster(u32 bar, u32 parity) {
  u32 done;
  asm volatile(
      "{\n .reg .pred p;\n"
      " mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n"
      " selp.u32 %0, 1, 0, p;\n}" : "=r"(done) : "r"(bar), "r"(parity) : "memory");
  return done;
}
#endif
JINX_DEVICE void mbar_wait_cluster(u32 bar, u32 parity JINX_AT) {
#ifdef JINX_EMULATED
  emu->mbar_wait(bar, parity, line);
#else
  while (!mbar_try_wait_cluster(bar, parity)) {}
#endif
}
#ifndef JINX_EMULATED
JINX_DEVICE u32 mbar_try_wait(u32 bar, u32 parity) {
  u32 done;
  asm volatile(
      "{\n .reg .pred p;\n"
      " mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      " selp.u32 %0, 1, 0, p;\n}" : "=r"(done) : "r"(bar), "r"(parity) : "memory");
  return done;
}
#endif
/// Waits until the phase of this parity has completed.
JINX_DEVICE void mbar_wait(u32 bar, u32 parity JINX_AT) {
#ifdef JINX_EMULATED
  emu->mbar_wait(bar, parity, line);
#else
  while (!mbar_try_wait(bar, parity)) {}
#endif
}

// ---- position in a ring of slots: a reader waits for `parity`, a filler, who starts with an empty ring, for its inverse ----
struct Ring {
  int slot;
  u32 parity;
};
JINX_DEVICE void ring_advance(Ring& r, int stages) {
  r.slot += 1;
  if (r.slot == stages) {
    r.slot = 0;
    r.parity ^= 1;
  }
}
/// Passes over `count` slots.
JINX_DEVICE void ring_skip(Ring& r, int count, int stages) {
  const int ahead = r.slot + count, rounds = ahead / stages;
  r.slot = ahead - rounds * stages;
  r.parity ^= rounds & 1;
}

// ---- clusters ----
JINX_DEVICE u32 cluster_rank() {
#ifdef JINX_EMULATED
  return emu_self->cluster_rank;
#else
  u32 r;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
  return r;
#endif
}
/// Relaxed: only for what another fence already publishes. The releasing form costs a GPU-wide memory barrier.
JINX_DEVICE void cluster_arrive_relaxed(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->cluster_arrive(line);
#else
  asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory");
#endif
}
JINX_DEVICE void cluster_wait(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->cluster_wait(line);
#else
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}

/// x[i] += four floats at `address`, a multiple of 16, in the shared memory of block `rank` of this cluster.
JINX_DEVICE void cluster_add_x4(float* x, u32 address, u32 rank JINX_AT) {
#ifdef JINX_EMULATED
  float y[4];
  emu->cluster_load(y, address, rank, 16, line);
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] += y[i];
#else
  float a, b, c, d;
  asm volatile(
      "{\n .reg .b32 remote;\n"
      " mapa.shared::cluster.u32 remote, %4, %5;\n"
      " ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [remote];\n}" : "=f"(a), "=f"(b), "=f"(c), "=f"(d) : "r"(address), "r"(rank) : "memory");
  x[0] += a, x[1] += b, x[2] += c, x[3] += d;
#endif
}
/// The same on integers, which wrap.
JINX_DEVICE void cluster_add_x4(i32* x, u32 address, u32 rank JINX_AT) {
#ifdef JINX_EMULATED
  i32 y[4];
  emu->cluster_load(y, address, rank, 16, line);
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = wrap_add(x[i], y[i]);
#else
  i32 a, b, c, d;
  asm volatile(
      "{\n .reg .b32 remote;\n"
      " mapa.shared::cluster.u32 remote, %4, %5;\n"
      " ld.shared::cluster.v4.b32 {%0, %1, %2, %3}, [remote];\n}" : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "r"(address), "r"(rank) : "memory");
  x[0] = wrap_add(x[0], a), x[1] = wrap_add(x[1], b), x[2] = wrap_add(x[2], c), x[3] = wrap_add(x[3], d);
#endif
}
JINX_DEVICE void shared_store_x4(u32 address, const i32* x JINX_AT) {
#ifdef JINX_EMULATED
  shared_store(reinterpret_cast<Pack<16, i32>*>(emu_self->shared_window + address), Pack<16, i32>{{x[0], x[1], x[2], x[3]}} JINX_FROM);
#else
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]) : "memory");
#endif
}
JINX_DEVICE void shared_store_x4(u32 address, const float* x JINX_AT) {
#ifdef JINX_EMULATED
  shared_store(reinterpret_cast<Pack<16, float>*>(emu_self->shared_window + address), Pack<16, float>{{x[0], x[1], x[2], x[3]}} JINX_FROM);
#else
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(address), "f"(x[0]), "f"(x[1]), "f"(x[2]), "f"(x[3]) : "memory");
#endif
}
/// An address whose bits the compiler does not know. Else it makes an OR of what is added to it, and each sum takes a register: with an unknown
/// one they are offsets of the accesses.
JINX_DEVICE u32 opaque(u32 address) {
#ifndef JINX_EMULATED
  asm("" : "+r"(address));
#endif
  return address;
}
/// Two neighbours at a multiple of 8 bytes: what a bulk copy has brought.
JINX_DEVICE void shared_load_x2(float* x, u32 address JINX_AT) {
#ifdef JINX_EMULATED
  const Pack<8, float> pack = shared_load(reinterpret_cast<const Pack<8, float>*>(emu_self->shared_window + address) JINX_FROM);
  x[0] = pack.values[0], x[1] = pack.values[1];
#else
  float a, b;
  asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(a), "=f"(b) : "r"(address) : "memory");
  x[0] = a, x[1] = b;
#endif
}

/// Four bytes of what a bulk copy has brought.
JINX_DEVICE u32 shared_load_word(u32 address JINX_AT) {
#ifdef JINX_EMULATED
  return shared_load(reinterpret_cast<const u32*>(emu_self->shared_window + address) JINX_FROM);
#else
  u32 word;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(word) : "r"(address) : "memory");
  return word;
#endif
}
/// Two neighbours of 16 bits from p on, where `valid`, else zeros, as one register; of memory that nobody writes while the kernel runs.
template <typename T>
JINX_DEVICE u32 load_word_where(const T* p, bool valid JINX_AT) {
#ifdef JINX_EMULATED
  return valid ? global_load(reinterpret_cast<const u32*>(p) JINX_FROM) : 0;
#else
  u32 word = 0;
  if (valid) word = __ldg(reinterpret_cast<const u32*>(p));
  return word;
#endif
}
/// Element `e` of a pair of 16-bit elements.
template <typename T>
JINX_DEVICE T half_of(u32 pair, int e) {
  return T{static_cast<u16>(e ? pair >> 16 : pair)};
}

/// Two neighbours of a row, in one access.
JINX_DEVICE void shared_store_pair(u32 address, i32 low, i32 high JINX_AT) {
#ifdef JINX_EMULATED
  shared_store(reinterpret_cast<Pack<8, i32>*>(emu_self->shared_window + address), Pack<8, i32>{{low, high}} JINX_FROM);
#else
  asm volatile("st.shared.v2.b32 [%0], {%1, %2};" ::"r"(address), "r"(low), "r"(high) : "memory");
#endif
}
JINX_DEVICE void shared_store_pair(u32 address, float low, float high JINX_AT) {
  shared_store_pair(address, static_cast<i32>(f32_to_bits(low)), static_cast<i32>(f32_to_bits(high)) JINX_FROM);
}
JINX_DEVICE void shared_store_pair(u32 address, i8 low, i8 high JINX_AT) {
#ifdef JINX_EMULATED
  shared_store(reinterpret_cast<Pack<2, i8>*>(emu_self->shared_window + address), Pack<2, i8>{{low, high}} JINX_FROM);
#else
  const u16 both = static_cast<u16>(static_cast<u8>(low) | static_cast<u8>(high) << 8);
  asm volatile("st.shared.b16 [%0], %1;" ::"r"(address), "h"(both) : "memory");
#endif
}
/// Byte `at` of row `row` of a staging buffer of rows of `row_bytes`, which are swizzled by as many bytes: its 16-byte chunk is XORed with
/// the 128-byte line that the row lies in.
JINX_DEVICE u32 swizzled_byte(u32 row, u32 at, u32 row_bytes) {
  return row * row_bytes + ((at / 16) ^ (row * row_bytes / 128 % (row_bytes / 16))) * 16 + at % 16;
}

// ---- bulk tensor copies ----
JINX_DEVICE void tma_prefetch_map(const TensorMap* map) {
#ifndef JINX_EMULATED
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#endif
}
JINX_DEVICE void tma_load_2d(u32 dst, const TensorMap* map, u32 bar, int x, int y JINX_AT) {
#ifdef JINX_EMULATED
  const int at[2] = {x, y};
  emu->tma_load(dst, map, bar, at, 0, line);
#else
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
      ::"r"(dst), "l"(map), "r"(bar), "r"(x), "r"(y) : "memory");
#endif
}
/// Of a constant of the plan: it need not wait for the launch in front.
JINX_DEVICE void tma_load_2d_constant(u32 dst, const TensorMap* map, u32 bar, int x, int y JINX_AT) {
#ifdef JINX_EMULATED
  const int at[2] = {x, y};
  emu->tma_load_constant(dst, map, bar, at, line);
#else
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
      ::"r"(dst), "l"(map), "r"(bar), "r"(x), "r"(y) : "memory");
#endif
}
/// Lands at the same offset, and signals the barrier at the same offset, in every block whose bit is set in `ranks`.
JINX_DEVICE void tma_load_2d_multicast(u32 dst, const TensorMap* map, u32 bar, int x, int y, u16 ranks JINX_AT) {
#ifdef JINX_EMULATED
  const int at[2] = {x, y};
  emu->tma_load(dst, map, bar, at, ranks, line);
#else
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster"
      " [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(dst), "l"(map), "r"(bar), "r"(x), "r"(y), "h"(ranks) : "memory");
#endif
}
JINX_DEVICE void tma_load_3d(u32 dst, const TensorMap* map, u32 bar, int x, int y, int z JINX_AT) {
#ifdef JINX_EMULATED
  const int at[3] = {x, y, z};
  emu->tma_load(dst, map, bar, at, 0, line);
#else
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];"
      ::"r"(dst), "l"(map), "r"(bar), "r"(x), "r"(y), "r"(z) : "memory");
#endif
}
/// Of a constant of the plan.
JINX_DEVICE void tma_load_3d_constant(u32 dst, const TensorMap* map, u32 bar, int x, int y, int z JINX_AT) {
#ifdef JINX_EMULATED
  const int at[3] = {x, y, z};
  emu->tma_load_constant(dst, map, bar, at, line);
#else
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];"
      ::"r"(dst), "l"(map), "r"(bar), "r"(x), "r"(y), "r"(z) : "memory");
#endif
}
JINX_DEVICE void tma_load_3d_multicast(u32 dst, const TensorMap* map, u32 bar, int x, int y, int z, u16 ranks JINX_AT) {
#ifdef JINX_EMULATED
  const int at[3] = {x, y, z};
  emu->tma_load(dst, map, bar, at, ranks, line);
#else
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster"
      " [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(dst), "l"(map), "r"(bar), "r"(x), "r"(y), "r"(z), "h"(ranks) : "memory");
#endif
}
JINX_DEVICE void tma_load_4d(u32 dst, const TensorMap* map, u32 bar, int x, int y, int z, int w JINX_AT) {
#ifdef JINX_EMULATED
  const int at[4] = {x, y, z, w};
  emu->tma_load(dst, map, bar, at, 0, line);
#else
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];"
      ::"r"(dst), "l"(map), "r"(bar), "r"(x), "r"(y), "r"(z), "r"(w) : "memory");
#endif
}
/// What nobody reads again: the first to leave the second-level cache.
JINX_DEVICE void tma_load_4d_once(u32 dst, const TensorMap* map, u32 bar, int x, int y, int z, int w JINX_AT) {
#ifdef JINX_EMULATED
  const int at[4] = {x, y, z, w};
  emu->tma_load(dst, map, bar, at, 0, line);
#else
  constexpr u64 kEvictFirst = 0x12F0000000000000ul;  // a cache policy, as createpolicy.fractional.L2::evict_first gives it
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%3, %4, %5, %6}], [%2], %7;"
      ::"r"(dst), "l"(map), "r"(bar), "r"(x), "r"(y), "r"(z), "r"(w), "l"(kEvictFirst) : "memory");
#endif
}
/// A run of pixels from (w, h) of image n on, as a convolution walks them, each read at a tap's distance; `c` is the first channel.
JINX_DEVICE void tma_load_pixels(u32 dst, const TensorMap* map, u32 bar, int c, int w, int h, int n, int tap_w, int tap_h JINX_AT) {
#ifdef JINX_EMULATED
  const int at[4] = {c, w, h, n}, tap[2] = {tap_w, tap_h};
  emu->tma_load_pixels(dst, map, bar, at, tap, line);
#else
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2], {%7, %8};"
      ::"r"(dst), "l"(map), "r"(bar), "r"(c), "r"(w), "r"(h), "r"(n), "h"(static_cast<u16>(tap_w)), "h"(static_cast<u16>(tap_h)) : "memory");
#endif
}
JINX_DEVICE void tma_store_2d(const TensorMap* map, u32 src, int x, int y JINX_AT) {
#ifdef JINX_EMULATED
  const int at[2] = {x, y};
  emu->tma_store(map, src, at, line);
#else
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];"
               ::"l"(map), "r"(src), "r"(x), "r"(y) : "memory");
#endif
}
JINX_DEVICE void tma_store_3d(const TensorMap* map, u32 src, int x, int y, int z JINX_AT) {
#ifdef JINX_EMULATED
  const int at[3] = {x, y, z};
  emu->tma_store(map, src, at, line);
#else
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];"
               ::"l"(map), "r"(src), "r"(x), "r"(y), "r"(z) : "memory");
#endif
}
JINX_DEVICE void tma_store_4d(const TensorMap* map, u32 src, int x, int y, int z, int w JINX_AT) {
#ifdef JINX_EMULATED
  const int at[4] = {x, y, z, w};
  emu->tma_store(map, src, at, line);
#else
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];"
               ::"l"(map), "r"(src), "r"(x), "r"(y), "r"(z), "r"(w) : "memory");
#endif
}
JINX_DEVICE void tma_store_commit(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->tma_store_commit(line);
#else
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#endif
}
/// Waits until at most `Pending` committed stores have still to read their shared memory.
template <int Pending>
JINX_DEVICE void tma_store_wait_read(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->tma_store_wait(Pending, 1, line);
#else
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Pending) : "memory");
#endif
}
/// Ordinary writes of shared memory before it are seen by asynchronous copies and products after it.
JINX_DEVICE void fence_proxy_async(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->fence_proxy_async(line);
#else
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

/// Zeros in rows `first` to `rows` - 1 of a buffer in panels of 128 bytes a row, by a warpgroup; its products then see them.
JINX_DEVICE void clear_rows(u32 buffer, int panels, int rows, int first, int thread JINX_AT) {
  const float zeros[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int p = 0; p < panels; ++p)
    for (int e = (first > 0 ? first * 8 : 0) + thread; e < rows * 8; e += 128) shared_store_x4(buffer + (p * rows * 8 + e) * 16, zeros JINX_FROM);
  fence_proxy_async(JINX_FROM0);
  warpgroup_sync(1 JINX_FROM);
}
