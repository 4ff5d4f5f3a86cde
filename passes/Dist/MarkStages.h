// Which stage of a pipeline computes which layer?
//
// Layers are told by the names of nodes: "blk.3.ffn_up", "/encoder/layer.3/output/dense". Stage s of n has the layers [s * layers / n, (s + 1) * layers / n). What is in front of the layers,
// between and behind them goes where its operands are (passes/Dist/StageProgram.cpp). A file of rules can say by names of nodes which stage they are in.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "runtime/base/Status.h"

namespace jinx::passes {

/// The layer that a node's name has in it, the first number behind a word for layers; -1 where it has none.
int64_t layerOf(llvm::StringRef node);
/// Writes `dist.stage` on operators of layers that depend on the function's arguments. Returns the number of layers.
/// \returns kInvalidArgument where there are fewer layers than stages
Expected<int64_t> markStages(mlir::func::FuncOp function, int64_t stages);
/// By patterns over nodes' names instead, a list for each stage; of two that fit a node the later stage counts.
/// \returns kNotFound, with names that are written alike, for a pattern that fits no node which depends on an argument
Status markStages(mlir::func::FuncOp function, const std::vector<std::vector<std::string>> &stages);

}  // namespace jinx::passes
