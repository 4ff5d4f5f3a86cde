// ========================== jinx device library: products of warps ==========================
// Who holds what: codegen/cuda/WarpFragments.h. d is 16 x 8, a 16 x 32 bytes by rows, b 8 x 32 bytes by rows (along k, too).

/// Four 8x8 matrices of 16-bit elements: lane l names row l % 8 of matrix l / 8, and gets, of each matrix, word l % 4 of row l / 4.
JINX_DEVICE void ldmatrix_x4(u32 (&r)[4], const u8* row JINX_AT) {
#ifdef JINX_EMULATED
  emu->ldmatrix_x4(r, row, line);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(smem_address(row)) : "memory");
#endif
}

// d += a * b^T, the lanes of a warp together. 16-bit floats add up in f32, bytes in i32, which wraps.
#ifdef JINX_EMULATED
#define JINX_MMA(name, sum, held, instruction, element_a, element_b)                    \
  JINX_DEVICE void name(sum (&d)[4], const u32 (&a)[4], const u32* b JINX_AT) {         \
    emu->mma(d, element_a, element_b, a, b, line);                                      \
  }
#else
#define JINX_MMA(name, sum, held, instruction, element_a, element_b)                                              \
  JINX_DEVICE void name(sum (&d)[4], const u32 (&a)[4], const u32* b) {                                           \
    asm("mma.sync.aligned." instruction " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"        \
        : held(d[0]), held(d[1]), held(d[2]), held(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); \
  }
#endif
JINX_MMA(mma_m16n8k16_bf16, float, "+f", "m16n8k16.row.col.f32.bf16.bf16.f32", JINX_EMU_BF16, JINX_EMU_BF16)
JINX_MMA(mma_m16n8k16_f16, float, "+f", "m16n8k16.row.col.f32.f16.f16.f32", JINX_EMU_F16, JINX_EMU_F16)
JINX_MMA(mma_m16n8k32_s8, i32, "+r", "m16n8k32.row.col.s32.s8.s8.s32", JINX_EMU_S8, JINX_EMU_S8)
JINX_MMA(mma_m16n8k32_u8, i32, "+r", "m16n8k32.row.col.s32.u8.u8.s32", JINX_EMU_U8, JINX_EMU_U8)
JINX_MMA(mma_m16n8k32_s8_u8, i32, "+r", "m16n8k32.row.col.s32.s8.u8.s32", JINX_EMU_S8, JINX_EMU_U8)
JINX_MMA(mma_m16n8k32_u8_s8, i32, "+r", "m16n8k32.row.col.s32.u8.s8.s32", JINX_EMU_U8, JINX_EMU_S8)

// ---- operands: rows of 128 bytes along k, whose 16-byte chunks are swizzled ----
/// The bits of a row's number that are XORed into its chunks' numbers, the first the lowest.
template <int Bit0, int Bit1, int Bit2>
struct RowKey {
  static JINX_DEVICE int of(int row) { return (row >> Bit0 & 1) | (row >> Bit1 & 1) << 1 | (row >> Bit2 & 1) << 2; }
};
/// `Piece` bytes, of which the first `bytes` are there, zeros for the rest; both ends are multiples of them.
template <int Piece>
JINX_DEVICE void copy_async_piece(u8* dst, const u8* src, int bytes JINX_AT) {
#ifdef JINX_EMULATED
  emu->copy_async(dst, src, Piece, bytes, line);
#else
  if (Piece == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(smem_address(dst)), "l"(src), "r"(bytes) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(smem_address(dst)), "l"(src), "r"(bytes), "n"(Piece) : "memory");
  }
#endif
}
template <int Piece>
JINX_DEVICE void copy_async_whole(u8* dst, const u8* src JINX_AT) {
#ifdef JINX_EMULATED
  emu->copy_async(dst, src, Piece, Piece, line);
#else
  if (Piece == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(smem_address(dst)), "l"(src) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(smem_address(dst)), "l"(src), "n"(Piece) : "memory");
  }
#endif
}
template <int Rows, int Threads, int Piece, typename Key, typename T>
JINX_DEVICE void copy_rows_by(u8* dst, const T* src, i64 stride, i64 rows, i64 left JINX_AT) {
  constexpr int kAcross = 128 / Piece, kDown = Threads / kAcross;
  static_assert(Threads % kAcross == 0 && Rows % kDown == 0, "a thread copies pieces of one column");
  const int row = static_cast<int>(threadIdx.x) / kAcross, at = static_cast<int>(threadIdx.x) % kAcross * Piece;
  const u8* from = reinterpret_cast<const u8*>(src + row * stride) + at;
  const i64 step = kDown * stride * static_cast<i64>(sizeof(T)), behind = left * static_cast<i64>(sizeof(T)) - at;
  if (rows >= Rows && left >= 128 / static_cast<i64>(sizeof(T))) {
#pragma unroll
    for (int first = 0; first < Rows; first += kDown, from += step)
      copy_async_whole<Piece>(dst + (row + first) * 128 + (at ^ Key::of(row + first) * 16), from JINX_FROM);
  } else {
    const int bytes = behind >= Piece ? Piece : behind <= 0 ? 0 : static_cast<int>(behind), count = rows < Rows ? static_cast<int>(rows) : Rows;
#pragma unroll
    for (int first = 0; first < Rows; first += kDown, from += step)
      copy_async_piece<Piece>(dst + (row + first) * 128 + (at ^ Key::of(row + first) * 16), from, row + first < count ? bytes : 0 JINX_FROM);
  }
}
/// Elements of a row `apart`, by ordinary loads and stores of words: done when this returns.
template <int Rows, int Threads, typename Key, typename T>
JINX_DEVICE void copy_rows_apart(u8* dst, const T* src, i64 stride, i64 apart, i64 rows, i64 left JINX_AT) {
  constexpr int kEach = 4 / static_cast<int>(sizeof(T)), kWords = 32;
  const bool along = apart == 1;  // neighbouring threads take neighbours in memory
#pragma unroll(8 / kEach)
  for (int e = threadIdx.x; e < Rows * kWords; e += Threads) {
    const int i = along ? e / kWords : e % Rows, word = along ? e % kWords : e / Rows;
    Pack<4, T> pack;
#pragma unroll
    for (int j = 0; j < kEach; ++j) pack.values[j] = load_where(src + i * stride + (word * kEach + j) * apart, i < rows && word * kEach + j < left JINX_FROM);
    shared_store(reinterpret_cast<Pack<4, T>*>(dst + i * 128 + (word * 4 ^ Key::of(i) * 16)), pack JINX_FROM);
  }
}
/// Rows of elements side by side, `left` of each and `rows` of them, zeros beyond. `Aligned`: bytes that each row's place is surely a multiple of; 1:
/// that shows here. Below 4 bytes no copy is asynchronous. What was copied is there after the wait for this time's copies and the meeting behind it.
template <int Rows, int Threads, int Aligned, typename Key, typename T>
JINX_DEVICE void copy_rows(u8* dst, const T* src, i64 stride, i64 rows, i64 left JINX_AT) {
  const bool known = Aligned > 1;
  if (Aligned >= 16 || (!known && is_aligned(src, 16) && is_aligned(src + stride, 16))) {
    copy_rows_by<Rows, Threads, 16, Key>(dst, src, stride, rows, left JINX_FROM);
  } else if (Aligned >= 4 || (!known && is_aligned(src, 4) && is_aligned(src + stride, 4))) {
    copy_rows_by<Rows, Threads, Aligned == 8 ? 8 : 4, Key>(dst, src, stride, rows, left JINX_FROM);
  } else {
    copy_rows_apart<Rows, Threads, Key>(dst, src, stride, 1, rows, left JINX_FROM);
  }
}
