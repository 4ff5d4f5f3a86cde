// From a group of graph operators to a tile kernel: the entry point, and what every schedule gets and gives.
//
// A schedule is a hand-designed program shape with holes. The shapes are few (rows, matmul, attention); what a group computes around its anchor
// fills the holes through `ExpressionEmitter` (Expression.h), which evaluates any value of the group at given coordinates.
#pragma once

#include <memory>
#include <string>

#include "codegen/schedules/Choice.h"
#include "ir/Graph/Graph.h"
#include "ir/Tile/Tile.h"

namespace jinx::schedules {

/// What a schedule must know about the machine.
struct Target {
  bool cuda = false;
  int64_t vectorBytes = 64;  ///< CPU: width of a vector register
  int64_t registers = 32;    ///< CPU: vector registers
  int64_t mostRows = 0;      ///< CUDA, of a product whose rows are known at run time only: the kernel is for so many at most; 0: for any number
  const MeasuredChoices *measured = nullptr;  ///< what is known of sizes beforehand; null: nothing

  /// CPU: rows of a tile of 32 columns (16 without wide vectors) whose sums live in registers.
  int64_t rowsOfTile() const { return registers >= 32 ? 14 : vectorBytes >= 32 ? 6 : 2; }
};

/// Rows of a product that are known at run time only, and whose kernel is another one for another number (Target::mostRows).
struct RowRanges {
  SizeExpr rows;
  llvm::SmallVector<int64_t> most;  ///< of each range, ascending, but for the last one, which has no end
};

/// A kernel and how to launch it. Formulas are over the model's symbols.
struct Scheduled {
  tile::KernelOp kernel;
  llvm::SmallVector<SizeExpr> sizes;  ///< values of the kernel's size parameters
  SizeExpr programs;
  SizeExpr scratchBytes;
  SizeExpr work;  ///< rough cost in vector operations
  /// A second kernel, where one does not finish the group: this one's results have the types `parts`, the second one reads those and nothing
  /// else, and gives the group's. So on with a third.
  std::shared_ptr<Scheduled> then;
  /// What a kernel behind the first reads, where that is not the results of the one before: numbers among the group's inputs and all results before, in order.
  llvm::SmallVector<unsigned> takes;
  llvm::SmallVector<mlir::Type> parts;
  /// Of a kernel behind the first, whose results are the memory of what it reads: the number of that among what it takes, for each. Empty: none is.
  llvm::SmallVector<int64_t> inPlace;
  std::optional<Question> question;  ///< the choice of its sizes, where there was one
  SizeExpr share = SizeExpr(1);      ///< 0 where the sizes are those of another kernel, which stands beside it

  /// The kernel is for sizes where `share` is 1; elsewhere it has no programs.
  void within(const SizeExpr &its) {
    share = its;
    programs = programs * its;
    work = work * its;
  }
};

/// Writes the kernel of `group` at the builder's insertion point. A group that no schedule covers is a failure with a diagnostic.
mlir::FailureOr<Scheduled> scheduleGroup(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

/// Names of the source nodes that a group computes, in its order, each once. Constants in it are no nodes.
llvm::SmallVector<mlir::StringAttr> nodesOf(graph::GroupOp group);

/// A tensor whose elements kernels read and write.
bool isAddressable(mlir::Type type);
/// One whose elements they compute with too. 8-bit floats they only move and convert: those are bytes in registers.
bool isComputable(mlir::Type type);

/// The schedule of an operator that has a kernel of its own, "" for any other: its loops walk buffers in memory, and a group holds
/// nothing else.
llvm::StringRef ownSchedule(mlir::Operation *op);

/// True when ExpressionEmitter can evaluate `op` inside a group: what fusion may put there.
bool isEmittable(mlir::Operation *op);

}  // namespace jinx::schedules
