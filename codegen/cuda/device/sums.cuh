// ========================= jinx device library: sums of what ranks have =========================
// A tile that ranks add up as it is read, over memory that they reach of each other (words.cuh). A program's rooms follow each other, and are its own.

/// A thread's run of a row, as it lies in the program's rooms: units that a warp moves by one instruction side by side, so the warp's runs have 32 of each
/// thread's first units, then 32 of the second ones. (Rooms have whole rounds of 128 units, and a run four at most.) A run of four bytes is one word.
template <int kWords>
struct Place {
  static constexpr int kUnits = (kWords + 1) / 2;
  static_assert(kWords == 1 || kWords == 2 || kWords == 4 || kWords == 8, "a word, or up to four units");
  i64 room;  ///< of the program's
  int first; ///< unit in the room, or word
};
template <int kWords>
JINX_DEVICE Place<kWords> place_of(const PeerTable& peers, int run) {
  const u32 room = static_cast<u32>(kWords == 1 ? 2 * peers.room_units : peers.room_units);
  const u32 at = kWords == 1 ? run : run / 32 * 32 * Place<kWords>::kUnits + run % 32;
  return {at / room, static_cast<int>(at % room)};
}
template <int kRanks, int kWords>
JINX_DEVICE void push_run(const PeerTable& peers, Turn turn, Place<kWords> place, const u32 (&words)[kWords]) {
  if constexpr (kWords == 1) {
    push_word<kRanks>(peers, turn, place.first, words[0]);
  } else {
    u64 units[kWords / 2];
    memcpy(units, words, sizeof words);
#pragma unroll
    for (int i = 0; i < kWords / 2; ++i) push_unit<kRanks>(peers, turn, place.first + 32 * i, units[i]);
  }
}
template <int kRanks, int kWords>
JINX_DEVICE bool gather_run(const PeerTable& peers, Turn turn, Place<kWords> place, const u32 (&own)[kWords], u32 (&data)[kRanks][kWords]) {
  if constexpr (kWords == 1) {
    return gather_word<kRanks>(peers, turn, place.first, own[0], data);
  } else {
    constexpr int kOnce = kRanks * kWords <= 16 ? kWords / 2 : 1;  // units that are awaited together: as many as registers hold of all ranks
#pragma unroll
    for (int i = 0; i < kWords / 2; i += kOnce) {
      u64 units[kOnce], all[kRanks][kOnce];
      memcpy(units, own + 2 * i, sizeof units);
      if (!gather_units<kRanks, 32>(peers, turn, place.first + 32 * i, units, all)) return false;
#pragma unroll
      for (int r = 0; r < kRanks; ++r) memcpy(data[r] + 2 * i, all[r], sizeof all[r]);
    }
    return true;
  }
}

JINX_DEVICE float summand(float x) { return x; }
JINX_DEVICE float summand(bf16 x) { return to_f32(x); }
JINX_DEVICE float summand(f16 x) { return to_f32(x); }
JINX_DEVICE void round_to(float& x, float sum) { x = sum; }
JINX_DEVICE void round_to(bf16& x, float sum) { x = to_bf16(sum); }
JINX_DEVICE void round_to(f16& x, float sum) { x = to_f16(sum); }

/// A run of what each rank has, added up in the order of ranks in f32, rounded once.
template <int kRanks, int kWords, int N, typename T>
JINX_DEVICE void add_up(T (&x)[N], const u32 (&data)[kRanks][kWords]) {
  float sums[N];
#pragma unroll
  for (int r = 0; r < kRanks; ++r) {
    T one[N];
    memcpy(one, data[r], sizeof one);
#pragma unroll
    for (int i = 0; i < N; ++i) sums[i] = r == 0 ? summand(one[i]) : sums[i] + summand(one[i]);
  }
#pragma unroll
  for (int i = 0; i < N; ++i) round_to(x[i], sums[i]);
}

/// A program's row of `width` elements, of which this thread has M runs of N from `first` on, `stride` apart. With peers: each rank's `part`, added up, which
/// `sum` becomes, too. Without: `sum`, which was made in front of this launch. The whole block comes, once in a launch.
template <int kRanks, int M, int N, typename T>
JINX_DEVICE void load_summed(T (&x)[M][N], T* sum, const T* part, int first, int stride, int width, const PeerTable& peers JINX_AT) {
  constexpr int kWords = N * sizeof(T) / 4;
  static_assert(kWords * 4 == N * sizeof(T), "a run is whole words");
  load_runs_where(x, (peers.ranks ? part : sum) + first, stride, width - first JINX_FROM);
  if (peers.ranks == 0) return;
  const u32 units = (width * sizeof(T) + 7) / 8, room = static_cast<u32>(peers.room_units), rooms = (units + room - 1) / room;
  const i64 first_room = static_cast<i64>(blockIdx.x) * rooms;
  const Turn first_turn = turn_of(peers, first_room);  // of the only room, most of the time
  clean_in_time<kRanks>(peers, first_turn, blockDim.x);
#pragma unroll 1
  for (u32 i = 1; i < rooms; ++i) clean_in_time<kRanks>(peers, turn_of(peers, first_room + i), blockDim.x);

  Turn turns[M];
  u32 own[M][kWords];
#pragma unroll
  for (int v = 0; v < M; ++v) {
    const int at = first + v * stride;
    if (at >= width) continue;
    const Place<kWords> place = place_of<kWords>(peers, at / N);
    turns[v] = place.room == 0 ? first_turn : turn_of(peers, first_room + place.room);
    memcpy(own[v], x[v], sizeof own[v]);
    push_run<kRanks>(peers, turns[v], place, own[v]);
  }
  block_sync();  // all have their turns
  for (u32 i = threadIdx.x; i < rooms; i += blockDim.x) count_turn(peers, first_room + i, turn_of(peers, first_room + i).count);
#pragma unroll
  for (int v = 0; v < M; ++v) {
    const int at = first + v * stride;
    if (at >= width) continue;
    u32 data[kRanks][kWords];
    if (!gather_run<kRanks>(peers, turns[v], place_of<kWords>(peers, at / N), own[v], data)) return;
    add_up<kRanks>(x[v], data);
    store_run(sum + at, x[v] JINX_FROM);
  }
}
/// One run.
template <int kRanks, int N, typename T>
JINX_DEVICE void load_summed(T (&x)[N], T* sum, const T* part, int first, int width, const PeerTable& peers JINX_AT) {
  T run[1][N];
  load_summed<kRanks>(run, sum, part, first, N, width, peers JINX_FROM);
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = run[0][i];
}
/// Runs of one element.
template <int kRanks, int M, typename T>
JINX_DEVICE void load_summed(T (&x)[M], T* sum, const T* part, int first, int stride, int width, const PeerTable& peers JINX_AT) {
  T runs[M][1];
  load_summed<kRanks>(runs, sum, part, first, stride, width, peers JINX_FROM);
#pragma unroll
  for (int v = 0; v < M; ++v) x[v] = runs[v][0];
}
