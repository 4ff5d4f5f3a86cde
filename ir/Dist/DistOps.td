// All operators of the dist dialect.
#ifndef JINX_DIST_OPS_TD
#define JINX_DIST_OPS_TD

include "ir/Dist/DistDialect.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Dist_Op<string mnemonic, list<Trait> traits = []> : Op<Dist_Dialect, mnemonic, traits>;

def Dist_MeshOp : Dist_Op<"mesh", [Symbol]> {
  let summary = "ranks in rows, planes, …: axes with names and sizes";
  let description = [{
    `dist.mesh @mesh <"dp" = 2, "tp" = 4>` has 8 ranks; rank 6 has the coordinates dp = 1, tp = 2. C1: an axis has one rank at least. C2: names are different and
    could be symbols of sizes. C3: there are at most 2^24 ranks.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$axes, DenseI64ArrayAttr:$sizes);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getRanks();
    /// Ranks along an axis; 0 where there is none of the name.
    int64_t sizeOf(::llvm::StringRef axis);
    /// The place of an axis among the axes; -1 where there is none of the name.
    int64_t placeOf(::llvm::StringRef axis);
  }];
}

// Of whole values.

def Dist_ConstrainOp : Dist_Op<"constrain", [Pure, AllTypesMatch<["x", "y"]>]> {
  let summary = "y = x, on which a wish stands";
  let description = [{ `%y = dist.constrain %x #dist.sharding<[["dp", ?], []]> : tensor<8x64xf32>`. Propagation takes it away. C1: the wish has x's rank. }];
  let arguments = (ins AnyRankedTensor:$x, Dist_ShardingAttr:$sharding);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$x $sharding attr-dict `:` type($x)";
}
def Dist_ReshardOp : Dist_Op<"reshard", [Pure]> {
  let summary = "the same whole value, of which ranks have something else";
  let description = [{
    In placed functions, the one operator that changes states. C1: element type and sizes are the operand's. Lowering takes the cheapest path of slices and
    collectives (passes/Dist/ReshardPath.h).
  }];
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let hasFolder = 1;
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
}

// Of a rank's own values. `over` names axes, the major one first: the ranks that differ in these coordinates only are a group, in this order; n is their number.
// The result is a tensor, or `!dist.pending` of one: then the collective is started, and `dist.wait` has its result.

def Dist_CollectiveInterface : OpInterface<"Collective"> {
  let cppNamespace = "::jinx::dist";
  let description = [{ What the ranks of a group do together. }];
  let methods = [
    InterfaceMethod<"The axes of the group, the major one first.", "::mlir::ArrayAttr", "getAxes">,
    InterfaceMethod<"The result's sizes in a group of n ranks; empty, with what is wrong, where the operand does not fit.",
                    "::jinx::Expected<::jinx::graph::Sizes>", "expectedSizes", (ins "int64_t":$ranks)>,
    InterfaceMethod<"What the result is on an axis of the group where the operand is `operand` there; an error where it may not be that.",
                    "::jinx::Expected<::jinx::dist::AxisState>", "resultState", (ins "const ::jinx::dist::AxisState &":$operand)>,
  ];
}

/// The network between ranks: what touches it keeps its order, and is kept.
def Dist_Wire : Resource<"::jinx::dist::Wire">;
class Dist_Collective<string mnemonic> : Dist_Op<mnemonic, [MemoryEffects<[MemRead<Dist_Wire>, MemWrite<Dist_Wire>]>, DeclareOpInterfaceMethods<Dist_CollectiveInterface>]>;
def Dist_Result : AnyTypeOf<[AnyRankedTensor, Dist_PendingType]>;

def Dist_AllReduceOp : Dist_Collective<"all_reduce"> {
  let summary = "y = the sum (product, largest, smallest) of what the group has";
  let description = [{ `%y = dist.all_reduce sum %x over ["tp"] : tensor<8x64xf32> -> tensor<8x64xf32>`. Takes partial to replicated. }];
  let arguments = (ins Graph_ReduceKind:$kind, AnyRankedTensor:$x, StrArrayAttr:$axes);
  let results = (outs Dist_Result:$y);
  let assemblyFormat = "$kind $x `over` $axes attr-dict `:` type($x) `->` type($y)";
}
def Dist_AllGatherOp : Dist_Collective<"all_gather"> {
  let summary = "y = what the group has, one behind the other along `dim`";
  let description = [{ `%y = dist.all_gather %x dim 0 over ["tp"] : tensor<2x64xf32> -> tensor<8x64xf32>`. Takes varying to replicated. C1: `dim` is one of x's. }];
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$dim, StrArrayAttr:$axes);
  let results = (outs Dist_Result:$y);
  let assemblyFormat = "$x `dim` $dim `over` $axes attr-dict `:` type($x) `->` type($y)";
}
def Dist_ReduceScatterOp : Dist_Collective<"reduce_scatter"> {
  let summary = "y = this rank's part along `dim` of the sum of what the group has";
  let description = [{
    `%y = dist.reduce_scatter sum %x dim 0 over ["tp"] : tensor<8x64xf32> -> tensor<2x64xf32>`. Takes partial to varying. C1: `dim` is one of x's, and n divides its extent.
  }];
  let arguments = (ins Graph_ReduceKind:$kind, AnyRankedTensor:$x, I64Attr:$dim, StrArrayAttr:$axes);
  let results = (outs Dist_Result:$y);
  let assemblyFormat = "$kind $x `dim` $dim `over` $axes attr-dict `:` type($x) `->` type($y)";
}
def Dist_AllToAllOp : Dist_Collective<"all_to_all"> {
  let summary = "cuts x into n parts along `split`, gives each to its rank, and joins what comes along `concat`";
  let description = [{
    `%y = dist.all_to_all %x split 0 concat 1 over ["tp"] : tensor<8x16xf32> -> tensor<2x64xf32>`. Varying stays varying. C1: both are dimensions of x, and n divides the
    extent of `split`.
  }];
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$split, I64Attr:$concat, StrArrayAttr:$axes);
  let results = (outs Dist_Result:$y);
  let assemblyFormat = "$x `split` $split `concat` $concat `over` $axes attr-dict `:` type($x) `->` type($y)";
}
def Dist_AllToAllVOp : Dist_Op<"all_to_all_v", [MemoryEffects<[MemRead<Dist_Wire>, MemWrite<Dist_Wire>]>, DeclareOpInterfaceMethods<Dist_CollectiveInterface>]> {
  let summary = "gives so many rows of x to each rank as `sends` says, and joins the rows that come; zeros behind them";
  let description = [{
    `%y = dist.all_to_all_v %x, %sends, %receives over ["ep"] : tensor<8x16xf32>, tensor<4xi64>, tensor<4xi64> -> tensor<12x16xf32>`: with sends [1, 0, 2, 0] row 0 goes to rank 0 and rows
    1 and 2 to rank 2; rows behind them go nowhere. `receives` says how many come from each, which is what those send; they lie one behind the other, in the order of ranks. Both are known while running, and sums
    are at most the rows of x and y, or the step is an error. It is never started: the host reads the counts when it comes to it, and then it ends. Varying stays varying; parts of a sum on another axis stay parts where the counts
    are the same along that axis. `share` is how much of the larger one of x and y usually moves, for cost models. C1: x has dimensions, y the same but for the first. C2: sends and receives are i64 [n]. C3: share is in 0..1.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$sends, AnyRankedTensor:$receives, StrArrayAttr:$axes, OptionalAttr<F64Attr>:$share);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `,` $sends `,` $receives `over` $axes (`share` $share^)? attr-dict `:` type($x) `,` type($sends) `,` type($receives) `->` type($y)";
  let hasVerifier = 1;
}
def Dist_PermuteOp : Dist_Collective<"permute"> {
  let summary = "y = x of the rank that `sources` names for this one; zeros where it names none";
  let description = [{
    `%y = dist.permute %x from [3, 0, 1, 2] over ["cp"]`: each rank gets what the one before it has. -1 names none. C1: as many sources as ranks, each -1 or one of 0..n-1.
  }];
  let arguments = (ins AnyRankedTensor:$x, DenseI64ArrayAttr:$sources, StrArrayAttr:$axes);
  let results = (outs Dist_Result:$y);
  let assemblyFormat = "$x `from` $sources `over` $axes attr-dict `:` type($x) `->` type($y)";
}
def Dist_BroadcastOp : Dist_Collective<"broadcast"> {
  let summary = "y = x of the rank at place `root` of the group";
  let description = [{ `%y = dist.broadcast %x root 0 over ["pp"]`. Takes varying to replicated. C1: root is one of 0..n-1. }];
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$root, StrArrayAttr:$axes);
  let results = (outs Dist_Result:$y);
  let assemblyFormat = "$x `root` $root `over` $axes attr-dict `:` type($x) `->` type($y)";
}
def Dist_SendOp : Dist_Op<"send", [MemoryEffects<[MemRead<Dist_Wire>, MemWrite<Dist_Wire>]>]> {
  let summary = "gives x to the rank at place `to` of the group, which takes it with dist.recv";
  let description = [{
    `dist.send %x to 1 over ["pp"] : tensor<8x64xf32>`. Stages of a pipeline are different functions: only there one rank sends and another takes. Sends between two ranks are taken in order.
    Started, `%p = dist.send … -> !dist.pending<tensor<8x64xf32>>`, it does not wait for the receiver; `dist.wait %p` does, and nothing writes x until then.
    C1: to is one of 0..n-1.
  }];
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$to, StrArrayAttr:$axes);
  let results = (outs Optional<Dist_PendingType>:$pending);
  let assemblyFormat = "$x `to` $to `over` $axes attr-dict `:` type($x) (`->` type($pending)^)?";
  let hasVerifier = 1;
}
def Dist_RecvOp : Dist_Op<"recv", [MemoryEffects<[MemRead<Dist_Wire>, MemWrite<Dist_Wire>]>]> {
  let summary = "what the rank at place `from` of the group sends to this one";
  let description = [{ `%y = dist.recv from 0 over ["pp"] : tensor<8x64xf32>`; see dist.send. C1: from is one of 0..n-1. }];
  let arguments = (ins I64Attr:$from, StrArrayAttr:$axes);
  let results = (outs Dist_Result:$y);
  let assemblyFormat = "`from` $from `over` $axes attr-dict `:` type($y)";
}
def Dist_WaitOp : Dist_Op<"wait", [MemoryEffects<[MemRead<Dist_Wire>, MemWrite<Dist_Wire>]>, TypesMatchWith<"y is what was started", "pending", "y",
    "::mlir::cast<::jinx::dist::PendingType>($_self).getValue()">]> {
  let summary = "the result of a collective, or of a receive, that was started";
  let description = [{
    `%y = dist.wait %p : !dist.pending<tensor<8x64xf32>>`. Until then nothing writes what the collective reads. C1: each start has one wait. Of a send, y is what was sent.
  }];
  let arguments = (ins Dist_PendingType:$pending);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let assemblyFormat = "$pending attr-dict `:` type($pending)";
}

// Neighbouring rows: what microbatches are cut into, and joined of (passes/Dist/UnrollMicrobatches.cpp). No kernel reads them through an offset of its own, so that all microbatches
// have the same kernels.

def Dist_RowsOp : Dist_Op<"rows", [Pure]> {
  let summary = "neighbouring rows of x: the same memory, or a copy of it where that is not aligned";
  let description = [{
    `%y = dist.rows %x from "4" : tensor<8x64xf32> -> tensor<2x64xf32>` is rows 4 and 5. C1: x has dimensions, y the same but for the first. C2: `from` is a formula of sizes. C3: where
    sizes are numbers, the rows are some of x's.
  }];
  let arguments = (ins AnyRankedTensor:$x, StrAttr:$from);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `from` $from attr-dict `:` type($x) `->` type($y)";
  let hasVerifier = 1;
}
def Dist_JoinRowsOp : Dist_Op<"join_rows", [Pure]> {
  let summary = "rows of several values, one behind the other";
  let description = [{
    `%y = dist.join_rows %a, %b : tensor<2x64xf32>, tensor<2x64xf32> -> tensor<4x64xf32>`. C1: there is an operand, each with y's dimensions but for the first. C2: y's first is the sum of theirs.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$xs);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$xs attr-dict `:` type($xs) `->` type($y)";
  let hasVerifier = 1;
}

#endif
