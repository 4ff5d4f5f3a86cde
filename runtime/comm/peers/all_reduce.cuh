// An all_reduce of a few KiB over memory that ranks of one machine reach of each other: PeerReduce.h tells how, and why it is right.
// PeerReduce.cpp puts `constexpr int kRanks` and `kThreads` in front, and a kernel for each type behind.
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long i64;
typedef unsigned long u64;

#define JINX_DEVICE __device__ __forceinline__
#ifdef JINX_EMULATED
#define JINX_AT , int line = __builtin_LINE()
#define JINX_AT0 int line = __builtin_LINE()
#define JINX_FROM , line
#define JINX_FROM0 line
#else
#define JINX_AT
#define JINX_AT0
#define JINX_FROM
#define JINX_FROM0
#endif

// ---- what plain CUDA C++ has no word for: a device body, and one for the emulator ----

/// When this returns, every launch in front of this one has ended; the next one may begin, and waits for the end of this one likewise.
JINX_DEVICE void follow_and_lead(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->grid_wait(line);
#elif __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
JINX_DEVICE void block_sync(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->block_sync(0, 0, line);
#else
  __syncthreads();
#endif
}
/// What this thread has stored is there before what it stores from now on, for every device.
JINX_DEVICE void fence() {
#ifndef JINX_EMULATED
  __threadfence_system();
#endif
}
template <typename T>
JINX_DEVICE T global_load(const T* p JINX_AT) {
#ifdef JINX_EMULATED
  emu->global_access(p, sizeof(T), JINX_EMU_READ, line);
#endif
  return *p;
}
template <typename T>
JINX_DEVICE void global_store(T* p, T value JINX_AT) {
#ifdef JINX_EMULATED
  emu->global_access(p, sizeof(T), JINX_EMU_WRITE, line);
#endif
  *p = value;
}

/// Eight bytes of data on their way: each word is four of them, and above these the tag of its call. A word arrives whole; the two of a pair may
/// arrive apart.
struct alignas(16) Pair {
  u64 low, high;
};
JINX_DEVICE void push(Pair* to, Pair pair JINX_AT) {
#ifdef JINX_EMULATED
  emu->peer_access(to, sizeof(Pair), line);
  const bool low_first = threadIdx.x & 1;
  __atomic_store_n(low_first ? &to->low : &to->high, low_first ? pair.low : pair.high, __ATOMIC_RELAXED);
  emu->yield(line);
  __atomic_store_n(low_first ? &to->high : &to->low, low_first ? pair.high : pair.low, __ATOMIC_RELAXED);
#else
  asm volatile("st.relaxed.sys.global.v2.b64 [%0], {%1, %2};" ::"l"(to), "l"(pair.low), "l"(pair.high) : "memory");
#endif
}
JINX_DEVICE Pair look_at(const Pair* at JINX_AT) {
  Pair pair;
#ifdef JINX_EMULATED
  emu->peer_access(at, sizeof(Pair), line);
  pair.low = __atomic_load_n(&at->low, __ATOMIC_RELAXED);
  pair.high = __atomic_load_n(&at->high, __ATOMIC_RELAXED);
#else
  asm volatile("ld.relaxed.sys.global.v2.b64 {%0, %1}, [%2];" : "=l"(pair.low), "=l"(pair.high) : "l"(at) : "memory");
#endif
  return pair;
}
/// The host writes it while the kernel runs.
JINX_DEVICE bool is_set(const u32* flag JINX_AT) {
  u32 value;
#ifdef JINX_EMULATED
  emu->peer_access(flag, sizeof(u32), line);
  value = __atomic_load_n(flag, __ATOMIC_RELAXED);
#else
  asm volatile("ld.relaxed.sys.global.b32 %0, [%1];" : "=r"(value) : "l"(flag) : "memory");
#endif
  return value != 0;
}
JINX_DEVICE void look_again_later(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->yield(line);
#endif
}

JINX_DEVICE Pair tagged(u64 bits, u32 tag) {
  return Pair{(bits & 0xFFFFFFFF) | static_cast<u64>(tag) << 32, bits >> 32 | static_cast<u64>(tag) << 32};
}
JINX_DEVICE bool has_arrived(Pair pair, u32 tag) { return static_cast<u32>(pair.low >> 32) == tag && static_cast<u32>(pair.high >> 32) == tag; }
JINX_DEVICE u64 data_of(Pair pair) { return (pair.low & 0xFFFFFFFF) | pair.high << 32; }

// ---- elements: how bits are a number, in what numbers are joined ----

struct f16 {};
struct bf16 {};
template <typename T>
struct Element {  // i32, u32, i64, u64, float, double
  typedef T Wide;
  static JINX_DEVICE T widen(u64 bits) {
    T value;
    memcpy(&value, &bits, sizeof(T));
    return value;
  }
  static JINX_DEVICE u64 narrow(T value) {
    u64 bits = 0;
    memcpy(&bits, &value, sizeof(T));
    return bits;
  }
  static constexpr int kBytes = sizeof(T);
};
template <>
struct Element<bf16> {
  typedef float Wide;
  static constexpr int kBytes = 2;
  static JINX_DEVICE float widen(u64 bits) { return Element<float>::widen(bits << 16); }
  static JINX_DEVICE u64 narrow(float value) {
#ifdef JINX_EMULATED
    const u64 bits = Element<float>::narrow(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return 0x7FFF;
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
#else
    u16 bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#endif
  }
};
template <>
struct Element<f16> {
  typedef float Wide;
  static constexpr int kBytes = 2;
  static JINX_DEVICE float widen(u64 bits) {
#ifdef JINX_EMULATED
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const float size = exponent == 0 ? ldexpf(mantissa, -24) : exponent == 31 ? (mantissa ? NAN : INFINITY) : ldexpf(mantissa + 1024, exponent - 25);
    return bits >> 15 & 1 ? -size : size;
#else
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<u16>(bits)));
    return value;
#endif
  }
  static JINX_DEVICE u64 narrow(float value) {
#ifdef JINX_EMULATED
    const u64 sign = signbit(value) ? 0x8000 : 0;
    const float size = fabsf(value);
    if (size != size) return 0x7FFF;
    if (size >= 65520.0f) return sign | 0x7C00;
    if (size < 0x1p-14f) return sign | static_cast<u64>(rintf(size * 0x1p24f));
    int exponent;
    const float fraction = frexpf(size, &exponent);  // from 1/2 to 1
    return sign + (static_cast<u64>(exponent + 13) << 10) + static_cast<u64>(rintf(fraction * 0x1p11f));
#else
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#endif
  }
};

/// Integers wrap.
JINX_DEVICE float sum_of(float a, float b) { return a + b; }
JINX_DEVICE double sum_of(double a, double b) { return a + b; }
JINX_DEVICE i32 sum_of(i32 a, i32 b) { return static_cast<i32>(static_cast<u32>(a) + static_cast<u32>(b)); }
JINX_DEVICE u32 sum_of(u32 a, u32 b) { return a + b; }
JINX_DEVICE i64 sum_of(i64 a, i64 b) { return static_cast<i64>(static_cast<u64>(a) + static_cast<u64>(b)); }
JINX_DEVICE u64 sum_of(u64 a, u64 b) { return a + b; }
JINX_DEVICE float product_of(float a, float b) { return a * b; }
JINX_DEVICE double product_of(double a, double b) { return a * b; }
JINX_DEVICE i32 product_of(i32 a, i32 b) { return static_cast<i32>(static_cast<u32>(a) * static_cast<u32>(b)); }
JINX_DEVICE u32 product_of(u32 a, u32 b) { return a * b; }
JINX_DEVICE i64 product_of(i64 a, i64 b) { return static_cast<i64>(static_cast<u64>(a) * static_cast<u64>(b)); }
JINX_DEVICE u64 product_of(u64 a, u64 b) { return a * b; }

enum Reduction { kSum, kProd, kMax, kMin };  // numbers of comm::Reduction
template <Reduction kHow, typename Wide>
JINX_DEVICE Wide joined(Wide a, Wide b) {
  if constexpr (kHow == kSum) return sum_of(a, b);
  if constexpr (kHow == kProd) return product_of(a, b);
  if constexpr (kHow == kMax) return a != a || a >= b ? a : b;  // NaN stays: what follows is compared with it
  if constexpr (kHow == kMin) return a != a || a <= b ? a : b;
}

// ---- a call ----

struct Call {
  const char* in;
  char* out;
  u32* state;          ///< word 0: stop; from kFirstCounter on: calls that each block has made
  Pair* own;             ///< this rank's memory, which others write
  Pair* memory[kRanks];  ///< each rank's
  i64 bytes;
  i64 block_units, room_units;  ///< of eight bytes: that a block of this call has, and has room for
  int rank, reduction;
};
constexpr int kFirstCounter = 32;
constexpr u32 kCleanEvery = 1u << 29;
constexpr int kLooks = 256;  // between two looks at the host's word

/// Where, in the memory of `rank`, lies what `source`, another one, sends it from this block. A rank's memory:
/// [blocks][other ranks, in order][two][room_units].
JINX_DEVICE Pair* slot_of(const Call& call, Pair* memory, int rank, int source, u32 parity) {
  const int other = source < rank ? source : source - 1;
  return memory + ((static_cast<i64>(blockIdx.x) * (kRanks - 1) + other) * 2 + parity) * call.room_units;
}

/// Eight bytes of memory that may end before, or begin anywhere where an element may; bytes past the end are 0.
template <int Bytes, typename Bits>
JINX_DEVICE u64 load_apart(const char* p, i64 left JINX_AT) {
  u64 bits = 0;
#pragma unroll
  for (int i = 0; i < 8; i += Bytes)
    if (i < left) bits |= static_cast<u64>(global_load(reinterpret_cast<const Bits*>(p + i) JINX_FROM)) << 8 * i;
  return bits;
}
template <int Bytes, typename Bits>
JINX_DEVICE void store_apart(char* p, u64 bits, i64 left JINX_AT) {
#pragma unroll
  for (int i = 0; i < 8; i += Bytes)
    if (i < left) global_store(reinterpret_cast<Bits*>(p + i), static_cast<Bits>(bits >> 8 * i) JINX_FROM);
}
template <int Bytes>
struct BitsOf { typedef u64 type; };
template <>
struct BitsOf<4> { typedef u32 type; };
template <>
struct BitsOf<2> { typedef u16 type; };
JINX_DEVICE bool is_whole(const char* p, i64 left) { return left >= 8 && (reinterpret_cast<u64>(p) & 7) == 0; }
template <int Bytes>
JINX_DEVICE u64 load_unit(const char* p, i64 left JINX_AT) {
  return is_whole(p, left) ? global_load(reinterpret_cast<const u64*>(p) JINX_FROM) : load_apart<Bytes, typename BitsOf<Bytes>::type>(p, left JINX_FROM);
}
template <int Bytes>
JINX_DEVICE void store_unit(char* p, u64 bits, i64 left JINX_AT) {
  if (is_whole(p, left))
    global_store(reinterpret_cast<u64*>(p), bits JINX_FROM);
  else
    store_apart<Bytes, typename BitsOf<Bytes>::type>(p, bits, left JINX_FROM);
}

/// The elements of a unit, of all ranks in their order.
template <typename T, Reduction kHow>
JINX_DEVICE u64 reduced_by(const u64 (&data)[kRanks]) {
  constexpr int kBits = 8 * Element<T>::kBytes;
  constexpr u64 kMask = ~u64{0} >> (64 - kBits);
  u64 result = 0;
#pragma unroll
  for (int at = 0; at < 64; at += kBits) {
    auto value = Element<T>::widen(data[0] >> at & kMask);
#pragma unroll
    for (int r = 1; r < kRanks; ++r) value = joined<kHow>(value, Element<T>::widen(data[r] >> at & kMask));
    result |= Element<T>::narrow(value) << at;
  }
  return result;
}

template <typename T>
JINX_DEVICE u64 reduced(int reduction, const u64 (&data)[kRanks]) {
  switch (reduction) {
    case kSum: return reduced_by<T, kSum>(data);
    case kProd: return reduced_by<T, kProd>(data);
    case kMax: return reduced_by<T, kMax>(data);
    default: return reduced_by<T, kMin>(data);
  }
}

/// All ranks' `unit`, as soon as the others' have come; false where the host has asked to stop.
JINX_DEVICE bool gather(const Call& call, u32 parity, u32 tag, i64 unit, u64 own, u64 (&data)[kRanks]) {
  for (int looks = 1;; ++looks) {
    bool all = true;
#pragma unroll
    for (int r = 0; r < kRanks; ++r) {
      Pair pair = tagged(own, tag);
      if (r != call.rank) pair = look_at(slot_of(call, call.own, call.rank, r, parity) + unit);
      all = all && has_arrived(pair, tag);
      data[r] = data_of(pair);
    }
    if (all) return true;
    if (looks % kLooks == 0 && is_set(call.state)) return false;
    look_again_later();
  }
}

/// Every so many calls words lose their tags, before these come again.
JINX_DEVICE void clean(const Call& call, u32 parity) {
#pragma unroll 1
  for (int r = 0; r < kRanks; ++r) {
    if (r == call.rank) continue;
#pragma unroll 1
    for (i64 unit = threadIdx.x; unit < call.room_units; unit += kThreads) push(slot_of(call, call.own, call.rank, r, parity) + unit, Pair{0, 0});
  }
  fence();
  block_sync();
}

template <typename T>
JINX_DEVICE void all_reduce(const Call& call) {
  constexpr int kBytes = Element<T>::kBytes;
  const i64 first = blockIdx.x * call.block_units, rest = (call.bytes + 7) / 8 - first, units = rest < call.block_units ? rest : call.block_units;
  u32* const counter = call.state + kFirstCounter + blockIdx.x;
  auto load = [&](i64 unit) { return load_unit<kBytes>(call.in + (first + unit) * 8, call.bytes - (first + unit) * 8); };
  follow_and_lead();
  const u64 mine = threadIdx.x < units ? load(threadIdx.x) : 0;  // most threads have no more than this one
  const u32 count = global_load(counter) + 1, parity = count & 1, tag = count << 1 | 1;
  if (count % kCleanEvery < 2) clean(call, parity ^ 1);

  for (i64 unit = threadIdx.x; unit < units; unit += kThreads) {
    const Pair pair = tagged(unit < kThreads ? mine : load(unit), tag);
#pragma unroll
    for (int r = 0; r < kRanks; ++r)
      if (r != call.rank) push(slot_of(call, call.memory[r], r, call.rank, parity) + unit, pair);
  }
  block_sync();  // all have read the counter
  if (threadIdx.x == 0) global_store(counter, count);
  for (i64 unit = threadIdx.x; unit < units; unit += kThreads) {
    const i64 at = (first + unit) * 8;
    u64 data[kRanks];
    if (!gather(call, parity, tag, unit, unit < kThreads ? mine : load(unit), data)) return;
    store_unit<kBytes>(call.out + at, reduced<T>(call.reduction, data), call.bytes - at);
  }
}
