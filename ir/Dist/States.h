// What ranks have of a value.
//
// A value has a state on each axis of its function's mesh (ir/Dist/DistDialect.td says what they are). Most are `replicate`, which nothing names; the
// others stand in the type's encoding:
//
//   tensor<8x64xf32, #dist.on<"tp" = shard 1, "dp" = partial sum>>
//
//   ranks of one tp coordinate have the same 64/tp columns; of these, what they have along dp must be added up to be the value.
//
// Types with equal states are equal types, so `withStates` puts states in one order.
#pragma once

#include "ir/Graph/Graph.h"

#include "ir/Dist/DistEnums.h.inc"

namespace jinx::dist {

/// What a value is on one axis of the mesh.
struct AxisState {
  mlir::StringAttr axis;
  StateKind kind = StateKind::replicate;
  int64_t dim = -1;                                      ///< shard: which dimension
  graph::ReduceKind reduction = graph::ReduceKind::sum;  ///< partial: how parts make the whole

  static AxisState shard(mlir::StringAttr axis, int64_t dim) { return {axis, StateKind::shard, dim}; }
  static AxisState partial(mlir::StringAttr axis, graph::ReduceKind reduction) { return {axis, StateKind::partial, -1, reduction}; }
  bool operator==(const AxisState &) const = default;
};
inline llvm::hash_code hash_value(const AxisState &state) { return llvm::hash_combine(state.axis, int(state.kind), state.dim, int(state.reduction)); }

using States = llvm::SmallVector<AxisState, 2>;

/// "shard 1", "partial sum", "replicate".
std::string describe(const AxisState &state);
/// `"tp" = shard 1, "dp" = partial sum`, or "replicated".
std::string describe(llvm::ArrayRef<AxisState> states);

/// The states that a type names; none for what is no tensor.
llvm::ArrayRef<AxisState> statesOf(mlir::Type type);
/// The state on one axis.
AxisState stateOf(mlir::Type type, mlir::StringAttr axis);
/// `type` with these states, and no others. Shards come by dimension, and keep the order that they have within one (major first); the rest as given.
/// `replicate` leaves no trace.
mlir::RankedTensorType withStates(mlir::RankedTensorType type, llvm::ArrayRef<AxisState> states);
/// The type as the graph dialect writes it.
mlir::RankedTensorType withoutStates(mlir::RankedTensorType type);
/// Axes that split a dimension, the major one first.
llvm::SmallVector<mlir::StringAttr> axesOf(mlir::Type type, int64_t dim);

/// "rank.tp": the symbol that holds a rank's coordinate on an axis.
std::string coordinateSymbol(llvm::StringRef axis);

}  // namespace jinx::dist
