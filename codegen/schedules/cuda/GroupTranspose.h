// The schedules of groups that transpose their innermost dimension, on CUDA.
#pragma once

#include "codegen/schedules/Expression.h"

namespace jinx::schedules {

/// The transpose of a group, and where its lines lie.
struct TransposeForm {
  graph::TransposeOp transpose;
  int64_t line = -1;  ///< x's innermost dimension, as a dimension of the result
  int64_t lane = -1;  ///< the result's innermost
};

/// True for a map whose one transpose puts another dimension innermost, and whose results follow it element by element.
bool isTransposeGroup(graph::GroupOp group);

mlir::FailureOr<Scheduled> scheduleCudaTranspose(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

/// Elements of an access where both dimensions are multiples of 16 bytes (8 of single bytes); else 0.
int64_t transposeRun(const TransposeForm &form);
Scheduled scheduleTransposeBlocks(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder, const TransposeForm &form);

}  // namespace jinx::schedules
