// Operators that run on the host: calls of reference implementations, and control flow.
#ifndef JINX_GRAPH_HOST_OPS_TD
#define JINX_GRAPH_HOST_OPS_TD

def Graph_NoneOp : Graph_Op<"none", [Pure]> {
  let summary = "stands for an omitted optional operand";
  let description = [{ ONNX tells an omitted operand from an empty one. `jinx.host_call` and `jinx.loop` take it; no kernel does. }];
  let results = (outs Graph_NoneType:$y);
  let assemblyFormat = "attr-dict `:` type($y)";
}
def Graph_HostCallOp : Graph_Op<"host_call"> {
  let summary = "runs an operator's reference implementation on the host";
  let description = [{
    What a node becomes when no kernel is generated for it. `attrs` are the node's. A result dimension that is exactly a symbol
    found nowhere else is defined by this step: the symbol gets its value when the step has run.
  }];
  let arguments = (ins StrAttr:$domain, StrAttr:$op, I64Attr:$opset, DictionaryAttr:$attrs, Variadic<AnyType>:$operands_);
  let results = (outs Variadic<AnyType>:$results_);
  let hasVerifier = 1;
  let assemblyFormat = "$domain $op $opset $attrs `(` $operands_ `)` attr-dict `:` functional-type($operands_, $results_)";
}
def Graph_YieldOp : Graph_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["GroupOp", "IfOp", "LoopOp", "ScanOp", "SequenceMapOp"]>]> {
  let summary = "ends a region and gives its results";
  let description = [{
    Ends each region of `jinx.group`, `jinx.if`, `jinx.loop`, `jinx.scan` and `jinx.sequence_map`; what its operands mean is said there.
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}
def Graph_IfOp : Graph_Op<"if", [RecursiveMemoryEffects]> {
  let summary = "runs one of two regions";
  let description = [{
    Both regions take nothing, see what is outside, and yield as many values as there are results. A result's type holds what either
    region yields: a size in which they differ is a symbol that the step defines. C1: the condition is one bool.
  }];
  let arguments = (ins AnyRankedTensor:$condition);
  let regions = (region SizedRegion<1>:$then_region, SizedRegion<1>:$else_region);
  let results = (outs Variadic<AnyType>:$results_);
  let hasVerifier = 1;
  let assemblyFormat = "$condition attr-dict-with-keyword `:` type($condition) `->` type($results_) $then_region `else` $else_region";
}
def Graph_LoopOp : Graph_Op<"loop", [RecursiveMemoryEffects]> {
  let summary = "ONNX Loop: trip count and condition (each may be none), carried values, concatenated scan outputs";
  let description = [{
    Operands: trip count, condition, carried values. The body takes the iteration's number, the condition and the carried values; it
    yields the condition, the carried values and what is to be stacked. Results: the last carried values, then the stacked ones, along
    a new first dimension. C1: as many carried operands as arguments. C2: one value more is yielded than there are results.
  }];
  let arguments = (ins Variadic<AnyType>:$operands_);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<AnyType>:$results_);
  let hasVerifier = 1;
  let assemblyFormat = "`(` $operands_ `)` attr-dict-with-keyword `:` functional-type($operands_, $results_) $body";
}
def Graph_ScanOp : Graph_Op<"scan", [RecursiveMemoryEffects]> {
  let summary = "ONNX Scan: states, and tensors scanned along one axis";
  let description = [{
    Operands: states, then scanned tensors (in opset 8 the sequences' lengths come first). The body takes the states and one slice of
    each scanned tensor; it yields the states and a slice of each stacked result. `attrs` are ONNX's: num_scan_inputs, axes, directions.
  }];
  let arguments = (ins DictionaryAttr:$attrs, I64Attr:$opset, Variadic<AnyType>:$operands_);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<AnyType>:$results_);
  let hasVerifier = 1;
  let assemblyFormat = "$attrs $opset `(` $operands_ `)` attr-dict-with-keyword `:` functional-type($operands_, $results_) $body";
}
def Graph_SequenceMapOp : Graph_Op<"sequence_map", [RecursiveMemoryEffects]> {
  let summary = "ONNX SequenceMap: applies the body to every element of a sequence";
  let description = [{
    The first operand is a sequence; a further one is a sequence of the same length, whose elements the body takes in step, or a value that
    every call of the body takes as it is. Each value that the body yields becomes a sequence.
  }];
  let arguments = (ins Variadic<AnyType>:$operands_);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<AnyType>:$results_);
  let hasVerifier = 1;
  let assemblyFormat = "`(` $operands_ `)` attr-dict-with-keyword `:` functional-type($operands_, $results_) $body";
}

#endif
