// Numbers of few bits and what they stand for. docs/spec/quantization.md has the rules of rounding, to the bit.
//
// A weight matrix in 4 bits, a scale for each 32 elements along k, multiplied by activations that stay floats:
//
//   %w = jinx.dequantize %codes, %scales block 32 along 0 : tensor<64x16xi4>, tensor<2x16xf32> -> tensor<64x16xf32>
//   %y = jinx.matmul %x, %w : tensor<8x64xf32>, tensor<64x16xf32> -> tensor<8x16xf32>
//
// After jinx-form-dequant-matmul the codes lie as the kernel reads them, and the floats are never in memory:
//
//   %words = jinx.pack_codes %codes : tensor<64x16xi4> -> tensor<1x8x16xui32>
//   %rows = jinx.pack %scales : tensor<2x16xf32> -> tensor<1x2x16xf32>
//   %y = jinx.dequant_matmul %x, %words, %rows group 32 levels [0.0, 1.0, …, -1.0] : … -> tensor<8x16xf32>
#ifndef JINX_GRAPH_QUANT_OPS_TD
#define JINX_GRAPH_QUANT_OPS_TD

def Graph_QuantizeOp : Graph_Op<"quantize", [Pure]> {
  let summary = "q = saturate(round(x / scale) + zero)";
  let description = [{
    I1 `x`: f32, f64, f16 or bf16. I2 `scale`: a float; a scalar, or of x's rank, where each extent is x's or 1. With `block` b, its extent
    `along` a dimension d is ceil(d / b): b neighbours share a scale. I3 `zero`: of y's element type and scale's shape; 0 where there is none.
    y has x's shape and an integer type of at most 16 bits, or an 8-bit float.

    The quotient is rounded to scale's type. For integers it is then rounded to the nearest one, ties to even, the zero point is added, and
    what lies outside of y's range becomes its nearest end; NaN gives the lowest value. 8-bit floats have no zero point: the quotient is
    rounded, ties to even, and saturates; NaN stays NaN. A scale of 0, below 0 or NaN is an error where it is a constant.

    %q = jinx.quantize %x, %s zero %z : tensor<4x8xf32>, tensor<f32> zero tensor<ui8> -> tensor<4x8xui8>
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$scale, Optional<AnyRankedTensor>:$zero,
                       DefaultValuedAttr<I64Attr, "0">:$block, DefaultValuedAttr<I64Attr, "0">:$axis);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $x `,` $scale (`zero` $zero^)? (`block` $block^ `along` $axis)? attr-dict
    `:` type($x) `,` type($scale) (`zero` type($zero)^)? `->` type($y)
  }];
}
def Graph_DequantizeOp : Graph_Op<"dequantize", [Pure, AttrSizedOperandSegments]> {
  let summary = "y = (level(q) - zero) * scale + offset";
  let description = [{
    I1 `q`: integers of at most 32 bits, or 8-bit floats. I2 `scale`, I3 `zero`, I4 `offset`: scalars, or of q's rank, as in jinx.quantize;
    zero has q's type, or is a float. `levels`, of 4-bit codes: 16 numbers, the i-th is what code i stands for (a code's bits count as
    unsigned there); without it a code stands for itself.

    The difference is exact (f32 beside a float zero point), the product is rounded to f32, and so is the sum; then all is rounded to y's
    type. In f64 throughout where y is f64. NF4 is `levels` (Dettmers et al. 2023, appendix E); GGUF's minimum is an offset.
  }];
  let arguments = (ins AnyRankedTensor:$q, AnyRankedTensor:$scale, Optional<AnyRankedTensor>:$zero, Optional<AnyRankedTensor>:$offset,
                       OptionalAttr<DenseF32ArrayAttr>:$levels, DefaultValuedAttr<I64Attr, "0">:$block, DefaultValuedAttr<I64Attr, "0">:$axis);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $q `,` $scale (`zero` $zero^)? (`offset` $offset^)? (`block` $block^ `along` $axis)? (`levels` $levels^)? attr-dict
    `:` type($q) `,` type($scale) (`zero` type($zero)^)? (`offset` type($offset)^)? `->` type($y)
  }];
}
def Graph_DecodeBlocksOp : Graph_Op<"decode_blocks", [Pure]> {
  let summary = "numbers from GGUF's blocks";
  let description = [{
    I1 `blocks` [n, bytes], ui8: rows of a matrix as a GGUF file has them. `format`: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K
    (runtime/base/BlockFormat.h). y [n, k], f32: bytes is k / elements of a block * bytes of a block. Values are ggml's, to the bit.
    What a compiler makes of constant blocks are codes with scales (jinx-split-blocks): no number is rounded again.

    %w = jinx.decode_blocks %b "Q4_1" : tensor<576x720xui8> -> tensor<576x1152xf32>
  }];
  let arguments = (ins AnyRankedTensor:$blocks, StrAttr:$format);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$blocks $format attr-dict `:` type($blocks) `->` type($y)";
}
def Graph_PackCodesOp : Graph_Op<"pack_codes", [Pure]> {
  let summary = "lays codes of weights out as kernels read them: words in panels, or fragments of tensor cores";
  let description = [{
    codes [k, n] of i4 or ui4 (or [n, k] with `transpose`), k a multiple of 8, become ui32 [ceil(n/16), k/8, 16]: bits 4*i to 4*i+3 of
    y[p, r, j] are codes[8*r + i, 16*p + j], those of i4 with 8 added, so that they ascend from -8 on; 0 past n.
    Or, for CUDA, 4- or 8-bit codes of any k lie in the order of fragments: y is ui32 [ceil(n/64), ceil(k/64), 512] of codes that are numbers,
    ui8 [.., 2048] of pairs with levels, or i8 [.., 4096] (ir/Graph/Codes.h, ir/Tile/TileCodeOps.td).
  }];
  let arguments = (ins AnyRankedTensor:$codes, UnitAttr:$transpose);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$codes (`transpose` $transpose^)? attr-dict `:` type($codes) `->` type($y)";
}
def Graph_SplitDigitsOp : Graph_Op<"split_digits", [Pure]> {
  let summary = "a[k] = unit * (…digits of 8 bits…): floats as whole numbers of 8, 16 or 24 bits, one unit for each group along k";
  let description = [{
    What a processor multiplies that adds products of bytes (ir/Graph/Codes.h). a [batch…, m, k], f32. Of each group of k with largest magnitude x:

      unit = x / limit                       limit: 127, 32639 or 8355709 for 1, 2 or 3 digits
      v[k] = round_half_even(a[k] * (limit / x)) = sum over d of digit[d][k] * 256^(digits-1-d)       digits from -128 to 127

    so a is off by unit / 2 at most. A group without a magnitude of 2^-100 or more counts as zeros; one with an infinity or NaN has unit NaN.

    words [batch…, m, ceil(k/group), digits * (group/4 + 1)], i32, a group after the other: for each 8 k, and each digit from the highest on, a word of
    the four digits with even k and one of those with odd k; then for each digit minus `zero` times the sum of its numbers. 0 past k.
    factors [batch…, m, ceil(k/group), 2], f32: unit, and unit * (sum of v).
    C1: k and group are multiples of 8.

    %words, %factors = jinx.split_digits %a group 32 digits 3 zero 8 : tensor<5x64xf32> -> tensor<5x2x27xi32>, tensor<5x2x2xf32>
  }];
  let arguments = (ins AnyRankedTensor:$a, I64Attr:$group, I64Attr:$digits, I64Attr:$zero);
  let results = (outs AnyRankedTensor:$words, AnyRankedTensor:$factors);
  let hasVerifier = 1;
  let assemblyFormat = "$a `group` $group `digits` $digits `zero` $zero attr-dict `:` type($a) `->` type($words) `,` type($factors)";
}
def Graph_DequantMatmulOp : Graph_Op<"dequant_matmul", [Pure, AttrSizedOperandSegments]> {
  let summary = "y[…, m, n] = sum_k a[…, m, k] * (level(codes[k, n]) * scales[k / group, n] + offsets[k / group, n])";
  let description = [{
    Weight-only quantization: a product with dequantized weights that are never in memory. I1 `a` [batch…, m, k], f32 (with codes in
    fragments f16 or bf16), or with `factors` the words of jinx.split_digits. I2 `codes`: 4 bits as
    jinx.pack_codes leaves them, and `levels`, the 16 numbers they stand for; or i8 in panels [ceil(n/16), k, 16], which stand for themselves.
    I3 `scales`, I4 `offsets`: [ceil(n/16), ceil(k/group), 16], f32 or f16. y [batch…, m, n], f32.
    C1: 4 bits: k is a multiple of 8. C2: group is a multiple of 8, or k. Sums accumulate in f32, in an order that is not said.

    With `factors`, sums of a group are sums of whole numbers, exact. 8-bit codes are then ui8 in panels of four k, [ceil(n/16), k/4, 64], and stand for
    code - 128; zero of the digits is 128, too. 4-bit codes are code - zero, with the zero of the digits; or any levels, whose zero is 128: they are
    rounded to 16 bits, to multiples of their largest magnitude / 32639.
  }];
  let arguments = (ins AnyRankedTensor:$a, Optional<AnyRankedTensor>:$factors, AnyRankedTensor:$codes, AnyRankedTensor:$scales, Optional<AnyRankedTensor>:$offsets,
                       I64Attr:$group, OptionalAttr<DenseF32ArrayAttr>:$levels);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $a (`factors` $factors^)? `,` $codes `,` $scales (`offsets` $offsets^)? `group` $group (`levels` $levels^)? attr-dict
    `:` type($a) (`factors` type($factors)^)? `,` type($codes) `,` type($scales) (`offsets` type($offsets)^)? `->` type($y)
  }];
}
def Graph_ScaledMatmulOp : Graph_Op<"scaled_matmul", [Pure]> {
  let summary = "y[…, m, n] = sum_j a_scales[…, m, j] * b_scales[n / shared, j] * sum_i a[…, m, 128j + i] * b[n, 128j + i]";
  let description = [{
    A product of 8-bit floats that have a scale for each 128 neighbours along k, of tensor cores that read both operands by rows. I1 `a`
    [batch…, m, k], I2 `b` [n, k], f8E4M3FN or f8E5M2, k a multiple of 16. I3 `a_scales` [batch…, m, ceil(k/128)]. I4 `b_scales`
    [ceil(n/shared), ceil(k/128)]: `shared` neighbouring rows of b have one, a multiple of 64, or 1. y [batch…, m, n]. Scales and y are f32.
    The sum of a block is multiplied by the product of its scales; those add up in f32, in an order that is not said.

    %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<8x256xf8E4M3FN>, tensor<200x256xf8E4M3FN> scales tensor<8x2xf32>, tensor<2x2xf32> -> tensor<8x200xf32>
  }];
  let arguments = (ins AnyRankedTensor:$a, AnyRankedTensor:$b, AnyRankedTensor:$a_scales, AnyRankedTensor:$b_scales, I64Attr:$shared);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $a `,` $b `scales` $a_scales `,` $b_scales `shared` $shared attr-dict
    `:` type($a) `,` type($b) `scales` type($a_scales) `,` type($b_scales) `->` type($y)
  }];
}

#endif
