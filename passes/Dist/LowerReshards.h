// A reshard of a rank's own value: slices and collectives, one for each step of the path that leads there (ReshardPath.h).
//
//   "tp" = shard 0 -> replicated, 5 rows on 2 ranks          each has 3 rows, one of them filled up on the last
//     %a = dist.all_gather %x dim 0 over ["tp"]              6 rows
//     %y = jinx.slice %a starts ["0", "0"]                   5 rows
//
// Steps that two reshards of one value have in common are there once.
#pragma once

#include "passes/Dist/Filling.h"

namespace jinx::passes {

class ReshardLowering {
 public:
  ReshardLowering(OwnBuilder &own, dist::MeshOp mesh, Filling &filling) : own_(own), mesh_(mesh), filling_(filling) {}
  /// One step, of what a rank has.
  mlir::Value take(mlir::Location loc, const ReshardStep &step, mlir::Value x);
  int64_t numCollectives = 0;

 private:
  mlir::Value make(mlir::Location loc, const ReshardStep &step, mlir::Value x);
  mlir::Value filledUp(mlir::Location loc, mlir::Value x, int64_t dim, const SizeExpr &size);

  OwnBuilder &own_;
  dist::MeshOp mesh_;
  Filling &filling_;
  llvm::DenseMap<std::pair<mlir::Value, mlir::Type>, mlir::Value> made_;  ///< by what a rank has, and what the whole value is after the step
};

}  // namespace jinx::passes
