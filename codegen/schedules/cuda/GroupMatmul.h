// The matmul schedule on CUDA: products and convolutions of a group as tiles of a SIMT product with an epilogue hole.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers what scheduleMatmul covers: f32 (convolutions without padding: the input is padded before) on scalar units, 16-bit floats by rows
/// on tensor cores (GroupWgmma.h).
mlir::FailureOr<Scheduled> scheduleCudaMatmul(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules
