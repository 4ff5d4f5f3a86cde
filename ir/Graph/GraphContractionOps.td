// Operators that multiply and add along shared dimensions.
#ifndef JINX_GRAPH_CONTRACTION_OPS_TD
#define JINX_GRAPH_CONTRACTION_OPS_TD

def Graph_MatmulOp : Graph_InferredOp<"matmul"> {
  let summary = "y[…, m, n] = sum_k a[…, m, k] * b[…, k, n]; batch dimensions broadcast";
  let description = [{
    Operands have rank >= 2. `transpose_b` reads b as [..., n, k]. Floats accumulate in f32 (f64 for f64), integers in i32.
    The result's element type is the operands', but i32 for 8-bit integers and f32 for 8-bit floats. Operands of 8 bits may differ in their
    sign, or in their format.
    `fast_sums`, of 8-bit floats: sums may be as rough as tensor cores leave them, with about 14 bits.
  }];
  let arguments = (ins AnyRankedTensor:$a, AnyRankedTensor:$b, UnitAttr:$transpose_b, UnitAttr:$fast_sums);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = [{
    $a `,` $b (`transpose_b` $transpose_b^)? (`fast_sums` $fast_sums^)? attr-dict `:` type($a) `,` type($b) `->` type($y)
  }];
}
def Graph_GroupedMatmulOp : Graph_InferredOp<"grouped_matmul"> {
  let summary = "y[t, n] = sum_k x[t, k] * w[g, k, n], with g the group of row t: the first one with t < ends[g]; 0 where there is none";
  let description = [{
    Rows of several products lie one after the other, as a mixture of experts sorts its tokens; how many each has is data.

    I1 `x` [t, k]. I2 `w` [g, k, n], or with `transpose_w` [g, n, k]. I3 `ends` [g], i32 or i64: where the rows of each group end. A group that
    ends where the one before it does has no rows. Ends that fall mean what the formula says: a group that ends before another in front of it has
    no rows. Sums of sizes are ends (jinx.cumsum): a kernel finds the rows of a group by two of them, and needs no others.
    C1: ranks are 2, 3 and 1. C2: x and w are of one type: f32, f16 or bf16. C3: both have k. C4: ends has g elements, i32 or i64.
    Sums accumulate in f32. (Gale et al. 2023, MegaBlocks; torch._grouped_mm, jax.lax.ragged_dot.)

    %y = jinx.grouped_matmul %x, %w, %ends : tensor<?x64xbf16, …>, tensor<8x64x32xbf16>, tensor<8xi32> -> tensor<?x32xbf16, …>
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$w, AnyRankedTensor:$ends, UnitAttr:$transpose_w);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `,` $w (`transpose_w` $transpose_w^)? `,` $ends attr-dict `:` type($x) `,` type($w) `,` type($ends) `->` type($y)";
}
def Graph_GateKind : I32EnumAttr<"GateKind", "the function of a gate: x·sigmoid(x), x·Φ(x) by erf, or the latter by tanh",
    [I32EnumAttrCase<"silu", 0>, I32EnumAttrCase<"gelu", 1>, I32EnumAttrCase<"gelu_tanh", 2>]> {
  let cppNamespace = "::jinx::graph";
}
def Graph_ExpertsOp : Graph_InferredOp<"experts"> {
  let summary = "y[n] = sum_j weights[n, j] * down[c] (act(gate[c] x[n]) ∘ (up[c] x[n])), c = chosen[n, j]; a c that is no expert adds nothing";
  let description = [{
    A mixture of experts, from what a router chose to the sums of its tokens. It is one operator because sharding must see it as one: each rank
    computes the experts that it has, and the sum over ranks is y (docs/decisions/0051). jinx-expand-experts writes it out, as grouped products.

    I1 `x` [n, h]. I2 `chosen` [n, k], i32 or i64: the experts of each token. A number outside of 0..e-1 is an expert that is elsewhere.
    I3 `weights` [n, k], f32. I4 `gate`, I5 `up` [e, f, h]. I6 `down` [e, o, f]. y [n, o], f32.
    C1: ranks are 2, 2, 2, 3, 3 and 3. C2: x, gate, up and down are of one type: f32, f16 or bf16. C3: chosen and weights have one shape, with n
    rows. C4: chosen is i32 or i64, weights are f32. C5: gate and up are e x f x h, down is e x o x f.
    Products are of x's type, with sums in f32; the gate, weights and sums over k are f32. (Shazeer et al. 2017; Shazeer 2020, GLU variants.)

    %y = jinx.experts silu %x, %chosen, %weights, %gate, %up, %down
        : (tensor<4x8xbf16>, tensor<4x2xi64>, tensor<4x2xf32>, tensor<3x16x8xbf16>, tensor<3x16x8xbf16>, tensor<3x8x16xbf16>) -> tensor<4x8xf32>
  }];
  let arguments = (ins Graph_GateKind:$kind, AnyRankedTensor:$x, AnyRankedTensor:$chosen, AnyRankedTensor:$weights, AnyRankedTensor:$gate,
                       AnyRankedTensor:$up, AnyRankedTensor:$down);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$kind operands attr-dict `:` functional-type(operands, results)";
}
def Graph_ConvOp : Graph_InferredOp<"conv"> {
  let summary = "convolution of n spatial dimensions, grouped, strided, dilated";
  let description = [{
    I1 `x`: [n, c, spatial…] (or [n, spatial…, c] with `channels_last`).
    I2 `w`: [oc, c/group, kernel…], whatever the layout of x.
    `pads` are begin… then end…; y[n, o, p…] = sum over c, k of w[o, c, k…] * x[n, c, p*stride + k*dilation - pad], zero outside.
    Elements are of one type, which y has too; bytes may differ in their sign, and their y is i32 and exact (sums wrap).
    C1: rank(x) = rank(w) >= 3. C2: c = w.dim(1) * group. C3: oc % group = 0.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$w, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$dilations, I64Attr:$group, UnitAttr:$channels_last);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `,` $w attr-dict `:` type($x) `,` type($w) `->` type($y)";
}
def Graph_DepthwiseConvOp : Graph_Op<"depthwise_conv", [Pure]> {
  let summary = "convolution with one filter a channel, channels last";
  let description = [{
    x [n, spatial…, c], w [kernel…, c]; y[n, p…, c] = sum over k of w[k…, c] * x[n, p*stride + k*dilation - pad, c].
    What the layout pass makes of a `conv` with group = c = oc.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$w, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$dilations);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$x `,` $w attr-dict `:` type($x) `,` type($w) `->` type($y)";
}
def Graph_PackOp : Graph_Op<"pack", [Pure]> {
  let summary = "lays the right operand of a product out in panels of 16 columns";
  let description = [{
    b [batch…, k, n] (or [batch…, n, k] with `transpose`) becomes [batch…, ceil(n/16), k, 16], zeros past n:
    y[…, p, k, j] = b[…, k, 16*p + j]. Reading a panel downwards is contiguous: tile.dot.
    With `interleave` i, a divisor of k, the panel's rows come i at a time, column by column: [batch…, ceil(n/16), k/i, 16*i],
    y[…, p, k, i*j + r] = b[…, i*k + r, 16*p + j]. Instructions that add products of i neighbours read them so (bytes: i = 4).
  }];
  let arguments = (ins AnyRankedTensor:$b, UnitAttr:$transpose, DefaultValuedAttr<I64Attr, "1">:$interleave);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$b (`transpose` $transpose^)? (`interleave` $interleave^)? attr-dict `:` type($b) `->` type($y)";
}
def Graph_PackedMatmulOp : Graph_Op<"packed_matmul", [Pure]> {
  let summary = "y = a·b with b in panels (jinx.pack)";
  let description = [{
    a [batch…, m, k], b [batch…, ceil(n/16), k, 16] (its batch broadcasts), y [batch…, m, n]. With a of ui8 and b of i8, interleaved by 4
    and with k filled up by zeros to a multiple of 4, y is i32 and exact: a product of two bytes is below 2^15, and sums wrap as i32 does.
    `by_rows`: b is [batch…, n, k], or its rows are filled up with zeros to a multiple of 16 bytes. Tensor cores read both operands along k. A
    copy engine reads them where k is such a multiple, else warps do. Operands are f16 or bf16, or have 8 bits: integers of either sign, whose
    y is i32 and exact, or f8E4M3FN and f8E5M2, whose y is f32. `fast_sums` as in jinx.matmul.
    Or they are f32: each product is then three of TF32, about as exact as f32, or with `tf32` one, whose operands have 11 bits.
  }];
  let arguments = (ins AnyRankedTensor:$a, AnyRankedTensor:$b, UnitAttr:$by_rows, UnitAttr:$fast_sums, UnitAttr:$tf32);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $a `,` $b (`by_rows` $by_rows^)? (`fast_sums` $fast_sums^)? (`tf32` $tf32^)? attr-dict `:` type($a) `,` type($b) `->` type($y)
  }];
}
def Graph_PackedGroupedMatmulOp : Graph_Op<"packed_grouped_matmul", [Pure]> {
  let summary = "jinx.grouped_matmul with w in panels (jinx.pack)";
  let description = [{
    x [t, k], w [g, ceil(n/16), k, 16], ends [g], y [t, n]: of f32, but ends. `by_rows`: w is [g, n, k], and x, w and y are of one type of 16-bit
    floats, or f32 where rows are multiples of 16 bytes; tensor cores read them so. `tf32` as in jinx.packed_matmul.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$w, AnyRankedTensor:$ends, UnitAttr:$by_rows, UnitAttr:$tf32);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$x `,` $w (`by_rows` $by_rows^ (`tf32` $tf32^)?)? `,` $ends attr-dict `:` type($x) `,` type($w) `,` type($ends) `->` type($y)";
}
def Graph_PackedConvOp : Graph_Op<"packed_conv", [Pure]> {
  let summary = "convolution, channels last, with weights in panels";
  let description = [{
    x [n, h, w, c]; weights [group, ceil((oc/group)/16), kh*kw*(c/group), 16], rows ordered kh, kw, c; y [n, oh, ow, oc].
    `kernel` is [kh, kw]. One-dimensional convolutions have h = kh = 1.
    With x of ui8 and weights of i8 y is i32, as in jinx.packed_matmul; weights are then interleaved by 4, each run of them that meets a run of
    x filled up by zeros to a multiple of 4: kw*c rows where group and the dilation along w are 1, else c/group.
    `by_rows`: weights [oc, kh*kw*ceil(c/64)*64], channels past c zero; c is a multiple of 8 and group is 1. Tensor cores read them so.
    `runs`, beside it, is for images of few channels: a row of the window is one run of kw*c <= 64 elements, weights are [oc, kh*64], zero
    past kw*c. Dilation along w is 1, there is no padding along w, and rows of the image and steps along w are multiples of 8 elements.
    Of f32 all these 64 are 32, and 8 is 4; `tf32` as in jinx.packed_matmul.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$w, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$group, UnitAttr:$by_rows, UnitAttr:$runs, UnitAttr:$tf32);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$x `,` $w (`by_rows` $by_rows^ (`runs` $runs^)? (`tf32` $tf32^)?)? attr-dict `:` type($x) `,` type($w) `->` type($y)";
}
def Graph_LstmOp : Graph_Op<"lstm", [Pure]> {
  let summary = "one direction of an LSTM over precomputed input projections";
  let description = [{
    I1 `xw` [t, n, 4*h]: x·Wᵀ plus both biases, gates in the order i, o, f, c (ONNX). I2 `r` [4*h, h] recurrence weights
    (after packing [4, ceil(h/16), h, 16], bytes also interleaved by 4: [4, ceil(h/16), h/4, 64]).
    I3 `h0`, I4 `c0` [n, h]. Results `ys` [t, n, h], `hn`, `cn` [n, h].
    i, o, f = sigmoid; g, output = tanh. c' = f∘c + i∘g; h' = o∘tanh(c'). With `reverse` time runs backwards; ys keeps x's order.
    With I5 `r_scale` [4*h] the recurrent product is quantized as in com.microsoft.DynamicQuantizeLSTM: `r` holds integers (minus their
    zero point, exact in f32; or in i8 when they fit), and each step h is quantized to unsigned 8 bits over the whole batch (as DynamicQuantizeLinear does),
    multiplied exactly, and scaled by r_scale and its own scale.
    Hochreiter & Schmidhuber 1997; Gers et al. 2000 (forget gate).
  }];
  let arguments = (ins AnyRankedTensor:$xw, AnyRankedTensor:$r, AnyRankedTensor:$h0, AnyRankedTensor:$c0,
                       Optional<AnyRankedTensor>:$r_scale, UnitAttr:$reverse);
  let results = (outs AnyRankedTensor:$ys, AnyRankedTensor:$hn, AnyRankedTensor:$cn);
  let hasVerifier = 1;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
def Graph_GruOp : Graph_Op<"gru", [Pure]> {
  let summary = "one direction of a GRU over precomputed input projections";
  let description = [{
    I1 `xw` [t, n, 3*h]: x·Wᵀ plus the input bias, gates in the order z, r, h (ONNX). I2 `r` [3*h, h] (after packing
    [3, ceil(h/16), h, 16]). I3 `rb` [3*h] recurrence bias.
    I4 `h0` [n, h]. z, r = sigmoid(xw + h·Rᵀ + rb); linear_before_reset: h~ = tanh(xw_h + r∘(h·R_hᵀ + rb_h)), else
    h~ = tanh(xw_h + (r∘h)·R_hᵀ + rb_h). h' = (1-z)∘h~ + z∘h. Cho et al. 2014.
  }];
  let arguments = (ins AnyRankedTensor:$xw, AnyRankedTensor:$r, AnyRankedTensor:$rb, AnyRankedTensor:$h0,
                       UnitAttr:$reverse, UnitAttr:$linear_before_reset);
  let results = (outs AnyRankedTensor:$ys, AnyRankedTensor:$hn);
  let hasVerifier = 1;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Graph_AttentionGradOp : Graph_Op<"attention_grad", [Pure]> {
  let summary = "gradients of attention with respect to queries, keys and values";
  let description = [{
    Of o[i] = sum_j p[i, j] v[j], p[i, j] = exp(scale * q[i]·k[j] - lse[i]) where row i sees column j, else 0:

    dv[j] = sum_i p[i, j] dy[i], ds[i, j] = p[i, j] (dy[i]·v[j] - delta[i]), dq[i] = scale sum_j ds[i, j] k[j],
    dk[j] = scale sum_i ds[i, j] q[i].

    I1 `q` [b, h, n, d]. I2 `k`, I3 `v` [b, g, m, d]: h/g heads of q share one of k and v, whose gradients are sums over them. I4 `dy`
    [b, h, n, d], the gradient of o. I5 `lse` [b, h, n] f32: the logarithm of each row's sum of exponentials; a row that sees nothing has
    -inf. I6 `delta` [b, h, n] f32: sum_c dy[i, c] o[i, c], minus the gradient of lse where it has one. Both may have n rounded up to a
    multiple of 128 columns; those past n mean nothing.
    With `causal`, row i sees column j where j <= i + m - n: the last row sees all.
    C1: q, k, v, dy and the results are of one float type. C2: h is a multiple of g. C3: results have the types of q, k and v.
    Sums accumulate in f32. Dao et al. 2022 (FlashAttention), algorithm 4.
  }];
  let arguments = (ins AnyRankedTensor:$q, AnyRankedTensor:$k, AnyRankedTensor:$v, AnyRankedTensor:$dy, AnyRankedTensor:$lse,
                       AnyRankedTensor:$delta, F64Attr:$scale, UnitAttr:$causal);
  let results = (outs AnyRankedTensor:$dq, AnyRankedTensor:$dk, AnyRankedTensor:$dv);
  let hasVerifier = 1;
  let assemblyFormat = "operands `scale` $scale (`causal` $causal^)? attr-dict `:` functional-type(operands, results)";
}

#endif
