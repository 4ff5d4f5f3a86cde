// =========================== jinx device library: products of codes ===========================
// Weights of 4 or 8 bits become 16-bit floats in registers; what lies where: ir/Tile/TileCodeOps.td.

/// Two 16-bit floats in each register, added.
JINX_DEVICE u32 add_x2_bf16(u32 x, u32 y) {
#ifdef JINX_EMULATED
  return pack_bf16x2(bits_to_f32(x << 16) + bits_to_f32(y << 16), bits_to_f32(x & 0xFFFF0000) + bits_to_f32(y & 0xFFFF0000));
#else
  u32 z;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(z) : "r"(x), "r"(0x3F803F80), "r"(y));  // x * 1 + y: a sum of its own comes with sm_90
  return z;
#endif
}
JINX_DEVICE u32 add_x2_f16(u32 x, u32 y) {
#ifdef JINX_EMULATED
  const f16 x0{static_cast<u16>(x)}, x1{static_cast<u16>(x >> 16)}, y0{static_cast<u16>(y)}, y1{static_cast<u16>(y >> 16)};
  return pack_f16x2(to_f32(x0) + to_f32(y0), to_f32(x1) + to_f32(y1));
#else
  u32 z;
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(z) : "r"(x), "r"(y));
  return z;
#endif
}
/// Byte i is that of the eight in `low` and `high` which nibble i of `which`, 0 to 7, says. The upper half of `which` does not count.
JINX_DEVICE u32 pick_bytes(u32 low, u32 high, u32 which) {
#ifdef JINX_EMULATED
  const u64 both = low | static_cast<u64>(high) << 32;
  u32 picked = 0;
  for (int i = 0; i < 4; ++i) picked |= static_cast<u32>(both >> (which >> 4 * i & 7) * 8 & 0xFF) << 8 * i;
  return picked;
#else
  u32 picked;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(picked) : "r"(low), "r"(high), "r"(which));
  return picked;
#endif
}
/// The bits of x where `keep` has them, and all of `with`.
JINX_DEVICE u32 keep_and_add(u32 x, u32 keep, u32 with) {
#ifdef JINX_EMULATED
  return (x & keep) | with;
#else
  u32 y;
  asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(y) : "r"(x), "r"(keep), "r"(with));
  return y;
#endif
}

// ---- the four words of a step's weights. A number of few bits behind the exponent of 2^7 (bf16) or 2^10 (f16) is that power and the number ----
/// 4 bits: nibble j + 4e. `less`: minus the power and the zero, twice.
JINX_DEVICE void weights_i4_bf16(u32 (&w)[4], u32 codes, u32 less) {
#pragma unroll
  for (int j = 0; j < 4; ++j) w[j] = add_x2_bf16(keep_and_add(codes >> 4 * j, 0x000F000F, 0x43004300), less);
}
JINX_DEVICE void weights_i4_f16(u32 (&w)[4], u32 codes, u32 less) {
#pragma unroll
  for (int j = 0; j < 4; ++j) w[j] = add_x2_f16(keep_and_add(codes >> 4 * j, 0x000F000F, 0x64006400), less);
}
/// 8 bits, signed: byte j % 2 + 2e of word j / 2. Seven of them fit behind 2^7; the sign's bit makes minus 2^7 minus 2^8.
JINX_DEVICE void weights_i8_bf16(u32 (&w)[4], const u32* codes) {
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const u32 pair = codes[j / 2] >> 8 * (j % 2);
    w[j] = add_x2_bf16(keep_and_add(pair, 0x007F007F, 0x43004300), keep_and_add(pair, 0x00800080, 0xC300C300));
  }
}
JINX_DEVICE void weights_i8_f16(u32 (&w)[4], const u32* codes) {
#pragma unroll
  for (int j = 0; j < 4; ++j)  // the sign's bit turned makes 0 to 255 of -128 to 127
    w[j] = add_x2_f16(pick_bytes(codes[j / 2] ^ 0x80808080, 0x64646464, j % 2 ? 0x4341 : 0x4240), 0xE480E480);
}
/// 4 bits with levels of 16 bits: nibble 2j + e. `bytes`: the low bytes of levels 0 to 3, 4 to 7, 8 to 11, 12 to 15, then the high ones.
JINX_DEVICE void weights_levels(u32 (&w)[4], u32 codes, const u32 (&bytes)[8]) {
  const u32 which = codes & 0x77777777, upper = codes >> 3 & 0x11111111;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const u32 four = which >> 16 * half, above = pick_bytes(0x0000FF00, 0, upper >> 16 * half);
    const u32 low = (pick_bytes(bytes[2], bytes[3], four) & above) | (pick_bytes(bytes[0], bytes[1], four) & ~above);
    const u32 high = (pick_bytes(bytes[6], bytes[7], four) & above) | (pick_bytes(bytes[4], bytes[5], four) & ~above);
    w[2 * half] = pick_bytes(low, high, 0x5140);
    w[2 * half + 1] = pick_bytes(low, high, 0x7362);
  }
}

/// A table of what each pair of levels is, one column a bank: 256 lines of 128 bytes. Others may read it once all of the block have met.
template <int Threads>
JINX_DEVICE void fill_pairs(u8* table, const u32 (&bytes)[8] JINX_AT) {
#pragma unroll
  for (int pair = threadIdx.x; pair < 256; pair += Threads) {
    u32 w[4];
    weights_levels(w, static_cast<u32>(pair), bytes);
#pragma unroll
    for (int i = 0; i < 8; ++i)  // in turns, so that eight threads write to different banks
      shared_store(reinterpret_cast<Pack<16, u32>*>(table + pair * 128 + (pair + i) % 8 * 16), Pack<16, u32>{{w[0], w[0], w[0], w[0]}} JINX_FROM);
  }
}
/// From that table, in this lane's bank.
JINX_DEVICE void weights_pairs(u32 (&w)[4], u32 codes, const u8* table, u32 bank JINX_AT) {
#pragma unroll
  for (int i = 0; i < 4; ++i)
    w[i] = shared_load(reinterpret_cast<const u32*>(table + keep_and_add(i ? codes >> (8 * i - 7) : codes << 7, 0x7F80, bank)) JINX_FROM);
}

// ---- operands in global memory ----
/// Sixteen bytes, which stay in the nearest cache or pass it by.
template <typename T>
JINX_DEVICE void load_words(u32 (&w)[4], const T* p JINX_AT) {
  const Pack<16, u32> pack = global_load(reinterpret_cast<const Pack<16, u32>*>(p) JINX_FROM);
#pragma unroll
  for (int i = 0; i < 4; ++i) w[i] = pack.values[i];
}
/// Zeros where not `valid`.
template <typename T>
JINX_DEVICE void load_words_where(u32 (&w)[4], const T* p, bool valid JINX_AT) {
  if (valid) {
    load_words(w, p JINX_FROM);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) w[i] = 0;
  }
}
template <typename T>
JINX_DEVICE void load_words_once(u32 (&w)[4], const T* p JINX_AT) {
#ifdef JINX_EMULATED
  load_words(w, p, line);
#else
  asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3]) : "l"(p) : "memory");
#endif
}
/// Two neighbours.
template <typename T>
JINX_DEVICE Pack<2 * sizeof(T), T> load_two(const T* p JINX_AT) {
  return global_load(reinterpret_cast<const Pack<2 * sizeof(T), T>*>(p) JINX_FROM);
}
/// The same of constants of the plan, which no kernel writes: they need not wait for the launch before. Plain loads that pass the nearest cache by: ptxas moves
/// those by the path for constants (ld.global.nc) behind the wait, and the gate knows these by it (LDG.NA).
template <typename T>
JINX_DEVICE void load_words_constant(u32 (&w)[4], const T* p JINX_AT) {
#ifdef JINX_EMULATED
  emu->global_access(p, 16, JINX_EMU_CONSTANT, line);
#pragma unroll
  for (int i = 0; i < 4; ++i) w[i] = reinterpret_cast<const u32*>(p)[i];
#else
  load_words_once(w, p);
#endif
}
template <typename T>
JINX_DEVICE Pack<2 * sizeof(T), T> load_two_constant(const T* p JINX_AT) {
#ifdef JINX_EMULATED
  emu->global_access(p, 2 * sizeof(T), JINX_EMU_CONSTANT, line);
  return *reinterpret_cast<const Pack<2 * sizeof(T), T>*>(p);
#else
  Pack<2 * sizeof(T), T> pack;
  u32* const w = reinterpret_cast<u32*>(&pack);
  if constexpr (sizeof(T) == 2) asm volatile("ld.global.L1::no_allocate.u32 %0, [%1];" : "=r"(w[0]) : "l"(p) : "memory");
  else asm volatile("ld.global.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(w[0]), "=r"(w[1]) : "l"(p) : "memory");
  return pack;
#endif
}
/// What lane `owner` has loaded so; each lane names another, and all of the warp meet.
template <typename T>
JINX_DEVICE Pack<4, T> two_of_lane(const Pack<4, T>& pack, int owner JINX_AT) {
  const u32 both = warp_broadcast(pack.values[0].bits | static_cast<u32>(pack.values[1].bits) << 16, owner JINX_FROM);
  return {{T{static_cast<u16>(both)}, T{static_cast<u16>(both >> 16)}}};
}

// ---- sums ----
JINX_DEVICE float to_f32(float x) { return x; }
/// sums += scale * part: of an instruction, whose rows r and r + 8 are a lane's two channels.
template <typename T>
JINX_DEVICE void add_scaled(float (&sums)[4], const float (&part)[4], const Pack<2 * sizeof(T), T>& scale) {
#pragma unroll
  for (int q = 0; q < 4; ++q) sums[q] += to_f32(scale.values[q / 2]) * part[q];
}
/// Of neighbouring channels.
JINX_DEVICE void shared_store_two(float* p, float x, float y JINX_AT) { shared_store(reinterpret_cast<Pack<8, float>*>(p), Pack<8, float>{{x, y}} JINX_FROM); }
/// x[i] += four neighbours of the sums that a warp has left.
JINX_DEVICE void shared_add_x4(float (&x)[4], const float* p JINX_AT) {
  const Pack<16, float> pack = shared_load(reinterpret_cast<const Pack<16, float>*>(p) JINX_FROM);
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] += pack.values[i];
}
