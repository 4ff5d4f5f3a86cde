// ---- words between ranks: eight bytes that are written together are seen together, so four of data and the tag of their call need no flag. PeerReduce.h
// tells how calls use them, and why it is right. In front of it stand types, JINX_DEVICE, JINX_AT, global_load and global_store ----

/// Eight bytes of data on their way: each word is four of them, and above these the tag of its call. A word arrives whole; the two of a pair may
/// arrive apart.
struct alignas(16) Pair {
  u64 low, high;
};
/// runtime/device/PeerTable.h
struct PeerTable {
  u32* state;       ///< word 0: stop; from kFirstCounter on: calls that each room has seen
  Pair* own;        ///< this rank's memory, which others write
  Pair* memory[8];  ///< each rank's: [rooms][other ranks, in order][two][room_units]
  i64 room_units;   ///< of eight bytes
  int rank, ranks;
};
constexpr int kFirstCounter = 32;
constexpr u32 kCleanEvery = 1u << 29;
constexpr int kLooks = 256;  // between two looks at the host's word

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
JINX_DEVICE void push(u64* to, u64 word JINX_AT) {
#ifdef JINX_EMULATED
  emu->peer_access(to, sizeof(u64), line);
  __atomic_store_n(to, word, __ATOMIC_RELAXED);
#else
  asm volatile("st.relaxed.sys.global.b64 [%0], %1;" ::"l"(to), "l"(word) : "memory");
#endif
}
JINX_DEVICE u64 look_at(const u64* at JINX_AT) {
  u64 word;
#ifdef JINX_EMULATED
  emu->peer_access(at, sizeof(u64), line);
  word = __atomic_load_n(at, __ATOMIC_RELAXED);
#else
  asm volatile("ld.relaxed.sys.global.b64 %0, [%1];" : "=l"(word) : "l"(at) : "memory");
#endif
  return word;
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
/// What this thread has stored is there before what it stores from now on, for every device.
JINX_DEVICE void fence_system() {
#ifndef JINX_EMULATED
  __threadfence_system();
#endif
}

JINX_DEVICE Pair tagged(u64 bits, u32 tag) {
  return Pair{(bits & 0xFFFFFFFF) | static_cast<u64>(tag) << 32, bits >> 32 | static_cast<u64>(tag) << 32};
}
JINX_DEVICE bool has_arrived(Pair pair, u32 tag) { return static_cast<u32>(pair.low >> 32) == tag && static_cast<u32>(pair.high >> 32) == tag; }
JINX_DEVICE u64 data_of(Pair pair) { return (pair.low & 0xFFFFFFFF) | pair.high << 32; }

/// A room in one call: tag and slot follow from how many calls it has seen.
struct Turn {
  i64 room;
  u32 count;
  JINX_DEVICE u32 parity() const { return count & 1; }
  JINX_DEVICE u32 tag() const { return count << 1 | 1; }
};
JINX_DEVICE Turn turn_of(const PeerTable& peers, i64 room JINX_AT) { return Turn{room, global_load(peers.state + kFirstCounter + room JINX_FROM) + 1}; }
/// By one thread, once all that share the room have their turn.
JINX_DEVICE void count_turn(const PeerTable& peers, i64 room, u32 count JINX_AT) { global_store(peers.state + kFirstCounter + room, count JINX_FROM); }

/// Where in `memory`, which is `owner`'s, lies what `source`, another rank, sends.
template <int kRanks>
JINX_DEVICE Pair* slot_of(const PeerTable& peers, Pair* memory, int owner, int source, i64 room, u32 parity) {
  const int other = source < owner ? source : source - 1;
  return memory + ((room * (kRanks - 1) + other) * 2 + parity) * peers.room_units;
}
/// Every so many calls the words of a room's next slot lose their tags, before these come again. The whole block comes.
template <int kRanks>
JINX_DEVICE void clean_in_time(const PeerTable& peers, Turn turn, int threads) {
  if (turn.count % kCleanEvery >= 2) return;
#pragma unroll 1
  for (int r = 0; r < kRanks; ++r) {
    if (r == peers.rank) continue;
#pragma unroll 1
    for (i64 unit = threadIdx.x; unit < peers.room_units; unit += threads) push(slot_of<kRanks>(peers, peers.own, peers.rank, r, turn.room, turn.parity() ^ 1) + unit, Pair{0, 0});
  }
  fence_system();
  block_sync();
}
/// This rank's `unit` of the room goes to the others.
template <int kRanks>
JINX_DEVICE void push_unit(const PeerTable& peers, Turn turn, i64 unit, u64 bits) {
  const Pair pair = tagged(bits, turn.tag());
#pragma unroll
  for (int r = 0; r < kRanks; ++r)
    if (r != peers.rank) push(slot_of<kRanks>(peers, peers.memory[r], r, peers.rank, turn.room, turn.parity()) + unit, pair);
}
/// All ranks' units `first`, `first` + kStep, …, as soon as the others' have come, all looked at together; false where the host has asked to stop.
template <int kRanks, int kStep, int kUnits>
JINX_DEVICE bool gather_units(const PeerTable& peers, Turn turn, i64 first, const u64 (&own)[kUnits], u64 (&data)[kRanks][kUnits]) {
  for (int looks = 1;; ++looks) {
    bool all = true;
#pragma unroll
    for (int r = 0; r < kRanks; ++r) {
      const Pair* const slot = slot_of<kRanks>(peers, peers.own, peers.rank, r, turn.room, turn.parity()) + first;
      Pair pairs[kUnits];
#pragma unroll
      for (int i = 0; i < kUnits; ++i) {
        pairs[i] = tagged(own[i], turn.tag());
        if (r != peers.rank) pairs[i] = look_at(slot + i * kStep);
      }
#pragma unroll
      for (int i = 0; i < kUnits; ++i) {
        all = all && has_arrived(pairs[i], turn.tag());
        data[r][i] = data_of(pairs[i]);
      }
    }
    if (all) return true;
    if (looks % kLooks == 0 && is_set(peers.state)) return false;
    look_again_later();
  }
}
/// As push_unit and gather_units, of a single word; `at` counts them in the room.
template <int kRanks>
JINX_DEVICE void push_word(const PeerTable& peers, Turn turn, i64 at, u32 bits) {
#pragma unroll
  for (int r = 0; r < kRanks; ++r)
    if (r != peers.rank) push(reinterpret_cast<u64*>(slot_of<kRanks>(peers, peers.memory[r], r, peers.rank, turn.room, turn.parity())) + at, tagged(bits, turn.tag()).low);
}
template <int kRanks>
JINX_DEVICE bool gather_word(const PeerTable& peers, Turn turn, i64 at, u32 own, u32 (&data)[kRanks][1]) {
  for (int looks = 1;; ++looks) {
    bool all = true;
#pragma unroll
    for (int r = 0; r < kRanks; ++r) {
      u64 word = tagged(own, turn.tag()).low;
      if (r != peers.rank) word = look_at(reinterpret_cast<u64*>(slot_of<kRanks>(peers, peers.own, peers.rank, r, turn.room, turn.parity())) + at);
      all = all && static_cast<u32>(word >> 32) == turn.tag();
      data[r][0] = static_cast<u32>(word);
    }
    if (all) return true;
    if (looks % kLooks == 0 && is_set(peers.state)) return false;
    look_again_later();
  }
}
