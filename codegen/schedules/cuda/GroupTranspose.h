// The schedule of groups that transpose their innermost dimension, on CUDA.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// True for a map whose one transpose puts another dimension innermost, and whose results follow it element by element.
bool isTransposeGroup(graph::GroupOp group);

mlir::FailureOr<Scheduled> scheduleCudaTranspose(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
