// What the plan of one rank says of the others: the mesh, what its inputs and outputs are parts of, its collectives.
//
//   dist.mesh @mesh <"dp" = 2, "tp" = 4>                    Mesh {axes: dp 2, tp 4}
//   attributes {dist.ranked = @mesh,                        a plan for one rank, or, with coordinates of some axes,
//               dist.coordinates = {tp = 1}}                     for the ranks that have these: {tp: 1} is for ranks 1 and 5
//   %x: tensor<8x16xf32> {dist.whole =                      Whole {dims: "8" by none, "64" by tp}
//       tensor<8x64xf32, #dist.on<"tp" = shard 1>>}
//   dist.all_reduce sum %x over ["tp"]                      Collective {ALL_REDUCE, SUM, axes: 1, count: "128"}
#pragma once

#include "ir/Dist/Forms.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "runtime/plan/plan.pb.h"

namespace jinx {

void setMesh(dist::MeshOp mesh, mlir::func::FuncOp function, plan::Mesh &out);

/// kUnimplemented for a value of which ranks have parts of a sum.
Status setWhole(mlir::Attribute wholeType, dist::MeshOp mesh, plan::Whole &out);

/// A collective, a send or a receive, over dimension 0 only (jinx-lower-collectives). kInternal for one over another.
Status setCollective(mlir::Operation *op, dist::MeshOp mesh, plan::Collective &out);

}  // namespace jinx
