// The tensor-core schedule for a group's product: matrices by rows and convolutions as tiles of a wgmma product with an epilogue hole.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// \param product  packed_matmul or packed_conv with by_rows, of 16-bit floats
mlir::FailureOr<Scheduled> scheduleWgmma(graph::GroupOp group, mlir::Operation *product, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
