// Operators that move, view or make data without arithmetic on it.
#ifndef JINX_GRAPH_SHAPE_OPS_TD
#define JINX_GRAPH_SHAPE_OPS_TD

def Graph_ConstantOp : Graph_Op<"constant", [Pure, ConstantLike, AllTypesMatch<["value", "y"]>]> {
  let summary = "a tensor known at compile time";
  let description = [{ The value may be any ElementsAttr: `dense<…>`, or `dense_resource<…>` for what is large. }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs AnyRankedTensor:$y);
  let hasFolder = 1;
  let builders = [OpBuilder<(ins "::mlir::ElementsAttr":$value), [{ build($_builder, $_state, value.getType(), value); }]>];
  let assemblyFormat = "attr-dict $value";
}
def Graph_SizesOp : Graph_Op<"sizes", [Pure]> {
  let summary = "an integer tensor whose elements are formulas over the dynamic sizes";
  let description = [{ `jinx.sizes ["n", "3*h"] : tensor<2xi64>`. What shape arithmetic in a model folds to. Row-major. }];
  let arguments = (ins StrArrayAttr:$exprs);
  let results = (outs AnyStaticShapeTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$exprs attr-dict `:` type($y)";
}
def Graph_ReshapeOp : Graph_Op<"reshape", [Pure]> {
  let summary = "the same elements in row-major order under the result type's shape; costs nothing";
  let description = [{
    C1: the result has as many elements as x. A step of its own it never is: kernels change how they count, a plan names the same bytes.
  }];
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let hasFolder = 1;
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
}
def Graph_TransposeOp : Graph_InferredOp<"transpose"> {
  let summary = "y's dimension i is x's dimension perm[i]";
  let description = [{
    C1: `perm` has each of 0..rank-1 once. `transpose(x, p)` then `q` is `transpose(x, p∘q)`; one that moves only extents of 1 is a reshape.
  }];
  let arguments = (ins AnyRankedTensor:$x, DenseI64ArrayAttr:$perm);
  let results = (outs AnyRankedTensor:$y);
  let hasFolder = 1;
  let hasCanonicalizer = 1;
  let assemblyFormat = "$x `,` $perm attr-dict `:` type($x) `->` type($y)";
}
def Graph_BroadcastOp : Graph_Op<"broadcast", [Pure]> {
  let summary = "repeats x to the result type's shape by numpy's rules";
  let description = [{ Dimensions are aligned on the right. C1: rank(x) <= rank(y). C2: each extent of x is 1 or y's. }];
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let hasFolder = 1;
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
}
def Graph_SliceOp : Graph_Op<"slice", [Pure]> {
  let summary = "y[i0, i1, …] = x[starts0 + i0*steps0, …], of the result type's shape";
  let description = [{
    `starts` are formulas, one per dimension, already normalised: never negative, in range for every non-empty result.
    `steps` are constants, possibly negative.
  }];
  let arguments = (ins AnyRankedTensor:$x, StrArrayAttr:$starts, DenseI64ArrayAttr:$steps);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let hasFolder = 1;
  let assemblyFormat = "$x `starts` $starts `steps` $steps attr-dict `:` type($x) `->` type($y)";
}
def Graph_ConcatOp : Graph_InferredOp<"concat"> {
  let summary = "joins tensors along one dimension";
  let description = [{
    C1: at least one operand, all of one element type and rank. C2: `axis` is in 0..rank-1. C3: all other extents agree; the result's
    extent along `axis` is the operands' sum.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$xs, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$y);
  let hasFolder = 1;
  let assemblyFormat = "$xs `axis` $axis attr-dict `:` type($xs) `->` type($y)";
}
def Graph_PadModeAttr : I32EnumAttr<"PadMode", "what lies outside of x",
    [I32EnumAttrCase<"constant", 0>, I32EnumAttrCase<"edge", 1>, I32EnumAttrCase<"reflect", 2>, I32EnumAttrCase<"wrap", 3>]> {
  let cppNamespace = "::jinx::graph";
}
def Graph_PadOp : Graph_Op<"pad", [Pure]> {
  let summary = "surrounds x with `value` (a scalar tensor), or with its own edge, mirror image or repetition";
  let description = [{ `low` are formulas, one per dimension; the result type gives the extents. Negative pads crop. }];
  let arguments = (ins AnyRankedTensor:$x, Optional<AnyRankedTensor>:$value, StrArrayAttr:$low, Graph_PadModeAttr:$mode);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$x (`value` $value^)? `low` $low `mode` $mode attr-dict `:` type($x) (`,` type($value)^)? `->` type($y)";
}
def Graph_GatherOp : Graph_InferredOp<"gather"> {
  let summary = "y[a…, i…, b…] = x[a…, indices[i…], b…]; negative indices count from the end";
  let description = [{
    `axis` is not negative. A negative index counts from the end of that dimension. An index out of range is the caller's
    fault: it is clamped, never read out of bounds.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$indices, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `,` $indices `axis` $axis attr-dict `:` type($x) `,` type($indices) `->` type($y)";
}
def Graph_IotaOp : Graph_Op<"iota", [Pure]> {
  let summary = "y[i…] = start + step * i[axis]";
  let description = [{
    Floats hold the integer that the formula gives, rounded once; integers wrap. C1: `axis` is in 0..rank-1 of the result.
  }];
  let arguments = (ins I64Attr:$axis, DefaultValuedAttr<I64Attr, "0">:$start, DefaultValuedAttr<I64Attr, "1">:$step);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "`axis` $axis attr-dict `:` type($y)";
}
def Graph_ResizeOp : Graph_Op<"resize", [Pure]> {
  let summary = "samples x on a new grid: nearest or linear, per dimension";
  let description = [{
    ONNX Resize with modes nearest and linear, without antialias. `scales` has one number per dimension (0: from the sizes).
    `coordinates`: half_pixel, pytorch_half_pixel, asymmetric, align_corners. `rounding` (nearest): round_prefer_floor,
    round_prefer_ceil, floor, ceil.
  }];
  let arguments = (ins AnyRankedTensor:$x, StrAttr:$mode, StrAttr:$coordinates, StrAttr:$rounding, DenseF64ArrayAttr:$scales);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
}

#endif
