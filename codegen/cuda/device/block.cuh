// ======================= jinx device library: the block and its warps =======================
/// Every thread of the block comes here, and sees what the others have written.
JINX_DEVICE void block_sync(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->block_sync(0, 0, line);
#else
  __syncthreads();
#endif
}
/// Every thread of a warpgroup comes here: `barrier` is 1 to 15, of theirs alone.
JINX_DEVICE void warpgroup_sync(int barrier JINX_AT) {
#ifdef JINX_EMULATED
  emu->block_sync(barrier, 128, line);
#else
  asm volatile("bar.sync %0, 128;" ::"r"(barrier) : "memory");
#endif
}
JINX_DEVICE void warp_sync(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->warp_sync(line);
#else
  __syncwarp();
#endif
}
/// The value of lane `lane ^ distance`.
template <typename T>
JINX_DEVICE T warp_shuffle_xor(T value, int distance JINX_AT) {
#ifdef JINX_EMULATED
  unsigned long long bits = 0;
  memcpy(&bits, &value, sizeof(T));
  bits = emu->warp_exchange(bits, JINX_EMU_XOR, distance, line);
  memcpy(&value, &bits, sizeof(T));
  return value;
#else
  return __shfl_xor_sync(0xFFFFFFFFu, value, distance);
#endif
}
/// The value of lane 0, which the compiler then keeps in a uniform register.
JINX_DEVICE int warp_uniform(int value JINX_AT) {
#ifdef JINX_EMULATED
  return static_cast<int>(emu->warp_exchange(static_cast<u32>(value), JINX_EMU_INDEX, 0, line));
#else
  return __shfl_sync(0xFFFFFFFFu, value, 0);
#endif
}
/// The value of lane `owner`, for every lane.
template <typename T>
JINX_DEVICE T warp_broadcast(T value, int owner JINX_AT) {
#ifdef JINX_EMULATED
  unsigned long long bits = 0;
  memcpy(&bits, &value, sizeof(T));
  bits = emu->warp_exchange(bits, JINX_EMU_INDEX, owner, line);
  memcpy(&value, &bits, sizeof(T));
  return value;
#else
  return __shfl_sync(0xFFFFFFFFu, value, owner);
#endif
}
/// True in exactly one lane of a converged warp, always the same one.
JINX_DEVICE bool elect_one(JINX_AT0) {
#ifdef JINX_EMULATED
  return emu->elect_one(line);
#else
  u32 elected;
  asm volatile(
      "{\n .reg .pred p;\n"
      " elect.sync _|p, 0xFFFFFFFF;\n"
      " selp.u32 %0, 1, 0, p;\n}" : "=r"(elected));
  return elected != 0;
#endif
}

// Reductions. Over a warp: lanes by shuffles. Over a block of `threads`: its warps so, then in order through shared memory, so that every
// thread gets the same bits and the order depends on the block's size alone. `slots` holds two sets of kReduceSlots values that take
// turns: whoever writes a set again has met everyone at the barrier of the other set since it was read.
constexpr int kReduceSlots = 32;
#define JINX_REDUCE(name, T, combine)                                                  \
  JINX_DEVICE T warp_##name(T v JINX_AT) {                                             \
    _Pragma("unroll") for (int distance = 16; distance > 0; distance /= 2) {           \
      const T other = warp_shuffle_xor(v, distance JINX_FROM);                         \
      v = combine;                                                                     \
    }                                                                                  \
    return v;                                                                          \
  }                                                                                    \
  JINX_DEVICE T block_##name(T v, int threads, u8* slots, int& turn JINX_AT) {         \
    v = warp_##name(v JINX_FROM);                                                      \
    T* set = reinterpret_cast<T*>(slots) + turn * kReduceSlots;                        \
    turn ^= 1;                                                                         \
    if (threadIdx.x % 32 == 0) shared_store(set + threadIdx.x / 32, v JINX_FROM);      \
    block_sync(JINX_FROM0);                                                            \
    v = shared_load(set JINX_FROM);                                                    \
    _Pragma("unroll") for (int warp = 1; warp < threads / 32; ++warp) {                \
      const T other = shared_load(set + warp JINX_FROM);                               \
      v = combine;                                                                     \
    }                                                                                  \
    return v;                                                                          \
  }
JINX_REDUCE(sum, float, v + other)
JINX_REDUCE(prod, float, v * other)
JINX_REDUCE(max, float, max_nan(v, other))
JINX_REDUCE(min, float, min_nan(v, other))
JINX_REDUCE(sum, double, v + other)
JINX_REDUCE(prod, double, v * other)
JINX_REDUCE(max, double, max_nan(v, other))
JINX_REDUCE(min, double, min_nan(v, other))
JINX_REDUCE(sum, i32, wrap_add(v, other))
JINX_REDUCE(prod, i32, wrap_mul(v, other))
JINX_REDUCE(max, i32, greatest(v, other))
JINX_REDUCE(min, i32, least(v, other))
JINX_REDUCE(sum, i64, wrap_add(v, other))
JINX_REDUCE(prod, i64, wrap_mul(v, other))
JINX_REDUCE(max, i64, greatest(v, other))
JINX_REDUCE(min, i64, least(v, other))
// Sums of exp(x - shift) where each warp has a shift of its own, the largest x that it has: one meeting of the block instead of two. What the
// sum divides has the same shift; a warp far below the others, by more than floats hold, has an infinite sum, and quotients of 0.
JINX_DEVICE float warp_shift(float v JINX_AT) {
  v = warp_max(v JINX_FROM);
  return v == -INFINITY ? 0.0f : v;
}
struct ShiftedSum { float sum, shift; };
JINX_DEVICE float block_shifted_sum(float v, float shift, int threads, u8* slots, int& turn JINX_AT) {
  v = warp_sum(v JINX_FROM);
  ShiftedSum* set = reinterpret_cast<ShiftedSum*>(slots) + turn * kReduceSlots;
  turn ^= 1;
  if (threadIdx.x % 32 == 0) shared_store(set + threadIdx.x / 32, ShiftedSum{v, shift} JINX_FROM);
  block_sync(JINX_FROM0);
  float total = 0.0f;
  _Pragma("unroll") for (int warp = 0; warp < threads / 32; ++warp) {
    const ShiftedSum other = shared_load(set + warp JINX_FROM);
    total += other.sum == 0.0f ? 0.0f : other.sum * exp_approx(other.shift - shift);
  }
  return total;
}
/// The value of thread `owner`, for every thread.
template <typename T>
JINX_DEVICE T block_broadcast(T v, int owner, u8* slots, int& turn JINX_AT) {
  T* set = reinterpret_cast<T*>(slots) + turn * kReduceSlots;
  turn ^= 1;
  if (static_cast<int>(threadIdx.x) == owner) shared_store(set, v JINX_FROM);
  block_sync(JINX_FROM0);
  return shared_load(set JINX_FROM);
}
