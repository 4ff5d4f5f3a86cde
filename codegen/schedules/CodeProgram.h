// What the programs of products with weights that are codes have in common: panels of 16 columns in blocks, parameters of groups, results.
#pragma once

#include "codegen/schedules/Expression.h"
#include "ir/Graph/Codes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace jinx::schedules {

class CodeProgram {
 protected:
  static constexpr int64_t kPanel = graph::kCodePanel;
  static constexpr int64_t kBlockPanels = 4;  ///< of a program
  using Values = llvm::SmallVector<mlir::Value>;

  CodeProgram(graph::GroupOp group, graph::DequantMatmulOp product, llvm::StringRef name, mlir::OpBuilder &builder);

  mlir::OpBuilder &b() { return kb_.b(); }
  mlir::Location loc() { return kb_.loc(); }
  mlir::Value c(int64_t v) { return kb_.constant(v); }
  mlir::Type f32() { return b().getF32Type(); }
  mlir::VectorType tileType(mlir::Type element) { return mlir::VectorType::get({kPanel}, element); }
  mlir::Value input(mlir::Value operand) { return kb_.input(mlir::cast<mlir::BlockArgument>(operand)); }
  mlir::Value zero(mlir::Type element);
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value sum);
  /// 16 elements of an operand, or one of them in each lane.
  mlir::Value load(mlir::Value from, mlir::Type element, mlir::Value at);
  mlir::Value spreadFrom(mlir::Value from, mlir::Type element, mlir::Value at);
  /// 16 scales or offsets of a group of k, as f32.
  mlir::Value parameter(mlir::Value parameters, mlir::Value panel, mlir::Value group);

  /// Does `step(panel, n)` for the panels from `first` to `end`, n at a time where there are that many, else one by one.
  void forPanels(mlir::Value first, mlir::Value end, int64_t n, llvm::function_ref<void(mlir::Value, int64_t)> step);
  /// Stores sums of `count` rows, row by row their panels, through the epilogue; with `valid` only so many rows.
  void store(llvm::ArrayRef<mlir::Value> sums, mlir::Value panel, mlir::Value firstRow, int64_t count, mlir::Value valid);
  void storeRow(mlir::Value sums, mlir::Value panel, mlir::Value row);

  void inBlock(mlir::Block *block, llvm::function_ref<void()> body);
  void either(mlir::Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise);
  void forLoop(mlir::Value from, mlir::Value to, mlir::Value step, llvm::function_ref<void(mlir::Value)> body);
  Values forLoop(mlir::Value from, mlir::Value to, mlir::Value step, llvm::ArrayRef<mlir::Value> init, llvm::function_ref<Values(mlir::Value, Values)> body);
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value x, mlir::Value y) { return mlir::arith::CmpIOp::create(b(), loc(), predicate, x, y); }

  graph::GroupOp group_;
  graph::DequantMatmulOp product_;
  KernelBuilder kb_;
  graph::Sizes out_;
  SizeExpr rows_, columns_, panels_, groups_;
};

/// The product of a group; null where there is none whose operands are inputs of the group.
graph::DequantMatmulOp codeProductOf(graph::GroupOp group);

}  // namespace jinx::schedules
