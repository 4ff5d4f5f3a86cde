// ========================== jinx device library: f32 in two parts of TF32 ==========================
// TF32 has the upper 19 bits of an f32, and a product on tensor cores looks at no others. The rest of them is a number of its own.

/// The part of x that TF32 has.
JINX_DEVICE u32 tf32_high(u32 x) { return x & 0xFFFFE000u; }
/// What it leaves, 13 bits of x's sign, and half a unit, so that cutting rounds: products see 11 bits. At least 2^-40 of x, and not infinity less
/// infinity: infinity times any part of a number is then infinity, as times the number, and not times 0.
JINX_DEVICE u32 tf32_low(u32 x) {
  const float value = bits_to_f32(x), rest = value - bits_to_f32(tf32_high(x));
  return f32_to_bits(fmaxf(fabsf(rest), fabsf(value) * 0x1p-40f)) + 0x1000u | x & 0x80000000u;
}

JINX_DEVICE void shared_load_x4(float* x, u32 address JINX_AT) {
#ifdef JINX_EMULATED
  const Pack<16, float> pack = shared_load(reinterpret_cast<const Pack<16, float>*>(emu_self->shared_window + address) JINX_FROM);
  for (int i = 0; i < 4; ++i) x[i] = pack.values[i];
#else
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(x[0]), "=f"(x[1]), "=f"(x[2]), "=f"(x[3]) : "r"(address) : "memory");
#endif
}
/// This thread's part of 64 rows of 128 bytes, swizzled, as four products take it from registers: of the i'th, columns 8*i + lane % 4 and
/// four more of two rows, eight apart.
JINX_DEVICE void tf32_operand(u32 (&high)[16], u32 (&low)[16], u32 rows, int thread JINX_AT) {
  const u32 row = thread / 32 * 16 + thread % 32 / 4, from = rows + row * 128 + thread % 4 * 4;
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const u32 x = shared_load_word(from + i % 2 * (8 * 128) + ((i / 2 ^ row % 8) * 16) JINX_FROM);
    high[i] = tf32_high(x);
    low[i] = tf32_low(x);
  }
}
/// to = the low parts of `rows` rows of 128 bytes, by a warpgroup.
JINX_DEVICE void tf32_split(u32 from, u32 to, int rows, int thread JINX_AT) {
#pragma unroll
  for (int first = 0; first < rows * 8; first += 128) {
    const int e = first + thread;
    if (rows % 16 && e >= rows * 8) break;
    float x[4];
    shared_load_x4(x, from + e * 16 JINX_FROM);
#pragma unroll
    for (int i = 0; i < 4; ++i) x[i] = bits_to_f32(tf32_low(f32_to_bits(x[i])));
    shared_store_x4(to + e * 16, x JINX_FROM);
  }
}
