// What fusion makes: one group, one kernel.
#ifndef JINX_GRAPH_FUSION_OPS_TD
#define JINX_GRAPH_FUSION_OPS_TD

def Graph_GroupOp : Graph_Op<"group", [RecursiveMemoryEffects, SingleBlock, IsolatedFromAbove]> {
  let summary = "operators that one kernel computes";
  let description = [{
    The region's arguments are the operands; its `yield` gives the results. `schedule` names the schedule that lowers the group:
    rows, matmul, attention, attention_grad (CUDA), scan, recurrent, scatter or sort (codegen/schedules). The order of the operators inside has
    no meaning beyond data flow.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, StrAttr:$schedule);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<AnyRankedTensor>:$results_);
  let hasVerifier = 1;
  let assemblyFormat = "$schedule `(` $inputs `)` attr-dict-with-keyword `:` functional-type($inputs, $results_) $body";
}

def Graph_LaunchOp : Graph_Op<"launch", [Pure]> {
  let summary = "runs a kernel: what a group becomes once it is scheduled";
  let description = [{
    Buffers are the operands, then the results. `sizes` are the kernel's size parameters, `programs` the extent of its grid, `scratch` the
    bytes of private memory per thread, `work` a rough cost: formulas over the model's symbols. `sequential` says that the programs walk
    time step by step, so that there are as few as there are sequences. `flops` and `bytes`, for reports, are what it computes and the
    fewest bytes it moves. `in_place`, one number a result: the operand whose memory the result is, -1 for none (jinx.write_pages).
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, StrArrayAttr:$sizes, StrAttr:$programs, StrAttr:$scratch, StrAttr:$work,
                       StrArrayAttr:$nodes, UnitAttr:$sequential, OptionalAttr<StrAttr>:$flops, OptionalAttr<StrAttr>:$bytes,
                       OptionalAttr<DenseI64ArrayAttr>:$in_place, Variadic<AnyRankedTensor>:$inputs);
  let results = (outs Variadic<AnyRankedTensor>:$results_);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $kernel `(` $inputs `)` `sizes` $sizes `programs` $programs `scratch` $scratch `work` $work (`sequential` $sequential^)? `from` $nodes attr-dict
    `:` functional-type($inputs, $results_)
  }];
}

#endif
