// ================================ jinx device library: base ================================
// Types, global memory, conversions. Every operation that plain CUDA C++ has no word for is a wrapper with a device body (PTX) and a
// host body (`emu`, the emulator's table); kernels contain no assembly. JINX_AT hands the line of the call to the emulator's reports.
typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long i64;
typedef unsigned long u64;
static_assert(sizeof(i64) == 8, "64-bit Linux");

#ifndef JINX_EMULATED
#define INFINITY __int_as_float(0x7F800000)
#define NAN __int_as_float(0x7FFFFFFF)
#endif

struct bf16 { u16 bits; };
struct f16 { u16 bits; };
struct f8e4m3 { u8 bits; };  // no infinity; all ones is NaN
struct f8e5m2 { u8 bits; };  // the upper half of an f16

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
#define JINX_DEVICE __device__ __forceinline__

JINX_DEVICE float bits_to_f32(u32 bits) {
#ifdef JINX_EMULATED
  float value;
  memcpy(&value, &bits, 4);
  return value;
#else
  return __uint_as_float(bits);
#endif
}
JINX_DEVICE u32 f32_to_bits(float value) {
#ifdef JINX_EMULATED
  u32 bits;
  memcpy(&bits, &value, 4);
  return bits;
#else
  return __float_as_uint(value);
#endif
}

// ---- 16-bit floats: stored as bits, computed in f32 ----
JINX_DEVICE float to_f32(bf16 x) { return bits_to_f32(static_cast<u32>(x.bits) << 16); }
JINX_DEVICE float to_f32(f16 x) {
#ifdef JINX_EMULATED
  u32 sign = static_cast<u32>(x.bits & 0x8000) << 16, exponent = x.bits >> 10 & 31, mantissa = x.bits & 1023;
  if (exponent == 31) return bits_to_f32(sign | 0x7F800000 | mantissa << 13);
  if (exponent == 0) return bits_to_f32(sign | f32_to_bits(static_cast<float>(mantissa) * 0x1p-24f));
  return bits_to_f32(sign | (exponent + 112) << 23 | mantissa << 13);
#else
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#endif
}
/// Round to nearest even.
JINX_DEVICE bf16 to_bf16(float x) {
#ifdef JINX_EMULATED
  u32 bits = f32_to_bits(x);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return bf16{0x7FFF};
  return bf16{static_cast<u16>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
#else
  bf16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#endif
}
JINX_DEVICE f16 to_f16(float x) {
#ifdef JINX_EMULATED
  u32 bits = f32_to_bits(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return f16{0x7FFF};
  if (magnitude >= 0x47800000) return f16{static_cast<u16>(sign | 0x7C00)};
  if (magnitude < 0x38800000) return f16{static_cast<u16>(sign | static_cast<u32>(rintf(bits_to_f32(magnitude) * 0x1p24f)))};
  u32 shifted = magnitude - 0x38000000;
  return f16{static_cast<u16>(sign | (shifted + 0xFFF + (shifted >> 13 & 1)) >> 13)};
#else
  f16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#endif
}
/// Two neighbours in one register, the first in the low half.
JINX_DEVICE u32 pack_bf16x2(float low, float high) {
#ifdef JINX_EMULATED
  return to_bf16(low).bits | static_cast<u32>(to_bf16(high).bits) << 16;
#else
  u32 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
#endif
}
JINX_DEVICE u32 pack_f16x2(float low, float high) {
#ifdef JINX_EMULATED
  return to_f16(low).bits | static_cast<u32>(to_f16(high).bits) << 16;
#else
  u32 r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
#endif
}

// ---- 8-bit floats: converted by way of f16, which holds them all; to them, what is too large becomes the largest number. GPUs before sm_89 have
// no instructions for it ----
#if defined(JINX_EMULATED) || __CUDA_ARCH__ < 890
#define JINX_SOFT_F8
#endif
JINX_DEVICE float to_f32(f8e5m2 x) { return to_f32(f16{static_cast<u16>(x.bits << 8)}); }
JINX_DEVICE float to_f32(f8e4m3 x) {
#ifdef JINX_SOFT_F8
  if ((x.bits & 0x7F) == 0x7F) return bits_to_f32(static_cast<u32>(x.bits & 0x80) << 24 | 0x7FC00000);
  const int exponent = x.bits >> 3 & 15, mantissa = x.bits & 7;
  const float size = exponent ? static_cast<float>(8 + mantissa) * bits_to_f32(static_cast<u32>(exponent - 10 + 127) << 23) : static_cast<float>(mantissa) * 0x1p-9f;
  return x.bits & 0x80 ? -size : size;
#else
  u32 pair;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"(static_cast<u16>(x.bits)));
  return to_f32(f16{static_cast<u16>(pair)});
#endif
}
#ifdef JINX_SOFT_F8
/// Rounded to nearest even, `Mantissa` bits behind the point, exponents from 1 - `Bias` on, at most `largest`.
template <int Mantissa, int Bias>
JINX_DEVICE u8 to_f8_bits(float x, int largest, int nan) {
  const u32 bits = f32_to_bits(x), magnitude = bits & 0x7FFFFFFF, sign = bits >> 24 & 0x80;
  if (magnitude > 0x7F800000) return static_cast<u8>(sign | static_cast<u32>(nan));
  if (magnitude == 0x7F800000) return static_cast<u8>(sign | static_cast<u32>(largest));
  int exponent = static_cast<int>(magnitude >> 23) - 127;
  if (exponent < 1 - Bias) exponent = 1 - Bias;
  // In units of the last place, between 2^Mantissa and twice that where it is a normal number.
  const double units = rint(static_cast<double>(bits_to_f32(magnitude)) * ldexp(1.0, Mantissa - exponent));
  const double code = (exponent + Bias - 1) * (1 << Mantissa) + units;
  return static_cast<u8>(sign | static_cast<u32>(code > largest ? largest : static_cast<int>(code)));
}
#endif
JINX_DEVICE f8e4m3 to_f8e4m3(float x) {
#ifdef JINX_SOFT_F8
  return f8e4m3{to_f8_bits<3, 7>(x, 0x7E, 0x7F)};
#else
  u16 pair;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(0.0f), "f"(x));
  return f8e4m3{static_cast<u8>(pair)};
#endif
}
JINX_DEVICE f8e5m2 to_f8e5m2(float x) {
#ifdef JINX_SOFT_F8
  return f8e5m2{to_f8_bits<2, 15>(x, 0x7B, 0x7F)};
#else
  u16 pair;
  asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(0.0f), "f"(x));
  return f8e5m2{static_cast<u8>(pair)};
#endif
}
JINX_DEVICE u32 pack_x2(bf16 low, bf16 high) { return low.bits | static_cast<u32>(high.bits) << 16; }
JINX_DEVICE u32 pack_x2(f16 low, f16 high) { return low.bits | static_cast<u32>(high.bits) << 16; }

// ---- global memory ----
template <int Bytes, typename T>
struct alignas(Bytes) Pack {
  T values[Bytes / sizeof(T)];
};
JINX_DEVICE bool is_aligned(const void* p, u32 bytes) { return (reinterpret_cast<u64>(p) & (bytes - 1)) == 0; }
__device__ constexpr int widest_access(int bytes) { return bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : bytes % 4 == 0 ? 4 : bytes % 2 == 0 ? 2 : 1; }

template <typename T>
JINX_DEVICE T global_load(const T* p JINX_AT) {
#ifdef JINX_EMULATED
  emu->global_access(p, sizeof(T), 0, line);
#endif
  return *p;
}
template <typename T>
JINX_DEVICE void global_store(T* p, T value JINX_AT) {
#ifdef JINX_EMULATED
  emu->global_access(p, sizeof(T), 1, line);
#endif
  *p = value;
}
// Tiles of rank 1, a thread's part of them. How a thread's elements lie is known when the kernel is compiled: N neighbours (x[N]), M runs
// of N neighbours, `stride` elements from one run to the next (x[M][N]), or single elements, `stride` apart. A run begins at a multiple of
// the access that reads it, so that nothing is asked of the address. `valid` counts elements from p on; those past it are read as zero and
// not written. A `_where` access has whole runs only, a `_some` access may cut one.
template <int N, typename T>
JINX_DEVICE void load_run(T (&x)[N], const T* p JINX_AT) {
  constexpr int kBytes = widest_access(N * sizeof(T)), kEach = kBytes / sizeof(T);
#pragma unroll
  for (int i = 0; i < N; i += kEach) {
    const Pack<kBytes, T> pack = global_load(reinterpret_cast<const Pack<kBytes, T>*>(p + i) JINX_FROM);
#pragma unroll
    for (int j = 0; j < kEach; ++j) x[i + j] = pack.values[j];
  }
}
template <int N, typename T>
JINX_DEVICE void load_run_where(T (&x)[N], const T* p, i64 valid JINX_AT) {
  if (valid > 0) {
    load_run(x, p JINX_FROM);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = T{};
  }
}
template <int N, typename T>
JINX_DEVICE void load_run_some(T (&x)[N], const T* p, i64 valid JINX_AT) {
  if (valid >= N) {
    load_run(x, p JINX_FROM);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = i < valid ? global_load(p + i JINX_FROM) : T{};
  }
}
template <int N, typename T>
JINX_DEVICE void store_run(T* p, const T (&x)[N] JINX_AT) {
  constexpr int kBytes = widest_access(N * sizeof(T)), kEach = kBytes / sizeof(T);
#pragma unroll
  for (int i = 0; i < N; i += kEach) {
    Pack<kBytes, T> pack;
#pragma unroll
    for (int j = 0; j < kEach; ++j) pack.values[j] = x[i + j];
    global_store(reinterpret_cast<Pack<kBytes, T>*>(p + i), pack JINX_FROM);
  }
}
template <int N, typename T>
JINX_DEVICE void store_run_where(T* p, const T (&x)[N], i64 valid JINX_AT) {
  if (valid > 0) store_run(p, x JINX_FROM);
}
template <int N, typename T>
JINX_DEVICE void store_run_some(T* p, const T (&x)[N], i64 valid JINX_AT) {
  if (valid >= N) {
    store_run(p, x JINX_FROM);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < valid) global_store(p + i, x[i] JINX_FROM);
  }
}
/// M runs.
template <int M, int N, typename T>
JINX_DEVICE void load_runs(T (&x)[M][N], const T* p, int stride JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) load_run(x[v], p + v * stride JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void load_runs_where(T (&x)[M][N], const T* p, int stride, i64 valid JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) load_run_where(x[v], p + v * stride, valid - v * stride JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void load_runs_some(T (&x)[M][N], const T* p, int stride, i64 valid JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) load_run_some(x[v], p + v * stride, valid - v * stride JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void store_runs(T* p, int stride, const T (&x)[M][N] JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) store_run(p + v * stride, x[v] JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void store_runs_where(T* p, int stride, const T (&x)[M][N], i64 valid JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) store_run_where(p + v * stride, x[v], valid - v * stride JINX_FROM);
}
template <int M, int N, typename T>
JINX_DEVICE void store_runs_some(T* p, int stride, const T (&x)[M][N], i64 valid JINX_AT) {
#pragma unroll
  for (int v = 0; v < M; ++v) store_run_some(p + v * stride, x[v], valid - v * stride JINX_FROM);
}
/// Single elements: in memory `stride`, in the tile `lanes` from one to the next; `valid` counts lanes of the tile from the first on.
template <int N, typename T>
JINX_DEVICE void load_apart(T (&x)[N], const T* p, i64 stride JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = global_load(p + i * stride JINX_FROM);
}
template <int N, typename T>
JINX_DEVICE void load_apart_where(T (&x)[N], const T* p, i64 stride, i64 valid, int lanes JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = i * lanes < valid ? global_load(p + i * stride JINX_FROM) : T{};
}
template <int N, typename T>
JINX_DEVICE void store_apart(T* p, i64 stride, const T (&x)[N] JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i) global_store(p + i * stride, x[i] JINX_FROM);
}
template <int N, typename T>
JINX_DEVICE void store_apart_where(T* p, i64 stride, const T (&x)[N], i64 valid, int lanes JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i * lanes < valid) global_store(p + i * stride, x[i] JINX_FROM);
}
/// Runs of tiles of rank 2: p[i] = x[i] for i < valid. The widest accesses where all are valid and p is aligned, else one an element.
template <int N, typename T>
JINX_DEVICE void store_contiguous(T* p, const T (&x)[N], i64 valid JINX_AT) {
  constexpr int kBytes = widest_access(N * sizeof(T)), kEach = kBytes / sizeof(T);
  if (valid >= N && is_aligned(p, kBytes)) {
#pragma unroll
    for (int i = 0; i < N; i += kEach) {
      Pack<kBytes, T> pack;
#pragma unroll
      for (int j = 0; j < kEach; ++j) pack.values[j] = x[i + j];
      global_store(reinterpret_cast<Pack<kBytes, T>*>(p + i), pack JINX_FROM);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < valid) global_store(p + i, x[i] JINX_FROM);
  }
}
template <int N, typename T>
JINX_DEVICE void store_strided(T* p, i64 stride, const T (&x)[N], i64 valid JINX_AT) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < valid) global_store(p + i * stride, x[i] JINX_FROM);
}
/// *p where `valid`, else zero.
template <typename T>
JINX_DEVICE T load_where(const T* p, bool valid JINX_AT) {
  return valid ? global_load(p JINX_FROM) : T{};
}
/// The neighbours from p on, a multiple of `Bytes`, where `valid`, else zeros. Of memory that nobody writes while the kernel runs, so that
/// the access may move up over fences.
template <int Bytes, typename T>
JINX_DEVICE Pack<Bytes, T> load_pack_where(const T* p, bool valid JINX_AT) {
#ifdef JINX_EMULATED
  return valid ? global_load(reinterpret_cast<const Pack<Bytes, T>*>(p) JINX_FROM) : Pack<Bytes, T>{};
#else
  union {
    Pack<Bytes, T> pack;
    u32 words[Bytes / 4];
  } x;
#pragma unroll
  for (int i = 0; i < Bytes / 4; ++i) x.words[i] = 0;
  if (valid) {
    if constexpr (Bytes == 4) x.words[0] = __ldg(reinterpret_cast<const u32*>(p));
    if constexpr (Bytes == 8) {
      const uint2 v = __ldg(reinterpret_cast<const uint2*>(p));
      x.words[0] = v.x, x.words[1] = v.y;
    }
    if constexpr (Bytes == 16) {
      const uint4 v = __ldg(reinterpret_cast<const uint4*>(p));
      x.words[0] = v.x, x.words[1] = v.y, x.words[2] = v.z, x.words[3] = v.w;
    }
  }
  return x.pack;
#endif
}
/// Signed overflow wraps, as in `arith`.
JINX_DEVICE i32 wrap_add(i32 a, i32 b) { return static_cast<i32>(static_cast<u32>(a) + static_cast<u32>(b)); }
JINX_DEVICE i64 wrap_add(i64 a, i64 b) { return static_cast<i64>(static_cast<u64>(a) + static_cast<u64>(b)); }
JINX_DEVICE i32 wrap_sub(i32 a, i32 b) { return static_cast<i32>(static_cast<u32>(a) - static_cast<u32>(b)); }
JINX_DEVICE i64 wrap_sub(i64 a, i64 b) { return static_cast<i64>(static_cast<u64>(a) - static_cast<u64>(b)); }
JINX_DEVICE i32 wrap_mul(i32 a, i32 b) { return static_cast<i32>(static_cast<u32>(a) * static_cast<u32>(b)); }
JINX_DEVICE i64 wrap_mul(i64 a, i64 b) { return static_cast<i64>(static_cast<u64>(a) * static_cast<u64>(b)); }
/// Division rounded towards minus and plus infinity.
template <typename T>
JINX_DEVICE T floor_div(T a, T b) {
  const T q = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? q - 1 : q;
}
template <typename T>
JINX_DEVICE T ceil_div(T a, T b) {
  const T q = a / b;
  return a % b != 0 && (a % b < 0) == (b < 0) ? q + 1 : q;
}
/// a / b for small counts, none negative: 64-bit division costs a GPU five times as much.
JINX_DEVICE i64 divide_small(i64 a, i64 b) { return static_cast<u32>(a) / static_cast<u32>(b); }
template <typename T>
JINX_DEVICE T least(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
JINX_DEVICE T greatest(T a, T b) {
  return a < b ? b : a;
}
