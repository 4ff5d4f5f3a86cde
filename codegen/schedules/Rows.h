// The rows schedule: elementwise chains, data movement, windows and reductions, as passes over rows.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers every group whose operators ExpressionEmitter can evaluate and whose reductions are over one set of dimensions.
mlir::FailureOr<Scheduled> scheduleRows(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

/// Where a reduced dimension stands for a part of more rows, and the kept dimension before it counts parts: the last may have fewer.
struct RowsOfParts {
  int64_t dim;    ///< the reduced dimension
  SizeExpr rows;  ///< of all parts together
};
/// CUDA: as scheduleRows, for a group that reads such parts (cuda/RowParts.h).
mlir::FailureOr<Scheduled> scheduleRowsOfParts(graph::GroupOp group, llvm::StringRef name, const RowsOfParts &parts, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
