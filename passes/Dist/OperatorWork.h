// How much does an operator of a rank's own program compute, and how many bytes does it move?
//
// Counted before anything is fused or folded, by what will be:
//
//   constants, slices of them, masks    nothing: they are folded when the rank's plan is made ("derived"). What is read of them is the slice
//   products                            2 m n k flops; operands and result
//   mixtures of experts                 their products for the pairs of this rank's experts; operands and result
//   other operators                     a flop an element; the result, and weights: operands are in the kernel that made them, as often as not
//   reshapes, pages, waits              nothing: memory that is there
//
// Symbols of sizes have the values that the caller gives them; coordinates are those of rank 0.
#pragma once

#include <map>
#include <set>
#include <string>

#include "ir/Dist/Dist.h"
#include "runtime/comm/Communicator.h"

namespace jinx::passes {

struct Work {
  double flops = 0, bytes = 0;
  bool isHalf = false;  ///< a product of 16-bit floats
};

/// A collective as the cost model of runtime/comm/model has it.
struct WireCall {
  comm::Op op = comm::Op::kAllReduce;
  int64_t ranks = 1;   ///< of the group
  int64_t stride = 1;  ///< between neighbours of the group
  double bytes = 0;    ///< the whole (CollectiveCost.h)
  auto operator<=>(const WireCall &) const = default;
};

/// Of the groups along these axes: ranks between neighbours, those of the axes inside the innermost one.
int64_t strideOf(llvm::ArrayRef<mlir::StringAttr> axes, dist::MeshOp mesh);

/// As ranks send it and memory has it: small numbers are packed, flags take a byte. 0 of what has no width.
double bytesOfElement(mlir::Type element);

class OperatorWork {
 public:
  /// \param unknown  of symbols that are not in `sizes`
  OperatorWork(dist::MeshOp mesh, std::map<std::string, int64_t> sizes, int64_t unknown) : mesh_(mesh), sizes_(std::move(sizes)), unknown_(unknown) {}

  double sizeOf(const SizeExpr &size);
  double volumeOf(mlir::Type type);
  double bytesOf(mlir::Value value);

  /// Made of constants and coordinates alone, and no larger than they are: folded when the rank's plan is made.
  bool isDerived(mlir::Operation *op);
  /// Made of constants and coordinates alone: folded, or decoded by the kernel that multiplies with it. It takes no time of its own.
  bool isOfConstants(mlir::Operation *op);
  /// Its results are memory of operands.
  static bool isAlias(mlir::Operation *op);
  /// The value whose memory this one is in.
  static mlir::Value storageOf(mlir::Value value);

  /// Of what is neither derived nor on the wire.
  Work workOf(mlir::Operation *op);
  /// What is alive inside of a mixture (jinx-expand-experts): rows of all pairs, for a rank does not know which are its own before it runs.
  double bytesInside(mlir::Operation *op);
  /// Of a collective, a send or a receive.
  WireCall callOf(mlir::Operation *op);

  const std::set<std::string> &assumed() const { return assumed_; }  ///< symbols that were not in `sizes`

 private:
  bool findDerived(mlir::Operation *op);
  double flopsOf(mlir::Operation *op);
  double expertsOf(graph::ExpertsOp op);
  /// Pairs of a token and an expert that this rank computes where each expert is chosen as often as another.
  double pairsOf(graph::ExpertsOp op);

  dist::MeshOp mesh_;
  std::map<std::string, int64_t> sizes_;
  int64_t unknown_;
  std::set<std::string> assumed_;
  llvm::DenseMap<mlir::Value, double> bytes_;
  llvm::DenseMap<mlir::Operation *, bool> derived_, ofConstants_;
};

}  // namespace jinx::passes
