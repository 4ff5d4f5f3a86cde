// Which axes split which dimension of each value, where only a few values have wishes.
//
// Everything happens over factors (ir/Graph/Factors.h): an operator takes from each operand and result the axes that walk each of its factors, the longest list that all of
// them begin is taken, and goes back to the dimensions that are open and on whose value the axis is free:
//
//   %h = matmul %x, %w1     w1 is [[], ["tp"]]: n of this product is tp, so dimension 1 of h is
//   %g = relu %h            d1 is tp: so is that of g
//   %y = matmul %g, %w2     k is tp: so is dimension 0 of w2, although nobody wished it
//
// Wishes of priority 0 go through the whole function, then those of 1, …; within a priority first through operators that only hand on (all factors free), then through all. A sweep
// forward and one backward take turns until nothing changes. Every axis that a value takes is a remark, with the operator and the value that it comes from, and every
// conflict is one: two lists of which neither begins the other, an axis that splits another dimension already.
//
// GSPMD: Xu et al. 2021; factors and priorities: Shardy.
#pragma once

#include <set>

#include "ir/Dist/FactorAxes.h"
#include "ir/Dist/Forms.h"
#include "llvm/ADT/MapVector.h"

namespace jinx::passes {

/// Of one value.
struct DimAxes {
  dist::Axes axes;
  bool open = true;
  int64_t priority = 0;  ///< of the wish: before its turn nobody takes axes from here
};
using Sharding = llvm::SmallVector<DimAxes, 4>;

/// "tp, dp", or "no axis".
std::string textOf(const dist::Axes &axes);

class Propagation {
 public:
  Propagation(mlir::FunctionOpInterface function, dist::MeshOp mesh) : function_(function), mesh_(mesh) {}
  void run();
  /// The axes of a value's dimensions, as a type says it.
  mlir::RankedTensorType typeOf(mlir::Value value) const;
  int64_t numTaken() const { return numTaken_; }

 private:
  struct Candidate {
    dist::Axes axes;
    mlir::Value value;
  };

  void takeWishes();
  void wish(mlir::Value value, dist::ShardingAttr sharding);
  void closeWhole(mlir::Value value);
  bool sweep(bool forward, bool handingOnOnly);
  bool visit(mlir::Operation *op, const graph::FactorRule &rule);
  bool hand(mlir::Operation *op, mlir::Value from, mlir::Value to);
  dist::Axes agreed(mlir::Operation *op, const graph::FactorRule &rule, int64_t factor, llvm::ArrayRef<Candidate> candidates);
  bool extend(mlir::Operation *op, const graph::FactorRule &rule, mlir::Value value, const graph::FactoredValue &factored, const dist::FactorAxes &axes);
  bool extendDim(mlir::Operation *op, mlir::Value value, size_t dim, dist::Axes wanted, const llvm::Twine &why);
  bool takeResultWishes(mlir::Operation *op);
  const graph::FactorRule *ruleOf(mlir::Operation *op);
  void remark(mlir::Operation *op, bool done, llvm::StringRef name, const std::string &text);

  mlir::FunctionOpInterface function_;
  dist::MeshOp mesh_;
  int64_t level_ = 0, numTaken_ = 0;
  llvm::MapVector<mlir::Value, Sharding> shardings_;
  llvm::DenseMap<mlir::Operation *, std::optional<graph::FactorRule>> rules_;
  std::set<std::string> said_;  ///< conflicts, each once
};

}  // namespace jinx::passes
