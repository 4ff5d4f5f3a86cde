// Operators that run on the host: calls of reference implementations, and control flow.
#ifndef JINX_GRAPH_HOST_OPS_TD
#define JINX_GRAPH_HOST_OPS_TD

def Graph_NoneOp : Graph_Op<"none", [Pure]> {
  let summary = "stands for an omitted optional operand";
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
  let assemblyFormat = "$domain $op $opset $attrs `(` $operands_ `)` attr-dict `:` functional-type($operands_, $results_)";
}
def Graph_YieldOp : Graph_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "ends a region and gives its results";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}
def Graph_IfOp : Graph_Op<"if", [RecursiveMemoryEffects]> {
  let summary = "runs one of two regions";
  let arguments = (ins AnyRankedTensor:$condition);
  let regions = (region SizedRegion<1>:$then_region, SizedRegion<1>:$else_region);
  let results = (outs Variadic<AnyType>:$results_);
  let assemblyFormat = "$condition attr-dict-with-keyword `:` type($condition) `->` type($results_) $then_region `else` $else_region";
}
def Graph_LoopOp : Graph_Op<"loop", [RecursiveMemoryEffects]> {
  let summary = "ONNX Loop: trip count and condition (each may be none), carried values, concatenated scan outputs";
  let arguments = (ins Variadic<AnyType>:$operands_);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<AnyType>:$results_);
  let assemblyFormat = "`(` $operands_ `)` attr-dict-with-keyword `:` functional-type($operands_, $results_) $body";
}
def Graph_ScanOp : Graph_Op<"scan", [RecursiveMemoryEffects]> {
  let summary = "ONNX Scan: states, and tensors scanned along one axis";
  let arguments = (ins DictionaryAttr:$attrs, I64Attr:$opset, Variadic<AnyType>:$operands_);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<AnyType>:$results_);
  let assemblyFormat = "$attrs $opset `(` $operands_ `)` attr-dict-with-keyword `:` functional-type($operands_, $results_) $body";
}
def Graph_SequenceMapOp : Graph_Op<"sequence_map", [RecursiveMemoryEffects]> {
  let summary = "ONNX SequenceMap: applies the body to every element of a sequence";
  let arguments = (ins Variadic<AnyType>:$operands_);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<AnyType>:$results_);
  let assemblyFormat = "`(` $operands_ `)` attr-dict-with-keyword `:` functional-type($operands_, $results_) $body";
}

#endif
