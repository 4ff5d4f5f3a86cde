// An all_reduce of a few KiB over memory that ranks of one machine reach of each other: PeerReduce.h tells how, and why it is right.
// In front of it PeerReduce.cpp puts `constexpr int kRanks` and `kThreads`, machine.cuh and words.cuh, and a kernel for each type behind.

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
  i64 bytes;
  i64 block_units;  ///< of eight bytes, of a block; block b has room b
  int reduction;
};

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
JINX_DEVICE u64 reduced_by(const u64 (&data)[kRanks][1]) {
  constexpr int kBits = 8 * Element<T>::kBytes;
  constexpr u64 kMask = ~u64{0} >> (64 - kBits);
  u64 result = 0;
#pragma unroll
  for (int at = 0; at < 64; at += kBits) {
    auto value = Element<T>::widen(data[0][0] >> at & kMask);
#pragma unroll
    for (int r = 1; r < kRanks; ++r) value = joined<kHow>(value, Element<T>::widen(data[r][0] >> at & kMask));
    result |= Element<T>::narrow(value) << at;
  }
  return result;
}

template <typename T>
JINX_DEVICE u64 reduced(int reduction, const u64 (&data)[kRanks][1]) {
  switch (reduction) {
    case kSum: return reduced_by<T, kSum>(data);
    case kProd: return reduced_by<T, kProd>(data);
    case kMax: return reduced_by<T, kMax>(data);
    default: return reduced_by<T, kMin>(data);
  }
}

template <typename T>
JINX_DEVICE void all_reduce(const Call& call, const PeerTable& peers) {
  constexpr int kBytes = Element<T>::kBytes;
  const i64 first = blockIdx.x * call.block_units, rest = (call.bytes + 7) / 8 - first, units = rest < call.block_units ? rest : call.block_units;
  auto load = [&](i64 unit) { return load_unit<kBytes>(call.in + (first + unit) * 8, call.bytes - (first + unit) * 8); };
  follow_and_lead();
  const u64 mine = threadIdx.x < units ? load(threadIdx.x) : 0;  // most threads have no more than this one
  const Turn turn = turn_of(peers, blockIdx.x);
  clean_in_time<kRanks>(peers, turn, kThreads);

  for (i64 unit = threadIdx.x; unit < units; unit += kThreads) push_unit<kRanks>(peers, turn, unit, unit < kThreads ? mine : load(unit));
  block_sync();  // all have their turn
  if (threadIdx.x == 0) count_turn(peers, turn.room, turn.count);
  for (i64 unit = threadIdx.x; unit < units; unit += kThreads) {
    const i64 at = (first + unit) * 8;
    const u64 own[1] = {unit < kThreads ? mine : load(unit)};
    u64 data[kRanks][1];
    if (!gather_units<kRanks, 1>(peers, turn, unit, own, data)) return;
    store_unit<kBytes>(call.out + at, reduced<T>(call.reduction, data), call.bytes - at);
  }
}
