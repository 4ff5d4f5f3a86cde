// Operators that read, write or find positions: indices are data.
#ifndef JINX_GRAPH_INDEX_OPS_TD
#define JINX_GRAPH_INDEX_OPS_TD

def Graph_GatherElementsOp : Graph_InferredOp<"gather_elements"> {
  let summary = "y[…, i, …] = x[…, indices[…, i, …], …]: an element of x for each index, along `axis`";
  let description = [{
    A negative index counts from the end of `axis`. An index out of range is the caller's fault: it is clamped, never read out of bounds.
    C1: `axis` is in 0..rank(x)-1. C2: indices are integers, of x's rank. C3: outside `axis`, indices are no longer than x.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$indices, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `,` $indices `axis` $axis attr-dict `:` type($x) `,` type($indices) `->` type($y)";
}
def Graph_GatherNdOp : Graph_InferredOp<"gather_nd"> {
  let summary = "y[b…, i…, r…] = x[b…, indices[b…, i…, :], r…]: a slice of x for each row of indices";
  let description = [{
    The last dimension of indices holds coordinates in the dimensions of x that follow the first `batch`, which both share. A negative
    index counts from the end of its dimension; one out of range is clamped. C1: indices are integers of rank 1 or more, whose last
    extent is a number. C2: `batch` is less than rank(indices), and `batch` and that extent together at most rank(x). C3: the first
    `batch` extents agree.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$indices, DefaultValuedAttr<I64Attr, "0">:$batch);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `,` $indices attr-dict `:` type($x) `,` type($indices) `->` type($y)";
}
def Graph_ScatterKind : I32EnumAttr<"ScatterKind", "what an update does to the element that it meets",
    [I32EnumAttrCase<"set", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>, I32EnumAttrCase<"max", 3>, I32EnumAttrCase<"min", 4>]> {
  let cppNamespace = "::jinx::graph";
}
def Graph_ScatterElementsOp : Graph_InferredOp<"scatter_elements"> {
  let summary = "y = x, then y[…, indices[…, i, …], …] takes updates[…, i, …], along `axis`";
  let description = [{
    Updates are applied in row-major order of indices, one after the other: where two meet one element, `set` keeps the last, the other
    kinds combine it with each. NaN wins in `max` and `min`. A negative index counts from the end of `axis`; an update whose index is out
    of range is left out (the ONNX importer has indices checked before). C1 to C3 as in `jinx.gather_elements`. C4: updates have the
    shape of indices. C5: updates have x's element type; only numbers have kinds other than `set`.
  }];
  let arguments = (ins Graph_ScatterKind:$kind, AnyRankedTensor:$x, AnyRankedTensor:$indices, AnyRankedTensor:$updates, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$kind `,` $x `,` $indices `,` $updates `axis` $axis attr-dict `:` type($x) `,` type($indices) `,` type($updates) `->` type($y)";
}
def Graph_ScatterNdOp : Graph_InferredOp<"scatter_nd"> {
  let summary = "y = x, then y[indices[i…, :], r…] takes updates[i…, r…]";
  let description = [{
    The last dimension of indices holds coordinates in the first dimensions of x. Order, kinds, negative indices and indices out of range
    as in `jinx.scatter_elements`. C1: indices are integers of rank 1 or more, whose last extent is a number, at most rank(x). C2: updates
    have the shape of indices without that extent, then that of x without its first dimensions. C3: updates have x's element type; only
    numbers have kinds other than `set`.
  }];
  let arguments = (ins Graph_ScatterKind:$kind, AnyRankedTensor:$x, AnyRankedTensor:$indices, AnyRankedTensor:$updates);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$kind `,` $x `,` $indices `,` $updates attr-dict `:` type($x) `,` type($indices) `,` type($updates) `->` type($y)";
}
def Graph_TopKOp : Graph_Op<"top_k", [Pure]> {
  let summary = "the first elements along `axis` when sorted, and where in x they are";
  let description = [{
    Descending, or `ascending`. How many is the results' extent along `axis`; as many as x has: x sorted. Of equal elements the one with
    the lower position comes first; -0 equals 0. NaN is more than any number, and one NaN equals another. Elements of values are x's, bit
    for bit. C1: `axis` is in 0..rank(x)-1. C2: results have x's shape but for `axis`, where they are no longer. C3: values have x's element
    type, indices are i64.
  }];
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$axis, UnitAttr:$ascending);
  let results = (outs AnyRankedTensor:$values, AnyRankedTensor:$indices);
  let hasVerifier = 1;
  let assemblyFormat = "$x `axis` $axis (`ascending` $ascending^)? attr-dict `:` type($x) `->` type($values) `,` type($indices)";
}

#endif
