// Products of codes in the tile dialect: weights of 4 or 8 bits, widened in registers on their way to the tensor cores. Included by TileOps.td; CUDA only.
//
// Y = X Wᵀ with few rows of X is W's way through memory and little else, so W lies there as a warp's lanes want it, and a product is computed
// transposed: sixteen channels of W are the rows of an instruction (mma.sync m16n8k16), eight rows of X (tokens) its columns. Channel 2r of the sixteen
// is row r, channel 2r + 1 is row r + 8.
//
//   codes    [n / 64][k / 64][4][1 or 2][32 lanes][16 bytes]    channels and k filled up to multiples of 64; of a chunk four sixteens are one run
//                                                               (the `line` of codes leads to the next 64 channels, that of scales to the next 16)
//   scales   [n / 16][groups of k][16]                          panels of 16, as jinx.pack makes them; offsets lie the same way
//   a        [m, k], rows at multiples of 16 bytes
//
// A lane's 16 bytes are four steps of 16 k (4 bits) or two (8 bits; the other two are the second 512 bytes). What it multiplies in step s of 64 k,
// with r = lane / 4, c = lane % 4: element e of pair j (e, j % 2 and j / 2 as an instruction's words have them) is
//
//   channel 2r + j % 2,  k = 32 * (s / 2) + 8c + 4 * (s % 2) + 2 * (j / 2) + e
//
// so that the activations of two steps are 16 neighbouring bytes of a row, too. Where it is in the step's bits:
//
//   4 bits              nibble j + 4e of one word: a shift and a mask bring a pair to where its two halves of a register are
//   4 bits, levels      nibble 2j + e: a byte is a pair
//   8 bits              byte j % 2 + 2e of word j / 2 of two
//
// The warps of a block stand in a grid: n along channels, and w along k, each with every w-th chunk of 64 k:
//
//   %parts = tile.dot_codes %a[%row] stride %k rows %left, %codes[%c] line %lc, %scales[%s] line %ls depth %k chunks %zero to %end
//              bits 4 group 128 zero 8 : … -> vector<8x8x64xf32>
//   %sums = tile.sum_warps %parts : vector<8x8x64xf32> -> vector<8x64xf32>   // tokens x channels
#ifndef JINX_TILE_CODE_OPS_TD
#define JINX_TILE_CODE_OPS_TD

def Tile_DotCodesOp : Tile_Op<"dot_codes", [AttrSizedOperandSegments]> {
  let summary = "parts[w, m, n] = sum over the k of warp w of a(m, k) * ((value(code(n, k)) - zero) * scale(n, g) + offset(n, g)), g the group of k";
  let description = [{
    a(m, k) = a[a_offset + min(m, rows - 1)*a_stride + k], 16-bit floats: rows past the last valid one repeat it, and their results are not stored. Codes and
    scales begin with the tile's first sixteen channels; the next sixteen scales are `line` elements further on, the next
    sixty-four codes theirs. With `blocks`, so many sixteens there are, and those past
    the last repeat it. Chunks `from` to `to` - 1 are multiplied, and of their k those below `depth`, a multiple of 8.
    The value of a code is its number, or what `levels` has for it, rounded to the type of a. `zero` is for 4 bits without levels, whose numbers are 0 to
    15; 8 bits are signed. Sums are f32, and scales multiply sums: a group is a multiple of 32.
  }];
  let arguments = (ins Tile_PtrType:$a, Index:$a_offset, Index:$a_stride, Index:$rows, Tile_PtrType:$codes, Index:$codes_offset, Index:$codes_line,
                       Tile_PtrType:$scales, Optional<Tile_PtrType>:$offsets, Index:$scales_offset, Index:$scales_line, Optional<Index>:$blocks, Index:$depth,
                       Index:$from, Index:$to, I64Attr:$bits, I64Attr:$group, DefaultValuedAttr<I64Attr, "0">:$zero, OptionalAttr<DenseF32ArrayAttr>:$levels);
  let results = (outs Tile_Vector:$parts);
  let assemblyFormat = [{
    $a `[` $a_offset `]` `stride` $a_stride `rows` $rows `,` $codes `[` $codes_offset `]` `line` $codes_line `,` $scales (`offsets` $offsets^)? `[` $scales_offset `]`
    `line` $scales_line (`blocks` $blocks^)? `depth` $depth `chunks` $from `to` $to `bits` $bits `group` $group (`zero` $zero^)? (`levels` $levels^)? attr-dict
    `:` type($a) `,` type($codes) `,` type($scales) (`offsets` type($offsets)^)? `->` type($parts)
  }];
  let hasVerifier = 1;
}
def Tile_SumWarpsOp : Tile_Op<"sum_warps"> {
  let summary = "sums[m, n] = sum over w of parts[w, m, n]: what the warps that share k have, through shared memory";
  let description = [{
    In a cluster of s blocks along k (axis 2) all of them add up: block r gets columns r*n/s … (r+1)*n/s - 1. The order of the sums is fixed.
  }];
  let arguments = (ins Tile_Vector:$parts);
  let results = (outs Tile_Vector:$sums);
  let assemblyFormat = "$parts attr-dict `:` type($parts) `->` type($sums)";
  let hasVerifier = 1;
}

#endif
