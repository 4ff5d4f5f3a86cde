// From one state of a value to another: which collectives, in which order.
//
// Types are the nodes of a graph, moves its edges, and the cheapest path is Dijkstra's. With tp = 4 and a value of 1 MB,
//
//   #dist.on<"tp" = partial sum>  ->  #dist.on<"tp" = shard 0>
//
//     all_reduce, slice    2 * 3/4 MB on the wire
//     reduce_scatter           3/4 MB                   taken
//
// What a move costs is what the fastest algorithm of the network takes (runtime/comm/model). So it may be otherwise: a tree reduces a few bytes over 64 nodes in 12 steps, a ring that
// scatters needs 63.
//
// Moves, on an axis a of n ranks:
//
//   slice           replicated    -> shard d     each rank keeps its part
//   all_gather      shard d       -> replicated
//   all_to_all      shard d       -> shard e
//   reduce_scatter  partial       -> shard d
//   all_reduce      partial       -> replicated
//   permute         shard d by a  -> shard d by b, an axis of as many ranks; or by the same axes in another order
//
// Where several axes split one dimension, the minor one goes and comes; all at once where the dimension does not divide, since parts of parts that are filled up
// lie elsewhere than the parts of the whole. A move puts an axis only where the goal has it, so paths are short.
#pragma once

#include "passes/Dist/MeshCosts.h"

namespace jinx::passes {

enum class Move { kSlice, kAllGather, kAllToAll, kReduceScatter, kAllReduce, kPermute };
llvm::StringRef nameOf(Move move);

/// One edge: what is done on which axes, and the type that the whole value has after it.
struct ReshardStep {
  Move move;
  llvm::SmallVector<mlir::StringAttr, 2> axes;  ///< of the group, the major one first; of a permute to another axis: from, to
  int64_t dim = -1;                             ///< slice, all_gather, reduce_scatter; all_to_all: gathered
  int64_t toDim = -1;                           ///< all_to_all: split
  graph::ReduceKind reduction = graph::ReduceKind::sum;
  llvm::SmallVector<int64_t> sources = {};      ///< permute: for each rank of the group the one whose part it gets
  mlir::RankedTensorType after;
  double seconds = 0;                           ///< by the network's cost model, with MeshCosts::symbol for every symbol
};

/// The cheapest path between two states of one whole value; empty where they are equal. kInvalidArgument where none leads there (to partial, from max to sum).
Expected<std::vector<ReshardStep>> cheapestPath(mlir::RankedTensorType from, mlir::RankedTensorType to, dist::MeshOp mesh, MeshCosts &costs);

/// What it takes.
Expected<double> secondsBetween(mlir::Type from, mlir::Type to, dist::MeshOp mesh, MeshCosts &costs);

/// Bytes of what one rank has of a value of this type.
double ownBytes(mlir::RankedTensorType type, dist::MeshOp mesh, int64_t symbol);
/// One order for equal types: shards as they are, then the rest as it is in the mesh.
dist::States inMeshOrder(llvm::ArrayRef<dist::AxisState> states, dist::MeshOp mesh);
/// Ranks that the axes have together.
int64_t ranksOf(llvm::ArrayRef<mlir::StringAttr> axes, dist::MeshOp mesh);
/// The sizes that each rank has of a value: dimensions that are split, rounded up.
graph::Sizes ownSizes(mlir::RankedTensorType type, dist::MeshOp mesh);

}  // namespace jinx::passes
