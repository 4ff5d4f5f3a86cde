// Reductions over rows by whole blocks, on CUDA.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Where a reduced dimension stands for a part of more rows, and the kept dimension before it counts parts: the last may have fewer.
struct RowsOfParts {
  int64_t dim = -1;   ///< the reduced dimension; -1: there are no parts
  SizeExpr rows = 0;  ///< of all parts together
};

/// How a strip of columns is shared by a block's threads.
struct StripShape {
  int64_t run = 1;    ///< neighbouring columns of a thread
  int64_t lanes = 1;  ///< threads side by side
  int64_t teams = 1;  ///< that share the rows
  int64_t columns() const { return run * lanes; }
};
StripShape stripShape(graph::GroupOp group);

/// For a collapsed group whose reductions are over one dimension in front of the lanes, in one phase, and whose results have their shape.
mlir::FailureOr<Scheduled> scheduleColumnStrips(graph::GroupOp group, llvm::StringRef name, const RowsOfParts &parts, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
