// Keys and values of tokens before, in pages: what a language model remembers (docs/decisions/0036).
//
// One layer of a step of three tokens, two of sequence 0 and one of sequence 1, with 2 heads of keys and 6 of queries:
//
//   %k1 = jinx.write_pages keys %keys, %k, %slots : tensor<40x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<40x2x16x64xf32>
//   %v1 = jinx.write_pages values %values, %v, %slots : …
//   %y = jinx.paged_attention %q, %k1, %v1, %table, %sequence, %position scale 0.125 : tensor<3x6x64xf32>, …, tensor<2x8xi32>, … -> tensor<3x6x64xf32>
//
// Sequence 0 has 20 tokens already, in pages 7 and 9, sequence 1 none, and gets page 3:
//
//   slots 9*16+4, 9*16+5, 3*16     sequence 0, 0, 1     position 20, 21, 0     table [[7, 9, …], [3, …]]
//
// A pool is memory of the caller, which a write changes: it is an argument of the model, or what another write left, and nothing else reads it.
#ifndef JINX_GRAPH_PAGE_OPS_TD
#define JINX_GRAPH_PAGE_OPS_TD

def Graph_PageKind : I32EnumAttr<"PageKind", "how elements lie in a page", [I32EnumAttrCase<"keys", 0>, I32EnumAttrCase<"values", 1>]> {
  let cppNamespace = "::jinx::graph";
}
def Graph_WritePagesOp : Graph_Op<"write_pages", [Pure]> {
  let summary = "pool, with rows[t, h, :] in row slots[t] mod 16 of head h of page slots[t] / 16; in place";
  let description = [{
    I1 `pool` [pages, heads, 16, depth]: f32, f16, bf16, i8 or f8E4M3FN. I2 `rows` [tokens, heads, depth]: f32, f16 or bf16. I3 `slots`
    [tokens], i32: a negative one is not written, one past the last page is an error that nobody sees. I4 `scales` [pages, heads, 16], f32,
    beside pools of 8 bits, and none beside others. Results: the same memory as pool and scales.

    Elements are rounded to the pool's type, ties to even. With scales, that of a row is its largest magnitude / 127 (i8) or / 448 (f8E4M3FN),
    and elements are row / scale, rounded as jinx.quantize does; a row whose largest magnitude is below 2^-100 has scale 0 and codes 0, one
    with an infinity or NaN has scale NaN. Two tokens with one slot: either may win.

    How elements lie in a page is the target's, and that of `keys` differs from `values`: only jinx.paged_attention reads pages. Pages are whole: page p
    is the p-th part of the pool's bytes, which a copy of a page takes.
    C1: depth is a number, a multiple of 16. C2: pool and scales are arguments of the model, or results of jinx.write_pages, and have one use.
  }];
  let arguments = (ins Graph_PageKind:$kind, AnyRankedTensor:$pool, AnyRankedTensor:$rows, AnyRankedTensor:$slots, Optional<AnyRankedTensor>:$scales);
  let results = (outs AnyRankedTensor:$pages, Optional<AnyRankedTensor>:$page_scales);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $kind $pool `,` $rows `,` $slots (`scales` $scales^)? attr-dict
    `:` type($pool) `,` type($rows) `,` type($slots) (`scales` type($scales)^)? `->` type($pages) (`scales` type($page_scales)^)?
  }];
}
def Graph_PagedAttentionOp : Graph_Op<"paged_attention", [Pure, AttrSizedOperandSegments]> {
  let summary = "y[t, h] = sum_j softmax_j(scale * q[t, h]·k[j]) v[j], j from 0 to position[t], k and v of t's sequence, in pages";
  let description = [{
    I1 `q` [tokens, heads * shared, depth], f32, f16 or bf16; `shared` neighbouring heads read one head of keys. I2 `keys`, I3 `values`: pools as
    jinx.write_pages leaves them. I4 `table` [sequences, entries], i32: key j of sequence s is in row j mod 16 of page table[s, j / 16]. I5 `sequence`,
    I6 `position` [tokens], i32: a negative position is a token that sees nothing, y is 0 there. I7 `key_scales`, I8 `value_scales`, beside pools of 8 bits:
    a score is multiplied by the scale of its key, a weight by that of its value.
    `window`: only the last so many keys are seen; 0: all. y is as q. What a table says of pages behind the last token of a sequence in the step is not read.

    Sums are in f32, in an order that depends on a token's position only: not on other tokens of the step (CPU; on CUDA: whichever kernel takes the step). Kwon et al. 2023 (vLLM);
    Milakov and Gimelshein 2018 for the softmax.
  }];
  let arguments = (ins AnyRankedTensor:$q, AnyRankedTensor:$keys, AnyRankedTensor:$values, AnyRankedTensor:$table, AnyRankedTensor:$sequence,
                       AnyRankedTensor:$position, Optional<AnyRankedTensor>:$key_scales, Optional<AnyRankedTensor>:$value_scales,
                       F32Attr:$scale, DefaultValuedAttr<I64Attr, "0">:$window);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $q `,` $keys `,` $values `,` $table `,` $sequence `,` $position (`scales` $key_scales^ `,` $value_scales)? `scale` $scale (`window` $window^)? attr-dict
    `:` type($q) `,` type($keys) `,` type($values) `,` type($table) `,` type($sequence) `,` type($position)
    (`scales` type($key_scales)^ `,` type($value_scales))? `->` type($y)
  }];
}

#endif
