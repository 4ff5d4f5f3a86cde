// ====================== jinx device library: lanes that depend on each other ======================
/// The value of the lane `distance` before this one; the first lanes get their own.
template <typename T>
JINX_DEVICE T warp_shuffle_up(T value, int distance JINX_AT) {
#ifdef JINX_EMULATED
  const int lane = threadIdx.x % 32, from = lane < distance ? lane : lane - distance;
  return warp_broadcast(value, from JINX_FROM);
#else
  return __shfl_up_sync(0xFFFFFFFFu, value, distance);
#endif
}
/// The value of the lane `distance` after this one; the last lanes get their own.
template <typename T>
JINX_DEVICE T warp_shuffle_down(T value, int distance JINX_AT) {
#ifdef JINX_EMULATED
  const int lane = threadIdx.x % 32, from = lane + distance < 32 ? lane + distance : lane;
  return warp_broadcast(value, from JINX_FROM);
#else
  return __shfl_down_sync(0xFFFFFFFFu, value, distance);
#endif
}

/// N sums over the warp at once, the bits of warp_sum: every step halves the values that a lane has, until it has one, which it then gives to all.
/// 63 shuffles for 32 sums, where one after the other takes 160. N is at most 32.
template <int N>
JINX_DEVICE void warp_sum_each(float (&sums)[N] JINX_AT) {
  constexpr int kCount = N > 16 ? 32 : N > 8 ? 16 : N > 4 ? 8 : N > 2 ? 4 : N;
  const int lane = threadIdx.x % 32;
  float v[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) v[i] = i < N ? sums[i < N ? i : 0] : 0.0f;
#pragma unroll
  for (int distance = 16, count = kCount / 2; distance > 0; distance /= 2, count /= 2) {
    if (count == 0) v[0] += warp_shuffle_xor(v[0], distance JINX_FROM);
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const bool isUpper = lane & distance;
      const float mine = isUpper ? v[i + count] : v[i], theirs = isUpper ? v[i] : v[i + count];
      v[i] = mine + warp_shuffle_xor(theirs, distance JINX_FROM);
    }
  }
#pragma unroll
  for (int i = 0; i < N; ++i) sums[i] = warp_broadcast(v[0], i * (32 / kCount) JINX_FROM);
}

template <typename T>
JINX_DEVICE T scan_add(T a, T b) {
  return static_cast<T>(a + b);
}
template <>
JINX_DEVICE i32 scan_add(i32 a, i32 b) {
  return wrap_add(a, b);
}
template <>
JINX_DEVICE i64 scan_add(i64 a, i64 b) {
  return wrap_add(a, b);
}

// Running sums. A thread holds M runs of N neighbours of the tile, x[m * N + n]; run m of the next thread follows on run m of this one, and
// run m + 1 of the first on run m of the last. Reverse: from the last element to the first, so that every order below is turned around.
//
//   within a run one after the other;  over the run sums of a warp by shuffles;  then, over what came before, in order
//
// Each gives the total, to every thread. The order of additions depends on M, N and the number of threads alone.
/// The sums of one run, without what came before: x[n] becomes the sum up to it. Gives the run's total.
template <int N, bool Exclusive, bool Reverse, typename T>
JINX_DEVICE T scan_run(T* sums, const T* x) {
  T sum = T{};
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const int n = Reverse ? N - 1 - i : i;
    const T value = x[n];
    if (Exclusive) sums[n] = sum;
    sum = i == 0 ? value : scan_add(sum, value);
    if (!Exclusive) sums[n] = sum;
  }
  return sum;
}
/// The sum of this lane's value and those of the lanes before it (Reverse: after it).
template <bool Reverse, typename T>
JINX_DEVICE T warp_scan(T value JINX_AT) {
  const int lane = threadIdx.x % 32, place = Reverse ? 31 - lane : lane;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const T other = Reverse ? warp_shuffle_down(value, distance JINX_FROM) : warp_shuffle_up(value, distance JINX_FROM);
    if (place >= distance) value = scan_add(other, value);
  }
  return value;
}
template <int M, int N, bool Exclusive, bool Reverse, typename T>
JINX_DEVICE T warp_scan_tile(T* sums, const T* x JINX_AT) {
  const int lane = threadIdx.x % 32, first = Reverse ? 31 : 0;
  T total = T{};
#pragma unroll
  for (int i = 0; i < M; ++i) {
    const int m = Reverse ? M - 1 - i : i;
    const T run = scan_run<N, Exclusive, Reverse>(sums + m * N, x + m * N), upto = warp_scan<Reverse>(run JINX_FROM);
    T before = Reverse ? warp_shuffle_down(upto, 1 JINX_FROM) : warp_shuffle_up(upto, 1 JINX_FROM);
    before = lane == first ? total : scan_add(total, before);
#pragma unroll
    for (int n = 0; n < N; ++n) sums[m * N + n] = scan_add(before, sums[m * N + n]);
    total = scan_add(total, warp_broadcast(upto, 31 - first JINX_FROM));
  }
  return total;
}
/// Each warp has M run totals of its own, M * threads / 32 in all, at most kReduceSlots.
template <int M, int N, bool Exclusive, bool Reverse, typename T>
JINX_DEVICE T block_scan_tile(T* sums, const T* x, int threads, u8* slots, int& turn JINX_AT) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = threads / 32, first = Reverse ? 31 : 0;
  T* set = reinterpret_cast<T*>(slots) + turn * kReduceSlots;
  turn ^= 1;
  T before[M];
#pragma unroll
  for (int m = 0; m < M; ++m) {
    const T run = scan_run<N, Exclusive, Reverse>(sums + m * N, x + m * N), upto = warp_scan<Reverse>(run JINX_FROM);
    before[m] = Reverse ? warp_shuffle_down(upto, 1 JINX_FROM) : warp_shuffle_up(upto, 1 JINX_FROM);
    if (lane == 31 - first) shared_store(set + m * warps + warp, upto JINX_FROM);
  }
  block_sync(JINX_FROM0);
  T total = T{};
#pragma unroll
  for (int i = 0; i < M; ++i) {
    const int m = Reverse ? M - 1 - i : i;
    T base = T{};
#pragma unroll
    for (int j = 0; j < warps; ++j) {
      const int w = Reverse ? warps - 1 - j : j;
      if (w == warp) base = total;
      total = scan_add(total, shared_load(set + m * warps + w JINX_FROM));
    }
    base = lane == first ? base : scan_add(base, before[m]);
#pragma unroll
    for (int n = 0; n < N; ++n) sums[m * N + n] = scan_add(base, sums[m * N + n]);
  }
  return total;
}

/// Sorts `width` keys in shared memory, a power of two, all of which other threads have written. Bitonic: a step compares keys that are
/// `distance` apart; every thread has the pairs that lie `threads` apart. The 32 pairs of a warp are 64 neighbours where they are no more than
/// 32 apart: between two such steps only the warp's lanes meet.
template <bool Descending>
JINX_DEVICE void block_sort(i64* keys, int width, int threads JINX_AT) {
  int before = width;  // distance of the step before
  for (int size = 2; size <= width; size *= 2)
    for (int distance = size / 2; distance > 0; distance /= 2) {
      if (before > 32 || distance > 32) {
        block_sync(JINX_FROM0);
      } else {
        warp_sync(JINX_FROM0);
      }
      before = distance;
      for (int pair = threadIdx.x; pair < width / 2; pair += threads) {
        const int low = 2 * pair - (pair & (distance - 1)), high = low + distance;
        const i64 a = shared_load(keys + low JINX_FROM), b = shared_load(keys + high JINX_FROM);
        if ((a > b) != (((low & size) != 0) != Descending)) {
          shared_store(keys + low, b JINX_FROM);
          shared_store(keys + high, a JINX_FROM);
        }
      }
    }
  block_sync(JINX_FROM0);
}
