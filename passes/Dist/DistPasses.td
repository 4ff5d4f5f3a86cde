// The passes of sharding: one definition here, one file of the same name, one lit test of the same name (tests/lit/dist).
#ifndef JINX_DIST_PASSES_TD
#define JINX_DIST_PASSES_TD

include "mlir/Pass/PassBase.td"

def ApplyShardRules : Pass<"jinx-apply-shard-rules", "::mlir::ModuleOp"> {
  let summary = "Sharding: wishes by names of values";
  let description = [{
    `mesh=dp=2,tp=4 rules=input_ids:dp+?|,blk.*.ffn_up.weight:tp|:1` writes a mesh and wishes for the values of @main that the patterns fit (passes/Dist/ApplyRules.h): dimensions have a bar
    between them, axes a '+', a `?` leaves a dimension open, and a number is a priority. Then @main is `dist.annotated`. Programs read the same from a file (docs/guides/shard.md).
  }];
  let options = [ListOption<"mesh", "mesh", "std::string", "Axes: NAME=RANKS">, ListOption<"rules", "rules", "std::string", "PATTERN:DIM|DIM…[:PRIORITY]">];
  let statistics = [Statistic<"numWishes", "num-wishes", "Values with a wish">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def PlaceValues : Pass<"jinx-place-values", "::mlir::func::FuncOp"> {
  let summary = "Sharding: from wishes to what ranks have of every value";
  let description = [{
    Takes a function that is `dist.annotated`. Axes of the mesh spread from the values that have wishes over the factors of operators (passes/Dist/Propagation.h), each with a remark that says
    from where, or which conflict keeps it away. Then types get their states, `dist.reshard` stands wherever they change, and the function is `dist.placed`.
  }];
  let statistics = [Statistic<"numTaken", "num-taken", "Dimensions that took axes from another value">, Statistic<"numReshards", "num-reshards", "Reshards">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def MoveReshards : Pass<"jinx-move-reshards", "::mlir::func::FuncOp"> {
  let summary = "Sharding: fewer and cheaper collectives";
  let description = [{
    In a function that is `dist.placed`, reshards of parts move behind operators that take parts (one collective for an add of two sums), two reshards in a row become one (a sum and then a part of
    it: a reduce_scatter), and reshards of one value are made of each other where that is cheaper. By the costs of passes/Dist/ReshardPath.h. Each move is a remark.
  }];
  let options = [Option<"network", "network", "std::string", "\"h100-8\"", "What joins ranks, and with it the device: h100-8, h200-8, a100-8 or host">];
  let statistics = [Statistic<"numMoved", "num-moved", "Operators that parts go through">, Statistic<"numJoined", "num-joined", "Reshards joined with one in front of them">,
                    Statistic<"numShared", "num-shared", "Reshards made of another one's result">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def Partition : Pass<"jinx-partition", "::mlir::func::FuncOp"> {
  let summary = "Sharding: from whole values to those of one rank, with collectives";
  let description = [{
    Takes a function that is `dist.placed` and leaves one that is `dist.own`: shapes of a rank, `dist.reshard` as the cheapest path of slices and collectives (passes/Dist/ReshardPath.h), masks where
    parts are filled up and a sum would see it. One program for all ranks; coordinates are symbols. A path that gives every rank all of a value that was split is a remark with its line.

    A mixture whose experts and tokens are split by the same axes gathers tokens in front and scatters the sum, or exchanges both by dist.all_to_all_v (passes/Dist/ExchangeExperts.h): `ExchangesTokens` and
    `GathersTokens` say what each takes, `NoExchange` why there is no choice.
  }];
  let options = [Option<"network", "network", "std::string", "\"h100-8\"", "What joins ranks, and with it the device: h100-8, h200-8, a100-8 or host">,
                 Option<"zeroFilledArguments", "zero-filled-arguments", "bool", "false", "Arguments come filled up with zeros, and need no masks">,
                 Option<"experts", "experts", "std::string", "\"auto\"",
                        "Tokens of mixtures that are split as the experts are: gather them, exchange them, or as the network's costs say (auto)">];
  let statistics = [Statistic<"numCollectives", "num-collectives", "Collectives of reshards made">, Statistic<"numMasks", "num-masks", "Operands masked where they are filled up">,
                    Statistic<"numExchanges", "num-exchanges", "Mixtures whose tokens go to the ranks of their experts alone">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def FormRings : Pass<"jinx-form-rings", "::mlir::func::FuncOp"> {
  let summary = "Sharding: keys and values of attention pass round a ring of ranks";
  let description = [{
    In a function that is `dist.own`, before collectives are combined and started. Attention whose keys and values are gathered along the axes that split its queries becomes n steps over a block of keys
    each, joined by their largest logits and sums; keys and values of the next step are permuted beside this one's products (Liu, Zaharia & Abbeel 2023, Ring Attention). The same bytes on the wire,
    and two blocks of keys on a rank. Each attention with gathered values has a remark: `Ring`, with bytes and times, or `Gathered`, with the reason.
  }];
  let options = [Option<"network", "network", "std::string", "\"h100-8\"", "What joins ranks, and with it the device: h100-8, h200-8, a100-8 or host; for times in remarks">,
                 Option<"keys", "keys", "std::string", "\"ring\"", "ring, or gather: leave attention as it is">];
  let statistics = [Statistic<"numRings", "num-rings", "Attentions whose keys go round">, Statistic<"numGathered", "num-gathered", "Attentions whose keys are gathered">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def VerifyMicrobatches : Pass<"jinx-verify-microbatches", "::mlir::func::FuncOp"> {
  let summary = "Sharding: nothing is passed on between microbatches";
  let description = [{
    In a function that is `dist.placed` on a mesh with the axis `axis`, which counts microbatches: an operator that needs all of what the axis cuts, or whose result is a sum over microbatches, is an
    error that names it and the factor (a sum over the batch, a sort along it).
  }];
  let options = [Option<"axis", "axis", "std::string", "\"micro\"", "The axis of the mesh that counts microbatches">];
  let statistics = [Statistic<"numVerified", "num-verified", "Reshards that were looked at">];
}

def UnrollMicrobatches : Pass<"jinx-unroll-microbatches", "::mlir::ModuleOp"> {
  let summary = "Sharding: an axis of the mesh becomes time";
  let description = [{
    Takes functions that are `dist.own` on a mesh with the axis `axis` and leaves them on one without it: what varies along the axis is there once for each coordinate, one microbatch behind the
    other, what does not, once. Arguments are cut into rows, results joined of them (dist.rows, dist.join_rows). Operators say in `dist.piece` to which microbatch they belong.
  }];
  let options = [Option<"axis", "axis", "std::string", "\"micro\"", "The axis of the mesh that counts microbatches">];
  let statistics = [Statistic<"numVarying", "num-varying", "Operators that are there once for each microbatch">, Statistic<"numCommon", "num-common", "Operators that all microbatches share">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def StartTransfers : Pass<"jinx-start-transfers", "::mlir::func::FuncOp"> {
  let summary = "Sharding: stages send and receive beside what they compute";
  let description = [{
    In the program of one stage with microbatches (`dist.own`, after jinx-stage-program): what a microbatch sends is started, and waited for in front of the next microbatch's sends; what the next one
    receives is started before this one's is waited for. One microbatch is on its way in each direction; from k stages in front, k. All stages start their transfers in one order.
  }];
  let statistics = [Statistic<"numStarted", "num-started", "Sends and receives that are started">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def RankProgram : Pass<"jinx-rank-program", "::mlir::func::FuncOp"> {
  let summary = "Sharding: the program of one rank";
  let description = [{
    Takes a function that is `dist.own` and leaves one that is `dist.ranked`: coordinates are numbers, types have no states, so that graph passes take it. A group of one rank has no collective.
  }];
  let options = [Option<"rank", "rank", "int64_t", "0", "Which one">];
  let statistics = [Statistic<"numFormulas", "num-formulas", "Operators whose formulas had coordinates">,
                    Statistic<"numLonely", "num-lonely", "Collectives of one rank, which are gone">];
}

def StageProgram : Pass<"jinx-stage-program", "::mlir::func::FuncOp"> {
  let summary = "Sharding: the program of one stage of a pipeline";
  let description = [{
    Takes a function that is `dist.own` on a mesh with the axis `axis`, whose operators say in `dist.stage` who computes them, and leaves those of one stage, with dist.send and dist.recv where values go
    from one stage to another, and results broadcast. Values go forward: an operator of an earlier stage that needs one of a later is an error. Pools of pages that a stage does not use are gone.
  }];
  let options = [Option<"axis", "axis", "std::string", "\"pp\"", "The axis of the mesh that counts stages">, Option<"stage", "stage", "int64_t", "0", "Which one">];
  let statistics = [Statistic<"numSent", "num-sent", "Values sent to other stages">, Statistic<"numReceived", "num-received", "Values received from other stages">,
                    Statistic<"numDropped", "num-dropped", "Operators of other stages, which are gone">, Statistic<"numPools", "num-pools", "Pools of pages of other stages, which are gone">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def CombineCollectives : Pass<"jinx-combine-collectives", "::mlir::func::FuncOp"> {
  let summary = "Sharding: of many small collectives few";
  let description = [{
    In a function that is `dist.own`, before collectives are started early. Neighbours of one kind, group and element type, of which none needs another, become one over what they have in a row, as long as
    a call less saves more than copying there and back costs, and more than what would have hidden the first one. Both are by the network's cost model, so the size up to which it pays is: about
    latency * memory bandwidth / 4 bytes, some MB between GPUs and some kB between processes of a host. An all_reduce of which a rank only reads its part becomes a reduce_scatter.
    Each decision is a remark.
  }];
  let options = [Option<"network", "network", "std::string", "\"h100-8\"", "What joins ranks, and with it the device: h100-8, h200-8, a100-8 or host">,
                 Option<"maxBytes", "max-bytes", "int64_t", "0", "Of one combined collective, at most; 0: as the cost model says">];
  let statistics = [Statistic<"numCombined", "num-combined", "Collectives that are a part of another one">, Statistic<"numScattered", "num-scattered", "all_reduces that became a reduce_scatter">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def OverlapCollectives : Pass<"jinx-overlap-collectives", "::mlir::func::FuncOp"> {
  let summary = "Sharding: collectives are started early and waited for late";
  let description = [{
    In a function that is `dist.own`, operators are ordered by list scheduling (runtime/comm/model/IssueOrder.h), and a collective that hides behind others is started as soon as its operand is there, and
    waited for where its result is read first. One program has one order, so all ranks come to their collectives in it. By the model the result is never slower than one after the other, and
    never needs more than `memory` times its bytes. A collective with nothing beside it stays as it is. Each decision is a remark.
  }];
  let options = [Option<"network", "network", "std::string", "\"h100-8\"", "What joins ranks, and with it the device: h100-8, h200-8, a100-8 or host">,
                 Option<"memory", "memory", "double", "2", "Activations take so many times what they take one after the other, at most">,
                 Option<"least", "least", "double", "2", "Microseconds that a start hides, at least: about what a step more takes">];
  let statistics = [Statistic<"numStarted", "num-started", "Collectives that are started early">, Statistic<"numKept", "num-kept", "Collectives with nothing beside them">];
  let dependentDialects = ["::jinx::dist::DistDialect"];
}

def LowerCollectives : Pass<"jinx-lower-collectives", "::mlir::func::FuncOp"> {
  let summary = "Sharding: collectives over neighbouring memory";
  let description = [{
    In a function that is `dist.ranked`, gathers, scatters and exchanges along other dimensions than the first become ones along the first, with reshapes and transposes around them: afterwards
    buffers of collectives are as communicators have them.
  }];
  let statistics = [Statistic<"numRearranged", "num-rearranged", "Collectives along other dimensions">];
}

#endif
