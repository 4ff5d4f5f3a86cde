// ========================= jinx device library: sums of what ranks have =========================
// A tile that ranks add up as it is read, over memory that they reach of each other (words.cuh). A program's rooms follow each other, and are its own.

template <int kRanks>
JINX_DEVICE void push_words(const PeerTable& peers, Turn turn, i64 word, const u32 (&bits)[1]) { push_word<kRanks>(peers, turn, word, bits[0]); }
template <int kRanks, int kWords>
JINX_DEVICE void push_words(const PeerTable& peers, Turn turn, i64 word, const u32 (&bits)[kWords]) {
  static_assert(kWords % 2 == 0, "two words are a unit");
#pragma unroll
  for (int i = 0; i < kWords; i += 2) push_unit<kRanks>(peers, turn, (word + i) / 2, bits[i] | static_cast<u64>(bits[i + 1]) << 32);
}
template <int kRanks>
JINX_DEVICE bool gather_words(const PeerTable& peers, Turn turn, i64 word, const u32 (&own)[1], u32 (&data)[kRanks][1]) { return gather_word<kRanks>(peers, turn, word, own[0], data); }
template <int kRanks, int kWords>
JINX_DEVICE bool gather_words(const PeerTable& peers, Turn turn, i64 word, const u32 (&own)[kWords], u32 (&data)[kRanks][kWords]) {
#pragma unroll
  for (int i = 0; i < kWords; i += 2) {
    u64 units[kRanks];
    if (!gather_unit<kRanks>(peers, turn, (word + i) / 2, own[i] | static_cast<u64>(own[i + 1]) << 32, units)) return false;
#pragma unroll
    for (int r = 0; r < kRanks; ++r) data[r][i] = static_cast<u32>(units[r]), data[r][i + 1] = static_cast<u32>(units[r] >> 32);
  }
  return true;
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
  constexpr int kWords = N * sizeof(T) / 4, kOfWord = 4 / sizeof(T);
  static_assert(kWords * 4 == N * sizeof(T), "a run is whole words");
  if (peers.ranks == 0) {
    load_runs_where(x, sum + first, stride, width - first JINX_FROM);
    return;
  }
  load_runs_where(x, part + first, stride, width - first JINX_FROM);
  const int room_words = 2 * peers.room_units, rooms = (width / kOfWord + room_words - 1) / room_words;
  const i64 first_room = static_cast<i64>(blockIdx.x) * rooms;
#pragma unroll 1
  for (int i = 0; i < rooms; ++i) clean_in_time<kRanks>(peers, turn_of(peers, first_room + i), blockDim.x);

  Turn turns[M];
  u32 own[M][kWords];
#pragma unroll
  for (int v = 0; v < M; ++v) {
    const int word = (first + v * stride) / kOfWord;
    if (first + v * stride >= width) continue;
    turns[v] = turn_of(peers, first_room + word / room_words);
    memcpy(own[v], x[v], sizeof own[v]);
    push_words<kRanks>(peers, turns[v], word % room_words, own[v]);
  }
  block_sync();  // all have their turns
  for (int i = threadIdx.x; i < rooms; i += blockDim.x) count_turn(peers, first_room + i, turn_of(peers, first_room + i).count);
#pragma unroll
  for (int v = 0; v < M; ++v) {
    const int word = (first + v * stride) / kOfWord;
    u32 data[kRanks][kWords];
    if (first + v * stride >= width) continue;
    if (!gather_words<kRanks>(peers, turns[v], word % room_words, own[v], data)) return;
    add_up<kRanks>(x[v], data);
    store_run(sum + first + v * stride, x[v] JINX_FROM);
  }
}
/// One run.
template <int kRanks, int N, typename T>
JINX_DEVICE void load_summed(T (&x)[N], T* sum, const T* part, int first, int width, const PeerTable& peers JINX_AT) {
  load_summed<kRanks>(reinterpret_cast<T(&)[1][N]>(x), sum, part, first, 0, width, peers JINX_FROM);
}
