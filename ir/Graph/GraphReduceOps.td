// Operators that combine many elements into one along some dimensions.
#ifndef JINX_GRAPH_REDUCE_OPS_TD
#define JINX_GRAPH_REDUCE_OPS_TD

def Graph_ReduceOp : Graph_InferredOp<"reduce"> {
  let summary = "combines the elements along `axes`; those dimensions stay with extent 1";
  let description = [{
    Empty input gives the neutral element (0, -inf or the least integer, +inf or the greatest, 1). Floats accumulate in f32 (f64 for
    f64), in an order that does not depend on any dynamic size other than the reduced extent. NaN propagates through max and min.
    `axes` is sorted, in range, without repetition. A mean is sum times the reciprocal of the count.
  }];
  let arguments = (ins Graph_ReduceKind:$kind, AnyRankedTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$kind `,` $x `axes` $axes attr-dict `:` type($x) `->` type($y)";
}
def Graph_CumsumOp : Graph_InferredOp<"cumsum"> {
  let summary = "running sums along `axis`: y[i] = x[0] + … + x[i]";
  let description = [{
    `exclusive` leaves x[i] out: y[0] is 0. `reverse` runs from the end: y[i] = x[i] + … + x[n-1]. Floats accumulate in f32 (f64 for f64),
    in an order that depends on no dynamic size but the extent of `axis`; integers wrap. C1: `axis` is in 0..rank(x)-1. C2: elements are floats or integers, not bool.
  }];
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$axis, UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `axis` $axis (`exclusive` $exclusive^)? (`reverse` $reverse^)? attr-dict `:` type($x) `->` type($y)";
}
def Graph_PoolKind : I32EnumAttr<"PoolKind", "how a window is combined",
    [I32EnumAttrCase<"max", 0>, I32EnumAttrCase<"average", 1>, I32EnumAttrCase<"average_include_pad", 2>]> {
  let cppNamespace = "::jinx::graph";
}
def Graph_PoolOp : Graph_Op<"pool", [Pure]> {
  let summary = "maximum or average over a sliding window of the spatial dimensions";
  let description = [{
    x is [n, c, spatial…], or [n, spatial…, c] with `channels_last`. `average` divides by the number of elements inside x,
    `average_include_pad` by those inside the padded x. The result type gives the output extents (ceil mode included).
  }];
  let arguments = (ins Graph_PoolKind:$kind, AnyRankedTensor:$x, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, UnitAttr:$channels_last);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$kind `,` $x attr-dict `:` type($x) `->` type($y)";
}

#endif
